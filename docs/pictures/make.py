"""Pictures of report.html for the docs: the demo and a real trace, wide and narrow, light and dark (``make pictures``).

Needs ``chromium`` on PATH (or its path in ``CHROMIUM``) and the development tools of the package. The real trace is
taken from ../shared/traces beside the project; without it only the demo is photographed.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.demo import DemoSpec, generate

HERE = Path(__file__).resolve().parent
REAL = HERE.parents[2] / "shared" / "traces" / "mfu_2gpu_before.sqlite"
EPOCH = "1700000000"
LARGEST_BYTES = 300_000
SIZES = {1440: 1000, 360: 800}
NARROW = 600
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def photograph(browser: Browser, page_file: Path, name: str, folder: Path) -> None:
    """Writes the top of a page and its timeline, for each width and theme.

    Args:
        browser: Chromium.
        page_file: The page.
        name: What the pictures' names begin with.
        folder: Where they go.
    """
    for width, height in SIZES.items():
        for theme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=theme, offline=True, reduced_motion="reduce"
            )
            page = context.new_page()
            page.goto(page_file.as_uri())
            page.screenshot(path=folder / f"{name}-{width}-{theme}.png")
            _to_the_charts(page, "budget" if width > NARROW else "timeline")
            page.screenshot(path=folder / f"{name}-charts-{width}-{theme}.png")
            context.close()


def _to_the_charts(page: Page, section: str) -> None:
    """Folds the first table, so that budget and timeline stand together, and scrolls to a section."""
    page.locator("details[data-table=device_time]").evaluate("one => { one.open = false; }")
    for chart in ("budget", "steps"):
        page.locator(f"#chart-{chart}").scroll_into_view_if_needed()
        page.locator(f"#chart-{chart} .main-svg").first.wait_for(state="attached")
    page.locator(f"#{section}").evaluate("one => one.scrollIntoView()")
    page.wait_for_timeout(300)


def main() -> int:
    """Makes the pictures; returns the exit code."""
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if chromium is None:
        sys.stderr.write("make pictures needs chromium on PATH (apt-get install chromium), or its path in CHROMIUM\n")
        return 1
    os.environ["SOURCE_DATE_EPOCH"] = EPOCH
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary)
        generate(folder / "demo.sqlite", DemoSpec())
        reports: dict[str, Report] = {"demo": analyze(folder / "demo.sqlite")}
        if REAL.exists():
            reports[REAL.stem] = analyze(REAL)
        browser = playwright.chromium.launch(executable_path=chromium)
        for name, report in reports.items():
            report.write(folder / name, ["html"])
            photograph(browser, folder / name / "report.html", name, folder)
        browser.close()
        for made in sorted(folder.glob("*.png")):
            if made.stat().st_size > LARGEST_BYTES:
                sys.stderr.write(f"{made.name} has {made.stat().st_size} bytes, more than {LARGEST_BYTES}\n")
                return 1
            shutil.copyfile(made, HERE / made.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
