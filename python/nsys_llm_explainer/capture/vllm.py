"""Capture of a vLLM server, with its own profiler switch as the capture range."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from nsys_llm_explainer.capture.recipe import Engine

ENGINE: Final = Engine(
    name="vllm",
    title="vLLM server",
    program="vllm serve MODEL --profiler-config.profiler cuda",
    output="vllm",
    report="vllm.1.nsys-rep",
    range_end="repeat",
    flags=("--trace-fork-before-exec=true",),
    environment=("VLLM_WORKER_MULTIPROC_METHOD=spawn",),
    notes=(
        (
            "Warm the server up first, then record: "
            "vllm bench serve --backend vllm --model MODEL --dataset-name random --num-prompts 32 --profile"
        ),
        "Without the benchmark, POST /start_profile and /stop_profile open and close the range.",
        "Stop the server after the last range: the reports are written then, one per range, numbered from 1.",
        "Workers must be spawned: forked ones leave an empty or partial trace.",
        "--profiler-config needs vLLM 0.13 or later.",
        (
            "With --profiler-config.delay_iterations and --profiler-config.max_iterations "
            "the range covers a fixed number of steady steps."
        ),
    ),
    environment_for=MappingProxyType({"nvtx": ("VLLM_NVTX_SCOPES_FOR_PROFILING=1",)}),
    notes_for=MappingProxyType(
        {
            "nvtx": (
                (
                    "Per-layer labels need --enable-layerwise-nvtx-tracing with --enforce-eager, "
                    "in a run of its own: without CUDA graphs the step times differ."
                ),
            ),
        }
    ),
)
"""The vLLM server."""
