"""examples/demo is what the demo makes today (``make golden``)."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsys_llm_explainer.cli.arguments import DEMO_OUT
from nsys_llm_explainer.cli.run import run
from tests.examples.demo_outputs import DEMO, EPOCH, SUMMARY, demo_outputs

LARGEST = 2_500_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", EPOCH)
        return demo_outputs(tmp_path_factory.mktemp("demo"))


def test_the_outputs_are_fresh(made: dict[str, bytes]) -> None:
    stale = [name for name, text in made.items() if not _holds(DEMO / name, text)]
    assert stale == [], "examples/demo is stale: run make golden"


def test_nothing_else_is_there(made: dict[str, bytes]) -> None:
    there = {path.relative_to(DEMO).as_posix() for path in DEMO.rglob("*") if path.is_file()}
    assert there == set(made)


def test_they_are_small_and_name_no_folder(made: dict[str, bytes], tmp_path: Path) -> None:
    assert sum(map(len, made.values())) < LARGEST
    root = tmp_path.anchor.encode()
    assert b'"path": "demo.sqlite"' in made["report.json"]
    assert all(root + part not in text for text in made.values() for part in (b"home/", b"tmp/", b"work/", b"root/"))


def test_the_command_makes_the_same(
    made: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", EPOCH)
    monkeypatch.chdir(tmp_path)
    assert run(["demo"]) == 0
    assert capsys.readouterr().out == made[SUMMARY].decode()
    written = {name: (tmp_path / DEMO_OUT / name).read_bytes() for name in made if name != SUMMARY}
    report = written.pop("report.json").replace(f'"{DEMO_OUT}/'.encode(), b'"')
    assert {**written, "report.json": report, SUMMARY: made[SUMMARY]} == made


def _holds(path: Path, text: bytes) -> bool:
    return path.is_file() and path.read_bytes() == text
