"""The command ``nsys-llm-explain``: the only code that reads the command line, prints or sets the exit code."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Sequence

INTERRUPTED = 130
#: New values between two looks for garbage. Nearly all that a run makes lives until its end: looking is for nothing.
_GARBAGE_AFTER = 100_000


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 ok, 1 failed, 2 wrong usage, 3 a gate fell short, 130 interrupted.

    Args:
        argv: The arguments, those of the process where None.
    """
    if argv is None:
        # The process is ours: what is left when it ends goes with it, unseen by the collector.
        gc.set_threshold(_GARBAGE_AFTER)
        atexit.register(gc.freeze)
    try:
        from nsys_llm_explainer.cli.run import run  # noqa: PLC0415 - Ctrl-C while modules load is as quiet as later

        code = run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has what it wanted; the interpreter's last flush must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
