"""Bars for the sections on kernels, launches, copies and collectives."""

from __future__ import annotations

from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.figures.chart import Chart, Part, Row, bar_layout, bars, legend
from nsys_llm_explainer.render.tables import Tables

_MOST_BARS = 16
_DEVICE_COLOURS = ("communication", "idle.host_api", "copy", "compute", "idle.launching", "idle.queued")


def categories_chart(tables: Tables) -> Chart | None:
    """Returns the kernel time of each category, side by side for the devices; None without kernels."""
    rows = tables.rows("categories", "kernel_categories")
    totals: dict[str, int] = {}
    for row in rows:
        totals[row["category"]] = totals.get(row["category"], 0) + row["total_ns"]
    if not totals:
        return None
    names = sorted(totals, key=lambda name: (-totals[name], name))[:_MOST_BARS]
    devices = sorted({(row["device_id"], row["gpu_id"]) for row in rows}, key=lambda key: [part or -1 for part in key])
    parts = []
    for place, key in enumerate(devices):
        found = {row["category"]: row["total_ns"] for row in rows if (row["device_id"], row["gpu_id"]) == key}
        values = [found.get(name, 0) for name in names]
        parts.append(_part(fmt.device_label(*key), _DEVICE_COLOURS[place % len(_DEVICE_COLOURS)], values))
    whole = sum(totals.values())
    largest = ", ".join(f"{name} {fmt.percent(totals[name] / whole)}" for name in names[:3]) if whole else ""
    text = f"Of {fmt.duration(whole)} of kernel time on all devices: {largest}."
    layout = bar_layout(names, "ms of kernel time")
    data = bars(names, parts, "ms")
    return Chart("Kernel time by category", text, "kernel_categories", data, layout, legend(parts))


def launches_chart(tables: Tables) -> Chart | None:
    """Returns the kernels of a step of each kind, from graphs and one by one; None without steps."""
    rows = tables.rows("launch_path", "step_launches")[:_MOST_BARS]
    if not rows:
        return None
    labels = [f"{row['step_kind']}, {_device(row)}" for row in rows]
    graph, eager = [row["graph_kernels_avg"] for row in rows], [row["eager_kernels_avg"] for row in rows]
    parts = [
        Part("from CUDA graphs", "compute", graph, [f"{value:,.1f}" for value in graph]),
        Part("launched one by one", "idle.launching", eager, [f"{value:,.1f}" for value in eager]),
    ]
    texts = [f"{name}: {one:,.0f} from graphs, {two:,.0f} one by one." for name, one, two in zip(labels, graph, eager)]
    layout = bar_layout(labels, "kernels per step")
    data = bars(labels, parts, "kernels")
    return Chart("Kernels per step", " ".join(texts[:4]), "step_launches", data, layout, legend(parts))


def waits_chart(tables: Tables) -> Chart | None:
    """Returns what each device spends in collectives waiting and transferring; None without matched collectives."""
    rows = tables.rows("communication", "rank_waits")[:_MOST_BARS]
    if not rows:
        return None
    labels = [_device(row) for row in rows]
    parts = [
        _part("waiting for other ranks", "idle.host_sync", [row["wait_ns"] for row in rows]),
        _part("transferring", "communication", [row["transfer_ns"] for row in rows]),
    ]
    texts = [f"{name} waits {fmt.duration(row['wait_ns'])}, was last {row['late']} times." for name, row in _zip(rows)]
    layout = bar_layout(labels, "ms in collectives")
    data = bars(labels, parts, "ms")
    return Chart("Waiting inside collectives", " ".join(texts), "rank_waits", data, layout, legend(parts))


def copies_chart(tables: Tables) -> Chart | None:
    """Returns the time of copies by direction and memory, exposed and hidden; None without copies."""
    rows = tables.rows("memory", "copies")[:_MOST_BARS]
    if not rows:
        return None
    labels = [f"{row['direction']} {row['src_kind']} to {row['dst_kind']}, {_device(row)}" for row in rows]
    exposed = [row["exposed_ns"] or 0 for row in rows]
    hidden = [max(0, row["union_ns"] - one) for row, one in zip(rows, exposed)]
    parts = [
        _part("no kernel runs", "idle.host_code", exposed),
        _part("beside kernels", "copy", hidden),
    ]
    text = (
        f"Copies without a kernel beside them: {fmt.duration(sum(exposed))}; beside one: {fmt.duration(sum(hidden))}."
    )
    layout = bar_layout(labels, "ms in which such a copy ran")
    data = bars(labels, parts, "ms")
    return Chart("Copies by direction and memory", text, "copies", data, layout, legend(parts))


def _part(name: str, colour: str, values: list[int]) -> Part:
    return Part(name, colour, [value / 1e6 for value in values], [fmt.duration(value) for value in values])


def _device(row: Row) -> str:
    return fmt.device_label(row["device_id"], row["gpu_id"])


def _zip(rows: list[dict[str, int]]) -> list[tuple[str, dict[str, int]]]:
    return [(_device(row), row) for row in rows]
