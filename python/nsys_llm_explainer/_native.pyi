"""Types of the compiled core. One frozen class each for a trace, a section and a table."""

from collections.abc import Callable, Sequence
from typing import Any, final

__all__ = [
    "CorruptTraceError",
    "NotAnExportError",
    "NsysError",
    "QueryError",
    "Section",
    "Table",
    "Trace",
    "UnsafeSchemaError",
    "__version__",
    "open_trace",
    "schema",
]

__version__: str

class NsysError(Exception):
    """Base of every error that the core raises about a trace."""

class NotAnExportError(NsysError):
    """The file is no SQLite export of Nsight Systems."""

class CorruptTraceError(NsysError):
    """The file is truncated or damaged."""

class UnsafeSchemaError(NsysError):
    """The schema holds something that no genuine export has, such as a view in place of an event table."""

class QueryError(NsysError):
    """SQLite refused to read the file (locked, out of memory, I/O error)."""

@final
class Table:
    """One finished table: at most the first 10,000 rows (1,000 where a row is a single event), in their total order."""

    @property
    def name(self) -> str: ...
    @property
    def columns(self) -> list[dict[str, Any]]:
        """One dict per column: name, type (int, float, text or bool), unit (str or None), nullable, description."""
    @property
    def total_rows(self) -> int:
        """How many rows there were before the cut."""
    def __len__(self) -> int: ...
    def rows(self) -> list[dict[str, Any]]:
        """The rows as dicts from column name to value (None where absent)."""
    def to_pydict(self) -> dict[str, list[Any]]:
        """The columns as lists."""
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The table as an Arrow C stream capsule, for polars, pandas, DuckDB and pyarrow."""

@final
class Section:
    """One section of the report: a result (``ok``) or an absence (``missing``)."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def status(self) -> str:
        """``"ok"`` or ``"missing"``."""
    @property
    def needs(self) -> list[str]:
        """For a missing section: the tables, columns or options it needs and the flag that captures them."""
    @property
    def derived_from(self) -> list[str]: ...
    @property
    def limitations(self) -> list[str]: ...
    @property
    def summary(self) -> dict[str, Any]: ...
    @property
    def tables(self) -> dict[str, Table]: ...

@final
class Trace:
    """An export that was opened and probed. Holds no rows."""

    @property
    def path(self) -> str: ...
    def info(self) -> dict[str, Any]:
        """Facts about the export and how it is read.

        Returns a dict: path, file_bytes, nsys_version, export_schema_version, capture_version, duration_ns, gpus,
        span_ns (start and end, or None), source, source_reason, notes, utc_base_ns (what makes a time of the trace one
        of UTC in ns since 1970, by the clock of the host; None where the export does not tell).
        """
    def tables(self) -> list[dict[str, Any]]:
        """One dict per table of the export: name, rows, columns (list of names)."""
    def capabilities(self) -> list[dict[str, Any]]:
        """One dict per section.

        Keys: section, title, status ("ok", "partial" or "missing"), reason, capture_flag (str or None).
        """
    def analyze(
        self,
        *,
        phase_map: Sequence[tuple[str, Sequence[str]]] | None = None,
        kernel_percentiles: bool = True,
        nvtx_kernel_map: bool = True,
        threads: int | None = None,
        window: tuple[int | None, int | None] | None = None,
        progress: Callable[[str, int, int], None] | None = None,
        step_range: str | None = None,
        categories: Sequence[tuple[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Reads the rows and computes every section.

        ``step_range`` is a regular expression for the names of ranges that are steps; ``categories`` are rules
        (category, regular expression) that come before the built-in ones.

        Returns a dict: trace (facts and row counts), window, warnings (code, message, section), timeline (device time
        by bucket in bins: device_id, gpu_id, start_ns, bin_ns, level, buckets), sections, and stages (name and wall
        time in ns of each stage).
        """

    def collectives(
        self,
        *,
        window: tuple[int | None, int | None] | None = None,
        categories: Sequence[tuple[str, str]] | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> dict[str, Any]:
        """Every execution of a collective (a kernel of a category ``comm.*``), by start, then end and lane.

        Reads the kernels and their names, and nothing else. ``window`` is as for ``analyze``.

        Returns a dict: lane (``array("i")``, which of the lanes), start_ns and end_ns (``array("q")``); lanes, a dict
        for each: device_id, gpu_id, pid, stream_id, name, category, kind; and other_kernels, how many are no
        collectives. kind tells who has to arrive before a kernel can end: all, one_shot (all, but each ends on its
        own), rooted (not all), point_to_point.
        """

    def range_span(self, name: str) -> tuple[int, int] | None:
        """First start and last end of the NVTX ranges with this name, raw or normalised."""

def open_trace(path: str, *, source: str = "auto") -> Trace:
    """Opens and probes an export, read-only. ``source`` is ``"auto"``, ``"pages"`` or ``"sqlite"``."""

def schema() -> list[dict[str, Any]]:
    """Every section's schema as data: id, title, summary (columns), tables (name, rows_are_events, columns, ...)."""
