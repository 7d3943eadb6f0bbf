"""Turns a ``.nsys-rep`` into an SQLite export with the user's own nsys."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nsys_llm_explainer.errors import ExportToolError

SUFFIX = ".nsys-rep"
_COMMAND = ("export", "--type", "sqlite", "--lazy=false", "--include-json=true", "-o")


def is_report(trace: str) -> bool:
    """Returns whether a path names a report of nsys rather than an export."""
    return trace.lower().endswith(SUFFIX)


@contextmanager
def sqlite_of(trace: str) -> Iterator[str]:
    """Yields the path of the SQLite export of a trace; what was exported for it is removed afterwards.

    Args:
        trace: An SQLite export, or a ``.nsys-rep``.

    Raises:
        ExportToolError: nsys is not on PATH, or it failed.
        FileNotFoundError: There is no such file.
    """
    if not is_report(trace):
        yield trace
        return
    source = Path(trace)
    source.stat()
    tool = shutil.which("nsys")
    if tool is None:
        import shlex  # noqa: PLC0415 - as in _export

        by_hand = shlex.join(["nsys", *_COMMAND, str(source.with_suffix(".sqlite")), str(source)])
        raise ExportToolError(
            f"{trace}: nsys is not on PATH to export it. Run this where nsys is installed, then explain the result: "
            f"{by_hand}"
        )
    with tempfile.TemporaryDirectory(prefix="nsys-llm-explain-") as folder:
        target = Path(folder) / f"{source.stem}.sqlite"
        _export([tool, *_COMMAND, str(target), str(source.resolve())], trace)
        if not target.is_file():
            raise ExportToolError(f"{trace}: nsys export ended well but wrote no file")
        yield str(target)


def _export(command: list[str], trace: str) -> None:
    import subprocess  # noqa: PLC0415 - who has an export waits for no process

    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True)  # noqa: S603 - no shell
    if done.returncode == 0:
        return
    said = (done.stderr + b"\n" + done.stdout).decode(errors="replace").split("\n")
    reason = next((line.strip() for line in said if line.strip()), "it said nothing")
    raise ExportToolError(f"{trace}: nsys export failed with code {done.returncode}: {reason}")
