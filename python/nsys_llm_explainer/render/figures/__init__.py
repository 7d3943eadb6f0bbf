"""The charts of a report: as plain data for the page, as Plotly figures for notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Optional

from nsys_llm_explainer.render.figures.budget import budget_chart
from nsys_llm_explainer.render.figures.chart import Chart
from nsys_llm_explainer.render.figures.palette import LIGHT, themed
from nsys_llm_explainer.render.figures.sections import categories_chart, copies_chart, launches_chart, waits_chart
from nsys_llm_explainer.render.figures.steps import histogram_chart, slowest_chart, steps_chart
from nsys_llm_explainer.render.tables import Tables
from nsys_llm_explainer.report import Report

CHARTS: Mapping[str, Callable[[Tables], Optional[Chart]]] = {
    "budget": budget_chart,
    "steps": steps_chart,
    "step_histogram": histogram_chart,
    "slowest_step": slowest_chart,
    "categories": categories_chart,
    "launches": launches_chart,
    "rank_waits": waits_chart,
    "copies": copies_chart,
}
"""By name, in the order of the page."""


def charts(tables: Tables) -> dict[str, Chart]:
    """Returns the charts for which the report has numbers."""
    made = ((name, build(tables)) for name, build in CHARTS.items())
    return {name: chart for name, chart in made if chart is not None}


class Figures(Mapping[str, Any]):
    """The charts of a report as Plotly figures, each made when it is asked for."""

    def __init__(self, report: Report) -> None:
        self._charts = charts(Tables(report))

    def __getitem__(self, name: str) -> Any:
        from plotly.graph_objects import Figure  # noqa: PLC0415 - a large library that only notebooks need

        chart = self._charts[name]
        layout = {**chart.layout, "title": {"text": chart.title}}
        return Figure({"data": themed(chart.data, LIGHT), "layout": themed(layout, LIGHT)})

    def __iter__(self) -> Iterator[str]:
        return iter(self._charts)

    def __len__(self) -> int:
        return len(self._charts)

    def __repr__(self) -> str:
        return f"Figures({', '.join(self._charts)})"
