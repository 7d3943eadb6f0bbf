"""Every script in examples/api runs as its docstring says."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from nsys_llm_explainer.demo import DemoSpec, generate
from nsys_llm_explainer.demo.spec import Causes
from tests.job.scene import Host, Pace, collectives, write
from tests.support.export import Export

SCRIPTS = Path(__file__).resolve().parents[2] / "examples" / "api"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("examples") / "demo.sqlite"
    generate(path, DemoSpec(decode_steps=12, prefill_every=6, layers=4))
    return path


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("examples") / "idle.sqlite"
    generate(path, DemoSpec(decode_steps=12, prefill_every=6, layers=4, causes=Causes(launch_delay_ns=20_000_000)))
    return path


def _run(script: str, *arguments: object, code: int = 0) -> str:
    command = [sys.executable, SCRIPTS / script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (code, "")
    return done.stdout


def test_top_kernels(demo: Path) -> None:
    lines = _run("top_kernels.py", demo).splitlines()
    assert len(lines) == 10
    assert "nvjet" in lines[0]
    times = [float(line.split()[0]) for line in lines]
    assert times == sorted(times, reverse=True)


def test_top_kernels_of_a_trace_without_any(tmp_path: Path) -> None:
    empty = Export().call("cudaFree_v3020", 0, 10).write(tmp_path / "empty.sqlite")
    assert _run("top_kernels.py", empty).startswith("no kernels: ")


def test_dataframes(demo: Path) -> None:
    text = _run("dataframes.py", demo)
    assert "total_ns" in text
    assert "nvjet" in text


def test_compare_idle(demo: Path, idle: Path) -> None:
    header, first, second, third, fourth = _run("compare_idle.py", demo, idle).splitlines()
    assert header.split() == ["idle", "window", "GPU", "trace"]
    assert [first.split()[-1], second.split()[-1]] == ["idle.sqlite", "idle.sqlite"]
    assert [third.split()[-1], fourth.split()[-1]] == ["demo.sqlite", "demo.sqlite"]


def test_compare_runs(demo: Path, idle: Path) -> None:
    assert _run("compare_runs.py", demo, demo).startswith("No change beyond the noise.")
    slower = _run("compare_runs.py", demo, idle, code=1)
    assert slower.startswith("Decode steps take ")
    assert "slower" in slower
    assert "FAILED diff.steps.decode.period_p50_slower_share is " in slower


def test_ci_check(demo: Path, idle: Path, tmp_path: Path) -> None:
    assert _run("ci_check.py", demo, "--max-idle", "0.9", "--min-coverage", "0.5") == ""
    failed = _run("ci_check.py", idle, code=1)
    assert "FAILED GPUs are idle for 0." in failed
    assert "FAILED finding host_bound_in_step" in failed
    empty = Export().call("cudaFree_v3020", 0, 10).write(tmp_path / "empty.sqlite")
    assert "FAILED GPU idle time: " in _run("ci_check.py", empty, code=1)


def test_stream_polars(demo: Path) -> None:
    text = _run("stream_polars.py", demo)
    assert "step_kind" in text
    assert "idle.inside_graph" in text


def test_stream_duckdb(demo: Path) -> None:
    text = _run("stream_duckdb.py", demo)
    assert "wait_us_p99" in text
    assert "cudaGraphLaunch" in text


def test_perfetto_slowest_step(demo: Path, tmp_path: Path) -> None:
    text = _run("perfetto_slowest_step.py", demo, tmp_path / "step.pftrace")
    assert text.startswith("step ")
    assert (tmp_path / "step.pftrace").stat().st_size > 1000


def test_perfetto_of_a_trace_without_steps(tmp_path: Path) -> None:
    plain = Export().kernel("k", 1, 2).write(tmp_path / "plain.sqlite")
    assert _run("perfetto_slowest_step.py", plain, tmp_path / "none").startswith("no steps: ")


def test_slow_rank(tmp_path: Path) -> None:
    job = collectives((0, 1), Pace(late={1: 80_000}))
    paths = [write(tmp_path / f"node{rank}.sqlite", Host((rank,), offset=rank * 10**12), job) for rank in (0, 1)]
    lines = _run("slow_rank.py", *paths).splitlines()
    assert lines[0] == "Both files are aligned to one clock, with high confidence."
    assert lines[1].startswith("  node0 - node1: aligned, confidence high, residual p90 ")
    assert lines[2].startswith("node1 GPU 0 comes late to the collectives")
    assert len(lines) == 5


def test_window(demo: Path) -> None:
    whole, middle = _run("window.py", demo).splitlines()
    assert whole.startswith("whole trace")
    assert int(middle.split()[-2].replace(",", "")) < int(whole.split()[-2].replace(",", ""))


def test_fleet(demo: Path, idle: Path, tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    for path in (demo, idle):
        (traces / path.name).symlink_to(path)
    (traces / "broken.sqlite").write_text("no database")
    for _ in range(2):
        failed, first, *_, last = _run("fleet.py", traces, tmp_path / "out").splitlines()
        assert failed.startswith("broken failed: ('NotAnExportError'")
        assert ": idle, GPU" in first
        assert last == f"3 traces, reports in {tmp_path / 'out'}"


def test_every_script_is_run_here() -> None:
    called = {
        node.args[0].value
        for node in ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_run"
        if isinstance(node.args[0], ast.Constant)
    }
    assert called == {path.name for path in SCRIPTS.glob("*.py")}
