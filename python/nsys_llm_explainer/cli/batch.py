"""``nsys-llm-explain batch``: many traces, a report each and one over all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nsys_llm_explainer.cli.arguments import (
    PROGRAM,
    add_analysis_options,
    add_output_options,
    positive,
)
from nsys_llm_explainer.cli.progress import ProgressBar
from nsys_llm_explainer.fleet.memory import parse_size
from nsys_llm_explainer.fleet.result import TraceResult
from nsys_llm_explainer.fleet.terminal import fleet_lines
from nsys_llm_explainer.fleet.work.batch import Means, checked_options, run_batch, section_makers
from nsys_llm_explainer.fleet.work.task import FORMATS
from nsys_llm_explainer.render.escape import terminal

OK = 0
FAILED = 1


def run(argv: Sequence[str]) -> int:
    """Runs ``nsys-llm-explain batch`` and returns the exit code."""
    options = parser().parse_args(argv)
    checked = checked_options(
        options.formats,
        kernel_limit=options.kernel_limit,
        phase_map=options.phase_map,
        kernel_percentiles=not options.no_kernel_percentiles,
        nvtx_kernel_map=not options.no_nvtx_kernel_map,
        window=options.window,
        step_range=options.step_range,
        categories=options.categories,
    )
    with ProgressBar() as progress:
        means = Means(
            jobs=options.jobs,
            threads=options.threads,
            memory=options.memory,
            resume=options.resume,
            cluster=options.dask,
            progress=lambda name, done, total: progress(terminal.line(name), done, total),
            note=None if options.quiet else _note,
        )
        makers = section_makers(options.out, checked, ranks=options.ranks)
        fleet = run_batch(options.traces, options.out, checked, means, makers)
    if options.quiet:
        for trace in fleet.failed:
            print(f"error: {terminal.line(f'{trace.path}: {_why(trace)}')}", file=sys.stderr)
    else:
        print("\n".join(fleet_lines(fleet, Path(options.out))))
    return FAILED if fleet.failed and not options.keep_going else OK


def parser() -> argparse.ArgumentParser:
    """Returns the parser of ``nsys-llm-explain batch``."""
    made = argparse.ArgumentParser(
        prog=f"{PROGRAM} batch",
        allow_abbrev=False,
        description="Explains many traces: a report of each in a folder of its own, and one over all of them.",
        epilog="Exit codes: 0 ok, 1 a trace failed (with --keep-going: 0) or the job did, 2 wrong usage.",
    )
    made.add_argument(
        "traces",
        metavar="TRACE",
        nargs="+",
        help="SQLite exports, folders of them (with all below), or quoted patterns; .nsys-rep where nsys is on PATH",
    )
    made.add_argument("--out", metavar="DIR", required=True, help="where the reports go")
    job = made.add_argument_group("job")
    job.add_argument("--jobs", metavar="N", type=positive, help="worker processes (default: one per CPU)")
    job.add_argument(
        "--threads",
        metavar="N",
        type=positive,
        help="threads of each worker (default: what the CPUs allow; 1 with as many workers as CPUs)",
    )
    job.add_argument(
        "--memory",
        metavar="LIMIT",
        type=_size,
        help="what all workers together may take, such as 8GB; a trace starts where its estimate fits (default: four "
        "fifths of what is free, within the limits of control groups)",
    )
    job.add_argument("--keep-going", action="store_true", help="exit code 0 also where a trace failed")
    job.add_argument(
        "--resume",
        action="store_true",
        help="leave reports alone that are done, of the same trace and the same options",
    )
    job.add_argument(
        "--ranks",
        action="store_true",
        help="the traces are of one job, captured on several nodes or one for each rank: align their clocks by the "
        "collectives that they share and name the rank that the others wait for (ranks.md, ranks.html)",
    )
    job.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="the workers of this Dask scheduler do the work, such as tcp://host:8786; they must share the filesystem",
    )
    add_analysis_options(made)
    add_output_options(made, FORMATS)
    return made


def _note(text: str) -> None:
    print(f"note: {terminal.line(text)}", file=sys.stderr)


def _why(trace: TraceResult) -> str:
    return ": ".join(trace.error or ())


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
