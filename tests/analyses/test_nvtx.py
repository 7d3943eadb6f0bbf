"""NVTX ranges: names, host time, coverage, and what is said where kernels cannot be told."""

from __future__ import annotations

import pytest

from tests.support.analyses import Write, assert_missing, capability, run, section, table, total, warning_codes
from tests.support.export import Export

LAUNCH = "cudaLaunchKernel_v7000"
WORK = "range_name kernels kernel_ns kernels_inclusive kernel_inclusive_ns projected_ns"
HOST = "range_name count total_ns avg_ns p50_ns p90_ns max_ns"


def test_host_figures_of_a_name(export_file: Write) -> None:
    export = Export()
    for start, duration in ((-50, 40), (100, 10), (200, 30), (300, 20)):
        export.nvtx("step", start, start + duration)
    found = section(export_file(export.nvtx("other", 0, 7, tid=101)), "nvtx")
    assert table(found, "nvtx_ranges", HOST) == [
        ("step", 4, 100, 25.0, 25.0, pytest.approx(37.0), 40),
        ("other", 1, 7, 7.0, 7.0, 7.0, 7),
    ]


def test_only_closed_ranges_count(export_file: Write) -> None:
    export = Export().domain(3, "NCCL")
    for number, event_type in enumerate((59, 60, 70, 71, 34, 33)):
        export.nvtx(f"type {event_type}", number, 20, event_type=event_type)
    export.nvtx("open", 5, None).nvtx("backwards", 9, 5).nvtx("zero", 7, 7).nvtx("damaged", 7, "later")
    path = export_file(export)
    found = section(path, "nvtx")
    assert table(found, "nvtx_ranges", "range_name") == [("type 59",), ("type 60",), ("type 70",), ("type 71",)]
    assert (found.summary["ranges"], found.summary["open_ranges"]) == (4, 1)
    assert run(path)["trace"]["rejected_rows"] == {"NVTX_EVENTS": 2}
    assert any("1 ranges were still open" in limit for limit in found.limitations)


@pytest.mark.parametrize(
    ("names", "normalised"),
    [
        (["aten::to, op_id = 7", "aten::to, op_id = 8, sizes = [[2]]", "aten::to, seq = 1"], "aten::to"),
        (
            ["execute_context_2(190)_generation_14(14)", "execute_context_0(0)_generation_8(8)"],
            "execute_context_#(#)_generation_#(#)",
        ),
        (["execute_new_3_cached_12", "execute_new_0_cached_1"], "execute_new_#_cached_#"),
        (["[Executor] _forward_step 17: 2 ctx reqs, 8 gen reqs"], "[Executor] _forward_step #: # ctx reqs, # gen reqs"),
        (["executeStep: 2 ctx reqs, 8 gen reqs"], "executeStep: # ctx reqs, # gen reqs"),
        (["step[12 decode]", "step[3 decode]"], "step[# decode]"),
        (["{'Module': 'model.layers.12', 'TrainableParams': 5}"], "model.layers.12"),
        (["model.layers.12"], "model.layers.12"),
        (["step 12"], "step 12"),
    ],
)
@pytest.mark.parametrize("registered", [False, True])
def test_trap_names_are_normalised(export_file: Write, names: list[str], normalised: str, registered: bool) -> None:
    export = Export()
    for number, name in enumerate(names):
        export.nvtx(name, number, number + 1, use_text_id=registered)
    found = section(export_file(export), "nvtx")
    assert table(found, "nvtx_ranges", "range_name count") == [(normalised, len(names))]


def test_name_is_text_else_registered_string_else_empty(export_file: Write) -> None:
    export = Export()
    export.nvtx("text", 0, 40, textId=export.string("registered")).nvtx("registered", 0, 30, use_text_id=True)
    export.nvtx(None, 0, 20).nvtx(None, 0, 10, textId=999)
    found = section(export_file(export), "nvtx")
    expected = [("registered", 1, 30), ("text", 1, 40), ("", 2, 30)]
    assert sorted(table(found, "nvtx_ranges", "range_name count total_ns")) == sorted(expected)


def test_domains_are_named_per_process(export_file: Write) -> None:
    export = Export().domain(1, "NCCL", pid=100).domain(1, "cuBLAS", pid=200)
    export.nvtx("all_reduce", 0, 10, pid=100, domain=1).nvtx("all_reduce", 0, 20, pid=100)
    export.nvtx("all_reduce", 0, 30, pid=200, domain=1).nvtx("plain", 0, 5, pid=200, domain=2)
    found = section(export_file(export), "nvtx")
    expected = [("all_reduce", "NCCL, cuBLAS, default", 3), ("plain", "domain 2", 1)]
    assert table(found, "nvtx_ranges", "range_name domain count") == expected


