"""``--perfetto FILE`` beside the report, and what can go wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nsys_llm_explainer import MissingExtraError, export_perfetto
from nsys_llm_explainer.cli.run import run
from nsys_llm_explainer.demo import DemoSpec, generate
from tests.perfetto_export.decode import decode
from tests.support.export import Export


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "demo.sqlite"
    generate(path, DemoSpec(decode_steps=12, prefill_every=6, layers=3))
    return path


def test_it_is_written_beside_the_report(trace: Path, tmp_path: Path) -> None:
    out, file = tmp_path / "report", tmp_path / "new" / "run.pftrace"
    command = [sys.executable, "-m", "nsys_llm_explainer", str(trace), "--out", str(out), "--perfetto", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith(f"perfetto: {file} (")
    assert decode(file).slices
    assert (out / "report.md").is_file()
    assert [path.name for path in file.parent.iterdir()] == ["run.pftrace"]


def test_the_window_of_the_report_is_exported(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = []
    for name, window in (("all", []), ("steady", ["--window", "steady"])):
        file = tmp_path / f"{name}.pftrace"
        assert (
            run([str(trace), "--out", str(tmp_path / name), "--format", "json", "--perfetto", str(file), *window]) == 0
        )
        counts.append(len(decode(file).slices))
    assert counts[1] < counts[0]
    assert "events); open it in ui.perfetto.dev" in capsys.readouterr().out


def test_quiet_prints_nothing(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([str(trace), "--out", str(tmp_path / "r"), "--quiet", "--perfetto", str(tmp_path / "p")]) == 0
    assert capsys.readouterr() == ("", "")


PLACES = ("folder", "below a file", "the trace", "its log", "a pipe", "a link to a pipe", "the report", "its folder")


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_is_none_is_told_before_anything_is_read(
    trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    (tmp_path / "a_file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to_pipe").symlink_to("pipe")
    file = {
        "folder": tmp_path,
        "below a file": tmp_path / "a_file" / "x",
        "the trace": trace,
        "its log": tmp_path / "demo.sqlite-wal",
        "a pipe": tmp_path / "pipe",
        "a link to a pipe": tmp_path / "to_pipe",
        "the report": tmp_path / "other" / ".." / "r" / "report.json",
        "its folder": tmp_path / "r",
    }[place]
    before = trace.read_bytes()
    assert run([str(trace), "--out", str(tmp_path / "r"), "--perfetto", str(file)]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "r").exists()
    assert trace.read_bytes() == before
    assert not (tmp_path / "demo.sqlite-wal").exists()
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "to_pipe").is_symlink()


def test_a_link_stays_and_leads_to_what_was_written(trace: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "run.pftrace")
    written = export_perfetto(trace, tmp_path / "link")
    assert written.path == (tmp_path / "there" / "run.pftrace").resolve()
    assert (tmp_path / "link").is_symlink()
    assert decode(tmp_path / "link").slices


def test_a_missing_extra_is_told_with_its_name(
    trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "perfetto.protos.perfetto.trace", None)
    assert run([str(trace), "--out", str(tmp_path / "r"), "--perfetto", str(tmp_path / "p")]) == 1
    assert "pip install 'nsys-llm-explainer[perfetto]'" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.sqlite"]
    with pytest.raises(MissingExtraError):
        export_perfetto(trace, tmp_path / "p")


def test_a_failed_export_leaves_what_was_there(tmp_path: Path, export_file) -> None:
    file = tmp_path / "run.pftrace"
    file.write_text("before")
    with pytest.raises(ValueError, match="holds no event"):
        export_perfetto(export_file(Export().kernel("k", 1, 2)), file, window=(50, 60))
    with pytest.raises(FileNotFoundError):
        export_perfetto(tmp_path / "absent.sqlite", file)
    with pytest.raises(ValueError, match="no window"):
        export_perfetto(tmp_path / "absent.sqlite", file, window="stedy")
    assert file.read_text() == "before"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_plain_run_loads_none_of_it() -> None:
    code = (
        "import sys; from nsys_llm_explainer.cli.run import run; import nsys_llm_explainer;"
        "print([name for name in sys.modules if 'perfetto' in name or 'protobuf' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
