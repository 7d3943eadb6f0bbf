"""Rows of the streams as slices: when, how they look, where they belong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from operator import itemgetter
from typing import Any, Optional, Union

from nsys_llm_explainer import _native
from nsys_llm_explainer.perfetto_export.packets import MAX_SHAPES, Look, PacketWriter, Shape, shown

#: Start, minus end, shape, place, what is its own, flow.
Row = tuple[int, int, Shape, tuple[Any, ...], Union[int, str, None], Optional[int]]
#: Which rows of the host, or of a GPU, stand above which.
RANGES, API, OS = 0, 1, 2
STEPS, GAPS, STREAMS = 0, 1, 2

OP_COLUMNS = ["start_ns", "end_ns", "device_id", "gpu_id", "pid", "stream_id", "step", "call_id", "launch_start_ns"]
HOST_COLUMNS = ["start_ns", "end_ns", "pid", "tid", "process"]
CAUSES = ["range", "gap_cause"]
#: What is read of each stream; the export may lack some of it.
WANTED = {
    "ranges": [*HOST_COLUMNS, "raw_name", "domain", "crosses_threads"],
    "api_calls": [*HOST_COLUMNS, "api_name", "call_id", "gpu_ops"],
    "os_calls": [*HOST_COLUMNS, "call_name"],
    "kernels": [*OP_COLUMNS, "kernel_name", "category", *CAUSES, "graph_id"],
    "copies": [*OP_COLUMNS, "direction", "bytes", *CAUSES],
    "memsets": [*OP_COLUMNS, *CAUSES],
    "graphs": [*OP_COLUMNS, "graph_id", *CAUSES],
    "steps": ["start_ns", "end_ns", "device_id", "gpu_id", "pid", "step", "step_kind"],
    "gaps": ["start_ns", "end_ns", "device_id", "gpu_id", "gap_cause", "range", "api_name", "step"],
}
OPS = ("kernels", "copies", "memsets", "graphs")


class Rows:
    """The rows of one stream, batch by batch, with absent columns as None."""

    def __init__(self, stream: _native.Stream, names: list[str]) -> None:
        self._stream = stream
        self._names = names
        kinds = {column["name"]: column["type"] for column in stream.columns}
        self._texts = {name: stream.texts(name) for name, kind in kinds.items() if kind == "text"}

    def text(self, column: str, code: int | None) -> str | None:
        """The text of a place in a column's dictionary."""
        return None if code is None else self._texts[column][code]

    def batches(self) -> Iterator[Iterator[tuple[Any, ...]]]:
        """The rows of each batch, with the columns in the order of their names."""
        for number in range(self._stream.batches):
            batch = self._stream.batch(number)
            yield zip(*(batch.get(name, repeat(None)) for name in self._names))


