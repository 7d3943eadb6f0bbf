"""The page over many traces: it keeps its policy, draws its charts, and its links lead to the reports."""

from __future__ import annotations

from pathlib import Path

from nsys_llm_explainer import batch
from nsys_llm_explainer.fleet.outputs import fleet_files
from tests.browser.conftest import OpenPage, draw_all
from tests.fleet.conftest import HEALTHY, ODD, small
from tests.fleet.test_outputs import hostile_fleet
from tests.render.hostile import HOSTILE


def test_hostile_text(tmp_path: Path, open_page: OpenPage) -> None:
    path = tmp_path / "fleet.html"
    path.write_bytes(fleet_files(hostile_fleet(tmp_path))["fleet.html"])
    with open_page(path) as page:
        draw_all(page)
        assert page.locator("main script, main img, main iframe").count() == 0
        assert page.locator("#rows-extra tbody tr").count() == len(HOSTILE)


def test_a_job(tmp_path: Path, open_page: OpenPage) -> None:
    (tmp_path / "in").mkdir()
    for seed in range(HEALTHY):
        small(tmp_path / "in" / f"run{seed}.sqlite", seed)
    small(tmp_path / "in" / f"{ODD}.sqlite", 99, launch_delay_ns=20_000_000)
    fleet = batch(tmp_path / "in", tmp_path / "out", formats=["md"])
    assert fleet.failed == ()
    assert fleet.outliers[0]["trace"] == ODD
    with open_page(tmp_path / "out" / "fleet.html") as page:
        draw_all(page)
        assert page.locator("#rows-outliers tbody tr").first.locator("td").nth(1).inner_text() == ODD
        links = page.locator("#reports a").all()
        assert len(links) == HEALTHY + 1
        for link in links:
            assert (tmp_path / "out" / str(link.get_attribute("href"))).is_file()
