"""Capture of an SGLang server, with its profile endpoint as the capture range."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from nsys_llm_explainer.capture.recipe import Engine

ENGINE: Final = Engine(
    name="sglang",
    title="SGLang server",
    program="python3 -m sglang.launch_server --model-path MODEL",
    output="sglang",
    report="sglang.nsys-rep",
    range_end="stop",
    flags=("--trace-fork-before-exec=true",),
    notes=(
        (
            "Keep the server under load, then record ten steps: "
            'curl -X POST http://127.0.0.1:30000/start_profile -H "Content-Type: application/json" '
            '-d \'{"activities": ["CUDA_PROFILER"], "start_step": 3, "num_steps": 10}\''
        ),
        "Load: python3 -m sglang.bench_serving --backend sglang --dataset-name random --num-prompts 100",
        (
            "Only the worker of the first GPU opens the range; "
            "where the other ranks matter, record by time with --delay and --duration in place of the range."
        ),
    ),
    notes_for=MappingProxyType(
        {
            "nvtx": (
                (
                    "Per-layer labels need --enable-layerwise-nvtx-marker with --disable-cuda-graph, "
                    "in a run of its own: without CUDA graphs the step times differ."
                ),
            ),
        }
    ),
)
"""The SGLang server."""
