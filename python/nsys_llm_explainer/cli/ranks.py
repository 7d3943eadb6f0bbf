"""``nsys-llm-explain ranks``: traces of one job on one clock, and who is late."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from nsys_llm_explainer.cli.arguments import PROGRAM
from nsys_llm_explainer.cli.progress import ProgressBar
from nsys_llm_explainer.job import explain_ranks
from nsys_llm_explainer.job.outputs import MARKDOWN
from nsys_llm_explainer.job.terminal import summary_lines
from nsys_llm_explainer.job.value import FORMATS
from nsys_llm_explainer.render.place import check_directory

DEFAULT_OUT = "ranks_report"


def ranks_parser() -> argparse.ArgumentParser:
    """Returns the parser of ``nsys-llm-explain ranks``."""
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} ranks",
        allow_abbrev=False,
        description="Explains traces of one run that were captured on several nodes, or one for each rank: aligns "
        "their clocks by the collectives that they share, says how well, and names the rank that the others wait for.",
    )
    parser.add_argument("traces", metavar="TRACE", nargs="+", help="SQLite exports of the same run, at least two")
    parser.add_argument(
        "--out", metavar="DIR", default=DEFAULT_OUT, help="where the report goes (default: ./%(default)s)"
    )
    parser.add_argument(
        "--categories",
        metavar="FILE",
        help='JSON [["category", "REGEX"], ...]: kernel categories that are tried before the built-in ones; comm.* are '
        "collectives",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser


def run(argv: Sequence[str]) -> int:
    """Runs ``nsys-llm-explain ranks`` and returns the exit code."""
    parser = ranks_parser()
    options = parser.parse_args(argv)
    if len(options.traces) < 2:
        parser.error("ranks of one job need at least two traces; explain a single one without 'ranks'")
    out = Path(options.out)
    check_directory(out)
    with ProgressBar() as progress:
        report = explain_ranks(options.traces, categories=options.categories, progress=progress)
    written = report.write(out, FORMATS)
    if not options.quiet:
        where = next(str(path) for path in written if path.name == MARKDOWN)
        print("\n".join(summary_lines(report, where)))
    return 0
