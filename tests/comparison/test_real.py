"""Real exports beside each other: the pair that belongs together, and pairs that do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest

from nsys_llm_explainer import Report, analyze, compare
from nsys_llm_explainer.comparison.judge import CALLED
from nsys_llm_explainer.comparison.outputs import comparison_files
from nsys_llm_explainer.comparison.terminal import summary_lines

OTHERS = ("mfu_2gpu_before", "a100_2.7b_cuda_graphs_graph_mode", "empty_capture", "old_no_metadata")


@lru_cache(maxsize=32)
def _report(path: Path) -> Report:
    return analyze(path)


def test_the_pair(trace_file: Callable[[str], Path]) -> None:
    comparison = compare(_report(trace_file("mfu_2gpu_before")), _report(trace_file("mfu_2gpu_after")))
    assert comparison.status == "limited"
    first, second = comparison.tables["devices"].rows()
    assert [round(first[f"{side}_idle_share"], 3) for side in ("before", "after")] == [0.087, 0.198]
    assert [round(second[f"{side}_idle_share"], 3) for side in ("before", "after")] == [0.105, 0.151]
    assert (first["verdict"], second["verdict"]) == ("more", "same")
    for text in ("GPU 0 is idle 19.8 % of its window, 8.7 % before (+11.1 points)", "GPU 1 is idle 15.1 %"):
        assert text in comparison.lead
    assert "mostly host code" in comparison.lead
    assert "before cudaLaunchKernel in aten::copy_" in comparison.lead
    causes = {
        row["bucket"]: row["change_share"]
        for row in comparison.tables["device_budget"].rows()
        if row["device"] == "GPU 0"
    }
    assert sum(change for bucket, change in causes.items() if bucket.startswith("idle.")) == pytest.approx(
        0.1108, abs=1e-4
    )
    assert causes["idle.host_code"] == pytest.approx(0.064, abs=0.001)
    assert causes["idle.launching"] == pytest.approx(0.039, abs=0.001)


def test_any_two(real_trace: Path, trace_file: Callable[[str], Path]) -> None:
    own = _report(real_trace)
    itself = compare(own, own)
    assert not [row for table in itself.tables.values() for row in table.rows() if row.get("verdict") in CALLED]
    for name in OTHERS:
        other = _report(trace_file(name))
        for comparison in (compare(own, other), compare(other, own), compare(own, other, allow_different=True)):
            files = comparison_files(comparison, ("md", "json", "csv"))
            assert json.loads(files["diff.json"])["lead"] == comparison.lead
            assert "None" not in comparison.lead
            assert summary_lines(comparison)
            if comparison.status == "not_comparable":
                assert comparison.changes == ()
                assert comparison.figures["regressions"] in ((0,), "not comparable")
