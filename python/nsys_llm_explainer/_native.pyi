"""Types of the compiled core. One frozen class each for a trace, a section, a table and a stream."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

__all__ = [
    "CorruptTraceError",
    "NotAnExportError",
    "NotCapturedError",
    "NsysError",
    "QueryError",
    "Section",
    "Stream",
    "Table",
    "Trace",
    "UnsafeSchemaError",
    "__version__",
    "bin_shares",
    "open_trace",
    "schema",
    "stream_schema",
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

class NotCapturedError(NsysError):
    """The export lacks what was asked for; the message names the flag that captures it."""

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
class Stream:
    """Events on their way into a data frame: batches of 65,536 rows, in order of start, end and row.

    Holds the columns of the core, about 20 bytes a row, from which each batch is made when it is asked for.
    """

    @property
    def name(self) -> str: ...
    @property
    def columns(self) -> list[dict[str, Any]]:
        """One dict per column: name, type (int, text or bool), unit (str or None), nullable, description."""
    @property
    def rejected_rows(self) -> int | None:
        """Rows of the export's table that are no events and are left out; None for what is no table of the export."""
    @property
    def batches(self) -> int:
        """How many batches there are."""
    def __len__(self) -> int: ...
    def batch(self, number: int) -> dict[str, list[Any]]:
        """One batch as lists; a text is its place in ``texts(column)``, or None."""
    def texts(self, column: str) -> list[str]:
        """The distinct texts of a column, in ascending order."""
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The rows as an Arrow C stream capsule, for polars, pandas, DuckDB and pyarrow; names are dictionaries."""

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
    @property
    def gpus(self) -> list[dict[str, Any]]:
        """One dict per GPU of the machine: gpu_id, name, memory_bytes, sm_count."""
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
        by bucket in bins: device_id, gpu_id, start_ns, bin_ns, level, buckets, each of which is an ``array("q")`` of
        ns by bin), sections, and stages (name and wall time in ns of each stage).
        """

    def streams(self) -> list[dict[str, Any]]:
        """What the export allows of each stream, from its tables alone.

        One dict per stream as in ``stream_schema()``, with status ("ok" or "missing"), missing_tables and capture_flag
        (str or None), for the stream and for each of its columns.
        """
    def stream(
        self,
        table: str,
        columns: Sequence[str] | None = None,
        *,
        window: tuple[int | None, int | None] | None = None,
        threads: int | None = None,
        step_range: str | None = None,
        categories: Sequence[tuple[str, str]] | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Stream:
        """Reads one table of events; columns that are joined cost only where they are named.

        Raises NotCapturedError where the export lacks the table, or what a column is joined from, and ValueError for a
        table or column that is not in ``stream_schema()``, or a window without any event.
        """
    def read_streams(
        self,
        tables: Mapping[str, Sequence[str] | None],
        *,
        window: tuple[int | None, int | None] | None = None,
        threads: int | None = None,
        step_range: str | None = None,
        categories: Sequence[tuple[str, str]] | None = None,
        progress: Callable[[str, int, int], None] | None = None,
        skip_missing: bool = False,
    ) -> dict[str, Stream]:
        """Reads several tables at once: what they share is read once.

        ``tables`` maps each name to its columns, or to None for those of the default. With ``skip_missing`` tables and
        columns that the export lacks are left out instead of being an error.
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

def bin_shares(values: bytes, bin_ns: int, full: int) -> bytes:
    """Return what part of a bin each value takes, as little-endian 16-bit numbers.

    Args:
        values: Nanoseconds, native 64-bit integers one after the other.
        bin_ns: The length of a bin.
        full: What stands for a whole bin.

    Raises:
        ValueError: The bytes are no whole integers, or the bin has no length.
    """

def stream_schema() -> list[dict[str, Any]]:
    """Every stream's schema as data.

    One dict per stream: name, description, export_tables, columns (name, type, unit, nullable, description, default,
    joined_from).
    """

def schema() -> list[dict[str, Any]]:
    """Every section's schema as data: id, title, summary (columns), tables (name, rows_are_events, columns, ...)."""
