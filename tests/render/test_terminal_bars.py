"""The summary in colour."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.render.terminal import WIDTH, summary_lines
from nsys_llm_explainer.render.terminal_bars import BLOCK, bar, coloured


@pytest.fixture(scope="module")
def mfu(trace_file: Callable[[str], Path]) -> Report:
    return analyze(trace_file("mfu_2gpu_before"))


def _printed(report: Report, **options: object) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=WIDTH, highlight=False, **options)  # type: ignore[arg-type]
    console.print(coloured(report, summary_lines(report)), end="", soft_wrap=True)
    return stream.getvalue()


def test_a_bar_has_its_width_whatever_the_shares() -> None:
    for share in (0.0, 0.001, 0.333, 0.5, 0.999, 1.0):
        parts = {"compute": share, "communication": (1 - share) / 2, "copy": 0.0, "idle": (1 - share) / 2}
        assert bar(parts, 40).plain.strip() == BLOCK * 40


def test_each_gpu_has_a_bar_and_no_line_is_too_wide(mfu: Report) -> None:
    text = _printed(mfu)
    assert sum(BLOCK * 10 in line for line in text.splitlines()) == 2
    assert max(map(len, text.splitlines())) <= WIDTH
    plain = [line for line in text.splitlines() if BLOCK not in line]
    assert plain == [line.rstrip() for line in summary_lines(mfu)]


def test_colour_only_where_it_is_shown(mfu: Report) -> None:
    assert "\x1b[" not in _printed(mfu)
    assert "\x1b[32m" in _printed(mfu, force_terminal=True, color_system="standard", no_color=False)


def test_markup_in_names_stays_text(hostile_report: Report) -> None:
    assert "[link" not in _printed(hostile_report)
    _printed(hostile_report, force_terminal=True)
