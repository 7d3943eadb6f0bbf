"""The facts about a trace that people read: file, profiler, GPUs, processes, time, rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Report

_ROWS_SHOWN = {
    "CUPTI_ACTIVITY_KIND_KERNEL": "kernel",
    "CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL": "kernel",
    "CUPTI_ACTIVITY_KIND_MEMCPY": "copy operation",
    "CUPTI_ACTIVITY_KIND_MEMSET": "memset",
    "CUPTI_ACTIVITY_KIND_GRAPH_TRACE": "graph execution",
    "CUPTI_ACTIVITY_KIND_RUNTIME": "API call",
    "NVTX_EVENTS": "NVTX event",
    "OSRT_API": "OS call",
}
_MAX_NAMES = 8
_ASKED = {
    "user": ", as asked for",
    "steady": ", the steady state of the steps",
    "nvtx": ", the ranges that were asked for",
}


def trace_facts(report: Report) -> Iterator[tuple[str, str]]:
    """Yields what to know about the trace, as name and unescaped text."""
    trace = report.trace
    yield "file", f"{Path(str(trace['path'])).name}, {fmt.size(trace['file_bytes'])}"
    yield "profiler", profiler(report)
    if trace.get("duration_ns"):
        yield "capture", fmt.duration(trace["duration_ns"])
    window = _window(report)
    if window:
        yield "analysed", window
    if trace.get("gpus"):
        yield "GPUs", _listed([_gpu(gpu) for gpu in trace["gpus"]])
    if trace.get("processes"):
        yield "processes", _listed([_process(process) for process in trace["processes"]])
    rows = [
        fmt.counted(trace["tables"][table], noun) for table, noun in _ROWS_SHOWN.items() if trace["tables"].get(table)
    ]
    yield "rows", ", ".join(rows) or "no GPU, API or NVTX events"
    rejected = {table: count for table, count in (trace.get("rejected_rows") or {}).items() if count}
    if rejected:
        yield "rejected rows", ", ".join(f"{table} {fmt.count(count)}" for table, count in sorted(rejected.items()))
    if trace.get("cuda_graph_mode") in ("node", "graph"):
        yield "CUDA graphs", f"captured in {trace['cuda_graph_mode']} mode"


def profiler(report: Report) -> str:
    """Returns which Nsight Systems made the export, as far as it says."""
    trace = report.trace
    parts = []
    if trace.get("nsys_version"):
        parts.append(f"Nsight Systems {trace['nsys_version']}")
    if trace.get("export_schema_version"):
        parts.append(f"export schema {trace['export_schema_version']}")
    if trace.get("capture_version") and not str(trace.get("nsys_version")).startswith(trace["capture_version"]):
        parts.append(f"captured with {trace['capture_version']}")
    return ", ".join(parts) or "unknown (the export carries no version)"


def _window(report: Report) -> str:
    start, end = report.window.get("start_ns"), report.window.get("end_ns")
    if start is None or end is None:
        return ""
    asked = _ASKED.get(str(report.window.get("source")), "")
    return f"{fmt.time_range(start, end)} ({fmt.duration(end - start)}{asked})"


def _gpu(gpu: Mapping[str, Any]) -> str:
    text = fmt.device_label(None, gpu.get("gpu_id"))
    details = [gpu["name"]] if gpu.get("name") else []
    if gpu.get("memory_bytes"):
        details.append(fmt.size(gpu["memory_bytes"]))
    return f"{text}: {', '.join(details)}" if details else text


def _process(process: Mapping[str, Any]) -> str:
    return f"{process['pid']} ({process['name']})" if process.get("name") else str(process["pid"])


def _listed(texts: list[str]) -> str:
    more = len(texts) - _MAX_NAMES
    return "; ".join(texts[:_MAX_NAMES]) + (f"; and {more} more" if more > 0 else "")
