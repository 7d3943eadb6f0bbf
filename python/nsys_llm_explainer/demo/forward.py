"""The kernels of a step on all workers: launched one by one, or replayed from CUDA graphs; collectives end together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from nsys_llm_explainer.demo import causes
from nsys_llm_explainer.demo import schema as layouts
from nsys_llm_explainer.demo.catalogue import (
    ATTENTION,
    DECODE_LAYER,
    MLP,
    PREFILL_LAYER,
    PREPARE,
    SAMPLE,
    STORM,
    Kernel,
)
from nsys_llm_explainer.demo.spec import DemoSpec
from nsys_llm_explainer.demo.worker import EAGER, LOOP, Node, Pace, Worker

#: Batch sizes that CUDA graphs were captured for, with the graph's id.
GRAPHS = ((192, 21), (200, 22), (208, 23))
PREFILL_TOKENS = 4096
_VARIANTS = 3
#: Kernels of a layer that piecewise graphs leave out.
_EAGER_ATTENTION = (4, 5)
_LOADS = {
    2: "Driver JIT Compiler",
    6: "Runtime Triggered Module Loading",
    7: "Lazy Function Loading",
}


@dataclass(frozen=True)
class Piece:
    """One CUDA graph of a decode step, or where it has no id, kernels that are launched one by one.

    Attributes:
        kernels: Positions in the step: layer and position in the layer.
        graph: The graph's id.
    """

    kernels: tuple[tuple[int, int], ...]
    graph: int = 0


def pieces(spec: DemoSpec, graph: int) -> list[Piece]:
    """Return the parts of a decode step of a run, for the batch size that a graph id stands for."""
    every = [(layer, position) for layer in range(spec.layers) for position in range(len(DECODE_LAYER))]
    if spec.graph_mode == "none":
        return [Piece(tuple(every))]
    if spec.cuda_graphs == "piecewise":
        found: list[Piece] = []
        for eager, run in _runs(every):
            found.append(Piece(run, 0 if eager else graph * 1_000 + len(found)))
        return found
    held = (spec.layers - spec.causes.eager_layers) * len(DECODE_LAYER)
    parts = [Piece(tuple(every[:held]), graph), Piece(tuple(every[held:]))]
    return [part for part in parts if part.kernels]


def _runs(kernels: Sequence[tuple[int, int]]) -> Iterator[tuple[bool, tuple[tuple[int, int], ...]]]:
    """Yield runs of kernels that are all attention or all something else."""
    start = 0
    for index in range(1, len(kernels) + 1):
        eager = kernels[start][1] in _EAGER_ATTENTION
        if index == len(kernels) or (kernels[index][1] in _EAGER_ATTENTION) is not eager:
            yield eager, tuple(kernels[start:index])
            start = index


def node_id(graph: int, index: int) -> int:
    """Return the id that the executable graph's node has, by its place among the graph's kernels."""
    return graph << 32 | index + 1


def _segments(nodes: Sequence[Node]) -> list[list[Node]]:
    """Split nodes so that every collective ends a segment."""
    found: list[list[Node]] = [[]]
    for node in nodes:
        found[-1].append(node)
        if node.collective:
            found.append([])
    return [segment for segment in found if segment]


class Forward:
    """Launches what a step computes."""

    def __init__(self, spec: DemoSpec, workers: Sequence[Worker], rng: Random, ledger: causes.Ledger) -> None:
        self.spec = spec
        self.workers = workers
        self._rng = rng
        self._ledger = ledger
        self.pieces = {graph: pieces(spec, graph) for _, graph in GRAPHS}
        self._replays = {
            piece.graph: [self._graph(piece) for _ in range(_VARIANTS)]
            for graph in self.pieces
            for piece in self._graphs(graph)
        }
        self._prefill = [self._layer(PREFILL_LAYER) for _ in range(_VARIANTS)]
        self._decode = [self._layer(DECODE_LAYER, spec.decode_scale) for _ in range(_VARIANTS)]
        small = (*PREPARE, *SAMPLE, *((STORM,) if spec.causes.storm_kernels else ()))
        self._small = {kernel: [w.node(kernel) for w in workers] for kernel in small}
        self._pace = Pace(EAGER.call_ns + spec.causes.launch_call_ns)

    # -- prepared kernels --------------------------------------------------------------------------------------------

    def _graphs(self, graph: int) -> list[Piece]:
        """Return the pieces that are graphs, also of a run that has none: the order of random draws is one."""
        if self.spec.graph_mode != "none":
            return [piece for piece in self.pieces[graph] if piece.graph]
        every = self.pieces[graph][0].kernels
        return [Piece(every, graph)]

    def _layer(self, kernels: Sequence[Kernel], scale: float = 1.0) -> list[list[Node]]:
        """Return, per kernel of a layer, one prepared kernel per worker."""
        return [[w.node(kernel, scale=scale) for w in self.workers] for kernel in kernels]

    def _graph(self, piece: Piece) -> list[list[list[Node]]]:
        """Return the segments of one graph, each as one list of nodes per worker."""
        scale, graph = self.spec.decode_scale, piece.graph
        per_worker = [
            _segments(
                [
                    w.node(DECODE_LAYER[position], scale=scale, node=node_id(graph, i), graph=graph)
                    for i, (_, position) in enumerate(piece.kernels)
                ]
            )
            for w in self.workers
        ]
        return [list(parts) for parts in zip(*per_worker)]

    # -- launches ----------------------------------------------------------------------------------------------------

    def _meet(self, starts: Sequence[int], transfer: int, *, visible: bool = True) -> int:
        """Return when a collective ends that the workers start at these times, and count its parts if it can be seen.

        Waiting for each other is counted apart from moving data.
        """
        last = max(starts)
        if visible:
            self._ledger.add(causes.COMMUNICATION, transfer * len(starts))
            late = self.spec.causes.straggler_rank
            cause = causes.STRAGGLER if late is not None and starts[late] == last else causes.JITTER
            self._ledger.add(cause, sum(last - start for start in starts))
        return last + transfer

    def _eager(
        self,
        kernel: Kernel,
        nodes: Sequence[Node],
        *,
        named: bool = False,
        pace: Pace = EAGER,
        cause: str = causes.LAUNCH,
        load: tuple[int, str, int] | None = None,
    ) -> None:
        """Launch one kernel on every worker; a collective ends everywhere at once."""
        starts = [w.issue(kernel, named=named, pace=pace, cause=cause, load=load) for w in self.workers]
        together = self._meet(starts, nodes[0].ns) if kernel.collective else 0
        for w, node, start in zip(self.workers, nodes, starts):
            w.execute(node, w.corr, start, together if node.collective else start + node.ns)

    def _layers(self, kernels: Sequence[Kernel], variants: Sequence[list[list[Node]]], first: int = 0) -> None:
        """Launch a model's layers eagerly, with ranges of modules and operators if the run records them."""
        named = self.spec.nvtx and self.spec.nvtx_ops
        opens = {ATTENTION.start: "self_attn", MLP.start: "mlp"}
        closes = {ATTENTION.stop - 1, MLP.stop - 1}
        decodes = kernels is DECODE_LAYER
        pace = self._pace if decodes else EAGER
        cause = causes.COVERAGE if decodes and self.spec.graph_mode != "none" else causes.LAUNCH
        for layer in range(first, self.spec.layers):
            prepared = variants[int(self._rng.random() * len(variants))]
            for w in self.workers:
                w.lose(self.spec.causes.layer_code_ns, causes.IN_STEP)
            if named:
                self.push(f"{{'Module': 'model.layers.{layer}', 'Inputs': [[{PREFILL_TOKENS}, 8192]]}}")
            for position, kernel in enumerate(kernels):
                if named and position in opens:
                    self.push(f"model.layers.{layer}.{opens[position]}")
                self._eager(kernel, prepared[position], named=named, pace=pace, cause=cause)
                if named and position in closes:
                    self.pop()
            if named:
                self.pop()

    def _replay(self, graph: int) -> None:
        """Launch one CUDA graph on every worker."""
        node_mode = self.spec.graph_mode == "node"
        corrs = [w.launch_graph() for w in self.workers]
        firsts = [w.gpu for w in self.workers]
        variant = self._replays[graph][int(self._rng.random() * _VARIANTS)]
        for segment in variant:
            for w, corr, nodes in zip(self.workers, corrs, segment):
                w.replay(nodes[:-1] if nodes[-1].collective else nodes, corr, visible=node_mode)
            if segment[0][-1].collective:
                end = self._meet([w.gpu for w in self.workers], segment[0][-1].ns, visible=node_mode)
                for w, corr, nodes in zip(self.workers, corrs, segment):
                    w.execute(nodes[-1], corr, w.gpu, end, visible=node_mode)
        if not node_mode:
            for w, corr, first in zip(self.workers, corrs, firsts):
                row = (first, w.done, corr, w.rank, w.rank + 1, w.process, graph, graph)
                w.sink.buffer(layouts.GRAPH_TRACE).append(row)

    # -- what a step asks for ----------------------------------------------------------------------------------------

    def push(self, text: str | None) -> None:
        """Begin a range on every worker, where the run records ranges and the engine has a name for it."""
        if text is not None and self.spec.nvtx:
            for w in self.workers:
                w.push(text)

    def pop(self, text: str | None = "") -> None:
        """End the innermost range of every worker, if :meth:`push` began one of that text."""
        if text is not None and self.spec.nvtx:
            for w in self.workers:
                w.pop()

    def small(self, kernels: Sequence[Kernel], *, load_ns: int = 0) -> None:
        """Launch kernels of a step's preparation or of sampling; the first one may have to be loaded."""
        kind = self.spec.causes.load_kind
        for index, kernel in enumerate(kernels):
            load = (kind, _LOADS[kind], load_ns) if load_ns and not index else None
            self._eager(kernel, self._small[kernel], load=load)

    def storm(self) -> None:
        """Launch the same short kernel again and again."""
        for number in range(self.spec.causes.storm_kernels):
            before = [w.done for w in self.workers]
            self._eager(STORM, self._small[STORM], pace=LOOP)
            for w, done in zip(self.workers, before):
                self._ledger.add(causes.STORM, w.done - done if number else self._small[STORM][w.rank].ns)

    def prefill(self) -> None:
        """Launch the forward pass of a prefill step."""
        self._layers(PREFILL_LAYER, self._prefill)

    def decode(self, graph: int) -> None:
        """Launch the forward pass of a decode step, of the batch size that a graph id stands for."""
        for piece in self.pieces[graph]:
            if piece.graph:
                self._replay(piece.graph)
            elif self.spec.cuda_graphs == "piecewise" and self.spec.graph_mode != "none":
                prepared = self._decode[0]
                for _, position in piece.kernels:
                    self._eager(DECODE_LAYER[position], prepared[position])
            else:
                self._layers(DECODE_LAYER, self._decode, piece.kernels[0][0])
