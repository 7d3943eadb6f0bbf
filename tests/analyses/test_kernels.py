"""Kernels: one row per name and device, whatever the rows look like."""

from __future__ import annotations

import itertools

import pytest

from tests.support.analyses import Write, assert_missing, capability, run, section, table, warning_codes
from tests.support.export import Export

NO_KERNELS = ("The export has no kernels.", "Capture it with --trace=cuda.")


def test_figures_of_a_name_and_device(export_file: Write) -> None:
    export = (
        Export()
        .kernel("gemm", 0, 10)
        .kernel("gemm", 10, 30)
        .kernel("gemm", 20, 50, stream=8)
        .kernel("gemm", 100, 140)
        .kernel("gemm", 0, 60, device=1)
        .kernel("norm", 5, 5)
    )
    found = section(export_file(export), "kernels")
    assert found.status == "ok"
    assert found.summary == {"kernels": 6, "total_ns": 160}
    columns = "kernel_name device_id gpu_id calls total_ns avg_ns min_ns max_ns share"
    assert table(found, "kernels", columns) == [
        ("gemm", 0, None, 4, 100, 25.0, 10, 40, 0.625),
        ("gemm", 1, None, 1, 60, 60.0, 60, 60, 0.375),
        ("norm", 0, None, 1, 0, 0.0, 0, 0, 0.0),
    ]


def test_percentiles_of_an_even_count_interpolate(export_file: Write) -> None:
    export = Export()
    for start, duration in ((0, 40), (100, 10), (200, 30), (300, 20)):
        export.kernel("gemm", start, start + duration)
    found = section(export_file(export), "kernels")
    (row,) = table(found, "kernels", "p50_ns p90_ns p99_ns")
    assert row == pytest.approx((25.0, 37.0, 39.7))


def test_trap_summed_kernels_are_not_wall_time(export_file: Write) -> None:
    export = Export().kernel("a", 0, 100, stream=7).kernel("b", 0, 100, stream=8).kernel("b", 0, 100, device=1)
    found = section(export_file(export), "kernels")
    assert found.summary["total_ns"] == 300
    assert sum(row["share"] for row in found.tables["kernels"].rows()) == pytest.approx(1.0)


def test_names_fall_back_and_dangling_ids_stay_visible(export_file: Write) -> None:
    export = (
        Export()
        .kernel("void gemm<float>(int)", 0, 50, short_name="gemm")
        .kernel("x", 50, 90, demangledName=None, short_name="short")
        .kernel("x", 90, 120, demangledName=99)
        .kernel("x", 120, 140, demangledName=None, shortName=98)
        .kernel("x", 140, 150, demangledName=None, shortName=None)
    )
    found = section(export_file(export), "kernels")
    assert table(found, "kernels", "kernel_name total_ns") == [
        ("void gemm<float>(int)", 50),
        ("short", 40),
        ("<id 99>", 30),
        ("<id 98>", 20),
        ("<no name>", 10),
    ]


def test_one_name_under_two_string_ids_is_one_row(export_file: Write) -> None:
    export = Export().string_row(70, "gemm").kernel("gemm", 0, 10).kernel("x", 10, 30, demangledName=70)
    found = section(export_file(export), "kernels")
    assert table(found, "kernels", "kernel_name calls total_ns") == [("gemm", 2, 30)]


def test_rows_that_are_no_events_are_counted_not_clamped(export_file: Write) -> None:
    export = (
        Export()
        .kernel("good", 10, 20)
        .kernel("open", 30, None)
        .kernel("backwards", 50, 40)
        .kernel("both zero", 0, 0)
        .kernel("text", "soon", 60)
        .kernel("float", 61.5, 70)
        .kernel("no device", 80, 90, device=None)
    )
    path = export_file(export)
    assert run(path)["trace"]["rejected_rows"] == {"CUPTI_ACTIVITY_KIND_KERNEL": 6}
    assert "rejected_rows" in warning_codes(path)
    assert table(section(path, "kernels"), "kernels", "kernel_name total_ns share") == [("good", 10, 1.0)]


def test_negative_and_huge_times_keep_every_nanosecond(export_file: Write) -> None:
    base = 1_700_000_000_000_000_001
    export = Export().kernel("before zero", -50, -20).kernel("epoch", base, base + 7)
    found = section(export_file(export), "kernels")
    assert table(found, "kernels", "kernel_name total_ns") == [("before zero", 30), ("epoch", 7)]


