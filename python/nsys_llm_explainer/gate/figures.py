"""Finds a figure by its name, in a report or in a baseline. A figure that is not there is an error, never a zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Union

from nsys_llm_explainer import _native
from nsys_llm_explainer.findings.registry import RULES
from nsys_llm_explainer.gate.expression import Path
from nsys_llm_explainer.report import SEVERITIES, Report

Number = Union[int, float]

FINDINGS = "findings"
STEPS = "steps"
DIFF = "diff"
STEP_KINDS = "step_kinds"
TOTAL_ROWS = "total_rows"
AT_STAKE = ("at_stake_ns", "at_stake_share")
_FACTS = ("trace", "window")


class AbsentError(LookupError):
    """There is no such figure; the message says why."""


class Rows(Protocol):
    """A table as the gate reads it."""

    @property
    def total_rows(self) -> int:
        """How many rows there were before the cut."""

    def rows(self) -> list[dict[str, Any]]:
        """The rows that are held."""


@dataclass(frozen=True)
class FindingFigures:
    """What the gate knows of a finding: its rule, severity, and the device time at stake, None where it claims none."""

    id: str
    severity: str
    at_stake_ns: Number | None
    at_stake_share: Number | None


@dataclass(frozen=True)
class Figures:
    """The figures of a report, or those that a baseline keeps of one.

    Attributes:
        summary: Section, or ``trace`` and ``window``, to figure to value.
        tables: Table to its rows.
        findings: The findings.
        lacks: Section to why it is missing.
        holder: What to call it, for messages.
        diff: Figures of a comparison by name, or why there is none; None where nothing is compared.
    """

    summary: Mapping[str, Mapping[str, Any]]
    tables: Mapping[str, Rows]
    findings: tuple[FindingFigures, ...]
    lacks: Mapping[str, str] = field(default_factory=dict)
    holder: str = "report"
    diff: Mapping[str, Union[tuple[Number, ...], str]] | None = None

    def lack(self, section: str) -> str:
        """Returns why a figure of a section is not there."""
        reason = self.lacks.get(section)
        if self.holder != "report":
            return f"not captured: the {self.holder} holds no such figure"
        return "not captured" + (f": {reason}" if reason else "")


@dataclass(frozen=True)
class Values:
    """What a path leads to: one value or more, and what to know about them."""

    numbers: tuple[Number, ...]
    note: str = ""


def of_report(report: Report) -> Figures:
    """Returns the figures of a report."""
    ok = {name: section for name, section in report.sections.items() if section.status == "ok"}
    lacks = {name: "; ".join(section.needs) for name, section in report.sections.items() if name not in ok}
    return Figures(
        summary={"trace": report.trace, "window": report.window, **{name: ok[name].summary for name in ok}},
        tables={name: table for section in ok.values() for name, table in section.tables.items()},
        findings=tuple(
            FindingFigures(item.id, item.severity, item.at_stake_ns, item.at_stake_share) for item in report.findings
        ),
        lacks=lacks,
    )


def look_up(figures: Figures, path: Path) -> Values:
    """Returns the values that a path leads to, at least one.

    Args:
        figures: Where to look.
        path: The figure.

    Raises:
        AbsentError: There is no such figure.
    """
    head, last = path.names[0], path.names[-1]
    if head == DIFF:
        return _of_diff(figures, path.names[1:])
    if head == FINDINGS and path.where is None:
        return Values((_of_findings(figures, path.names[1:]),))
    if len(path.names) == 3:
        return _of_table(figures, STEP_KINDS, (("kind", path.names[1]),), last)
    sections = {section["id"]: section for section in _native.schema()}
    if path.where is None and head in _FACTS:
        return Values((_number(_present(figures, head, last), path.text),))
    if path.where is None and head in sections and last in {column["name"] for column in sections[head]["summary"]}:
        return Values((_number(_present(figures, head, last), path.text),))
    return _of_table(figures, head, path.where or (), last)


def _of_diff(figures: Figures, names: tuple[str, ...]) -> Values:
    if figures.diff is None:
        raise AbsentError("no such figure here: only a comparison of two traces has it")
    name = ".".join(names)
    found = figures.diff.get(name)
    if found is None:
        near = [known for known in figures.diff if known.rpartition(".")[2] == names[-1]]
        if names[0] == STEPS and len(names) == 3 and near:
            raise AbsentError(f"not captured: the two sides have no steps of kind {names[1]} in common")
        raise AbsentError(f"no such figure: the comparison has no {name}")
    if isinstance(found, str):
        raise AbsentError(found)
    return Values(found)


def _present(figures: Figures, section: str, name: str) -> Any:
    value = figures.summary.get(section, {}).get(name)
    if value is None:
        raise AbsentError(figures.lack(section))
    return value


def _of_table(figures: Figures, table: str, where: tuple[tuple[str, str], ...], column: str) -> Values:
    home, columns = _declared(table)
    unknown = [name for name in (*(key for key, _ in where), column) if name not in {*columns, TOTAL_ROWS}]
    if unknown:
        raise AbsentError(f"no such figure: report.json has no {table}.{unknown[0]}")
    held = figures.tables.get(table)
    if held is None:
        raise AbsentError(figures.lack(home))
    if column == TOTAL_ROWS:
        if where:
            raise AbsentError(f"no such figure: {TOTAL_ROWS} counts all rows of {table}, not a selection")
        return Values((held.total_rows,))
    rows = held.rows()
    cut = f"among the first {len(rows)} of {held.total_rows} rows" if held.total_rows > len(rows) else ""
    chosen = [row for row in rows if all(_text(row.get(key)) == value for key, value in where)]
    if not chosen:
        wanted = " and ".join(f"{key} {value}" for key, value in where)
        what = f"{table} has no row" + (f" with {wanted}" if wanted else "")
        raise AbsentError(f"not captured: {' '.join(filter(None, (what, cut)))} in the {figures.holder}")
    cells = [row[column] for row in chosen if row.get(column) is not None]
    if not cells:
        raise AbsentError(f"not captured: no row of {table} has {column} in the {figures.holder}")
    without = len(chosen) - len(cells)
    notes = (cut, f"{without} more without a value" if without else "")
    return Values(tuple(_number(cell, f"{table}.{column}") for cell in cells), ", ".join(filter(None, notes)))


def _declared(table: str) -> tuple[str, set[str]]:
    for section in _native.schema():
        for declared in section["tables"]:
            if declared["name"] == table:
                return section["id"], {column["name"] for column in declared["columns"]}
    raise AbsentError(f"no such figure: report.json has no section or table {table} with it")


def _of_findings(figures: Figures, names: tuple[str, ...]) -> Number:
    name, figure = names[0], names[1] if len(names) > 1 else None
    if figure is None and name == TOTAL_ROWS:
        return len(figures.findings)
    if figure is None and name in SEVERITIES:
        return sum(finding.severity == name for finding in figures.findings)
    if name not in {rule.id for rule in RULES}:
        raise AbsentError(f"no such figure: there is no finding {name}")
    if figure not in (None, *AT_STAKE):
        raise AbsentError(f"no such figure: a finding has {' and '.join(AT_STAKE)}")
    found = [finding for finding in figures.findings if finding.id == name]
    if not found:
        _could_be_found(figures, name)
        return 0
    if figure is None:
        return len(found)
    stakes = [finding.at_stake_ns if figure == AT_STAKE[0] else finding.at_stake_share for finding in found]
    known = [stake for stake in stakes if stake is not None]
    if not known:
        raise AbsentError(f"not captured: the finding {name} has no device time at stake")
    return sum(known)  # no nanosecond is at stake in two findings


def _could_be_found(figures: Figures, name: str) -> None:
    """Makes sure that a rule that found nothing had something to look at."""
    for section in ("budget", *((STEPS,) if "step" in name else ())):
        if not figures.summary.get(section):
            raise AbsentError(f"{figures.lack(section)}, so {name} cannot be ruled out")


def _number(value: Any, name: str) -> Number:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    raise AbsentError(f"no such figure: {name} is no number")


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    return str(cell).lower() if isinstance(cell, bool) else str(cell)
