"""Ctrl-C in the middle of a job."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from nsys_llm_explainer.fleet.record import RECORD
from nsys_llm_explainer.render.place import STAGE_PREFIX
from tests.fleet.conftest import COMMAND, Run, tree


@pytest.mark.parametrize("signals", [1, 2], ids=["once", "twice"])
def test_ctrl_c_leaves_whole_reports_and_resume_goes_on(run: Run, traces: Path, tmp_path: Path, signals: int) -> None:
    for number in range(2):
        for path in traces.glob("run*.sqlite"):
            (tmp_path / "in").mkdir(exist_ok=True)
            shutil.copy2(path, tmp_path / "in" / f"{path.stem}-{number}.sqlite")
    command = [*COMMAND, "batch", "in", "--out", "out", "--jobs", "2", "--format", "md,json,csv"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    out = tmp_path / "out"
    while not list(out.glob(f"*/{RECORD}")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    for _ in range(signals):
        os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)
    assert (process.returncode, *said) == (130, b"", b"")
    gone, alive = psutil.wait_procs(workers, timeout=10)
    assert len(gone) == len(workers)
    assert not alive
    assert not list(tmp_path.rglob(f"{STAGE_PREFIX}*"))
    assert not (out / "fleet.json").exists()
    finished = [path for path in out.iterdir() if path.is_dir()]
    assert all((path / RECORD).is_file() for path in finished)
    assert 0 < len(finished) < 16

    times = {path: (path / RECORD).stat().st_mtime_ns for path in finished}
    done = run("in", "--out", "out", "--resume")
    assert done.returncode == 0
    assert f"note: {len(finished)} of 16 traces are done and unchanged" in done.stderr
    assert {path: (path / RECORD).stat().st_mtime_ns for path in finished} == times
    run("in", "--out", "fresh")
    assert tree(out) == tree(tmp_path / "fresh")
