"""Small traces, and the command in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nsys_llm_explainer.demo import DemoSpec, generate
from nsys_llm_explainer.demo.spec import Causes

COMMAND = [sys.executable, "-m", "nsys_llm_explainer"]
ENVIRONMENT = {"SOURCE_DATE_EPOCH": "1700000000"}
ODD = "odd"
HEALTHY = 8

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def small(path: Path, seed: int = 0, **causes: int) -> Path:
    """Writes a small trace with decode and mixed steps of two workers."""
    spec = DemoSpec(seed=seed, decode_steps=14, prefill_every=7, layers=3, causes=Causes(**causes))
    return generate(path, spec)


@pytest.fixture(scope="session")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of traces of the same work, and one whose host delays every step."""
    folder = tmp_path_factory.mktemp("fleet") / "traces"
    folder.mkdir()
    for seed in range(HEALTHY):
        small(folder / f"run{seed}.sqlite", seed)
    small(folder / f"{ODD}.sqlite", 99, launch_delay_ns=20_000_000)
    return folder


@pytest.fixture
def some(traces: Path, tmp_path: Path) -> Path:
    """A folder of the test's own with three of the traces."""
    folder = tmp_path / "some"
    folder.mkdir()
    for name in ("run0", "run1", "run2"):
        shutil.copy2(traces / f"{name}.sqlite", folder)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """``run("folder", "--out", "x")`` runs the batch command in the test's own folder."""

    def command(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **ENVIRONMENT}
        return subprocess.run(  # type: ignore[call-overload]
            [*COMMAND, "batch", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
            **options,
        )

    return command


def tree(folder: Path) -> dict[str, bytes]:
    """Returns the content of every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
