"""``nsys-llm-explain demo``."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run, files


def test_makes_a_trace_and_explains_it(run: Run, tmp_path: Path) -> None:
    done = run("demo", "--out", "demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert "demo/report.md" in done.stdout
    assert {"demo.sqlite", "report.md", "report.json"} <= files(tmp_path / "demo")
    assert not [name for name in files(tmp_path / "demo") if name.startswith(".")]


def test_seed(run: Run, tmp_path: Path) -> None:
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run("demo", "--out", out, "--seed", seed, "--quiet", "--format", "csv").returncode == 0
    kernels = [(tmp_path / out / "tables" / "kernels.csv").read_bytes() for out in "abc"]
    assert kernels[0] == kernels[1] != kernels[2]