class Slices:
    """Makes slices of rows; the window cuts what began before it or ends behind it."""

    def __init__(self, writer: PacketWriter, low: int | None, high: int | None) -> None:
        self._writer = writer
        self._low = low
        self._high = high

    def of_ops(self, name: str, stream: _native.Stream) -> Iterator[Row]:
        """GPU ops, by device, process and stream."""
        own = WANTED[name][len(OP_COLUMNS) :]
        rows = Rows(stream, [*OP_COLUMNS, *own])
        look = _OP_LOOKS[name]
        shapes: dict[tuple[Any, ...], Shape] = {}
        low = -_FOREVER if self._low is None else self._low
        for batch in rows.batches():
            found = []
            for start, end, device, gpu, pid, cuda_stream, step, call, asked, *rest in batch:
                # Calls before the window are not drawn; one after its op, of clocks that disagree, starts no flow.
                flow = call + 1 if call is not None and low <= asked <= start else None
                key = (step is None, flow is None, *rest)
                shape = shapes.get(key)
                if shape is None:
                    values = (rows.text(c, v) if c in _TEXT_COLUMNS else v for c, v in zip(own, rest))
                    made = look(dict(zip(own, values)), None if step is None else "step", flow and "in")
                    shape = _kept(shapes, key, self._writer.shape(made))
                found.append((start, -end, shape, (device, gpu, pid, cuda_stream), step, flow))
            found.sort(key=itemgetter(0, 1))
            yield from found

    def of_host(self, name: str, stream: _native.Stream) -> Iterator[Row]:
        """Ranges, API calls or OS calls, by process and thread."""
        return {"ranges": self._ranges, "api_calls": self._calls, "os_calls": self._os_calls}[name](stream)

    def _ranges(self, stream: _native.Stream) -> Iterator[Row]:
        rows = Rows(stream, [*HOST_COLUMNS, "raw_name", "domain", "crosses_threads"])
        low = -_FOREVER if self._low is None else self._low
        high = _FOREVER if self._high is None else self._high
        names: dict[int, str] = {}
        shapes: dict[tuple[Any, ...], Shape] = {}
        for batch in rows.batches():
            names.clear()
            found: list[Row] = []
            for start, end, pid, tid, process, raw, domain, crosses in batch:
                key = (domain, crosses, start < low, end > high)
                shape = shapes.get(key)
                if shape is None:
                    look = Look("nvtx", None, _of_range(rows.text("domain", domain), *key[1:]))
                    shape = shapes[key] = self._writer.shape(look)
                name = names.get(raw)
                if name is None:
                    name = names[raw] = shown(rows.text("raw_name", raw) or "(no name)")
                place = (pid, tid, rows.text("process", process))
                found.append((max(start, low), -min(end, high), shape, place, name, None))
            found.sort(key=itemgetter(0, 1))
            yield from found

    def _calls(self, stream: _native.Stream) -> Iterator[Row]:
        rows = Rows(stream, [*HOST_COLUMNS, "api_name", "call_id", "gpu_ops"])
        shapes: dict[tuple[int, bool], Shape] = {}
        for batch in rows.batches():
            found: list[Row] = []
            for start, end, pid, tid, process, name, call, ops in batch:
                shape = shapes.get((name, bool(ops)))
                if shape is None:
                    text = rows.text("api_name", name)
                    look = Look("cuda_api", text, counted="gpu_ops", flow="out") if ops else Look("cuda_api", text)
                    shape = shapes[name, bool(ops)] = self._writer.shape(look)
                place = (pid, tid, rows.text("process", process))
                found.append((start, -end, shape, place, ops or None, call + 1 if ops else None))
            found.sort(key=itemgetter(0, 1))
            yield from found

    def _os_calls(self, stream: _native.Stream) -> Iterator[Row]:
        rows = Rows(stream, [*HOST_COLUMNS, "call_name"])
        for batch in rows.batches():
            found: list[Row] = []
            for start, end, pid, tid, process, name in batch:
                shape = self._writer.shape(Look("os", rows.text("call_name", name)))
                found.append((start, -end, shape, (pid, tid, rows.text("process", process)), None, None))
            found.sort(key=itemgetter(0, 1))
            yield from found

    def of_steps(self, stream: _native.Stream) -> Iterator[Row]:
        """Steps of the engine, by device and process."""
        rows = Rows(stream, WANTED["steps"])
        for batch in rows.batches():
            found: list[Row] = []
            for start, end, device, gpu, pid, step, kind in batch:
                look = Look("step", f"{rows.text('step_kind', kind)} step", counted="step")
                found.append((start, -end, self._writer.shape(look), (device, gpu, pid), step, None))
            found.sort(key=itemgetter(0, 1))
            yield from found

    def of_gaps(self, stream: _native.Stream) -> Iterator[Row]:
        """Idle gaps, by device."""
        rows = Rows(stream, WANTED["gaps"])
        shapes: dict[tuple[Any, ...], Shape] = {}
        for batch in rows.batches():
            found: list[Row] = []
            for start, end, device, gpu, cause, around, call, step in batch:
                key = (cause, around, call, step is None)
                shape = shapes.get(key)
                if shape is None:
                    texts = _told((("next call", rows.text("api_name", call)), ("range", rows.text("range", around))))
                    look = Look("idle", rows.text("gap_cause", cause), texts, counted=None if step is None else "step")
                    shape = _kept(shapes, key, self._writer.shape(look))
                found.append((start, -end, shape, (device, gpu), step, None))
            found.sort(key=itemgetter(0, 1))
            yield from found


#: No time of a trace is beyond it.
_FOREVER = 1 << 63
_TEXT_COLUMNS = {"kernel_name", "category", "range", "gap_cause", "direction"}


def _kept(shapes: dict[tuple[Any, ...], Shape], key: tuple[Any, ...], shape: Shape) -> Shape:
    """Remembers a shape, and forgets all others where there are too many."""
    if len(shapes) >= MAX_SHAPES:
        shapes.clear()
    shapes[key] = shape
    return shape


def _told(texts: tuple[tuple[str, str | None], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((key, text) for key, text in texts if text is not None)


def _of_range(domain: str | None, crosses: bool, before: bool, after: bool) -> tuple[tuple[str, str], ...]:
    texts = [("domain", domain or "")]
    if before or after:
        sides = "before and after" if before and after else "before" if before else "after"
        texts.append(("goes on", f"{sides} the window"))
    if crosses:
        texts.append(("ends", "on another thread"))
    return tuple(texts)


def _causes(values: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return _told((("range", values["range"]), ("gap before", values["gap_cause"])))


def _graph(values: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    return () if values["graph_id"] is None else (("graph_id", values["graph_id"]),)


def _kernel(values: dict[str, Any], counted: str | None, flow: str | None) -> Look:
    category = values["category"] or "other"
    texts = (("category", category), *_causes(values))
    return Look(category, values["kernel_name"], texts, _graph(values), counted, flow)


def _copy(values: dict[str, Any], counted: str | None, flow: str | None) -> Look:
    return Look(
        "memcpy", f"memcpy {values['direction']}", _causes(values), (("bytes", values["bytes"]),), counted, flow
    )


def _memset(values: dict[str, Any], counted: str | None, flow: str | None) -> Look:
    return Look("memset", "memset", _causes(values), (), counted, flow)


def _graph_run(values: dict[str, Any], counted: str | None, flow: str | None) -> Look:
    return Look("graph", "CUDA graph", _causes(values), _graph(values), counted, flow)


_OP_LOOKS: dict[str, Callable[[dict[str, Any], Optional[str], Optional[str]], Look]] = {
    "kernels": _kernel,
    "copies": _copy,
    "memsets": _memset,
    "graphs": _graph_run,
}
