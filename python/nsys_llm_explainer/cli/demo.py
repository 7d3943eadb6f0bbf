"""``nsys-llm-explain demo``: a generated trace, explained."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from nsys_llm_explainer.api import analyze
from nsys_llm_explainer.cli.arguments import demo_parser
from nsys_llm_explainer.cli.explain import write_and_print
from nsys_llm_explainer.cli.progress import ProgressBar
from nsys_llm_explainer.demo import DemoSpec, generate
from nsys_llm_explainer.render.place import STAGE_PREFIX, check_directory

TRACE_NAME = "demo.sqlite"


def run(argv: Sequence[str]) -> int:
    """Runs ``nsys-llm-explain demo`` and returns the exit code."""
    options = demo_parser().parse_args(argv)
    out = Path(options.out)
    check_directory(out)
    out.mkdir(parents=True, exist_ok=True)
    trace = out / TRACE_NAME
    with tempfile.TemporaryDirectory(prefix=STAGE_PREFIX, dir=out) as stage:
        made = Path(stage) / TRACE_NAME
        generate(made, DemoSpec(seed=options.seed))
        made.replace(trace)
    with ProgressBar() as progress:
        report = analyze(trace, progress=progress)
    write_and_print(report, out, options)
    return 0
