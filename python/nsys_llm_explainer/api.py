"""The doors of the Python API: ``analyze``, ``open_trace``; ``compare``, ``ranks``, ``batch`` for several traces."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Optional, TypedDict, Union

from nsys_llm_explainer import _native
from nsys_llm_explainer.capture.advice import advise
from nsys_llm_explainer.category_rules import CategoryRules, load_categories
from nsys_llm_explainer.findings.engine import find
from nsys_llm_explainer.phase_map import PhaseMap, load_phase_map
from nsys_llm_explainer.report import DEFAULT_KERNEL_LIMIT, Report, StrPath, timestamp
from nsys_llm_explainer.sections import SECTIONS

if TYPE_CHECKING:
    from distributed import Client
    from typing_extensions import Unpack

    from nsys_llm_explainer.comparison.value import Comparison
    from nsys_llm_explainer.fleet.result import Fleet
    from nsys_llm_explainer.gate.check import Checked
    from nsys_llm_explainer.job.explained import AnyReport
    from nsys_llm_explainer.job.value import RankReport
    from nsys_llm_explainer.perfetto_export.export import PerfettoExport

ProgressCallback = Callable[[str, int, int], None]
Span = tuple[Optional[int], Optional[int]]
Window = Union[Span, str]


class AnalysisOptions(TypedDict, total=False):
    """What ``batch`` hands on to ``analyze``."""

    phase_map: PhaseMap | None
    kernel_percentiles: bool
    nvtx_kernel_map: bool
    window: Window | None
    step_range: str | None
    categories: CategoryRules | None


WHOLE = "all"
STEADY = "steady"
BY_RANGE = "nvtx:"


def open_trace(path: StrPath, *, source: str = "auto") -> _native.Trace:
    """Opens and probes an export, read-only, without reading its rows.

    Args:
        path: An SQLite export of Nsight Systems.
        source: How rows are read: ``"pages"``, ``"sqlite"``, or ``"auto"`` for pages where the file allows it.

    Returns:
        The trace: ``info()``, ``tables()`` with row counts, ``capabilities()`` of every section.

    Raises:
        FileNotFoundError: There is no such file.
        NsysError: The file is no export, is damaged, or cannot be read.
    """
    return _native.open_trace(os.fspath(path), source=source)


def analyze(
    path: StrPath,
    *,
    phase_map: PhaseMap | None = None,
    kernel_percentiles: bool = True,
    nvtx_kernel_map: bool = True,
    threads: int | None = None,
    window: Window | None = None,
    step_range: str | None = None,
    categories: CategoryRules | None = None,
    source: str = "auto",
    progress: ProgressCallback | None = None,
) -> Report:
    """Analyses an export and returns the finished report. Writes nothing.

    The GIL is released while the core works, so calls from several threads run side by side.

    Args:
        path: An SQLite export of Nsight Systems (``nsys export --type sqlite``).
        phase_map: ``{phase: [pattern, ..]}``, or the path of a JSON file with that. A pattern is a substring of an NVTX
            range's name in any case, or ``re:`` and a regular expression. The first phase that matches wins.
        kernel_percentiles: Compute p50, p90 and p99 of every kernel.
        nvtx_kernel_map: Attribute kernels to NVTX ranges.
        threads: How many threads to use; None uses one per CPU.
        window: Start and end in ns on the trace's clock, either may be None; or ``"all"``, ``"steady"`` (of the steps;
            reads the trace twice), ``"nvtx:NAME"`` (first start to last end of the ranges of that name).
        step_range: A regular expression for the names of the NVTX ranges that are the engine's steps.
        categories: ``[[category, regular expression], ..]``, or the path of a JSON file with that: kernel categories
            that are tried before the built-in ones.
        source: How rows are read: ``"pages"``, ``"sqlite"``, or ``"auto"`` for pages where the file allows it.
        progress: Called with stage, units done and units expected.

    Returns:
        The report.

    Raises:
        FileNotFoundError: There is no such file.
        NsysError: The file is no export, is damaged, or cannot be read.
        ValueError: An argument is wrong, or the trace has no such window.
    """
    run = _Run(
        phase_map=None if phase_map is None else load_phase_map(phase_map),
        kernel_percentiles=kernel_percentiles,
        nvtx_kernel_map=nvtx_kernel_map,
        threads=threads,
        step_range=step_range,
        categories=None if categories is None else load_categories(categories),
        progress=progress,
    )
    check_window(window)
    generated_at = timestamp()
    result, window_source = run.in_window(open_trace(path, source=source), window)
    return _finished(result, generated_at, window_source)


def compare(
    before: StrPath | Report,
    after: StrPath | Report,
    *,
    window: Window | None = None,
    step_range: str | None = None,
    categories: CategoryRules | None = None,
    threads: int | None = None,
    floor: float = 0.03,
    allow_different: bool = False,
) -> Comparison:
    """Compares two traces, or two reports that are there already. Writes nothing.

    Args:
        before: The earlier run: an export, or its report.
        after: The later run.
        window: As in ``analyze``, for the sides that are exports.
        step_range: As in ``analyze``, for the sides that are exports.
        categories: As in ``analyze``, for the sides that are exports.
        threads: As in ``analyze``.
        floor: Changes of less than this part are not called any: two runs of the same thing may
            differ by as much, which one trace of each cannot show.
        allow_different: Compare all the same where GPUs, capture or steps differ so that figures do not compare.

    Returns:
        The comparison: ``lead``, ``changes``, ``differences``, ``tables``, ``figures``, and ``write()``.

    Raises:
        FileNotFoundError: There is no such file.
        NsysError: A file is no export, is damaged, or cannot be read.
        ValueError: An argument is wrong, or a trace has no such window.
    """
    from nsys_llm_explainer.comparison.compare import compare as compared  # noqa: PLC0415 - as in check

    def report_of(side: StrPath | Report) -> Report:
        if isinstance(side, Report):
            return side
        return analyze(side, window=window, step_range=step_range, categories=categories, threads=threads)

    first = report_of(before)
    same = not isinstance(after, Report) and not isinstance(before, Report) and os.fspath(before) == os.fspath(after)
    second = first if same else report_of(after)
    return compared(first, second, floor=floor, allow_different=allow_different)


def batch(
    paths: StrPath | Iterable[StrPath],
    out: StrPath,
    *,
    formats: Iterable[str] = ("md", "json", "csv"),
    kernel_limit: int = DEFAULT_KERNEL_LIMIT,
    jobs: int | None = None,
    memory: int | str | None = None,
    resume: bool = False,
    dask: str | Client | None = None,
    ranks: bool = False,
    progress: ProgressCallback | None = None,
    **analysis: Unpack[AnalysisOptions],
) -> Fleet:
    """Explains many traces: a report of each in a folder of its own below ``out``, and one over all of them.

    A trace that cannot be explained is a row with its error (``Fleet.failed``) and no exception. The work is done by
    processes of their own, so that it needs no ``if __name__ == "__main__"``.

    Args:
        paths: Files, folders (with all below them) or patterns.
        out: Where the reports go, and fleet.md, .html, .json, .csv and, with pyarrow, .parquet.
        formats: Formats of the reports of the traces. A page (``"html"``) is 5 MB and more each.
        kernel_limit: Rows of the kernel table in report.md.
        jobs: Worker processes; None for one per CPU.
        memory: What all workers together may take, in bytes or as ``"8GB"``; None for four fifths of what is free.
        resume: Leave reports alone that are whole and of the same trace, options and version.
        dask: A Dask scheduler's address, or a client: its workers do the work, on a filesystem that all share.
        ranks: The traces are of one job: compare them as its ranks as well, as ``ranks`` does. Needs the format json.
        progress: Called with the trace that was done last, how many are done, and how many there are.
        **analysis: As for ``analyze``: phase_map, kernel_percentiles, nvtx_kernel_map, window, step_range, categories.

    Returns:
        The fleet: ``devices`` (a row per trace and device), ``outliers``, ``traces``, ``failed``.

    Raises:
        ValueError: An argument is wrong, or a folder or pattern holds no trace.
        OSError: The outputs cannot be written, or there is no Dask scheduler.
    """
    from nsys_llm_explainer.fleet.work.batch import Means, checked_options, run_batch, section_makers  # noqa: PLC0415 - as in check

    options = checked_options(formats, kernel_limit=kernel_limit, **analysis)
    means = Means(jobs, None, memory, resume, dask, progress)
    found = (paths,) if isinstance(paths, (str, os.PathLike)) else paths
    return run_batch(found, out, options, means, section_makers(out, options, ranks=ranks))


def check(
    report: Report | Comparison,
    conditions: str | Iterable[str],
    baseline: StrPath | Report | None = None,
) -> tuple[Checked, ...]:
    """Holds a report against conditions on its figures, as ``--fail-on`` does.

    Args:
        report: The report, or a comparison, of which limits with a sign are relative to BEFORE.
        conditions: Conditions such as ``"budget.idle_share > 20%"`` or ``"steps.decode.period_p50_ns > +3%"``. A
            report that meets one fails; so does one without the figure.
        baseline: A file of ``--save-baseline``, or an earlier report; what limits with a sign are relative to. A
            comparison takes none.

    Returns:
        For each condition a frozen result: condition, value, limit, passed, reason.

    Raises:
        ValueError: A condition is malformed or has no baseline, or the baseline is none.
        OSError: The baseline cannot be read.
    """
    if not isinstance(report, Report):
        from nsys_llm_explainer.comparison.gate import check as held  # noqa: PLC0415 - as below

        if baseline is not None:
            raise ValueError("a comparison is held against BEFORE: it takes no baseline")
        return held(report, conditions)
    from nsys_llm_explainer.gate.check import check as held_against  # noqa: PLC0415 - a plain run has no gate

    return held_against(report, conditions, baseline)


def export_perfetto(
    path: StrPath,
    file: StrPath,
    *,
    window: Window | None = None,
    threads: int | None = None,
    step_range: str | None = None,
    categories: CategoryRules | None = None,
    source: str = "auto",
    progress: ProgressCallback | None = None,
) -> PerfettoExport:
    """Writes a trace for ui.perfetto.dev: processes, threads, GPU streams, flows, steps, and idle gaps by cause.

    Needs the extra ``perfetto``. The file appears whole or not at all; one that exists is replaced.

    Args:
        path: An SQLite export of Nsight Systems.
        file: Where the Perfetto trace goes.
        window: As for ``analyze``: only the events of that time, with ranges cut to it.
        threads: How many threads to use; None uses one per CPU.
        step_range: As for ``analyze``.
        categories: As for ``analyze``.
        source: As for ``analyze``.
        progress: Called with stage, units done and units expected.

    Returns:
        A frozen result: path, slices by stream, flows, tracks, shifted_ns.

    Raises:
        FileNotFoundError: There is no such trace.
        MissingExtraError: The package perfetto is not installed.
        NsysError: The file is no export, is damaged, or cannot be read.
        OSError: The file cannot be written.
        ValueError: An argument is wrong, or the trace has no such window.
    """
    from nsys_llm_explainer.perfetto_export.export import check_target, write_perfetto  # noqa: PLC0415 - an extra

    check_window(window)
    check_target(file, path)
    rules = None if categories is None else load_categories(categories)
    run = _Run(
        phase_map=None,
        kernel_percentiles=False,
        nvtx_kernel_map=False,
        threads=threads,
        step_range=step_range,
        categories=rules,
        progress=progress,
    )
    trace = open_trace(path, source=source)
    return write_perfetto(
        trace,
        file,
        run.span(trace, window),
        threads=threads,
        step_range=step_range,
        categories=None if rules is None else rules[0],
        progress=progress,
    )


def ranks(
    paths: Sequence[StrPath],
    *,
    reports: Sequence[AnyReport | None] | None = None,
    categories: CategoryRules | None = None,
) -> RankReport:
    """Explains traces of one job together: aligns their clocks by shared collectives and says who is late.

    Writes nothing. How well the clocks are aligned is part of the result: offset, drift, residual, confidence.

    Args:
        paths: SQLite exports of the same run, captured on several nodes or one for each rank; at least two.
        reports: For each path its report, or the content of its report.json; a trace without one is analysed.
        categories: Kernel categories that are tried before the built-in ones; those of ``comm.*`` are collectives.

    Returns:
        The report on all ranks; its ``write`` makes ranks.md, ranks.json, ranks.html and tables.

    Raises:
        FileNotFoundError: There is no such file.
        NsysError: A file is no export, is damaged, or cannot be read.
        ValueError: There are fewer than two paths, or the arguments do not fit.
    """
    from nsys_llm_explainer.job.explain import explain_ranks  # noqa: PLC0415 - for those with several traces

    return explain_ranks(paths, reports, categories=categories)


def check_window(window: Window | None) -> None:
    """Makes sure that a window given by name is one.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(window, str) or window in (WHOLE, STEADY):
        return
    if not window.startswith(BY_RANGE) or not window[len(BY_RANGE) :]:
        raise ValueError(f"{window!r} is no window: expected {STEADY}, {WHOLE}, {BY_RANGE}NAME, or start and end")


