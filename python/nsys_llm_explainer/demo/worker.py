"""One worker process with its GPU: the clock of the GPU's stream, and the rows that its work leaves behind.

What keeps the events physical: the host clock only moves forward, so API calls of a thread do not overlap; a GPU op
starts after the call that asked for it and after the stream's previous op; ranges are pushed and popped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from nsys_llm_explainer.demo import causes
from nsys_llm_explainer.demo import schema as layouts
from nsys_llm_explainer.demo.catalogue import Kernel
from nsys_llm_explainer.demo.sink import COPY_STREAM, NVTX_PAYLOADS, RowTuple, Sink
from nsys_llm_explainer.demo.thread import COMMAND_BUFFER_FULL, NCCL_DOMAIN, HostThread

HOST_TO_DEVICE, DEVICE_TO_HOST = 1, 2
PAGEABLE, PINNED, DEVICE = 0, 1, 2

#: From the end of a launch call to the earliest start of its kernel, and between two kernels of a stream.
LAUNCH_LATENCY_NS = 1_600
STREAM_GAP_NS = 1_100
_BYTES_PER_NS = 25
#: Launches that a channel holds before the next one blocks.
_COMMAND_BUFFER = 1_000
_ALL_REDUCE_BYTES = 67_108_864


@dataclass(frozen=True)
class Node:
    """A kernel prepared for one worker: the constant end of its row, its duration and the gap before the next one."""

    row: RowTuple
    ns: int
    gap_ns: int
    collective: bool


@dataclass(frozen=True)
class Pace:
    """How long a launch takes: the call, how much longer at most, the host code after it, and that one's spread."""

    call_ns: int = 4_200
    call_spread_ns: int = 1_800
    after_ns: int = 1_100
    after_spread_ns: int = 900


EAGER = Pace()
#: A loop in C++ that launches one kernel again and again.
LOOP = Pace(1_700, 300, 400, 100)


