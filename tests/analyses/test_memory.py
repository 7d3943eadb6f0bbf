"""Memory: what is copied where, what of it no kernel hides, and which calls allocate."""

from __future__ import annotations

import itertools
from typing import Optional

import pytest

from tests.support.analyses import Cell, Write, assert_missing, capability, section, table, total
from tests.support.export import Export, global_pid

COPY = "cudaMemcpyAsync_v3020"
USAGE = "CUDA_GPU_MEMORY_USAGE_EVENTS"
ROUTE = "direction src_kind dst_kind"


def used(export: Export, start: int, size: int, *, frees: bool = False, **columns: Cell) -> Export:
    """Adds a change of the memory in use."""
    values: dict[str, Cell] = {"globalPid": global_pid(100), "deviceId": 0, "memKind": 2, **columns}
    return export.raw(USAGE, start=start, bytes=size, memoryOperationType=int(frees), **values)


def test_figures_of_a_route(export_file: Write) -> None:
    # A kernel hides [20, 40) of the copies; the union of these is [0, 30) + [50, 60).
    export = Export().kernel("k", 20, 40).memcpy(0, 20, size=100).memcpy(10, 30, size=200).memcpy(50, 60, size=300)
    found = section(export_file(export), "memory")
    columns = f"device_id {ROUTE} copies bytes total_ns union_ns bytes_per_s exposed_ns"
    assert table(found, "copies", columns) == [
        (0, "HtoD", "pinned", "device", 3, 600, 50, 40, pytest.approx(15e9), 30),
    ]
    figures = {"copies": 3, "bytes": 600, "copy_ns": 50, "exposed_ns": 30}
    assert {name: found.summary[name] for name in figures} == figures


@pytest.mark.parametrize("enums", [False, True])
def test_directions_and_kinds_in_short_words(export_file: Write, *, enums: bool) -> None:
    kinds = [(0, 7, 7), (1, 0, 2), (2, 2, 1), (8, 5, 3), (10, 4, 6), (11, 7, 7), (77, 55, None)]
    export = Export(enums=enums)
    for number, (kind, src, dst) in enumerate(kinds):
        export.memcpy(1000 * number, 1000 * number + 100 - number, kind=kind, src=src, dst=dst)
    found = section(export_file(export), "memory")
    assert table(found, "copies", ROUTE) == [
        ("unknown", "unknown", "unknown"),
        ("HtoD", "pageable", "device"),
        ("DtoH", "device", "pinned"),
        ("DtoD", "device static", "array"),
        ("PtoP", "managed", "managed static"),
        ("unified HtoD", "unknown", "unknown"),
        ("kind 77", "kind 55", "unknown"),
    ]


def test_labels_of_the_export_name_other_kinds_of_memory(export_file: Write) -> None:
    export = Export().raw("ENUM_CUDA_MEM_KIND", id=9, name="CUDA_MEMOPR_MEMORY_KIND_NEW", label="Very New")
    export.memcpy(0, 10, src=9, dst=0)
    assert table(section(export_file(export), "memory"), "copies", ROUTE) == [("HtoD", "very new", "pageable")]


def test_a_copy_is_hidden_by_work_of_its_own_device_only(export_file: Write) -> None:
    export = Export().memcpy(0, 100, device=0).memcpy(0, 100, device=1, kind=2, src=2, dst=1)
    export.kernel("k", 10, 30, device=0).kernel("k", 20, 40, device=0).graph_trace(60, 80, device=0)
    export.kernel("k", 90, 200, device=1).memset(0, 100, device=1)
    found = section(export_file(export), "memory")
    assert table(found, "copies", "device_id direction exposed_ns") == [(1, "DtoH", 90), (0, "HtoD", 50)]
    assert found.summary["exposed_ns"] == 140


def test_trap_copies_in_both_directions_are_exposed_once_in_the_summary(export_file: Write) -> None:
    export = Export().memcpy(0, 100).memcpy(50, 150, kind=2, src=2, dst=1).kernel("k", 140, 200)
    found = section(export_file(export), "memory")
    assert table(found, "copies", "direction exposed_ns") == [("DtoH", 90), ("HtoD", 100)]
    assert found.summary["exposed_ns"] == 140


