"""The summary on the terminal: who is late, how far that can be trusted, and where the report lies."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from nsys_llm_explainer.job.value import RankReport
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape import terminal
from nsys_llm_explainer.render.terminal import WIDTH

_MOST_RANKS = 8
_MOST_WARNINGS = 4
_NAME = 28


def summary_lines(report: RankReport, written: str | None = None) -> list[str]:
    """Returns the lines to print.

    Args:
        report: The report.
        written: Where the report was written, None if it was not.
    """
    lines = [f"{fmt.counted(len(report.files), 'file')}, {fmt.counted(len(report.ranks), 'GPU')}"]
    lines += _wrapped(report.headline)
    for verdict in report.verdicts:
        lines += ["", *_wrapped(verdict.text)]
        lines += [line for fact in verdict.facts for line in _wrapped(fact, "- ")]
    lines += ["", *_ranks(report)]
    warnings = report.warnings[:_MOST_WARNINGS]
    lines += [line for text in warnings for line in _wrapped(text, "warning: ")]
    if len(report.warnings) > len(warnings):
        lines.append(f"and {fmt.counted(len(report.warnings) - len(warnings), 'more warning')} in the report")
    if written is not None:
        lines.append(f"Report: {terminal.line(written)}")
    return lines


def _wrapped(text: str, head: str = "") -> list[str]:
    safe = terminal.line(text)
    return textwrap.wrap(safe, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False)


def _ranks(report: RankReport) -> Iterator[str]:
    """Yields the ranks for which others wait longest."""
    waiting = [(rank, rank.waits) for rank in report.ranks if rank.waits is not None]
    if not waiting:
        return
    waiting.sort(key=lambda pair: (-pair[1].caused_wait_ns, pair[0].number))
    yield f"{'rank':<{_NAME}} {'waits':>10} {'is last':>9} {'others wait':>12} {'compute':>9}"
    for rank, own in waiting[:_MOST_RANKS]:
        compute = fmt.ABSENT if rank.budget is None else fmt.percent(rank.budget.share("compute"))
        yield (
            f"{terminal.pad(rank.name, _NAME)} {fmt.duration(own.wait_ns):>10} {fmt.count(own.late):>9} "
            f"{fmt.duration(own.caused_wait_ns):>12} {compute:>9}"
        )
    if len(waiting) > _MOST_RANKS:
        yield f"and {fmt.counted(len(waiting) - _MOST_RANKS, 'more rank')} in the report"
    yield ""
