"""Worker processes on this machine: which trace starts when, and what happens when a worker dies.

A trace starts where a worker is free and the estimates of all that run then fit into the memory; the largest first, so
that none is left for the end. What never fits runs alone, and so does the second try of a trace whose worker died.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Optional

from nsys_llm_explainer.fleet import memory
from nsys_llm_explainer.fleet.work.task import Outcome, Task, message_of, outcome_of, sweep
from nsys_llm_explainer.fleet.work.worker import BOOT
from nsys_llm_explainer.render import format as fmt

DIED = "WorkerDied"
_PATIENCE_S = 10.0
#: Each analysis runs on a thread of its own, for which the C library of GNU would keep an arena: a worker that goes
#: from trace to trace then holds half as much again, for no gain in speed.
_ONE_ARENA = {"MALLOC_ARENA_MAX": "1"}
_LONGEST_SAID = 300
Done = Callable[[int, Outcome], None]
Note = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """A task with its place among all and the memory that it takes at most."""

    index: int
    task: Task
    estimate: int


class Worker:
    """A worker process."""

    def __init__(self) -> None:
        """Starts the process."""
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter
            [sys.executable, "-c", BOOT, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            encoding="ascii",
            env={**_ONE_ARENA, **os.environ},
            start_new_session=True,  # Ctrl-C reaches the parent alone
        )

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def ask(self, task: Task) -> dict[str, Any] | None:
        """Returns the answer to a task; None where the process has died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(task.to_dict()) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except (BrokenPipeError, ValueError):
            line = ""
        if not line.endswith("\n"):
            self._process.wait()
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def last_words(self) -> str:
        """Returns how the process ended, and the last line that it said."""
        code = self._process.wait()
        ending = f"ended with code {code}" if code >= 0 else f"was ended by {_signal_name(-code)}"
        self._said.seek(0)
        lines = self._said.read().decode("utf-8", errors="replace").strip().splitlines()
        return f"{ending}: {fmt.truncate(lines[-1].strip(), _LONGEST_SAID)}" if lines else ending

    def end(self) -> None:
        """Tells the process to stop what it does."""
        if self._process.poll() is None:
            self._process.terminate()

    def close(self) -> None:
        """Waits for the end of the process, by force where it takes too long."""
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue


class Pool:
    """Runs jobs on worker processes of this machine."""

    def __init__(self, workers: int, limit: int | None, note: Note) -> None:
        """Takes what the pool may use; starts nothing yet.

        Args:
            workers: Processes at most.
            limit: Bytes that all of them together may take; None for a part of what is free, looked up at each start.
            note: Told what people should know.
        """
        self._most = workers
        self._limit = limit
        self._note = note
        self._idle: list[Worker] = []
        self._running: dict[Worker, Job] = {}
        self._events: queue.SimpleQueue[tuple[Worker, Optional[dict[str, Any]]]] = queue.SimpleQueue()
        self._alone = False

    def run(self, jobs: Sequence[Job], done: Done) -> None:
        """Runs the jobs; calls ``done`` with each one's index and outcome. No worker is left when it returns."""
        waiting = sorted(jobs, key=lambda job: (-job.estimate, job.index))
        again: list[Job] = []
        try:
            while waiting or again or self._running:
                self._start(waiting, again)
                worker, answer = self._events.get()
                job = self._running.pop(worker)
                self._settle(worker, job, answer, again, done)
        finally:
            everyone = [*self._running, *self._idle]
            for worker in everyone:
                worker.end()
            for worker in everyone:
                worker.close()

    def _start(self, waiting: list[Job], again: list[Job]) -> None:
        """Starts what fits; with nothing running, something always does."""
        while len(self._running) < self._most and waiting and not (self._alone and self._running):
            room = self._room()
            job = next((job for job in waiting if self._planned() + job.estimate <= room), None)
            if job is None:
                break
            waiting.remove(job)
            self._begin(job, room)
        if self._running:
            return
        self._alone = True
        if waiting:
            job, room = waiting.pop(0), self._room()
            self._note(
                f"{job.task.shown} may take {fmt.size(job.estimate)} of memory and {fmt.size(max(0, room))} are free: "
                "it runs alone, and may fail"
            )
            self._begin(job, room)
        elif again:
            self._begin(again[0], self._room())

    def _begin(self, job: Job, room: int) -> None:
        while self._idle and self._planned() + job.estimate + memory.WORKER_BYTES * (len(self._idle) - 1) > room:
            worker = self._idle.pop()
            worker.end()
            worker.close()
        worker = self._idle.pop() if self._idle else Worker()
        self._running[worker] = job
        threading.Thread(target=lambda: self._events.put((worker, worker.ask(job.task))), daemon=True).start()

    def _settle(self, worker: Worker, job: Job, answer: dict[str, Any] | None, again: list[Job], done: Done) -> None:
        """Takes an answer; a trace whose worker died, or that ran out of memory beside others, gets a second try."""
        second = job in again
        self._alone = self._alone and bool(self._running)
        if answer is None:
            words = worker.last_words()
            worker.close()
            sweep(Path(job.task.folder))
            if second:
                text = f"the process that read it {words}; it did so twice, the second time with nothing beside it"
                outcome = Outcome(error=(DIED, message_of(ValueError(text))))
            else:
                self._note(f"{job.task.shown}: the process that read it {words}; it is tried once more, alone")
        else:
            self._idle.append(worker)
            outcome = outcome_of(answer)
            answer = None if outcome.error is not None and outcome.error[0] == "MemoryError" else answer
        if answer is None and not second:
            again.append(job)
            return
        if second:
            again.remove(job)
        done(job.index, outcome)

    def _planned(self) -> int:
        return sum(job.estimate for job in self._running.values())

    def _room(self) -> int:
        if self._limit is not None:
            return self._limit
        mine = memory.used([worker.pid for worker in (*self._running, *self._idle)])
        return int(memory.SHARE * (memory.available() + mine))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