def test_trap_order_of_kernels_does_not_change_what_is_exposed(export_file: Write) -> None:
    kernels = [(0, 15), (12, 22), (90, 100), (35, 36), (44, 61)]
    for order in itertools.permutations(kernels):
        export = Export().memcpy(10, 20).memcpy(30, 40).memcpy(50, 60).memcpy(60, 70).memcpy(200, 210)
        for start, end in order:
            export.kernel("k", start, end)
        # 0 + 9 + 0 + 9 + 10.
        assert section(export_file(export), "memory").summary["exposed_ns"] == 28


def test_copies_without_a_length_have_no_rate(export_file: Write) -> None:
    found = section(export_file(Export().memcpy(10, 10)), "memory")
    assert table(found, "copies", "copies union_ns bytes_per_s exposed_ns") == [(1, 0, None, 0)]


@pytest.mark.parametrize(
    ("api", "src", "dst", "counts"),
    [
        ("cudaMemcpyAsync_v3020", 0, 2, 1),
        ("cudaMemcpyAsync_ptsz_v7000", 2, 0, 1),
        ("cuMemcpyHtoDAsync_v2", 0, 2, 1),
        ("cudaMemcpy2DAsync_v3020", 0, 2, 1),
        ("cudaMemcpyAsync_v3020", 1, 2, 0),
        ("cudaMemcpy_v3020", 0, 2, 0),
        ("cudaGraphLaunch_v10000", 0, 2, 0),
        (None, 0, 2, 0),
    ],
)
def test_pageable_copies_under_asynchronous_calls(
    export_file: Write, api: Optional[str], src: int, dst: int, counts: int
) -> None:
    export = Export().call("cudaFree_v3020", 0, 1).memcpy(20, 50, src=src, dst=dst, corr=1)
    if api:
        export.call(api, 10, 60, corr=1)
    found = section(export_file(export), "memory")
    assert table(found, "copies", "pageable_async pageable_async_ns") == [(counts, 30 * counts)]
    figures = {
        "pageable_async_copies": counts,
        "pageable_async_ns": 30 * counts,
        "pageable_host_ns": 50 * counts,
    }
    assert {name: found.summary[name] for name in figures} == figures


def test_host_time_of_a_call_with_several_copies_counts_once(export_file: Write) -> None:
    export = Export().call(COPY, 0, 50, corr=1).memcpy(10, 20, src=0, corr=1).memcpy(30, 40, src=0, corr=1)
    found = section(export_file(export), "memory")
    assert found.summary["pageable_host_ns"] == 50
    assert table(found, "copy_calls", "copies call_ns") == [(2, 50)]


# -- where copies come from --------------------------------------------------------------------------------------------


def test_copies_by_call_and_range(export_file: Write) -> None:
    export = Export().nvtx("outer", 0, 1000).nvtx("sample", 90, 320).kernel("k", 205, 1000)
    export.call(COPY, 100, 130, corr=1).memcpy(150, 160, corr=1, size=10)
    export.call(COPY, 200, 220, corr=2).memcpy(200, 210, corr=2, size=20)
    export.call("cudaMemcpyAsync_ptsz", 400, 410, corr=3).memcpy(420, 430, corr=3, size=30)
    export.call("cudaMemcpy_v3020", 2000, 2070, corr=4).memcpy(2010, 2060, corr=4, size=40, kind=2, src=2, dst=0)
    export.call(COPY, 0, 10, corr=1, pid=200).memcpy(20, 30, corr=1, pid=200, size=50)
    export.memcpy(3000, 3100)
    path = export_file(export)
    found = section(path, "memory")
    columns = f"pid api_name {ROUTE} range_name copies bytes call_ns exposed_ns"
    assert table(found, "copy_calls", columns) == [
        (100, "cudaMemcpy", "DtoH", "device", "pageable", None, 1, 40, 70, 50),
        (100, "cudaMemcpyAsync", "HtoD", "pinned", "device", "sample", 2, 30, 50, 15),
        (200, "cudaMemcpyAsync", "HtoD", "pinned", "device", None, 1, 50, 10, 10),
        (100, "cudaMemcpyAsync", "HtoD", "pinned", "device", "outer", 1, 30, 10, 0),
    ]
    assert any("1 of 6 copies have no API call" in limit for limit in found.limitations)
    assert total(found, "copy_calls", "copies") == found.summary["copies"] - 1
    unmapped = section(path, "memory", nvtx_kernel_map=False)
    assert {row[0] for row in table(unmapped, "copy_calls", "range_name")} == {None}


