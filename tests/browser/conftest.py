"""A real browser without a network, and pages that may not complain."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.demo import DemoSpec, generate
from nsys_llm_explainer.render.page import report_html
from tests.render.conftest import hostile_export

NAMES = ("chromium", "chromium-browser", "google-chrome")
WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""
OpenPage = Callable[..., Any]


def chromium() -> str:
    """Returns Chromium's path; skips where there is none, but never in CI."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and not os.environ.get("CI"):
        pytest.skip("no chromium on PATH (apt-get install chromium)")
    assert found is not None, "CI has to test in a browser: install chromium"
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium())
        yield started
        started.close()


@pytest.fixture(scope="session")
def demo_report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of the demo's trace."""
    path = tmp_path_factory.mktemp("browser") / "demo.sqlite"
    generate(path, DemoSpec(seed=0))
    return analyze(path)


@pytest.fixture(scope="session")
def demo_page(demo_report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the demo's report."""
    return _written(demo_report, tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a report in which every text is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    return _written(analyze(hostile_export().write(folder / "tr|ace<b>`x`.sqlite")), folder / "report.html")


def _written(report: Report, path: Path) -> Path:
    path.write_bytes(report_html(report))
    return path


@pytest.fixture
def open_page(browser: Browser) -> OpenPage:
    """``with open_page(path) as page``: fails where the page asks for anything, logs, throws or breaks its policy."""

    @contextmanager
    def opened(path: Path, **context_options: Any) -> Iterator[Page]:
        complaints: list[str] = []
        options = {"viewport": {"width": 1440, "height": 900}, "offline": True, **context_options}
        context = browser.new_context(**options)
        context.add_init_script(WATCH)
        page = context.new_page()
        page.set_default_timeout(10_000)

        def on_request(request: Request) -> None:
            if request.url.partition("#")[0] != path.as_uri():
                complaints.append(f"request: {request.url[:200]}")

        def on_console(message: ConsoleMessage) -> None:
            complaints.append(f"console {message.type}: {message.text[:300]}")

        page.on("request", on_request)
        page.on("console", on_console)
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto(path.as_uri())
        until(page, "document.documentElement.dataset.ready === 'yes'")
        yield page
        complaints += page.evaluate("window.violations")
        context.close()
        assert complaints == []

    return opened


def until(page: Page, condition: str) -> None:
    """Waits for a condition; the page's policy forbids the evaluation that playwright's own waiting does."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"still not: {condition}")


def draw_all(page: Page) -> None:
    """Scrolls through the page until every chart is drawn."""
    for place in page.locator("[data-chart]").all():
        place.scroll_into_view_if_needed()
        place.locator(".main-svg").first.wait_for(state="attached")
