"""Attribution: which NVTX range gets a kernel, by the call that launched it."""

from __future__ import annotations

import pytest

from tests.support.analyses import Write, section, table, warning_codes
from tests.support.export import Export, global_tid

LAUNCH = "cudaLaunchKernel_v7000"
OWN = "range_name kernels kernel_ns"
WORK = "range_name kernels kernel_ns kernels_inclusive kernel_inclusive_ns projected_ns"


def test_kernel_belongs_to_the_innermost_range_around_its_whole_call(export_file: Write) -> None:
    export = (
        Export()
        .nvtx("step", 0, 100)
        .nvtx("layer", 10, 50)
        .call(LAUNCH, 12, 14, corr=1)
        .call(LAUNCH, 40, 55, corr=2)  # leaves the layer: belongs to the step
        .call(LAUNCH, 60, 62, corr=3)
        .call(LAUNCH, 99, 101, corr=4)  # leaves the step: belongs to nothing
        .kernel("k", 200, 230, corr=1)
        .kernel("k", 300, 305, corr=2)
        .kernel("k", 250, 260, corr=3)
        .kernel("k", 400, 415, corr=4)
    )
    found = section(export_file(export), "nvtx")
    assert table(found, "nvtx_ranges", WORK) == [("step", 2, 15, 3, 45, 105), ("layer", 1, 30, 1, 30, 30)]
    assert found.summary == {
        "ranges": 2,
        "open_ranges": 0,
        "cross_thread_ranges": 0,
        "kernels": 4,
        "correlated_kernels": 4,
        "attributed_kernels": 3,
        "total_kernel_ns": 60,
        "attributed_kernel_ns": 45,
        "coverage": 0.75,
    }


def test_trap_join_needs_the_process_as_well_as_the_correlation_id(export_file: Write) -> None:
    export = Export()
    for pid, name, duration in ((100, "rank 0", 10), (200, "rank 1", 5)):
        export.nvtx(name, 0, 50, pid=pid)
        for corr in (1, 2, 3):
            export.call(LAUNCH, corr * 10, corr * 10 + 2, corr=corr, pid=pid)
            export.kernel("k", 100 * corr, 100 * corr + duration, corr=corr, pid=pid)
    found = section(export_file(export), "nvtx")
    # By correlation id alone every kernel would be counted twice.
    assert table(found, "nvtx_ranges", WORK) == [("rank 0", 3, 30, 3, 30, 210), ("rank 1", 3, 15, 3, 15, 205)]
    assert (found.summary["correlated_kernels"], found.summary["coverage"]) == (6, 1.0)


def test_trap_several_calls_with_one_correlation_id_take_the_latest_before_the_kernel(export_file: Write) -> None:
    export = Export().nvtx("old", 0, 10).nvtx("right", 100, 110).nvtx("later", 300, 310)
    for start in (302, 2, 102):
        export.call(LAUNCH, start, start + 2, corr=7)
    export.kernel("k", 200, 220, corr=7)
    export.kernel("starts with its call", 302, 310, corr=7)
    export.kernel("before all of them", 1, 2, corr=7)
    found = section(export_file(export), "nvtx")
    assert table(found, "nvtx_ranges", OWN) == [("later", 1, 8), ("old", 0, 0), ("right", 1, 20)]
    assert (found.summary["kernels"], found.summary["correlated_kernels"]) == (3, 2)


def test_correlation_id_0_or_null_means_none(export_file: Write) -> None:
    export = Export().nvtx("step", 0, 100)
    export.call(LAUNCH, 10, 12, corr=0).call(LAUNCH, 14, 16, corr=None).call(LAUNCH, 18, 20, corr=3)
    export.memcpy(20, 30, corr=0).memcpy(40, 50, corr=0)  # unified memory moves pages with id 0
    export.kernel("k", 60, 70, corr=0).kernel("k", 70, 80, corr=None).kernel("k", 80, 90, corr=3)
    found = section(export_file(export.kernel("dangling", 90, 100, corr=12_345)), "nvtx")
    assert table(found, "nvtx_ranges", WORK) == [("step", 1, 10, 1, 10, 10)]
    assert (found.summary["kernels"], found.summary["correlated_kernels"], found.summary["coverage"]) == (4, 1, 0.25)
    assert any(limit.startswith("3 of 4 kernels have no API call") for limit in found.limitations)


