"""The window of each GPU as one stacked bar."""

from __future__ import annotations

from typing import Any, Optional

from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.figures.chart import Chart, Part, bar_layout, bars, legend
from nsys_llm_explainer.render.figures.palette import BUCKETS
from nsys_llm_explainer.render.tables import Tables

DeviceKey = tuple[Optional[int], Optional[int]]
_NAMED = 3


def shares(tables: Tables) -> dict[DeviceKey, dict[str, dict[str, Any]]]:
    """Returns the rows of device_time by device and bucket, in their order."""
    found: dict[DeviceKey, dict[str, dict[str, Any]]] = {}
    for row in tables.rows("budget", "device_time"):
        if row["share"] is not None:
            found.setdefault((row["device_id"], row["gpu_id"]), {})[row["bucket"]] = row
    return found


def budget_chart(tables: Tables) -> Chart | None:
    """Returns the chart, None without any device that has a window."""
    devices = shares(tables)
    if not devices:
        return None
    labels = [fmt.device_label(*key) for key in devices]
    present = [bucket for bucket in BUCKETS if any(_ns(rows, bucket) for rows in devices.values())]
    parts = [
        Part(
            BUCKETS[bucket],
            bucket,
            [100 * rows[bucket]["share"] if _ns(rows, bucket) else None for rows in devices.values()],
            [fmt.duration(_ns(rows, bucket)) for rows in devices.values()],
        )
        for bucket in present
    ]
    layout = bar_layout(labels, "% of the device's window")
    layout["xaxis"]["range"] = [0, 100]
    texts = [_sentence(name, rows) for name, rows in zip(labels, devices.values())]
    data = bars(labels, parts, "%")
    return Chart("Time budget of each GPU", " ".join(texts), "device_time", data, layout, legend(parts))


def _ns(rows: dict[str, dict[str, Any]], bucket: str) -> int:
    return int(rows[bucket]["total_ns"]) if bucket in rows else 0


def _sentence(name: str, rows: dict[str, dict[str, Any]]) -> str:
    largest = sorted((bucket for bucket in BUCKETS if _ns(rows, bucket)), key=lambda bucket: -_ns(rows, bucket))
    parts = [f"{BUCKETS[bucket]} {fmt.percent(rows[bucket]['share'])}" for bucket in largest[:_NAMED]]
    rest = len(largest) - len(parts)
    return f"{name}: {', '.join(parts)}{f' and {rest} smaller parts' if rest > 1 else ''}."
