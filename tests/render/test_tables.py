"""The tables that renderers share say what those of the core say."""

from __future__ import annotations

from pathlib import Path

from nsys_llm_explainer import analyze
from nsys_llm_explainer.render.tables import Tables


def test_they_are_the_tables_of_the_core(real_trace: Path) -> None:
    report = analyze(real_trace)
    tables = Tables(report)
    core = [table for section in report.sections.values() for table in section.tables.values()]
    shared = list(tables.all())
    assert len(shared) == len(core)
    for held, table in zip(shared, core):
        assert (held.name, held.columns, held.total_rows, len(held)) == (
            table.name,
            table.columns,
            table.total_rows,
            len(table),
        )
        assert held.to_pydict() == table.to_pydict()
        assert held.rows() == table.rows()


def test_they_are_taken_over_once(real_trace: Path) -> None:
    tables = Tables(analyze(real_trace))
    first = [(table.rows(), table.to_pydict()) for table in tables.all()]
    again = [(table.rows(), table.to_pydict()) for table in tables.all()]
    assert all(one is two for pair, other in zip(first, again) for one, two in zip(pair, other))


def test_what_is_missing_has_no_rows(trace_file) -> None:
    tables = Tables(analyze(trace_file("empty_capture")))
    assert tables.rows("steps", "steps") == []
    assert tables.rows("no_section", "no_table") == []
