"""A serving run step by step: the engine schedules, every worker runs the same step, collectives end together.

A scenario changes :class:`~nsys_llm_explainer.demo.causes.Causes`; a new cause is one more place here, or in the
forward pass, where host or GPU time passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from nsys_llm_explainer.demo import causes
from nsys_llm_explainer.demo import schema as layouts
from nsys_llm_explainer.demo.catalogue import PREPARE, SAMPLE
from nsys_llm_explainer.demo.forward import GRAPHS, PREFILL_TOKENS, Forward
from nsys_llm_explainer.demo.graphs import capture
from nsys_llm_explainer.demo.markers import STYLES, Batch
from nsys_llm_explainer.demo.sink import Sink
from nsys_llm_explainer.demo.spec import DemoSpec
from nsys_llm_explainer.demo.thread import BUFFER_FLUSH, CONTEXT_SYNC, EVENT_SYNC, INSTRUMENTATION, STREAM_SYNC, VM
from nsys_llm_explainer.demo.worker import DEVICE_TO_HOST, HOST_TO_DEVICE, PAGEABLE, PINNED, Worker

ENGINE_PID = 4100
FIRST_WORKER_PID = 4200
_COMMUNICATOR = 5_812_339_284_771_002_113
#: A host that is more steps ahead than this fills the command buffer.
_ASYNCHRONOUS = 1


@dataclass(frozen=True)
class Step:
    """One step as it really was.

    Attributes:
        batch: What it worked on.
        phase: ``steady``, ``warm_up`` or ``drain``.
        starts: When its first op started, per worker.
        ends: When its last op ended, per worker.
    """

    batch: Batch
    phase: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]


class Server:
    """The engine process and its workers."""

    def __init__(self, sink: Sink, spec: DemoSpec) -> None:
        self.spec = spec
        self.sink = sink
        self.rng = Random(f"run {spec.seed}")
        self.ledger = causes.Ledger()
        self.style = STYLES[spec.markers]
        self.steps: list[Step] = []
        self.workers = [self._worker(rank) for rank in range(spec.workers)]
        self.engine = VM | ENGINE_PID << 24 | ENGINE_PID
        self.api_thread = self.engine + 7
        self.now = 0
        self.generation = GRAPHS[0][0]
        self.forward = Forward(spec, self.workers, self.rng, self.ledger)

    def _worker(self, rank: int) -> Worker:
        spec = self.spec
        worker = Worker(
            self.sink,
            Random(f"rank {spec.seed} {rank}"),
            self.ledger,
            pid=FIRST_WORKER_PID + rank,
            rank=rank,
            slowness=spec.causes.straggler_factor if rank == spec.causes.straggler_rank else 1.0,
            communication_factor=spec.causes.communication_factor,
            jitter=spec.jitter,
            queues=spec.lookahead > _ASYNCHRONOUS,
        )
        worker.registered = self.style.registered
        worker.records_memory = spec.memory_events
        return worker

    def _due(self, every: int) -> bool:
        """Tell whether what comes every so many decode steps comes with this one."""
        if not every:
            return False
        done = sum(not step.batch.context_requests for step in self.steps)
        return done % every == every - 1

    # -- between steps -----------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        """Let the engine think, then wake the workers."""
        found = self.spec.causes
        begin = self.now
        self.now += int(found.scheduler_ns * (0.8 + 0.4 * self.rng.random()))
        third = (self.now - begin) // 3
        if self.style.on_workers:
            for text in self.style.schedule:
                self.forward.push(text)
                for w in self.workers:
                    w.host += third
                self.forward.pop(text)
            self.now = max(w.host for w in self.workers)
        elif self.spec.nvtx and self.style.schedule:
            nvtx = self.sink.buffer("NVTX_EVENTS")
            spans = ((begin + 900, begin + third), (begin + third + 900, self.now - 900))
            for text, (start, end) in zip(self.style.schedule, spans):
                nvtx.append((start, end, text, None, self.engine, 0, 59))
        if self.spec.osrt:
            self.sink.buffer("OSRT_API").append((begin, self.now, self.api_thread, self.sink.string("epoll_wait")))
        for w in self.workers:
            self._wake(w, self.now + 12_000 + int(18_000 * self.rng.random()))
            w.lose(found.between_steps_ns if self.steps else 0, causes.BETWEEN_STEPS)
            if found.pause_between and self._due(found.pause_every):
                w.lose(found.pause_ns, causes.OUTLIERS)
            self._profile(w)

    def _wake(self, worker: Worker, moment: int) -> None:
        """Let a worker wait for the engine's word, unless it is its own engine."""
        if self.style.on_workers:
            return
        if self.spec.osrt:
            worker.sleep("sem_clockwait", moment)
        worker.host = max(worker.host, moment)

    def _profile(self, worker: Worker) -> None:
        """Let the profiler flush its buffers or patch kernels, by turns, on the thread that launches."""
        ns = self.spec.causes.profiler_ns
        if ns and len(self.steps) % 2:
            worker.hold(INSTRUMENTATION, "CUPTI Instrumentation", ns)
        elif ns:
            worker.hold(BUFFER_FLUSH, "CUPTI Buffer flush", ns)

    def _idle(self, ns: int, cause: str) -> None:
        """Let the engine wait in the OS for requests, and the workers for the engine, once all work is done."""
        self._settle()
        begin = max(w.host for w in self.workers) + 30_000
        self.now = begin + ns
        if self.spec.osrt:
            wait = self.sink.string("epoll_wait")
            rows = [(begin, self.now, thread, wait) for thread in (self.engine, self.api_thread)]
            self.sink.buffer("OSRT_API").extend(rows)
        for w in self.workers:
            before = w.turn(cause)
            if self.spec.osrt:
                w.sleep("poll" if self.style.on_workers else "sem_clockwait", self.now)
            w.host = max(w.host, self.now)
            w.turn(before)

    def _settle(self) -> None:
        """Wait until all that was asked for is done."""
        for w in self.workers:
            if w.events:
                w.wait("cudaEventSynchronize_v3020", w.events[-1] + self.spec.causes.sync_tail_ns, EVENT_SYNC)
                w.events.clear()
                w.spend(60_000)

    # -- parts of a step ---------------------------------------------------------------------------------------------

    def _prepare(self, batch: Batch) -> None:
        """Copy a step's inputs and build its metadata on the GPU."""
        found = self.spec.causes
        decodes = batch.kind == "decode"
        self.forward.push(self.style.preprocess)
        for w in self.workers:
            w.lose(found.input_code_ns, causes.IN_STEP)
            w.spend(self.spec.preprocess_ns)
            for size in (found.input_bytes, found.input_bytes // 2, found.input_bytes * 4):
                w.copy(HOST_TO_DEVICE, size, host_kind=PAGEABLE if found.pageable_inputs else PINNED)
        self.forward.small(PREPARE, load_ns=found.load_ns if decodes and self._due(found.load_every) else 0)
        if decodes:
            self._disturb()
        for w in self.workers:
            if found.pageable_bytes:
                w.copy(HOST_TO_DEVICE, found.pageable_bytes, host_kind=PAGEABLE)
            if found.extra_sync:
                w.wait("cudaStreamSynchronize_v3020", max(w.host, w.gpu) + found.extra_sync_ns, STREAM_SYNC)
        self.forward.pop(self.style.preprocess)

    def _disturb(self) -> None:
        """Let happen what comes with some decode steps, or with all of them, before their forward pass."""
        found = self.spec.causes
        self.forward.storm()
        for w in self.workers:
            if not found.pause_between and self._due(found.pause_every):
                w.lose(found.pause_ns, causes.OUTLIERS)
            if self._due(found.allocate_every):
                w.memory("cudaFree_v3020", found.allocate_ns // 2, 512 << 20)
                w.memory("cudaMalloc_v3020", found.allocate_ns - found.allocate_ns // 2, 512 << 20)
            if found.offload_bytes and found.offload_hidden:
                w.copy_beside(found.offload_bytes)
            elif found.offload_bytes:
                w.copy(HOST_TO_DEVICE, found.offload_bytes)

    def _finish(self) -> None:
        """Sample, copy the tokens back, and wait for those of this step or of one before."""
        self.forward.push(self.style.sample)
        self.forward.small(SAMPLE)
        self.forward.pop(self.style.sample)
        self.forward.push(self.style.bookkeep)
        for w in self.workers:
            w.copy(DEVICE_TO_HOST, 1_600)
            w.call("cudaEventRecord_v3020", 1_900)
            w.events.append(w.gpu)
            if len(w.events) > self.spec.lookahead:
                until = w.events.popleft() + self.spec.causes.sync_tail_ns
                w.wait("cudaEventSynchronize_v3020", until, EVENT_SYNC)
            w.spend(60_000)
        self.forward.pop(self.style.bookkeep)
        self.now = max(w.host for w in self.workers) + 25_000

    # -- steps -------------------------------------------------------------------------------------------------------

    def _step(self, batch: Batch, *, graph: int = 0, phase: str = "steady") -> None:
        """Run one step; one without prompts takes the graphs of a batch size."""
        marker = self.style.step(len(self.steps), batch) if self.style.step else None
        self._schedule()
        for w in self.workers:
            w.turn(causes.IN_STEP)
            w.began = -1
        self.forward.push(marker)
        self._prepare(batch)
        self.forward.push(self.style.forward)
        if batch.kind == "decode":
            self._decode(graph, phase)
        else:
            for w in self.workers:
                w.clear(65_536)
            self.forward.prefill()
        self.forward.pop(self.style.forward)
        self._finish()
        self.forward.pop(marker)
        for w in self.workers:
            w.turn(causes.BETWEEN_STEPS)
        self.steps.append(Step(batch, phase, tuple(w.began for w in self.workers), tuple(w.done for w in self.workers)))
        self.sink.flush()

    def _decode(self, graph: int, phase: str) -> None:
        found = self.spec.causes
        for w in self.workers:
            w.lose(found.launch_delay_ns, causes.IN_STEP)
            if w.rank == found.straggler_rank:
                w.lose(found.straggler_code_ns, causes.STRAGGLER)
            if phase == "warm_up":
                w.lose(self.spec.warmup_ns, causes.WARM_UP)
            w.stall(found.stall_ns)
        self.forward.decode(graph)

    def prefill(self, *, alone: bool = False) -> None:
        """Run a step that computes a chunk of new prompts, beside the running requests if there are any."""
        generation = 0 if alone or not self.style.mixes else self.generation
        self._step(Batch(2, PREFILL_TOKENS - generation, generation))

    def decode(self, number: int) -> None:
        """Run the decode step with a number, which makes one token per running request."""
        self.generation, graph = GRAPHS[int(self.rng.random() * len(GRAPHS))]
        requests, phase = self.generation, "warm_up" if number < self.spec.warmup_steps else "steady"
        left = self.spec.decode_steps - number
        if left <= self.spec.drain_steps:
            requests, phase = max(1, requests >> (self.spec.drain_steps - left + 1)), "drain"
            self._idle(self.spec.drain_ns, causes.DRAIN)
        self._step(Batch(0, 0, requests), graph=graph, phase=phase)

    def startup(self) -> None:
        """Open the capture: the engine asks for its devices, every worker brings a few weights to its GPU."""
        calls = self.sink.buffer(layouts.RUNTIME)
        for number, name in enumerate(("cuInit", "cuDeviceGetCount"), start=1):
            begin = number * 40_000
            calls.append((begin, begin + 21_000, 1, self.engine, 1000 + number, self.sink.string(name)))
        for w in self.workers:
            w.host = 200_000 + w.rank * 9_000
            if self.spec.nvtx and self.spec.nccl_payloads:
                w.join(_COMMUNICATOR, self.spec.workers)
            if self.spec.node_events and self.spec.graph_mode != "none":
                capture(w, self.forward.pieces)
            if self.spec.memory_events:
                w.memory("cudaMalloc_v3020", 180_000, 16 << 30)
            else:
                w.call("cudaMalloc_v3020", 180_000)
            for _ in range(4):
                w.copy(HOST_TO_DEVICE, self.spec.weights_bytes // 4)
            w.wait("cudaDeviceSynchronize_v3020", w.gpu + 6_000, CONTEXT_SYNC)
        self.now = max(w.host for w in self.workers)

    def run(self) -> Iterator[int]:
        """Run the whole, yielding the number of steps done."""
        self.startup()
        every, gaps = self.spec.prefill_every, self.spec.causes.request_gap_every
        for step in range(self.spec.decode_steps):
            gap = bool(gaps and step and step % gaps == 0)
            if gap:
                self._idle(self.spec.causes.request_gap_ns, causes.REQUESTS)
            if gap or (every and step % every == 0):
                self.prefill(alone=gap)
                yield len(self.steps)
            self.decode(step)
            yield len(self.steps)
        if self.spec.lookahead:
            self._settle()
            self.now = max(w.host for w in self.workers)
