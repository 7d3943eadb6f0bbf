"""A declarative builder of tiny exports: the rows stand in the test, the file is as Nsight Systems would lay it out.

::

    path = (
        Export(schema="3.25.0")
        .process(100, "worker")
        .call("cudaLaunchKernel_v7000", 1, 5, corr=1, pid=100)
        .kernel("gemm", 10, 20, corr=1, pid=100)
        .nvtx("step", 0, 100, pid=100)
        .write(tmp_path / "trace.sqlite")
    )

Any table of any schema version can be filled, any column can hold any value (keyword arguments named like the column
override what a method would write), and a file can be made ugly: NULL in a NOT NULL column relaxes that constraint,
``drop`` removes columns or tables, ``add_column`` and ``declare`` add them, ``sql`` runs statements at the end
(views, triggers, indexes). Tables appear where there are rows.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional, Union

from nsys_llm_explainer.demo import schema as layouts
from nsys_llm_explainer.demo.schema_enums import ENUM_ROWS


@dataclass(frozen=True)
class RawText:
    """A TEXT value given as bytes, so that it need not be valid in the file's encoding."""

    data: bytes


Value = Union[int, float, str, bytes, RawText, None]
Row = dict[str, Value]

VM = 1 << 48
# Values of NOT NULL columns that a test rarely cares for; every other one is 0 or ''.
_DEFAULTS: Row = {
    "gridX": 1,
    "gridY": 1,
    "gridZ": 1,
    "blockX": 128,
    "blockY": 1,
    "blockZ": 1,
    "registersPerThread": 32,
    "tensorSizeMinusOneElements": "[]",
    "contextId": 1,
    "timestampType": 1,
    "source": 3,
    "isDiscrete": 1,
}


def global_pid(pid: int) -> int:
    """Return the serialized id of a process, as ``globalPid`` columns hold it."""
    return VM | pid << 24


def global_tid(pid: int, tid: Optional[int] = None) -> int:
    """Return the serialized id of a thread; the main thread (tid = pid) by default."""
    return global_pid(pid) | ((pid if tid is None else tid) & 0xFFFFFF)


