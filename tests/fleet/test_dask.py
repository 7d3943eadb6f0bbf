"""A job on a real Dask scheduler with two worker processes on this machine, one of which is killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nsys_llm_explainer import batch
from nsys_llm_explainer.fleet.record import RECORD
from nsys_llm_explainer.fleet.work import cluster
from nsys_llm_explainer.render.place import STAGE_PREFIX
from tests.fleet.conftest import Run, tree

distributed = pytest.importorskip("distributed")
_MODULE = [sys.executable, "-m"]
_PATIENCE_S = 60
#: Tasks are slowed down in the workers, so that the kill surely comes while traces are open.
_PRELOAD = """
import os, time
from nsys_llm_explainer.fleet.work import task
if not hasattr(task, "plain"):  # a worker loads this file more than once
    task.plain = task._explained

def slow(one):
    with open({log!r}, "a") as stream:
        stream.write(one.name + " " + str(os.getpid()) + chr(10))
    time.sleep(0.3)
    return task.plain(one)

task._explained = slow
"""


@dataclass
class Scheduler:
    """A scheduler with its workers."""

    address: str
    workers: list[subprocess.Popen[bytes]]


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Scheduler]:
    """A scheduler and two worker processes with one thread each; a task that three workers died over fails."""
    folder = tmp_path / "dask"
    folder.mkdir()
    file = folder / "scheduler.json"
    (folder / "slow.py").write_text(_PRELOAD.format(log=str(folder / "log")))
    with (folder / "said").open("wb") as said:
        common = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(file)]
        command = [*_MODULE, "distributed.cli.dask_scheduler", *common, "--port", "0"]
        started = [subprocess.Popen(command, stdout=said, stderr=said)]
        for number in range(2):
            options = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder / f"w{number}")]
            options += ["--preload", str(folder / "slow.py")]
            command = [*_MODULE, "distributed.cli.dask_worker", *common, *options]
            started.append(subprocess.Popen(command, stdout=said, stderr=said))
        try:
            deadline = time.monotonic() + _PATIENCE_S
            while not file.exists():
                assert time.monotonic() < deadline, (folder / "said").read_text()
                time.sleep(0.05)
            with distributed.Client(scheduler_file=str(file), set_as_default=False) as client:
                client.wait_for_workers(2, timeout=_PATIENCE_S)
                address = str(client.scheduler.address)
            yield Scheduler(address, started[1:])
        finally:
            for process in reversed(started):
                process.kill()
                process.wait()


def _begun(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def test_a_worker_killed_in_the_middle_loses_and_doubles_nothing(
    run: Run, traces: Path, tmp_path: Path, scheduler: Scheduler
) -> None:
    log = tmp_path / "dask" / "log"
    command = [sys.executable, "-m", "nsys_llm_explainer", "batch", str(traces), "--out", "out"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    process = subprocess.Popen(
        [*command, "--dask", scheduler.address],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    victim = scheduler.workers[0]
    # In the middle: the victim has finished a trace and has another one open.
    deadline = time.monotonic() + _PATIENCE_S
    while sum(line.endswith(f" {victim.pid}") for line in _begun(log)) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    lost = [line.split()[0] for line in _begun(log) if line.endswith(f" {victim.pid}")][-1]
    said = process.communicate(timeout=120)
    assert process.returncode == 0, said

    begun = Counter(line.split()[0] for line in _begun(log))
    assert set(begun) == {path.stem for path in traces.iterdir()}
    assert begun[lost] == 2  # begun by the victim, done by the other
    out = tmp_path / "out"
    assert {path.parent.name for path in out.glob(f"*/{RECORD}")} == set(begun)
    assert not list(out.rglob(f"{STAGE_PREFIX}*"))
    # Each trace once, and the same bytes as from the processes of this machine.
    assert run(traces, "--out", "pool").returncode == 0
    assert tree(out) == tree(tmp_path / "pool")


def test_a_client_a_failure_and_resume(some: Path, tmp_path: Path, scheduler: Scheduler) -> None:
    (some / "broken.sqlite").write_bytes(b"SQLite format 3\0" + bytes(4_000))
    seen: list[tuple[int, int]] = []
    with distributed.Client(scheduler.address, set_as_default=False) as client:
        for resume in (False, True):
            fleet = batch(
                some,
                tmp_path / "out",
                dask=client,
                resume=resume,
                progress=lambda _, done, total: seen.append((done, total)),
            )
            assert [trace.name for trace in fleet.failed] == ["broken"]
            assert len(fleet.traces) == 4
        assert client.status == "running"  # a client that was given stays open
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)] * 2


def test_workers_of_another_version_are_refused(
    some: Path, tmp_path: Path, scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "__version__", "99.0")
    with pytest.raises(ValueError, match=r"has nsys_llm_explainer .*, this is 99\.0"):
        batch(some, tmp_path / "out", dask=scheduler.address)


def test_nobody_at_the_address(run: Run, some: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_S", 1)
    with pytest.raises(OSError, match=r"tcp://127\.0\.0\.1:9: no Dask scheduler answers there"):
        batch(some, some.parent / "out", dask="tcp://127.0.0.1:9")


def test_without_dask_it_is_said(some: Path, tmp_path: Path) -> None:
    hide = "import sys; sys.modules['distributed'] = None; from nsys_llm_explainer.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", hide, "batch", str(some), "--out", str(tmp_path / "out"), "--dask", "tcp://x:1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: Dask is not installed: pip install 'nsys-llm-explainer[dask]'\n"
