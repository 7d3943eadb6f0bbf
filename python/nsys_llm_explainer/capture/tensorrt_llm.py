"""Capture of a TensorRT-LLM run, with a span of its iterations as the capture range."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from nsys_llm_explainer.capture.recipe import Engine

ENGINE: Final = Engine(
    name="tensorrt_llm",
    title="TensorRT-LLM benchmark",
    program="trtllm-bench --model MODEL throughput --dataset dataset.txt --backend pytorch",
    output="trtllm",
    report="trtllm.nsys-rep",
    range_end="stop",
    domains=("cuda", "nvtx", "python-gil"),
    flags=("--trace-fork-before-exec=true",),
    environment=("TLLM_PROFILE_START_STOP=100-150", "TLLM_LLMAPI_ENABLE_NVTX=1"),
    notes=(
        "TLLM_PROFILE_START_STOP=A-B records the iterations A to B: choose A after warm-up, and a run that reaches B.",
        "trtllm-serve takes the place of trtllm-bench for a server; the load then comes from a client.",
        "python-gil shows where host threads wait for the interpreter; leave it out where the host is not in question.",
    ),
    environment_for=MappingProxyType({"nvtx": ("TLLM_NVTX_DEBUG=1", "TLLM_PROFILE_RECORD_GC=1")}),
    notes_for=MappingProxyType(
        {"nvtx": ("The debug markers add host time: take step times from a run without them.",)},
    ),
)
"""The TensorRT-LLM benchmark."""
