"""The baseline file: figures of one report to measure others from, and nothing else of its trace."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsys_llm_explainer._native import __version__
from nsys_llm_explainer.gate.figures import STEP_KINDS, Figures, FindingFigures, of_report
from nsys_llm_explainer.render.place import place
from nsys_llm_explainer.report import SCHEMA_VERSION, SEVERITIES, TOOL_NAME, Report, StrPath

KIND = f"{TOOL_NAME} baseline"
#: The tables that are kept, with the only columns of text in them: words of this program, never of a trace.
KEPT: Mapping[str, frozenset[str]] = {STEP_KINDS: frozenset({"kind"}), "device_time": frozenset({"bucket"})}
_LARGEST = 1e200


@dataclass(frozen=True)
class _Held:
    """The rows of a table that a baseline keeps."""

    held: list[dict[str, Any]]

    @property
    def total_rows(self) -> int:
        return len(self.held)

    def rows(self) -> list[dict[str, Any]]:
        return self.held


def content(report: Report) -> dict[str, Any]:
    """Returns what the baseline file of a report holds: numbers, and the words that rows are chosen by."""
    figures = of_report(report)
    summary = {name: _numbers(figures.summary[name]) for name in report.sections if name in figures.summary}
    return {
        "kind": KIND,
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": TOOL_NAME, "version": __version__},
        "summary": summary,
        "tables": {
            name: [_numbers(row, words) for row in figures.tables[name].rows()]
            for name, words in KEPT.items()
            if name in figures.tables
        },
        "findings": [
            {
                "id": finding.id,
                "severity": finding.severity,
                "at_stake_ns": finding.at_stake_ns,
                "at_stake_share": finding.at_stake_share,
            }
            for finding in figures.findings
        ],
    }


def save(report: Report, path: StrPath) -> None:
    """Writes the baseline of a report: under another name first, so that a reader sees the old file or the new one.

    Raises:
        OSError: It cannot be written; a file that was there stays.
    """
    target = Path(path)
    text = json.dumps(content(report), indent=1, allow_nan=False) + "\n"
    place({target.name: text.encode("ascii")}, target.parent)


def load(path: StrPath) -> Figures:
    """Returns the figures of a baseline file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no baseline of this version; the message says why.
    """
    where = f"baseline {os.fspath(path)}"
    try:
        value = json.loads(Path(path).read_bytes().decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError(f"{where}: nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"{where}: not valid JSON: {error}") from error
    if not isinstance(value, dict) or value.get("kind") != KIND:
        raise ValueError(f"{where}: not a file that --save-baseline wrote")
    version = value.get("schema_version")
    major = SCHEMA_VERSION.partition(".")[0]
    if not isinstance(version, str) or version.partition(".")[0] != major:
        raise ValueError(f"{where}: schema_version {version!r} is not {major}.x: save it anew with this version")
    return Figures(
        summary={name: _checked(row, f"{where}: {name}") for name, row in _object(value, "summary", where).items()},
        tables={
            name: _Held([_checked(row, f"{where}: {name}", KEPT.get(name)) for row in _list(rows, f"{where}: {name}")])
            for name, rows in _object(value, "tables", where).items()
        },
        findings=tuple(_finding(item, where) for item in _list(value.get("findings"), f"{where}: findings")),
        holder="baseline",
    )


def _numbers(row: Mapping[str, Any], words: frozenset[str] = frozenset()) -> dict[str, Any]:
    return {name: value for name, value in row.items() if isinstance(value, (int, float)) or name in words}


def _object(value: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    found = value.get(key)
    if not isinstance(found, dict):
        raise ValueError(f"{where}: {key} is no object")  # noqa: TRY004 - the file is wrong
    return found


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{where} is no list")  # noqa: TRY004 - the file is wrong
    return value


def _checked(row: Any, where: str, words: frozenset[str] | None = None) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise ValueError(f"{where} is no object")  # noqa: TRY004 - the file is wrong
    for name, value in row.items():
        if not (isinstance(value, str) if name in (words or ()) else _is_number(value)):
            raise ValueError(f"{where}.{name} is no figure")
    return row


def _finding(item: Any, where: str) -> FindingFigures:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str) or item.get("severity") not in SEVERITIES:
        raise ValueError(f"{where}: a finding has no id or severity")
    stakes = item.get("at_stake_ns"), item.get("at_stake_share")
    if not all(stake is None or _is_number(stake) for stake in stakes):
        raise ValueError(f"{where}: a finding's time at stake is no number")
    return FindingFigures(item["id"], item["severity"], *stakes)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and -_LARGEST < value < _LARGEST
