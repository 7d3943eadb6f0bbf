"""What this capture cannot answer, and the commands that would record it, by what the report lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from nsys_llm_explainer.capture import ENGINES, FLAGS, recipe
from nsys_llm_explainer.capture.needs import NOTES
from nsys_llm_explainer.report import CaptureAdvice, Lack, Report

_HOST_CODE_SHARE = 0.05
_RUNTIME = "CUPTI_ACTIVITY_KIND_RUNTIME"
_OVERHEADS = ("CUPTI_ACTIVITY_KIND_OVERHEAD", "PROFILER_OVERHEAD")
_MEMORY_USAGE = "CUDA_GPU_MEMORY_USAGE_EVENTS"
_NCCL = re.compile(r"nccl", re.IGNORECASE)

_QUESTIONS: Final = {
    "gpu_kernels": "what the GPUs did",
    "cuda_graph_nodes": "which kernels run inside the CUDA graphs",
    "cuda_api": "which call the GPU waited for while it stood idle, and where the host was",
    "nvtx": "which step, layer or phase the time belongs to",
    "osrt": "whether the host was in the operating system (locks, sockets, files) or in its own code",
    "memory_usage": "how much device memory the allocations take, and when",
    "nccl_payloads": "how many bytes the collectives move, and at which rate",
}
_NO_FLAG: Final = {
    "overhead": (
        "how much of the time is overhead of the profiler, lazy loading or a full launch queue",
        "capture with nsys 2025.5 or later, which records it without a flag",
    ),
}
_MARKERS: Final = {
    "vllm": re.compile(r"vllm|^execute_context_|^execute_new_|gpu_model_runner:|EngineCore", re.IGNORECASE),
    "sglang": re.compile(r"sglang|^scheduler\.(run_batch|get_next_batch|recv_requests)|^step\[", re.IGNORECASE),
    "tensorrt_llm": re.compile(r"trtllm|tensorrt_llm|^\[Executor\]|^executeStep|_forward_step", re.IGNORECASE),
    "pytorch": re.compile(r"^aten::|ProfilerStep|^Optimizer\.", re.IGNORECASE),
}


def advise(report: Report) -> CaptureAdvice:
    """Returns what the capture lacks for the questions of the report, and the commands that bring it.

    Args:
        report: A report; its findings are not looked at.
    """
    needs = list(_needs(report))
    lacks = [Lack(need, _QUESTIONS[need], f"{FLAGS[need]}. {NOTES[need]}") for need in needs if need in FLAGS]
    lacks += [Lack(need, *_NO_FLAG[need]) for need in needs if need in _NO_FLAG]
    wanted = [lack.need for lack in lacks if lack.need in FLAGS]
    recipes = tuple(recipe(engine, wanted) for engine in engines(report)) if wanted else ()
    return CaptureAdvice(tuple(lacks), recipes)


def engines(report: Report) -> tuple[str, ...]:
    """Returns the engine that the trace is of, by its processes and ranges; all of them where nothing tells."""
    names = [str(process.get("name") or "") for process in report.trace.get("processes") or ()]
    names += [str(row["range_name"]) for row in _rows(report, "nvtx", "nvtx_ranges")]
    names.append(str(_summary(report, "steps").get("source_detail") or ""))
    for engine, marker in _MARKERS.items():
        if any(marker.search(name) for name in names):
            return (engine,)
    return tuple(ENGINES)


def _needs(report: Report) -> Iterator[str]:
    tables = report.trace.get("tables") or {}
    if not _summary(report, "gpu_idle").get("devices"):
        yield "gpu_kernels"
        if not _summary(report, "nvtx").get("ranges"):
            yield "nvtx"
        return
    if report.trace.get("cuda_graph_mode") == "graph":
        yield "cuda_graph_nodes"
    if not tables.get(_RUNTIME):
        yield "cuda_api"
    if not _summary(report, "nvtx").get("ranges"):
        yield "nvtx"
    if not tables.get("OSRT_API") and _waits_for_host_code(report):
        yield "osrt"
    allocations = _rows(report, "memory", "allocations")
    if not tables.get(_MEMORY_USAGE) and any(row["steady_calls"] for row in allocations):
        yield "memory_usage"
    if _lacks_nccl_payloads(report):
        yield "nccl_payloads"
    if not any(tables.get(table) for table in _OVERHEADS):
        yield "overhead"


def _waits_for_host_code(report: Report) -> bool:
    return any(
        row["bucket"] == "idle.host_code" and (row["share"] or 0) >= _HOST_CODE_SHARE
        for row in _rows(report, "budget", "device_time")
    )


def _lacks_nccl_payloads(report: Report) -> bool:
    collectives = _rows(report, "communication", "collectives")
    return any(_NCCL.search(row["name"]) for row in collectives) and not _rows(
        report, "communication", "collective_bytes"
    )


def _summary(report: Report, section_id: str) -> dict[str, Any]:
    section = report.sections.get(section_id)
    return section.summary if section is not None and section.status == "ok" else {}


def _rows(report: Report, section_id: str, table: str) -> list[dict[str, Any]]:
    section = report.sections.get(section_id)
    if section is None or section.status != "ok" or table not in section.tables:
        return []
    return section.tables[table].rows()
