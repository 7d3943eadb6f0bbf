"""The finished comparison that every output reads, and the tables it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Union

from nsys_llm_explainer._native import __version__
from nsys_llm_explainer.comparison.columns import TABLES, TableSpec
from nsys_llm_explainer.report import TOOL_NAME, Report, StrPath

SCHEMA_VERSION = "1.0"
FORMATS = ("md", "json", "csv", "html")
ALL, STEPS, KERNELS, IDLE = "all", "steps", "kernels", "idle"
BLOCKS, LIMITS, NOTE = "blocks", "limits", "note"
SEVERITIES = (BLOCKS, LIMITS, NOTE)
COMPARABLE, LIMITED, NOT_COMPARABLE = "comparable", "limited", "not_comparable"
Number = Union[int, float]
Row = dict[str, Any]


@dataclass(frozen=True)
class DiffTable:
    """One table of the comparison, with the columns that its specification declares.

    Attributes:
        spec: What the table holds.
        held: The rows, in their order.
    """

    spec: TableSpec
    held: tuple[Mapping[str, Any], ...]

    @property
    def name(self) -> str:
        """The name of its file, apart from those of a report in the same folder."""
        return f"diff_{self.spec.name}"

    @property
    def columns(self) -> list[dict[str, Any]]:
        """One dict per column: name, type, unit, nullable, description."""
        return [column.to_dict() for column in self.spec.columns]

    @property
    def total_rows(self) -> int:
        """How many rows there are; no row is cut."""
        return len(self.held)

    def __len__(self) -> int:
        return len(self.held)

    def rows(self) -> list[Row]:
        """Returns the rows as dicts from column name to value, None where absent."""
        return [dict(row) for row in self.held]

    def to_pydict(self) -> dict[str, list[Any]]:
        """Returns the columns as lists."""
        return {column.name: [row[column.name] for row in self.held] for column in self.spec.columns}


def table(name: str, rows: Iterable[Mapping[str, Any]]) -> DiffTable:
    """Returns a table; columns that a row leaves out are None.

    Args:
        name: Which of the declared tables.
        rows: Its rows.

    Raises:
        KeyError: There is no such table, or a row has a column that it does not declare.
    """
    spec = next((spec for spec in TABLES if spec.name == name), None)
    if spec is None:
        raise KeyError(name)
    names = [column.name for column in spec.columns]
    held = []
    for row in rows:
        unknown = row.keys() - set(names)
        if unknown:
            raise KeyError(f"{name}.{min(unknown)}")
        held.append({column: row.get(column) for column in names})
    return DiffTable(spec, tuple(held))


@dataclass(frozen=True)
class Side:
    """One of the two reports, as far as outputs speak of it.

    Attributes:
        path: The export.
        facts: What to know about it: name and text.
    """

    path: str
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The name of the file."""
        return Path(self.path).name


@dataclass(frozen=True)
class Difference:
    """Something in which the two runs or captures differ before any figure is compared.

    Attributes:
        subject: What differs.
        before: How it is in BEFORE.
        after: How it is in AFTER.
        severity: ``"blocks"`` where figures of the scope are not compared, ``"limits"`` or ``"note"``.
        scope: ``"all"``, ``"steps"``, ``"kernels"`` or ``"idle"``: which figures it concerns.
        effect: What that means for the figures.
    """

    subject: str
    before: str
    after: str
    severity: str
    scope: str
    effect: str

    def to_dict(self) -> Row:
        """Returns the difference as a row."""
        return {
            "subject": self.subject,
            "before": self.before,
            "after": self.after,
            "severity": self.severity,
            "scope": self.scope,
            "effect": self.effect,
        }


@dataclass(frozen=True)
class Comparison:
    """Everything that was found out about AFTER beside BEFORE.

    Attributes:
        before: The earlier run.
        after: The later run.
        generated_at: When the comparison was made, ISO 8601 in UTC.
        status: ``"comparable"``, ``"limited"`` or ``"not_comparable"``.
        reasons: Why it is not plainly comparable, most important first.
        lead: What changed, by how much, how sure, and where it comes from, in a few sentences.
        changes: Further changes that are beyond the noise, a sentence each.
        origins: Where idle time grew or shrank, a sentence per device.
        differences: In what the runs and captures differ.
        notes: How the figures came about, and their limits.
        tables: Table name to table, in the order of the report.
        figures: The figures that a gate can hold against limits: name to values; a text says why there is none.
        allow_different: Whether differences that block were let pass.
        reports: The two reports themselves; part of no output.
    """

    before: Side
    after: Side
    generated_at: str
    status: str
    reasons: tuple[str, ...]
    lead: str
    changes: tuple[str, ...]
    origins: tuple[str, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    tables: Mapping[str, DiffTable]
    figures: Mapping[str, Union[tuple[Number, ...], str]]
    allow_different: bool = False
    reports: Optional[tuple[Report, Report]] = field(default=None, compare=False, repr=False)

    def blocked(self, scope: str) -> Difference | None:
        """Returns the difference because of which figures of a scope are not compared, None where they are."""
        if self.allow_different:
            return None
        return next((one for one in self.differences if one.severity == BLOCKS and one.scope in (ALL, scope)), None)

    def to_dict(self) -> dict[str, Any]:
        """Returns the comparison as plain data: the content of diff.json."""
        return {
            "schema_version": SCHEMA_VERSION,
            "tool": {"name": TOOL_NAME, "version": __version__},
            "generated_at": self.generated_at,
            "before": _side(self.before),
            "after": _side(self.after),
            "status": self.status,
            "allow_different": self.allow_different,
            "reasons": list(self.reasons),
            "lead": self.lead,
            "changes": list(self.changes),
            "origins": list(self.origins),
            "notes": list(self.notes),
            "figures": {
                name: list(value) if isinstance(value, tuple) else None for name, value in self.figures.items()
            },
            "tables": {name: _table(one) for name, one in self.tables.items()},
        }

    def write(self, directory: StrPath, formats: Iterable[str] = FORMATS) -> list[Path]:
        """Writes diff.md, diff.json, diff.html and tables/<table>.csv into a directory, or none of them.

        Args:
            directory: Created if absent. In an existing one only files with these names are replaced.
            formats: Any of ``"md"``, ``"json"``, ``"csv"`` and ``"html"``.

        Returns:
            The files that were written.

        Raises:
            ValueError: A format is unknown, or none is named.
            NotADirectoryError: ``directory`` is a file.
            OSError: A file cannot be written; nothing of this comparison is left behind.
        """
        from nsys_llm_explainer.comparison.outputs import write_comparison  # noqa: PLC0415 - the value stands below

        return write_comparison(self, Path(directory), tuple(formats))


def _side(side: Side) -> Row:
    return {"path": side.path, "facts": dict(side.facts)}


def _table(one: DiffTable) -> Row:
    return {
        "columns": [{key: column[key] for key in ("name", "unit", "description")} for column in one.columns],
        "total_rows": one.total_rows,
        "rows": one.rows(),
    }
