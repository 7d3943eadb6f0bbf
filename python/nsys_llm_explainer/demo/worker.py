"""One worker process: the clock of its host thread, the clock of its GPU stream, and the rows that both leave behind.

What keeps the events physical: the host clock only moves forward, so API calls of a thread do not overlap; a GPU op
starts after the call that asked for it and after the stream's previous op; ranges are pushed and popped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from nsys_llm_explainer.demo import schema as layouts
from nsys_llm_explainer.demo.catalogue import Kernel
from nsys_llm_explainer.demo.sink import RowTuple, Sink

VM = 1 << 48
NONE_ID = 4_294_967_295
NCCL_DOMAIN = 1
HOST_TO_DEVICE, DEVICE_TO_HOST = 1, 2
PAGEABLE, PINNED, DEVICE = 0, 1, 2

#: From the end of a launch call to the earliest start of its kernel, and between two kernels of a stream.
LAUNCH_LATENCY_NS = 1_600
STREAM_GAP_NS = 1_100
_BYTES_PER_NS = 25
EVENT_SYNC, STREAM_SYNC, CONTEXT_SYNC = 1, 3, 4


@dataclass(frozen=True)
class Node:
    """A kernel prepared for one worker: the constant end of its row, its duration and the gap before the next one."""

    row: RowTuple
    ns: int
    gap_ns: int
    collective: bool


class Worker:
    """A process with one GPU, one stream and one thread that launches."""

    def __init__(self, sink: Sink, rng: Random, *, pid: int, rank: int, slowness: float = 1.0) -> None:
        self.sink = sink
        self.rank = rank
        self.pid = pid
        self.process = VM | pid << 24
        self.thread = self.process | pid
        self.slowness = slowness
        self.host = 0
        self.gpu = 0
        self.corr = 1000  # every process counts on its own, so ids collide between processes
        self.grid = 0
        self.op_id = 0
        self._rng = rng
        self._stack: list[tuple[int, str]] = []
        self._calls = sink.buffer(layouts.RUNTIME)
        self._nvtx = sink.buffer("NVTX_EVENTS")
        self._kernels = sink.buffer(layouts.KERNEL)
        self._launch = (0, sink.string("cudaLaunchKernel_v7000"))
        self._all_reduce = sink.string("ncclAllReduce")
        self._driver_launch = (1, sink.string("cuLaunchKernelEx"))

    # -- host --------------------------------------------------------------------------------------------------------

    def spend(self, ns: int) -> None:
        """Let host code run for about ``ns``."""
        self.host += int(ns * (0.85 + 0.3 * self._rng.random()))

    def push(self, text: str) -> None:
        """Begin an NVTX range."""
        self.host += 350
        self._stack.append((self.host, text))

    def pop(self) -> None:
        """End the innermost NVTX range."""
        start, text = self._stack.pop()
        self.host += 350
        self._nvtx.append((start, self.host, text, None, self.thread, 0, 59))

    def call(self, name: str, ns: int) -> int:
        """Make an API call of about ``ns`` and return its correlationId."""
        start = self.host
        self.spend(ns)
        self.corr += 1
        kind = 0 if name.startswith("cuda") else 1
        self._calls.append((start, self.host, kind, self.thread, self.corr, self.sink.string(name)))
        self.host += 400
        return self.corr

    def wait(self, name: str, until: int, kind: int) -> None:
        """Make a blocking call of one kind; it returns at ``until``, or at once where that is past."""
        start = self.host
        self.host = max(self.host + 2_000, until)
        self.corr += 1
        self._calls.append((start, self.host, 0, self.thread, self.corr, self.sink.string(name)))
        ids = (11 if kind == EVENT_SYNC else NONE_ID, 7 if kind == STREAM_SYNC else NONE_ID)
        row = (start + 400, self.host - 400, self.rank + 1, self.corr, self.process, kind, *ids)
        self.sink.buffer(layouts.SYNCHRONIZATION).append(row)
        self.host += 600

    def sleep(self, name: str, until: int) -> None:
        """Be in an OS call until then."""
        if until > self.host + 2_000:
            self.sink.buffer("OSRT_API").append((self.host + 700, until, self.thread, self.sink.string(name)))
        self.host = max(self.host, until)

    # -- GPU ---------------------------------------------------------------------------------------------------------

    def ready(self) -> int:
        """Return when an op whose call has just ended can start."""
        return max(self.gpu + STREAM_GAP_NS, self.host + LAUNCH_LATENCY_NS)

    def copy(self, kind: int, size: int, *, host_kind: int = PINNED) -> None:
        """Copy between host and device; a pageable side makes the call last until the copy is done."""
        start = self.host
        corr = self.call("cudaMemcpyAsync_v3020", 4_200)
        begin = self.ready()
        self.gpu = begin + 1_300 + size // (_BYTES_PER_NS if host_kind == PINNED else _BYTES_PER_NS // 4)
        kinds = (host_kind, DEVICE) if kind == HOST_TO_DEVICE else (DEVICE, host_kind)
        row = (begin, self.gpu, corr, self.rank, self.rank + 1, self.process, size, kind, *kinds)
        self.sink.buffer(layouts.MEMCPY).append(row)
        if host_kind == PAGEABLE:
            self._calls[-1] = (start, self.gpu + 1_500, *self._calls[-1][2:])
            self.host = self.gpu + 1_900

    def clear(self, size: int) -> None:
        """Set device memory."""
        corr = self.call("cudaMemsetAsync_v3020", 3_600)
        begin = self.ready()
        self.gpu = begin + 1_500
        self.sink.buffer(layouts.MEMSET).append((begin, self.gpu, corr, self.rank, self.rank + 1, self.process, size))

    def node(self, kernel: Kernel, *, scale: float = 1.0, node: int | None = None, graph: int | None = None) -> Node:
        """Prepare a kernel of this worker, with a duration drawn around its typical one."""
        factor = scale * (0.94 + 0.12 * self._rng.random()) * (1.0 if kernel.collective else self.slowness)
        mangled = f"_Z{len(kernel.short)}{kernel.short}v"
        names = tuple(self.sink.string(name) for name in (kernel.name, kernel.short, mangled))
        shape = (kernel.grid, kernel.block)
        row = (self.rank, self.rank + 1, self.process, *names, *shape, node, graph)
        gap = int(STREAM_GAP_NS * (0.8 + 0.5 * self._rng.random()))
        return Node(row, max(1_000, int(kernel.ns * factor)), gap, kernel.collective)

    def execute(self, node: Node, corr: int, start: int, end: int, *, visible: bool = True) -> None:
        """Run a prepared kernel on the stream from ``start`` to ``end``; an invisible one leaves no row."""
        if visible:
            self.grid += 1
            self._kernels.append((start, end, corr, self.grid, *node.row))
        self.gpu = end + node.gap_ns

    def replay(self, nodes: Sequence[Node], corr: int, *, visible: bool) -> None:
        """Run nodes of a launched graph one after the other."""
        now, grid, rows = self.gpu, self.grid, self._kernels
        for node in nodes:
            end = now + node.ns
            if visible:
                grid += 1
                rows.append((now, end, corr, grid, *node.row))
            now = end + node.gap_ns
        self.gpu, self.grid = now, grid

    def issue(self, kernel: Kernel, *, named: bool) -> int:
        """Make the call that launches a kernel and return the kernel's earliest start.

        With ``named``, the operator's NVTX range is around the call, and between the two NCCL's own for its kernels.
        """
        begin = self.host
        draw = self._rng.random()
        start = begin + (700 if named else 0)
        end = start + 4_200 + int(1_800 * draw)
        self.corr += 1
        kind, name = self._driver_launch if kernel.driver else self._launch
        self._calls.append((start, end, kind, self.thread, self.corr, name))
        if named:
            self.op_id += 1
            self._nvtx.append((begin, end + 500, f"{kernel.op}, op_id = {self.op_id}", None, self.thread, 0, 59))
            if kernel.short.startswith("nccl"):
                self._nvtx.append((begin + 300, end + 200, None, self._all_reduce, self.thread, NCCL_DOMAIN, 59))
        self.host = end + 1_100 + int(900 * draw)
        return max(self.gpu, end + LAUNCH_LATENCY_NS)
