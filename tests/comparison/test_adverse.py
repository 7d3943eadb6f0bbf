"""Runs that differ in something that is no change: other batches, one pause, hidden kernels, another start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nsys_llm_explainer import analyze, compare
from nsys_llm_explainer.comparison.gate import check
from nsys_llm_explainer.comparison.judge import CALLED
from nsys_llm_explainer.comparison.sides import Reading, device_pairs
from nsys_llm_explainer.comparison.value import Comparison, table
from nsys_llm_explainer.comparison.words import lead
from tests.comparison import batches
from tests.comparison.conftest import Runs
from tests.support.export import Export


def _verdicts(comparison: Comparison, name: str) -> set[str]:
    return {row["verdict"] for row in comparison.tables[name].rows()}


def test_kernels_that_graphs_hide_are_not_said_to_be_gone(runs: Runs) -> None:
    comparison = compare(runs(), runs(graph_mode="graph"))
    rows = comparison.tables["amounts"].rows()
    assert {row["verdict"] for row in rows if row["topic"] in ("communication", "copies")} == {"incomparable"}
    assert _verdicts(comparison, "findings") == {"incomparable"}
    assert comparison.changes == ()


def test_the_verdict_does_not_deny_what_is_listed_below(runs: Runs) -> None:
    comparison = compare(runs(), runs(causes={"storm_kernels": 8}))
    assert comparison.changes
    assert comparison.lead.startswith("No change of step times or idle shares beyond the noise; what did change is")


def test_workers_that_moved_apart_are_counted_as_such() -> None:
    row = {
        "kind": "decode",
        "metric": "period_p50",
        "before_steps": 40,
        "after_steps": 40,
        "before_ns": 1e6,
        "floor_share": 0.03,
    }
    told = {"slower": (0.2, 0.18, 0.22), "faster": (-0.1, -0.12, -0.08), "same": (0.0, -0.01, 0.01)}
    rows = [
        {**row, "device": f"GPU {number}", "verdict": verdict, "change_share": share, "low_share": low}
        | {"high_share": high, "after_ns": 1e6 * (1 + share)}
        for number, (verdict, (share, low, high)) in enumerate(told.items())
    ]
    tables = {"step_times": table("step_times", rows)}
    tables.update({name: table(name, []) for name in ("devices", "step_buckets")})
    assert "on GPU 0 (period p50" in lead("comparable", tables, ())
    assert ", 1 worker faster and 1 worker inside the noise." in lead("comparable", tables, ())


def test_another_mix_of_batches_makes_no_kernel_slower(tmp_path: Path) -> None:
    half, fifth = (batches.run(tmp_path / f"{every}.sqlite", every, seed=every) for every in (2, 5))
    for pair in ((half, fifth), (fifth, half)):
        comparison = compare(*pair)
        for name in ("step_times", "step_categories", "step_launches", "kernels", "amounts"):
            assert not _verdicts(comparison, name) & CALLED
        assert "unknown" in _verdicts(comparison, "kernels")
        mix = next(one for one in comparison.differences if one.subject == "mix of batches")
        assert (mix.severity, comparison.status) == ("limits", "limited")


def test_larger_batches_in_the_same_bin_are_not_slower_steps(tmp_path: Path) -> None:
    small, large = (batches.run(tmp_path / f"{every}.sqlite", every, seed=3) for every in (100, 1))
    comparison = compare(small, large)
    decode = [row for row in comparison.tables["step_times"].rows() if row["kind"] == "decode"]
    assert {row["verdict"] for row in decode} == {"incomparable"}
    assert comparison.lead.startswith("Decode steps work on other batches, so their times are not compared: period p50")
    assert not _verdicts(comparison, "kernels") & {"slower", "faster"}
    shapes = next(one for one in comparison.differences if one.subject == "batch shapes of decode steps")
    assert shapes.severity == "limits"
    assert "another load, not another speed" in shapes.effect
    result = check(comparison, "diff.steps.decode.period_p50_slower_share > 0")[0]
    assert not result.passed
    assert "not comparable" in result.reason
    forced = compare(small, large, allow_different=True)
    assert "slower" in _verdicts(forced, "step_times")


def test_kernels_of_larger_batches_are_judged_only_if_asked(tmp_path: Path) -> None:
    fifth = batches.run(tmp_path / "fifth.sqlite", 5, seed=5)
    slow = batches.run(tmp_path / "slow.sqlite", 1, seed=5, by=3.0)
    assert "slower" not in _verdicts(compare(fifth, slow), "kernels")
    assert "slower" in _verdicts(compare(fifth, slow, allow_different=True), "kernels")


@pytest.mark.parametrize(
    "causes",
    [{"request_gap_every": 20, "request_gap_ns": 1_000_000_000}, {"pause_every": 20, "pause_ns": 300_000_000}],
    ids=["no requests", "pause"],
)
def test_one_pause_is_no_regression(runs: Runs, causes: dict[str, Any]) -> None:
    comparison = compare(runs(), runs(seed=2, causes=causes))
    assert _verdicts(comparison, "devices") == {"unknown"}
    assert not {"more", "less"} & (_verdicts(comparison, "device_budget") | _verdicts(comparison, "findings"))
    assert comparison.figures["regressions"] == (0,)
    often = compare(runs(), runs(seed=2, causes={**causes, next(iter(causes)): 4}))
    assert _verdicts(often, "devices") == {"more"}


def test_loading_weights_is_no_part_of_a_step(runs: Runs) -> None:
    comparison = compare(runs(), runs(seed=2, weights_bytes=4 << 30))
    assert not _verdicts(comparison, "amounts") & CALLED


def test_regressions_of_too_few_steps_are_not_none(runs: Runs) -> None:
    comparison = compare(runs(decode_steps=4), runs(decode_steps=4, seed=2))
    result = check(comparison, "diff.regressions > 0")[0]
    assert not result.passed
    assert "too few steps" in result.reason


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (((0, 0), (0, 1)), ((0, 0), (0, 1))),
        (((0, 0), (1, 1)), ((1, 1), (2, 2))),
        (((0, 0), (1, 1)), ((0, 1), (1, 0))),
        (((0, 0), (1, 1)), ((4, 4), (5, 5))),
        (((0, 0), (0, 1)), ((0, 2), (0, 3))),
    ],
    ids=["one ordinal", "shifted", "other order", "other GPUs", "one ordinal, other GPUs"],
)
def test_every_gpu_has_one_counterpart(
    tmp_path: Path, before: tuple[tuple[int, int], ...], after: tuple[tuple[int, int], ...]
) -> None:
    reports = []
    for name, devices in (("before", before), ("after", after)):
        made = Export()
        for pid, (ordinal, gpu) in enumerate(devices, start=100):
            made.process(pid, "python").gpu(gpu, "GPU A").cuda_device(pid=pid, ordinal=ordinal, gpu=gpu)
            for start in range(1_000_000, 3_000_000, 50_000):
                made.kernel("k", start, start + 30_000, device=ordinal, pid=pid, corr=None)
        reports.append(analyze(made.write(tmp_path / f"{name}.sqlite")))
    pairs = device_pairs(Reading(reports[0]), Reading(reports[1]))
    assert len({pair.before.key for pair in pairs}) == len({pair.after.key for pair in pairs}) == 2
    same = set(before) & set(after)
    assert all(pair.before.key == pair.after.key for pair in pairs if pair.before.key in same)
