"""The work on one trace: read it, write its report, keep what the fleet needs of it. Doing it twice changes nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nsys_llm_explainer._native import __version__
from nsys_llm_explainer.api import Window, analyze
from nsys_llm_explainer.errors import NsysError
from nsys_llm_explainer.fleet.fingerprint import fingerprint
from nsys_llm_explainer.fleet.record import RECORD, Record, record_text
from nsys_llm_explainer.fleet.summary import summarise
from nsys_llm_explainer.nsys_export import is_report, sqlite_of
from nsys_llm_explainer.render.figures.svg import PICTURES
from nsys_llm_explainer.render.outputs import FIGURES, HTML, JSON, MARKDOWN, known_csv_names, report_files
from nsys_llm_explainer.render.place import STAGE_PREFIX, place
from nsys_llm_explainer.report import Report

FORMATS = ("md", "json", "csv")
"""What is written of each trace where nothing is said: a page carries 5 MB of chart library each time."""


@dataclass(frozen=True)
class Options:
    """What decides what the reports say, checked.

    Attributes:
        formats: Formats of the reports.
        kernel_limit: Rows of the kernel table in report.md.
        phase_map: Phases with their patterns.
        kernel_percentiles: Compute p50, p90 and p99 of every kernel.
        nvtx_kernel_map: Attribute kernels to NVTX ranges.
        window: The window, as ``analyze`` takes it.
        step_range: Names of the ranges that are steps.
        categories: Kernel categories with their patterns.
    """

    formats: tuple[str, ...]
    kernel_limit: int
    phase_map: tuple[tuple[str, tuple[str, ...]], ...] | None = None
    kernel_percentiles: bool = True
    nvtx_kernel_map: bool = True
    window: Window | None = None
    step_range: str | None = None
    categories: tuple[tuple[str, str], ...] | None = None

    def key(self) -> str:
        """Returns a digest that differs where the reports would."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Task:
    """One trace to explain.

    Attributes:
        name: Its name in the job.
        path: Its absolute path.
        shown: The path that the report names.
        folder: The absolute path of the folder of its report.
        options: What decides what the report says.
        threads: Threads of the core.
        generated_at: The time that the report carries: that of the job, whichever machine does the work.
    """

    name: str
    path: str
    shown: str
    folder: str
    options: Options
    threads: int
    generated_at: str

    def to_dict(self) -> dict[str, Any]:
        """Returns the task as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Outcome:
    """What came of a task: what the fleet keeps of the report, or the error.

    Attributes:
        summary: The summary of the report.
        error: Type and message.
        file_bytes: Size of the trace, where it could be seen.
    """

    summary: Mapping[str, Any] | None = None
    error: tuple[str, str] | None = None
    file_bytes: int | None = None


def task_of(value: Mapping[str, Any]) -> Task:
    """Returns a task from what ``Task.to_dict`` became in JSON."""
    options = dict(value["options"])
    for name in ("formats", "window"):
        if isinstance(options[name], list):
            options[name] = tuple(options[name])
    if options["phase_map"] is not None:
        options["phase_map"] = tuple((phase, tuple(patterns)) for phase, patterns in options["phase_map"])
    if options["categories"] is not None:
        options["categories"] = tuple((category, pattern) for category, pattern in options["categories"])
    return Task(**{**value, "options": Options(**options)})


def explain(value: Mapping[str, Any]) -> dict[str, Any]:
    """Explains one trace and writes its report; returns plain data, ``outcome_of`` reads it.

    Args:
        value: The task, as plain data.
    """
    task = task_of(value)
    answer: dict[str, Any] = {"version": __version__, "file_bytes": None, "summary": None, "error": None}
    try:
        answer["file_bytes"] = Path(task.path).stat().st_size
        answer["summary"] = _explained(task)
    except (NsysError, OSError, ValueError, MemoryError) as error:
        # The row names the trace already.
        answer["error"] = [type(error).__name__, message_of(error).removeprefix(f"{task.path}: ")]
    return answer


def outcome_of(answer: Mapping[str, Any]) -> Outcome:
    """Returns the outcome that ``explain`` gave as plain data."""
    if answer["version"] != __version__:
        told = f"the worker runs version {answer['version']}, this is {__version__}: install the same version on both"
        return Outcome(error=("VersionError", told), file_bytes=answer["file_bytes"])
    error = answer["error"]
    return Outcome(answer["summary"], None if error is None else (error[0], error[1]), answer["file_bytes"])


def message_of(error: BaseException) -> str:
    """Returns what went wrong, for people, on one line."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    elif isinstance(error, MemoryError):
        text = "out of memory"
    return text.encode("utf-8", errors="replace").decode("utf-8") or type(error).__name__


def clear(folder: Path) -> None:
    """Removes an earlier report of this job from a folder, and the folder where nothing else is in it."""
    if (folder / RECORD).is_file():
        place({}, folder, stale=sorted(_known_names()))
        for inner in (folder / "tables", folder / FIGURES, folder):
            if inner.is_dir() and not any(inner.iterdir()):
                inner.rmdir()


def sweep(folder: Path) -> None:
    """Removes what a process that was killed left of an unfinished report, and the folder where nothing else is in it.

    Args:
        folder: The folder of a report, into which nobody writes now.
    """
    if not folder.is_dir():
        return
    for stage in folder.glob(f"{STAGE_PREFIX}*"):
        shutil.rmtree(stage, ignore_errors=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _explained(task: Task) -> dict[str, Any]:
    # Taken before the trace is read: a change meanwhile shows at the next look.
    found = fingerprint(task.path)
    report = _report(task)
    summary = summarise(report)
    options = task.options
    files = report_files(report, options.formats, kernel_limit=options.kernel_limit)
    record = Record(
        version=__version__,
        options=options.key(),
        path=task.path,
        fingerprint=found,
        files={name: len(content) for name, content in files.items()},
        summary=summary,
    )
    # Last, so that a folder with a record holds all the rest.
    files[RECORD] = record_text(record).encode("ascii")
    place(files, Path(task.folder), stale=sorted(_known_names() - files.keys()))
    return summary


def _report(task: Task) -> Report:
    options = task.options
    with sqlite_of(task.path) as path:
        report = analyze(
            path,
            phase_map=None if options.phase_map is None else dict(options.phase_map),
            kernel_percentiles=options.kernel_percentiles,
            nvtx_kernel_map=options.nvtx_kernel_map,
            threads=task.threads,
            window=options.window,
            step_range=options.step_range,
            categories=options.categories,
        )
    facts = {**report.trace, "path": task.shown}
    if is_report(task.path):
        facts["file_bytes"] = Path(task.path).stat().st_size
    return replace(report, trace=MappingProxyType(facts), generated_at=task.generated_at)


def _known_names() -> set[str]:
    pictures = {f"{FIGURES}/{name}.svg" for name in PICTURES}
    return {MARKDOWN, JSON, HTML, RECORD, *known_csv_names(), *pictures}