def test_concurrent_kernel_table_counts_as_kernels(export_file: Write) -> None:
    columns = ("start INT", "end INT", "deviceId INT", "globalPid INT", "correlationId INT", "shortName INT")
    name = "CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL"
    export = Export().declare(name, *columns)
    export.raw(name, start=5, end=9, deviceId=0, shortName=export.string("gemm"))
    found = section(export_file(export), "kernels")
    assert table(found, "kernels", "kernel_name device_id total_ns") == [("gemm", 0, 4)]
    assert found.derived_from[0] == name


def test_devices_are_physical_gpus_where_the_export_maps_them(export_file: Write) -> None:
    export = (
        Export()
        .cuda_device(pid=100, ordinal=0, gpu=4)
        .cuda_device(pid=200, ordinal=0, gpu=5)
        .cuda_device(pid=300, ordinal=1, gpu=4)
        .kernel("gemm", 0, 30, device=0, pid=100)
        .kernel("gemm", 0, 20, device=0, pid=200)
        .kernel("gemm", 30, 70, device=1, pid=300)
    )
    found = section(export_file(export), "kernels")
    assert table(found, "kernels", "kernel_name device_id gpu_id calls total_ns") == [
        ("gemm", 0, 4, 2, 70),
        ("gemm", 0, 5, 1, 20),
    ]


def test_order_of_rows_is_total(export_file: Write) -> None:
    rows = [("b", 0, 10, 0), ("a", 0, 10, 1), ("a", 0, 10, 0), ("big", 0, 11, 1)]
    for order in itertools.permutations(rows):
        export = Export()
        for name, start, end, device in order:
            export.kernel(name, start, end, device=device)
        path = export_file(export)
        for threads in (1, 3):
            found = section(path, "kernels", threads=threads)
            assert table(found, "kernels", "kernel_name device_id") == [("big", 1), ("a", 0), ("a", 1), ("b", 0)]


def test_cut_at_10_000_rows_keeps_sums_over_all(export_file: Write) -> None:
    export = Export()
    for number in range(10_005):
        export.kernel(f"k{number:05}", number, number + 1)
    found = section(export_file(export), "kernels")
    kernels = found.tables["kernels"]
    assert (len(kernels), kernels.total_rows) == (10_000, 10_005)
    assert found.summary == {"kernels": 10_005, "total_ns": 10_005}
    last = kernels.rows()[-1]
    assert (last["kernel_name"], last["share"]) == ("k09999", pytest.approx(1 / 10_005))


def test_percentiles_switched_off_are_null_not_zero(export_file: Write) -> None:
    path = export_file(Export().kernel("gemm", 0, 10).kernel("gemm", 20, 40))
    found = section(path, "kernels", kernel_percentiles=False)
    columns = "calls total_ns avg_ns p50_ns p90_ns p99_ns min_ns max_ns"
    assert table(found, "kernels", columns) == [(2, 30, 15.0, None, None, None, 10, 20)]
    assert "Percentiles were switched off." in found.limitations


def test_window_takes_kernels_by_their_start_and_whole(export_file: Write) -> None:
    export = Export().kernel("before", 10, 30).kernel("first", 20, 60).kernel("last", 39, 45).kernel("after", 40, 50)
    found = section(export_file(export), "kernels", window=(20, 40))
    assert table(found, "kernels", "kernel_name total_ns") == [("first", 40), ("last", 6)]
    assert found.summary == {"kernels": 2, "total_ns": 46}


@pytest.mark.parametrize(
    "export",
    [
        Export(),
        Export().declare("CUPTI_ACTIVITY_KIND_KERNEL"),
        Export().kernel("both zero", 0, 0),
        Export().call("cudaLaunchKernel_v7000", 0, 5, corr=1),
        Export().memcpy(0, 10),
    ],
    ids=["nothing", "empty table", "rejected rows only", "calls only", "copies only"],
)
def test_trap_no_kernels_is_missing_not_zero(export_file: Write, export: Export) -> None:
    assert_missing(export_file(export), "kernels", *NO_KERNELS)


def test_graph_mode_hides_kernels_and_says_so(export_file: Write) -> None:
    whole = export_file(Export().graph_trace(0, 50, corr=1))
    assert_missing(
        whole,
        "kernels",
        "CUDA graphs were traced as wholes: the kernels inside are in no table.",
        "Capture it with --cuda-graph-trace=node.",
    )
    assert capability(whole, "kernels") == ("missing", "--cuda-graph-trace=node")
    some = export_file(Export().graph_trace(0, 50, corr=1).kernel("eager", 60, 70, corr=2))
    found = section(some, "kernels")
    assert found.summary == {"kernels": 1, "total_ns": 10}
    assert any("--cuda-graph-trace=node" in limit for limit in found.limitations)
    assert capability(some, "kernels") == ("partial", "--cuda-graph-trace=node")