# -- allocations -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "base"),
    [
        ("cudaMalloc_v3020", "cudaMalloc"),
        ("cudaFree_v3020", "cudaFree"),
        ("cudaMallocHost_v3020", "cudaMallocHost"),
        ("cudaHostAlloc_v3020", "cudaHostAlloc"),
        ("cudaFreeHost_v3020", "cudaFreeHost"),
        ("cudaMallocAsync_ptsz_v11020", "cudaMallocAsync"),
        ("cudaFreeAsync_v11020", "cudaFreeAsync"),
        ("cudaMallocManaged_v6000", "cudaMallocManaged"),
        ("cudaMallocPitch_v3020", "cudaMallocPitch"),
        ("cudaMalloc3D_v3020", "cudaMalloc3D"),
        ("cudaMallocFromPoolAsync_v11020", "cudaMallocFromPoolAsync"),
        ("cudaHostRegister_v4000", "cudaHostRegister"),
        ("cudaHostUnregister_v4000", "cudaHostUnregister"),
        ("cuMemAlloc_v2", "cuMemAlloc"),
        ("cuMemAllocAsync", "cuMemAllocAsync"),
        ("cuMemFree_v2", "cuMemFree"),
        ("cuMemFreeHost", "cuMemFreeHost"),
        ("cuMemHostAlloc", "cuMemHostAlloc"),
        ("cuMemCreate", "cuMemCreate"),
        ("cuMemRelease", "cuMemRelease"),
        ("cuMemMap", "cuMemMap"),
        ("cuMemUnmap", "cuMemUnmap"),
        ("cuMemAddressReserve", "cuMemAddressReserve"),
        ("cuMemAddressFree", "cuMemAddressFree"),
    ],
)
def test_calls_that_allocate(export_file: Write, api: str, base: str) -> None:
    found = section(export_file(Export().kernel("k", 0, 10).call(api, 2, 5)), "memory")
    assert table(found, "allocations", "pid api_name calls total_ns exposed_ns") == [(100, base, 1, 3, 0)]
    assert (found.summary["allocation_calls"], found.summary["allocation_ns"]) == (1, 3)


def test_other_calls_allocate_nothing(export_file: Write) -> None:
    export = Export().kernel("k", 0, 10)
    for name in ("cudaMemcpy_v3020", "cudaMemset_v3020", "cuMemsetD8_v2", "cudaMemGetInfo_v3020", "my_cudaMalloc"):
        export.call(name, 0, 5)
    found = section(export_file(export), "memory")
    assert table(found, "allocations", "api_name") == []
    assert found.summary["allocation_calls"] == 0


def test_exposed_time_of_allocations(export_file: Write) -> None:
    # The GPU of process 100 idles in [10, 50); process 300 has none.
    export = Export().kernel("k", 0, 10).kernel("k", 50, 60)
    export.call("cudaMalloc_v3020", 5, 15).call("cudaMalloc_v3020", 20, 30).call("cudaFree_v3020", 40, 70)
    export.call("cudaMalloc_v3020", 0, 25, pid=300)
    found = section(export_file(export), "memory")
    columns = "pid api_name calls total_ns exposed_ns steady_calls steady_ns steady_exposed_ns"
    assert table(found, "allocations", columns) == [
        (100, "cudaFree", 1, 30, 10, None, None, None),
        (300, "cudaMalloc", 1, 25, None, None, None, None),
        (100, "cudaMalloc", 2, 20, 15, None, None, None),
    ]


def test_allocations_in_the_steady_window(export_file: Write) -> None:
    export = Export()
    for number in range(10):
        at = 1000 * number
        export.nvtx(f"execute_context_0(0)_generation_{number + 1}({number + 1})", at, at + 300)
        export.call("cudaLaunchKernel_v7000", at + 10, at + 20, corr=number + 1)
        export.kernel("k", at + 100, at + 900, corr=number + 1)
    for start in (-500, 3950, 20_000):
        export.call("cudaMalloc_v3020", start, start + 100)
    path = export_file(export)
    found = section(path, "memory")
    columns = "calls total_ns exposed_ns steady_calls steady_ns steady_exposed_ns"
    assert table(found, "allocations", columns) == [(3, 300, 100, 1, 100, 100)]


