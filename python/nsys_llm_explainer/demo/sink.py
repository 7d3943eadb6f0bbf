"""Writes rows of a generated export: buffers per table, and inserts that hold the columns that never change."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Union

from nsys_llm_explainer.demo import schema as layouts
from nsys_llm_explainer.demo.schema_enums import ENUM_ROWS

if TYPE_CHECKING:
    from typing_extensions import Self

Scalar = Union[int, str, None]
RowTuple = tuple[Any, ...]

_FLUSH_ROWS = 20_000
#: The start of a row: every event table begins with it.
_START = itemgetter(0)

#: Rows of a table that fill other columns than most of its rows: what stands before the slash is the table.
NVTX_PAYLOADS = "NVTX_EVENTS/payloads"
COPY_STREAM = f"{layouts.MEMCPY}/copy stream"

#: Per event table, the columns of a row in the order of its tuples, then the values that all rows share.
EVENT_COLUMNS: dict[str, tuple[tuple[str, ...], dict[str, Scalar]]] = {
    layouts.KERNEL: (
        (
            *("start", "end", "correlationId", "gridId", "deviceId", "contextId", "globalPid"),
            *("demangledName", "shortName", "mangledName", "gridX", "blockX", "graphNodeId", "graphId"),
        ),
        {
            "streamId": 7,
            "greenContextId": 0,
            "launchType": 1,
            "cacheConfig": 0,
            "registersPerThread": 128,
            "gridY": 1,
            "gridZ": 1,
            "blockY": 1,
            "blockZ": 1,
            "staticSharedMemory": 0,
            "dynamicSharedMemory": 98_304,
            "localMemoryPerThread": 0,
            "localMemoryTotal": 30_081_024,
            "sharedMemoryExecuted": 65_536,
            "sharedMemoryLimitConfig": 0,
            "clusterX": 1,
            "clusterY": 1,
            "clusterZ": 1,
            "tensorSizeMinusOneElements": "[]",
        },
    ),
    layouts.RUNTIME: (
        ("start", "end", "eventClass", "globalTid", "correlationId", "nameId"),
        {"returnValue": 0},
    ),
    "NVTX_EVENTS": (
        ("start", "end", "text", "textId", "globalTid", "domainId", "eventType"),
        {},
    ),
    layouts.MEMCPY: (
        (
            "start",
            "end",
            "correlationId",
            "deviceId",
            "contextId",
            "globalPid",
            "bytes",
            "copyKind",
            "srcKind",
            "dstKind",
        ),
        {"streamId": 7, "greenContextId": 0, "copyCount": 1},
    ),
    COPY_STREAM: (
        (
            *("start", "end", "correlationId", "deviceId", "contextId", "globalPid"),
            *("bytes", "copyKind", "srcKind", "dstKind"),
        ),
        {"streamId": 19, "greenContextId": 0, "copyCount": 1},
    ),
    layouts.MEMSET: (
        ("start", "end", "correlationId", "deviceId", "contextId", "globalPid", "bytes"),
        {"streamId": 7, "greenContextId": 0, "value": 0, "memKind": 2},
    ),
    layouts.GRAPH_TRACE: (
        ("start", "end", "correlationId", "deviceId", "contextId", "globalPid", "graphId", "graphExecId"),
        {"streamId": 7, "greenContextId": 0},
    ),
    layouts.SYNCHRONIZATION: (
        ("start", "end", "contextId", "correlationId", "globalPid", "syncType", "eventId", "streamId"),
        {"deviceId": 0, "eventSyncId": 4_294_967_295},
    ),
    NVTX_PAYLOADS: (
        ("start", "end", "text", "textId", "globalTid", "domainId", "eventType", "jsonText"),
        {},
    ),
    layouts.OVERHEAD: (
        ("start", "end", "globalTid", "correlationId", "nameId", "overheadType"),
        {"eventClass": 103},
    ),
    "PROFILER_OVERHEAD": (
        ("start", "end", "globalTid", "nameId", "overheadType"),
        {},
    ),
    "CUDA_GRAPH_NODE_EVENTS": (
        ("start", "end", "globalTid", "nameId", "graphNodeId", "originalGraphNodeId"),
        {"eventClass": 77},
    ),
    "CUDA_GPU_MEMORY_USAGE_EVENTS": (
        (
            *("start", "globalPid", "deviceId", "contextId", "address", "bytes"),
            *("memoryOperationType", "correlationId"),
        ),
        {"memKind": 2},
    ),
    "OSRT_API": (
        ("start", "end", "globalTid", "nameId"),
        {"eventClass": 27, "returnValue": 0, "nestingLevel": 0, "callchainId": 0, "argumentsId": 0},
    ),
}


class Sink:
    """An export that is being written. Event tables appear with their first row.

    Use as a context manager: leaving it in order writes what is buffered; leaving it with an exception only closes
    the file.
    """

    def __init__(self, path: Path, version: str) -> None:
        self.version = version
        self.counts: dict[str, int] = {}
        self._strings: dict[str, int] = {}
        self._inserts: dict[str, str] = {}
        self._buffers: dict[str, list[RowTuple]] = {}
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in (
            "page_size=4096",
            "journal_mode=OFF",
            "synchronous=OFF",
            "locking_mode=EXCLUSIVE",
            "cache_size=-65536",
        ):
            self._connection.execute(f"PRAGMA {pragma}").close()
        self._connection.execute("BEGIN")
        self._connection.execute(layouts.ddl("StringIds", version))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.flush(0)
                rows = [(number, text) for text, number in self._strings.items()]
                self._connection.executemany("INSERT INTO StringIds VALUES (?, ?)", rows)
                self._connection.execute("COMMIT")
                self.counts["StringIds"] = len(rows)
        finally:
            self._connection.close()

    def string(self, text: str) -> int:
        """Return the StringIds id of a text."""
        return self._strings.setdefault(text, len(self._strings))

    def buffer(self, table: str) -> list[RowTuple]:
        """Return the list to which rows of an event table are appended, as tuples in the order of ``EVENT_COLUMNS``."""
        return self._buffers.setdefault(table, [])

    def flush(self, at_least: int = _FLUSH_ROWS) -> None:
        """Write the buffers that hold at least so many rows, in order of their start, as Nsight Systems writes them."""
        for table, rows in self._buffers.items():
            if rows and len(rows) >= at_least:
                if table not in self._inserts:
                    self._inserts[table] = self._create(table)
                rows.reverse()  # of ranges that begin together, the one that ends last is the outer one and comes first
                rows.sort(key=_START)
                self._connection.executemany(self._inserts[table], rows)
                name = table.partition("/")[0]
                self.counts[name] = self.counts.get(name, 0) + len(rows)
                rows.clear()

    def _create(self, kind: str) -> str:
        """Create an event table, if it is not there yet, and return the INSERT statement of a kind of its rows."""
        bound, constants = EVENT_COLUMNS[kind]
        table = kind.partition("/")[0]
        if table not in self.counts:
            self._connection.execute(layouts.ddl(table, self.version))
            self.counts[table] = 0
        present = [column.name for column in layouts.columns(table, self.version)]
        missing = [name for name in bound if name not in present]
        if missing:
            raise ValueError(f"{table} of schema {self.version} has no column {', '.join(missing)}")
        shared = {name: value for name, value in constants.items() if name in present}
        literals = [f"'{value}'" if isinstance(value, str) else str(value) for value in shared.values()]
        names = ", ".join(layouts.quote(name) for name in (*bound, *shared))
        return f"INSERT INTO {table} ({names}) VALUES ({', '.join([*['?'] * len(bound), *literals])})"  # noqa: S608

    def rows(self, table: str, *rows: Mapping[str, Any]) -> None:
        """Write rows of a small table, by column name; columns that the version lacks are left out."""
        layout = layouts.columns(table, self.version)
        if table not in self.counts:
            self._connection.execute(layouts.ddl(table, self.version))
        names = [column.name for column in layout]
        statement = f"INSERT INTO {table} VALUES ({', '.join('?' for _ in names)})"  # noqa: S608
        default = {column.name: ("" if column.type == "TEXT" else 0) if column.not_null else None for column in layout}
        self._connection.executemany(statement, [[row.get(name, default[name]) for name in names] for row in rows])
        self.counts[table] = self.counts.get(table, 0) + len(rows)

    def enums(self) -> None:
        """Write the ENUM tables of the version."""
        for table in layouts.tables(self.version):
            if table in ENUM_ROWS:
                self.rows(table, *({"id": n, "name": name, "label": label} for n, name, label in ENUM_ROWS[table]))
