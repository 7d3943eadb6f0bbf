"""The timeline: zoom, pan, steps, hover, the range as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from nsys_llm_explainer import Report
from tests.browser.conftest import OpenPage, until


def _range(page: Page) -> tuple[float, float]:
    start, _, end = page.locator("#range").input_value().partition(":")
    return float(start), float(end)


def _length(page: Page) -> float:
    start, end = _range(page)
    return end - start


def test_a_finding_shows_its_time(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page) as page:
        button = page.locator(".card > p > [data-zoom]").first
        start, end = (int(text) / 1e9 for text in (button.get_attribute("data-zoom") or "").split(":"))
        button.click()
        low, high = _range(page)
        assert low <= start < end <= high
        assert high - low < 3 * (end - start)
        assert page.evaluate("document.activeElement.id") == "canvas"
        box = page.locator("#timeline").bounding_box()
        assert box is not None
        assert 0 <= box["y"] < 200


def test_buttons_zoom_and_pan(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page) as page:
        whole = _range(page)
        page.click("[data-move=in]")
        assert _length(page) == pytest.approx((whole[1] - whole[0]) / 2)
        before = _range(page)
        page.click("[data-move=right]")
        assert _range(page)[0] > before[0]
        page.click("[data-move=left]")
        assert _range(page) == pytest.approx(before)
        page.click("[data-move=all]")
        assert _range(page) == whole
        page.click("[data-move=out]")
        assert _range(page) == whole


def test_keys_do_the_same(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page) as page:
        whole = _range(page)
        page.locator("#canvas").focus()
        page.keyboard.press("+")
        page.keyboard.press("+")
        assert _length(page) == pytest.approx((whole[1] - whole[0]) / 4)
        before = _range(page)
        page.keyboard.press("ArrowRight")
        assert _range(page)[0] > before[0]
        page.keyboard.press("Home")
        assert _range(page) == whole


def test_next_and_previous_step(open_page: OpenPage, demo_page: Path, demo_report: Report) -> None:
    rows = [row for row in demo_report.sections["steps"].tables["steps"].rows() if row["device_id"] == 0]
    with open_page(demo_page) as page:
        page.locator("#canvas").focus()
        for row in rows[:3]:
            page.keyboard.press("n")
            low, high = _range(page)
            assert low < (row["start_ns"] + row["end_ns"]) / 2e9 < high
            assert high - low < 1.5 * (row["end_ns"] - row["start_ns"]) / 1e9
        page.keyboard.press("p")
        low, high = _range(page)
        assert low < (rows[1]["start_ns"] + rows[1]["end_ns"]) / 2e9 < high


def test_a_range_can_be_written(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page) as page:
        page.fill("#range", "0.1:0.15")
        page.keyboard.press("Enter")
        assert _range(page) == pytest.approx((0.1, 0.15))
        page.fill("#range", "nonsense")
        page.keyboard.press("Enter")
        assert _range(page) == pytest.approx((0.1, 0.15))
        assert "START:END" in page.locator("#toast").inner_text()


def test_dragging_zooms(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page) as page:
        canvas = page.locator("#canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        whole = _range(page)
        page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 80)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 80, steps=4)
        page.mouse.up()
        low, high = _range(page)
        assert low == pytest.approx(whole[0] + 0.25 * (whole[1] - whole[0]), abs=0.003)
        assert high == pytest.approx(whole[0] + 0.5 * (whole[1] - whole[0]), abs=0.003)


def test_hover_names_bucket_and_step(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page) as page:
        page.locator("#canvas").hover(position={"x": 600, "y": 90})
        text = page.locator("#tip").inner_text()
        assert text.startswith("GPU 0 at 0.")
        assert " step " in text
        assert "compute " in text
        page.mouse.move(5, 5)
        assert page.locator("#tip").is_hidden()


def test_the_visible_range_as_a_table_agrees_with_the_budget(
    open_page: OpenPage, demo_page: Path, demo_report: Report
) -> None:
    rows = demo_report.sections["budget"].tables["device_time"].rows()
    wanted = next(row["share"] for row in rows if row["device_id"] == 0 and row["bucket"] == "compute")
    with open_page(demo_page) as page:
        page.click("#visible summary")
        until(page, "document.querySelectorAll('#visible-table tr').length > 3")
        cells = page.locator("#visible-table tr").nth(1).locator("td").all_inner_texts()
        assert cells[:2] == ["GPU 0", "compute"]
        assert float(cells[2].removesuffix(" %")) == pytest.approx(100 * wanted, abs=0.15)


def test_zooming_takes_finer_bins(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page) as page:
        used: Callable[[], list[bool]] = lambda: page.evaluate(  # noqa: E731
            "page.timeline.devices[0].levels.map((level) => Boolean(level.unpacked))"
        )
        assert used() == [True, False]
        for _ in range(4):
            page.click("[data-move=in]")
        assert used() == [True, True]


def test_the_range_is_copied_for_the_command(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.click("#copy-range")
        until(page, "document.getElementById('toast').textContent !== ''")
        assert page.evaluate("navigator.clipboard.readText()") == page.locator("#range").input_value()