def test_trap_graph_nodes_that_share_one_correlation_id_all_count(export_file: Write) -> None:
    export = Export().nvtx("decode", 0, 50).call("cudaGraphLaunch_v10000", 10, 20, corr=5)
    for node in range(3):
        export.kernel("k", 100 + node * 20, 110 + node * 20, corr=5, graph_node=node + 1)
    export.memcpy(160, 165, corr=5, graph_node=4)
    found = section(export_file(export), "nvtx")
    assert table(found, "nvtx_ranges", WORK) == [("decode", 3, 30, 3, 30, 65)]
    assert any("at launch time" in limit for limit in found.limitations)


def test_graph_execution_is_a_kernel_unless_its_nodes_were_traced_too(export_file: Write) -> None:
    export = Export().nvtx("whole", 0, 50).call("cudaGraphLaunch_v10000", 10, 20, corr=5).graph_trace(100, 160, corr=5)
    export.nvtx("both", 200, 249).call("cudaGraphLaunch_v10000", 210, 220, corr=6).graph_trace(300, 390, corr=6)
    export.kernel("node", 300, 310, corr=6, graph_node=1).kernel("node", 340, 360, corr=6, graph_node=2)
    found = section(export_file(export), "nvtx")
    assert table(found, "nvtx_ranges", WORK) == [("whole", 1, 60, 1, 60, 60), ("both", 2, 30, 2, 30, 90)]
    assert (found.summary["kernels"], found.summary["total_kernel_ns"], found.summary["coverage"]) == (3, 90, 1.0)


def test_trap_graph_kernels_without_an_api_row_stay_in_the_total(export_file: Write) -> None:
    export = Export().nvtx("step", 0, 50).call(LAUNCH, 10, 12, corr=1).kernel("eager", 60, 70, corr=1)
    export.kernel("node", 80, 110, corr=99, graph_node=3)
    found = section(export_file(export), "nvtx")
    assert (found.summary["total_kernel_ns"], found.summary["attributed_kernel_ns"]) == (40, 10)
    assert found.summary["coverage"] == 0.25


