"""Steps are found by every kind of marker and without any, with the batches, times and periods that they had."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

import pytest

from nsys_llm_explainer.demo import DemoSpec, healthy
from nsys_llm_explainer.demo.server import Step
from tests.scenarios.catalogue import MS
from tests.scenarios.conftest import Explain, Explained

MARKED = {
    "vllm": healthy(),
    "vllm, eager": healthy(graph_mode="none"),
    "vllm, piecewise graphs": healthy(cuda_graphs="piecewise"),
    "vllm, whole graphs": healthy(graph_mode="graph"),
    "vllm, synchronous": healthy(lookahead=0),
    "vllm v0": healthy(markers="vllm_v0"),
    "sglang": healthy(markers="sglang"),
    "tensorrt_llm": healthy(markers="tensorrt_llm"),
}
UNMARKED = {
    "scopes": (healthy(markers="vllm_scopes"), "engine_scope"),
    "graph launches": (healthy(markers="none"), "graph_launches"),
    "graph launches, whole graphs": (healthy(nvtx=False, graph_mode="graph"), "graph_launches"),
    "kernel sequence": (healthy(nvtx=False, graph_mode="none"), "kernel_sequence"),
}


def rows(explained: Explained, table: str) -> list[dict[str, Any]]:
    return explained.report.sections["steps"].tables[table].rows()


def of_worker(explained: Explained, rank: int) -> list[dict[str, Any]]:
    return [row for row in rows(explained, "steps") if row["device_id"] == rank]


def periods(steps: Sequence[Step], rank: int, kind: str) -> list[int]:
    """The times from a step's first op to that of the next one."""
    pairs = zip(steps, steps[1:])
    return [after.starts[rank] - step.starts[rank] for step, after in pairs if step.batch.kind == kind]


@pytest.mark.parametrize("spec", MARKED.values(), ids=MARKED)
def test_marked_steps_are_exact(explain: Explain, spec: DemoSpec) -> None:
    explained = explain(spec)
    summary = explained.report.sections["steps"].summary
    assert (summary["source"], summary["confidence"], summary["workers"]) == ("engine_marker", "high", 2)
    assert summary["steps_without_ops"] == 0
    truth = explained.run.steps
    for rank in range(spec.workers):
        found = of_worker(explained, rank)
        assert [row["kind"] for row in found] == [step.batch.kind for step in truth]
        assert [(row["start_ns"], row["end_ns"]) for row in found] == [
            (step.starts[rank], step.ends[rank]) for step in truth
        ]
        assert [row["index"] for row in found] == list(range(found[0]["index"], found[0]["index"] + len(truth)))


@pytest.mark.parametrize("markers", ["vllm", "sglang", "tensorrt_llm"])
def test_batches_are_read_from_markers(explain: Explain, markers: str) -> None:
    explained = explain(healthy(markers=markers))
    for row, step in zip(of_worker(explained, 0), explained.run.steps):
        batch = step.batch
        assert row["context_requests"] in {batch.context_requests, None if not batch.context_requests else -1}
        if batch.context_tokens:
            assert row["context_tokens"] == batch.context_tokens
        if batch.generation_requests:
            assert row["generation_requests"] == batch.generation_requests


@pytest.mark.parametrize("spec", MARKED.values(), ids=MARKED)
def test_periods_are_those_of_the_gpu(explain: Explain, spec: DemoSpec) -> None:
    explained = explain(spec)
    for row in rows(explained, "step_kinds"):
        true = periods(explained.run.steps, row["device_id"], row["kind"])
        assert row["steps"] == sum(step.batch.kind == row["kind"] for step in explained.run.steps)
        assert row["period_p50_ns"] == pytest.approx(median(true), rel=0.001)
        named = {name: value for name, value in row.items() if name.endswith("_avg_ns")}
        assert sum(named.values()) == pytest.approx(sum(true) / len(true), rel=0.001)


@pytest.mark.parametrize(("spec", "source"), UNMARKED.values(), ids=UNMARKED)
def test_steps_without_markers(explain: Explain, spec: DemoSpec, source: str) -> None:
    explained = explain(spec)
    summary = explained.report.sections["steps"].summary
    assert summary["source"] == source
    assert summary["confidence"] in {"medium", "low"}
    decodes = sum(step.batch.kind == "decode" for step in explained.run.steps)
    for rank in range(spec.workers):
        found = of_worker(explained, rank)
        assert decodes - 2 <= len(found) <= len(explained.run.steps) + 2
        true = median(periods(explained.run.steps, rank, "decode"))
        assert median(row["period_ns"] for row in found if row["period_ns"]) == pytest.approx(true, rel=0.02)


def test_ranks_have_the_same_steps(explain: Explain) -> None:
    explained = explain(healthy(workers=4, decode_steps=30))
    first, *others = ([row["index"] for row in of_worker(explained, rank)] for rank in range(4))
    assert all(other == first for other in others)


def test_warm_up_and_drain_are_outside_the_steady_state(explain: Explain) -> None:
    explained = explain(healthy(warmup_steps=6, warmup_ns=20 * MS, drain_steps=5, drain_ns=20 * MS))
    truth = explained.run.steps
    steady = [step for step in truth if step.phase == "steady"]
    summary = explained.report.sections["steps"].summary
    phases = [step.phase for step in truth]
    first = phases.index("steady", phases.index("warm_up"))
    last = len(phases) - 1 - phases[::-1].index("steady")
    assert summary["steady_start_ns"] >= truth[first - 1].starts[0]
    assert summary["steady_end_ns"] <= max(truth[last + 1].starts)
    for row, step in zip(of_worker(explained, 0), truth):
        assert not row["steady"] or step.phase == "steady", row
    assert summary["steady_steps"] >= 0.85 * len(steady)
    reasons = {row["reason"] for row in rows(explained, "outside_steady")}
    assert {"warm_up", "drain"} <= reasons


def test_prefills_do_not_end_the_steady_state(explain: Explain) -> None:
    explained = explain(healthy())
    summary = explained.report.sections["steps"].summary
    assert summary["steady_steps"] >= len(explained.run.steps) - 2
