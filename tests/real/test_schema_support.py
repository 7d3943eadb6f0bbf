"""docs/schema-support.md says what the real exports show (``make golden``), and nothing about whose they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nsys_llm_explainer import analyze
from tests.real.schema_support import PAGE, generated
from tests.support.traces import TRACE_NAMES


@pytest.fixture(scope="module")
def text(traces_dir: Path) -> str:
    assert traces_dir.is_dir()
    return generated()


def test_the_page_is_fresh(text: str) -> None:
    assert text == PAGE.read_text(encoding="utf-8"), "docs/schema-support.md is stale: run make golden"


def test_every_export_is_counted(text: str) -> None:
    table = text[text.index("| export schema | Nsight Systems") : text.index("## What was missing")]
    counts = [int(row.split("|")[4]) for row in table.splitlines()[2:] if row.startswith("|")]
    assert sum(counts) == len(TRACE_NAMES)


def test_every_gap_has_a_flag_that_closes_it(text: str) -> None:
    table = text[text.index("| why |") : text.index("## What exports do not say")]
    rows = [row for row in table.splitlines()[2:] if row]
    assert rows
    assert all("Capture it with --" in row or "with --step-range" in row for row in rows)


def test_names_of_traces_and_processes_stay_out(text: str, traces_dir: Path) -> None:
    words = set(re.findall(r"[\w./-]+", text[text.index("# Schema support") :]))
    assert words.isdisjoint(TRACE_NAMES)
    for path in sorted(traces_dir.glob("*.sqlite")):
        names = {process["name"] for process in analyze(path).trace["processes"] if process["name"]}
        assert words.isdisjoint(names)
