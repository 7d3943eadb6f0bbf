"""The arguments of the command."""

from __future__ import annotations

import argparse
from pathlib import Path

from nsys_llm_explainer._native import __version__
from nsys_llm_explainer.api import Window
from nsys_llm_explainer.cli.window import parse_window
from nsys_llm_explainer.report import DEFAULT_KERNEL_LIMIT, FORMATS

PROGRAM = "nsys-llm-explain"
SOURCES = ("auto", "pages", "sqlite")
DEMO_OUT = "nsys_llm_demo"


def explain_parser() -> argparse.ArgumentParser:
    """Returns the parser of ``nsys-llm-explain TRACE``."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        allow_abbrev=False,
        description="Explains an Nsight Systems trace of LLM inference: what each GPU did, and what to look at next.",
        epilog=f"'{PROGRAM} demo' makes a small trace and explains it; '{PROGRAM} diff BEFORE AFTER' compares two; "
        "--help after either says more. Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 a condition of --fail-on was met.",
    )
    parser.add_argument(
        "trace",
        metavar="TRACE",
        help="an SQLite export (nsys export --type sqlite), or a .nsys-rep where nsys is on PATH",
    )
    parser.add_argument("--out", metavar="DIR", help="where the report goes (default: ./<name of TRACE>_report)")
    analysis = add_analysis_options(parser)
    analysis.add_argument("--threads", metavar="N", type=positive, help="threads to use (default: one per CPU)")
    analysis.add_argument(
        "--source",
        choices=SOURCES,
        default="auto",
        help="how rows are read: straight from the file's pages, or through SQLite; auto takes pages where the file is "
        "a plain database without a writer (default: %(default)s); the report is the same",
    )
    analysis.add_argument("--profile", action="store_true", help="print how long each stage took to stderr")
    _add_perfetto_option(add_output_options(parser))
    _add_gate_options(parser)
    _add_information_options(parser)
    return parser


def add_analysis_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds what decides what a report says of a trace, and returns the group."""
    analysis = parser.add_argument_group("analysis")
    analysis.add_argument(
        "--phase-map",
        "--phases-json",
        metavar="FILE",
        help='JSON {"phase": ["pattern", ...]}: NVTX ranges to phases; a pattern is a substring or re:REGEX',
    )
    analysis.add_argument(
        "--window",
        metavar="WINDOW",
        type=window_argument,
        help="analyse only this time: steady (the steady state of the engine's steps), nvtx:NAME (from the first start "
        "to the last end of the ranges of that name), all, or START:END on the trace's clock, where whole numbers are "
        "ns, 1.5 and 1.5s are seconds, ms, us and ns work too, and either side may be empty. Write --window=-1.5:2.0 "
        "for negative times",
    )
    analysis.add_argument(
        "--step-range",
        metavar="REGEX",
        help="names of the NVTX ranges that are the engine's steps; without it steps are looked for",
    )
    analysis.add_argument(
        "--categories",
        metavar="FILE",
        help='JSON [["category", "REGEX"], ...]: kernel categories that are tried before the built-in ones',
    )
    analysis.add_argument("--no-kernel-percentiles", action="store_true", help="leave out p50, p90, p99 of kernels")
    analysis.add_argument("--no-nvtx-kernel-map", action="store_true", help="do not attribute kernels to NVTX ranges")
    return analysis


def demo_parser() -> argparse.ArgumentParser:
    """Returns the parser of ``nsys-llm-explain demo``."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} demo",
        allow_abbrev=False,
        description="Makes a small trace like that of a vLLM server, without any download, and explains it.",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        default=DEMO_OUT,
        help="where demo.sqlite and its report go (default: ./%(default)s)",
    )
    parser.add_argument(
        "--seed", metavar="N", type=int, default=0, help="another seed makes another trace (default: 0)"
    )
    add_output_options(parser)
    return parser


def default_out(trace: str) -> str:
    """Returns the directory for the report of a trace where none is named."""
    return f"{Path(trace).stem}_report"


def add_output_options(parser: argparse.ArgumentParser, formats: tuple[str, ...] = FORMATS) -> argparse._ArgumentGroup:
    """Adds what is written and printed, and returns the group.

    Args:
        parser: The parser.
        formats: What is written where nothing is said.
    """
    output = parser.add_argument_group("output")
    output.add_argument(
        "--format",
        metavar="LIST",
        dest="formats",
        type=format_list,
        default=formats,
        help=f"what to write, of {','.join(FORMATS)} (default: {'all' if formats == FORMATS else ','.join(formats)})",
    )
    output.add_argument(
        "--kernel-limit",
        "--top-kernels",
        metavar="N",
        type=positive,
        default=DEFAULT_KERNEL_LIMIT,
        help="rows of the kernel table in report.md (default: %(default)s); report.json and CSV hold more",
    )
    output.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return output


def _add_perfetto_option(output: argparse._ArgumentGroup) -> None:
    output.add_argument(
        "--perfetto",
        metavar="FILE",
        help="also write the events of the window as a Perfetto trace, for ui.perfetto.dev; needs "
        "pip install 'nsys-llm-explainer[perfetto]'",
    )


def _add_information_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--print-schema",
        action="store_true",
        help="show what the export holds and what can be computed from it, and write nothing",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")


def _add_gate_options(parser: argparse.ArgumentParser) -> None:
    gate = parser.add_argument_group("gate")
    gate.add_argument(
        "--fail-on",
        metavar="EXPR",
        action="append",
        default=[],
        help="end with code 3 if a figure of report.json is like this: 'budget.idle_share > 20%%', "
        "'steps.decode.period_p50_ns > 12ms', 'gpu_devices[device_id=0].idle_share > 0.2', 'findings.high > 0', "
        "'findings.copy_bound.at_stake_share > 5%%'. Compares with > >= < <= == !=; a limit with a sign (+3%%, +200us) "
        "is relative to --baseline. Any row that is like this counts; so does a figure that was not captured. "
        "Repeat it for several",
    )
    gate.add_argument("--baseline", metavar="FILE", help="figures of an earlier run, from --save-baseline")
    gate.add_argument("--save-baseline", metavar="FILE", help="write the figures of this run, and nothing of its trace")
    gate.add_argument("--junit", metavar="FILE", help="write the conditions as the test cases of a JUnit XML file")


def positive(text: str) -> int:
    """Returns a whole number of at least 1, for the parser."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return value


def format_list(text: str, known: tuple[str, ...] = FORMATS) -> tuple[str, ...]:
    """Reads formats, separated by commas.

    Args:
        text: The formats.
        known: Those that there are.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
    return names


def window_argument(text: str) -> Window:
    """Returns a window, for the parser."""
    try:
        return parse_window(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
