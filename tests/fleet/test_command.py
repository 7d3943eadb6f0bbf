"""``nsys-llm-explain batch`` as its user runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nsys_llm_explainer import analyze
from nsys_llm_explainer.fleet.record import RECORD
from tests.fleet.conftest import COMMAND, ODD, Run, tree

BROKEN = b"SQLite format 3\0" + bytes(4_000)


def _fleet(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "fleet.json").read_text())
    return found


def test_a_report_each_and_one_over_all(run: Run, traces: Path, tmp_path: Path) -> None:
    done = run(traces, "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"outlier: {ODD}: idle share" in done.stdout
    first = done.stdout.splitlines()[3]
    assert first.startswith(ODD), "the trace that stands out comes first"
    assert done.stdout.splitlines()[-1] == "Report: out/fleet.md; each trace in a folder beside it"
    names = {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()}
    assert names == {path.stem for path in traces.iterdir()}
    for name in names:
        assert {path.name for path in (tmp_path / "out" / name).iterdir()} == {
            RECORD,
            "report.md",
            "report.json",
            "tables",
            "figures",
        }


def test_the_reports_are_those_of_the_plain_command(run: Run, some: Path, tmp_path: Path) -> None:
    run("some", "--out", "out", "--format", "md,json,csv,html")
    for trace in some.iterdir():
        command = [*COMMAND, f"some/{trace.name}", "--out", f"plain/{trace.stem}", "--quiet"]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
        subprocess.run(command, cwd=tmp_path, env=environment, check=True)
        made = tree(tmp_path / "out" / trace.stem)
        made.pop(RECORD)
        assert made == tree(tmp_path / "plain" / trace.stem)


def test_the_same_bytes_with_any_number_of_workers(run: Run, some: Path, tmp_path: Path) -> None:
    (some / "broken.sqlite").write_bytes(BROKEN)
    for jobs in (1, 3):
        assert run("some", "--out", f"out{jobs}", "--jobs", jobs).returncode == 1
    assert tree(tmp_path / "out1") == tree(tmp_path / "out3")


def test_a_trace_that_fails_is_a_row(run: Run, some: Path, tmp_path: Path) -> None:
    (some / "broken.sqlite").write_bytes(BROKEN)
    (some / "text.sqlite").write_text("no database")
    done = run("some", "gone.sqlite", "--out", "out")
    assert done.returncode == 1
    assert done.stdout.count("FAILED") == 3
    fleet = _fleet(tmp_path / "out")
    errors = {trace["name"]: trace["error"] for trace in fleet["traces"] if trace["error"]}  # type: ignore[attr-defined]
    assert set(errors) == {"broken", "text", "gone"}
    assert errors["gone"]["type"] == "FileNotFoundError"
    assert not (tmp_path / "out" / "text").exists()
    assert run("some", "gone.sqlite", "--out", "out", "--keep-going").returncode == 0


def test_quiet_and_wrong_usage(run: Run, some: Path, tmp_path: Path) -> None:
    done = run("some", "--out", "out", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = run("some", "gone.sqlite", "--out", "out", "--quiet", "--resume")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: gone.sqlite: FileNotFoundError: ")
    for wrong in (
        ("some",),
        ("--out", "o"),
        ("some", "--out", "o", "--memory", "much"),
        ("some", "--out", "o", "--jobs", "0"),
    ):
        assert run(*wrong).returncode == 2
    (tmp_path / "empty").mkdir()
    done = run("empty", "--out", "o")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: empty: the folder holds no trace: no *.sqlite\n"
    assert not (tmp_path / "o").exists()


def _made(out: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob(f"*/{RECORD}")}


def test_resume_makes_only_what_is_missing_or_changed(run: Run, some: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("some", "--out", "out")
    whole, first = tree(out), _made(out)
    done = run("some", "--out", "out", "--resume")
    assert "note: 3 of 3 traces are done and unchanged" in done.stderr
    assert (_made(out), tree(out)) == (first, whole)

    (out / "run0" / "report.md").unlink()
    os.utime(some / "run1.sqlite", ns=(5, 5))
    run("some", "--out", "out", "--resume")
    second = _made(out)
    assert [name for name in first if second[name] != first[name]] == sorted(["run0", "run1"])
    whole.pop("run1/batch.json")
    assert {name: content for name, content in tree(out).items() if name != "run1/batch.json"} == whole

    run("some", "--out", "out", "--resume", "--kernel-limit", "5")
    assert all(_made(out)[name] != second[name] for name in second)
    (out / "run2" / RECORD).write_text("{}")
    assert "note: 2 of 3" in run("some", "--out", "out", "--resume", "--kernel-limit", "5").stderr


def test_a_trace_that_broke_keeps_no_earlier_report(run: Run, some: Path, tmp_path: Path) -> None:
    run("some", "--out", "out")
    (some / "run1.sqlite").write_bytes(BROKEN)
    (tmp_path / "out" / "run2" / "mine.txt").touch()
    (some / "run2.sqlite").write_bytes(BROKEN)
    assert run("some", "--out", "out", "--resume").returncode == 1
    assert not (tmp_path / "out" / "run1").exists()
    assert [path.name for path in (tmp_path / "out" / "run2").iterdir()] == ["mine.txt"]


def test_another_choice_of_formats_leaves_nothing_stale(run: Run, some: Path, tmp_path: Path) -> None:
    run("some", "--out", "out", "--format", "html,csv")
    assert (tmp_path / "out" / "run0" / "report.html").is_file()
    run("some", "--out", "out", "--format", "json", "--resume")
    assert set(tree(tmp_path / "out" / "run0")) == {"report.json", RECORD}


def test_hostile_file_names_and_the_same_trace_twice(run: Run, traces: Path, tmp_path: Path) -> None:
    names = ["new\nline.sqlite", "\x1b[31mred.sqlite", "..sqlite", "a b|c<i>.sqlite", "fleet.json.sqlite"]
    if sys.platform == "linux":
        names.append(os.fsdecode(b"\xff.sqlite"))
    (tmp_path / "in").mkdir()
    for name in names:
        shutil.copy(traces / "run0.sqlite", tmp_path / "in" / name)
    (tmp_path / "in" / "again.sqlite").symlink_to(tmp_path / "in" / "a b|c<i>.sqlite")
    done = run("in", *(f"in/{name}" for name in names), "--out", "in/out")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    out = tmp_path / "in" / "out"
    # Of two names for one trace the folder's order decides; names that start with a dot are only taken when given.
    traces_found = _fleet(out)["traces"]
    assert len(traces_found) == len(names)  # type: ignore[arg-type]
    for trace in traces_found:  # type: ignore[attr-defined]
        assert (out / trace["report"] / RECORD).is_file()
        assert (out / trace["report"]).parent == out
    assert (out / "fleet.json").is_file()
    assert run("in", "--out", "in/out", "--resume").returncode == 0


def test_a_window_and_its_absence(run: Run, traces: Path, tmp_path: Path) -> None:
    done = run(traces / "run0.sqlite", "--out", "out", "--window", "nvtx:no such range", "--keep-going")
    assert done.returncode == 0
    assert "no NVTX range is named" in done.stdout
    run(traces / "run0.sqlite", "--out", "out", "--window", "steady")
    report = json.loads((tmp_path / "out" / "run0" / "report.json").read_text())
    assert report["window"]["source"] == "steady"
    assert report["window"] == dict(analyze(traces / "run0.sqlite", window="steady").window)


def test_a_report_of_nsys_is_exported(run: Run, some: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (some / "run0.sqlite").rename(some / "other.nsys-rep")
    tool = tmp_path / "bin" / "nsys"
    tool.parent.mkdir()
    tool.write_text(f"#!{sys.executable}\nimport shutil, sys\nshutil.copyfile(sys.argv[8], sys.argv[7])\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    assert run("some", "--out", "out").returncode == 0
    report = json.loads((tmp_path / "out" / "other" / "report.json").read_text())
    assert report["trace"]["path"] == "some/other.nsys-rep"
    assert report["trace"]["file_bytes"] == (some / "other.nsys-rep").stat().st_size


def test_nothing_is_imported_from_the_current_folder(run: Run, some: Path, tmp_path: Path) -> None:
    for name in ("json", "jinja2", "signal", "psutil"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the current folder')\n")
    script = (
        "import sys; sys.path[:] = [place for place in sys.path if place]; "
        "from nsys_llm_explainer.cli import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", script, "batch", "some", "--out", "out", "--quiet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_pyarrow_it_is_said(some: Path, tmp_path: Path) -> None:
    hide = (
        "import sys; from importlib import util; find = util.find_spec\n"
        "util.find_spec = lambda name, package=None: None if name == 'pyarrow' else find(name, package)\n"
        "from nsys_llm_explainer.cli import main; sys.exit(main())"
    )
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "fleet.parquet").write_text("of an earlier run")
    command = [sys.executable, "-c", hide, "batch", str(some), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "fleet.parquet is not written, as pyarrow is not installed (pip install pyarrow)" in done.stderr
    assert not (tmp_path / "out" / "fleet.parquet").exists()


def test_the_plain_command_loads_none_of_it(some: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from nsys_llm_explainer.cli import main; main(sys.argv[1:])\n"
        "print([name for name in sys.modules if 'fleet' in name or name in ('psutil', 'distributed', 'pyarrow')])"
    )
    command = [sys.executable, "-c", script, str(some / "run0.sqlite"), "--out", str(tmp_path / "o"), "--quiet"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
