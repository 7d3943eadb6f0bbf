"""The page loads from a file without a network, and whatever a trace is named shows as text."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from nsys_llm_explainer import Report
from nsys_llm_explainer.render.figures import charts
from nsys_llm_explainer.render.tables import Tables
from tests.browser.conftest import OpenPage, draw_all
from tests.render.hostile import HOSTILE

LONGEST_LOAD_MS = 5_000


def test_the_demo_loads_with_all_its_charts(open_page: OpenPage, demo_page: Path, demo_report: Report) -> None:
    with open_page(demo_page) as page:
        assert page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") < LONGEST_LOAD_MS
        draw_all(page)
        assert set(page.locator("[data-chart]").evaluate_all("all => all.map(one => one.dataset.chart)")) == set(
            charts(Tables(demo_report))
        )
        assert page.locator(".verdict").inner_text() != ""


def test_every_chart_has_a_text_and_a_table(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page) as page:
        for figure in page.locator("figure").all():
            assert len(figure.locator("figcaption").inner_text()) > 40
            target = figure.locator("figcaption a").get_attribute("href")
            assert page.locator(f"details{target}").count() == 1
        assert page.locator("#canvas").get_attribute("aria-describedby") == "timeline-help timeline-status"


def test_ids_are_unique_and_references_resolve(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page) as page:
        ids = page.locator("[id]").evaluate_all("all => all.map(one => one.id)")
        assert len(ids) == len(set(ids)) > 60
        wanted = page.evaluate(
            """[...document.querySelectorAll("[aria-labelledby],[aria-describedby],[aria-controls],a[href^='#']")]
            .flatMap((one) => ["aria-labelledby", "aria-describedby", "aria-controls", "href"]
              .flatMap((name) => (one.getAttribute(name) || "").replace("#", "").split(" ").filter(Boolean)))"""
        )
        assert set(wanted) <= set(ids)


def test_hostile_names_show_as_text(open_page: OpenPage, hostile_page: Path) -> None:
    with open_page(hostile_page) as page:
        draw_all(page)
        assert page.locator("body img, body iframe, body object, body base, body form, body link").count() == 0
        assert page.locator("main b, main script").count() == 0
        scripts = page.locator("script").count()
        assert scripts == 5  # first, data, library, the library once it runs, own
        body = page.locator("main").evaluate("one => one.textContent")
        for name in (HOSTILE[0], HOSTILE[3], "{{ template }} ${shell} $(cmd)", "&lt;b&gt; &#60; &amp;"):
            assert name in body
        assert "\u202e" not in body
        assert page.title().startswith("GPU report: tr|ace<b>`x`")


def test_hostile_names_in_charts_and_hover_are_text(open_page: OpenPage, hostile_page: Path) -> None:
    with open_page(hostile_page) as page:
        draw_all(page)
        assert page.locator("svg a, svg tspan[style*='font-weight'], svg foreignObject").count() == 0
        box = page.locator("#canvas").bounding_box()
        assert box is not None
        page.locator("#canvas").hover(position={"x": 30, "y": 90})
        assert page.locator("#tip *").evaluate_all("all => all.every((one) => one.tagName === 'DIV')")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.handlers: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.handlers.append(f"{tag} {name}")
            if name in {"src", "href", "action", "srcset", "data"} and not (value or "").startswith("#"):
                self.outside.append(f"{tag} {name}={value}")


def test_the_source_has_no_inline_handler_and_no_address(demo_page: Path, hostile_page: Path) -> None:
    for path in (demo_page, hostile_page):
        reader = _Tags()
        reader.feed(path.read_text("utf-8"))
        assert reader.handlers == []
        assert reader.outside == []
