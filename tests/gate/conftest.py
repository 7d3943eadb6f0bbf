"""Generated traces, written once per session, and their reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.demo import generate
from nsys_llm_explainer.demo.spec import Causes, healthy
from tests.support.export import Export

SPEC = healthy(decode_steps=20, prefill_every=10, layers=4)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="session")
def trace(folder: Path) -> Path:
    """A small healthy run."""
    generate(folder / "run.sqlite", SPEC)
    return folder / "run.sqlite"


@pytest.fixture(scope="session")
def slower(folder: Path) -> Path:
    """The same run with longer kernels in decode steps, which makes their period 5 % longer."""
    generate(folder / "slower.sqlite", replace(SPEC, decode_scale=1.064))
    return folder / "slower.sqlite"


@pytest.fixture(scope="session")
def report(trace: Path) -> Report:
    return analyze(trace)


@pytest.fixture(scope="session")
def slower_report(slower: Path) -> Report:
    return analyze(slower)


@pytest.fixture(scope="session")
def idle_report(folder: Path) -> Report:
    """A run whose GPUs wait for the host between steps."""
    path = folder / "idle.sqlite"
    generate(path, replace(SPEC, lookahead=0, causes=Causes(scheduler_ns=9_000_000)))
    return analyze(path)


@pytest.fixture(scope="session")
def empty_report(folder: Path) -> Report:
    """A trace without any GPU work."""
    return analyze(Export().call("cudaFree_v3020", 0, 10).write(folder / "empty.sqlite"))
