"""Files appear whole or not at all, and nobody else's file is touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.render.outputs import known_csv_names
from nsys_llm_explainer.render.place import place


@pytest.fixture
def report(trace_file) -> Report:
    return analyze(trace_file("multi_stream_async"))


WRITTEN = [
    (("md",), {"report.md", "figures/budget.svg"}),
    (("json",), {"report.json"}),
    (("html",), {"report.html"}),
]


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_what_it_returns(report: Report, tmp_path: Path) -> None:
    out = tmp_path / "new" / "deep"
    written = report.write(out)
    tables = {f"tables/{name}.csv" for section in report.sections.values() for name in section.tables}
    assert _files(out) == {"report.md", "figures/budget.svg", "report.json", "report.html"} | tables
    assert set(written) == {out / name for name in _files(out)}
    assert tables <= known_csv_names()


@pytest.mark.parametrize(("formats", "names"), WRITTEN)
def test_writes_the_named_formats_only(
    report: Report, tmp_path: Path, formats: tuple[str, ...], names: set[str]
) -> None:
    report.write(tmp_path, formats)
    assert _files(tmp_path) == names


@pytest.mark.parametrize("formats", [(), ("pdf",), ("md", "xlsx")])
def test_refuses_unknown_formats(report: Report, tmp_path: Path, formats: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="unknown format"):
        report.write(tmp_path / "out", formats)
    assert not (tmp_path / "out").exists()


def test_refuses_a_kernel_limit_below_one(report: Report, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kernel_limit"):
        report.write(tmp_path / "out", kernel_limit=0)


def test_replaces_its_own_files_and_removes_stale_tables(report: Report, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    mine = {"report.md", "figures/steps.svg", "tables/kernels.csv", "tables/nvtx_phases.csv"}
    others = {"notes.md", "tables/mine.csv", "tables/kernels.csv.bak", "report.md.orig", "trace.sqlite"}
    (tmp_path / "figures").mkdir()
    for name in mine | others:
        (tmp_path / name).write_text("before")
    report.write(tmp_path)
    assert (tmp_path / "report.md").read_text() != "before"
    assert not (tmp_path / "tables" / "nvtx_phases.csv").exists()
    assert not (tmp_path / "figures" / "steps.svg").exists()
    assert {name: (tmp_path / name).read_text() for name in others} == dict.fromkeys(others, "before")


def test_keeps_tables_when_no_tables_are_written(report: Report, tmp_path: Path) -> None:
    report.write(tmp_path)
    before = _files(tmp_path)
    report.write(tmp_path, ["md"])
    assert _files(tmp_path) == before


def test_a_file_in_place_of_the_folder(report: Report, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    for path in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(NotADirectoryError, match="is a file, not a folder"):
            report.write(path)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("name", ["report.json", "tables/kernels.csv"])
def test_a_folder_in_place_of_a_file(report: Report, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        report.write(tmp_path)
    assert _files(tmp_path) == set()


def test_a_pipe_or_device_in_place_of_a_file_stays(report: Report, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "report.json")
    with pytest.raises(OSError, match="no regular file"):
        report.write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert (tmp_path / "report.json").is_fifo()


def test_a_file_in_place_of_the_tables_folder(report: Report, tmp_path: Path) -> None:
    (tmp_path / "tables").write_text("mine")
    with pytest.raises(NotADirectoryError):
        report.write(tmp_path)
    assert _files(tmp_path) == {"tables"}


def test_a_place_that_cannot_be_written(report: Report) -> None:
    with pytest.raises(OSError, match="nothing was written"):
        report.write("/proc/nowhere/report")


def test_a_link_is_replaced_not_followed(report: Report, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.md").write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.md").symlink_to(tmp_path / "elsewhere.md")
    report.write(out)
    assert (tmp_path / "elsewhere.md").read_text() == "mine"
    assert not (out / "report.md").is_symlink()


def test_a_failure_half_way_restores_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "old"):
        (tmp_path / name).write_text(f"{name} before")
    real = Path.replace
    calls = []

    def failing(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 5:
            raise OSError(28, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match="nothing was written"):
        place({"a": b"new", "b": b"new", "tables/c": b"new"}, tmp_path, stale=["old"])
    assert len(calls) > 5
    assert {name: (tmp_path / name).read_text() for name in _names(tmp_path)} == {
        name: f"{name} before" for name in ("a", "b", "old")
    }


@pytest.mark.parametrize("known", [True, False], ids=["known folder", "new folder"])
@pytest.mark.parametrize("name", ["replace", "mkdir"])
def test_an_interrupt_at_any_move_leaves_everything_as_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, *, known: bool
) -> None:
    out = tmp_path / "out"
    before = {"a": "a before", "b": "b before", "old": "old before"} if known else {}
    for file, content in before.items():
        out.mkdir(exist_ok=True)
        (out / file).write_text(content)
    real = getattr(Path, name)
    interrupted = 0
    for last in range(1, 40):
        calls = 0

        def interrupting(self: Path, *args: object, **kwargs: object) -> object:
            nonlocal calls
            calls += 1
            done = real(self, *args, **kwargs)
            if calls == last:  # noqa: B023 - called in this round alone
                raise KeyboardInterrupt
            return done

        with monkeypatch.context() as patch:
            patch.setattr(Path, name, interrupting)
            try:
                place({"a": b"new", "b": b"new", "tables/c": b"new"}, out, stale=["old"])
            except KeyboardInterrupt:
                interrupted += 1
            else:
                break
        assert (_names(out) if out.exists() else []) == sorted(before)
        assert {file: (out / file).read_text() for file in before} == before
        assert known or not out.exists()
    assert interrupted >= 3
    assert (out / "tables" / "c").read_text() == "new"


_LIMITED = """
import resource, sys
sys.dont_write_bytecode = True  # the limit would cut the interpreter's own files short
resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))
from nsys_llm_explainer.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_full_disk_leaves_everything_as_it_was(trace_file, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.md").write_text("before")
    command = [sys.executable, "-c", _LIMITED, str(trace_file("h100_2gpu_1s")), "--out"]
    for target in (out, tmp_path / "new"):
        done = subprocess.run([*command, str(target)], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
        assert "nothing was written" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert _names(out) == ["report.md"]
    assert (out / "report.md").read_text() == "before"
    assert not (tmp_path / "new").exists()
