"""Reports stay as they are until somebody looks at the difference (``make golden``)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.cases import EPOCH, GOLDEN, outputs, write_traces


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_traces(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("name", ["demo", "graph_mode", "two_workers"])
def test_reports_are_as_kept(name: str, traces: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    for file, text in outputs(name, traces[name]).items():
        assert (GOLDEN / file).is_file(), f"{file} is not kept: run make golden"
        assert text.decode() == (GOLDEN / file).read_text(encoding="utf-8"), f"{file} differs: run make golden"


def test_nothing_else_is_kept(traces: dict[str, Path]) -> None:
    kept = {path.name.partition(".")[0] for path in GOLDEN.iterdir()}
    assert kept == set(traces)
