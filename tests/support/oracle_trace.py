"""Oracle, part 1: the rows of an export as plain Python objects, and the call of every GPU op.

Decisions where the definitions are silent:

* KERNEL is read where it exists, else CONCURRENT_KERNEL.
* A value of the wrong type outside the columns that make a row usable (``start``, ``end``, ``deviceId``) counts as
  NULL.
* ``globalPid`` and ``globalTid`` are masked, so a thread id in ``globalPid`` does no harm. A call without a
  ``globalTid`` belongs to process 0.
* A text that is not UTF-8 has U+FFFD for what cannot be decoded. A StringIds row whose value is no text does not exist.
* A kernel without any name id is called ``<no name>``.
* The fallback without ``globalPid`` is decided per op, and "one process" counts the processes of usable RUNTIME rows.
* ``deviceId`` of a mapped GPU is the lowest CUDA ordinal that an op on it has.
* Without a mapping, the GPU's name comes from the one row of TARGET_INFO_GPU with that ``cuDevice`` and multiprocessors
  (Windows lists other adapters, with smCount 0).
"""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

THREAD_BITS = 0xFFFFFF
KERNEL, COPY, SET, GRAPH = "kernel", "memcpy", "memset", "graph"

_SUFFIX = re.compile(r"(_v\d+|_ptsz|_ptds)+\Z")


def process_of(global_id: int) -> int:
    """Return the process key of a serialized thread or process id."""
    return global_id & ~THREAD_BITS


def pid_of(key: int) -> int:
    """Return the pid in a process key."""
    return (key >> 24) & 0xFFFFFF


def base_name(api_name: str) -> str:
    """Return an API name without its version and per-thread-stream suffixes."""
    return _SUFFIX.sub("", api_name)


def integer(value: Any) -> Optional[int]:
    """Return an integer as it is, anything else as None."""
    return value if type(value) is int else None


@dataclass(frozen=True)
class Device:
    """A physical GPU: by its id where the export maps ordinals to GPUs, else by ordinal."""

    gpu_id: Optional[int]
    ordinal: Optional[int]


@dataclass
class Call:
    """One row of RUNTIME."""

    rowid: int
    start: int
    end: int
    tid: int
    name: str
    corr: Optional[int]

    @property
    def process(self) -> int:
        """The process key."""
        return process_of(self.tid)


@dataclass
class Op:
    """One thing that a GPU executed."""

    kind: str
    rowid: int
    start: int
    end: int
    device_id: int
    device: Device
    process: int
    corr: Optional[int]
    name: str = ""
    node: Optional[int] = None
    graph_id: Optional[int] = None
    call: Optional[Call] = None

    @property
    def ns(self) -> int:
        """The duration."""
        return self.end - self.start


@dataclass
class Range:
    """One NVTX range."""

    rowid: int
    start: int
    end: int
    tid: Optional[int]
    crosses: bool
    text: str
    domain: str

    @property
    def ns(self) -> int:
        """The duration."""
        return self.end - self.start


@dataclass
class Trace:
    """Everything that the oracle needs of one export."""

    tables: set[str] = field(default_factory=set)
    ops: list[Op] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)
    open_ranges: int = 0
    process_names: dict[int, Optional[str]] = field(default_factory=dict)
    ordinals: dict[Device, int] = field(default_factory=dict)
    gpu_names: dict[Device, Optional[str]] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    joinable: bool = False
    node_launches: Optional[set[tuple[int, Optional[int]]]] = None

    @property
    def kernels(self) -> list[Op]:
        """The rows of the kernel table."""
        return [op for op in self.ops if op.kind == KERNEL]

    def is_execution(self, op: Op) -> bool:
        """Whether an op counts as a kernel: a kernel, or a whole graph whose kernels were not traced as well."""
        if self.node_launches is None:
            self.node_launches = {(kernel.process, kernel.corr) for kernel in self.kernels if kernel.corr}
        return op.kind == KERNEL or (op.kind == GRAPH and (op.process, op.corr) not in self.node_launches)


