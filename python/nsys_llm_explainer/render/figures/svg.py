"""Static pictures for report.md: the budget of each GPU and the periods of the steps, as SVG without scripts or links.

Colours suit a light and a dark page alike: text is grey, and everything stands on a white ground of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape.html import text as escaped
from nsys_llm_explainer.render.figures.budget import shares
from nsys_llm_explainer.render.figures.chart import Chart
from nsys_llm_explainer.render.figures.palette import BUCKETS, KINDS, LIGHT
from nsys_llm_explainer.render.figures.steps import timed_steps
from nsys_llm_explainer.render.tables import Tables

WIDTH = 860
MOST_DEVICES = 16
MOST_DOTS = 2_000
_LABEL = 110
_PLOT = WIDTH - _LABEL - 20
_ROW = 30
_LEGEND_ROW = 20
_FONT = 'font-family="system-ui,Segoe UI,Liberation Sans,Arial,sans-serif" font-size="13"'


class Picture(NamedTuple):
    """A picture.

    Attributes:
        section: The section that it belongs to.
        alternative: What it shows, for people who do not see it.
        text: The SVG.
    """

    section: str
    alternative: str
    text: str


def pictures(tables: Tables, charts: Mapping[str, Chart]) -> dict[str, Picture]:
    """Returns the pictures for which the report has numbers, by name.

    Args:
        tables: The tables of the report.
        charts: Its charts, of which the pictures are a short form.
    """
    return {name: draw(tables, charts[name]) for name, draw in PICTURES.items() if name in charts}


def budget_picture(tables: Tables, chart: Chart) -> Picture:
    """Returns the window of each GPU as a stacked bar."""
    devices = shares(tables)
    shown = list(devices.items())[:MOST_DEVICES]
    used = [bucket for bucket in BUCKETS if any(rows.get(bucket, {}).get("total_ns") for _, rows in shown)]
    bottom = 40 + _ROW * len(shown)
    body = [words(10, 22, chart.title, weight="600")]
    for place, (key, rows) in enumerate(shown):
        top = 36 + place * _ROW
        body.append(words(10, top + 17, fmt.device_label(*key)[:16]))
        left = float(_LABEL)
        for bucket in used:
            share = rows[bucket]["share"] if bucket in rows else 0.0
            hint = f"{BUCKETS[bucket]}: {fmt.percent(share)}"
            body.append(box(left, top, share * _PLOT, fill=LIGHT[bucket], hint=hint))
            if share * _PLOT > 46:
                body.append(words(left + 5, top + 16, fmt.percent(share), fill="#ffffff"))
            left += share * _PLOT
    body += legend([(BUCKETS[bucket], LIGHT[bucket]) for bucket in used], bottom)
    return Picture("budget", chart.alternative, document(bottom + legend_height(len(used)), chart.alternative, body))


def steps_picture(tables: Tables, chart: Chart) -> Picture:
    """Returns the period of each step over time."""
    rows = timed_steps(tables)
    stride = -(-len(rows) // MOST_DOTS)
    slowest = max(row["period_ns"] for row in rows)
    first, last = rows[0]["start_ns"], max(row["start_ns"] for row in rows)
    top, height = 40, 200
    body = [words(10, 22, chart.title, weight="600")]
    for part in (0, 0.5, 1):
        at = top + height * (1 - part)
        body.append(f'<path d="M{_LABEL} {at:.1f}H{WIDTH - 20}" stroke="{LIGHT["line"]}"/>')
        body.append(words(10, at + 4, fmt.duration(slowest * part) if part else "0"))
    for place, row in enumerate(rows):
        if place % stride == 0 or row["period_ns"] == slowest:
            x = _LABEL + _PLOT * (row["start_ns"] - first) / max(1, last - first)
            y = top + height * (1 - row["period_ns"] / slowest)
            body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{LIGHT[row["kind"]]}" fill-opacity="0.75"/>')
    body.append(words(_LABEL, top + height + 20, f"{fmt.instant(first)} s"))
    body.append(words(WIDTH - 20, top + height + 20, f"{fmt.instant(last)} s", anchor="end"))
    used = [kind for kind in KINDS if any(row["kind"] == kind for row in rows)]
    body += legend([(f"{kind} step", LIGHT[kind]) for kind in used], top + height + 34)
    whole = top + height + 34 + legend_height(len(used))
    return Picture("steps", chart.alternative, document(whole, chart.alternative, body))


def document(height: float, alternative: str, body: Sequence[str]) -> str:
    """Returns a picture of the common width: its height, what it shows, and its elements."""
    lines = "\n".join(body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" role="img" {_FONT}>\n<title>{escaped(alternative)}</title>\n'
        f'<rect width="100%" height="100%" rx="6" fill="#ffffff"/>\n{lines}\n</svg>\n'
    )


def words(x: float, y: float, text: str, *, fill: str = "#24292f", weight: str = "400", anchor: str = "start") -> str:
    """Returns a text, escaped."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" font-weight="{weight}" text-anchor="{anchor}">'
        f"{escaped(text)}</text>"
    )


def box(x: float, y: float, width: float, *, fill: str, hint: str) -> str:
    """Returns a part of a bar, with a hint for the pointer; nothing where it has no width."""
    if width <= 0:
        return ""
    return (
        f'<rect x="{x:.2f}" y="{y:.1f}" width="{width:.2f}" height="{_ROW - 8}" fill="{fill}">'
        f"<title>{escaped(hint)}</title></rect>"
    )


def legend(items: Sequence[tuple[str, str]], top: float) -> Iterator[str]:
    """Yields the names of colours, four in a row."""
    for place, (name, colour) in enumerate(items):
        x, y = 10 + (place % 4) * 212, top + 4 + (place // 4) * _LEGEND_ROW
        yield f'<rect x="{x}" y="{y:.1f}" width="11" height="11" rx="2" fill="{colour}"/>'
        yield words(x + 17, y + 10, name)


def legend_height(items: int) -> int:
    """Returns the height of a legend."""
    return 12 + -(-items // 4) * _LEGEND_ROW


PICTURES: Mapping[str, Callable[[Tables, Chart], Picture]] = {"budget": budget_picture, "steps": steps_picture}
