"""The real exports: test data beside the project, never in it."""

from __future__ import annotations

from pathlib import Path

TRACES_DIR = Path(__file__).resolve().parents[2].parent / "shared" / "traces"

#: Every real export, by file name without suffix.
TRACE_NAMES = (
    "a100_2.7b_cuda_graphs_graph_mode",
    "a100_2.7b_forward_nvtx_osrt",
    "a100_llm_forward_nvtx",
    "duplicate_correlation_id",
    "empty_capture",
    "h100_2gpu_1s",
    "h200_fuser_many_nvtx",
    "kernels_not_captured",
    "mfu_2gpu_after",
    "mfu_2gpu_before",
    "multi_stream_async",
    "no_cuda_sched_only",
    "old_no_metadata",
    "osrt_only_invalid_utf8",
    "runtime_without_kernels",
    "v100_driver_api_only",
    "windows_launch_bound_forward",
)


def trace_path(name: str) -> Path:
    """Return where a real export lies, whether it is there or not."""
    return TRACES_DIR / f"{name}.sqlite"
