"""Rows of the ENUM_* tables that exports carry, as (id, name, label)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EnumRow = tuple[int, str, str]


def _numbered(prefix: str, pairs: Sequence[tuple[str, str]]) -> tuple[EnumRow, ...]:
    return tuple((number, prefix + name, label) for number, (name, label) in enumerate(pairs))


_LAUNCH_TYPES = _numbered(
    "CUDA_KERNEL_LAUNCH_TYPE_",
    [
        ("UNKNOWN", "Unknown"),
        ("REGULAR", "Regular"),
        ("COOPERATIVE_SINGLE_DEVICE", "Coop Single Device"),
        ("COOPERATIVE_MULTI_DEVICE", "Coop Multi Device"),
    ],
)

#: ENUM table -> rows. Tables that a version lacks are left out by the caller.
ENUM_ROWS: Mapping[str, Sequence[EnumRow]] = {
    "ENUM_NSYS_EVENT_TYPE": tuple(
        (number, name, name)
        for number, name in (
            (0, "Unknown"),
            (33, "NvtxCategory"),
            (34, "NvtxMark"),
            (39, "NvtxThread"),
            (59, "NvtxPushPopRange"),
            (60, "NvtxStartEndRange"),
            (70, "NvtxtPushPopRange"),
            (71, "NvtxtStartEndRange"),
            (75, "NvtxDomainCreate"),
            (76, "NvtxDomainDestroy"),
        )
    ),
    "ENUM_NSYS_EVENT_CLASS": (
        (0, "TRACE_PROCESS_EVENT_CUDA_RUNTIME", "CUDA runtime"),
        (1, "TRACE_PROCESS_EVENT_CUDA_DRIVER", "CUDA driver"),
        (27, "TRACE_PROCESS_EVENT_OS_RUNTIME", "OSRT runtime"),
        (77, "TRACE_PROCESS_EVENT_CUDA_GRAPH_NODE_CREATION", "CUDA graph node creation"),
        (94, "TRACE_PROCESS_EVENT_CUDA_GRAPHEXEC_CREATION", "CUDA graph exec creation"),
        (95, "TRACE_PROCESS_EVENT_CUDA_GRAPH_CREATION", "CUDA graph creation"),
        (103, "TRACE_PROCESS_EVENT_CUDA_OVERHEAD", "CUDA overhead"),
    ),
    "ENUM_CUDA_MEMCPY_OPER": _numbered(
        "CUDA_MEMCPY_KIND_",
        [
            ("UNKNOWN", "Unknown"),
            ("HTOD", "Host-to-Device"),
            ("DTOH", "Device-to-Host"),
            ("HTOA", "Host-to-Array"),
            ("ATOH", "Array-to-Host"),
            ("ATOA", "Array-to-Array"),
            ("ATOD", "Array-to-Device"),
            ("DTOA", "Device-to-Array"),
            ("DTOD", "Device-to-Device"),
            ("HTOH", "Host-to-Host"),
            ("PTOP", "Peer-to-Peer"),
            ("UVM_HTOD", "Unified Host-to-Device"),
            ("UVM_DTOH", "Unified Device-to-Host"),
            ("UVM_DTOD", "Unified Device-to-Device"),
        ],
    ),
    "ENUM_CUDA_MEM_KIND": _numbered(
        "CUDA_MEMOPR_MEMORY_KIND_",
        [
            ("PAGEABLE", "Pageable"),
            ("PINNED", "Pinned"),
            ("DEVICE", "Device"),
            ("ARRAY", "Array"),
            ("MANAGED", "Managed"),
            ("DEVICE_STATIC", "Device Static"),
            ("MANAGED_STATIC", "Managed Static"),
            ("UNKNOWN", "Unknown"),
        ],
    ),
    "ENUM_CUDA_KRENEL_LAUNCH_TYPE": _LAUNCH_TYPES,
    "ENUM_CUDA_KERNEL_LAUNCH_TYPE": _LAUNCH_TYPES,
    "ENUM_CUPTI_STREAM_TYPE": _numbered(
        "CUPTI_ACTIVITY_STREAM_CREATE_FLAG_",
        [
            ("UNKNOWN", "Unknown stream type"),
            ("DEFAULT", "Default stream"),
            ("NON_BLOCKING", "Non-blocking stream"),
            ("NULL", "Null stream"),
        ],
    ),
    "ENUM_CUPTI_SYNC_TYPE": _numbered(
        "CUPTI_ACTIVITY_SYNCHRONIZATION_TYPE_",
        [
            ("UNKNOWN", "Unknown"),
            ("EVENT_SYNCHRONIZE", "Event sync"),
            ("STREAM_WAIT_EVENT", "Stream wait sync"),
            ("STREAM_SYNCHRONIZE", "Stream sync"),
            ("CONTEXT_SYNCHRONIZE", "Context sync"),
        ],
    ),
    "ENUM_CUPTI_OVERHEAD_TYPE": _numbered(
        "OVERHEAD_",
        [
            ("UNDEFINED", "Undefined"),
            ("UNKNOWN", "Unknown"),
            ("DRIVER_COMPILER", "Driver JIT compiler (CUDA)"),
            ("CUPTI_BUFFER_FLUSH", "Buffer flush (Profiler)"),
            ("CUPTI_INSTRUMENTATION", "Instrumentation (Profiler)"),
            ("CUPTI_RESOURCE", "Resource creation/destruction (Profiler)"),
            ("RUNTIME_TRIGGERED_MODULE_LOADING", "Runtime module loading (CUDA)"),
            ("LAZY_FUNCTION_LOADING", "Lazy function loading (CUDA)"),
            ("COMMAND_BUFFER_FULL", "Command buffer full (CUDA)"),
        ],
    ),
    "ENUM_DIAGNOSTIC_SEVERITY_LEVEL": (
        (0, "UnknownLevel", "Unknown"),
        (1, "Info", "Info"),
        (2, "Warning", "Warning"),
        (3, "Error", "Error"),
        (4, "Verbose", "Verbose"),
    ),
    "ENUM_DIAGNOSTIC_SOURCE_TYPE": (
        (0, "UnknownSource", "Unknown source"),
        (1, "Injection", "Injection"),
        (2, "Daemon", "Daemon"),
        (3, "Analysis", "Analysis"),
    ),
    "ENUM_DIAGNOSTIC_TIMESTAMP_SOURCE": (
        (0, "UnknownTimestamp", "Unknown timestamp"),
        (1, "TargetTimestamp", "Target timestamp"),
        (2, "HostTimestamp", "Host timestamp"),
    ),
}
