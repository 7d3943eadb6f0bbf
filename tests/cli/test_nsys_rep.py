"""``TRACE.nsys-rep``: exported with the user's nsys where there is one."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run, check_error, files
from tests.support.export import Export

_NSYS = """#!{python}
import shutil, sys
print("Processing events...")
assert sys.argv[1:7] == ["export", "--type", "sqlite", "--lazy=false", "--include-json=true", "-o"], sys.argv
shutil.copyfile(sys.argv[8], sys.argv[7])
"""
_FAILING = """#!{python}
import sys
print("Unable to open the report: \\x1b[31mbroken", file=sys.stderr)
sys.exit(3)
"""


@pytest.fixture
def rep(tmp_path: Path) -> Path:
    """A stand-in for a report: the stand-in for nsys only copies it."""
    export = Export().kernel("gemm", 10, 20, corr=1).call("cudaLaunchKernel_v7000", 1, 5, corr=1)
    export.write(tmp_path / "export.sqlite").rename(tmp_path / "run 1.nsys-rep")
    return tmp_path / "run 1.nsys-rep"


def _with_nsys(tmp_path: Path, script: str) -> dict[str, str]:
    tool = tmp_path / "bin" / "nsys"
    tool.parent.mkdir()
    tool.write_text(script.format(python=sys.executable))
    tool.chmod(0o755)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    return {"PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(temporary)}


def test_exports_and_goes_on(run: Run, rep: Path, tmp_path: Path) -> None:
    environment = _with_nsys(tmp_path, _NSYS)
    done = run(rep.name, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads((tmp_path / "run 1_report" / "report.json").read_text())
    assert report["trace"]["path"] == rep.name
    assert files(Path(environment["TMPDIR"])) == set()


def test_without_nsys_shows_the_command(run: Run, rep: Path, tmp_path: Path) -> None:
    done = run(rep.name, env={"PATH": str(tmp_path / "nowhere")})
    check_error(done, "nsys export --type sqlite --lazy=false --include-json=true -o 'run 1.sqlite' 'run 1.nsys-rep'")
    assert files(tmp_path) == {rep.name}


def test_a_failing_export_is_quoted(run: Run, rep: Path, tmp_path: Path) -> None:
    environment = _with_nsys(tmp_path, _FAILING)
    done = run(rep.name, env=environment)
    check_error(done, "code 3", "Unable to open the report")
    assert "\x1b" not in done.stderr
    assert files(Path(environment["TMPDIR"])) == set()


def test_a_missing_report(run: Run) -> None:
    check_error(run("missing.nsys-rep"), "missing.nsys-rep")
