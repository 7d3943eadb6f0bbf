"""Copies, allocations and the memory that they need."""

from __future__ import annotations

from nsys_llm_explainer.sections.view import Kind, SectionView, Shown, TableView

VIEW = SectionView(
    "memory",
    "Memory",
    "exposed_ms is the time of copies during which no kernel runs on the device. The rate is bytes over the time in "
    "which at least one such copy ran. A cudaMemcpyAsync with pageable host memory on a side is not asynchronous: the "
    "call stages the data, and may return only when it is done.",
    (
        Shown("copies", "copies", Kind.COUNT),
        Shown("bytes", "moved", Kind.BYTES),
        Shown("copy_ns", "copy time", Kind.MS),
        Shown("exposed_ns", "of that exposed", Kind.MS),
        Shown("pageable_async_copies", "pageable under async calls", Kind.COUNT),
        Shown("pageable_async_ns", "their time", Kind.MS),
        Shown("pageable_host_ns", "time of their calls", Kind.MS),
        Shown("allocation_calls", "allocation calls", Kind.COUNT),
        Shown("allocation_ns", "time in them", Kind.MS),
        Shown("peak_device_bytes", "peak since the capture began", Kind.BYTES),
    ),
    (
        TableView(
            "copies",
            "Copies by direction and kind of memory",
            (
                Shown("device_id", "device_id", Kind.DEVICE),
                Shown("direction", "direction", Kind.TEXT),
                Shown("src_kind", "from", Kind.TEXT),
                Shown("dst_kind", "to", Kind.TEXT),
                Shown("copies", "copies", Kind.COUNT),
                Shown("bytes", "bytes", Kind.BYTES),
                Shown("total_ns", "total_ms", Kind.MS),
                Shown("exposed_ns", "exposed_ms", Kind.MS),
                Shown("bytes_per_s", "rate", Kind.THROUGHPUT),
                Shown("pageable_async", "pageable_async", Kind.COUNT),
            ),
        ),
        TableView(
            "copy_calls",
            "Copies by their call and range",
            (
                Shown("pid", "pid", Kind.ID),
                Shown("api_name", "api_name", Kind.LABEL),
                Shown("direction", "direction", Kind.TEXT),
                Shown("src_kind", "from", Kind.TEXT),
                Shown("dst_kind", "to", Kind.TEXT),
                Shown("range_name", "in_range", Kind.LABEL),
                Shown("copies", "copies", Kind.COUNT),
                Shown("bytes", "bytes", Kind.BYTES),
                Shown("call_ns", "call_ms", Kind.MS),
                Shown("exposed_ns", "exposed_ms", Kind.MS),
            ),
        ),
        TableView(
            "allocations",
            "Calls that allocate or free memory",
            (
                Shown("pid", "pid", Kind.ID),
                Shown("api_name", "api_name", Kind.LABEL),
                Shown("calls", "calls", Kind.COUNT),
                Shown("total_ns", "total_ms", Kind.MS),
                Shown("exposed_ns", "gpu_idle_ms", Kind.MS),
                Shown("steady_calls", "steady_calls", Kind.COUNT),
                Shown("steady_ns", "steady_ms", Kind.MS),
                Shown("steady_exposed_ns", "steady_gpu_idle_ms", Kind.MS),
            ),
        ),
        TableView(
            "memory_usage",
            "Device memory as the capture saw it change",
            (
                Shown("pid", "pid", Kind.ID),
                Shown("device_id", "device_id", Kind.ID),
                Shown("mem_kind", "kind", Kind.TEXT),
                Shown("allocations", "allocations", Kind.COUNT),
                Shown("frees", "frees", Kind.COUNT),
                Shown("allocated_bytes", "allocated", Kind.BYTES),
                Shown("freed_bytes", "freed", Kind.BYTES),
                Shown("peak_bytes", "peak", Kind.BYTES),
                Shown("end_bytes", "at_end", Kind.BYTES),
            ),
        ),
    ),
)
