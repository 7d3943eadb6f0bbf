"""Runs that differ in something that is no change: other batches, one pause, hidden kernels, another start."""

from __future__ import annotations

from nsys_llm_explainer import compare
from nsys_llm_explainer.comparison.value import Comparison, table
from nsys_llm_explainer.comparison.words import lead
from tests.comparison.conftest import Runs


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
