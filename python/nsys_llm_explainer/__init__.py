"""Explains Nsight Systems exports of LLM inference: what the GPUs did, and what to look at next.

Example:
    >>> import nsys_llm_explainer
    >>> report = nsys_llm_explainer.analyze("trace.sqlite")  # doctest: +SKIP
    >>> report.sections["kernels"].tables["kernels"].rows()[0]["kernel_name"]  # doctest: +SKIP
"""

from __future__ import annotations

from nsys_llm_explainer._native import Section, Stream, Table, Trace, __version__, stream_schema
from nsys_llm_explainer.api import analyze, batch, check, compare, export_perfetto, open_trace, ranks
from nsys_llm_explainer.errors import (
    CorruptTraceError,
    ExportToolError,
    MissingExtraError,
    NotAnExportError,
    NotCapturedError,
    NsysError,
    QueryError,
    UnsafeSchemaError,
)
from nsys_llm_explainer.report import Evidence, Finding, Report

__all__ = [
    "CorruptTraceError",
    "Evidence",
    "ExportToolError",
    "Finding",
    "MissingExtraError",
    "NotAnExportError",
    "NotCapturedError",
    "NsysError",
    "QueryError",
    "Report",
    "Section",
    "Stream",
    "Table",
    "Trace",
    "UnsafeSchemaError",
    "__version__",
    "analyze",
    "batch",
    "check",
    "compare",
    "export_perfetto",
    "open_trace",
    "ranks",
    "stream_schema",
]
