"""The summary in colour, with a bar for each GPU, for a terminal that shows colours; a pipe gets the plain lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from nsys_llm_explainer.render.figures.budget import shares
from nsys_llm_explainer.render.figures.palette import BUCKETS
from nsys_llm_explainer.render.tables import Tables
from nsys_llm_explainer.render.terminal import WIDTH
from nsys_llm_explainer.render.terminal_budget import device_lines
from nsys_llm_explainer.report import Report

if TYPE_CHECKING:
    from rich.text import Text

BLOCK = "█"
_INDENT = 7
_SEVERITIES = {"[high]": "bold red", "[medium]": "bold yellow", "[low]": "bold cyan"}
_COLOURS: Mapping[str, str] = {"compute": "green", "communication": "blue", "copy": "magenta"}
_IDLE = "idle"
_IDLE_COLOUR = "red"


def coloured(report: Report, lines: Sequence[str]) -> Text:
    """Returns the lines of the summary in colour, with a bar under the line of each GPU.

    Args:
        report: The report.
        lines: What ``summary_lines`` made of it.
    """
    parts = [_parts(rows) for rows in _by_device(report)]
    devices = device_lines(report, WIDTH)
    one_each = len(devices) == len(parts)
    shown = _text()
    for line in lines:
        shown.append_text(_line(line)).append("\n")
        if one_each and line in devices:
            place = devices.index(line)
            shown.append_text(bar(parts[place])).append("\n")
            if place == len(devices) - 1:
                shown.append_text(_legend()).append("\n")
    return shown


def _text(plain: str = "") -> Text:
    from rich.text import Text  # noqa: PLC0415 - only a terminal with colours needs it

    return Text(plain)


def bar(parts: Mapping[str, float], width: int = WIDTH - _INDENT) -> Text:
    """Returns a bar of exactly a width, each part rounded so that none takes another's place.

    Args:
        parts: Shares of compute, communication, copy and idle that add up to 1.
        width: How many cells.
    """
    shown = _text(" " * _INDENT)
    done, reached = 0, 0.0
    for name, share in parts.items():
        reached += share
        until = min(width, round(reached * width))
        shown.append(BLOCK * (until - done), style=_COLOURS.get(name, _IDLE_COLOUR))
        done = until
    return shown


def _by_device(report: Report) -> list[dict[str, float]]:
    return [{bucket: row["share"] for bucket, row in rows.items()} for rows in shares(Tables(report)).values()]


def _parts(rows: Mapping[str, float]) -> dict[str, float]:
    """Returns the shares with all idle time as one part."""
    busy = {bucket: rows.get(bucket, 0.0) for bucket in _COLOURS}
    return {**busy, _IDLE: sum(rows.get(bucket, 0.0) for bucket in BUCKETS if bucket not in _COLOURS)}


def _line(line: str) -> Text:
    shown = _text(line)
    for tag, style in _SEVERITIES.items():
        if line.startswith(tag):
            shown.stylize(style, 0, len(tag))
    if line.startswith("WARNING:"):
        shown.stylize("bold red", 0, len("WARNING:"))
    return shown


def _legend() -> Text:
    shown = _text(" " * _INDENT)
    for name in (*_COLOURS, _IDLE):
        shown.append(BLOCK, style=_COLOURS.get(name, _IDLE_COLOUR)).append(f" {name}  ", style="dim")
    return shown
