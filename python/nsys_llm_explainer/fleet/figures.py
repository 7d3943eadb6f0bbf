"""The charts over all traces: the budget of each device, the steps, how far the outliers are from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nsys_llm_explainer.fleet.columns import SHARES
from nsys_llm_explainer.fleet.result import Fleet, worst_first
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape.plotly import label
from nsys_llm_explainer.render.figures import svg
from nsys_llm_explainer.render.figures.chart import Chart, Part, bar_layout, bars, legend
from nsys_llm_explainer.render.figures.palette import BUCKETS, LIGHT, token

MOST_BARS = 48
STEP_KINDS = ("decode", "prefill", "mixed")
_LABEL = 230
_PLOT = svg.WIDTH - _LABEL - 20
_ROW = 26
_LONGEST = 30
Row = Mapping[str, Any]


def device_name(row: Row) -> str:
    """Returns what a row of the table ``devices`` is called: its trace and its GPU."""
    return f"{row['trace']}, {fmt.device_label(row['device_id'], row['gpu_id'])}"


def charts(fleet: Fleet) -> dict[str, Chart]:
    """Returns the charts for which there are numbers, by name."""
    made = {"fleet_budget": _budget(fleet), "fleet_steps": _steps(fleet)}
    return {name: chart for name, chart in made.items() if chart is not None}


def budget_picture(fleet: Fleet) -> svg.Picture | None:
    """Returns the window of each device as a stacked bar, as SVG; None without devices."""
    rows, title, text = _shown(fleet)
    if not rows:
        return None
    used = [(bucket, name) for bucket, name in zip(BUCKETS, SHARES) if any(row[name] for row in rows)]
    bottom = 40 + _ROW * len(rows)
    body = [svg.words(10, 22, title, weight="600")]
    for place, row in enumerate(rows):
        top = 36 + place * _ROW
        body.append(svg.words(10, top + 16, fmt.truncate(device_name(row), _LONGEST)))
        left = float(_LABEL)
        for bucket, name in used:
            share = row[name] or 0.0
            hint = f"{device_name(row)}: {BUCKETS[bucket]} {fmt.percent(share)}"
            body.append(svg.box(left, top, share * _PLOT, fill=LIGHT[bucket], hint=hint))
            left += share * _PLOT
    body += svg.legend([(BUCKETS[bucket], LIGHT[bucket]) for bucket, _ in used], bottom)
    height = bottom + svg.legend_height(len(used))
    return svg.Picture("devices", text, svg.document(height, text, [line for line in body if line]))


def _shown(fleet: Fleet) -> tuple[list[Row], str, str]:
    """Returns the devices to draw, a title, and the same in words."""
    all_ = [row for row in worst_first(fleet.devices, fleet.outliers) if row["compute_share"] is not None]
    rows = all_[:MOST_BARS]
    cut = f", {len(rows)} of {len(all_)}" if len(all_) > len(rows) else ""
    title = f"Time budget of each GPU, worst first{cut}"
    if not rows:
        return rows, title, ""
    idle = sorted((row["idle_share"], device_name(row)) for row in all_ if row["idle_share"] is not None)
    text = f"{title}: {fmt.counted(len(all_), 'device')}."
    if idle:
        (least, quiet), (most, worst) = idle[0], idle[-1]
        text += f" Idle from {fmt.percent(least)} ({quiet}) to {fmt.percent(most)} ({worst})."
    return rows, title, text


def _budget(fleet: Fleet) -> Chart | None:
    rows, title, text = _shown(fleet)
    if not rows:
        return None
    labels = [device_name(row) for row in rows]
    parts = [
        Part(
            BUCKETS[bucket],
            bucket,
            [100 * row[name] if row[name] else None for row in rows],
            [fmt.percent(row[name] or 0.0) for row in rows],
        )
        for bucket, name in zip(BUCKETS, SHARES)
        if any(row[name] for row in rows)
    ]
    layout = bar_layout(labels, "% of the device's window")
    layout["xaxis"]["range"] = [0, 100]
    return Chart(title, text, "devices", bars(labels, parts, "%"), layout, legend(parts))


def _steps(fleet: Fleet) -> Chart | None:
    """Returns p50 to p99 of the period of each trace's slowest device, by kind of step; None without steps."""
    found = {kind: _slowest(fleet.devices, f"{kind}_period_p50_ns") for kind in STEP_KINDS}
    found = {kind: rows for kind, rows in found.items() if rows}
    if not found:
        return None
    names = [trace.name for trace in fleet.traces if any(trace.name in rows for rows in found.values())]
    data = [_dots(kind, rows, names) for kind, rows in found.items()]
    texts = []
    for kind, rows in found.items():
        values = [row[f"{kind}_period_p50_ns"] for row in rows.values()]
        spread = fmt.between(fmt.duration(min(values)), fmt.duration(max(values)))
        texts.append(f"{kind}: p50 of {spread} over {fmt.counted(len(rows), 'trace')}.")
    layout = {
        "height": 360,
        "xaxis": {
            "title": {"text": "trace, in the order of the job"},
            "tickvals": list(range(len(names))),
            "ticktext": [label(name, 18) for name in names],
            "nticks": 12,
            "zeroline": False,
            "showticklabels": len(names) <= 16,
        },
        "yaxis": {"title": {"text": "period, ms"}, "rangemode": "tozero"},
    }
    title = "Period of the steps by trace: p50, with p99 as the upper end"
    return Chart(title, " ".join(texts), "devices", data, layout, tuple((kind, kind) for kind in found))


def _slowest(rows: Sequence[Row], column: str) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in rows:
        if row[column] is not None and (row["trace"] not in found or row[column] > found[row["trace"]][column]):
            found[row["trace"]] = row
    return found


def _dots(kind: str, rows: Mapping[str, Row], names: Sequence[str]) -> dict[str, Any]:
    shown = [(place, rows[name]) for place, name in enumerate(names) if name in rows]
    p50 = [row[f"{kind}_period_p50_ns"] for _, row in shown]
    p99 = [row[f"{kind}_period_p99_ns"] for _, row in shown]
    texts = [f"{fmt.duration(low)}, p99 {fmt.duration(high)}" for low, high in zip(p50, p99)]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": kind,
        "x": [place for place, _ in shown],
        "y": [value / 1e6 for value in p50],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, high - low) / 1e6 for low, high in zip(p50, p99)],
            "thickness": 1,
            "width": 3,
            "color": token(kind),
        },
        "customdata": [[label(device_name(row)), text] for (_, row), text in zip(shown, texts)],
        "hovertemplate": f"%{{customdata[0]}}<br>{kind}: p50 %{{customdata[1]}}<extra></extra>",
        "marker": {
            "color": token(kind),
            "size": 8,
            "symbol": {"prefill": "diamond", "mixed": "square"}.get(kind, "circle"),
        },
    }
