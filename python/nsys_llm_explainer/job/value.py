"""The finished value: what the files of one job say together. Renderers only format it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nsys_llm_explainer._native import __version__
from nsys_llm_explainer.job.alignment import Pair, Place
from nsys_llm_explainer.job.explained import Budget
from nsys_llm_explainer.job.lanes import DeviceKey
from nsys_llm_explainer.job.skew import Skew, Waits
from nsys_llm_explainer.job.tables import RankTable
from nsys_llm_explainer.job.verdict import Verdict
from nsys_llm_explainer.report import TOOL_NAME, StrPath

SCHEMA_VERSION = "1.0"
FORMATS = ("md", "json", "csv", "html")


@dataclass(frozen=True)
class JobFile:
    """One of the files.

    Attributes:
        number: Which one, from 0.
        name: Its name, apart from that of every other file.
        path: As it was given.
        place: Where it stands on the clock of its group.
        collectives: Executions of collectives that it holds.
        ranks: The numbers of its ranks.
        note: Why it has no place among the others, or what else limits it; empty where nothing does.
        own_finding: What its own report says of a straggling rank among its devices, None where it says nothing.
    """

    number: int
    name: str
    path: str
    place: Place
    collectives: int
    ranks: tuple[int, ...]
    note: str
    own_finding: str | None


@dataclass(frozen=True)
class Rank:
    """One device of one file. The number is that of this report, not the one that the job gave it.

    Attributes:
        number: Which one, in the order of files and devices.
        name: File and device, for people.
        file: The number of its file.
        device: CUDA ordinal and physical id.
        group: The group of its file.
        waits: What it waited and caused; None where it has no collective in common with another rank.
        budget: Where its time went, None where its report does not say.
    """

    number: int
    name: str
    file: int
    device: DeviceKey
    group: int
    waits: Waits | None
    budget: Budget | None


@dataclass(frozen=True)
class RankReport:
    """What traces of one job say together.

    Attributes:
        files: The files, as given.
        ranks: Their devices.
        pairs: The pairs of files that were compared.
        skews: The communicators, with who waited for whom.
        verdicts: Who is late, for each group of files with a common clock.
        warnings: What limits the report.
        tables: All of it as tables, by name.
        generated_at: When the report was made, ISO 8601 in UTC.
    """

    files: tuple[JobFile, ...]
    ranks: tuple[Rank, ...]
    pairs: tuple[Pair, ...]
    skews: tuple[Skew, ...]
    verdicts: tuple[Verdict, ...]
    warnings: tuple[str, ...]
    tables: Mapping[str, RankTable]
    generated_at: str
    method: tuple[str, ...] = field(default=())

    @property
    def groups(self) -> dict[int, list[JobFile]]:
        """Files by the clock that they share."""
        groups: dict[int, list[JobFile]] = {}
        for file in self.files:
            groups.setdefault(file.place.group, []).append(file)
        return groups

    @property
    def headline(self) -> str:
        """The report in one line."""
        together = [files for files in self.groups.values() if len(files) > 1]
        if not together:
            return f"None of the {len(self.files)} files share a clock: nothing can be said across them."
        aligned = sum(map(len, together))
        largest = max(together, key=len)
        what = (
            f"{aligned} of {len(self.files)} files"
            if aligned < len(self.files)
            else "Both files"
            if aligned == 2
            else f"All {aligned} files"
        )
        clocks = "one clock" if len(together) == 1 else f"{len(together)} clocks"
        lowest = {file.place.confidence for file in largest}
        worst = next(one for one in ("low", "medium", "high") if one in lowest)
        return f"{what} are aligned to {clocks}, with {worst} confidence."

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as plain data: the content of ranks.json."""
        return {
            "schema_version": SCHEMA_VERSION,
            "tool": {"name": TOOL_NAME, "version": __version__},
            "generated_at": self.generated_at,
            "headline": self.headline,
            "method": list(self.method),
            "warnings": list(self.warnings),
            "verdicts": [{**vars(verdict), "facts": list(verdict.facts)} for verdict in self.verdicts],
            "tables": {name: table.to_dict() for name, table in self.tables.items()},
        }

    def write(self, directory: StrPath, formats: Iterable[str] = FORMATS) -> list[Path]:
        """Writes ranks.md, ranks.json, tables/<table>.csv and ranks.html into a directory, or none of them.

        Args:
            directory: Created if absent. In an existing one only files with this report's own names are replaced.
            formats: Any of ``"md"``, ``"json"``, ``"csv"`` and ``"html"``.

        Returns:
            The files that were written.

        Raises:
            ValueError: A format is unknown, or none is named.
            OSError: A file cannot be written; nothing of this report is left behind.
        """
        from nsys_llm_explainer.job.outputs import write_ranks  # noqa: PLC0415 - the value stands below its renderers

        return write_ranks(self, Path(directory), tuple(formats))
