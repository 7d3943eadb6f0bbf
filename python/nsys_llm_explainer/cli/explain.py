"""Explains one trace: analyses it, writes the report, prints the summary."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from nsys_llm_explainer.api import analyze
from nsys_llm_explainer.cli.arguments import default_out
from nsys_llm_explainer.cli.progress import ProgressBar
from nsys_llm_explainer.nsys_export import is_report, sqlite_of
from nsys_llm_explainer.phase_map import load_phase_map
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape import terminal
from nsys_llm_explainer.render.outputs import MARKDOWN, csv_name
from nsys_llm_explainer.render.place import check_directory
from nsys_llm_explainer.render.terminal import summary_lines
from nsys_llm_explainer.render.terminal_bars import coloured
from nsys_llm_explainer.report import Report


def run_explain(options: argparse.Namespace) -> Report:
    """Runs ``nsys-llm-explain TRACE`` and returns the report that it wrote."""
    out = Path(options.out or default_out(options.trace))
    check_directory(out)
    if options.perfetto is not None:
        from nsys_llm_explainer.cli.perfetto import check, export  # noqa: PLC0415 - an optional extra

        check(options, out)
    perfetto = None
    phases = None if options.phase_map is None else dict(load_phase_map(options.phase_map))
    with sqlite_of(options.trace) as path, ProgressBar() as progress:
        report = analyze(
            path,
            phase_map=phases,
            kernel_percentiles=not options.no_kernel_percentiles,
            nvtx_kernel_map=not options.no_nvtx_kernel_map,
            threads=options.threads,
            window=options.window,
            step_range=options.step_range,
            categories=options.categories,
            source=options.source,
            progress=progress,
        )
        if options.perfetto is not None:
            perfetto = export(options, path, report, progress)
    if is_report(options.trace):
        trace = {**report.trace, "path": options.trace, "file_bytes": Path(options.trace).stat().st_size}
        report = replace(report, trace=MappingProxyType(trace))
    if options.profile:
        print("\n".join(stage_lines(report)), file=sys.stderr)
    write_and_print(report, out, options)
    if perfetto is not None and not options.quiet:
        print(perfetto)
    return report


def stage_lines(report: Report) -> list[str]:
    """Returns one line per stage of the core, with its wall time; stages of one level may run side by side."""
    return [f"{fmt.duration(ns):>10}  {terminal.line(stage)}" for stage, ns in report.stages]


def write_and_print(report: Report, out: Path, options: argparse.Namespace) -> None:
    """Writes a report and prints its summary, which says where it lies."""
    written = report.write(out, options.formats, kernel_limit=options.kernel_limit)
    if options.quiet:
        return
    _show(report, summary_lines(report, _where(out, written)))


def _show(report: Report, lines: list[str]) -> None:
    if not sys.stdout.isatty():
        print("\n".join(lines))
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

    Console(highlight=False).print(coloured(report, lines), end="", soft_wrap=True)


def _where(out: Path, written: list[Path]) -> str:
    first = next((path for path in written if path.name == MARKDOWN), None)
    if first is not None:
        return str(first)
    return str(written[0]) if len(written) == 1 else f"{out}{os.sep} ({csv_name('*')})" if written else str(out)