def test_chosen_window_takes_allocations_by_their_start(export_file: Write) -> None:
    export = Export().kernel("k", 100, 150)
    for start in (50, 100, 199, 200):
        export.call("cudaMalloc_v3020", start, start + 10)
    found = section(export_file(export), "memory", window=(100, 200))
    assert table(found, "allocations", "calls total_ns") == [(2, 20)]


# -- memory in use -----------------------------------------------------------------------------------------------------

IN_USE = "pid device_id mem_kind allocations frees allocated_bytes freed_bytes peak_bytes end_bytes"


def test_memory_in_use_is_a_running_sum(export_file: Write) -> None:
    export = Export().kernel("k", 0, 10)
    used(export, 10, 100)
    used(export, 20, 50)
    used(export, 30, 120, frees=True)
    used(export, 40, 60)
    used(export, 15, 500, memKind=1)
    used(export, 15, 7, deviceId=1)
    used(export, 50, 30, frees=True, deviceId=1)
    found = section(export_file(export), "memory")
    assert table(found, "memory_usage", IN_USE) == [
        (100, 0, "pinned", 1, 0, 500, 0, 500, 500),
        (100, 0, "device", 3, 1, 210, 120, 150, 90),
        (100, 1, "device", 1, 1, 7, 30, 7, -23),
    ]
    assert found.summary["peak_device_bytes"] == 150


def test_trap_order_within_an_instant_does_not_change_the_peak(export_file: Write) -> None:
    changes = [(10, 100, False), (20, 100, True), (20, 80, False), (30, 5, True)]
    for order in itertools.permutations(changes):
        export = Export().kernel("k", 0, 10)
        for start, size, frees in order:
            used(export, start, size, frees=frees)
        found = section(export_file(export), "memory")
        assert table(found, "memory_usage", "peak_bytes end_bytes") == [(100, 75)]


def test_trap_without_the_table_the_peak_is_unknown(export_file: Write) -> None:
    found = section(export_file(Export().memcpy(0, 10)), "memory")
    assert found.summary["peak_device_bytes"] is None
    assert any("--cuda-memory-usage=true" in limit for limit in found.limitations)


def test_memory_of_an_unknown_process_is_left_out_and_told(export_file: Write) -> None:
    export = used(used(Export().kernel("k", 0, 10), 5, 100), 6, 200, globalPid=global_pid(555))
    found = section(export_file(export), "memory")
    assert table(found, "memory_usage", "pid peak_bytes") == [(100, 100)]
    assert any("1 memory events belong" in limit for limit in found.limitations)


def test_sums_beyond_64_bits_are_cut(export_file: Write) -> None:
    export = Export().kernel("k", 0, 10)
    most = (1 << 63) - 1
    for start in (1, 2):
        used(export, start, most)
        export.memcpy(start, start + 1, size=most)
    found = section(export_file(export), "memory")
    assert table(found, "memory_usage", "allocated_bytes peak_bytes end_bytes") == [(most, most, most)]
    assert found.summary["bytes"] == most


# -- absence -----------------------------------------------------------------------------------------------------------


def test_nothing_copied_and_no_calls_is_missing(export_file: Write) -> None:
    path = export_file(Export().kernel("k", 0, 10))
    needs = ("The export has no copies and no CUDA API calls.", "Capture it with --trace=cuda.")
    assert_missing(path, "memory", *needs)
    assert capability(path, "memory") == ("missing", "--trace=cuda")


def test_no_copies_among_calls_is_zero(export_file: Write) -> None:
    path = export_file(Export().kernel("k", 0, 10, corr=1).call("cudaLaunchKernel_v7000", 0, 5, corr=1))
    found = section(path, "memory")
    assert (found.summary["copies"], found.tables["copies"].rows()) == (0, [])
    assert capability(path, "memory") == ("ok", None)


def test_copies_without_calls_are_shown(export_file: Write) -> None:
    path = export_file(Export().memcpy(0, 10))
    found = section(path, "memory")
    assert found.summary["copies"] == 1
    assert any("Without CUDA API calls" in limit for limit in found.limitations)
    assert capability(path, "memory") == ("partial", "--trace=cuda")
