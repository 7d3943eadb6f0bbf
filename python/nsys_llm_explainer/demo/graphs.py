"""Capturing CUDA graphs inside the profile: every node has a record where it is created, in its module's ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nsys_llm_explainer.demo.catalogue import ATTENTION, DECODE_LAYER, MLP
from nsys_llm_explainer.demo.forward import Piece, node_id
from nsys_llm_explainer.demo.worker import Worker

_TABLE = "CUDA_GRAPH_NODE_EVENTS"
#: Nodes of a captured graph are numbered apart from those of the executable one.
_ORIGINAL = 1 << 24


def capture(worker: Worker, pieces: Mapping[int, Sequence[Piece]]) -> None:
    """Capture all graphs of a worker: a launch in capture mode creates a node, instantiating clones the nodes."""
    for parts in pieces.values():
        for piece in parts:
            if piece.graph:
                _capture(worker, piece)


def _capture(worker: Worker, piece: Piece) -> None:
    worker.call("cudaStreamBeginCapture_v10000", 3_000)
    create = worker.sink.string("Node Creation")
    rows = worker.sink.buffer(_TABLE)
    for index, (layer, position) in enumerate(piece.kernels):
        worker.push(f"{{'Module': 'model.layers.{layer}{_module(position)}'}}")
        start = worker.host
        worker.call("cuLaunchKernelEx" if DECODE_LAYER[position].driver else "cudaLaunchKernel_v7000", 3_000)
        original = node_id(piece.graph, index) | _ORIGINAL
        rows.append((start + 900, start + 900, worker.thread, create, original, None))
        worker.pop()
    worker.call("cudaStreamEndCapture_v10000", 5_000)
    start = worker.host
    worker.call("cudaGraphInstantiate_v12000", 900_000)
    clone = worker.sink.string("Node Clone")
    for index in range(len(piece.kernels)):
        identity = node_id(piece.graph, index)
        rows.append((start + 1_000, start + 1_000, worker.thread, clone, identity, identity | _ORIGINAL))


def _module(position: int) -> str:
    """Return the part of a layer that the kernel at a position belongs to."""
    if ATTENTION.start <= position < ATTENTION.stop:
        return ".self_attn"
    return ".mlp" if MLP.start <= position < MLP.stop else ""
