"""Light and dark, wide and narrow, on paper, and by keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsys_llm_explainer.render.figures.palette import BUCKETS, DARK, KINDS, LIGHT
from tests.browser.conftest import OpenPage, draw_all, until

#: Every visible text with too little contrast against what is painted behind it (WCAG 2, AA).
LOW_CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, place) => sum + v * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || one.closest("svg, script, template, noscript")) continue;
    if (!one.checkVisibility()) continue;
    const style = getComputedStyle(one);
    const [a, b] = [light(parse(style.color)), light(ground(one))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push(one.tagName + "." + one.className + " " + ratio.toFixed(2));
  }
  return [...new Set(found)];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 360])
def test_texts_have_contrast_and_nothing_overflows(
    open_page: OpenPage, demo_page: Path, scheme: str, width: int
) -> None:
    with open_page(demo_page, color_scheme=scheme, viewport={"width": width, "height": 800}) as page:
        draw_all(page)
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate(LOW_CONTRAST) == []


def _contrast(first: str, second: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(first), light(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_colours_of_charts_stand_out_from_the_page(palette: dict[str, str]) -> None:
    weak = [name for name in (*BUCKETS, *KINDS, "alarm") if _contrast(palette[name], palette["page"]) < 3]
    assert weak == []
    assert _contrast(palette["quiet"], palette["page"]) >= 4.5
    assert len({palette[name] for name in BUCKETS}) == len(BUCKETS)


def test_the_switch_changes_page_and_charts(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page, color_scheme="light") as page:
        draw_all(page)
        fill = "getComputedStyle(document.querySelector('#chart-budget .bars path')).fill"
        ground = "getComputedStyle(document.body).backgroundColor"
        before = page.evaluate(f"[{fill}, {ground}]")
        page.click("#theme")
        until(page, f"{fill} !== '{before[0]}'")
        assert page.evaluate(ground) != before[1]
        assert page.locator("#theme").get_attribute("aria-pressed") == "true"
        page.click("#theme")
        until(page, f"{fill} === '{before[0]}'")


def test_everything_is_reached_by_key(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        seen = []
        for _ in range(250):
            page.keyboard.press("Tab")
            seen.append(
                page.evaluate(
                    "(() => { const one = document.activeElement; return [one.id, one.dataset.zoom, one.dataset.copy, "
                    "one.dataset.move, getComputedStyle(one).outlineStyle]; })()"
                )
            )
            if seen[-1][2] == "csv" and any(one[0] == "canvas" for one in seen):
                break
        assert any(one[0] == "theme" for one in seen)
        assert any(one[1] for one in seen)
        assert any(one[3] == "next" for one in seen)
        assert any(one[0] == "range" for one in seen)
        assert all(one[4] != "none" for one in seen)


def test_it_prints_in_light_colours(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page, color_scheme="dark") as page:
        paper = page.pdf(format="A4")
        assert paper.startswith(b"%PDF")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.locator(".tools").first.is_hidden()


def test_without_scripts_text_and_tables_are_there(open_page: OpenPage, demo_page: Path, browser: object) -> None:
    context = browser.new_context(java_script_enabled=False, color_scheme="dark")  # type: ignore[attr-defined]
    page = context.new_page()
    page.goto(demo_page.as_uri())
    assert page.locator("noscript p").is_visible()
    assert page.locator("details[data-table=device_time] tbody tr").first.is_visible()
    context.close()
