"""Tables sort, filter, unfold and can be copied."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.conftest import OpenPage, until

KERNELS = "details[data-table=kernels]"
CLIPBOARD = ["clipboard-read", "clipboard-write"]


def _column(page: Page, place: int) -> list[float]:
    values: list[float] = page.locator(f"{KERNELS} tbody tr:visible").evaluate_all(
        f"rows => rows.map((row) => Number(row.cells[{place}].dataset.v))"
    )
    return values


def _numeric(page: Page) -> int:
    return int(page.locator(f"{KERNELS} thead th").evaluate_all("all => all.findIndex((one) => one.matches('.n'))"))


def test_sorting_by_click_and_by_key(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page) as page:
        place = _numeric(page)
        head = page.locator(f"{KERNELS} thead th").nth(place)
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "descending"
        values = _column(page, place)
        assert values == sorted(values, reverse=True)
        assert len(values) > 5
        head.locator("button").press("Enter")
        assert head.get_attribute("aria-sort") == "ascending"
        values = _column(page, place)
        assert values == sorted(values)


def test_filtering_looks_at_all_rows(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page) as page:
        box = page.locator(KERNELS)
        every = box.locator("tbody tr").count()
        box.locator(".filter").fill("NCCL")
        texts = box.locator("tbody tr:visible").all_inner_texts()
        assert 0 < len(texts) < every
        assert all("nccl" in text.lower() for text in texts)
        assert f"{len(texts)} of {every} rows match" in box.locator(".count").inner_text()
        box.locator(".filter").fill("")
        assert box.locator(".count").inner_text() == ""


def test_all_rows_unfold(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page) as page:
        box = page.locator("details[data-table=gap_causes]")
        box.locator("summary").click()
        first = box.locator("tbody tr:visible").count()
        box.locator("[data-more]").click()
        assert box.locator("[data-more]").get_attribute("aria-expanded") == "true"
        assert first < box.locator("tbody tr:visible").count() == box.locator("tbody tr").count()
        assert "more" in box.locator(".rows").inner_text()


def test_copies(open_page: OpenPage, demo_page: Path) -> None:
    with open_page(demo_page, permissions=CLIPBOARD) as page:
        box = page.locator("details[data-table=device_time]")
        shown = box.locator("tbody tr:visible").count()
        box.locator("[data-copy=csv]").click()
        until(page, "document.getElementById('toast').textContent === 'CSV copied'")
        rows = list(csv.reader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
        assert rows[0][:3] == ["device_id", "bucket", "total_ms"]
        assert len(rows) == shown + 1
        assert float(rows[1][2]) > 0
        box.locator("[data-copy=md]").click()
        until(page, "document.getElementById('toast').textContent === 'Markdown copied'")
        lines = page.evaluate("navigator.clipboard.readText()").splitlines()
        assert lines[0].startswith("| device\\_id | bucket |")
        assert len(lines) == shown + 2


def test_a_hostile_name_is_no_formula_in_a_copy(open_page: OpenPage, hostile_page: Path) -> None:
    with open_page(hostile_page, permissions=CLIPBOARD) as page:
        page.locator(f"{KERNELS} [data-more]").click()
        page.locator(f"{KERNELS} [data-copy=csv]").click()
        until(page, "document.getElementById('toast').textContent === 'CSV copied'")
        rows = list(csv.reader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
        texts = [cell for row in rows for cell in row]
        assert any(text.startswith("'=HYPERLINK") for text in texts)
        assert not any(text.startswith(("=", "@", "+1")) for text in texts)
