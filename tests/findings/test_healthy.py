"""Healthy: said with figures, and never where something is wrong or nothing can be seen."""

from __future__ import annotations

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, Worker, decode, healthy
from tests.support.export import Export

ID = "healthy"


def test_says_so_with_figures(find: Find) -> None:
    (finding,) = find(healthy(), ID)
    assert finding.severity == "low"
    assert finding.at_stake_ns is None
    assert "computes for 98.0 % of its window and is idle for 1.9 %" in finding.title
    assert "GPU 1: compute 98.0 %" in text_of(finding)


def test_says_what_cannot_be_seen(find: Find) -> None:
    export = Export()
    decode(Worker(export))
    (finding,) = find(export, ID)
    assert "What this capture cannot show" in text_of(finding)


def test_not_beside_a_strong_finding(find: Find) -> None:
    export = Export()
    decode(Worker(export), between=2 * MS)
    assert find(export, ID) == []


def test_not_without_gpu_work(find: Find) -> None:
    assert find(Export().osrt("poll", 0, 10), ID) == []


def test_not_for_a_window_too_short_to_judge(find: Find) -> None:
    assert find(Export().kernel("k", 0, 100_000), ID) == []
