"""Launches: rates, short kernels and storms, also those that a rate over the whole trace hides."""

from __future__ import annotations

import pytest

from tests.support.analyses import MS, US, Write, assert_missing, section, table, total
from tests.support.export import Export

STORM_COLUMNS = "device_id start_ns end_ns launches launches_per_s p50_ns"


def burst(export: Export, kernels: int, start: int, *, duration: int = 3 * US, device: int = 0) -> Export:
    """Adds kernels that start evenly over 100 ms."""
    for number in range(kernels):
        at = start + number * (100 * MS // kernels)
        export.kernel("tiny", at, at + duration, device=device)
    return export


def long_trace(**first: int) -> Export:
    """Returns ten seconds of trace with one long kernel at either end."""
    return Export().kernel("first", 0, 200 * US, **first).kernel("last", 10_000 * MS - 200 * US, 10_000 * MS)


def test_figures_over_the_window_of_all_kernels(export_file: Write) -> None:
    export = Export().call("cudaLaunchKernel_v7000", -9 * MS, 9 * MS, corr=1).memcpy(-5 * MS, 5 * MS)
    start = -500_000
    for duration in (20_000, 4_999, 9_999, 5_000, 19_999):
        export.kernel("k", start, start + duration)
        start += 30_000
    # Starts before the last one ends, but ends after it: the window ends here.
    export.kernel("k", 490_000, 500_000).kernel("zero", 495_000, 495_000).kernel("tiny", 491_000, 491_001)
    found = section(export_file(export), "launches")
    summary = found.summary
    assert (summary["launches"], summary["window_ns"], summary["launch_storm"]) == (8, 1_000_000, False)
    assert summary["launches_per_s"] == pytest.approx(8_000.0)
    # Sorted: 0, 1, 4999, 5000, 9999, 10000, 19999, 20000. Positions 3.5, 6.3 and 6.93 of 0..7.
    assert summary["p50_ns"] == pytest.approx(7_499.5)
    assert summary["p90_ns"] == pytest.approx(19_999.3)
    assert summary["p99_ns"] == pytest.approx(19_999.93)
    shares = [summary[f"share_under_{limit}us"] for limit in (5, 10, 20)]
    assert shares == [pytest.approx(3 / 8), pytest.approx(5 / 8), pytest.approx(7 / 8)]


@pytest.mark.parametrize(
    ("kernels", "duration", "storm"),
    [
        (5_000, 10_000, True),
        (4_999, 10_000, False),
        (5_000, 10_001, False),
        (10_000, 20_000, True),
        (9_999, 20_000, False),
        (10_000, 20_001, False),
    ],
)
def test_limits_of_the_storm_rule(export_file: Write, kernels: int, duration: int, storm: bool) -> None:
    export = Export()
    for number in range(kernels - 1):
        export.kernel("k", number * 9_000, number * 9_000 + duration)
    export.kernel("k", 100 * MS - duration, 100 * MS)
    found = section(export_file(export), "launches")
    assert found.summary["window_ns"] == 100 * MS
    assert found.summary["launch_storm"] is storm
    # The trace is one bin long, so the table of storms must agree.
    expected = [(0, 0, 100 * MS, kernels, pytest.approx(kernels * 10.0), float(duration))] if storm else []
    assert table(found, "launch_storms", STORM_COLUMNS) == expected


def test_trap_whole_trace_rate_hides_a_burst(export_file: Write) -> None:
    found = section(export_file(burst(long_trace(), 5_000, 200 * MS)), "launches")
    assert found.summary["launches_per_s"] == pytest.approx(500.2)
    assert found.summary["launch_storm"] is False
    expected = [(0, 200 * MS, 300 * MS, 5_000, pytest.approx(50_000.0), 3_000.0)]
    assert table(found, "launch_storms", STORM_COLUMNS) == expected


def test_neighbouring_bins_are_one_storm_and_a_quiet_bin_parts_two(export_file: Write) -> None:
    export = burst(burst(long_trace(), 5_000, 200 * MS), 10_000, 300 * MS, duration=5 * US)
    burst(export, 4_999, 400 * MS)
    burst(export, 5_000, 500 * MS)
    found = section(export_file(export), "launches")
    # The median of 5000 kernels of 3 us and 10000 of 5 us is 5 us.
    assert table(found, "launch_storms", STORM_COLUMNS) == [
        (0, 200 * MS, 400 * MS, 15_000, pytest.approx(75_000.0), 5_000.0),
        (0, 500 * MS, 600 * MS, 5_000, pytest.approx(50_000.0), 3_000.0),
    ]


def test_bins_begin_with_the_first_kernel_and_belong_to_a_device(export_file: Write) -> None:
    # Kernels of two devices together meet the rule in the first burst, those of device 1 alone in the second.
    export = long_trace().kernel("early", -50 * MS, -50 * MS + 200 * US)
    burst(burst(export, 3_000, 150 * MS), 3_000, 150 * MS, device=1)
    burst(burst(export, 3_000, 550 * MS), 5_000, 550 * MS, device=1)
    found = section(export_file(export), "launches")
    expected = [(1, 550 * MS, 650 * MS, 5_000, pytest.approx(50_000.0), 3_000.0)]
    assert table(found, "launch_storms", STORM_COLUMNS) == expected


def test_trace_shorter_than_a_bin_is_one_bin(export_file: Write) -> None:
    export = Export().kernel("k", 0, 2 * US).kernel("k", 20 * US, 22 * US).kernel("k", 38 * US, 40 * US)
    found = section(export_file(export), "launches")
    assert found.summary["launch_storm"] is True
    expected = [(0, 0, 40 * US, 3, pytest.approx(75_000.0), 2_000.0)]
    assert table(found, "launch_storms", STORM_COLUMNS) == expected


def test_storms_of_equal_size_are_ordered_by_device_then_time(export_file: Write) -> None:
    export = long_trace()
    burst(burst(burst(export, 5_000, 700 * MS, device=1), 5_000, 700 * MS), 5_000, 300 * MS)
    found = section(export_file(export), "launches")
    expected = [(0, 300 * MS), (0, 700 * MS), (1, 700 * MS)]
    assert table(found, "launch_storms", "device_id start_ns") == expected


def test_storms_are_cut_at_1_000_events(export_file: Write) -> None:
    export = Export()
    for device in range(1_003):
        export.kernel("k", 0, 1_000, device=device)
    found = section(export_file(export), "launches")
    storms = found.tables["launch_storms"]
    assert (len(storms), storms.total_rows) == (1_000, 1_003)
    assert storms.rows()[-1]["device_id"] == 999
    assert found.summary["launches"] == 1_003


def test_window_of_zero_length_has_no_rate(export_file: Write) -> None:
    found = section(export_file(Export().kernel("k", 5, 5).kernel("k", 5, 5)), "launches")
    summary = found.summary
    assert (summary["launches"], summary["window_ns"], summary["launches_per_s"]) == (2, 0, None)
    assert (summary["p50_ns"], summary["share_under_5us"], summary["launch_storm"]) == (0.0, 1.0, False)
    assert found.tables["launch_storms"].rows() == []


def test_tiny_kernels_run_at_most_5_us(export_file: Write) -> None:
    export = Export().kernel("just", 0, 5_000).kernel("over", 0, 5_001).kernel("zero", 7, 7)
    export.kernel("mixed", 0, 1_000).kernel("mixed", 0, 2_000, device=1).kernel("mixed", 0, 9_000)
    export.kernel("also just", 0, 4_000)
    found = section(export_file(export), "launches")
    assert table(found, "tiny_kernels", "kernel_name calls avg_ns") == [
        ("mixed", 2, 1_500.0),
        ("also just", 1, 4_000.0),
        ("just", 1, 5_000.0),
        ("zero", 1, 0.0),
    ]


def test_tiny_kernels_are_cut_at_10_000_rows(export_file: Write) -> None:
    export = Export()
    for number in range(10_002):
        export.kernel(f"k{number:05}", number, number + 1)
    found = section(export_file(export), "launches")
    assert (len(found.tables["tiny_kernels"]), found.tables["tiny_kernels"].total_rows) == (10_000, 10_002)
    assert total(found, "tiny_kernels", "calls") == 10_000
    assert found.summary["launches"] == 10_002


def test_chosen_window_counts_kernels_that_start_in_it(export_file: Write) -> None:
    export = Export().kernel("k", 0, 50).kernel("k", 100, 150).kernel("k", 200, 300).kernel("k", 400, 500)
    found = section(export_file(export), "launches", window=(100, 400))
    assert (found.summary["launches"], found.summary["window_ns"]) == (2, 200)
    assert found.summary["launches_per_s"] == pytest.approx(1e7)


def test_graph_executions_are_no_launches(export_file: Write) -> None:
    found = section(export_file(Export().kernel("k", 0, 50).graph_trace(60, 90, corr=1)), "launches")
    assert (found.summary["launches"], found.summary["window_ns"]) == (1, 50)
    assert any("--cuda-graph-trace=node" in limit for limit in found.limitations)


def test_trap_no_launches_is_missing_not_a_storm_of_zero(export_file: Write) -> None:
    needs = ("The export has no kernels.", "Capture it with --trace=cuda.")
    assert_missing(export_file(Export().call("cudaLaunchKernel_v7000", 0, 5, corr=1)), "launches", *needs)
    whole = "CUDA graphs were traced as wholes: the kernels inside are in no table."
    capture = "Capture it with --cuda-graph-trace=node."
    assert_missing(export_file(Export().graph_trace(0, 50)), "launches", whole, capture)
