"""tables/<table>.csv."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.render.csv_ import table_csv
from nsys_llm_explainer.render.escape.csv import FORMULA_STARTS


def _read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_same_figures_as_the_table(trace_file) -> None:
    report = analyze(trace_file("mfu_2gpu_before"))
    for section in report.sections.values():
        for table in section.tables.values():
            rows = _read(table_csv(table))
            assert len(rows) == len(table)
            for read, row in zip(rows, table.rows()):
                for name, value in row.items():
                    assert read[name] == _expected(value), name


def _expected(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return "'" + text if isinstance(value, str) and text.startswith(FORMULA_STARTS) else text


def test_hostile_names_are_no_formulas(hostile_report: Report) -> None:
    for section in hostile_report.sections.values():
        for table in section.tables.values():
            text_columns = [column["name"] for column in table.columns if column["type"] == "text"]
            rows = _read(table_csv(table))
            assert len(rows) == len(table)
            assert not [row for row in rows for name in text_columns if row[name].startswith(FORMULA_STARTS)]


def test_negative_numbers_stay_numbers(trace_file: Path) -> None:
    report = analyze(trace_file("duplicate_correlation_id"))
    rows = _read(table_csv(report.sections["gpu_idle"].tables["gpu_devices"]))
    assert all(int(row["window_start_ns"]) for row in rows)
