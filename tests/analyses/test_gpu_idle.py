"""Busy and idle time of each GPU: unions, gaps and their sizes."""

from __future__ import annotations

import itertools

import pytest

from tests.support.analyses import Write, assert_missing, run, section, table, total, warning_codes
from tests.support.export import Export

DEVICES = "device_id window_ns busy_ns idle_ns kernel_busy_ns"
GAPS = "device_id start_ns end_ns gap_ns"
SIZES = "device_id bucket gaps total_ns"
NO_OPS = ("The export has no GPU ops.", "Capture it with --trace=cuda.")


def test_trap_copies_and_sets_count_as_busy(export_file: Write) -> None:
    export = Export().kernel("k", 0, 10).memcpy(10, 90, corr=0).memset(90, 95).kernel("k", 100, 110)
    found = section(export_file(export), "gpu_idle")
    assert found.summary == {
        "devices": 1,
        "window_ns": 110,
        "busy_ns": 105,
        "idle_ns": 5,
        "idle_share": pytest.approx(5 / 110),
    }
    assert table(found, "gpu_devices", DEVICES) == [(0, 110, 105, 5, 20)]
    assert table(found, "gpu_idle_gaps", GAPS) == [(0, 95, 100, 5)]
    assert table(found, "gap_sizes", SIZES) == [(0, "under 1 us", 1, 5)]


def test_trap_concurrent_streams_are_united_not_added(export_file: Write) -> None:
    export = Export().kernel("k", 0, 100, stream=7).kernel("k", 50, 150, stream=8).kernel("k", 200, 210, stream=7)
    export.kernel("inside", 20, 30, stream=9).kernel("same", 0, 100, stream=9).memcpy(140, 160, stream=10)
    found = section(export_file(export), "gpu_idle")
    # Stream 7 alone is idle for 100 ns, its device only for 40.
    assert table(found, "gpu_devices", DEVICES) == [(0, 210, 170, 40, 160)]
    assert table(found, "gpu_idle_gaps", GAPS) == [(0, 160, 200, 40)]


def test_trap_each_gpu_has_its_own_line_and_the_summary_is_of_all(export_file: Write) -> None:
    # The kernels of device 1 run while device 0 works: they keep their time, and nothing adds up above the windows.
    export = Export().kernel("k", 0, 100)
    export.kernel("k", 0, 20, device=1, pid=200).kernel("k", 80, 100, device=1, pid=200)
    found = section(export_file(export), "gpu_idle")
    assert table(found, "gpu_devices", DEVICES) == [(0, 100, 100, 0, 100), (1, 100, 40, 60, 40)]
    assert table(found, "gpu_devices", "window_start_ns window_end_ns idle_share") == [
        (0, 100, 0.0),
        (0, 100, pytest.approx(0.6)),
    ]
    summary = {"devices": 2, "window_ns": 200, "busy_ns": 140, "idle_ns": 60, "idle_share": pytest.approx(0.3)}
    assert found.summary == summary


def test_trap_one_idle_number_in_every_table(export_file: Write) -> None:
    export = Export().graph_trace(-70, -20, corr=3)
    for number in range(200):
        start = number * number * 100
        export.kernel("k", start, start + number * 37 % 900, device=number % 3)
        export.memcpy(start + 50, start + 120, device=number % 2)
    found = section(export_file(export), "gpu_idle")
    idle = found.summary["idle_ns"]
    assert idle > 0
    assert found.summary["busy_ns"] + idle == found.summary["window_ns"]
    assert total(found, "gpu_devices", "idle_ns") == idle
    assert total(found, "gpu_idle_gaps", "gap_ns") == idle
    assert total(found, "gap_sizes", "total_ns") == idle
    assert total(found, "gap_sizes", "gaps") == found.tables["gpu_idle_gaps"].total_rows
    for window, busy, rest in table(found, "gpu_devices", "window_ns busy_ns idle_ns"):
        assert (busy, rest) == (window - rest, window - busy)