@dataclass(frozen=True)
class _Run:
    """The options of an analysis, checked, apart from the window."""

    phase_map: list[tuple[str, list[str]]] | None
    kernel_percentiles: bool
    nvtx_kernel_map: bool
    threads: int | None
    step_range: str | None
    categories: tuple[list[tuple[str, str]], str] | None
    progress: ProgressCallback | None

    def in_window(self, trace: _native.Trace, window: Window | None) -> tuple[dict[str, Any], str | None]:
        """Returns what the core found in a window of the trace, and what to call the window where it has a name."""
        if not isinstance(window, str):
            return self.analyze(trace, window), None
        if window.startswith(BY_RANGE):
            return self.analyze(trace, _span_of(trace, window[len(BY_RANGE) :])), "nvtx"
        whole = self.analyze(trace, None)
        return (whole, None) if window == WHOLE else (self.analyze(trace, _steady_span(whole)), STEADY)

    def span(self, trace: _native.Trace, window: Window | None) -> Span | None:
        """Returns start and end of a window of the trace."""
        if not isinstance(window, str):
            return window
        if window.startswith(BY_RANGE):
            return _span_of(trace, window[len(BY_RANGE) :])
        return None if window == WHOLE else _steady_span(self.analyze(trace, None))

    def analyze(self, trace: _native.Trace, window: Span | None) -> dict[str, Any]:
        """Returns what the core found between two moments."""
        rules, where = (None, "") if self.categories is None else self.categories
        try:
            return trace.analyze(
                phase_map=self.phase_map,
                kernel_percentiles=self.kernel_percentiles,
                nvtx_kernel_map=self.nvtx_kernel_map,
                threads=self.threads,
                window=window,
                step_range=self.step_range,
                categories=rules,
                progress=self.progress,
            )
        except ValueError as error:
            # The core knows the entry, the file is known here.
            if where != "categories" and str(error).startswith("categories"):
                raise ValueError(f"{where}{str(error)[len('categories') :]}") from error
            raise


