"""Steps of marked batch shapes, written row by row: another mix of batches is no other speed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from nsys_llm_explainer import Report, check, compare
from nsys_llm_explainer.comparison.value import Comparison
from tests.support.export import Export

Analysed = Callable[[Export], Report]
FAST, SLOW = (8, 1_000_000), (64, 2_000_000)


def _run(steps: Sequence[tuple[int, int]], *, seed: int = 0, factor: float = 1.0) -> Export:
    """Returns decode steps of so many requests that take so long, give or take 1 %."""
    made = Export().process(100, "worker").gpu(0, "GPU A").cuda_device(pid=100, ordinal=0, gpu=0)
    generator, moment = random.Random(seed), 1_000_000
    for number, (requests, ns) in enumerate(steps, start=1):
        busy = round(ns * factor * generator.uniform(0.985, 1.005))
        made.nvtx(f"execute_context_0(0)_generation_{requests}({requests})", moment, moment + 90_000, pid=100)
        made.call("cudaLaunchKernel_v7000", moment + 10_000, moment + 20_000, corr=number, pid=100)
        made.kernel("decode_kernel", moment + 25_000, moment + busy - 5_000, corr=number, pid=100)
        moment += busy
    return made


def _mix(fast: int, slow: int, seed: int = 1) -> list[tuple[int, int]]:
    steps = [FAST] * fast + [SLOW] * slow
    random.Random(seed).shuffle(steps)
    return steps


def _row(comparison: Comparison, table: str, **where: Any) -> dict[str, Any]:
    rows = comparison.tables[table].rows()
    return next(row for row in rows if all(row[column] == value for column, value in where.items()))


def test_another_mix_is_no_other_speed(analysed: Analysed) -> None:
    before, after = analysed(_run(_mix(60, 60))), analysed(_run(_mix(100, 20), seed=2))
    own, other = (report.sections["steps"].tables["step_kinds"].rows()[0] for report in (before, after))
    assert other["period_p50_ns"] < 0.8 * own["period_p50_ns"]
    comparison = compare(before, after)
    for metric in ("period_p50", "period_p90", "span_p50"):
        row = _row(comparison, "step_times", metric=metric)
        assert row["verdict"] == "same", row
    assert abs(_row(comparison, "step_times", metric="period_p90")["change_share"]) < 0.02
    buckets = _row(comparison, "step_buckets", bucket="compute")
    assert buckets["verdict"] == "same"
    assert abs(buckets["change_share"]) < 0.02
    shapes = {row["shape"]: row for row in comparison.tables["step_shapes"].rows()}
    assert set(shapes) == {"generating 8 requests", "generating 64 requests"}
    assert all(abs(row["change_share"]) < 0.02 for row in shapes.values())


def test_another_speed_is_found_under_another_mix(analysed: Analysed) -> None:
    comparison = compare(analysed(_run(_mix(60, 60))), analysed(_run(_mix(90, 30), seed=2, factor=1.08)))
    row = _row(comparison, "step_times", metric="period_p90")
    assert row["verdict"] == "slower"
    assert row["change_share"] == pytest.approx(0.08, abs=0.01)
    bucket = _row(comparison, "step_buckets", bucket="compute")
    assert bucket["verdict"] == "more"
    assert bucket["change_share"] == pytest.approx(0.08, abs=0.02)


def test_no_shape_in_common(analysed: Analysed) -> None:
    comparison = compare(analysed(_run([FAST] * 40)), analysed(_run([SLOW] * 40)))
    assert comparison.tables["step_times"].held == ()
    assert any("no shape in common" in reason for reason in comparison.reasons)
    assert [row["matched"] for row in comparison.tables["step_shapes"].rows()] == [False, False]
    (result,) = check(comparison, "diff.steps.decode.period_p50_slower_share > 0")
    assert not result.passed
    assert "no steps of kind decode in common" in result.reason or "no steps.decode" in result.reason


def test_part_of_the_shapes_in_common(analysed: Analysed) -> None:
    steps = [FAST] * 30
    comparison = compare(analysed(_run([*steps, *[(500, 3_000_000)] * 20])), analysed(_run([*steps, *[SLOW] * 40])))
    row = _row(comparison, "step_times", metric="period_p50")
    assert row["verdict"] == "same"
    assert row["before_steps"] == 30
    assert any(note.startswith("Batch shapes of one side only") for note in comparison.notes)
    shapes = next(one for one in comparison.differences if one.subject == "batch shapes of decode steps")
    assert shapes.severity == "limits"
    assert shapes.effect.endswith("of the same shape, by bins")


def test_tokens_per_second(analysed: Analysed) -> None:
    comparison = compare(analysed(_run([FAST] * 60)), analysed(_run([FAST] * 60, seed=3, factor=1.25)))
    row = _row(comparison, "throughput")
    assert row["before_tokens_per_s"] == pytest.approx(8_000, rel=0.02)
    assert (row["verdict"], round(row["change_share"], 2)) == ("less", -0.2)
    passed, failed = check(comparison, ["diff.throughput.less_share > 30%", "diff.throughput.less_share > 10%"])
    assert (passed.passed, failed.passed) == (True, False)
