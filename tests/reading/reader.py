"""Reads an export through every door of the core, and makes sure that nothing on the disk changes by it."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import pytest

from nsys_llm_explainer import _native
from nsys_llm_explainer.demo import schema as layouts
from tests.support.export import Export

KERNEL = "CUPTI_ACTIVITY_KIND_KERNEL"
RUNTIME = "CUPTI_ACTIVITY_KIND_RUNTIME"
NVTX = "NVTX_EVENTS"

SOURCES = ("auto", "sqlite")
READ_THROUGH_SQLITE = "read_through_sqlite"

Row = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """What the core says about one export."""

    info: Row
    counts: dict[str, int]
    columns: dict[str, list[str]]
    trace: Row
    window: Row
    warnings: list[Row]
    sections: dict[str, _native.Section]

    @property
    def codes(self) -> set[str]:
        """The codes of the warnings, apart from the one that tells which way rows were read."""
        return {warning["code"] for warning in self.warnings} - {READ_THROUGH_SQLITE}

    def message(self, code: str) -> str:
        """The message of the one warning with this code."""
        (found,) = (warning["message"] for warning in self.warnings if warning["code"] == code)
        return str(found)

    def summary(self, section: str) -> Row:
        """The summary of a section."""
        return self.sections[section].summary

    def rows(self, section: str, table: str) -> list[Row]:
        """The rows of a table."""
        return self.sections[section].tables[table].rows()

    def kernels(self) -> dict[str, int]:
        """Calls by kernel name; nothing where there is no kernel."""
        if self.sections["kernels"].status == "missing":
            return {}
        return {row["kernel_name"]: row["calls"] for row in self.rows("kernels", "kernels")}

    @property
    def rejected(self) -> dict[str, int]:
        """Rejected rows by table."""
        return dict(self.trace["rejected_rows"])


def _digest(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return f"link to {path.readlink()}" if stat.S_ISLNK(mode) else f"type {stat.S_IFMT(mode):o}"


def contents(folder: Path) -> dict[str, str]:
    """Returns a digest of everything below a folder."""
    return {str(path.relative_to(folder)): _digest(path) for path in sorted(folder.rglob("*"))}


@contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Makes sure that nothing below a folder appears, changes or goes away, whatever happens inside."""
    before = contents(folder)
    yield
    assert contents(folder) == before


def everything(result: Row) -> str:
    """Returns a result as one text, down to the last digit, apart from which way rows were read."""
    sections = {
        section.id: [
            section.status,
            section.needs,
            section.derived_from,
            section.limitations,
            section.summary,
            {name: [table.total_rows, table.columns, table.rows()] for name, table in section.tables.items()},
        ]
        for section in result["sections"]
    }
    warnings = [warning for warning in result["warnings"] if warning["code"] != READ_THROUGH_SQLITE]
    return json.dumps([result["trace"], result["window"], warnings, sections])


def read(path: Path, **options: Any) -> Reading:
    """Reads an export whole, both ways, which must agree; the folder that holds it stays as it is."""
    with untouched(path.parent):
        trace = _native.open_trace(str(path))
        info, tables = trace.info(), trace.tables()
        assert {row["section"] for row in trace.capabilities()} == {row["id"] for row in _native.schema()}
        result = trace.analyze(**options)
        slow = _native.open_trace(str(path), source="sqlite")
        assert slow.info() == {**info, "source": "sqlite", "source_reason": slow.info()["source_reason"]}
        assert slow.tables() == tables
        assert everything(slow.analyze(**options)) == everything(result)
    sections = {section.id: section for section in result["sections"]}
    counts = {table["name"]: table["rows"] for table in tables}
    assert result["trace"]["tables"] == counts
    return Reading(
        info=info,
        counts=counts,
        columns={table["name"]: table["columns"] for table in tables},
        trace=result["trace"],
        window=result["window"],
        warnings=result["warnings"],
        sections=sections,
    )


def refused(
    path: Path,
    error: type[BaseException],
    *words: str,
    folder: Optional[Path] = None,
    sources: Sequence[str] = SOURCES,
) -> str:
    """Makes sure that an export is refused with this very error, which names the file; returns the message."""
    message = ""
    for source in sources:
        with untouched(path.parent if folder is None else folder), pytest.raises(error) as caught:
            _native.open_trace(str(path), source=source).analyze()
        assert caught.type is error, caught.value
        message = str(caught.value)
        assert str(path) in message
        assert "\n" not in message
        for word in words:
            assert word in message
    return message


def launches(count: int = 50, schema: str = "3.25.0") -> Export:
    """A sound export: kernels of 400 ns every 1,000 ns, each launched 490 ns before inside one NVTX range."""
    export = Export(schema)
    if "PROCESSES" in layouts.tables(schema):
        export.process(100, "worker")
    for number in range(count):
        start = number * 1_000
        export.call("cudaLaunchKernel_v7000", start + 10, start + 20, corr=number + 1)
        export.kernel(f"kernel{number % 3}", start + 500, start + 900, corr=number + 1)
    return export.nvtx("step", 0, count * 1_000)


def assert_sound(reading: Reading, count: int = 50) -> None:
    """Makes sure that every number of :func:`launches` came out."""
    assert reading.summary("kernels") == {"kernels": count, "total_ns": 400 * count}
    nvtx = reading.summary("nvtx")
    assert (nvtx["ranges"], nvtx["correlated_kernels"], nvtx["coverage"]) == (1, count, 1.0)
    (device,) = reading.rows("gpu_idle", "gpu_devices")
    assert (device["busy_ns"], device["idle_ns"]) == (400 * count, 600 * (count - 1))
    assert reading.rejected == {}
