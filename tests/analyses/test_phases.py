"""Phases of the user: which pattern wins, and that the phases sum to all kernel time."""

from __future__ import annotations

import pytest

from tests.support.analyses import Write, assert_missing, capability, section, table, total, warning_codes
from tests.support.export import Export, global_tid

LAUNCH = "cudaLaunchKernel_v7000"
PHASES = "phase count host_ns kernel_ns kernel_share"


def launch(export: Export, at: int, duration: int, *, corr: int, pid: int = 100, tid: int | None = None) -> Export:
    """Adds a call of 2 ns and its kernel, 1000 ns later."""
    export.call(LAUNCH, at, at + 2, corr=corr, pid=pid, tid=tid)
    return export.kernel("k", at + 1_000, at + 1_000 + duration, corr=corr, pid=pid)


def test_first_phase_wins_and_patterns_ignore_case(export_file: Write) -> None:
    export = Export().nvtx("Forward_Prefill", 0, 10).nvtx("forward_DECODE", 20, 25).nvtx("sample", 30, 31)
    launch(launch(launch(export, 2, 60, corr=1), 21, 30, corr=2), 50, 10, corr=3)
    path = export_file(export)
    phases = [("decode", ["nothing", "decode"]), ("forward", ["FORWARD"])]
    found = section(path, "phases", phase_map=phases)
    assert found.summary == {"phases": 2, "total_kernel_ns": 100}
    assert table(found, "nvtx_phases", PHASES) == [
        ("forward", 1, 10, 60, 0.6),
        ("decode", 1, 5, 30, 0.3),
        ("unmapped", 1, 1, 10, 0.1),
    ]
    swapped = section(path, "phases", phase_map=phases[::-1])
    assert table(swapped, "nvtx_phases", "phase count kernel_ns") == [
        ("forward", 2, 90),
        ("unmapped", 1, 10),
        ("decode", 0, 0),
    ]


def test_regular_expressions_see_the_name_before_normalisation(export_file: Write) -> None:
    export = Export().nvtx("execute_context_0(0)_generation_8(8)", 0, 10)
    export.nvtx("execute_context_2(190)_generation_8(8)", 20, 50, use_text_id=True).nvtx("a.b", 60, 61)
    phases = [("decode", [r"re:^execute_context_0\("]), ("prefill", [r"re:context_[1-9]"]), ("case", ["re:A.B"])]
    found = section(export_file(export), "phases", phase_map=[*phases, ("literal", ["a.b"]), ("dot", ["a+b"])])
    # Without kernels the order is by host time, then by name.
    assert table(found, "nvtx_phases", "phase count host_ns") == [
        ("prefill", 1, 30),
        ("decode", 1, 10),
        ("literal", 1, 1),
        ("case", 0, 0),
        ("dot", 0, 0),
        ("unmapped", 0, 0),
    ]


def test_nested_ranges_of_one_phase_count_host_time_once(export_file: Write) -> None:
    export = Export().nvtx("decode", 0, 100).nvtx("decode.attention", 10, 40).nvtx("decode.inner", 10, 40)
    export.nvtx("decode", 90, 120)  # overlaps partly: not enclosed
    export.nvtx("decode", 20, 50, tid=101)  # another thread
    export.nvtx("plain", 200, 230).nvtx("plain inside", 210, 220)
    found = section(export_file(export), "phases", phase_map=[("decode", ["decode"])])
    assert table(found, "nvtx_phases", "phase count host_ns") == [("decode", 5, 160), ("unmapped", 2, 30)]


def test_equal_spans_of_one_phase_count_once(export_file: Write) -> None:
    export = Export().nvtx("decode", 0, 100).nvtx("decode too", 0, 100).nvtx("decode", 0, 100, tid=101)
    found = section(export_file(export), "phases", phase_map=[("decode", ["decode"])])
    assert table(found, "nvtx_phases", "phase count host_ns") == [("decode", 3, 200), ("unmapped", 0, 0)]


def test_kernel_belongs_to_the_innermost_range_that_has_a_phase(export_file: Write) -> None:
    export = Export().nvtx("step", 0, 100).nvtx("attention", 10, 60).nvtx("softmax", 20, 40)
    launch(export, 5, 1, corr=1)  # step
    launch(export, 12, 10, corr=2)  # attention
    launch(export, 22, 100, corr=3)  # softmax has no phase: attention
    launch(export, 80, 1_000, corr=4)  # step
    launch(export, 200, 10_000, corr=5)  # outside all ranges
    launch(export, 30, 100_000, corr=6, tid=101)  # on another thread
    export.kernel("no call", 5_000, 1_005_000, corr=99)
    found = section(export_file(export), "phases", phase_map=[("step", ["step"]), ("attention", ["attention"])])
    assert table(found, "nvtx_phases", "phase count host_ns kernel_ns") == [
        ("unmapped", 1, 20, 1_110_000),
        ("step", 1, 100, 1_001),
        ("attention", 1, 50, 110),
    ]
    assert total(found, "nvtx_phases", "kernel_ns") == found.summary["total_kernel_ns"] == 1_111_111
    assert total(found, "nvtx_phases", "kernel_share") == pytest.approx(1.0)


