"""The two doors of the Python API: ``analyze`` and ``open_trace``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Optional

from nsys_llm_explainer import _native
from nsys_llm_explainer.findings.engine import find
from nsys_llm_explainer.phase_map import PhaseMap, load_phase_map
from nsys_llm_explainer.report import Report, StrPath, timestamp
from nsys_llm_explainer.sections import SECTIONS

ProgressCallback = Callable[[str, int, int], None]
Window = tuple[Optional[int], Optional[int]]


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
        window: Start and end in ns on the trace's clock, either may be None.
        source: How rows are read: ``"pages"``, ``"sqlite"``, or ``"auto"`` for pages where the file allows it.
        progress: Called with stage, units done and units expected.

    Returns:
        The report.

    Raises:
        FileNotFoundError: There is no such file.
        NsysError: The file is no export, is damaged, or cannot be read.
        ValueError: An argument is wrong: the phase map, the window, the source, or the number of threads.
    """
    phases = None if phase_map is None else load_phase_map(phase_map)
    generated_at = timestamp()
    result = open_trace(path, source=source).analyze(
        phase_map=phases,
        kernel_percentiles=kernel_percentiles,
        nvtx_kernel_map=nvtx_kernel_map,
        threads=threads,
        window=window,
        progress=progress,
    )
    return _finished(result, generated_at)


def _finished(result: Mapping[str, Any], generated_at: str) -> Report:
    by_id = {section.id: section for section in result["sections"]}
    sections = {view.id: by_id[view.id] for view in SECTIONS if view.id in by_id}
    report = Report(
        trace=MappingProxyType(result["trace"]),
        window=MappingProxyType(result["window"]),
        warnings=tuple(MappingProxyType(warning) for warning in result["warnings"]),
        findings=(),
        sections=MappingProxyType(sections),
        generated_at=generated_at,
        stages=tuple(result["stages"]),
    )
    return replace(report, findings=find(report))