def _span_of(trace: _native.Trace, name: str) -> Span:
    span = trace.range_span(name)
    if span is None:
        raise ValueError(
            f"no NVTX range is named {name!r}: the names are in the table nvtx_ranges of a report of the whole trace"
        )
    return span


def _steady_span(result: Mapping[str, Any]) -> Span:
    section = next((section for section in result["sections"] if section.id == "steps"), None)
    if section is None or section.status != "ok":
        needs = "; ".join(section.needs) if section is not None and section.needs else "no steps were found"
        raise ValueError(
            f"there is no steady window, as it is made of the engine's steps: {needs}. Name the ranges of the steps "
            f"with --step-range, or give the window as START:END"
        )
    start, end = section.summary.get("steady_start_ns"), section.summary.get("steady_end_ns")
    if start is None or end is None:
        found = section.summary.get("steps") or 0
        raise ValueError(
            f"there is no steady window: {found} steps were found, and no run of them keeps a period within 3 times the"
            " median. Record more steps under a constant load, name the ranges of the steps with --step-range, or give"
            " the window as START:END"
        )
    span: Span = (start, end)
    return span


def _finished(result: Mapping[str, Any], generated_at: str, window_source: str | None = None) -> Report:
    by_id = {section.id: section for section in result["sections"]}
    sections = {view.id: by_id[view.id] for view in SECTIONS if view.id in by_id}
    window = {**result["window"], **({} if window_source is None else {"source": window_source})}
    report = Report(
        trace=MappingProxyType(result["trace"]),
        window=MappingProxyType(window),
        warnings=tuple(MappingProxyType(warning) for warning in result["warnings"]),
        findings=(),
        sections=MappingProxyType(sections),
        generated_at=generated_at,
        stages=tuple(result["stages"]),
        timeline=tuple(result["timeline"]),
    )
    report = replace(report, capture=advise(report))
    return replace(report, findings=find(report))