def test_trap_small_gaps_have_sizes_of_their_own(export_file: Write) -> None:
    export = Export().kernel("k", -1, 0)
    now = 0
    for limit in (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000):
        for gap in (limit - 1, limit):
            now += gap
            export.kernel("k", now, now + 1)
            now += 1
    found = section(export_file(export), "gpu_idle")
    # A limit belongs to the larger size.
    assert table(found, "gap_sizes", SIZES) == [
        (0, "under 1 us", 1, 999),
        (0, "1-10 us", 2, 10_999),
        (0, "10-100 us", 2, 109_999),
        (0, "0.1-1 ms", 2, 1_099_999),
        (0, "1-10 ms", 2, 10_999_999),
        (0, "10-100 ms", 2, 109_999_999),
        (0, "over 100 ms", 1, 100_000_000),
    ]


def test_op_of_zero_length_parts_a_gap_and_is_not_busy(export_file: Write) -> None:
    export = Export().kernel("k", 0, 10).kernel("zero", 25, 25).kernel("k", 30, 40).kernel("zero", 35, 35)
    found = section(export_file(export.kernel("zero", 40, 40)), "gpu_idle")
    assert table(found, "gpu_devices", DEVICES) == [(0, 40, 20, 20, 20)]
    assert table(found, "gpu_idle_gaps", GAPS) == [(0, 10, 25, 15), (0, 25, 30, 5)]
    assert table(found, "gap_sizes", SIZES) == [(0, "under 1 us", 2, 20)]


def test_ops_of_zero_length_alone_have_no_share(export_file: Write) -> None:
    found = section(export_file(Export().kernel("zero", 5, 5)), "gpu_idle")
    expected = {"devices": 1, "window_ns": 0, "busy_ns": 0, "idle_ns": 0, "idle_share": None}
    assert found.summary == expected
    assert table(found, "gpu_devices", "idle_share") == [(None,)]
    edges = section(export_file(Export().kernel("zero", 5, 5).kernel("zero", 9, 9)), "gpu_idle")
    assert table(edges, "gpu_devices", DEVICES) == [(0, 4, 0, 4, 0)]


def test_negative_times_and_ops_that_touch(export_file: Write) -> None:
    export = Export().kernel("k", -100, -50).memcpy(-50, 0).kernel("k", 0, 20).kernel("k", 30, 31)
    found = section(export_file(export), "gpu_idle")
    columns = "window_start_ns window_end_ns busy_ns idle_ns kernel_busy_ns"
    assert table(found, "gpu_devices", columns) == [(-100, 31, 121, 10, 71)]
    assert table(found, "gpu_idle_gaps", GAPS) == [(0, 20, 30, 10)]


def test_graph_executions_are_busy_once_even_beside_their_nodes(export_file: Write) -> None:
    export = (
        Export()
        .call("cudaGraphLaunch_v10000", 0, 5, corr=5)
        .graph_trace(10, 60, corr=5)
        .kernel("node", 10, 30, corr=5, graph_node=1)
        .kernel("node", 40, 60, corr=5, graph_node=2)
        .graph_trace(80, 100, corr=6)
    )
    found = section(export_file(export), "gpu_idle")
    assert table(found, "gpu_devices", DEVICES) == [(0, 90, 70, 20, 70)]


def test_gaps_come_longest_first_then_by_device_and_time(export_file: Write) -> None:
    rows = [(0, 0), (10, 0), (20, 0), (0, 1), (10, 1), (31, 1)]
    # All gaps last 9 ns but the last of device 1.
    expected = [(1, 11, 31, 20), (0, 1, 10, 9), (0, 11, 20, 9), (1, 1, 10, 9)]
    for order in itertools.islice(itertools.permutations(rows), 0, 720, 37):
        export = Export()
        for start, device in order:
            export.kernel("k", start, start + 1, device=device)
        path = export_file(export)
        for threads in (1, 3):
            assert table(section(path, "gpu_idle", threads=threads), "gpu_idle_gaps", GAPS) == expected


