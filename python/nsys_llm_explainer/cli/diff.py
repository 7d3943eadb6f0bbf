"""``nsys-llm-explain diff BEFORE AFTER``: two traces side by side, and a gate on what changed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from nsys_llm_explainer.api import analyze, compare
from nsys_llm_explainer.cli.arguments import PROGRAM, format_list, positive, window_argument
from nsys_llm_explainer.cli.gate import FELL_SHORT, target
from nsys_llm_explainer.cli.progress import ProgressBar
from nsys_llm_explainer.comparison.gate import parsed, settle
from nsys_llm_explainer.comparison.noise import FLOOR
from nsys_llm_explainer.comparison.outputs import MARKDOWN
from nsys_llm_explainer.comparison.terminal import summary_lines
from nsys_llm_explainer.comparison.value import FORMATS
from nsys_llm_explainer.gate.check import Checked
from nsys_llm_explainer.gate.expression import Condition
from nsys_llm_explainer.gate.junit import junit_xml
from nsys_llm_explainer.nsys_export import is_report, sqlite_of
from nsys_llm_explainer.render.escape import terminal
from nsys_llm_explainer.render.place import check_directory, place
from nsys_llm_explainer.report import Report

OK = 0


def run(argv: Sequence[str]) -> int:
    """Runs ``nsys-llm-explain diff`` and returns the exit code: 0, or 3 where the gate fell short."""
    parser = diff_parser()
    options = parser.parse_args(argv)
    conditions, junit = _gate(options, parser)
    out = Path(options.out or f"{Path(options.before).stem}_{Path(options.after).stem}_diff")
    check_directory(out)
    before = _report(options, options.before)
    same = Path(options.before).resolve() == Path(options.after).resolve()
    after = before if same else _report(options, options.after)
    comparison = compare(before, after, floor=options.floor, allow_different=options.allow_different)
    results = settle(comparison, conditions)
    written = comparison.write(out, options.formats)
    if junit is not None:
        name = f"{comparison.before.name} and {comparison.after.name}"
        place({junit.name: junit_xml(results, name)}, junit.parent)
    if not options.quiet:
        print("\n".join(summary_lines(comparison, _where(out, written))))
    return _said(results)


def diff_parser() -> argparse.ArgumentParser:
    """Returns the parser of ``nsys-llm-explain diff``."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} diff",
        allow_abbrev=False,
        description="Compares two traces: whether they can be compared, what changed, by how much, how sure that is, "
        "and where idle time comes from.",
        epilog="Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 a condition of --fail-on was met.",
    )
    what = "an SQLite export, or a .nsys-rep where nsys is on PATH"
    parser.add_argument("before", metavar="BEFORE", help=f"the earlier run: {what}")
    parser.add_argument("after", metavar="AFTER", help="the later run")
    parser.add_argument("--out", metavar="DIR", help="where the comparison goes (default: ./<BEFORE>_<AFTER>_diff)")
    _add_analysis(parser)
    output = parser.add_argument_group("output")
    output.add_argument(
        "--format",
        metavar="LIST",
        dest="formats",
        type=partial(format_list, known=FORMATS),
        default=FORMATS,
        help=f"what to write, of {','.join(FORMATS)} (default: all)",
    )
    output.add_argument("--quiet", action="store_true", help="print nothing but errors")
    gate = parser.add_argument_group("gate")
    gate.add_argument(
        "--fail-on",
        metavar="EXPR",
        action="append",
        default=[],
        help="end with code 3 if a figure is like this. Figures of AFTER as without diff, where a limit with a sign is "
        "relative to BEFORE: 'steps.decode.period_p50_ns > +3%%'. Figures of the comparison: 'diff.regressions > 0', "
        "'diff.steps.decode.period_p50_change_share > 3%%', 'diff.steps.decode.period_p50_slower_share > 3%%' (0 "
        "inside the noise), 'diff.findings.new_high > 0', 'diff.kernels.new > 0'. A change that cannot be compared "
        "fails too. Repeat it for several",
    )
    gate.add_argument("--junit", metavar="FILE", help="write the conditions as the test cases of a JUnit XML file")
    return parser


def _add_analysis(parser: argparse.ArgumentParser) -> None:
    analysis = parser.add_argument_group("analysis")
    analysis.add_argument(
        "--window",
        metavar="WINDOW",
        type=window_argument,
        help="analyse only this time of both: steady, nvtx:NAME, all, or START:END on the trace's clock",
    )
    analysis.add_argument("--step-range", metavar="REGEX", help="names of the NVTX ranges that are the engine's steps")
    analysis.add_argument("--categories", metavar="FILE", help="kernel categories that are tried before the built-in")
    analysis.add_argument("--threads", metavar="N", type=positive, help="threads to use (default: one per CPU)")
    analysis.add_argument(
        "--floor",
        metavar="PART",
        type=_floor,
        default=FLOOR,
        help="changes of less than this part are not called any, as two runs of the same thing may differ by as much "
        "(default: 3%%)",
    )
    analysis.add_argument(
        "--allow-different",
        action="store_true",
        help="compare all the same where GPUs, capture or steps differ so that figures do not compare",
    )


def _gate(options: argparse.Namespace, parser: argparse.ArgumentParser) -> tuple[tuple[Condition, ...], Path | None]:
    try:
        conditions = tuple(parsed(text) for text in options.fail_on)
        if options.junit is not None and not conditions:
            raise ValueError("--junit needs --fail-on")  # noqa: TRY301 - told like the other wrong uses
        return conditions, target(options.junit)
    except (ValueError, OSError) as error:
        parser.error(terminal.line(str(error)))


def _report(options: argparse.Namespace, trace: str) -> Report:
    with sqlite_of(trace) as path, ProgressBar() as progress:
        report = analyze(
            path,
            window=options.window,
            step_range=options.step_range,
            categories=options.categories,
            threads=options.threads,
            progress=progress,
        )
    if is_report(trace):
        facts = {**report.trace, "path": trace, "file_bytes": Path(trace).stat().st_size}
        report = replace(report, trace=MappingProxyType(facts))
    return report


def _said(results: Sequence[Checked]) -> int:
    failed = [result for result in results if not result.passed]
    for result in failed:
        print(f"gate: {terminal.line(f'{result.condition}: {result.reason}')}", file=sys.stderr)
    return FELL_SHORT if failed else OK


def _where(out: Path, written: Sequence[Path]) -> str:
    first = next((path for path in written if path.name == MARKDOWN), None)
    return str(first) if first is not None else f"{out}{os.sep}"


def _floor(text: str) -> float:
    stripped = text.strip()
    try:
        value = float(stripped[:-1]) / 100 if stripped.endswith("%") else float(stripped)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no part of 1 such as 3% or 0.03")
    return value