def test_trap_coverage_is_over_all_names_not_the_first_rows(export_file: Write) -> None:
    export = Export()
    for number in range(10_003):
        start = number * 10
        export.nvtx(f"range {number:05}", start, start + 9)
        export.call(LAUNCH, start + 2, start + 4, corr=number + 1)
        export.kernel("k", 200_000 + start, 200_003 + start, corr=number + 1)
    found = section(export_file(export), "nvtx")
    ranges = found.tables["nvtx_ranges"]
    assert (len(ranges), ranges.total_rows) == (10_000, 10_003)
    assert ranges.rows()[-1]["range_name"] == "range 09999"
    assert total(found, "nvtx_ranges", "kernels") == 10_000
    assert (found.summary["attributed_kernels"], found.summary["attributed_kernel_ns"]) == (10_003, 30_009)
    assert found.summary["coverage"] == 1.0


@pytest.mark.parametrize(("inside", "warned"), [(70, False), (69, True)])
def test_coverage_under_70_percent_is_warned_of(export_file: Write, inside: int, warned: bool) -> None:
    export = Export().nvtx("step", 0, 50).call(LAUNCH, 10, 12, corr=1).call(LAUNCH, 60, 62, corr=2)
    export.kernel("k", 100, 100 + inside, corr=1).kernel("k", 300, 400 - inside, corr=2)
    path = export_file(export)
    assert section(path, "nvtx").summary["coverage"] == inside / 100
    assert ("low_nvtx_coverage" in warning_codes(path)) is warned


def test_kernel_map_switched_off_gives_nulls_not_zeros(export_file: Write) -> None:
    export = Export().nvtx("step", 0, 50).call(LAUNCH, 10, 12, corr=1).kernel("k", 60, 70, corr=1)
    path = export_file(export)
    found = section(path, "nvtx", nvtx_kernel_map=False)
    assert table(found, "nvtx_ranges", WORK) == [("step", None, None, None, None, None)]
    assert table(found, "nvtx_ranges", "count total_ns") == [(1, 50)]
    unknown = ("attributed_kernels", "attributed_kernel_ns", "coverage")
    assert [found.summary[name] for name in unknown] == [None, None, None]
    assert (found.summary["kernels"], found.summary["total_kernel_ns"]) == (1, 10)
    assert "low_nvtx_coverage" not in warning_codes(path, nvtx_kernel_map=False)
    assert any("switched off" in limit for limit in found.limitations)


@pytest.mark.parametrize(
    "export",
    [
        Export().nvtx("step", 0, 50),
        Export().nvtx("step", 0, 50).call(LAUNCH, 10, 12, corr=1),
        Export().nvtx("step", 0, 50).kernel("k", 60, 70, corr=1),
    ],
    ids=["ranges only", "no ops", "no calls"],
)
def test_ranges_without_ops_or_calls_have_unknown_kernels(export_file: Write, export: Export) -> None:
    path = export_file(export)
    found = section(path, "nvtx")
    assert table(found, "nvtx_ranges", WORK) == [("step", None, None, None, None, None)]
    assert found.summary["coverage"] is None
    assert capability(path, "nvtx") == ("partial", "--trace=cuda")


def test_order_of_rows_is_total(export_file: Write) -> None:
    for names in (("a", "b", "c"), ("c", "a", "b"), ("b", "c", "a")):
        export = Export().nvtx("long", 0, 11, tid=101)
        for number, name in enumerate(names):
            export.nvtx(name, number, number + 10, tid=101 + number)
        found = section(export_file(export), "nvtx", threads=2)
        assert table(found, "nvtx_ranges", "range_name") == [("long",), ("a",), ("b",), ("c",)]


@pytest.mark.parametrize(
    "export",
    [Export().kernel("k", 0, 10), Export().nvtx("open", 0, None), Export().nvtx("mark", 0, 5, event_type=34)],
    ids=["no table", "only open ranges", "only markers"],
)
def test_trap_no_ranges_is_missing_not_zero_coverage(export_file: Write, export: Export) -> None:
    needs = ("The export has no NVTX ranges.", "Capture it with --trace=nvtx.")
    assert_missing(export_file(export), "nvtx", *needs)