def test_gaps_are_cut_at_1_000_events_and_sums_are_over_all(export_file: Write) -> None:
    export = Export()
    for number in range(1_101):
        export.kernel("k", number * 1_000, number * 1_000 + 400 - (number == 1_099))
    found = section(export_file(export), "gpu_idle")
    gaps = found.tables["gpu_idle_gaps"]
    assert (len(gaps), gaps.total_rows) == (1_000, 1_100)
    assert gaps.rows()[0]["gap_ns"] == 601
    assert found.summary["idle_ns"] == 1_100 * 600 + 1
    assert table(found, "gap_sizes", SIZES) == [(0, "under 1 us", 1_100, 660_001)]


def test_gpus_are_physical_where_the_export_maps_them(export_file: Write) -> None:
    export = (
        Export()
        .gpu(4, "NVIDIA H100")
        .gpu(5, "NVIDIA L4")
        .cuda_device(pid=100, ordinal=0, gpu=4)
        .cuda_device(pid=200, ordinal=0, gpu=5)
        .cuda_device(pid=300, ordinal=1, gpu=4)
        .kernel("k", 0, 10, device=0, pid=100)
        .kernel("k", 0, 10, device=0, pid=200)
        .kernel("k", 20, 30, device=1, pid=300)
    )
    path = export_file(export)
    found = section(path, "gpu_idle")
    columns = "device_id gpu_id gpu_name window_ns idle_ns"
    assert table(found, "gpu_devices", columns) == [(0, 4, "NVIDIA H100", 30, 10), (0, 5, "NVIDIA L4", 10, 0)]
    assert "device_identity" not in warning_codes(path)


def test_processes_on_one_unmapped_ordinal_share_it_and_a_warning_says_so(export_file: Write) -> None:
    export = Export().kernel("k", 0, 10, pid=100).kernel("k", 5, 40, pid=200).kernel("k", 50, 60, pid=100)
    path = export_file(export)
    assert table(section(path, "gpu_idle"), "gpu_devices", DEVICES) == [(0, 60, 50, 10, 50)]
    (warning,) = [one for one in run(path)["warnings"] if one["code"] == "device_identity"]
    assert warning["section"] == "gpu_idle"
    assert "100, 200" in warning["message"]


def test_chosen_window_keeps_whole_ops_that_start_in_it(export_file: Write) -> None:
    export = Export().kernel("k", 0, 100).kernel("k", 50, 60).memcpy(80, 90).kernel("k", 99, 150).kernel("k", 100, 101)
    found = section(export_file(export), "gpu_idle", window=(50, 100))
    assert table(found, "gpu_devices", DEVICES) == [(0, 100, 71, 29, 61)]
    assert table(found, "gpu_devices", "window_start_ns window_end_ns") == [(50, 150)]


def test_chosen_window_without_ops_does_not_blame_the_capture(export_file: Write) -> None:
    path = export_file(Export().kernel("k", 0, 10).call("cudaFree_v3020", 50, 60).kernel("k", 90, 99))
    for section_id in ("gpu_idle", "kernels", "launches"):
        found = section(path, section_id, window=(40, 70))
        assert (found.status, found.summary) == ("missing", {})
        assert not any("The export has no" in need or "--trace=cuda" in need for need in found.needs), section_id


def test_window_without_events_is_refused(export_file: Write) -> None:
    path = export_file(Export().kernel("k", 0, 100))
    with pytest.raises(ValueError, match="holds no event"):
        section(path, "gpu_idle", window=(200, 300))


@pytest.mark.parametrize(
    ("export", "code"),
    [
        (Export(), "no_cuda_activity"),
        (Export().kernel("both zero", 0, 0), "no_cuda_activity"),
        (Export().call("cudaStreamSynchronize_v3020", 0, 5, corr=1), "no_gpu_activity"),
        (Export().call("cudaLaunchKernel_v7000", 0, 5, corr=1).memset(4, 3), "no_gpu_activity"),
    ],
    ids=["nothing", "rejected kernel", "calls only", "rejected memset"],
)
def test_trap_export_without_gpu_ops_is_no_healthy_gpu(export_file: Write, export: Export, code: str) -> None:
    path = export_file(export)
    assert_missing(path, "gpu_idle", *NO_OPS)
    assert code in warning_codes(path)
