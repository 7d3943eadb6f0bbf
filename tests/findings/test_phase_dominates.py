"""One phase dominates."""

from __future__ import annotations

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, healthy, worker
from tests.support.export import Export

ID = "phase_dominates"
PHASES = {"prefill": ["prefill"], "decode": ["decode"]}


def _phases() -> Export:
    """Returns 100 kernels launched in a prefill range and 300 in a decode range."""
    export = Export()
    worker(export, ranges=False)
    export.nvtx("prefill 1", 0, 5 * MS + 100 * 5_000)
    export.nvtx("decode 1", 5 * MS + 100 * 5_000, 90 * MS)
    return export


def test_the_phase_is_named(find: Find) -> None:
    (finding,) = find(_phases(), ID, phase_map=PHASES)
    assert finding.severity == "medium"
    assert "decode" in finding.title
    assert finding.evidence[0].values["kernel_share"] == 0.75


def test_what_no_pattern_matches_is_a_hint(find: Find) -> None:
    (finding,) = find(_phases(), ID, phase_map={"verify": ["draft"]})
    assert finding.severity == "low"
    assert "nvtx_ranges" in text_of(finding)


def test_healthy_twin(find: Find) -> None:
    export = _phases()
    assert find(export, ID, phase_map={"first": ["prefill"], "rest": ["xyz"]}) != []
    assert find(healthy(), ID) == []
    even = Export()
    worker(even, ranges=False)
    even.nvtx("prefill 1", 0, 5 * MS + 200 * 5_000)
    even.nvtx("decode 1", 5 * MS + 200 * 5_000, 90 * MS)
    assert find(even, ID, phase_map=PHASES) == []
