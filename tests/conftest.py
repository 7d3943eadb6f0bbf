"""Fixtures that several test folders use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.export import Export
from tests.support.traces import TRACE_NAMES, TRACES_DIR, trace_path


def _present(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"real exports are not here: no {path.name} in ../shared/traces beside the project")
    return path


@pytest.fixture(scope="session")
def traces_dir() -> Path:
    """The folder of the real exports; skips where it is absent."""
    return _present(TRACES_DIR)


@pytest.fixture(scope="session")
def trace_file() -> Callable[[str], Path]:
    """``trace_file(name)`` is the path of one real export; skips where it is absent."""
    return lambda name: _present(trace_path(name))


@pytest.fixture(scope="session", params=TRACE_NAMES)
def real_trace(request: pytest.FixtureRequest) -> Path:
    """Each of the real exports in turn; skips where they are absent."""
    return _present(trace_path(str(request.param)))


@pytest.fixture
def export_file(tmp_path: Path) -> Callable[[Export], Path]:
    """``export_file(Export()…)`` writes a tiny export into the test's own folder and returns its path."""
    written: list[Path] = []

    def write(export: Export) -> Path:
        path = export.write(tmp_path / f"trace{len(written) or ''}.sqlite")
        written.append(path)
        return path

    return write
