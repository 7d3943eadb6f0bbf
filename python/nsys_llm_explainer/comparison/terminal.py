"""The summary on the terminal: one screen at most."""

from __future__ import annotations

import textwrap

from nsys_llm_explainer.comparison.layout import no_changes
from nsys_llm_explainer.comparison.value import LIMITED, Comparison
from nsys_llm_explainer.render.escape import terminal

WIDTH = 80
HEIGHT = 24


def summary_lines(comparison: Comparison, written: str | None = None) -> list[str]:
    """Returns the lines to print: the verdict, whether the two can be compared, what changed, the report's place.

    Args:
        comparison: The comparison.
        written: Where it was written, None if it was not.
    """
    head = [
        terminal.line(f"before  {comparison.before.name}", WIDTH),
        terminal.line(f"after   {comparison.after.name}", WIDTH),
        "",
        *_wrapped(comparison.lead),
        "",
    ]
    tail = [] if written is None else ["", f"Comparison: {terminal.line(written)}"]
    if comparison.status == LIMITED and comparison.reasons and comparison.reasons[0] not in comparison.lead:
        head += [*_wrapped(comparison.reasons[0], "limit   "), ""]
    room = HEIGHT - len(head) - len(tail)
    return [*head, *_fitting(comparison, max(2, room)), *tail]


def _fitting(comparison: Comparison, room: int) -> list[str]:
    if not comparison.changes:
        return _wrapped(no_changes(comparison))
    lines: list[str] = []
    for number, text in enumerate(comparison.changes):
        more = _wrapped(text, "- ")
        if len(lines) + len(more) > room - 1:
            return [*lines, f"and {len(comparison.changes) - number} more in the comparison"]
        lines += more
    return lines


def _wrapped(text: str, head: str = "") -> list[str]:
    lines = textwrap.wrap(
        terminal.line(text), WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
    )
    return [terminal.line(line, WIDTH) for line in lines]
