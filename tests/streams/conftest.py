"""A generated trace with its report, and rows of a stream as dicts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import nsys_llm_explainer
from nsys_llm_explainer import Report, Trace
from nsys_llm_explainer.demo import DemoSpec, generate


def rows_of(trace: Trace | Path, table: str, columns: Sequence[str] | None = None, **options: Any) -> list[dict]:
    """The rows of a stream, through Arrow."""
    opened = trace if isinstance(trace, Trace) else nsys_llm_explainer.open_trace(trace)
    return pa.table(opened.stream(table, columns, **options)).to_pylist()


@pytest.fixture(scope="session")
def demo_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("streams") / "demo.sqlite"
    generate(path, DemoSpec(decode_steps=16, prefill_every=6, layers=6))
    return path


@pytest.fixture(scope="session")
def demo(demo_path: Path) -> Trace:
    return nsys_llm_explainer.open_trace(demo_path)


@pytest.fixture(scope="session")
def demo_report(demo_path: Path) -> Report:
    return nsys_llm_explainer.analyze(demo_path)
