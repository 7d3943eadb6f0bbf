"""report.json."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.render.json_ import Rows, json_text, report_json
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


@pytest.mark.parametrize("text", HOSTILE)
def test_columns_make_the_same_lines_as_rows(text: str) -> None:
    columns = {f"{text} %s": [text, None, "a\nb"], "share": [0.1, 1e16, 5e-324], "steady": [True, False, None]}
    rows = [dict(zip(columns, values)) for values in zip(*columns.values())]
    assert json_text({"rows": Rows(columns)}) == json_text({"rows": rows})


def test_a_table_without_rows_is_an_empty_list() -> None:
    assert json_text({"rows": Rows({"a": [], "b": []})}) == json_text({"rows": []})


def test_what_no_number_is_has_no_place_in_json() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_text([Rows({"share": [0.5, math.nan]})])
