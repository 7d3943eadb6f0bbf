"""A worker process: reads tasks from its standard input, one JSON line each, and answers on its standard output.

It is a process of its own program, not a copy of its parent: no script is imported a second time, and a notebook works
as well as a shell.
"""

from __future__ import annotations

import json
import os
import signal
from types import FrameType

from nsys_llm_explainer.fleet.work.task import explain

BOOT = (
    "import sys; sys.path[:] = sys.argv[1:]; sys.argv[1:] = []; "
    "from nsys_llm_explainer.fleet.work.worker import serve; serve()"
)
"""What the process runs, with its parent's search path as arguments: never the current folder's modules."""

STOPPED = 143


def serve() -> None:
    """Works until its input ends."""
    signal.signal(signal.SIGTERM, _stop)
    # Ctrl-C is the parent's to handle; it then ends its workers one by one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tasks, answers = os.fdopen(os.dup(0), "r", encoding="ascii"), os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what any library prints must not stand between the answers
    try:
        with tasks, answers:
            for line in tasks:
                answers.write(json.dumps(explain(json.loads(line))) + "\n")
                answers.flush()
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(STOPPED)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    """Stops the work in an orderly way; a second signal must not disturb what is tidied up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
