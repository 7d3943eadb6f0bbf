"""examples/demo: what ``nsys-llm-explain demo`` writes and prints, at a fixed time and without a machine's folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nsys_llm_explainer import analyze
from nsys_llm_explainer.cli.arguments import DEMO_OUT
from nsys_llm_explainer.demo import DemoSpec, generate
from nsys_llm_explainer.render.outputs import MARKDOWN, report_files
from nsys_llm_explainer.render.terminal import summary_lines
from nsys_llm_explainer.report import DEFAULT_KERNEL_LIMIT, FORMATS

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo"
EPOCH = "1700000000"
SUMMARY = "summary.txt"
_TRACE = "demo.sqlite"


def demo_outputs(folder: Path) -> dict[str, bytes]:
    """Returns what belongs into examples/demo, by relative path; ``SOURCE_DATE_EPOCH`` is for the caller to fix.

    Args:
        folder: Where the trace is made. It is the current folder meanwhile, so that no path names it.
    """
    generate(folder / _TRACE, DemoSpec())
    with _inside(folder):
        report = analyze(_TRACE)
    # The page carries its chart library: too large for an example in the repository.
    formats = tuple(name for name in FORMATS if name != "html")
    files = report_files(report, formats, kernel_limit=DEFAULT_KERNEL_LIMIT)
    lines = summary_lines(report, f"{DEMO_OUT}/{MARKDOWN}")
    return {**files, SUMMARY: "\n".join([*lines, ""]).encode()}


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
