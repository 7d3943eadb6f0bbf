"""report.md."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.render.escape.markdown import prose
from nsys_llm_explainer.render.markdown import report_markdown
from nsys_llm_explainer.render.terminal import summary_lines
from nsys_llm_explainer.sections import SECTIONS
from tests.findings.scene import MS, Worker, decode
from tests.support.export import Export

READER = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")
KERNEL_HEADER = "| kernel_name | device_id | total_ms | calls | avg_us | p50_us | p90_us | pct_kernel_time |"


def _headings(text: str) -> list[str]:
    lines = text.splitlines()
    return [line for line in lines if line.startswith("## ")]


def _table(text: str, header: str) -> list[str]:
    lines = text.splitlines()
    first = lines.index(header)
    return lines[first + 2 : lines.index("", first)]


def test_hostile_names_make_no_markup(hostile_report: Report) -> None:
    text = report_markdown(hostile_report)
    tokens = READER.parse(text)
    kinds = {token.type for token in tokens} | {child.type for token in tokens for child in token.children or ()}
    assert not kinds & {
        "html_block",
        "html_inline",
        "link_open",
        "image",
        "em_open",
        "s_open",
        "blockquote_open",
    }
    commands = {f"{recipe.command}\n{recipe.export}\n" for recipe in hostile_report.capture.recipes}
    assert {token.content for token in tokens if token.type == "fence"} <= commands
    assert text.isprintable() or set(text) - {"\n"} == {c for c in text if c.isprintable()}
    widths = {}
    for line in text.splitlines():
        if line.startswith("|"):
            cells = line.replace("\\|", "").count("|")
            widths.setdefault(cells, line)
    assert widths


def test_every_row_has_as_many_cells_as_its_header(hostile_report: Report) -> None:
    tokens = READER.parse(report_markdown(hostile_report))
    heads, rows = 0, []
    for token in tokens:
        if token.type == "table_open":
            heads, rows = 0, []
        heads += token.type == "th_open"
        if token.type == "tr_open":
            rows.append(0)
        if token.type == "td_open":
            rows[-1] += 1
        if token.type == "table_close":
            assert set(rows[1:]) <= {heads}


def test_reads_top_to_bottom(trace_file) -> None:
    text = report_markdown(analyze(trace_file("h100_2gpu_1s")))
    headings = _headings(text)
    titles = [f"## {view.title}" for view in SECTIONS]
    assert text.startswith("# GPU report: ")
    assert headings[:5] == ["## Warnings", "## Verdict", "## What to do next", *titles[:2]]
    assert headings[5:] == ["## The trace", *titles[2:]]
    assert "Not available in this report:" in text
    assert "--phase-map" in text


def test_kernel_columns_and_limit(trace_file) -> None:
    report = analyze(trace_file("mfu_2gpu_before"))
    assert len(_table(report_markdown(report), KERNEL_HEADER)) == 30
    text = report_markdown(report, kernel_limit=5)
    assert len(_table(text, KERNEL_HEADER)) == 5
    total = report.sections["kernels"].tables["kernels"].total_rows
    assert f"Rows 1 to 5 of {total}; more in tables/kernels.csv." in text


def test_split_tables_only_where_they_split(trace_file) -> None:
    assert "Kernels of each process" in report_markdown(analyze(trace_file("mfu_2gpu_before")))
    assert "Kernels of each process" not in report_markdown(analyze(trace_file("a100_llm_forward_nvtx")))


def test_says_first_that_nothing_was_captured(trace_file) -> None:
    text = report_markdown(analyze(trace_file("runtime_without_kernels")))
    before_sections = text[: text.index("## The trace")]
    assert "No GPU activity was captured" in before_sections
    assert "nsys profile --trace=cuda" in before_sections


def test_healthy_only_as_far_as_it_reaches(export_file) -> None:
    export = Export()
    for number in range(100):
        export.kernel(f"k{number % 10}", number * 100_000, (number + 1) * 100_000, corr=number + 1)
    text = report_markdown(analyze(export_file(export)))
    assert "holds only as far as this capture reaches" in text
    assert "no data for: steps, " in text


def test_leads_with_the_verdict_the_budget_and_the_steps(export_file) -> None:
    export = Export()
    decode(Worker(export), between=MS)
    text = report_markdown(analyze(export_file(export)))
    verdict = text[text.index("## Verdict") : text.index("## What to do next")]
    assert "waits 33.4 % of each decode step for the host between steps" in verdict
    first = text[text.index("### 1. HIGH") : text.index("## Time budget")]
    for heading in ("What it usually means", "Evidence", "What to do", "How to verify", "What would contradict it"):
        assert f"{heading}:" in first
    assert text.index("| 0 | idle.host_code |") < text.index("| 0 | 100 | decode |") < text.index("## The trace")


def test_a_failed_check_stands_first(export_file) -> None:
    report = analyze(export_file(Export().kernel("k", 0, 2_000_000)))
    failed = {"code": "check_failed", "message": "busy + idle is not the window", "section": "checks"}
    text = report_markdown(replace(report, warnings=(*report.warnings, failed)))
    assert text[text.index("## Warnings") :].splitlines()[2] == "- busy + idle is not the window"
    assert "WARNING: busy + idle is not the window" in summary_lines(replace(report, warnings=(failed,)))


@pytest.mark.parametrize("name", ["h100_2gpu_1s", "a100_2.7b_cuda_graphs_graph_mode"])
def test_warnings_stand_in_full(trace_file, name: str) -> None:
    report = analyze(trace_file(name))
    text = report_markdown(report)
    for warning in report.warnings:
        assert prose(str(warning["message"])) in text


def test_every_real_trace_renders(real_trace: Path) -> None:
    text = report_markdown(analyze(real_trace))
    assert "None" not in text.replace("None.", "")
    assert "nan" not in text.split()
