"""The charts of diff.html: the budget of each GPU before and after, and how periods are distributed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from nsys_llm_explainer.comparison.value import Comparison
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape.plotly import label
from nsys_llm_explainer.render.figures.chart import Chart, Part, bar_layout, bars, legend
from nsys_llm_explainer.render.figures.palette import BUCKETS, token

BEFORE, AFTER = "quiet", "communication"
_SIDES = (("before", BEFORE), ("after", AFTER))
_TICKS = 6
Row = Mapping[str, Any]


def charts(comparison: Comparison) -> dict[str, Chart]:
    """Returns the charts for which the comparison has numbers, by name."""
    found = {"budget": _budget(comparison)}
    rows = comparison.tables["period_histogram"].held
    for kind in dict.fromkeys(row["kind"] for row in rows):
        found[f"periods_{kind}"] = _periods(kind, [row for row in rows if row["kind"] == kind])
    return {name: chart for name, chart in found.items() if chart is not None}


def _budget(comparison: Comparison) -> Chart | None:
    rows = comparison.tables["device_budget"].held
    if not rows:
        return None
    devices = list(dict.fromkeys(row["device"] for row in rows))
    known = {(row["device"], row["bucket"]): row for row in rows}
    labels = [f"{device} {side}" for device in devices for side, _ in _SIDES]
    parts = []
    for bucket, words in BUCKETS.items():
        values = [_share(known.get((device, bucket)), side) for device in devices for side, _ in _SIDES]
        if any(values):
            shown = [None if not value else 100 * value for value in values]
            parts.append(Part(words, bucket, shown, [fmt.percent(value or 0.0) for value in values]))
    layout = bar_layout(labels, "% of the device's window")
    layout["xaxis"]["range"] = [0, 100]
    texts = [
        f"{row['device']}: idle {fmt.percent(row['before_idle_share'])} before, "
        f"{fmt.percent(row['after_idle_share'])} after."
        for row in comparison.tables["devices"].held
    ]
    title = "Time budget of each GPU, before and after"
    return Chart(title, " ".join(texts), "diff_device_budget", bars(labels, parts, "%"), layout, legend(parts))


def _share(row: Row | None, side: str) -> Optional[float]:
    return None if row is None else row[f"{side}_share"]


def _periods(kind: str, rows: list[Row]) -> Chart | None:
    totals = {side: sum(row[f"{side}_steps"] for row in rows) for side, _ in _SIDES}
    if not all(totals.values()):
        return None
    texts = [f"{fmt.duration(row['low_ns'])} to {fmt.duration(row['high_ns'])}" for row in rows]
    data = [
        {
            "type": "bar",
            "name": side,
            "x": list(range(len(rows))),
            "y": [100 * row[f"{side}_steps"] / totals[side] for row in rows],
            "customdata": [[label(text), row[f"{side}_steps"]] for text, row in zip(texts, rows)],
            "hovertemplate": "%{fullData.name}, %{customdata[0]}: %{y:.3~f} % (%{customdata[1]} steps)<extra></extra>",
            "marker": {"color": token(colour), "line": {"color": token("page"), "width": 1}},
        }
        for side, colour in _SIDES
    ]
    places = list(range(0, len(rows), max(1, len(rows) // _TICKS)))
    layout = {
        "barmode": "group",
        "bargap": 0.1,
        "height": 300,
        "xaxis": {
            "title": {"text": "period"},
            "tickvals": [place - 0.5 for place in places],
            "ticktext": [fmt.duration(rows[place]["low_ns"]) for place in places],
        },
        "yaxis": {"title": {"text": "% of the steps of a side"}},
    }
    words = " ".join(
        f"{side.capitalize()}: {fmt.counted(totals[side], 'step')}, most often about {_mode(rows, side)}."
        for side, _ in _SIDES
    )
    title = f"Periods of {kind} steps, before and after"
    return Chart(title, words, "diff_period_histogram", data, layout, _SIDES)


def _mode(rows: list[Row], side: str) -> str:
    most = max(rows, key=lambda row: row[f"{side}_steps"])
    return fmt.duration((most["low_ns"] + most["high_ns"]) / 2)
