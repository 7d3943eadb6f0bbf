"""Ctrl-C, closed pipes, and who gets a progress bar."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nsys_llm_explainer.demo import generate, spec_for_bytes
from tests.cli.conftest import COMMAND, Run, files

_SLOW_NSYS = f"""#!{sys.executable}
import sys, time
print("started", file=open(sys.argv[8] + ".started", "w"))
time.sleep(60)
"""


def test_ctrl_c_stops_without_a_trace(tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "nsys"
    tool.parent.mkdir()
    tool.write_text(_SLOW_NSYS)
    tool.chmod(0o755)
    (tmp_path / "run.nsys-rep").touch()
    environment = {**os.environ, "PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [*COMMAND, "run.nsys-rep", "--out", "out"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    while not (tmp_path / "run.nsys-rep.started").exists():
        assert process.poll() is None, process.communicate()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")
    assert files(tmp_path) == {"bin/nsys", "run.nsys-rep", "run.nsys-rep.started"}
    assert not (tmp_path / "out").exists()


_INTERRUPTED = """
import os, signal, sys
from nsys_llm_explainer.cli import main
from nsys_llm_explainer.cli.progress import ProgressBar

def interrupt(self, stage, done, total):
    os.kill(os.getpid(), signal.SIGINT)

ProgressBar.__call__ = interrupt
sys.exit(main(sys.argv[1:]))
"""


def test_ctrl_c_while_the_core_works(tmp_path: Path) -> None:
    generate(tmp_path / "long.sqlite", spec_for_bytes(30_000_000))
    command = [sys.executable, "-c", _INTERRUPTED, "long.sqlite", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
    assert files(tmp_path) == {"long.sqlite"}


@pytest.mark.parametrize("arguments", [("--print-schema",), ("--out", "out")])
def test_a_closed_pipe_is_no_error(trace_file, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [*COMMAND, str(trace_file("mfu_2gpu_before")), *arguments]
    done = subprocess.run(command, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_no_progress_when_piped(run: Run, trace_file) -> None:
    assert run(trace_file("h100_2gpu_1s")).stderr == ""


_BAR = """
import sys
from nsys_llm_explainer.cli import progress
progress.DELAY_S = 0.0
with progress.ProgressBar() as bar:
    bar("reading \\x1b[31m[bold]rows", 1, 4)
    bar("reading rows", 3, 4)
print("rich" in sys.modules)
"""


def test_a_bar_on_a_terminal_only() -> None:
    piped = subprocess.run([sys.executable, "-c", _BAR], capture_output=True, text=True, check=True)
    assert (piped.stdout, piped.stderr) == ("False\n", "")
    ours, theirs = pty.openpty()
    shown = subprocess.run([sys.executable, "-c", _BAR], stdout=subprocess.PIPE, stderr=theirs, text=True, check=True)
    os.close(theirs)
    text = os.read(ours, 65_536).decode()
    os.close(ours)
    assert shown.stdout == "True\n"
    assert "reading" in text
