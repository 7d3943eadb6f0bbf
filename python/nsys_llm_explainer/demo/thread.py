"""The thread of a worker process that launches: its clock, its ranges, its calls, and what its time counts under.

What the host does is cut into spans, each with the cause that it counts under; when an op starts on an idle GPU, the
idle time is charged to the spans that it shares with.
"""

from __future__ import annotations

from collections import deque
from random import Random

from nsys_llm_explainer.demo import causes
from nsys_llm_explainer.demo import schema as layouts
from nsys_llm_explainer.demo.sink import NVTX_PAYLOADS, Sink

VM = 1 << 48
NONE_ID = 4_294_967_295
NCCL_DOMAIN = 1
EVENT_SYNC, STREAM_SYNC, CONTEXT_SYNC = 1, 3, 4
#: Kinds of overhead, as the export numbers them.
BUFFER_FLUSH, INSTRUMENTATION, COMMAND_BUFFER_FULL = 3, 4, 8


class HostThread:
    """The thread that launches: its clock only moves forward, and its ranges nest."""

    def __init__(self, sink: Sink, rng: Random, ledger: causes.Ledger, *, pid: int, rank: int) -> None:
        self.sink = sink
        self.ledger = ledger
        self.rank = rank
        self.pid = pid
        self.process = VM | pid << 24
        self.thread = self.process | pid
        self.registered = False
        self.records_memory = False
        self.communicator = 0
        self.host = 0
        self.done = -1  # when the stream's last op ends; -1 before the first
        self.began = -1  # when the step's first op starts; -1 before it
        self.cause = causes.STARTUP
        self.corr = 1000  # every process counts on its own, so ids collide between processes
        self._rng = rng
        self._since = 0
        self._spans: deque[tuple[int, int, str]] = deque()
        self._stack: list[tuple[int, str]] = []
        self._calls = sink.buffer(layouts.RUNTIME)
        self._nvtx = sink.buffer("NVTX_EVENTS")

    # -- what lost time counts under -----------------------------------------------------------------------------------

    def turn(self, cause: str) -> str:
        """Let host time from now on count under a cause, and return what it counted under."""
        before = self.cause
        if self.host > self.done and self.host > self._since:
            self._spans.append((self._since, self.host, before))
        self._since = self.host
        self.cause = cause
        return before

    def charge(self, start: int) -> None:
        """Charge the idle time of the GPU that ends with an op's start."""
        if self.done < 0:
            self._spans.clear()
        if self.began < 0:
            self.began = start
        while self._spans and self._spans[0][1] <= self.done:
            self._spans.popleft()
        for first, last, cause in self._spans:
            shared = min(last, start) - max(first, self.done)
            if shared > 0:
                self.ledger.add(cause, shared)

    # -- host --------------------------------------------------------------------------------------------------------

    def spend(self, ns: int) -> None:
        """Let host code run for about ``ns``."""
        self.host += int(ns * (0.85 + 0.3 * self._rng.random()))

    def lose(self, ns: int, cause: str) -> None:
        """Let host code run for exactly ``ns`` and count it under a cause."""
        if ns:
            before = self.turn(cause)
            self.host += ns
            self.turn(before)

    def push(self, text: str) -> None:
        """Begin an NVTX range."""
        self.host += 350
        self._stack.append((self.host, text))

    def pop(self) -> None:
        """End the innermost NVTX range."""
        start, text = self._stack.pop()
        self.host += 350
        names = (None, self.sink.string(text)) if self.registered else (text, None)
        self._nvtx.append((start, self.host, *names, self.thread, 0, 59))

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
        before = self.turn(causes.SYNC)
        start = self.host
        self.host = max(self.host + 2_000, until)
        self.corr += 1
        self._calls.append((start, self.host, 0, self.thread, self.corr, self.sink.string(name)))
        ids = (11 if kind == EVENT_SYNC else NONE_ID, 7 if kind == STREAM_SYNC else NONE_ID)
        row = (start + 400, self.host - 400, self.rank + 1, self.corr, self.process, kind, *ids)
        self.sink.buffer(layouts.SYNCHRONIZATION).append(row)
        self.turn(before)
        self.host += 600

    def sleep(self, name: str, until: int) -> None:
        """Be in an OS call until then."""
        if until > self.host + 2_000:
            self.sink.buffer("OSRT_API").append((self.host + 700, until, self.thread, self.sink.string(name)))
        self.host = max(self.host, until)

    def hold(self, kind: int, name: str, ns: int) -> None:
        """Be held by the profiler, which says so in one of its tables, by the kind of overhead."""
        before = self.turn(causes.PROFILER)
        start = self.host
        self.host += ns
        if kind == INSTRUMENTATION:
            self.overhead(kind, name, start, self.host)
        else:
            self.sink.buffer("PROFILER_OVERHEAD").append((start, self.host, self.thread, self.sink.string(name), kind))
        self.turn(before)

    def overhead(self, kind: int, name: str, start: int, end: int) -> None:
        """Record an overhead of CUDA or of its tracing."""
        row = (start, end, self.thread, self.corr, self.sink.string(name), kind)
        self.sink.buffer(layouts.OVERHEAD).append(row)

    def memory(self, name: str, ns: int, size: int) -> None:
        """Allocate device memory, or free it where the name says so; freeing waits for the GPU."""
        before = self.turn(causes.ALLOCATION)
        start = self.host
        frees = "Free" in name
        corr = self.call(name, 0)
        end = start + ns if not frees or self.done < start else self.done + ns
        self._calls[-1] = (start, end, *self._calls[-1][2:])
        self.host = end
        self.turn(before)
        self.host += 400
        if self.records_memory:
            place = (self.rank, self.rank + 1, 0x7F00_0000_0000 + self.rank * (1 << 36))
            row = (end - 300, self.process, *place, size, int(frees), corr)
            self.sink.buffer("CUDA_GPU_MEMORY_USAGE_EVENTS").append(row)

    def join(self, communicator: int, ranks: int) -> None:
        """Become a rank of a communicator; NCCL's ranges carry what they move from now on."""
        self.communicator = communicator
        start = self.host
        self.host += 900_000
        fields = f'"No. of ranks":{ranks},"Rank":{self.rank},"CUDA device":{self.rank}'
        text = f'{{"NCCL communicator ID":{communicator},{fields}}}'
        name = self.sink.string("ncclCommInitRank")
        row = (start, self.host, None, name, self.thread, NCCL_DOMAIN, 59, text)
        self.sink.buffer(NVTX_PAYLOADS).append(row)
