"""diff.html in a browser: quiet, without requests, in both themes, every chart drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsys_llm_explainer import Report, compare
from nsys_llm_explainer.comparison.outputs import comparison_files
from nsys_llm_explainer.demo import DemoSpec, generate
from nsys_llm_explainer.demo.spec import Causes
from tests.browser.conftest import OpenPage, draw_all


@pytest.fixture(scope="module")
def diff_page(demo_report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diff")
    generate(folder / "after.sqlite", DemoSpec(causes=Causes(launch_delay_ns=3_000_000)))
    path = folder / "diff.html"
    path.write_bytes(comparison_files(compare(demo_report, folder / "after.sqlite"), ("html",))["diff.html"])
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_and_draws(open_page: OpenPage, diff_page: Path, scheme: str) -> None:
    with open_page(diff_page, color_scheme=scheme) as page:
        assert page.locator("#verdict .verdict").inner_text().startswith("Decode steps take ")
        assert page.locator("[data-chart]").count() == 3
        draw_all(page)
        page.locator("#theme").click()


def test_tables_sort_and_filter(open_page: OpenPage, diff_page: Path) -> None:
    with open_page(diff_page) as page:
        table = page.locator("#table-diff_step_times")
        rows = table.locator("tbody tr:visible").count()
        table.locator(".filter").fill("mixed")
        assert 0 < table.locator("tbody tr:visible").count() < rows
        table.locator("th button").last.click()


def test_it_reads_without_scripts(open_page: OpenPage, diff_page: Path, browser) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(diff_page.as_uri())
    assert page.locator("#verdict .verdict").inner_text().startswith("Decode steps take ")
    assert page.locator("#table-diff_step_times tbody tr").count() > 4
    context.close()
