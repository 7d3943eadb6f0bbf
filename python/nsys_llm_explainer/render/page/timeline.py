"""The timeline's data: bins of every device, packed; steps, longest gaps and storms on the same clock."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from nsys_llm_explainer._native import bin_shares
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape.text import visible
from nsys_llm_explainer.render.figures.palette import BUCKETS
from nsys_llm_explainer.render.tables import Tables
from nsys_llm_explainer.report import Report

FULL = 65_535
"""A bin that is one bucket from end to end. Packed shares are exact to 1/65535 of a bin."""

GAPS_SHOWN = 100
STORMS_SHOWN = 50
_LONGEST_NAME = 80
Row = Mapping[str, Any]


def timeline(report: Report, tables: Tables) -> dict[str, Any] | None:
    """Returns the data of the timeline, times relative to its ``base``; None where nothing lies in time.

    Args:
        report: The report.
        tables: Its tables.
    """
    levels = [level for level in report.timeline if level["buckets"]]
    steps = tables.rows("steps", "steps")
    gaps = tables.rows("budget", "gap_causes")
    windows = [row for row in tables.rows("gpu_idle", "gpu_devices") if row["window_start_ns"] is not None]
    keys = list(dict.fromkeys(map(_key, (*windows, *levels, *steps, *gaps))))
    if not keys or not windows:
        return None
    base = min(row["window_start_ns"] for row in windows)
    end = max(row["window_end_ns"] for row in windows)
    storms = tables.rows("launch_path", "kernel_runs")[:STORMS_SHOWN]
    steps_of, gaps_of, storms_of = _by_device(steps), _by_device(gaps), _by_device(storms)
    devices = [
        {
            "label": fmt.device_label(*key),
            "levels": [_level(level, base) for level in levels if _key(level) == key],
            "steps": _steps(steps_of.get(key, []), base),
            "gaps": [_gap(row, base) for row in gaps_of.get(key, [])[:GAPS_SHOWN]],
            "storms": [_storm(row, base) for row in storms_of.get(key, [])],
        }
        for key in keys
    ]
    return {"base": str(base), "length": max(1, end - base), "full": FULL, "words": dict(BUCKETS), "devices": devices}


def pack(values: Sequence[int], bin_ns: int) -> str:
    """Returns the shares of bins as base64 of little-endian 16-bit numbers.

    Args:
        values: Nanoseconds of each bin.
        bin_ns: The length of a bin.
    """
    nanoseconds = values if isinstance(values, array) else array("q", values)
    return base64.b64encode(bin_shares(nanoseconds.tobytes(), bin_ns, FULL)).decode("ascii")


def _level(level: Row, base: int) -> dict[str, Any]:
    buckets = level["buckets"]
    return {
        "start": level["start_ns"] - base,
        "bin": level["bin_ns"],
        "bins": max(map(len, buckets.values())),
        "buckets": {name: pack(buckets[name], level["bin_ns"]) for name in BUCKETS if name in buckets},
    }


def _steps(rows: Sequence[Row], base: int) -> dict[str, list[Any]]:
    return {
        "start": [row["start_ns"] - base for row in rows],
        "end": [row["end_ns"] - base for row in rows],
        "kind": [row["kind"] for row in rows],
        "index": [row["index"] for row in rows],
        "pid": [row["pid"] for row in rows],
    }


def _gap(row: Row, base: int) -> dict[str, Any]:
    call = f" in {_name(row['call_name'])}" if row["call_name"] else ""
    inside = f", range {_name(row['range_name'])}" if row["range_name"] else ""
    thread = f"process {row['pid']}, thread {row['tid']}" if row["pid"] is not None else "an unknown thread"
    next_op = f"; then {fmt.kernel_name(visible(row['next_op']))}" if row["next_op"] else ""
    text = (
        f"gap of {fmt.duration(row['gap_ns'])}, mostly {BUCKETS.get(row['cause'], row['cause'])}{next_op}, "
        f"launched by {thread}{call}{inside}"
    )
    return {"start": row["start_ns"] - base, "end": row["end_ns"] - base, "text": text}


def _storm(row: Row, base: int) -> dict[str, Any]:
    text = (
        f"{fmt.counted(row['kernels'], 'small kernel')} in {fmt.counted(row['runs'], 'run')} launched one by one, "
        f"mostly {fmt.kernel_name(visible(row['top_kernel'] or ''))}; the longest run is marked"
    )
    return {"start": row["example_start_ns"] - base, "end": row["example_end_ns"] - base, "text": text}


def _name(text: str) -> str:
    return fmt.truncate(visible(text), _LONGEST_NAME)


def _key(row: Row) -> tuple[Any, Any]:
    return row["device_id"], row["gpu_id"]


def _by_device(rows: Sequence[Row]) -> dict[tuple[Any, Any], list[Row]]:
    found: dict[tuple[Any, Any], list[Row]] = {}
    for row in rows:
        found.setdefault(_key(row), []).append(row)
    return found
