"""The periods of the steps over time, their distribution, and what the slowest took longer."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Any

from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape.plotly import label
from nsys_llm_explainer.render.figures.chart import Chart, Part, bar_layout, bars
from nsys_llm_explainer.render.figures.palette import BUCKETS, KINDS, token
from nsys_llm_explainer.render.tables import Tables

MOST_POINTS = 4_000
BINS = 40
NAMED_OUTLIERS = 8
_SPREAD = 10
_SYMBOLS = {"decode": "circle", "prefill": "diamond", "mixed": "square", "unknown": "cross"}
_ROW = dict[str, Any]


def timed_steps(tables: Tables) -> list[_ROW]:
    """Returns the steps that have a period."""
    return [row for row in tables.rows("steps", "steps") if row["period_ns"]]


def steps_chart(tables: Tables) -> Chart | None:
    """Returns the period of each step over time by kind, with outliers named; None without periods."""
    rows = timed_steps(tables)
    if not rows:
        return None
    base = min(row["start_ns"] for row in rows)
    slow = tables.rows("steps", "slow_steps")
    drawn = _thinned(rows)
    data = [_dots(kind, [row for row in drawn if row["kind"] == kind], base) for kind in KINDS]
    data = [trace for trace in data if trace["x"]]
    if slow:
        data.append(_rings(slow, base))
    note = "" if len(drawn) == len(rows) else f" {len(drawn):,} of {len(rows):,} steps are drawn, all extremes kept."
    texts = [_percentiles(row) for row in _kinds(tables)]
    layout = {
        "height": 340,
        "xaxis": {"title": {"text": f"s after {fmt.instant(base)} s"}, "zeroline": False},
        "yaxis": {"title": {"text": "period, ms"}, "rangemode": "tozero"},
        "shapes": [_line(row) for row in _kinds(tables)],
    }
    slowest = f" {fmt.counted(len(slow), 'step')} over 1.5 times the median of the kind." if slow else ""
    legend = _legend(rows)
    legend += (("over 1.5 times the median", "alarm"),) if slow else ()
    return Chart("Period of each step", " ".join(texts) + slowest + note, "steps", data, layout, legend)


def histogram_chart(tables: Tables) -> Chart | None:
    """Returns how many steps have which period, by kind; None without periods."""
    rows = timed_steps(tables)
    if not rows:
        return None
    periods = [row["period_ns"] for row in rows]
    edges = _edges(periods)
    texts = [f"{fmt.duration(low)} to {fmt.duration(high)}" for low, high in zip(edges, edges[1:])]
    data = []
    for kind in KINDS:
        counts = [0] * (len(edges) - 1)
        for row in rows:
            if row["kind"] == kind:
                counts[min(bisect_right(edges, row["period_ns"]), len(counts)) - 1] += 1
        if any(counts):
            data.append(
                {
                    "type": "bar",
                    "name": kind,
                    "x": list(range(len(counts))),
                    "y": counts,
                    "customdata": texts,
                    "hovertemplate": "%{fullData.name}, %{customdata}: %{y} steps<extra></extra>",
                    "marker": {"color": token(kind)},
                }
            )
    places = list(range(0, len(edges) - 1, max(1, (len(edges) - 1) // 6)))
    layout = {
        "barmode": "stack",
        "bargap": 0.05,
        "height": 280,
        "xaxis": {
            "title": {"text": "period"},
            "tickvals": [place - 0.5 for place in places],
            "ticktext": [fmt.duration(edges[place]) for place in places],
        },
        "yaxis": {"title": {"text": "steps"}},
    }
    span = f"{fmt.duration(min(periods))} to {fmt.duration(max(periods))}"
    text = f"{fmt.counted(len(rows), 'period')} from {span}."
    kinds = _legend(rows)
    return Chart("How long the steps take", text, "step_kinds", data, layout, kinds if len(kinds) > 1 else ())


def slowest_chart(tables: Tables) -> Chart | None:
    """Returns what the slowest step took in each bucket beyond the median of its kind; None without a slow step."""
    rows = tables.rows("steps", "slow_steps")
    if not rows:
        return None
    row = max(rows, key=lambda row: (row["excess_ns"], -row["start_ns"]))
    excess = {bucket: row.get(f"{bucket.rpartition('.')[2]}_excess_ns") or 0 for bucket in BUCKETS}
    shown = [bucket for bucket in BUCKETS if abs(excess[bucket]) >= row["excess_ns"] / 100]
    labels = ["median of its kind", "beyond it: whole step", *(f"  {BUCKETS[bucket]}" for bucket in shown)]
    values = [row["median_ns"], row["excess_ns"], *(excess[bucket] for bucket in shown)]
    colours = ["quiet", "alarm", *shown]
    part = Part("time", "quiet", [value / 1e6 for value in values], [fmt.duration(value) for value in values])
    data = bars(labels, [part], "ms")
    data[0]["marker"]["color"] = [token(colour) for colour in colours]
    data[0]["showlegend"] = False
    where = f"Step {row['index']} ({row['kind']}) of process {row['pid']} on {_device(row)}"
    text = (
        f"{where} took {fmt.duration(row['period_ns'])}, {fmt.duration(row['excess_ns'])} beyond the median of "
        f"{fmt.duration(row['median_ns'])}, mostly {BUCKETS.get(row['largest_bucket'], 'idle')}. It runs from "
        f"{fmt.time_range(row['start_ns'], row['end_ns'])}."
    )
    return Chart("The slowest step beside the median", text, "slow_steps", data, bar_layout(labels, "ms"))


def _legend(rows: list[_ROW]) -> tuple[tuple[str, str], ...]:
    there = {row["kind"] for row in rows}
    return tuple((kind, kind) for kind in KINDS if kind in there)


def _device(row: _ROW) -> str:
    return fmt.device_label(row["device_id"], row["gpu_id"])


def _kinds(tables: Tables) -> list[_ROW]:
    """Returns the row with most steps of each kind that has a period."""
    found: dict[str, _ROW] = {}
    for row in sorted(tables.rows("steps", "step_kinds"), key=lambda row: -row["steps"]):
        if row["period_p50_ns"] is not None:
            found.setdefault(row["kind"], row)
    return list(found.values())


def _percentiles(row: _ROW) -> str:
    tail = "" if row["period_p99_ns"] is None else f", p99 {fmt.duration(row['period_p99_ns'])}"
    return f"{row['kind']} on {_device(row)}: median {fmt.duration(row['period_p50_ns'])}{tail}."


def _line(row: _ROW) -> _ROW:
    at = row["period_p50_ns"] / 1e6
    line = {"color": token(row["kind"]), "dash": "dot", "width": 1}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": at, "y1": at, "line": line}


def _dots(kind: str, rows: list[_ROW], base: int) -> _ROW:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": kind,
        "x": [(row["start_ns"] - base) / 1e9 for row in rows],
        "y": [row["period_ns"] / 1e6 for row in rows],
        "customdata": [label(f"step {row['index']}, {_device(row)}, process {row['pid']}") for row in rows],
        "hovertemplate": "%{fullData.name}: %{y:.3~f} ms<br>%{customdata}<extra></extra>",
        "marker": {"color": token(kind), "symbol": _SYMBOLS[kind], "size": 6, "opacity": 0.8},
    }


def _rings(slow: list[_ROW], base: int) -> _ROW:
    worst = sorted(slow, key=lambda row: -row["excess_ns"])[:100]
    names = [f"step {row['index']}" if place < NAMED_OUTLIERS else "" for place, row in enumerate(worst)]
    why = [f"{_device(row)}: mostly {BUCKETS.get(row['largest_bucket'], 'idle')}" for row in worst]
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": "over 1.5 x median",
        "x": [(row["start_ns"] - base) / 1e9 for row in worst],
        "y": [row["period_ns"] / 1e6 for row in worst],
        "text": names,
        "textposition": "middle left",
        "customdata": [label(text) for text in why],
        "hovertemplate": "%{text} %{y:.3~f} ms<br>%{customdata}<extra></extra>",
        "marker": {"color": token("alarm"), "symbol": "circle-open", "size": 13, "line": {"width": 2}},
    }


def _thinned(rows: list[_ROW]) -> list[_ROW]:
    """Returns all steps, or the shortest and the longest of each stretch where there are too many to draw."""
    if len(rows) <= MOST_POINTS:
        return rows
    length = math.ceil(len(rows) / (MOST_POINTS / 2))
    kept: list[_ROW] = []
    for first in range(0, len(rows), length):
        stretch = rows[first : first + length]
        shortest = min(stretch, key=lambda row: row["period_ns"])
        longest = max(stretch, key=lambda row: row["period_ns"])
        kept += [shortest] if shortest is longest else [shortest, longest]
    return kept


def _edges(periods: list[int]) -> list[float]:
    low, high = min(periods), max(periods) + 1
    if high / max(low, 1) > _SPREAD:
        ratio = (high / max(low, 1)) ** (1 / BINS)
        return [max(low, 1) * ratio**number for number in range(BINS)] + [float(high)]
    return [low + (high - low) * number / BINS for number in range(BINS)] + [float(high)]