def test_ranges_that_overlap_partly(export_file: Write) -> None:
    export = Export().nvtx("a", 0, 60, event_type=60).nvtx("b", 40, 99, event_type=60)
    for corr, (start, end) in enumerate(((10, 20), (45, 50), (55, 70), (40, 60), (39, 61)), start=1):
        export.call(LAUNCH, start, end, corr=corr)
        export.kernel("k", 1000 * corr, 1000 * corr + 10**corr // 10, corr=corr)  # 1, 10, 100, 1000, 10000 ns
    found = section(export_file(export), "nvtx")
    # Calls 2 and 4 lie in both, and b starts later; call 5 leaves both.
    expected = [("a", 1, 1, 3, 1_011), ("b", 3, 1_110, 3, 1_110)]
    columns = "range_name kernels kernel_ns kernels_inclusive kernel_inclusive_ns"
    assert table(found, "nvtx_ranges", columns) == expected
    assert found.summary["attributed_kernel_ns"] == 1_111


@pytest.mark.parametrize("crosses", [False, True], ids=["nested", "crossing"])
def test_ranges_that_touch_where_a_call_begins(export_file: Write, *, crosses: bool) -> None:
    export = (
        Export()
        .nvtx("outer", 0, 100)
        .nvtx("left", 10, 40)
        .nvtx("right", 40, 70)
        .nvtx("left", 70, 90)
        .call(LAUNCH, 40, 40, corr=1)  # without length: it lies in both, and the later one is the inner one
        .call(LAUNCH, 70, 80, corr=2)
        .call(LAUNCH, 85, 95, corr=3)  # leaves the inner one
        .kernel("k", 200, 210, corr=1)
        .kernel("k", 300, 320, corr=2)
        .kernel("k", 400, 430, corr=3)
    )
    if crosses:
        export.nvtx("first", 120, 150).nvtx("second", 140, 170)
    found = section(export_file(export), "nvtx")
    ranges = {row[0]: row[1:] for row in table(found, "nvtx_ranges", WORK) if row[0] not in {"first", "second"}}
    assert ranges == {
        "outer": (1, 30, 3, 60, 230),
        "left": (1, 20, 2, 30, 30),
        "right": (1, 10, 1, 10, 10),
    }


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_of_equal_spans_the_later_row_is_the_inner_one(export_file: Write, names: tuple[str, str]) -> None:
    export = Export().nvtx("long", 0, 90).nvtx("short", 0, 60)
    for name in names:
        export.nvtx(name, 10, 50)
    export.call(LAUNCH, 10, 50, corr=1).kernel("k", 100, 110, corr=1)
    export.call(LAUNCH, 0, 60, corr=2).kernel("k", 110, 130, corr=2)  # same start: the earliest end wins
    found = section(export_file(export), "nvtx")
    kernels = {
        name: (own, inclusive)
        for name, own, inclusive in table(found, "nvtx_ranges", "range_name kernels kernels_inclusive")
    }
    assert kernels == {"long": (0, 2), "short": (1, 2), names[0]: (0, 1), names[1]: (1, 1)}


def test_trap_nested_ranges_of_one_name_count_a_kernel_once(export_file: Write) -> None:
    export = Export().nvtx("f", 0, 100).nvtx("f", 10, 50).nvtx("f", 20, 40)
    export.nvtx("g", 0, 60, event_type=60, tid=101).nvtx("g", 40, 99, event_type=60, tid=101)
    export.call(LAUNCH, 30, 32, corr=1).kernel("k", 200, 230, corr=1)
    export.call(LAUNCH, 45, 50, corr=2, tid=101).kernel("k", 300, 305, corr=2)
    found = section(export_file(export), "nvtx")
    # Inclusive: once per kernel and name. Projected: every range has its own span.
    assert table(found, "nvtx_ranges", WORK) == [("f", 1, 30, 1, 30, 90), ("g", 1, 5, 1, 5, 10)]
    assert table(found, "nvtx_ranges", "count total_ns") == [(3, 160), (2, 119)]


def test_ranges_of_other_threads_do_not_enclose_a_call(export_file: Write) -> None:
    export = Export().nvtx("main", 0, 100).nvtx("worker", 0, 90, tid=101).nvtx("other process", 0, 80, pid=200)
    export.call(LAUNCH, 10, 12, corr=1, tid=101).kernel("k", 200, 210, corr=1)
    export.call(LAUNCH, 10, 12, corr=2, tid=102).kernel("k", 210, 240, corr=2)
    found = section(export_file(export), "nvtx")
    assert table(found, "nvtx_ranges", OWN) == [("main", 0, 0), ("worker", 1, 10), ("other process", 0, 0)]
    assert found.summary["coverage"] == 0.25


def test_ranges_that_end_on_another_thread_get_no_kernels(export_file: Write) -> None:
    export = (
        Export()
        .nvtx("request", 0, 100, event_type=60, endGlobalTid=global_tid(100, 101))
        .nvtx("own thread", 0, 50, event_type=60, endGlobalTid=global_tid(100))
        .nvtx("unset", 0, 40, event_type=60, endGlobalTid=0)
        .call(LAUNCH, 10, 20, corr=1)
        .call(LAUNCH, 41, 44, corr=2)
        .call(LAUNCH, 60, 70, corr=3)
    )
    for corr in (1, 2, 3):
        export.kernel("k", 100 * corr, 100 * corr + 10, corr=corr)
    found = section(export_file(export), "nvtx")
    assert table(found, "nvtx_ranges", "range_name total_ns kernels") == [
        ("request", 100, 0),
        ("own thread", 50, 1),
        ("unset", 40, 1),
    ]
    assert (found.summary["cross_thread_ranges"], found.summary["attributed_kernels"]) == (1, 2)


@pytest.mark.parametrize(
    "name",
    [
        "cudaLaunchKernel",
        "cudaLaunchKernel_ptsz_v7000",
        "cudaLaunchKernelExC_v11060",
        "cuLaunchKernelEx",
        "cuLaunchKernel",
    ],
)
def test_trap_any_call_can_launch_whatever_its_suffix(export_file: Write, name: str) -> None:
    export = Export().nvtx("step", 0, 50).call(name, 10, 12, corr=1).kernel("k", 60, 70, corr=1)
    assert section(export_file(export), "nvtx").summary["coverage"] == 1.0


def test_trap_projection_is_a_span_with_copies_and_gaps(export_file: Write) -> None:
    export = Export().nvtx("step", 0, 50)
    export.call("cudaMemcpyAsync_v3020", 5, 6, corr=1).call(LAUNCH, 10, 12, corr=2).call(LAUNCH, 14, 16, corr=3)
    export.memcpy(60, 70, corr=1).kernel("k", 80, 120, corr=2, stream=7).kernel("k", 90, 130, corr=3, stream=8)
    found = section(export_file(export), "nvtx")
    # 130 - 60, while the kernels take 80 and the GPU is busy for 60.
    assert table(found, "nvtx_ranges", WORK) == [("step", 2, 80, 2, 80, 70)]


def test_ops_without_process_join_only_while_one_process_calls(export_file: Write) -> None:
    one = Export().nvtx("step", 0, 50).call(LAUNCH, 10, 12, corr=1).kernel("k", 60, 70, corr=1, globalPid=None)
    assert section(export_file(one), "nvtx").summary["coverage"] == 1.0
    two = one.call(LAUNCH, 10, 12, corr=1, pid=200).nvtx("other", 0, 50, pid=200)
    path = export_file(two)
    found = section(path, "nvtx")
    assert found.summary["correlated_kernels"] == 0
    assert table(found, "nvtx_ranges", "kernels projected_ns") == [(None, None), (None, None)]
    assert "no_call_join" in warning_codes(path)


def test_chosen_window_still_finds_calls_before_it(export_file: Write) -> None:
    export = Export().nvtx("step", 0, 50).nvtx("gone", 0, 20).nvtx("touches", 40, 60)
    export.call(LAUNCH, 10, 12, corr=1).kernel("k", 45, 70, corr=1)
    export.call(LAUNCH, 30, 32, corr=2).kernel("k", 35, 39, corr=2)
    found = section(export_file(export), "nvtx", window=(40, 60))
    assert table(found, "nvtx_ranges", "range_name total_ns kernels kernel_ns") == [
        ("step", 50, 0, 0),
        ("touches", 20, 0, 0),
        # Over before the window begins, yet the kernel was launched inside it.
        ("gone", 0, 1, 25),
    ]


def test_chosen_window_keeps_the_range_of_a_kernel_that_was_launched_before_it(export_file: Write) -> None:
    export = Export().nvtx("step", 0, 20).call(LAUNCH, 10, 12, corr=1).kernel("k", 100, 110, corr=1)
    path = export_file(export.nvtx("next step", 95, 120))
    found = section(path, "nvtx", window=(90, 200))
    assert (found.summary["attributed_kernel_ns"], found.summary["coverage"]) == (10, 1.0)
    assert "low_nvtx_coverage" not in warning_codes(path, window=(90, 200))
