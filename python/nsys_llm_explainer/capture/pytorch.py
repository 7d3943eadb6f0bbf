"""Capture of a plain PyTorch script, eager or compiled, that opens the range itself."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from nsys_llm_explainer.capture.recipe import Engine

ENGINE: Final = Engine(
    name="pytorch",
    title="PyTorch script, eager or torch.compile",
    program="python infer.py",
    output="pytorch",
    report="pytorch.nsys-rep",
    range_end="stop",
    notes=(
        (
            "infer.py calls torch.cuda.profiler.start() after warm-up, and torch.cuda.synchronize() and "
            "torch.cuda.profiler.stop() at the end of the part to record."
        ),
        (
            "torch.compile: run every input shape before start(), so that compilation, autotuning and graph capture "
            "stay outside the range."
        ),
        'With mode="reduce-overhead" the steps run as CUDA graphs: node mode shows the kernels inside them.',
    ),
    flags_for=MappingProxyType(
        {
            "gpu_kernels": ("--trace-fork-before-exec=true",),
            "nvtx": ("--pytorch=autograd-nvtx",),
        }
    ),
    notes_for=MappingProxyType(
        {"nvtx": ("--pytorch needs nsys 2025 or later; before, use torch.autograd.profiler.emit_nvtx().",)},
    ),
)
"""A plain PyTorch script."""
