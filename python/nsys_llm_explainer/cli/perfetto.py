"""``--perfetto FILE``: the events of the report's window as a Perfetto trace, beside the report."""

from __future__ import annotations

import argparse
from pathlib import Path

from nsys_llm_explainer.api import ProgressCallback, open_trace
from nsys_llm_explainer.category_rules import load_categories
from nsys_llm_explainer.perfetto_export.export import check_target, write_perfetto
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape import terminal
from nsys_llm_explainer.render.outputs import HTML, JSON, MARKDOWN
from nsys_llm_explainer.report import Report, StrPath


def check(options: argparse.Namespace, out: Path) -> None:
    """Makes sure that the file can be written before the trace is read.

    Args:
        options: Those of the command.
        out: Where the report goes.

    Raises:
        MissingExtraError: The package perfetto is not installed.
        OSError: The path is no place for a file.
        ValueError: The path is the trace itself, or one that the report takes.
    """
    check_target(options.perfetto, options.trace)
    target, folder = Path(options.perfetto).resolve(), out.resolve()
    if target in (folder, *(folder / name for name in (MARKDOWN, JSON, HTML))):
        raise ValueError(f"{options.perfetto}: the report goes there; name another file for --perfetto")


def export(options: argparse.Namespace, path: StrPath, report: Report, progress: ProgressCallback) -> str:
    """Writes the Perfetto trace of the report's window, and returns the line that says so."""
    chosen = report.window["source"] != "trace"
    written = write_perfetto(
        open_trace(path, source=options.source),
        options.perfetto,
        (report.window["start_ns"], report.window["end_ns"]) if chosen else None,
        threads=options.threads,
        step_range=options.step_range,
        categories=None if options.categories is None else load_categories(options.categories)[0],
        progress=progress,
    )
    events = fmt.count(sum(written.slices.values()))
    shifted = f", {fmt.duration(written.shifted_ns)} later than in the trace" if written.shifted_ns else ""
    return terminal.line(f"perfetto: {written.path} ({events} events{shifted}); open it in ui.perfetto.dev")
