"""Windows by name: the steady state, the ranges of a name, the whole; and steps by a name of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nsys_llm_explainer import analyze
from tests.findings.scene import MS, US, Worker, decode
from tests.support.export import Export


@pytest.fixture
def served(export_file: Any) -> Path:
    """A warm-up of 100 ms steps, 40 steady steps of 3 ms, and a range around part of them."""
    export = Export()
    worker = Worker(export)
    for _ in range(3):
        decode(worker, 1, between=100 * MS)
    began = worker.gpu
    decode(worker, 40, between=1 * MS)
    export.nvtx("measured", began + 20 * MS, began + 50 * MS)
    export.nvtx("measured", began + 60 * MS, began + 80 * MS, tid=7)
    return export_file(export)


def test_steady(served: Path) -> None:
    whole = analyze(served)
    steps = whole.sections["steps"].summary
    steady = analyze(served, window="steady")
    assert steady.window["source"] == "steady"
    assert (steady.window["start_ns"], steady.window["end_ns"]) == (steps["steady_start_ns"], steps["steady_end_ns"])
    idle = [report.sections["budget"].summary["idle_share"] for report in (whole, steady)]
    assert idle[0] > 0.7
    assert idle[1] == pytest.approx(1 / 3, abs=0.02)


def test_all_is_the_whole(served: Path) -> None:
    assert dict(analyze(served, window="all").window) == dict(analyze(served).window)


def test_ranges_of_a_name(served: Path) -> None:
    report = analyze(served, window="nvtx:measured")
    assert report.window["source"] == "nvtx"
    assert report.window["end_ns"] - report.window["start_ns"] == 60 * MS


def test_a_name_that_no_range_has(served: Path) -> None:
    with pytest.raises(ValueError, match="no NVTX range is named 'nothing'"):
        analyze(served, window="nvtx:nothing")


@pytest.mark.parametrize("window", ["", "steadily", "nvtx:", "1:2"])
def test_a_window_that_is_none(served: Path, window: str) -> None:
    with pytest.raises(ValueError, match="is no window: expected steady, all, nvtx:NAME"):
        analyze(served, window=window)


def test_no_steady_window_says_why_and_what_would_help(export_file: Any) -> None:
    path = export_file(Export().kernel("a", 0, 10).kernel("b", 20, 5_000_000))
    with pytest.raises(ValueError, match="no steady window") as caught:
        analyze(path, window="steady")
    assert "--step-range" in str(caught.value)


def test_steps_by_a_name_of_the_user(export_file: Any) -> None:
    export = Export()
    worker = Worker(export)
    for number in range(12):
        decode(worker, 1, between=200 * US, text=f"my iteration {number}")
    path = export_file(export)
    summary = analyze(path, step_range="^my iteration").sections["steps"].summary
    assert (summary["source"], summary["steps"], summary["confidence"]) == ("step_range", 12, "high")
    with pytest.raises(ValueError, match="step"):
        analyze(path, step_range="(")
