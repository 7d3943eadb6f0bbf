"""diff.md: the verdict first, then what changed, where idle time comes from, and every table."""

from __future__ import annotations

from collections.abc import Iterable

from nsys_llm_explainer.comparison.layout import BLOCKS, CAVEAT, no_changes, status_words
from nsys_llm_explainer.comparison.value import Comparison, DiffTable
from nsys_llm_explainer.render.escape.markdown import prose
from nsys_llm_explainer.render.markdown_tables import table_lines


def comparison_markdown(comparison: Comparison) -> str:
    """Returns the text of diff.md."""
    lines = [
        f"# Comparison: {prose(comparison.before.name)} and {prose(comparison.after.name)}",
        "",
        prose(comparison.lead),
        "",
        CAVEAT,
        "",
        "## What changed",
        "",
        *(_bullets(comparison.changes) or [no_changes(comparison)]),
        "",
    ]
    if comparison.origins:
        lines += ["## Where idle time comes from", "", *_bullets(comparison.origins), ""]
    lines += ["## Can they be compared", "", status_words(comparison), ""]
    if comparison.reasons:
        lines += [*_bullets(comparison.reasons), ""]
    if comparison.differences:
        lines += _table(comparison.tables["differences"])
    for _, title, names in BLOCKS:
        shown = [comparison.tables[name] for name in names if comparison.tables[name].held]
        shown = [table for table in shown if table.spec.rows]
        if shown:
            lines += [f"## {title}", ""]
        for table in shown:
            lines += _table(table)
    lines += ["## How to read this", "", *_bullets(comparison.notes), ""]
    for heading, side in (("Before", comparison.before), ("After", comparison.after)):
        lines += [f"## {heading}", "", *(f"- {name}: {prose(text)}" for name, text in side.facts), ""]
    return "\n".join(lines).rstrip() + "\n"


def _bullets(texts: Iterable[str]) -> list[str]:
    return [f"- {prose(text)}" for text in texts]


def _table(table: DiffTable) -> list[str]:
    lines = table_lines(table.spec.view, table, table.spec.rows)
    return [*lines[:2], table.spec.reading, "", *lines[2:]]
