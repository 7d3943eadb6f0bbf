"""NVTX coverage."""

from __future__ import annotations

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, healthy, worker
from tests.support.export import Export

ID = "nvtx_coverage"


def test_under_the_threshold(find: Find) -> None:
    export = Export()
    worker(export, ranges=False)
    export.nvtx("first steps", 0, 5 * MS + 200 * 5_000)
    (finding,) = find(export, ID)
    assert finding.severity == "low"
    assert "50 %" in finding.title or "50.0 %" in finding.title
    assert finding.at_stake_ns is None
    assert "Switch the engine's ranges on" in text_of(finding)


def test_kernels_without_a_call_are_pointed_out(find: Find) -> None:
    export = Export()
    end = worker(export)
    for number in range(400):
        export.kernel("early", end + number * 100_000, end + (number + 1) * 100_000)
    (finding,) = find(export, ID)
    assert "400 kernels have no launch call" in text_of(finding)
    assert "Switch the engine's ranges on" not in text_of(finding)


def test_no_ranges_at_all_is_a_hint(find: Find) -> None:
    export = Export()
    worker(export, ranges=False)
    (finding,) = find(export, ID)
    assert finding.severity == "low"
    assert "--trace=nvtx" in text_of(finding)


def test_switched_off_is_no_finding(find: Find) -> None:
    export = Export()
    worker(export, ranges=False)
    export.nvtx("first steps", 0, 5 * MS + 200 * 5_000)
    assert find(export, ID, nvtx_kernel_map=False) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
