"""Runs the command as its user does: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = [sys.executable, "-m", "nsys_llm_explainer"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """``run("trace.sqlite", "--out", "x")`` runs the command in the test's own folder."""

    def command(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000", **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    return command


def files(folder: Path) -> set[str]:
    """Returns the files of a folder, and of those in it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def check_error(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Makes sure that a run failed with one clear line and nothing else."""
    assert done.returncode == 1, done
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