def test_trap_a_phase_is_no_span_from_its_first_to_its_last_range(export_file: Write) -> None:
    export = Export()
    for number, name in enumerate(("prefill", "decode", "decode", "prefill")):
        export.nvtx(name, number * 100, number * 100 + 50)
        launch(export, number * 100 + 10, 10 + number, corr=number + 1)
    found = section(export_file(export), "phases", phase_map=[("prefill", ["prefill"]), ("decode", ["decode"])])
    assert table(found, "nvtx_phases", "phase count host_ns kernel_ns") == [
        ("decode", 2, 100, 23),
        ("prefill", 2, 100, 23),
        ("unmapped", 0, 0, 0),
    ]


def test_trap_phases_join_by_process(export_file: Write) -> None:
    export = Export().nvtx("prefill", 0, 50, pid=100).nvtx("decode", 0, 50, pid=200)
    launch(launch(export, 10, 30, corr=1, pid=100), 10, 5, corr=1, pid=200)
    found = section(export_file(export), "phases", phase_map=[("prefill", ["prefill"]), ("decode", ["decode"])])
    assert table(found, "nvtx_phases", "phase kernel_ns") == [("prefill", 30), ("decode", 5), ("unmapped", 0)]


def test_cross_thread_ranges_have_host_time_but_no_kernels(export_file: Write) -> None:
    export = Export().nvtx("decode", 0, 100, event_type=60, endGlobalTid=global_tid(100, 101)).nvtx("decode", 20, 50)
    launch(launch(export, 10, 7, corr=1), 30, 5, corr=2)
    found = section(export_file(export), "phases", phase_map=[("decode", ["decode"])])
    # It encloses nothing, as it leaves the thread: both ranges count.
    assert table(found, "nvtx_phases", "phase count host_ns kernel_ns") == [
        ("unmapped", 0, 0, 7),
        ("decode", 2, 130, 5),
    ]


def test_graph_executions_are_kernel_time(export_file: Write) -> None:
    export = Export().nvtx("decode", 0, 50).call("cudaGraphLaunch_v10000", 10, 20, corr=5).graph_trace(60, 90, corr=5)
    found = section(export_file(export), "phases", phase_map=[("decode", ["decode"])])
    assert found.summary == {"phases": 1, "total_kernel_ns": 30}
    assert table(found, "nvtx_phases", "phase kernel_ns") == [("decode", 30), ("unmapped", 0)]
    assert any("--cuda-graph-trace=node" in limit for limit in found.limitations)


def test_order_of_rows_is_total(export_file: Write) -> None:
    path = export_file(Export().nvtx("b", 0, 10).nvtx("a", 20, 30).nvtx("z", 40, 50).kernel("k", 0, 10))
    for phases in ([("b", ["b"]), ("a", ["a"])], [("a", ["a"]), ("b", ["b"])]):
        found = section(path, "phases", phase_map=phases)
        assert table(found, "nvtx_phases", "phase host_ns") == [("a", 10), ("b", 10), ("unmapped", 10)]


@pytest.mark.parametrize("kernels", [True, False], ids=["switched off", "no GPU ops"])
def test_unknown_kernel_time_is_null_not_zero(export_file: Write, kernels: bool) -> None:
    export = Export().nvtx("decode", 0, 50)
    if kernels:
        launch(export, 10, 5, corr=1)
    found = section(export_file(export), "phases", phase_map=[("decode", ["decode"])], nvtx_kernel_map=not kernels)
    assert table(found, "nvtx_phases", PHASES) == [("decode", 1, 50, None, None), ("unmapped", 0, 0, None, None)]
    assert any("is unknown" in limit for limit in found.limitations)


def test_chosen_window_cuts_phases_too(export_file: Write) -> None:
    export = Export().nvtx("decode", 0, 50).nvtx("prefill", 60, 90).nvtx("sample", 95, 99)
    launch(launch(launch(export, 10, 5, corr=1), 70, 20, corr=2), 96, 3, corr=3)
    phases = [("prefill", ["prefill"]), ("decode", ["decode"])]
    found = section(export_file(export), "phases", phase_map=phases, window=(55, 1_090))
    expected = [("prefill", 1, 30, 20), ("decode", 0, 0, 0), ("unmapped", 1, 4, 0)]
    assert sorted(table(found, "nvtx_phases", "phase count host_ns")) == sorted(row[:3] for row in expected)


def test_without_a_map_the_section_says_which_option_it_needs(export_file: Write) -> None:
    path = export_file(Export().nvtx("decode", 0, 50))
    assert_missing(path, "phases", "Phases need a map from phase to range names: --phase-map FILE.")
    assert capability(path, "phases") == ("partial", None)


def test_trap_no_ranges_to_map_is_missing_and_warned_of(export_file: Write) -> None:
    path = export_file(Export().kernel("k", 0, 10))
    options = {"phase_map": [("decode", ["decode"])]}
    assert_missing(path, "phases", "The export has no NVTX ranges.", "Capture it with --trace=nvtx.", **options)
    assert "phases_without_ranges" in warning_codes(path, **options)
    assert capability(path, "phases") == ("missing", "--trace=nvtx")


def test_bad_pattern_names_phase_and_pattern(export_file: Write) -> None:
    path = export_file(Export().nvtx("decode", 0, 50))
    with pytest.raises(ValueError, match=r'phase "decode", pattern "re:\("'):
        section(path, "phases", phase_map=[("decode", ["re:("])])
