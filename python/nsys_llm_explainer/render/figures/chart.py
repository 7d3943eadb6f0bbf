"""A chart as plain data, and the bar charts that most sections need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nsys_llm_explainer.render.escape.plotly import label
from nsys_llm_explainer.render.figures.palette import token

Row = Mapping[str, Any]
_ROW_HEIGHT = 34
_FRAME_HEIGHT = 70


@dataclass(frozen=True)
class Chart:
    """A figure without its theme: colours are placeholders, fonts and backgrounds are the reader's.

    Attributes:
        title: What it shows.
        alternative: The same in a sentence or two, for those who do not see it.
        table: The table of the report with its numbers.
        data: Traces of Plotly.
        layout: Layout of Plotly.
        legend: Name and colour of what the page explains beside the chart, unescaped.
    """

    title: str
    alternative: str
    table: str
    data: list[dict[str, Any]]
    layout: dict[str, Any] = field(default_factory=dict)
    legend: tuple[tuple[str, str], ...] = ()


class Part(NamedTuple):
    """One colour of a bar chart.

    Attributes:
        name: Its name in the legend, unescaped.
        colour: The name of its colour in the palette.
        values: Its length on every bar, None where it has none.
        texts: The same for people.
    """

    name: str
    colour: str
    values: Sequence[float | None]
    texts: Sequence[str]


def bars(labels: Sequence[str], parts: Iterable[Part], unit: str) -> list[dict[str, Any]]:
    """Returns horizontal bars, one trace for each part.

    Args:
        labels: The names of the bars, unescaped; equal ones stay apart.
        parts: What they consist of.
        unit: Stands after the values.
    """
    return [
        {
            "type": "bar",
            "orientation": "h",
            "name": label(part.name),
            "y": list(range(len(labels))),
            "x": list(part.values),
            "customdata": [[label(text), label(name)] for text, name in zip(part.texts, labels)],
            "hovertemplate": f"%{{customdata[1]}}<br>%{{fullData.name}}: %{{x:.3~f}} {unit} (%{{customdata[0]}})"
            "<extra></extra>",
            "marker": {"color": token(part.colour), "line": {"color": token("page"), "width": 1}},
        }
        for part in parts
    ]


def bar_layout(labels: Sequence[str], axis: str, *, stacked: bool = True) -> dict[str, Any]:
    """Returns the layout of horizontal bars, first one on top.

    Args:
        labels: The names of the bars, unescaped.
        axis: The title of the axis of values.
        stacked: Whether parts stand behind each other, or below.
    """
    return {
        "barmode": "stack" if stacked else "group",
        "height": _FRAME_HEIGHT + _ROW_HEIGHT * max(1, len(labels)),
        "xaxis": {"title": {"text": axis}, "rangemode": "tozero", "zeroline": False},
        "yaxis": {
            "autorange": "reversed",
            "tickvals": list(range(len(labels))),
            "ticktext": [label(name, 28) for name in labels],
            "automargin": True,
            "fixedrange": True,
        },
    }


def legend(parts: Iterable[Part]) -> tuple[tuple[str, str], ...]:
    """Returns the legend of a bar chart; none for a single part."""
    items = tuple((part.name, part.colour) for part in parts)
    return items if len(items) > 1 else ()
