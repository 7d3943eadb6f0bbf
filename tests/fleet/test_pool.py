"""Workers that die, run out of memory, or have to wait for room: real processes that are told to fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nsys_llm_explainer import __version__, batch
from nsys_llm_explainer.fleet import memory
from nsys_llm_explainer.fleet.result import Fleet
from nsys_llm_explainer.fleet.work import pool
from nsys_llm_explainer.render.place import STAGE_PREFIX

#: A worker that notes when it begins and ends, and fails as the test says: ``FAULT`` runs before the work.
_BOOT = """
import os, sys, time
sys.path[:] = sys.argv[1:]
from pathlib import Path
from nsys_llm_explainer.fleet.work import worker
explain = worker.explain
log, once = Path({log!r}), Path({once!r})

def note(word, name):
    with log.open("a") as stream:
        stream.write(word + " " + name + chr(10))

def failing(value):
    name = value["name"]
    note("begin", name)
    if name == "run1":
        first = not once.exists()
        once.touch()
        {fault}
    time.sleep(0.05)
    answer = explain(value)
    note("end", name)
    return answer

worker.explain = failing
worker.serve()
"""
_KILL = (
    "note('end', name); (Path(value['folder']) / '.nsys-llm-explain-left').mkdir(parents=True, exist_ok=True); "
    "os.kill(os.getpid(), 9)"
)

Batch = Callable[..., "tuple[Fleet, list[str]]"]


@pytest.fixture
def failing(some: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Batch:
    """``failing("code")`` runs a job whose workers run that code before the trace run1; returns what they noted."""

    def run(fault: str, **options: object) -> tuple[Fleet, list[str]]:
        log = tmp_path / "log"
        script = _BOOT.format(log=str(log), once=str(tmp_path / "once"), fault=fault)
        monkeypatch.setattr(pool, "BOOT", script)
        fleet = batch(some, tmp_path / "out", **options)  # type: ignore[arg-type]
        return fleet, log.read_text().splitlines()

    return run


def _running(log: list[str]) -> list[int]:
    """Returns how many tasks ran after each line of the log."""
    counts, now = [], 0
    for line in log:
        now += 1 if line.startswith("begin") else -1
        counts.append(now)
    return counts


def _last_begin_was_alone(log: list[str], name: str) -> bool:
    place = max(number for number, line in enumerate(log) if line == f"begin {name}")
    return _running(log)[place] == 1 and all("begin" not in line for line in log[place + 1 :])


def test_a_worker_that_dies_each_time_fails_that_trace_alone(failing: Batch, tmp_path: Path) -> None:
    fleet, log = failing(_KILL, jobs=3)
    assert [row["status"] for row in fleet.devices if row["trace"] != "run1"] == ["ok"] * 4
    (bad,) = fleet.failed
    assert bad.name == "run1"
    assert bad.error is not None
    assert bad.error[0] == pool.DIED
    assert "SIGKILL" in bad.error[1]
    assert log.count("begin run1") == 2
    assert _last_begin_was_alone(log, "run1")
    assert not list(tmp_path.rglob(f"{STAGE_PREFIX}*"))
    assert not (tmp_path / "out" / "run1").exists()


def test_a_worker_that_dies_once_loses_nothing(failing: Batch) -> None:
    fleet, log = failing(f"if first: {_KILL}", jobs=2)
    assert fleet.failed == ()
    assert [trace.name for trace in fleet.traces] == ["run0", "run1", "run2"]
    assert len(fleet.devices) == 6
    assert log.count("begin run1") == 2


def test_a_mistake_of_ours_is_a_row_too(failing: Batch) -> None:
    fleet, _ = failing("raise KeyError('what')", jobs=2)
    (bad,) = fleet.failed
    assert bad.error is not None
    assert "KeyError: 'what'" in bad.error[1]


def test_out_of_memory_beside_others_gets_a_second_try(failing: Batch) -> None:
    answer = {"version": __version__, "file_bytes": 1, "summary": None, "error": ["MemoryError", "out of memory"]}
    fleet, log = failing(f"if first: return {answer!r}", jobs=3)
    assert fleet.failed == ()
    assert log.count("begin run1") == 2


def test_traces_wait_for_room(failing: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "estimate", lambda *_: 600)
    _, log = failing("pass", jobs=3, memory=1_000)
    assert max(_running(log)) == 1


def test_traces_run_side_by_side_where_they_fit(failing: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "estimate", lambda *_: 500)
    _, log = failing("pass", jobs=3, memory=1_000)
    assert max(_running(log)) == 2


def test_what_never_fits_runs_alone_and_is_told(failing: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "estimate", lambda path, *_: 5_000 if "run1" in path else 500)
    fleet, log = failing("pass", jobs=3, memory=1_000)
    assert fleet.failed == ()
    assert _last_begin_was_alone(log, "run1")
    assert [note for note in fleet.notes if "runs alone" in note and "run1.sqlite" in note]


def test_wrong_means_are_refused(some: Path, tmp_path: Path) -> None:
    for wrong in (
        {"jobs": 0},
        {"memory": "much"},
        {"memory": 0},
        {"formats": ["pdf"]},
        {"formats": []},
        {"kernel_limit": 0},
    ):
        with pytest.raises(ValueError, match=r"."):
            batch(some, tmp_path / "out", **wrong)  # type: ignore[arg-type]
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        batch(some, tmp_path / "file")
    assert not (tmp_path / "out").exists()
