"""A serving run step by step: the engine schedules, every worker runs the same step, collectives end together.

A scenario changes :class:`~nsys_llm_explainer.demo.spec.Causes`; a new cause is one more place here where host or GPU
time passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from nsys_llm_explainer.demo import schema as layouts
from nsys_llm_explainer.demo.catalogue import ATTENTION, DECODE_LAYER, MLP, PREFILL_LAYER, PREPARE, SAMPLE, Kernel
from nsys_llm_explainer.demo.sink import Sink
from nsys_llm_explainer.demo.spec import DemoSpec
from nsys_llm_explainer.demo.worker import (
    CONTEXT_SYNC,
    DEVICE_TO_HOST,
    EVENT_SYNC,
    HOST_TO_DEVICE,
    PAGEABLE,
    PINNED,
    STREAM_SYNC,
    VM,
    Node,
    Worker,
)

ENGINE_PID = 4100
FIRST_WORKER_PID = 4200
#: Batch sizes that CUDA graphs were captured for, with the graph's id.
GRAPHS = ((192, 21), (200, 22), (208, 23))
_GRAPH_VARIANTS = 3
_PREFILL_TOKENS = 4096


def _segments(nodes: Sequence[Node]) -> list[list[Node]]:
    """Split nodes so that every collective ends a segment."""
    found: list[list[Node]] = [[]]
    for node in nodes:
        found[-1].append(node)
        if node.collective:
            found.append([])
    return [segment for segment in found if segment]


class Server:
    """The engine process and its workers."""

    def __init__(self, sink: Sink, spec: DemoSpec) -> None:
        self.spec = spec
        self.sink = sink
        self.rng = Random(f"run {spec.seed}")
        causes = spec.causes
        self.workers = [
            Worker(
                sink,
                Random(f"rank {spec.seed} {rank}"),
                pid=FIRST_WORKER_PID + rank,
                rank=rank,
                slowness=causes.straggler_factor if rank == causes.straggler_rank else 1.0,
            )
            for rank in range(spec.workers)
        ]
        self.engine = VM | ENGINE_PID << 24 | ENGINE_PID
        self.api_thread = self.engine + 7
        self.now = 0
        self.generation = GRAPHS[0][0]
        self._replays = {graph: [self._graph(graph) for _ in range(_GRAPH_VARIANTS)] for _, graph in GRAPHS}
        self._prefill = [self._layer(PREFILL_LAYER) for _ in range(_GRAPH_VARIANTS)]
        self._decode = [self._layer(DECODE_LAYER, spec.decode_scale) for _ in range(_GRAPH_VARIANTS)]
        self._small = {kernel: [w.node(kernel) for w in self.workers] for kernel in (*PREPARE, *SAMPLE)}

    # -- prepared kernels --------------------------------------------------------------------------------------------

    def _layer(self, kernels: Sequence[Kernel], scale: float = 1.0) -> list[list[Node]]:
        """Return, per kernel of a layer, one prepared kernel per worker."""
        return [[w.node(kernel, scale=scale) for w in self.workers] for kernel in kernels]

    def _graph(self, graph: int) -> list[list[list[Node]]]:
        """Return the segments of one graph, each as one list of nodes per worker."""
        kernels = DECODE_LAYER * self.spec.layers
        scale = self.spec.decode_scale
        per_worker = [
            _segments([w.node(k, scale=scale, node=graph << 32 | i + 1, graph=graph) for i, k in enumerate(kernels)])
            for w in self.workers
        ]
        return [list(parts) for parts in zip(*per_worker)]

    # -- parts of a step ---------------------------------------------------------------------------------------------

    def _eager(self, kernel: Kernel, nodes: Sequence[Node], *, named: bool) -> None:
        """Launch one kernel on every worker; a collective ends everywhere at once."""
        starts = [w.issue(kernel, named=named) for w in self.workers]
        together = max(starts) + nodes[0].ns
        for w, node, start in zip(self.workers, nodes, starts):
            w.execute(node, w.corr, start, together if node.collective else start + node.ns)

    def _layers(self, kernels: Sequence[Kernel], variants: Sequence[list[list[Node]]]) -> None:
        """Launch a model's layers eagerly, with ranges of modules and operators if the run records them."""
        named = self.spec.nvtx and self.spec.nvtx_ops
        opens = {ATTENTION.start: "self_attn", MLP.start: "mlp"}
        closes = {ATTENTION.stop - 1, MLP.stop - 1}
        for layer in range(self.spec.layers):
            prepared = variants[int(self.rng.random() * len(variants))]
            if named:
                self._push(f"{{'Module': 'model.layers.{layer}', 'Inputs': [[{_PREFILL_TOKENS}, 8192]]}}")
            for position, kernel in enumerate(kernels):
                if named and position in opens:
                    self._push(f"model.layers.{layer}.{opens[position]}")
                self._eager(kernel, prepared[position], named=named)
                if named and position in closes:
                    self._pop()
            if named:
                self._pop()
            self.sink.flush()

    def _replay(self, graph: int) -> None:
        """Launch one CUDA graph on every worker."""
        node_mode = self.spec.graph_mode == "node"
        corrs = [w.call("cudaGraphLaunch_v10000", 95_000) for w in self.workers]
        firsts = []
        for w in self.workers:
            w.gpu = w.ready()
            firsts.append(w.gpu)
        variant = self._replays[graph][int(self.rng.random() * _GRAPH_VARIANTS)]
        for segment in variant:
            for w, corr, nodes in zip(self.workers, corrs, segment):
                w.replay(nodes[:-1] if nodes[-1].collective else nodes, corr, visible=node_mode)
            if segment[0][-1].collective:
                end = max(w.gpu for w in self.workers) + segment[0][-1].ns
                for w, corr, nodes in zip(self.workers, corrs, segment):
                    w.execute(nodes[-1], corr, w.gpu, end, visible=node_mode)
        if not node_mode:
            for w, corr, first in zip(self.workers, corrs, firsts):
                row = (first, w.gpu - variant[-1][w.rank][-1].gap_ns, corr, w.rank, w.rank + 1, w.process, graph, graph)
                self.sink.buffer(layouts.GRAPH_TRACE).append(row)

    def _push(self, text: str) -> None:
        if self.spec.nvtx:
            for w in self.workers:
                w.push(text)

    def _pop(self) -> None:
        if self.spec.nvtx:
            for w in self.workers:
                w.pop()

    # -- steps -------------------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        """Let the engine think, then wake the workers."""
        begin = self.now
        self.now += int(self.spec.causes.scheduler_ns * (0.8 + 0.4 * self.rng.random()))
        if self.spec.nvtx:
            third = (self.now - begin) // 3
            nvtx = self.sink.buffer("NVTX_EVENTS")
            nvtx.append((begin + 900, begin + third, "llm_engine step: process_outputs", None, self.engine, 0, 59))
            nvtx.append((begin + third + 900, self.now - 900, "schedule: allocate_slots", None, self.engine, 0, 59))
        if self.spec.osrt:
            self.sink.buffer("OSRT_API").append((begin, self.now, self.api_thread, self.sink.string("epoll_wait")))
        for w in self.workers:
            wake = self.now + 12_000 + int(18_000 * self.rng.random())
            if self.spec.osrt:
                w.sleep("sem_clockwait", wake)
            w.host = max(w.host, wake)

    def _prepare(self) -> None:
        """Copy a step's inputs and build its metadata on the GPU."""
        causes = self.spec.causes
        self._push("gpu_model_runner: preprocess")
        for w in self.workers:
            w.spend(150_000)
            for size in (causes.input_bytes, causes.input_bytes // 2, causes.input_bytes * 4):
                w.copy(HOST_TO_DEVICE, size, host_kind=PAGEABLE if causes.pageable_inputs else PINNED)
        for kernel in PREPARE:
            self._eager(kernel, self._small[kernel], named=False)
        for w in self.workers:
            if causes.extra_sync:
                w.wait("cudaStreamSynchronize_v3020", max(w.host, w.gpu) + causes.extra_sync_ns, STREAM_SYNC)
        self._pop()

    def _finish(self) -> None:
        """Sample, copy the tokens back and wait for them."""
        self._push("gpu_model_runner: sample")
        for kernel in SAMPLE:
            self._eager(kernel, self._small[kernel], named=False)
        self._pop()
        self._push("gpu_model_runner: bookkeep")
        for w in self.workers:
            w.copy(DEVICE_TO_HOST, 1_600)
            w.call("cudaEventRecord_v3020", 1_900)
            w.wait("cudaEventSynchronize_v3020", w.gpu + self.spec.causes.sync_tail_ns, EVENT_SYNC)
            w.spend(60_000)
        self._pop()
        self.now = max(w.host for w in self.workers) + 25_000

    def prefill(self) -> None:
        """Run a step that computes a chunk of new prompts beside the running requests."""
        self._schedule()
        self._push(
            f"execute_context_2({_PREFILL_TOKENS - self.generation})_generation_{self.generation}({self.generation})"
        )
        self._prepare()
        self._push("gpu_model_runner: forward")
        for w in self.workers:
            w.clear(65_536)
        self._layers(PREFILL_LAYER, self._prefill)
        self._pop()
        self._finish()
        self._pop()
        self.sink.flush()

    def decode(self) -> None:
        """Run a step that makes one token per running request."""
        self.generation, graph = GRAPHS[int(self.rng.random() * len(GRAPHS))]
        self._schedule()
        self._push(f"execute_context_0(0)_generation_{self.generation}({self.generation})")
        self._prepare()
        self._push("gpu_model_runner: forward")
        for w in self.workers:
            w.host += self.spec.causes.launch_delay_ns
        if self.spec.graph_mode == "none":
            self._layers(DECODE_LAYER, self._decode)
        else:
            self._replay(graph)
        self._pop()
        self._finish()
        self._pop()
        self.sink.flush()

    def startup(self) -> None:
        """Open the capture: the engine asks for its devices, every worker brings a few weights to its GPU."""
        calls = self.sink.buffer(layouts.RUNTIME)
        for number, name in enumerate(("cuInit", "cuDeviceGetCount"), start=1):
            begin = number * 40_000
            calls.append((begin, begin + 21_000, 1, self.engine, 1000 + number, self.sink.string(name)))
        for w in self.workers:
            w.host = 200_000 + w.rank * 9_000
            w.call("cudaMalloc_v3020", 180_000)
            for _ in range(4):
                w.copy(HOST_TO_DEVICE, 16 << 20)
            w.wait("cudaDeviceSynchronize_v3020", w.gpu + 6_000, CONTEXT_SYNC)
        self.now = max(w.host for w in self.workers)

    def run(self) -> Iterator[int]:
        """Run the whole, yielding the number of steps done."""
        self.startup()
        done = 0
        every = self.spec.prefill_every
        for step in range(self.spec.decode_steps):
            if every and step % every == 0:
                self.prefill()
                done += 1
                yield done
            self.decode()
            done += 1
            yield done
