"""Chooses what to do, and turns what went wrong into one line and an exit code."""

from __future__ import annotations

import importlib
import io
import sys
from collections.abc import Mapping, Sequence

from nsys_llm_explainer.cli.arguments import explain_parser
from nsys_llm_explainer.cli.explain import run_explain
from nsys_llm_explainer.cli.print_schema import run_print_schema
from nsys_llm_explainer.errors import NsysError
from nsys_llm_explainer.render.escape import terminal

OK = 0
FAILED = 1
#: Commands beside the plain one, and the module whose ``run`` takes their arguments and returns the exit code. They
#: are loaded when asked for: a fifth of the start-up, for what nobody needs who has one trace.
COMMANDS: Mapping[str, str] = {
    "demo": "nsys_llm_explainer.cli.demo",
    "ranks": "nsys_llm_explainer.cli.ranks",
    "diff": "nsys_llm_explainer.cli.diff",
}


def run(argv: Sequence[str]) -> int:
    """Runs the command that the arguments name and returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        return _dispatch(list(argv))
    except BrokenPipeError:
        raise
    except (NsysError, OSError, ValueError, MemoryError) as error:
        print(f"error: {terminal.line(describe(error))}", file=sys.stderr)
        return FAILED


def _dispatch(argv: list[str]) -> int:
    if argv and argv[0] in COMMANDS:
        code: int = importlib.import_module(COMMANDS[argv[0]]).run(argv[1:])
        return code
    parser = explain_parser()
    options = parser.parse_args(argv)
    gate = None
    if options.fail_on or any(name is not None for name in (options.baseline, options.save_baseline, options.junit)):
        from nsys_llm_explainer.cli.gate import prepare  # noqa: PLC0415 - a plain run has no gate

        gate = prepare(options, parser)
    if options.print_schema:
        run_print_schema(options)
        return OK
    report = run_explain(options)
    return OK if gate is None else gate.settle(report)


def describe(error: BaseException) -> str:
    """Returns what went wrong, for people: the file and the reason, without the name of a class or a number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    if isinstance(error, MemoryError):
        return "out of memory"
    return str(error) or type(error).__name__
