"""Finds the traces that paths, folders and patterns name."""

from __future__ import annotations

import glob
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nsys_llm_explainer.nsys_export import SUFFIX, is_report
from nsys_llm_explainer.report import StrPath

EXPORTS = (".sqlite",)
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Source:
    """A trace to read.

    Attributes:
        path: Its absolute path, with links resolved.
        shown: The path as it was given or found, for people and reports.
    """

    path: str
    shown: str


@dataclass(frozen=True)
class Found:
    """What paths led to.

    Attributes:
        sources: The traces in the order of the arguments, each once; those of a folder by name.
        notes: What was left out, for people.
    """

    sources: tuple[Source, ...]
    notes: tuple[str, ...]


def find_traces(paths: Iterable[StrPath], out: Path) -> Found:
    """Returns the traces behind paths: files as they are, folders with all below them, patterns that no shell expanded.

    A folder counts ``*.sqlite`` files, and ``*.nsys-rep`` without such a file beside them where nsys is on PATH. Links
    to files are followed, links to folders and hidden names are not; nor is ``out`` entered.

    Args:
        paths: Files, folders or patterns.
        out: Where the reports go.

    Raises:
        ValueError: A folder or pattern holds no trace, or nothing is named.
    """
    with_reports = shutil.which("nsys") is not None
    left_out: list[str] = []
    found: dict[str, Source] = {}
    for path in paths:
        for name in _expanded(os.fspath(path)):
            members = [name]
            if Path(name).is_dir():
                members = sorted(_walk(name, os.path.realpath(out), with_reports, left_out), key=natural)
                if not members:
                    raise ValueError(f"{name}: the folder holds no trace: no *{EXPORTS[0]}{_without(left_out)}")
            for member in members:
                real = os.path.realpath(member)
                found.setdefault(real, Source(real, text_of(member)))
    if not found:
        raise ValueError("no trace is named: give files, folders or patterns")
    notes = (f"{len(left_out)} *{SUFFIX} left out, as nsys is not on PATH to export them",) if left_out else ()
    return Found(tuple(found.values()), notes)


def natural(path: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Returns what paths are sorted by: rank2 before rank10."""
    parts = (part for part in _DIGITS.split(path) if part)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts), path


def text_of(path: str) -> str:
    """Returns a path as text that every output can hold, also where the file's name is not UTF-8."""
    return os.fsencode(path).decode("utf-8", errors="replace")


def _expanded(path: str) -> list[str]:
    if os.path.lexists(path) or not glob.has_magic(path):
        return [path]
    matches = sorted(glob.glob(path, recursive=True), key=natural)  # noqa: PTH207 - a pattern with its own root
    if not matches:
        raise ValueError(f"{path}: no file matches this pattern")
    return matches


def _walk(folder: str, out: str, with_reports: bool, left_out: list[str]) -> Iterator[str]:
    for current, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and os.path.realpath(Path(current, name)) != out
        )
        exported = {Path(name).stem for name in names if name.lower().endswith(EXPORTS)}
        for name in names:
            path = str(Path(current, name))
            if name.startswith(".") or not _is_file(path):
                continue
            if name.lower().endswith(EXPORTS):
                yield path
            elif is_report(name) and name[: -len(SUFFIX)] not in exported:
                if with_reports:
                    yield path
                else:
                    left_out.append(path)


def _is_file(path: str) -> bool:
    """Returns whether a path is a regular file, or a link to one: a pipe or a device is never opened."""
    try:
        return stat.S_ISREG(Path(path).stat().st_mode)
    except OSError:
        return False


def _without(left_out: list[str]) -> str:
    return f" ({len(left_out)} *{SUFFIX}, but nsys is not on PATH to export them)" if left_out else ""
