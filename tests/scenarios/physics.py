"""What no trace can have: calls of a thread that overlap, work before its call, streams out of order."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from nsys_llm_explainer.demo import schema as layouts

Span = tuple[int, int]

_PROCESS = ~0xFFFFFF
_CALLED = {2, 6, 7, 8}  # overheads that happen inside a launch call


class Events:
    """The rows of an export that have to fit each other."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        self._tables = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master")}
        self.calls: dict[int, list[Span]] = defaultdict(list)
        self._call: dict[tuple[int, int], Span] = {}
        for start, end, thread, correlation in self._rows(layouts.RUNTIME, "globalTid, correlationId"):
            self.calls[thread].append((start, end))
            self._call[thread & _PROCESS, correlation] = (start, end)
        for spans in self.calls.values():
            spans.sort()

    def close(self) -> None:
        self._connection.close()

    def _rows(self, table: str, columns: str, where: str = "1") -> Iterator[tuple[int, ...]]:
        if table in self._tables:
            yield from self._connection.execute(
                f"SELECT start, end, {columns} FROM {table} WHERE {where} ORDER BY start, end"
            )

    def problems(self) -> Iterator[str]:
        """What is impossible, one line each."""
        for thread, spans in self.calls.items():
            yield from _overlaps(spans, f"calls of {thread:x}")
        yield from self._streams()
        yield from self._ranges()
        for table in ("OSRT_API", "PROFILER_OVERHEAD"):
            for thread, spans in self._by_thread(table).items():
                yield from _overlaps(sorted((*spans, *self.calls[thread])), f"{table} and calls of {thread:x}")
        for start, end, thread, kind in self._rows(layouts.OVERHEAD, "globalTid, overheadType"):
            before = bisect_right(self.calls[thread], (start, start)) - 1
            inside = before >= 0 and end <= self.calls[thread][before][1]
            if end < start or inside is not (kind in _CALLED):
                yield f"overhead {kind} at {start}"

    def _streams(self) -> Iterator[str]:
        streams: dict[tuple[int, int], list[tuple[int, int, int]]] = defaultdict(list)
        for table in (layouts.KERNEL, layouts.MEMCPY, layouts.MEMSET, layouts.GRAPH_TRACE):
            for start, end, process, stream, correlation in self._rows(table, "globalPid, streamId, correlationId"):
                call = self._call.get((process, correlation))
                if call is None or start < call[0] or end <= start:
                    yield f"{table} at {start}: call {call}"
                streams[process, stream].append((start, end, correlation))
        for key, ops in streams.items():
            ops.sort()
            yield from _overlaps([op[:2] for op in ops], f"stream {key}")
            yield from (f"stream {key} at {later[0]}" for op, later in zip(ops, ops[1:]) if op[2] > later[2])

    def _ranges(self) -> Iterator[str]:
        for thread, spans in self._by_thread("NVTX_EVENTS", "eventType = 59").items():
            stack: list[int] = []
            for start, minus_end in sorted((start, -end) for start, end in spans):
                while stack and stack[-1] <= start:
                    stack.pop()
                if stack and -minus_end > stack[-1]:
                    yield f"range of {thread:x} at {start}"
                stack.append(-minus_end)

    def _by_thread(self, table: str, where: str = "1") -> dict[int, list[Span]]:
        found: dict[int, list[Span]] = defaultdict(list)
        for start, end, thread in self._rows(table, "globalTid", where):
            found[thread].append((start, end))
        return found


def _overlaps(spans: list[Span], what: str) -> Iterator[str]:
    yield from (f"{what}: {left}, {right}" for left, right in zip(spans, spans[1:]) if left[1] > right[0])
