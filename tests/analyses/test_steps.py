"""Steps: where they come from, what they compute, their periods, and the steady window."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.support.analyses import MS, US, Write, assert_missing, section, table
from tests.support.export import Export

LAUNCH = "cudaLaunchKernel_v7000"
GRAPH = "cudaGraphLaunch_v10000"
PREFILL = "void flash::flash_fwd_kernel<Flash_fwd_kernel_traits<128>>(Params)"


def marked(
    names: list[str], *, period: int = 100, pid: int = 100, device: int = 0, export: Export | None = None
) -> Export:
    """Returns an export with a range, a call and a kernel per name; the kernel takes half of the period."""
    export = export or Export()
    for number, name in enumerate(names):
        start = number * period
        export.nvtx(name, start, start + period // 4, pid=pid)
        export.call(LAUNCH, start + 1, start + 5, corr=number + 1, pid=pid)
        export.kernel("gemm", start + 10, start + 10 + period // 2, corr=number + 1, pid=pid, device=device)
    return export


@pytest.mark.parametrize(
    ("name", "kind", "tokens"),
    [
        ("execute_context_2(190)_generation_14(14)", "mixed", (2, 190, 14, 14)),
        ("execute_context_0(0)_generation_8(8)", "decode", (0, 0, 8, 8)),
        ("execute_context_3(512)_generation_0(0)", "prefill", (3, 512, 0, 0)),
        ("execute_new_0_cached_12", "decode", (0, None, 12, None)),
        ("[Executor] _forward_step 4: 2 ctx reqs, 512 ctx tokens, 8 gen reqs", "mixed", (2, 512, 8, None)),
        ("[Executor] _forward_step 4: 0 ctx reqs, 8 gen reqs", "decode", (0, None, 8, None)),
        ("step[DECODE bs=8]", "decode", (None, None, 8, None)),
        ("step[EXTEND bs=2 toks=64]", "prefill", (2, 64, None, None)),
        ("execute_context_0(0)_generation_0(0)", "unknown", (0, 0, 0, 0)),
    ],
)
@pytest.mark.parametrize("registered", [False, True])
def test_markers_of_engines(
    export_file: Write, name: str, kind: str, tokens: tuple[object, ...], registered: bool
) -> None:
    export = Export().nvtx(name, 0, 20, use_text_id=registered).call(LAUNCH, 1, 5, corr=1).kernel("k", 10, 60, corr=1)
    found = section(export_file(export), "steps")
    assert (found.summary["source"], found.summary["confidence"]) == ("engine_marker", "high")
    columns = "kind context_requests context_tokens generation_requests generation_tokens"
    assert table(found, "steps", columns) == [(kind, *tokens)]
    assert table(found, "steps", "start_ns end_ns host_start_ns host_end_ns kernels") == [(10, 60, 0, 20, 1)]


def test_periods_are_those_of_the_gpu(export_file: Write) -> None:
    names = ["execute_context_0(0)_generation_4(4)"] * 5
    found = section(export_file(marked(names)), "steps")
    assert table(found, "steps", "index period_ns gpu_busy_ns idle_ns gap_before_ns") == [
        (0, 100, 50, 0, None),
        *[(number, 100, 50, 0, 50) for number in (1, 2, 3)],
        (4, None, 50, 0, 50),
    ]
    columns = "kind steps period_p50_ns span_p50_ns generation_tokens tokens_per_s kernels_avg"
    assert table(found, "step_kinds", columns) == [("decode", 5, 100.0, 50.0, 20, 4e7, 1.0)]


def test_the_mean_buckets_of_a_kind_sum_to_its_mean_period(export_file: Write) -> None:
    found = section(export_file(marked(["execute_context_0(0)_generation_4(4)"] * 5)), "steps")
    (row,) = found.tables["step_kinds"].rows()
    means = [value for name, value in row.items() if name.endswith("_avg_ns")]
    assert sum(means) == pytest.approx(100.0)
    assert row["compute_avg_ns"] == 50.0


def test_ops_belong_to_the_step_in_whose_range_their_call_lies(export_file: Write) -> None:
    export = (
        Export()
        .nvtx("execute_context_0(0)_generation_1(1)", 0, 100)
        .nvtx("execute_context_1(9)_generation_0(0)", 20, 60)
        .call(LAUNCH, 10, 15, corr=1)
        .kernel("a", 500, 510, corr=1)
        .call(LAUNCH, 30, 35, corr=2, tid=7)
        .kernel("other thread", 520, 530, corr=2)
        .call(LAUNCH, 95, 105, corr=3)
        .kernel("reaches out", 540, 550, corr=3)
        .call(LAUNCH, 40, 45, corr=4)
        .kernel("nested marker", 560, 570, corr=4)
    )
    found = section(export_file(export), "steps")
    assert table(found, "steps", "start_ns end_ns kernels kind") == [(500, 570, 2, "decode")]


def test_workers_share_the_numbers_of_iterations(export_file: Write) -> None:
    names = ["execute_context_0(0)_generation_4(4)"] * 4
    export = marked(names)
    for number in (1, 3):
        start = number * 100 + 7
        export.nvtx(names[0], start, start + 20, pid=200)
        export.call(LAUNCH, start + 1, start + 5, corr=number, pid=200)
        export.kernel("gemm", start + 9, start + 50, corr=number, pid=200, device=1)
    found = section(export_file(export), "steps")
    assert table(found, "steps", "index pid") == [(0, 100), (1, 100), (1, 200), (2, 100), (3, 100), (3, 200)]
    assert found.summary["workers"] == 2


def test_named_ranges_come_before_markers(export_file: Write) -> None:
    export = marked(["execute_context_0(0)_generation_4(4)"] * 4).nvtx("my step 1", 0, 300)
    path = export_file(export)
    found = section(path, "steps", step_range=r"^my step \d+$")
    assert (found.summary["source"], found.summary["confidence"]) == ("step_range", "high")
    assert table(found, "steps", "kind start_ns end_ns kernels") == [("unknown", 10, 260, 3)]
    with pytest.raises(ValueError, match="step range"):
        section(path, "steps", step_range="(")


def test_ranges_without_gpu_work_are_no_steps(export_file: Write) -> None:
    export = marked(["execute_context_0(0)_generation_4(4)"] * 2).nvtx("execute_context_0(0)_generation_0(0)", 900, 950)
    found = section(export_file(export), "steps")
    assert (found.summary["steps"], found.summary["steps_without_ops"]) == (2, 1)


def graph_steps(lengths: list[int], *, ahead: bool = False) -> Export:
    """Returns full graphs of two nodes each; with ``ahead`` the host launches them all at once."""
    export = Export()
    now = 1000
    for number, length in enumerate(lengths, start=1):
        called = number * 10 if ahead else now - 20
        export.call(GRAPH, called, called + 5, corr=number)
        export.kernel("a", now, now + length // 2, corr=number, graph_node=1, graph_id=3)
        export.kernel("b", now + length // 2, now + length, corr=number, graph_node=2, graph_id=3)
        now += length + 40
    return export


def test_graph_launches_on_the_clock_of_the_gpu(export_file: Write) -> None:
    found = section(export_file(graph_steps([200] * 6, ahead=True)), "steps")
    assert (found.summary["source"], found.summary["confidence"]) == ("graph_launches", "medium")
    assert found.summary["period_p50_ns"] == 240.0
    assert table(found, "steps", "kind graph_launches kernels gap_before_ns")[1] == ("decode", 1, 2, 40)


def test_whole_graphs_are_steps_as_well(export_file: Write) -> None:
    export = Export()
    for number in range(1, 6):
        export.call(GRAPH, number * 10, number * 10 + 5, corr=number).graph_trace(
            number * 100, number * 100 + 90, corr=number
        )
    found = section(export_file(export), "steps")
    assert table(found, "steps", "start_ns end_ns kind kernels")[0] == (100, 190, "decode", 1)


def test_the_longest_gap_after_a_graph_is_the_border_of_steps(export_file: Write) -> None:
    export = Export()
    for number in range(6):
        now, corr = number * 1000, number * 10 + 1
        export.call(LAUNCH, now, now + 5, corr=corr).kernel("prepare", now + 10, now + 20, corr=corr)
        export.call(GRAPH, now + 10, now + 15, corr=corr + 1)
        export.kernel("graph", now + 30, now + 630, corr=corr + 1, graph_node=1, graph_id=3)
        export.call(LAUNCH, now + 20, now + 25, corr=corr + 2).kernel("sample", now + 650, now + 700, corr=corr + 2)
    found = section(export_file(export), "steps")
    assert table(found, "steps", "start_ns end_ns kernels")[1:5] == [
        (number * 1000 + 10, number * 1000 + 700, 3) for number in range(1, 5)
    ]


def test_trains_of_piecewise_graphs_are_one_step(export_file: Write) -> None:
    export = Export()
    corr = 0
    for number in range(6):
        for piece in range(4):
            corr += 1
            now = number * 1000 + piece * 100
            export.call(GRAPH, now, now + 5, corr=corr)
            export.kernel("piece", now + 10, now + 60, corr=corr, graph_node=1, graph_id=20 + piece)
            corr += 1
            export.call(LAUNCH, now + 10, now + 15, corr=corr).kernel(PREFILL, now + 65, now + 90, corr=corr)
    found = section(export_file(export), "steps")
    assert "4 cudaGraphLaunch" in found.summary["source_detail"]
    assert table(found, "steps", "start_ns end_ns graph_launches kernels kind")[1] == (1010, 1390, 4, 8, "prefill")


def repeated(names: list[str], times: int, *, results: bool) -> Export:
    """Returns a sequence of kernels over and over, with a copy of the result to the host after each or without."""
    export = Export()
    corr = 0
    for number in range(times):
        for place, name in enumerate(names):
            corr += 1
            now = number * 1000 + place * 30
            export.call(LAUNCH, now, now + 5, corr=corr).kernel(name, now + 10, now + 25, corr=corr)
        if results:
            export.memcpy(number * 1000 + len(names) * 30 + 10, number * 1000 + len(names) * 30 + 15, kind=2)
    return export


def test_a_repeating_sequence_with_results_is_a_step(export_file: Write) -> None:
    names = ["embed", *["norm", "gemm"] * 5, "argmax"]
    found = section(export_file(repeated(names, 8, results=True)), "steps")
    assert (found.summary["source"], found.summary["confidence"]) == ("kernel_sequence", "low")
    assert "sequences of 12 kernels" in found.summary["source_detail"]
    assert table(found, "steps", "start_ns kernels period_ns")[2] == (2010, 12, 1000)


def test_trap_layers_are_no_steps(export_file: Write) -> None:
    names = ["embed", *["norm", "gemm"] * 5, "argmax"]
    path = export_file(repeated(names, 8, results=False))
    assert_missing(
        path,
        "steps",
        "No range marks the steps of an engine, and neither graph launches nor kernels repeat clearly.",
        "Name the ranges of your steps with --step-range, or capture with the engine's step markers.",
    )


def test_trap_layers_of_a_real_model_are_no_steps(traces_dir: Path) -> None:
    assert section(traces_dir / "a100_2.7b_forward_nvtx_osrt.sqlite", "steps").status == "missing"


def with_periods(periods: list[int]) -> Export:
    """Returns decode steps of 50 ns with these times from start to start; the last one has no next step."""
    export = Export()
    now = 0
    for number, period in enumerate(periods, start=1):
        export.nvtx("execute_context_0(0)_generation_4(4)", now, now + 20)
        export.call(LAUNCH, now + 1, now + 5, corr=number).kernel("gemm", now + 10, now + 60, corr=number)
        now += period
    return export


def test_warm_up_and_pauses_lie_outside_of_the_steady_window(export_file: Write) -> None:
    found = section(export_file(with_periods([900, 800, *[100] * 10, 700, *[100] * 4])), "steps")
    assert (found.summary["steady_start_ns"], found.summary["steady_end_ns"]) == (1710, 2710)
    assert (found.summary["steady_steps"], found.summary["outside_steps"]) == (10, 7)
    assert table(found, "outside_steady", "reason start_ns end_ns steps") == [
        ("warm_up", 10, 1710, 2),
        ("pause", 2710, 3760, 5),
    ]
    assert table(found, "step_kinds", "steady_steps steady_period_p50_ns") == [(10, 100.0)]


def test_a_tail_that_never_recovers_is_drain(export_file: Write) -> None:
    found = section(export_file(with_periods([*[100] * 6, 700, 800, 900])), "steps")
    assert table(found, "outside_steady", "reason start_ns end_ns steps") == [("drain", 610, 2160, 3)]


def test_a_kind_of_long_steps_does_not_end_the_steady_window(export_file: Write) -> None:
    export = Export()
    now = 0
    for number in range(1, 13):
        prefill = number % 4 == 0
        name = "execute_context_2(90)_generation_0(0)" if prefill else "execute_context_0(0)_generation_4(4)"
        export.nvtx(name, now, now + 20)
        export.call(LAUNCH, now + 1, now + 5, corr=number).kernel("gemm", now + 10, now + 60, corr=number)
        now += 1000 if prefill else 100
    found = section(export_file(export), "steps")
    assert found.summary["steady_steps"] == 12


def test_slow_steps_say_what_was_different(export_file: Write) -> None:
    export = Export()
    now = 0
    for number in range(1, 10):
        export.nvtx("execute_context_0(0)_generation_4(4)", now, now + 20)
        export.call(LAUNCH, now + 1, now + 5, corr=number).kernel("gemm", now + 10, now + 60, corr=number)
        now += 260 if number == 5 else 100
    found = section(export_file(export), "steps")
    columns = "index kind start_ns end_ns period_ns median_ns excess_ns largest_bucket host_code_excess_ns"
    assert table(found, "slow_steps", columns) == [(4, "decode", 410, 670, 260, 100.0, 160.0, "idle.host_code", 160.0)]


def test_gaps_know_their_place_among_the_steps(export_file: Write) -> None:
    export = Export().kernel("start-up", 0, 1)
    names = ["execute_context_0(0)_generation_4(4)"] * 4 + ["execute_context_1(9)_generation_0(0)"]
    starts = [1 * MS, 2 * MS, 3 * MS, 4 * MS, 40 * MS]
    for number, (name, start) in enumerate(zip(names, starts)):
        export.nvtx(name, start, start + 100 * US)
        for part in (1, 2):
            corr = number * 2 + part
            begin = start + part * 20 * US
            export.call(LAUNCH, begin, begin + 5 * US, corr=corr)
            export.kernel("gemm", begin + 9 * US, begin + 19 * US, corr=corr)
    export.kernel("tear-down", 50 * MS, 50 * MS + 5)
    found = section(export_file(export), "budget")
    places: Counter[str] = Counter()
    for row in found.tables["gap_groups"].rows():
        places[str(row["place"])] += row["gaps"]
    assert places == {
        "before_steps": 1,
        "inside_step": 5,
        "between_steps": 3,
        "request_gap": 1,
        "after_steps": 1,
    }


def test_without_gpu_ops_there_are_no_steps(export_file: Write) -> None:
    path = export_file(Export().nvtx("execute_context_0(0)_generation_4(4)", 0, 10))
    assert_missing(path, "steps", "The export has no GPU ops.", "Capture it with --trace=cuda.")


@pytest.mark.parametrize(
    ("parts", "first"),
    [
        (("gpu_model_runner: preprocess", "gpu_model_runner: forward", "gpu_model_runner: bookkeep"), None),
        (("Preprocess", "Forward", "Sample"), "Preprocess"),
    ],
)
def test_scopes_of_a_model_runner_make_steps(export_file: Write, parts: tuple[str, ...], first: str | None) -> None:
    export = Export()
    corr = 0
    for number in range(5):
        for place, part in enumerate(parts):
            corr += 1
            now = number * 1000 + place * 200
            export.nvtx(part, now, now + 190)
            export.call(LAUNCH, now + 10, now + 20, corr=corr).kernel("k", now + 50, now + 100, corr=corr)
    found = section(export_file(export), "steps")
    assert (found.summary["source"], found.summary["confidence"]) == ("engine_scope", "medium")
    assert (first or parts[0]) in found.summary["source_detail"]
    assert table(found, "steps", "start_ns end_ns kernels")[1] == (1050, 1500, 3)


def test_a_range_called_forward_alone_is_no_step(export_file: Write) -> None:
    export = Export()
    for number in range(6):
        export.nvtx("Forward", number * 100, number * 100 + 50).call(
            LAUNCH, number * 100 + 1, number * 100 + 5, corr=number
        )
        export.kernel(f"k{number}", number * 100 + 10, number * 100 + 20, corr=number)
    assert section(export_file(export), "steps").status == "missing"


@pytest.mark.parametrize(("system_call", "place"), [(True, "request_gap"), (False, "between_steps")])
def test_who_waits_for_requests_waits_in_the_system(export_file: Write, system_call: bool, place: str) -> None:
    export = with_periods([100] * 6).osrt("sem_wait", 1, 2)
    export.nvtx("execute_context_1(9)_generation_0(0)", 50 * MS, 50 * MS + 20)
    export.call(LAUNCH, 50 * MS + 1, 50 * MS + 5, corr=99).kernel("gemm", 50 * MS + 10, 50 * MS + 60, corr=99)
    if system_call:
        export.osrt("epoll_wait", 1000, 49 * MS)
    rows = section(export_file(export), "budget").tables["gap_groups"].rows()
    assert {row["place"] for row in rows if row["max_ns"] > 10 * MS} == {place}


def test_a_step_ends_with_the_copy_of_its_result(export_file: Write) -> None:
    export = Export()
    corr = 0
    for number in range(6):
        now = number * 1000
        for place, (name, length) in enumerate(
            (("norm", 20), ("gemm", 20), ("norm", 20), ("gemm", 20), *[("k", 9)] * 5)
        ):
            corr += 1
            begin = now + 300 + place * 30 + (200 if place > 3 else 0)
            export.call(LAUNCH, begin - 9, begin - 5, corr=corr).kernel(name, begin, begin + length, corr=corr)
        export.memcpy(now + 100, now + 110, kind=1).kernel("once", now + 780, now + 790).memcpy(
            now + 800, now + 810, kind=2
        )
    found = section(export_file(export), "steps")
    # The longest gap is inside of the step; the host's wait for tokens is what tells.
    assert table(found, "steps", "start_ns end_ns kernels")[1] == (1100, 1810, 10)


def test_pieces_that_share_a_graph_are_one_step_between_two_results(export_file: Write) -> None:
    export = Export()
    corr = 0
    for number in range(6):
        for piece in range(5):
            corr += 1
            now = number * 1000 + piece * 100
            export.call(GRAPH, now, now + 5, corr=corr)
            export.kernel("piece", now + 10, now + 60, corr=corr, graph_node=1, graph_id=20)
        export.memcpy(number * 1000 + 600, number * 1000 + 610, kind=2)
    found = section(export_file(export), "steps")
    assert table(found, "steps", "start_ns end_ns graph_launches kernels")[1] == (1010, 1610, 5, 5)


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("[Executor] _forward_step 4: 0 ctx reqs, 0 ctx tokens, 8 gen reqs", None),
        ("[Executor] _forward_step 4: 2 ctx reqs, 50 ctx tokens, 0 gen reqs", 5e8),
        ("step[EXTEND bs=2 toks=50]", 5e8),
        ("step[DECODE bs=8]", None),
    ],
)
def test_tokens_per_second_need_all_tokens(export_file: Write, name: str, rate: float | None) -> None:
    found = section(export_file(marked([name] * 4)), "steps")
    assert table(found, "step_kinds", "tokens_per_s") == [(rate,)]


def test_the_slowest_step_is_aligned_with_the_median_one(export_file: Write) -> None:
    export = Export()
    corr = 0
    for number in range(8):
        slow = number == 4
        now = number * 1000 + (1000 if number > 4 else 0)
        export.nvtx("execute_context_0(0)_generation_4(4)", now, now + 400)
        kernels = [("norm", 10), ("gemm", 300 if slow else 50), ("norm", 10), *([("extra", 7)] if slow else [])]
        begin = now + 20
        for name, length in kernels:
            corr += 1
            export.call(LAUNCH, begin - 9, begin - 5, corr=corr).kernel(name, begin, begin + length, corr=corr)
            begin += length + (40 if slow and name == "gemm" else 5)
    found = section(export_file(export), "steps")
    columns = "position kernel_name kernel_ns wait_before_ns median_kernel_ns median_wait_before_ns excess_ns"
    assert table(found, "slowest_step", columns) == [
        (1, "gemm", 300, 5, 50, 5, 250),
        (2, "norm", 10, 40, 10, 5, 35),
        (3, "extra", 7, 5, None, None, 12),
        (0, "norm", 10, 0, 10, 0, 0),
    ]
