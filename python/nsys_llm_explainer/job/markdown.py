"""ranks.md: the report on ranks for a reader who has two minutes."""

from __future__ import annotations

from collections.abc import Iterable

from nsys_llm_explainer.job.shown import ShownTable, shown_tables
from nsys_llm_explainer.job.value import RankReport
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape.markdown import code, prose


def ranks_markdown(report: RankReport) -> str:
    """Returns the text of ranks.md."""
    files = fmt.counted(len(report.files), "file")
    lines = [f"# Ranks of one job: {files}, {fmt.counted(len(report.ranks), 'GPU')}", "", prose(report.headline), ""]
    lines += ["## Who is late", ""]
    for verdict in report.verdicts:
        lines += [prose(verdict.text), ""]
        if verdict.facts:
            lines += [*_bullets(verdict.facts), ""]
    if not report.verdicts:
        lines += ["No two ranks share a collective: nobody can be said to wait for anybody.", ""]
    if report.warnings:
        lines += ["## Warnings", "", *_bullets(report.warnings), ""]
    for table in shown_tables(report):
        lines += _table(table)
    lines += ["## How the clocks were aligned", "", *_bullets(report.method)]
    return "\n".join(lines).rstrip() + "\n"


def _bullets(items: Iterable[str]) -> list[str]:
    return [f"- {prose(item)}" for item in items]


def _table(table: ShownTable) -> list[str]:
    lines = [
        f"## {table.caption}",
        "",
        "| " + " | ".join(head.text for head in table.heads) + " |",
        "| " + " | ".join("---" if head.is_text else "---:" for head in table.heads) + " |",
    ]
    for row in table.rows:
        cells = (_cell(text, is_text=head.is_text, is_name=head.is_name) for text, head in zip(row, table.heads))
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("")
    return [*lines, table.more, ""] if table.more else lines


def _cell(text: str, *, is_text: bool, is_name: bool) -> str:
    if text == fmt.ABSENT:
        return text
    if is_name:
        return code(text)
    return prose(text) if is_text else text
