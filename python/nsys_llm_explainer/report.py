"""The finished value that every renderer reads: a trace's facts, warnings, findings and sections."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Union

from nsys_llm_explainer._native import Section, Table, __version__
from nsys_llm_explainer.capture.recipe import CaptureRecipe

SCHEMA_VERSION = "1.0"
TOOL_NAME = "nsys-llm-explainer"
SEVERITIES = ("high", "medium", "low")
FORMATS = ("md", "json", "csv", "html")
DEFAULT_KERNEL_LIMIT = 30

StrPath = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class Evidence:
    """One observation behind a finding, with the place where its numbers stand.

    Attributes:
        text: The observation, for people.
        section: Section that holds the numbers, None where they are facts about the trace.
        table: Table of that section, None where they come from its summary.
        values: The numbers themselves, in the machine units of their names.
        time_range_ns: Start and end on the trace's clock, to open in the Nsight Systems GUI.
    """

    text: str
    section: str | None = None
    table: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    time_range_ns: tuple[int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the evidence as it stands in report.json."""
        return {
            "text": self.text,
            "section": self.section,
            "table": self.table,
            "values": dict(self.values),
            "time_range_ns": None if self.time_range_ns is None else list(self.time_range_ns),
        }


@dataclass(frozen=True)
class Finding:
    """Something in the trace that is worth a look, with its evidence.

    Attributes:
        id: The rule that found it, the stem of its file.
        severity: ``"high"``, ``"medium"`` or ``"low"``.
        title: One line for people.
        evidence: What it rests on.
        recommendations: What to do next, most useful first.
        at_stake_ns: Device time that the finding accounts for, disjoint between findings. No forecast of a gain.
        at_stake_share: The same as a fraction of the device windows, summed over devices.
        meaning: What such a finding usually means.
        verify: How to make sure that it is so, and that a change helped.
        contradicted_by: What would speak against it.
    """

    id: str
    severity: str
    title: str
    evidence: tuple[Evidence, ...] = ()
    recommendations: tuple[str, ...] = ()
    at_stake_ns: int | None = None
    at_stake_share: float | None = None
    meaning: str = ""
    verify: str = ""
    contradicted_by: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Returns the finding as it stands in report.json."""
        return {
            "id": self.id,
            "severity": self.severity,
            "title": self.title,
            "at_stake_ns": self.at_stake_ns,
            "at_stake_share": self.at_stake_share,
            "evidence": [item.to_dict() for item in self.evidence],
            "recommendations": list(self.recommendations),
            "meaning": self.meaning,
            "verify": self.verify,
            "contradicted_by": self.contradicted_by,
        }


@dataclass(frozen=True)
class Lack:
    """Something that this capture cannot answer.

    Attributes:
        need: What is missing, a key of ``capture.FLAGS`` where a flag brings it.
        question: What cannot be answered without it.
        remedy: The flag and what to know about it, or what else it takes.
    """

    need: str
    question: str
    remedy: str

    def to_dict(self) -> dict[str, Any]:
        """Returns the lack as it stands in report.json."""
        return {"need": self.need, "question": self.question, "remedy": self.remedy}


@dataclass(frozen=True)
class CaptureAdvice:
    """What the capture lacks for the questions of the report, and the commands that record it.

    Attributes:
        lacks: What is missing, most important first.
        recipes: Command lines, one for each engine that the trace may be of; empty where no flag would help.
    """

    lacks: tuple[Lack, ...] = ()
    recipes: tuple[CaptureRecipe, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns the advice as it stands in report.json."""
        return {
            "lacks": [lack.to_dict() for lack in self.lacks],
            "commands": [
                {
                    "engine": recipe.engine,
                    "title": recipe.title,
                    "command": recipe.command,
                    "export": recipe.export,
                    "notes": list(recipe.notes),
                }
                for recipe in self.recipes
            ],
        }


