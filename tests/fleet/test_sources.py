"""Which traces files, folders and patterns lead to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nsys_llm_explainer.fleet.sources import find_traces


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with traces at several depths, and no nsys on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    for name in ("b/rank10.sqlite", "b/rank2.sqlite", "a.SQLITE", "b/c/d.sqlite", ".hidden/x.sqlite", ".y.sqlite"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "in" / "notes.txt").touch()
    return tmp_path / "in"


def _names(found: object) -> list[str]:
    return [Path(source.path).name for source in found.sources]  # type: ignore[attr-defined]


def test_a_folder_with_all_below_it(folder: Path) -> None:
    found = find_traces([folder], folder / "out")
    assert _names(found) == ["a.SQLITE", "d.sqlite", "rank2.sqlite", "rank10.sqlite"]
    assert found.notes == ()


def test_patterns_and_files_each_once(folder: Path) -> None:
    link = folder / "link.sqlite"
    link.symlink_to(folder / "b" / "rank2.sqlite")
    arguments = [folder / "b" / "rank10.sqlite", f"{folder}/b/rank*.sqlite", link, folder / "b"]
    found = find_traces(arguments, folder / "out")
    assert _names(found) == ["rank10.sqlite", "rank2.sqlite", "d.sqlite"]
    assert found.sources[0].shown == str(arguments[0])
    assert _names(find_traces([f"{folder}/**/d*.sqlite"], folder / "out")) == ["d.sqlite"]


def test_a_name_that_looks_like_a_pattern_is_a_file(folder: Path) -> None:
    (folder / "[1].sqlite").touch()
    (folder / "1.sqlite").touch()
    assert _names(find_traces([folder / "[1].sqlite"], folder / "out")) == ["[1].sqlite"]


def test_links_to_folders_pipes_and_the_output_are_left_out(folder: Path) -> None:
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "away.sqlite").symlink_to(folder / "gone")
    os.mkfifo(folder / "pipe.sqlite")
    (folder / "out" / "t").mkdir(parents=True)
    (folder / "out" / "t" / "demo.sqlite").touch()
    assert _names(find_traces([folder], folder / "out")) == ["a.SQLITE", "d.sqlite", "rank2.sqlite", "rank10.sqlite"]
    # The folder itself may be the output's place.
    assert "a.SQLITE" in _names(find_traces([folder], folder))


def test_reports_need_nsys_and_no_export_beside_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b/only"):
        (folder / f"{name}.nsys-rep").touch()
    found = find_traces([folder], folder / "out")
    assert len(found.sources) == 4
    assert found.notes == ("1 *.nsys-rep left out, as nsys is not on PATH to export them",)
    tool = folder / "bin" / "nsys"
    tool.parent.mkdir()
    tool.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tool.parent))
    assert _names(find_traces([folder], folder / "out")).count("only.nsys-rep") == 1
    assert _names(find_traces([folder], folder / "out")).count("a.nsys-rep") == 0


def test_nothing_is_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: the folder holds no trace"):
        find_traces([folder, tmp_path / "empty"], folder / "out")
    with pytest.raises(ValueError, match="no file matches"):
        find_traces([f"{folder}/nothing*"], folder / "out")
    with pytest.raises(ValueError, match="no trace is named"):
        find_traces([], folder / "out")
    # A file that is not there is a row with its error, like any other that cannot be read.
    assert _names(find_traces([folder / "gone.sqlite"], folder / "out")) == ["gone.sqlite"]
