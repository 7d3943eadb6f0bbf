"""The errors that reading a trace can raise.

``NsysError`` is the base of everything that is wrong with a trace. What is wrong with a path or an argument is a
builtin: ``FileNotFoundError``, ``IsADirectoryError``, ``PermissionError``, ``ValueError``.
"""

from __future__ import annotations

from nsys_llm_explainer._native import (
    CorruptTraceError,
    NotAnExportError,
    NotCapturedError,
    NsysError,
    QueryError,
    UnsafeSchemaError,
)

__all__ = [
    "CorruptTraceError",
    "ExportToolError",
    "MissingExtraError",
    "NotAnExportError",
    "NotCapturedError",
    "NsysError",
    "QueryError",
    "UnsafeSchemaError",
]


class MissingExtraError(NsysError):
    """An optional part needs a package that is not installed; the message says how to install it."""


class ExportToolError(NsysError):
    """A ``.nsys-rep`` could not be turned into an SQLite export: ``nsys`` is not installed, or it failed."""
