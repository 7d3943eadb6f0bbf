"""Command lines as recommendations: what to capture again with, for each engine that the trace may be of."""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings.case import Case


def of(case: Case) -> Iterator[str]:
    """Yields one recommendation per engine with its command, as the capture advice has it."""
    for recipe in case.report.capture.recipes:
        yield f"{recipe.title}: {recipe.one_line}"
