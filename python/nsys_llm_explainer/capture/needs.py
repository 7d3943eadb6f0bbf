"""What an export can lack, the flag that brings it, and what to know about that flag."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

FLAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gpu_kernels": "--trace=cuda",
        "cuda_graph_nodes": "--cuda-graph-trace=node",
        "nvtx": "--trace=nvtx",
        "cuda_api": "--trace=cuda",
        "osrt": "--trace=osrt",
        "memory_usage": "--cuda-memory-usage=true",
        "nccl_payloads": "--trace=nccl",
    }
)
"""The ``nsys profile`` flag that captures what an export lacks, by need."""

NOTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gpu_kernels": (
            "API calls without GPU rows mean that the kernels were not recorded: check that workers are spawned, "
            "not forked, that the driver supports the installed nsys, and that the capture does not end while work "
            "is still queued (--cuda-flush-interval writes buffers out earlier)."
        ),
        "cuda_graph_nodes": (
            "Node mode records every kernel inside a CUDA graph and costs time per node: "
            "compare shares within such a trace, not its step times with those of a graph-mode trace."
        ),
        "nvtx": "Kernels are attributed to ranges through their API calls: keep cuda in --trace as well.",
        "cuda_api": (
            "Calls that began before the capture range are not in the export; the kernels they launched have no call."
        ),
        "osrt": (
            "OS runtime tracing slows threads that make many short calls, and idle threads dominate its totals: "
            "leave it out of captures that measure step time."
        ),
        "memory_usage": "Allocations made before the capture range are not seen: the sums are relative to its start.",
        "nccl_payloads": (
            "Needs nsys 2025.6.1 and NCCL 2.28, and the export's --include-json=true, which holds the message sizes."
        ),
    }
)
"""One thing to know for each need."""
