"""Time budget: one bucket at every instant, and the cause of every gap by what the launching thread did."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.analyses import US, Write, assert_missing, capability, run, section, table
from tests.support.export import Export, global_tid

LAUNCH = "cudaLaunchKernel_v7000"
SYNC = "cudaStreamSynchronize_v3020"
ALL_REDUCE = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096>)"
PARTS = "host_sync_ns host_api_ns host_os_ns host_code_ns launching_ns inside_graph_ns queued_ns unmatched_ns"


def buckets(path: object, device: int = 0) -> dict[str, int]:
    """Returns the buckets of a device that hold any time."""
    rows = section(path, "budget").tables["device_time"].rows()  # type: ignore[arg-type]
    return {str(row["bucket"]): row["total_ns"] for row in rows if row["device_id"] == device and row["total_ns"]}


def test_busy_time_goes_to_the_first_of_compute_communication_and_copy(export_file: Write) -> None:
    export = (
        Export()
        .kernel("gemm", 0, 100)
        .kernel(ALL_REDUCE, 50, 160, stream=8)
        .memcpy(150, 200, stream=9)
        .memset(190, 220)
        .kernel("gemm", 210, 230)
        .graph_trace(230, 260, corr=5)
    )
    path = export_file(export)
    assert buckets(path) == {"compute": 150, "communication": 60, "copy": 50}
    assert section(path, "budget").summary["window_ns"] == 260


def test_all_buckets_are_listed_and_sum_to_the_window(export_file: Write) -> None:
    path = export_file(Export().kernel("a", 10, 20).kernel("b", 25, 31).kernel("c", 0, 5, device=1, pid=101))
    rows = table(section(path, "budget"), "device_time", "device_id total_ns share steady_ns")
    assert [device for device, *_ in rows] == [0] * 11 + [1] * 11
    assert sum(ns for device, ns, *_ in rows if device == 0) == 21
    assert sum(share for device, _, share, _ in rows if device == 0) == pytest.approx(1.0)
    assert {steady for *_, steady in rows} == {None}


def test_a_gap_is_split_by_what_the_launching_thread_did(export_file: Write) -> None:
    export = (
        Export()
        .kernel("first", 0, 100, corr=1)
        .call(LAUNCH, -20, -10, corr=1)
        .call(SYNC, 50, 130, corr=2)
        .call("cudaMalloc_v3020", 140, 170, corr=3)
        .osrt("poll", 160, 190)
        .call(LAUNCH, 200, 230, corr=4)
        .kernel("second", 260, 300, corr=4)
    )
    found = section(export_file(export), "budget")
    # In the sync until 130, code until 140, cudaMalloc until 170, poll until 190, code until 200.
    assert table(found, "gap_causes", "start_ns end_ns gap_ns cause " + PARTS) == [
        (100, 260, 160, "idle.host_sync", 30, 30, 20, 20, 30, 0, 30, 0)
    ]
    assert table(found, "gap_causes", "next_op call_name pid tid place") == [("second", LAUNCH, 100, 100, "no_steps")]
    assert table(found, "host_calls", "pid api_name bucket device_id idle_ns") == [
        (100, "cudaMalloc_v3020", "idle.host_api", 0, 30),
        (100, SYNC, "idle.host_sync", 0, 30),
    ]


def test_synchronisation_comes_before_other_calls_and_those_before_the_system(export_file: Write) -> None:
    export = (
        Export()
        .kernel("first", 0, 10)
        .osrt("futex", 5, 80)
        .call("cudaMemcpy_v3020", 20, 60, corr=2)
        .call(SYNC, 30, 40, corr=3)
        .call(LAUNCH, 90, 95, corr=4)
        .kernel("second", 95, 99, corr=4)
    )
    found = section(export_file(export), "budget")
    assert table(found, "gap_causes", PARTS) == [(10, 30, 30, 10, 5, 0, 0, 0)]


def test_trap_other_threads_explain_nothing(export_file: Write) -> None:
    export = (
        Export()
        .kernel("first", 0, 10)
        .call(SYNC, 10, 90, corr=2, tid=7)
        .osrt("poll", 10, 90, tid=8)
        .call(SYNC, 10, 90, corr=3, pid=200)
        .call(LAUNCH, 90, 95, corr=4)
        .kernel("second", 100, 110, corr=4)
    )
    assert buckets(export_file(export)) == {
        "compute": 20,
        "idle.host_code": 80,
        "idle.launching": 5,
        "idle.queued": 5,
    }


def test_the_op_whose_call_starts_earliest_explains_the_gap(export_file: Write) -> None:
    export = (
        Export()
        .kernel("first", 0, 10)
        .kernel("late", 100, 110, corr=4)
        .kernel("early", 100, 120, corr=5, stream=8)
        .kernel("none", 100, 105, stream=9)
        .call(LAUNCH, 60, 70, corr=4)
        .call(LAUNCH, 20, 30, corr=5, tid=9)
    )
    found = section(export_file(export), "budget")
    assert table(found, "gap_causes", "next_op tid " + PARTS) == [("early", 9, 0, 0, 0, 10, 10, 0, 70, 0)]


def test_gaps_between_ops_of_one_call_are_inside_a_graph(export_file: Write) -> None:
    export = Export().call("cudaGraphLaunch_v10000", 0, 30, corr=7)
    export.kernel("a", 20, 25, corr=7, graph_node=1).kernel("b", 40, 50, corr=7, graph_node=2)
    export.kernel("c", 60, 70, corr=8).call(LAUNCH, 51, 55, corr=8)
    found = section(export_file(export), "budget")
    assert table(found, "gap_causes", "start_ns " + PARTS) == [
        (25, 0, 0, 0, 0, 5, 10, 0, 0),
        (50, 0, 0, 0, 1, 4, 0, 5, 0),
    ]
    assert table(found, "gap_groups", "cause next_graph gaps total_ns") == [
        ("idle.inside_graph", True, 1, 15),
        ("idle.queued", False, 1, 10),
    ]


def test_without_a_call_the_whole_gap_is_unmatched(export_file: Write) -> None:
    path = export_file(Export().kernel("a", 0, 10).kernel("b", 20, 30, corr=9).call(LAUNCH, 1, 2, corr=3))
    assert buckets(path) == {"compute": 20, "idle.unmatched": 10}
    found = section(path, "budget")
    assert table(found, "gap_causes", "cause call_name pid range_name") == [("idle.unmatched", None, None, None)]


def test_a_call_that_starts_after_its_op_is_cut_to_the_gap(export_file: Write) -> None:
    export = Export().kernel("a", 0, 10).kernel("b", 30, 40, corr=9).call(LAUNCH, 50, 60, corr=9)
    assert buckets(export_file(export)) == {"compute": 20, "idle.host_code": 20}


def test_an_op_without_length_splits_a_gap(export_file: Write) -> None:
    export = Export().kernel("a", 0, 10).kernel("zero", 20, 20, corr=1).kernel("b", 40, 50, corr=2)
    export.call(LAUNCH, 12, 14, corr=1).call(LAUNCH, 30, 36, corr=2)
    found = section(export_file(export), "budget")
    assert table(found, "gap_causes", "start_ns end_ns " + PARTS) == [
        (20, 40, 0, 0, 0, 10, 6, 0, 4, 0),
        (10, 20, 0, 0, 0, 2, 2, 0, 6, 0),
    ]


@pytest.mark.parametrize("crosses", [False, True], ids=["nested", "crossing"])
def test_own_ranges_come_before_those_of_libraries(export_file: Write, *, crosses: bool) -> None:
    export = (
        Export()
        .domain(1, "NCCL")
        .nvtx("step", 0, 100)
        .nvtx("ncclAllReduce", 40, 60, domain=1)
        .call(LAUNCH, 45, 50, corr=1)
        .kernel("a", 0, 10)
        .kernel(ALL_REDUCE, 55, 70, corr=1)
        .nvtx("cub::sort", 80, 90, domain=1)
        .call(LAUNCH, 82, 84, corr=2)
        .kernel("b", 90, 95, corr=2)
        .nvtx("ncclBroadcast", 200, 220)
        .call(LAUNCH, 205, 210, corr=3)
        .kernel("c", 300, 310, corr=3)
    )
    if crosses:
        # Elsewhere on the thread two ranges overlap partly, around a call whose op waits for nothing.
        export.nvtx("first", 120, 150).nvtx("second", 140, 170).call(LAUNCH, 142, 144, corr=4)
        export.kernel("c", 310, 320, corr=4)
    found = section(export_file(export), "budget")
    assert table(found, "gap_causes", "start_ns range_name") == [(95, "ncclBroadcast"), (10, "step"), (70, "step")]


def test_groups_sum_to_the_idle_time_and_name_their_longest_gap(export_file: Write) -> None:
    export = Export().kernel("k", 0, 10)
    for number, length in enumerate((20, 50, 30), start=1):
        start = 100 * number
        export.call(LAUNCH, start, start + 5, corr=number).kernel("k", start + 10, start + 100 - length, corr=number)
    found = section(export_file(export), "budget")
    columns = "cause call_name size gaps total_ns max_ns example_start_ns example_end_ns"
    assert table(found, "gap_groups", columns) == [
        ("idle.host_code", LAUNCH, "under 50 us", 3, 100 + 30 + 60, 100, 10, 110)
    ]
    assert found.summary["idle_ns"] == 190


def test_long_gaps_are_grouped_apart_from_short_ones(export_file: Write) -> None:
    export = Export().kernel("k", 0, 10)
    for corr, start, end in ((1, 50_009, 50_020), (2, 100_020, 100_030)):
        export.call(LAUNCH, start - 20, start - 10, corr=corr).kernel("k", start, end, corr=corr)
    found = section(export_file(export), "budget")
    assert table(found, "gap_groups", "size gaps total_ns") == [
        ("50 us and over", 1, 50_000),
        ("under 50 us", 1, 49_999),
    ]


def test_without_gpu_ops_there_is_no_budget(export_file: Write) -> None:
    path = export_file(Export().call(LAUNCH, 0, 5, corr=1))
    assert_missing(path, "budget", "The export has no GPU ops.", "Capture it with --trace=cuda.")
    assert capability(path, "budget")[0] == "missing"


def test_what_was_not_captured_is_said(export_file: Write) -> None:
    path = export_file(Export().kernel("a", 0, 10).kernel("b", 20, 30))
    limits = " ".join(section(path, "budget").limitations)
    assert "100 % of the idle time ends with ops that have no call" in limits
    assert "--trace=osrt" in limits


def test_the_real_pair_of_gpus(traces_dir: Path) -> None:
    path = traces_dir / "mfu_2gpu_before.sqlite"
    found = section(path, "budget")
    rows = [row for row in found.tables["device_time"].rows() if row["device_id"] == 0]
    totals = {str(row["bucket"]): row["total_ns"] for row in rows}
    assert (totals["compute"], totals["communication"], totals["copy"]) == (253_690_832, 17_172_652, 2_954_303)
    assert sum(ns for bucket, ns in totals.items() if bucket.startswith("idle.")) == 26_031_025
    assert sum(totals.values()) == 299_848_812


def test_suspects_hold_the_host_while_the_gpu_idles(export_file: Write) -> None:
    export = (
        Export()
        .kernel("first", 0, 100)
        .call("cudaMalloc_v3020", 90, 150, corr=2)
        .call(LAUNCH, 180, 260, corr=4)
        .raw(
            "CUPTI_ACTIVITY_KIND_OVERHEAD",
            start=200,
            end=240,
            globalTid=global_tid(100),
            overheadType=7,
            eventClass=103,
            nameId=1,
        )
        .raw("PROFILER_OVERHEAD", start=160, end=170, globalTid=global_tid(100), nameId=1)
        .kernel("second", 300, 310, corr=4)
    )
    found = section(export_file(export), "budget")
    assert table(found, "idle_suspects", "suspect bucket place idle_ns settled_ns") == [
        ("allocation", "idle.host_api", "no_steps", 50, None),
        ("loading", "idle.launching", "no_steps", 40, None),
        ("profiler", "idle.host_code", "no_steps", 10, None),
    ]


def test_the_timeline_holds_every_nanosecond_of_the_buckets(export_file: Write) -> None:
    export = Export().kernel("a", 7, 400_000).kernel("b", 700_001, 1_000_003, device=0).kernel("c", 5, 9, device=1)
    path = export_file(export)
    result, found = run(path), section(path, "budget")
    totals = {
        (row["device_id"], row["bucket"]): row["total_ns"]
        for row in found.tables["device_time"].rows()
        if row["total_ns"]
    }
    levels: dict[int, dict[tuple[object, str], int]] = {0: {}, 1: {}}
    for line in result["timeline"]:
        for bucket, bins in line["buckets"].items():
            levels[line["level"]][line["device_id"], bucket] = sum(bins)
            assert max(bins) <= line["bin_ns"]
    assert levels[0] == levels[1] == totals


def test_a_late_launch_is_told_from_a_queue(export_file: Write) -> None:
    export = Export().kernel("a", 0, 100 * US)
    export.call(LAUNCH, 110 * US, 118 * US, corr=1).kernel("late", 120 * US, 200 * US, corr=1)
    export.call(LAUNCH, 150 * US, 155 * US, corr=2).kernel("queued", 230 * US, 240 * US, corr=2)
    found = section(export_file(export), "budget")
    assert table(found, "gap_groups", "cause late total_ns queued_ns") == [
        ("idle.queued", False, 30 * US, 30 * US),
        ("idle.host_code", True, 20 * US, 2 * US),
    ]


def test_times_at_the_edge_do_not_turn_negative(export_file: Write) -> None:
    export = Export()
    for device in range(4):
        export.kernel("a", 1 - (1 << 62), 2 - (1 << 62), device=device, corr=device + 1)
        export.kernel("b", (1 << 62) - 1, 1 << 62, device=device, corr=device + 11)
        export.call(LAUNCH, 0, 1 << 61, corr=device + 11)
    found = section(export_file(export), "budget")
    assert found.summary["window_ns"] == (1 << 63) - 1
    assert min(row["total_ns"] for row in found.tables["device_time"].rows()) == 0
    assert sum(row["total_ns"] for row in found.tables["device_time"].rows() if row["device_id"] == 0) == (1 << 63) - 1