class Reader:
    """Reads one export; every table is read whole."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        self.connection.text_factory = lambda data: data.decode("utf-8", "replace")
        found = self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self.trace = Trace(tables={row[0] for row in found})
        self.strings = {
            number: value for number, value in self.rows("StringIds", "id", "value") if isinstance(value, str)
        }
        self.gpu_of = {}
        for gpu, ordinal, pid in self.rows("TARGET_INFO_CUDA_DEVICE", "gpuId", "cudaId", "pid"):
            if integer(gpu) is not None:
                self.gpu_of[pid, ordinal] = gpu

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Return the rows of a table, with None for columns that it does not have; nothing where there is no table."""
        if table not in self.trace.tables:
            return []
        present = {row[1] for row in self.connection.execute(f'PRAGMA table_info("{table}")')} | {"rowid"}
        wanted = ", ".join(f'"{column}"' if column in present else "NULL" for column in columns)
        return self.connection.execute(f'SELECT {wanted} FROM "{table}" ORDER BY rowid').fetchall()

    def reject(self, table: str) -> None:
        """Count a row that cannot be used."""
        self.trace.rejected[table] = self.trace.rejected.get(table, 0) + 1

    def text(self, number: Any) -> str:
        """Return the string with this id, or ``<id N>``."""
        return self.strings.get(number, f"<id {number}>")

    def read_calls(self) -> None:
        """Read RUNTIME: integer start and end, not backwards."""
        table = "CUPTI_ACTIVITY_KIND_RUNTIME"
        for rowid, start, end, tid, corr, name in self.rows(
            table, "rowid", "start", "end", "globalTid", "correlationId", "nameId"
        ):
            if integer(start) is None or integer(end) is None or end < start:
                self.reject(table)
                continue
            self.trace.calls.append(Call(rowid, start, end, integer(tid) or 0, self.text(name), integer(corr)))

    def read_ops(self) -> None:
        """Read the four tables of GPU ops."""
        kernel = "CUPTI_ACTIVITY_KIND_KERNEL"
        if kernel not in self.trace.tables:
            kernel = "CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL"
        processes = {call.process for call in self.trace.calls}
        only = next(iter(processes)) if len(processes) == 1 else None
        tables = (
            (KERNEL, kernel),
            (COPY, "CUPTI_ACTIVITY_KIND_MEMCPY"),
            (SET, "CUPTI_ACTIVITY_KIND_MEMSET"),
            (GRAPH, "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"),
        )
        columns = ("start", "end", "deviceId", "globalPid", "correlationId", "demangledName", "shortName")
        for kind, table in tables:
            for rowid, start, end, device, owner, corr, long_name, short_name, node, graph in self.rows(
                table, "rowid", *columns, "graphNodeId", "graphId"
            ):
                usable = None not in (integer(start), integer(end), integer(device))
                if not usable or end < start or start == end == 0:
                    self.reject(table)
                    continue
                known = integer(owner) is not None
                process = process_of(owner) if known else only or 0
                gpu = self.gpu_of.get((pid_of(process), device))
                op = Op(
                    kind,
                    rowid,
                    start,
                    end,
                    device,
                    Device(gpu, None if gpu is not None else device),
                    process,
                    (integer(corr) or None) if known or only is not None else None,
                    node=integer(node) or None,
                    graph_id=integer(graph),
                )
                if kind == KERNEL:
                    name = next((n for n in (integer(long_name), integer(short_name)) if n is not None), None)
                    op.name = "<no name>" if name is None else self.text(name)
                self.trace.joinable = self.trace.joinable or (bool(self.trace.calls) and (known or only is not None))
                self.trace.ops.append(op)

    def join(self) -> None:
        """Find the call of every op: same process and correlationId; of several, the latest that started before it."""
        calls: dict[tuple[int, int], list[Call]] = defaultdict(list)
        for call in self.trace.calls:
            if call.corr:
                calls[call.process, call.corr].append(call)
        for op in self.trace.ops:
            matches = calls.get((op.process, op.corr), []) if op.corr else []
            if len(matches) > 1:
                matches = [call for call in matches if call.start <= op.start]
            op.call = max(matches, key=lambda call: (call.start, call.rowid), default=None)

    def read_ranges(self) -> None:
        """Read NVTX_EVENTS: ranges, and the rows that name domains."""
        events = self.rows(
            "NVTX_EVENTS",
            "rowid",
            "start",
            "end",
            "eventType",
            "text",
            "textId",
            "globalTid",
            "endGlobalTid",
            "domainId",
        )
        domains: dict[tuple[int, int], str] = {}
        for _, _, _, kind, text, text_id, tid, _, domain in events:
            if kind == 75 and integer(tid) is not None and integer(domain) is not None:
                domains[process_of(tid), domain] = text if isinstance(text, str) else self.strings.get(text_id, "")
        for rowid, start, end, kind, text, text_id, tid, end_tid, domain in events:
            if kind not in {59, 60, 70, 71}:
                continue
            if end is None and integer(start) is not None:
                self.trace.open_ranges += 1
                continue
            if integer(start) is None or integer(end) is None or end < start:
                self.reject("NVTX_EVENTS")
                continue
            if end == start:
                continue
            thread, number = integer(tid), integer(domain) or 0
            name = text if isinstance(text, str) else self.strings.get(text_id, "")
            label = "default" if number == 0 else f"domain {number}"
            if number and thread is not None:
                label = domains.get((process_of(thread), number)) or label
            crosses = bool(integer(end_tid)) and end_tid != thread
            self.trace.ranges.append(Range(rowid, start, end, thread, crosses, name, label))

    def read_names(self) -> None:
        """Read what processes and GPUs are called."""
        for owner, name in self.rows("PROCESSES", "globalPid", "name"):
            if integer(owner) is not None:
                self.trace.process_names[process_of(owner)] = name if isinstance(name, str) else None
        gpus = self.rows("TARGET_INFO_GPU", "id", "name", "cuDevice", "smCount")
        for device in {op.device for op in self.trace.ops}:
            self.trace.ordinals[device] = min(op.device_id for op in self.trace.ops if op.device == device)
            if device.gpu_id is not None:
                names = [name for number, name, _, _ in gpus if number == device.gpu_id]
            else:
                names = [name for _, name, ordinal, count in gpus if ordinal == device.ordinal and count != 0]
            self.trace.gpu_names[device] = names[0] if len(names) == 1 and isinstance(names[0], str) else None


def read(path: Path) -> Trace:
    """Read an export."""
    reader = Reader(path)
    try:
        reader.read_calls()
        reader.read_ops()
        reader.join()
        reader.read_ranges()
        reader.read_names()
    finally:
        reader.connection.close()
    return reader.trace