class Export:
    """Rows of one export, table by table, written out by :meth:`write`. Every method returns the builder.

    Args:
        schema: An export schema version (``3.25.0``), or ``none`` for an export of 2020/21 without a version table.
        metadata: Write the version table. Turn it off for files that lost it.
        enums: Write the ENUM tables that the version has.
    """

    def __init__(self, schema: str = "3.25.0", *, metadata: bool = True, enums: bool = False) -> None:
        self.schema = schema
        self._rows: dict[str, list[Row]] = {}
        self._layouts: dict[str, list[layouts.Column]] = {}
        self._strings: dict[str, int] = {}
        self._dropped: set[str] = set()
        self._sql: list[str] = []
        self._next_string = 0
        table = layouts.metadata_table(schema)
        if metadata and table is not None:
            for name, value in layouts.export_metadata(schema):
                self.raw(table, name=name, value=value)
        if enums:
            for table in layouts.tables(schema):
                for number, name, label in ENUM_ROWS.get(table, ()):
                    self.raw(table, id=number, name=name, label=label)

    # -- layout ------------------------------------------------------------------------------------------------------

    def _layout(self, table: str) -> list[layouts.Column]:
        if table not in self._layouts:
            self._layouts[table] = list(layouts.columns(table, self.schema))
        return self._layouts[table]

    def declare(self, table: str, *columns: str) -> Export:
        """Make a table exist, with its own layout or, where the version has none, with ``"name TYPE"`` columns."""
        if columns:
            self._layouts[table] = [
                layouts.Column(*(column.split(" ", 1) if " " in column else (column, ""))) for column in columns
            ]
        self._layout(table)
        self._rows.setdefault(table, [])
        return self

    def add_column(self, table: str, name: str, declared: str = "") -> Export:
        """Add a column at the end of a table, as other tools do."""
        self._layout(table).append(layouts.Column(name, declared))
        return self

    def retype(self, table: str, column: str, declared: str) -> Export:
        """Change the declared type of a column; ``""`` lets it keep a value such as ``'12'`` as TEXT."""
        layout = self._layout(table)
        self._layouts[table] = [replace(c, type=declared) if c.name == column else c for c in layout]
        return self

    def drop(self, table: str, *columns: str) -> Export:
        """Leave out columns of a table, or the whole table."""
        if columns:
            self._layouts[table] = [c for c in self._layout(table) if c.name not in columns]
        else:
            self._dropped.add(table)
        return self

    def sql(self, statement: str) -> Export:
        """Run a statement after all rows are in, for example CREATE VIEW or CREATE TRIGGER."""
        self._sql.append(statement)
        return self

    # -- rows --------------------------------------------------------------------------------------------------------

    def raw(self, table: str, **values: Value) -> Export:
        """Add a row: the given values, else defaults for NOT NULL columns, else NULL.

        Raises:
            KeyError: The schema version has no such table, or the table no such column.
        """
        known = {column.name for column in self._layout(table)}
        unknown = values.keys() - known
        if unknown:
            raise KeyError(f"{table} of schema {self.schema} has no column {sorted(unknown)}")
        self._rows.setdefault(table, []).append(dict(values))
        return self

    def _event(self, table: str, values: Row, override: Row) -> Export:
        """Add a row whose optional columns are left out where the version, or the test, has no such column."""
        known = {column.name for column in self._layout(table)}
        present = {name: value for name, value in values.items() if name in known}
        return self.raw(table, **{**present, **override})

    def string(self, text: str) -> int:
        """Return the StringIds id of a text; the row is added at first use."""
        if text not in self._strings:
            self.string_row(self._next_string, text)
            self._strings[text] = self._next_string - 1
        return self._strings[text]

    def string_row(self, number: int, text: Value) -> Export:
        """Add a StringIds row with this id. Later texts get higher ids."""
        self._next_string = max(self._next_string, number + 1)
        return self.raw("StringIds", id=number, value=text)

    def kernel(
        self,
        name: str,
        /,
        start: Value,
        end: Value,
        *,
        device: Value = 0,
        stream: Value = 7,
        corr: Value = None,
        pid: int = 100,
        graph_node: Value = None,
        graph_id: Value = None,
        short_name: Optional[str] = None,
        **columns: Value,
    ) -> Export:
        """Add a kernel execution; ``demangledName=99`` names a missing string, ``globalPid=None`` no process."""
        values: Row = {
            "start": start,
            "end": end,
            "deviceId": device,
            "streamId": stream,
            "correlationId": corr,
            "globalPid": global_pid(pid),
            "demangledName": self.string(name),
            "shortName": self.string(name if short_name is None else short_name),
            "launchType": 1,
            "graphNodeId": graph_node,
            "graphId": graph_id,
        }
        return self._event(layouts.KERNEL, values, columns)

    def call(
        self,
        name: str,
        /,
        start: Value,
        end: Value,
        *,
        corr: Value = None,
        pid: int = 100,
        tid: Optional[int] = None,
        **columns: Value,
    ) -> Export:
        """Add a CUDA API call; driver calls (``cu…``) get their own event class."""
        values: Row = {
            "start": start,
            "end": end,
            "eventClass": 0 if name.startswith("cuda") else 1,
            "globalTid": global_tid(pid, tid),
            "correlationId": corr,
            "nameId": self.string(name),
            "returnValue": 0,
        }
        return self._event(layouts.RUNTIME, values, columns)

    def nvtx(
        self,
        text: Optional[str],
        /,
        start: Value,
        end: Value,
        *,
        pid: int = 100,
        tid: Optional[int] = None,
        domain: Value = 0,
        event_type: Value = 59,
        use_text_id: bool = False,
        **columns: Value,
    ) -> Export:
        """Add an NVTX row; ``endGlobalTid=global_tid(…)`` makes a cross-thread range, ``end=None`` an open one."""
        rows = self._rows.get("NVTX_EVENTS", [])
        values: Row = {
            "eventId": len(rows) + 1,
            "start": start,
            "end": end,
            "eventType": event_type,
            "globalTid": global_tid(pid, tid),
            "domainId": domain,
            "text": None if use_text_id else text,
            "textId": self.string(text) if use_text_id and text is not None else None,
        }
        return self._event("NVTX_EVENTS", values, columns)

    def domain(
        self, number: int, name: str, *, pid: int = 100, tid: Optional[int] = None, start: Value = -1000
    ) -> Export:
        """Add the row that names an NVTX domain of one process."""
        return self.nvtx(name, start, None, pid=pid, tid=tid, domain=number, event_type=75)

    def memcpy(
        self,
        start: Value,
        end: Value,
        *,
        kind: Value = 1,
        size: Value = 1024,
        src: Value = 1,
        dst: Value = 2,
        device: Value = 0,
        stream: Value = 7,
        corr: Value = None,
        pid: int = 100,
        graph_node: Value = None,
        **columns: Value,
    ) -> Export:
        """Add a copy; ``kind`` 1 is host to device, 2 device to host, 8 device to device, 10 peer to peer."""
        values: Row = {
            "start": start,
            "end": end,
            "deviceId": device,
            "streamId": stream,
            "correlationId": corr,
            "globalPid": global_pid(pid),
            "bytes": size,
            "copyKind": kind,
            "srcKind": src,
            "dstKind": dst,
            "graphNodeId": graph_node,
        }
        return self._event(layouts.MEMCPY, values, columns)

    def memset(
        self,
        start: Value,
        end: Value,
        *,
        size: Value = 1024,
        device: Value = 0,
        stream: Value = 7,
        corr: Value = None,
        pid: int = 100,
        graph_node: Value = None,
        **columns: Value,
    ) -> Export:
        """Add a memset."""
        values: Row = {
            "start": start,
            "end": end,
            "deviceId": device,
            "streamId": stream,
            "correlationId": corr,
            "globalPid": global_pid(pid),
            "bytes": size,
            "value": 0,
            "memKind": 2,
            "graphNodeId": graph_node,
        }
        return self._event(layouts.MEMSET, values, columns)

    def graph_trace(
        self,
        start: Value,
        end: Value,
        *,
        graph_id: Value = 1,
        device: Value = 0,
        stream: Value = 7,
        corr: Value = None,
        pid: int = 100,
        **columns: Value,
    ) -> Export:
        """Add the execution of a whole CUDA graph, as captures with ``--cuda-graph-trace=graph`` hold it."""
        values: Row = {
            "start": start,
            "end": end,
            "deviceId": device,
            "streamId": stream,
            "correlationId": corr,
            "globalPid": global_pid(pid),
            "graphId": graph_id,
            "graphExecId": graph_id,
        }
        return self._event(layouts.GRAPH_TRACE, values, columns)

    def osrt(
        self, name: str, /, start: Value, end: Value, *, pid: int = 100, tid: Optional[int] = None, **columns: Value
    ) -> Export:
        """Add an OS runtime call."""
        values: Row = {
            "start": start,
            "end": end,
            "eventClass": 27,
            "globalTid": global_tid(pid, tid),
            "nameId": self.string(name),
        }
        return self._event("OSRT_API", values, columns)

    # -- what describes the capture ----------------------------------------------------------------------------------

    def diagnostic(self, text: str, *, severity: Value = 2, timestamp: Value = 0, pid: Optional[int] = None) -> Export:
        """Add a message of the profiler; severity 1 info, 2 warning, 3 error."""
        owner = None if pid is None else global_pid(pid)
        return self.raw("DIAGNOSTIC_EVENT", timestamp=timestamp, severity=severity, text=text, globalPid=owner)

    def meta(self, name: str, value: Value, *, capture: bool = False) -> Export:
        """Add a row to the version table, or to META_DATA_CAPTURE."""
        table = "META_DATA_CAPTURE" if capture else layouts.metadata_table(self.schema)
        if table is None:
            raise KeyError(f"schema {self.schema} has no version table")
        return self.raw(table, name=name, value=value)

    def process(self, pid: int, name: Value, **columns: Value) -> Export:
        """Name a process."""
        return self._event("PROCESSES", {"globalPid": global_pid(pid), "pid": pid, "name": name}, columns)

    def thread(self, name: str, *, pid: int = 100, tid: Optional[int] = None) -> Export:
        """Name a thread."""
        return self.raw("ThreadNames", nameId=self.string(name), priority=20, globalTid=global_tid(pid, tid))

    def gpu(self, number: int, name: Value, *, cuda_ordinal: Value = None, **columns: Value) -> Export:
        """Describe a physical GPU of the host; ``cuda_ordinal`` defaults to its id."""
        values: Row = {
            "vmId": VM,
            "id": number,
            "name": name,
            "isDiscrete": 1,
            "smCount": 132,
            "cuDevice": number if cuda_ordinal is None else cuda_ordinal,
        }
        return self._event("TARGET_INFO_GPU", values, columns)

    def cuda_device(self, *, pid: int, ordinal: Value, gpu: Value, **columns: Value) -> Export:
        """Map a CUDA ordinal of a process to a physical GPU (schema 3.17.1 and later)."""
        return self._event("TARGET_INFO_CUDA_DEVICE", {"gpuId": gpu, "cudaId": ordinal, "pid": pid}, columns)

    # -- the file ----------------------------------------------------------------------------------------------------

    def _create(self, connection: sqlite3.Connection, table: str) -> None:
        rows = self._rows[table]
        nulls = {name for row in rows for name, value in row.items() if value is None}
        layout = tuple(replace(c, not_null=False) if c.name in nulls else c for c in self._layout(table))
        connection.execute(layouts.create_table(table, layout, commented=self.schema != "none"))
        columns = ", ".join(layouts.quote(column.name) for column in layout)
        for row in rows:
            values: list[Value] = []
            marks = []
            for column in layout:
                fallback = _DEFAULTS.get(column.name, "" if column.type == "TEXT" else 0) if column.not_null else None
                value = row.get(column.name, fallback)
                marks.append("CAST(? AS TEXT)" if isinstance(value, RawText) else "?")
                values.append(value.data if isinstance(value, RawText) else value)
            connection.execute(f"INSERT INTO {layouts.quote(table)} ({columns}) VALUES ({', '.join(marks)})", values)

    def _fill(self, path: Path, page_size: int, encoding: str, journal: str) -> sqlite3.Connection:
        path.unlink(missing_ok=True)
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(f"PRAGMA page_size={page_size}")
        connection.execute(f"PRAGMA encoding='{encoding}'")
        connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("BEGIN")
        for table in self._rows:
            if table not in self._dropped:
                self._create(connection, table)
        for statement in self._sql:
            connection.execute(statement)
        connection.execute("COMMIT")
        return connection

    def write(self, path: Path, *, page_size: int = 4096, encoding: str = "UTF-8", wal: bool = False) -> Path:
        """Write the export and return its path; ``wal`` leaves the file in WAL mode, with nothing beside it."""
        self._fill(path, page_size, encoding, "WAL" if wal else "OFF").close()
        return path

    def write_live(self, path: Path) -> sqlite3.Connection:
        """Write the export as a program that still has it open: all rows are committed, but only in the WAL beside
        the file.

        The caller closes the connection, which folds the WAL into the file.
        """
        return self._fill(path, 4096, "UTF-8", "WAL")
