"""Charts for notebooks and pictures for report.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.render.escape.plotly import label
from nsys_llm_explainer.render.figures import CHARTS, Figures, charts
from nsys_llm_explainer.render.figures.steps import MOST_POINTS, _thinned
from nsys_llm_explainer.render.figures.svg import Picture, pictures
from nsys_llm_explainer.render.tables import Tables
from tests.render.hostile import HOSTILE

SVG_TAGS = {"svg", "title", "rect", "text", "path", "circle"}


@pytest.fixture(scope="module")
def mfu(trace_file: Callable[[str], Path]) -> Report:
    return analyze(trace_file("mfu_2gpu_before"))


def test_every_chart_is_a_figure_that_plotly_accepts(mfu: Report) -> None:
    figures = mfu.figures
    assert isinstance(figures, Figures)
    assert set(figures) == set(CHARTS)
    assert len(figures) == len(CHARTS)
    for name in figures:
        figure = figures[name]
        assert figure.layout.title.text == charts(Tables(mfu))[name].title
        assert "@" not in figure.to_json()


def test_the_budget_figure_holds_the_shares(mfu: Report) -> None:
    rows = mfu.sections["budget"].tables["device_time"].rows()
    shown = {trace.name: list(trace.x) for trace in mfu.figures["budget"].data}
    wanted = [100 * row["share"] for row in rows if row["bucket"] == "compute"]
    assert shown["compute"] == pytest.approx(wanted)
    assert sum(sum(part or 0 for part in values) for values in shown.values()) == pytest.approx(200)


def test_an_unknown_figure_is_a_key_error(mfu: Report) -> None:
    with pytest.raises(KeyError):
        _ = mfu.figures["nothing"]


@pytest.mark.parametrize("text", HOSTILE)
def test_labels_hold_no_markup(text: str) -> None:
    made = label(text)
    assert "<" not in made
    assert ">" not in made
    assert made.isprintable()
    assert len(made) <= 60 * 5


def _pictures(report: Report) -> list[Picture]:
    tables = Tables(report)
    return list(pictures(tables, charts(tables)).values())


def test_hostile_pictures_are_plain_svg(hostile_report: Report) -> None:
    for picture in _pictures(hostile_report):
        root = ET.fromstring(picture.text)
        assert {element.tag.rpartition("}")[2] for element in root.iter()} <= SVG_TAGS
        assert not any(name.startswith("on") or "href" in name for element in root.iter() for name in element.attrib)


def test_real_pictures(real_trace: Path) -> None:
    report = analyze(real_trace)
    for picture in _pictures(report):
        root = ET.fromstring(picture.text)
        assert root.find("{http://www.w3.org/2000/svg}title") is not None
        assert len(picture.text) < 200_000


def test_the_picture_stands_beside_the_report_that_links_it(mfu: Report, tmp_path: Path) -> None:
    written = {str(path.relative_to(tmp_path)) for path in mfu.write(tmp_path, ["md"])}
    assert written == {"report.md", "figures/budget.svg", "figures/steps.svg"}
    text = (tmp_path / "report.md").read_text("utf-8")
    for name in ("budget", "steps"):
        assert f"](figures/{name}.svg)" in text


def test_many_steps_are_thinned_without_losing_extremes() -> None:
    rows = [{"period_ns": 1_000 + (number * 7919) % 500} for number in range(10_000)]
    rows[4_321]["period_ns"] = 9
    rows[8_765]["period_ns"] = 99_999
    drawn = _thinned(rows)
    assert len(drawn) <= MOST_POINTS
    assert {9, 99_999} <= {row["period_ns"] for row in drawn}
