"""``nsys-llm-explain TRACE``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Run, check_error, files
from tests.findings.scene import MS, Worker, decode
from tests.support.export import Export


def test_writes_a_report_and_says_where(run: Run, trace_file, tmp_path: Path) -> None:
    done = run(trace_file("mfu_2gpu_before"), "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) <= 24
    assert "GPU 0" in done.stdout
    assert "GPU 1" in done.stdout
    assert done.stdout.rstrip().endswith("Report: out/report.md")
    assert {"report.md", "report.json", "tables/kernels.csv", "tables/nvtx_by_pid.csv"} <= files(tmp_path / "out")


def test_every_real_trace_is_explained(run: Run, real_trace: Path, tmp_path: Path) -> None:
    done = run(real_trace)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / f"{real_trace.stem}_report" / "report.md").is_file()


def test_an_export_without_gpu_work_is_no_error(run: Run, trace_file) -> None:
    done = run(trace_file("kernels_not_captured"))
    assert done.returncode == 0
    assert "No GPU activity was captured" in done.stdout


def test_the_trace_is_not_changed(run: Run, trace_file, tmp_path: Path) -> None:
    copy = tmp_path / "trace.sqlite"
    shutil.copyfile(trace_file("mfu_2gpu_before"), copy)
    before = copy.read_bytes()
    assert run("trace.sqlite", "--out", ".").returncode == 0
    assert copy.read_bytes() == before
    assert {name for name in files(tmp_path) if name.startswith("trace.sqlite")} == {"trace.sqlite"}


def test_quiet_prints_nothing(run: Run, trace_file, tmp_path: Path) -> None:
    done = run(trace_file("multi_stream_async"), "--out", "out", "--quiet", "--format", "md,json")
    assert (done.stdout, done.stderr) == ("", "")
    assert files(tmp_path / "out") == {"report.md", "figures/budget.svg", "report.json"}


@pytest.mark.parametrize("flag", ["--kernel-limit", "--top-kernels"])
def test_kernel_limit(run: Run, trace_file, tmp_path: Path, flag: str) -> None:
    assert run(trace_file("mfu_2gpu_before"), "--out", "out", flag, "3").returncode == 0
    assert "Rows 1 to 3 of" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize("flag", ["--phase-map", "--phases-json"])
def test_phase_map(run: Run, trace_file, tmp_path: Path, flag: str) -> None:
    (tmp_path / "phases.json").write_text('{"attention": ["attention", "re:(?i)sdpa"], "all": ["re:."]}')
    assert run(trace_file("a100_llm_forward_nvtx"), "--out", "out", flag, "phases.json").returncode == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["sections"]["phases"]["status"] == "ok"
    assert (tmp_path / "out" / "tables" / "nvtx_phases.csv").is_file()


def test_switches(run: Run, trace_file, tmp_path: Path) -> None:
    flags = ("--no-kernel-percentiles", "--no-nvtx-kernel-map", "--threads", "1", "--format", "json")
    assert run(trace_file("a100_llm_forward_nvtx"), "--out", "out", *flags).returncode == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["sections"]["kernels"]["tables"]["kernels"]["rows"][0]["p50_ns"] is None
    assert report["sections"]["nvtx"]["summary"]["coverage"] is None


def test_window(run: Run, trace_file, tmp_path: Path) -> None:
    trace = trace_file("a100_2.7b_forward_nvtx_osrt")
    assert run(trace, "--out", "whole", "--format", "json").returncode == 0
    window = json.loads((tmp_path / "whole" / "report.json").read_text())["window"]
    middle = (window["start_ns"] + window["end_ns"]) // 2
    assert run(trace, "--out", "part", "--format", "json", "--window", f":{middle}").returncode == 0
    part = json.loads((tmp_path / "part" / "report.json").read_text())
    assert part["window"]["end_ns"] <= middle
    check_error(run(trace, "--out", "none", "--window", "1000000.0:"), "window")
    assert not (tmp_path / "none").exists()


def test_windows_steps_and_categories(run: Run, export_file, tmp_path: Path) -> None:
    export = Export()
    decode(Worker(export), between=MS, text="iteration")
    trace = export_file(export)
    (tmp_path / "categories.json").write_text('[["mine", "engine::part"]]')
    flags = ("--window", "steady", "--step-range", "^iteration$", "--categories", "categories.json")
    assert run(trace, "--out", "out", "--format", "json", *flags).returncode == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["window"]["source"] == "steady"
    assert report["sections"]["steps"]["summary"]["source"] == "step_range"
    rows = report["sections"]["categories"]["tables"]["kernel_categories"]["rows"]
    assert [row["category"] for row in rows] == ["mine"]
    assert run(trace, "--out", "part", "--window", "nvtx:iteration").returncode == 0
    check_error(run(trace, "--window", "nvtx:nothing"), "no NVTX range is named 'nothing'")
    (tmp_path / "categories.json").write_text('[["mine"]]')
    check_error(run(trace, "--categories", "categories.json"), "categories categories.json: entry 1")


def test_no_steady_window_is_an_error(run: Run, trace_file, tmp_path: Path) -> None:
    check_error(run(trace_file("multi_stream_async"), "--window", "steady"), "no steady window")
    assert files(tmp_path) == set()


def test_version(run: Run) -> None:
    from nsys_llm_explainer import __version__

    assert run("--version").stdout == f"nsys-llm-explain {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("t.sqlite", "--no-such-flag"),
        ("t.sqlite", "--kernel-limit", "0"),
        ("t.sqlite", "--threads", "x"),
        ("t.sqlite", "--format", "pdf"),
        ("t.sqlite", "--window", "5"),
        ("t.sqlite", "--window", "2.0:1.0"),
        ("t.sqlite", "--window", ":"),
        ("t.sqlite", "--window", "1h:"),
        ("t.sqlite", "--kernel", "5"),
        ("demo", "--seed", "x"),
    ],
)
def test_wrong_usage(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr
    assert files(tmp_path) == set()


def test_same_bytes_twice(run: Run, trace_file, tmp_path: Path) -> None:
    for out, threads in (("one", 1), ("two", 2)):
        assert run(trace_file("h100_2gpu_1s"), "--out", out, "--threads", threads).returncode == 0
    assert files(tmp_path / "one") == files(tmp_path / "two")
    for name in files(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