@dataclass(frozen=True)
class Report:
    """Everything that was found out about one trace.

    Attributes:
        trace: Facts about the export: path, versions, GPUs, processes, row counts, rejected rows.
        window: The time that was analysed: start_ns, end_ns, source.
        warnings: What limits the report, each with code, message and section.
        findings: What to look at next, by device time at stake, then severity.
        sections: Section id to section, in the order of the report.
        generated_at: When the report was made, ISO 8601 in UTC.
        capture: What to capture again for what this capture cannot answer.
        stages: How long each stage of the core took, in ns; part of no output.
        timeline: Device time by bucket in bins, coarse and fine ones for each device; part of report.html alone. A
            bucket is an ``array("q")`` of ns by bin.
    """

    trace: Mapping[str, Any]
    window: Mapping[str, Any]
    warnings: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...]
    sections: Mapping[str, Section]
    generated_at: str
    capture: CaptureAdvice = CaptureAdvice()
    stages: tuple[tuple[str, int], ...] = field(default=(), compare=False)
    timeline: tuple[Mapping[str, Any], ...] = field(default=(), compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as plain data: the content of report.json."""
        return self.to_data(lambda _, table: table.rows())

    def to_data(self, rows_of: Callable[[str, Table], Any]) -> dict[str, Any]:
        """Returns the content of report.json with the rows of its tables as the caller wants them.

        Args:
            rows_of: Returns what stands for the rows of a table, given the id of its section and the table.
        """
        return {
            "schema_version": SCHEMA_VERSION,
            "tool": {"name": TOOL_NAME, "version": __version__},
            "generated_at": self.generated_at,
            "trace": dict(self.trace),
            "window": dict(self.window),
            "warnings": [dict(warning) for warning in self.warnings],
            "findings": [finding.to_dict() for finding in self.findings],
            "capture": self.capture.to_dict(),
            "sections": {name: _section_dict(name, section, rows_of) for name, section in self.sections.items()},
        }

    def write(
        self,
        directory: StrPath,
        formats: Iterable[str] = FORMATS,
        *,
        kernel_limit: int = DEFAULT_KERNEL_LIMIT,
    ) -> list[Path]:
        """Writes report.md with figures/, report.json, tables/<table>.csv and report.html into a directory, or none.

        Args:
            directory: Created if absent. In an existing one only files with this report's own names are replaced.
            formats: Any of ``"md"``, ``"json"``, ``"csv"`` and ``"html"``.
            kernel_limit: Rows of the kernel table in report.md.

        Returns:
            The files that were written.

        Raises:
            ValueError: A format is unknown, or none is named.
            NotADirectoryError: ``directory`` is a file.
            OSError: A file cannot be written; nothing of this report is left behind.
        """
        from nsys_llm_explainer.render.outputs import write_report  # noqa: PLC0415 - the value stands below its renderers

        return write_report(self, Path(directory), tuple(formats), kernel_limit=kernel_limit)

    @property
    def figures(self) -> Mapping[str, Any]:
        """The charts of report.html as Plotly figures, by name: ``report.figures["budget"]``."""
        from nsys_llm_explainer.render.figures import Figures  # noqa: PLC0415 - as in write

        return Figures(self)

    def _repr_html_(self) -> str:
        from nsys_llm_explainer.render.html import summary_html  # noqa: PLC0415 - as in write

        return summary_html(self)


def timestamp(environ: Mapping[str, str] = os.environ) -> str:
    """Returns the time for ``generated_at``; ``SOURCE_DATE_EPOCH`` fixes it.

    Args:
        environ: Where ``SOURCE_DATE_EPOCH`` is looked up.

    Raises:
        ValueError: ``SOURCE_DATE_EPOCH`` is no number of seconds.
    """
    fixed = environ.get("SOURCE_DATE_EPOCH", "").strip()
    if not fixed:
        return _iso(datetime.now(timezone.utc))
    try:
        return _iso(datetime.fromtimestamp(int(fixed), timezone.utc))
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"SOURCE_DATE_EPOCH must be whole seconds since 1970, not {fixed!r}") from error


def _iso(moment: datetime) -> str:
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _section_dict(name: str, section: Section, rows_of: Callable[[str, Table], Any]) -> dict[str, Any]:
    return {
        "title": section.title,
        "status": section.status,
        "needs": list(section.needs),
        "derived_from": list(section.derived_from),
        "limitations": list(section.limitations),
        "summary": dict(section.summary),
        "tables": {key: _table_dict(table, rows_of(name, table)) for key, table in section.tables.items()},
    }


def _table_dict(table: Table, rows: Any) -> dict[str, Any]:
    return {
        "columns": [{key: column[key] for key in ("name", "unit", "description")} for column in table.columns],
        "total_rows": table.total_rows,
        "rows": rows,
    }
