"""report.json."""

from __future__ import annotations

import json
from pathlib import Path

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.render.json_ import report_json
from tests.render.hostile import HOSTILE


def test_says_what_the_report_says(real_trace: Path) -> None:
    report = analyze(real_trace)
    assert json.loads(report_json(report)) == json.loads(json.dumps(report.to_dict()))


def test_is_ascii_with_one_row_per_line(hostile_report: Report) -> None:
    text = report_json(hostile_report)
    assert text.isascii()
    rows = [line for line in text.splitlines() if line.strip().startswith('{"kernel_name"')]
    assert len(rows) >= len(HOSTILE)


def test_full_names_survive(hostile_report: Report) -> None:
    rows = json.loads(report_json(hostile_report))["sections"]["kernels"]["tables"]["kernels"]["rows"]
    assert "x" * 12_000 in {row["kernel_name"] for row in rows}
