"""The whole job: find the traces, explain each once, write what they have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from nsys_llm_explainer.api import Window, check_window
from nsys_llm_explainer.category_rules import CategoryRules, load_categories
from nsys_llm_explainer.fleet import memory
from nsys_llm_explainer.fleet.names import unique_names
from nsys_llm_explainer.fleet.outputs import check_parquet, names_of_files, write_fleet
from nsys_llm_explainer.fleet.record import done_before
from nsys_llm_explainer.fleet.result import Fleet, SectionMaker, TraceResult, fleet_of
from nsys_llm_explainer.fleet.sources import Source, find_traces
from nsys_llm_explainer.fleet.work.cluster import Cluster, connected, run_tasks
from nsys_llm_explainer.fleet.work.pool import Job, Pool
from nsys_llm_explainer.fleet.work.task import FORMATS, Options, Outcome, Task, clear, sweep
from nsys_llm_explainer.phase_map import PhaseMap, load_phase_map
from nsys_llm_explainer.render.outputs import check_formats
from nsys_llm_explainer.render.place import check_directory
from nsys_llm_explainer.report import DEFAULT_KERNEL_LIMIT, StrPath, timestamp

Progress = Callable[[str, int, int], None]
Note = Callable[[str], None]


@dataclass(frozen=True)
class Means:
    """How the work is done; nothing of it shows in the reports.

    Attributes:
        jobs: Worker processes, None for one per CPU.
        threads: Threads of each, None for what the CPUs allow.
        memory: What all workers together may take, in bytes or as text with a unit; None for a part of what is free.
        resume: Leave reports alone that are whole and of the same trace, options and version.
        cluster: A Dask scheduler's address or client, instead of processes on this machine.
        progress: Called with the last trace that was done, how many are, and how many there are.
        note: Told what people should know, as it happens.
    """

    jobs: int | None = None
    threads: int | None = None
    memory: int | str | None = None
    resume: bool = False
    cluster: Cluster | None = None
    progress: Progress | None = None
    note: Note | None = None

    def limit(self) -> int | None:
        """Returns the limit of memory in bytes.

        Raises:
            ValueError: It is no size.
        """
        found = memory.parse_size(self.memory) if isinstance(self.memory, str) else self.memory
        if found is not None and found < 1:
            raise ValueError(f"a limit of memory is at least 1 byte, not {found}")
        return found


def checked_options(
    formats: Iterable[str] = FORMATS,
    *,
    kernel_limit: int = DEFAULT_KERNEL_LIMIT,
    phase_map: PhaseMap | None = None,
    kernel_percentiles: bool = True,
    nvtx_kernel_map: bool = True,
    window: Window | None = None,
    step_range: str | None = None,
    categories: CategoryRules | None = None,
) -> Options:
    """Returns options with their files read, for ``analyze``'s arguments of the same names.

    Raises:
        ValueError: One is wrong.
        OSError: A file cannot be read.
    """
    chosen = (formats,) if isinstance(formats, str) else tuple(formats)
    check_formats(chosen)
    check_window(window)
    if kernel_limit < 1:
        raise ValueError(f"kernel_limit must be at least 1, not {kernel_limit}")
    phases = None if phase_map is None else load_phase_map(phase_map)
    rules = None if categories is None else load_categories(categories)[0]
    return Options(
        formats=chosen,
        kernel_limit=kernel_limit,
        phase_map=None if phases is None else tuple((phase, tuple(patterns)) for phase, patterns in phases),
        kernel_percentiles=kernel_percentiles,
        nvtx_kernel_map=nvtx_kernel_map,
        window=window,
        step_range=step_range,
        categories=None if rules is None else tuple(rules),
    )


def section_makers(out: StrPath, options: Options, *, ranks: bool) -> tuple[SectionMaker, ...]:
    """Returns what else is asked of all traces together.

    Args:
        out: Where the reports go.
        options: What decides what the reports say.
        ranks: Whether the traces are ranks of one job.

    Raises:
        ValueError: Ranks are asked for without the outputs that they are compared by.
    """
    if not ranks:
        return ()
    if "json" not in options.formats:
        raise ValueError("ranks are compared by the report.json of each trace: add json to the formats")
    from nsys_llm_explainer.fleet.work.ranks import ranks_section  # noqa: PLC0415 - few jobs have ranks

    rules = None if options.categories is None else [list(rule) for rule in options.categories]
    return (ranks_section(Path(os.fspath(out)).absolute(), rules),)


def run_batch(
    paths: Iterable[StrPath],
    out: StrPath,
    options: Options,
    means: Means,
    sections: Sequence[SectionMaker] = (),
) -> Fleet:
    """Explains traces and writes their reports and the fleet's; see ``nsys_llm_explainer.batch``.

    Args:
        paths: Files, folders and patterns.
        out: Where the reports go.
        options: What decides what the reports say.
        means: How the work is done.
        sections: Each is given all traces and adds to the fleet's outputs. Those that read report.json need the format.
    """
    generated_at = timestamp()
    folder = Path(os.fspath(out)).absolute()
    check_directory(folder)
    means.limit()
    if means.jobs is not None and means.jobs < 1:
        raise ValueError(f"jobs must be at least 1, not {means.jobs}")
    notes: list[str] = []

    def note(text: str) -> None:
        notes.append(text)
        if means.note is not None:
            means.note(text)

    found = find_traces(paths, folder)
    for text in (*found.notes, *check_parquet()):
        note(text)
    tasks = _tasks(found.sources, folder, options, means, generated_at)
    outcomes = _Outcomes(tasks, means.progress)
    if means.resume and _resume(tasks, outcomes):
        note(f"{outcomes.done} of {len(tasks)} traces are done and unchanged")
    left = [(index, task) for index, task in enumerate(tasks) if outcomes.found[index] is None]
    complete = False
    try:
        _run(left, means, outcomes, note)
        complete = True
    finally:
        # Workers of a cluster end what they have open, so that they may still write after Ctrl-C.
        for _, task in left if complete or means.cluster is None else ():
            sweep(Path(task.folder))
    traces = outcomes.results()
    for trace in traces:
        if trace.error is not None:
            clear(trace.folder)
    added = [section for maker in sections for section in maker(traces)]
    fleet = fleet_of(traces, generated_at, added, notes)
    write_fleet(fleet, folder)
    return fleet


def _resume(tasks: Sequence[Task], outcomes: _Outcomes) -> bool:
    """Takes the outcomes of the reports that need not be made again; returns whether there is any."""
    for index, task in enumerate(tasks):
        before = done_before(Path(task.folder), task.path, task.options.key())
        if before is not None:
            outcomes.take(index, Outcome(before.summary, None, before.fingerprint["file_bytes"]))
    return outcomes.done > 0


class _Outcomes:
    """The outcomes of the tasks, by index: one each, whoever reports them and however often."""

    def __init__(self, tasks: Sequence[Task], progress: Progress | None) -> None:
        self._tasks = tasks
        self._progress = progress
        self.found: list[Optional[Outcome]] = [None] * len(tasks)
        self.done = 0

    def take(self, index: int, outcome: Outcome) -> None:
        if self.found[index] is not None:
            return
        self.found[index] = outcome
        self.done += 1
        if self._progress is not None:
            self._progress(self._tasks[index].name, self.done, len(self._tasks))

    def results(self) -> list[TraceResult]:
        return [
            TraceResult(task.name, task.shown, Path(task.folder), outcome.summary, outcome.error, outcome.file_bytes)
            for task, outcome in zip(self._tasks, self.found)
            if outcome is not None
        ]


def _tasks(sources: Sequence[Source], folder: Path, options: Options, means: Means, generated_at: str) -> list[Task]:
    names = unique_names([source.path for source in sources], taken=names_of_files())
    threads = means.threads
    if threads is None:
        threads = 1 if means.cluster is not None else max(1, _cpus() // _jobs(means, len(sources)))
    return [
        Task(name, source.path, source.shown, str(folder / name), options, threads, generated_at)
        for name, source in zip(names, sources)
    ]


def _run(left: Sequence[tuple[int, Task]], means: Means, outcomes: _Outcomes, note: Note) -> None:
    if not left:
        return
    if means.cluster is not None:
        with connected(means.cluster) as client:
            run_tasks(client, left, outcomes.take)
        return
    formats = left[0][1].options.formats
    jobs = [Job(index, task, memory.estimate(task.path, _size(task.path), formats)) for index, task in left]
    Pool(_jobs(means, len(left)), means.limit(), note).run(jobs, outcomes.take)


def _jobs(means: Means, traces: int) -> int:
    return max(1, min(means.jobs or _cpus(), traces))


def _cpus() -> int:
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0  # the task itself says what is wrong with it