class Worker(HostThread):
    """A process with one GPU, one stream and one thread that launches."""

    def __init__(
        self,
        sink: Sink,
        rng: Random,
        ledger: causes.Ledger,
        *,
        pid: int,
        rank: int,
        slowness: float = 1.0,
        communication_factor: float = 1.0,
        jitter: float = 0.06,
        queues: bool = False,
    ) -> None:
        super().__init__(sink, rng, ledger, pid=pid, rank=rank)
        self.slowness = slowness
        self.communication_factor = communication_factor
        self.jitter = jitter
        self.gpu = 0
        self.grid = 0
        self.op_id = 0
        self.events: deque[int] = deque()
        self._pending: deque[int] | None = deque() if queues else None
        self._copy_stream = 0
        self._kernels = sink.buffer(layouts.KERNEL)
        self._launch = (0, sink.string("cudaLaunchKernel_v7000"))
        self._all_reduce = sink.string("ncclAllReduce")
        self._driver_launch = (1, sink.string("cuLaunchKernelEx"))

    # -- GPU ---------------------------------------------------------------------------------------------------------

    def ready(self) -> int:
        """Return when an op whose call has just ended can start."""
        return max(self.gpu + STREAM_GAP_NS, self.host + LAUNCH_LATENCY_NS)

    def stall(self, ns: int) -> None:
        """Let the stream wait for something of the GPU's own, and count what is lost beyond the host's time."""
        if ns:
            free = max(self.gpu, self.host)
            self.gpu = free + ns
            self.ledger.add(causes.UNEXPLAINED, ns)

    def occupy(self, start: int, end: int) -> None:
        """Let the stream execute something."""
        self.charge(start)
        self.gpu = self.done = end

    def copy(self, kind: int, size: int, *, host_kind: int = PINNED) -> None:
        """Copy between host and device; a pageable side makes the call last until the copy is done."""
        pinned = host_kind == PINNED
        before = self.turn(causes.LAUNCH if pinned else causes.PAGEABLE)
        start = self.host
        corr = self.call("cudaMemcpyAsync_v3020", 4_200)
        begin = self.ready()
        end = begin + 1_300 + size // (_BYTES_PER_NS if pinned else _BYTES_PER_NS // 4)
        kinds = (host_kind, DEVICE) if kind == HOST_TO_DEVICE else (DEVICE, host_kind)
        row = (begin, end, corr, self.rank, self.rank + 1, self.process, size, kind, *kinds)
        self.sink.buffer(layouts.MEMCPY).append(row)
        if not pinned:
            self._calls[-1] = (start, end + 1_500, *self._calls[-1][2:])
            self.host = end + 1_900
        self.turn(before)
        self.occupy(begin, end)
        self.ledger.add(causes.COPY if pinned else causes.PAGEABLE, end - begin)

    def copy_beside(self, size: int) -> None:
        """Copy from pinned memory on a stream of its own; the forward pass does not wait for it."""
        corr = self.call("cudaMemcpyAsync_v3020", 4_200)
        begin = max(self._copy_stream + STREAM_GAP_NS, self.host + LAUNCH_LATENCY_NS)
        self._copy_stream = begin + 1_300 + size // _BYTES_PER_NS
        ids = (corr, self.rank, self.rank + 1, self.process, size, HOST_TO_DEVICE, PINNED, DEVICE)
        self.sink.buffer(COPY_STREAM).append((begin, self._copy_stream, *ids))

    def clear(self, size: int) -> None:
        """Set device memory."""
        corr = self.call("cudaMemsetAsync_v3020", 3_600)
        begin = self.ready()
        self.occupy(begin, begin + 1_500)
        self.sink.buffer(layouts.MEMSET).append((begin, self.gpu, corr, self.rank, self.rank + 1, self.process, size))

    def node(self, kernel: Kernel, *, scale: float = 1.0, node: int | None = None, graph: int | None = None) -> Node:
        """Prepare a kernel of this worker, with a duration drawn around its typical one."""
        factor = scale * (1 - self.jitter + 2 * self.jitter * self._rng.random())
        factor *= self.communication_factor if kernel.collective else self.slowness
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
        self.charge(start)
        self.done = end
        self.gpu = end + node.gap_ns
        if self._pending is not None:
            self._pending.append(end)

    def replay(self, nodes: Sequence[Node], corr: int, *, visible: bool) -> None:
        """Run nodes of a launched graph one after the other."""
        if not nodes:
            return
        now, grid, rows = self.gpu, self.grid, self._kernels
        self.charge(now)
        for node in nodes:
            end = now + node.ns
            if visible:
                grid += 1
                rows.append((now, end, corr, grid, *node.row))
            now = end + node.gap_ns
        self.gpu, self.grid = now, grid
        self.done = now - nodes[-1].gap_ns

    def launch_graph(self) -> int:
        """Make the call that launches a graph, put the stream's clock to its start, and return the correlationId."""
        before = self.turn(causes.LAUNCH)
        corr = self.call("cudaGraphLaunch_v10000", 95_000)
        self.turn(before)
        self.gpu = self.ready()
        return corr

    def issue(
        self,
        kernel: Kernel,
        *,
        named: bool,
        pace: Pace = EAGER,
        cause: str = causes.LAUNCH,
        load: tuple[int, str, int] | None = None,
    ) -> int:
        """Make the call that launches a kernel and return the kernel's earliest start.

        Args:
            kernel: What to launch.
            named: The operator's NVTX range is around the call, and between the two NCCL's own for its kernels.
            pace: How long it takes.
            cause: What the call counts under.
            load: An overhead inside of the call, by which it takes longer: its kind, its name and how long.
        """
        begin = self.host
        draw = self._rng.random()
        start = begin + (700 if named else 0)
        end = start + pace.call_ns + int(pace.call_spread_ns * draw)
        self.host = start
        before = self.turn(cause)
        self.corr += 1
        end = self._held(start, end, load)
        self.host = end + LAUNCH_LATENCY_NS
        self.turn(before)
        kind, name = self._driver_launch if kernel.driver else self._launch
        self._calls.append((start, end, kind, self.thread, self.corr, name))
        if named:
            self._name(kernel, begin, end)
        self.host = end + pace.after_ns + int(pace.after_spread_ns * draw)
        self._since = end
        return max(self.gpu, end + LAUNCH_LATENCY_NS)

    def _held(self, start: int, end: int, load: tuple[int, str, int] | None) -> int:
        """Return when a launch call ends that would end at ``end``, and record what it is held by."""
        if load is not None:
            kind, name, ns = load
            before = self.turn(causes.LOADING)
            self.host = start + ns
            self.turn(before)
            self.overhead(kind, name, start + 200, start + ns)
            end += ns
        pending = self._pending
        if pending is not None:
            while pending and pending[0] <= end:
                pending.popleft()
            if len(pending) >= _COMMAND_BUFFER:
                free = pending.popleft()
                self.overhead(COMMAND_BUFFER_FULL, "Command Buffer Full", start + 300, free)
                end = free + 900
        return end

    def _name(self, kernel: Kernel, begin: int, end: int) -> None:
        """Record the ranges around a launch call that ends at ``end``."""
        self.op_id += 1
        self._nvtx.append((begin, end + 500, f"{kernel.op}, op_id = {self.op_id}", None, self.thread, 0, 59))
        if kernel.short.startswith("nccl"):
            row = (begin + 300, end + 200, None, self._all_reduce, self.thread, NCCL_DOMAIN, 59)
            if self.communicator:
                payload = f'"Message size [bytes]":{_ALL_REDUCE_BYTES},"Reduction operation":"Sum"'
                text = f'{{"NCCL communicator ID":{self.communicator},{payload}}}'
                self.sink.buffer(NVTX_PAYLOADS).append((*row, text))
            else:
                self._nvtx.append(row)
