"""Another program that has an export open: locks of one process do not hold against itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Optional

_PROGRAM = """
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for line in sys.stdin:
    connection.execute(json.loads(line)).fetchall()
    print("done", flush=True)
connection.close()
"""


class Writer:
    """``with Writer(path) as writer: writer.run("BEGIN EXCLUSIVE")``; leaving closes the connection properly."""

    def __init__(self, path: Path) -> None:
        """Starts the program."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Writer:  # noqa: PYI034 - Self is newer than Python 3.9
        """Returns the writer."""
        return self

    def run(self, *statements: str) -> Writer:
        """Runs statements in order, and returns when all are done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for statement in statements:
            self._process.stdin.write(json.dumps(statement) + "\n")
            self._process.stdin.flush()
            assert self._process.stdout.readline() == "done\n"
        return self

    def crash(self) -> None:
        """Ends the program in the middle of what it does."""
        self._process.kill()
        self._process.communicate()

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        """Closes the connection and waits for the end."""
        if self._process.poll() is None:
            self._process.communicate()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
