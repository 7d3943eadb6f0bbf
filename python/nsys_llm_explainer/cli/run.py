"""Chooses what to do, and turns what went wrong into one line and an exit code."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

from nsys_llm_explainer.cli.arguments import demo_parser, explain_parser
from nsys_llm_explainer.cli.explain import run_explain
from nsys_llm_explainer.cli.print_schema import run_print_schema
from nsys_llm_explainer.errors import NsysError
from nsys_llm_explainer.render.escape import terminal

OK = 0
FAILED = 1


def run(argv: Sequence[str]) -> int:
    """Runs the command that the arguments name and returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        _dispatch(list(argv))
    except BrokenPipeError:
        raise
    except (NsysError, OSError, ValueError, MemoryError) as error:
        print(f"error: {terminal.line(describe(error))}", file=sys.stderr)
        return FAILED
    return OK


def _dispatch(argv: list[str]) -> None:
    if argv and argv[0] == "demo":
        # A fifth of the start-up, for what nobody needs who has a trace.
        from nsys_llm_explainer.cli.demo import run_demo  # noqa: PLC0415

        run_demo(demo_parser().parse_args(argv[1:]))
        return
    options = explain_parser().parse_args(argv)
    if options.print_schema:
        run_print_schema(options)
    else:
        run_explain(options)


def describe(error: BaseException) -> str:
    """Returns what went wrong, for people: the file and the reason, without the name of a class or a number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    if isinstance(error, MemoryError):
        return "out of memory"
    return str(error) or type(error).__name__
