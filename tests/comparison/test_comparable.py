"""Every difference that bears on figures is named, with both sides and what it means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import pytest

from nsys_llm_explainer import Report, compare
from nsys_llm_explainer.comparison.comparable import _shape_text, normalised
from nsys_llm_explainer.comparison.shapes import match
from nsys_llm_explainer.comparison.value import Comparison, Difference
from tests.comparison.conftest import Runs
from tests.support.export import Export


def _named(comparison: Comparison, subject: str) -> Difference:
    found = [one for one in comparison.differences if one.subject == subject]
    assert len(found) == 1, [one.subject for one in comparison.differences]
    return found[0]


def test_two_runs_of_the_same_thing(runs: Runs) -> None:
    comparison = compare(runs(), runs(seed=1))
    assert (comparison.status, comparison.differences, comparison.reasons) == ("comparable", (), ())


def test_another_gpu_blocks_everything(plain: Callable[..., Export], analysed: Callable[[Export], Report]) -> None:
    before, after = (analysed(plain({"k": 9_000}, gpu=name)) for name in ("GPU A", "GPU B"))
    comparison = compare(before, after)
    found = _named(comparison, "GPU")
    assert (found.before, found.after, found.severity, found.scope) == ("1 x GPU A", "1 x GPU B", "blocks", "all")
    assert comparison.status == "not_comparable"
    assert comparison.lead.startswith("Not comparable. GPU: 1 x GPU A before, 1 x GPU B after (times compare machines")
    assert comparison.changes == ()
    assert compare(before, after, allow_different=True).status == "limited"


def test_no_gpu_work_on_a_side(runs: Runs, analysed: Callable[[Export], Report]) -> None:
    empty = analysed(Export().call("cudaFree_v3020", 0, 10))
    for pair in ((runs(), empty), (empty, runs()), (empty, empty)):
        comparison = compare(*pair)
        assert comparison.status == "not_comparable"
        assert "nothing to compare" in _named(comparison, "GPU work").effect
        assert comparison.tables["devices"].held == ()


def test_another_number_of_gpus(runs: Runs) -> None:
    comparison = compare(runs(), runs(workers=1))
    found = _named(comparison, "GPUs with work")
    assert (found.before, found.after, found.severity) == ("2", "1", "blocks")
    assert [row["device"] for row in comparison.tables["devices"].held] == ["GPU 0"]


def test_graph_mode_hides_kernels_on_one_side(runs: Runs) -> None:
    comparison = compare(runs(), runs(graph_mode="graph"))
    blocking = [one for one in comparison.differences if one.severity == "blocks"]
    assert [one.subject for one in blocking] == ["CUDA graph tracing"] * 2
    assert [one.scope for one in blocking] == ["kernels", "idle"]
    assert (blocking[0].before, blocking[0].after) == ("node", "graph")
    assert {row["verdict"] for row in comparison.tables["kernels"].held} == {"incomparable"}
    assert {row["verdict"] for row in comparison.tables["step_categories"].held} == {"incomparable"}
    assert {row["verdict"] for row in comparison.tables["devices"].held} == {"incomparable"}
    assert "which is not comparable" in comparison.lead
    assert "incomparable" not in {row["verdict"] for row in comparison.tables["step_times"].held}
    assert comparison.status == "limited"


def test_graphs_on_one_side_are_a_change_of_the_engine(runs: Runs) -> None:
    comparison = compare(runs(), runs(graph_mode="none"))
    assert _named(comparison, "CUDA graphs").severity == "note"
    changed = {row["measure"]: row for row in comparison.tables["step_launches"].held if row["kind"] == "decode"}
    assert changed["graph launches"]["verdict"] == "less"
    assert changed["eager kernels"]["verdict"] == "more"


def test_what_was_captured(runs: Runs) -> None:
    comparison = compare(runs(), runs(osrt=False))
    found = _named(comparison, "OS calls")
    assert (found.before, found.after, found.severity, found.scope) == ("in the export", "none", "limits", "idle")


def test_steps_found_in_another_way_are_not_compared(runs: Runs) -> None:
    comparison = compare(runs(), runs(nvtx=False))
    found = _named(comparison, "steps found by")
    assert (found.before, found.severity, found.scope) == ("engine_marker", "blocks", "steps")
    assert comparison.tables["step_times"].held == ()
    assert any(note.startswith("No steps are compared") for note in comparison.notes)
    assert comparison.tables["devices"].held


def test_versions_windows_and_rejected_rows(runs: Runs) -> None:
    report = runs()
    trace = {**report.trace, "nsys_version": "2020.1", "rejected_rows": {"NVTX_EVENTS": 3}}
    other = replace(
        report, trace=MappingProxyType(trace), window=MappingProxyType({**report.window, "source": "steady"})
    )
    comparison = compare(report, other)
    assert _named(comparison, "Nsight Systems").severity == "note"
    assert _named(comparison, "unusable rows").after == "3"
    assert _named(comparison, "window").severity == "limits"
    assert [one.severity for one in comparison.differences] == ["limits", "limits", "note", "note"]


def test_other_programs_block(plain: Callable[..., Export], analysed: Callable[[Export], Report]) -> None:
    comparison = compare(analysed(plain({"a": 9_000})), analysed(plain({"b": 9_000})))
    assert _named(comparison, "kernels").scope == "all"
    assert comparison.status == "not_comparable"
    half = compare(analysed(plain({"a": 9_000, "c": 9_000})), analysed(plain({"b": 9_000, "c": 9_000})))
    assert _named(half, "kernels").severity in {"limits", "note"}
    assert half.status == "limited"


def test_batch_shapes_are_named(runs: Runs) -> None:
    report = runs()
    other = runs(nvtx=False)
    assert all("batch shapes" not in one.subject for one in compare(report, report).differences)
    assert _named(compare(other, other), "batch shapes").severity == "limits"
    before, after = (
        [{"kind": "decode", "context_requests": 0, "context_tokens": 0, "generation_requests": count}] * 20
        for count in (8, 64)
    )
    assert _shape_text(before) == "median 0 context tokens, 8 generating requests"
    assert match(before, after).common == frozenset()


def test_too_few_steps_are_said(runs: Runs) -> None:
    short = runs(decode_steps=4, prefill_every=0)
    comparison = compare(short, short)
    assert _named(comparison, "steady steps of a worker").severity == "limits"
    assert "too few for a verdict" in comparison.lead


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("nvjet_tst_192x192_64x4_2x1_v_bz_coopB_bias_TNN", "nvjet_tst_#x#_#x#_#x#_v_bz_coopB_bias_TNN"),
        ("void ns::norm<float, (int)4>(float *, int)", "norm"),
        ("plain", "plain"),
    ],
)
def test_families_of_kernels(name: str, family: str) -> None:
    assert normalised(name) == family
