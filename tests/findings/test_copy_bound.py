"""Bound by copies."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, healthy, worker
from tests.support.export import Export

ID = "copy_bound"


@pytest.mark.parametrize(("copy_ms", "severity"), [(80, "high"), (8, "medium"), (1, "low")])
def test_by_the_share_of_the_window(find: Find, copy_ms: int, severity: str) -> None:
    export = Export()
    end = worker(export, gap=0)
    export.memcpy(end, end + copy_ms * MS, size=20_000 * copy_ms * 1_000)
    (finding,) = find(export, ID)
    assert finding.severity == severity
    assert finding.at_stake_ns == copy_ms * MS
    assert "20.0 GB/s" in finding.title
    assert "1 copy operation" in text_of(finding)


def test_copies_beside_kernels_cost_nothing(find: Find) -> None:
    export = Export()
    end = worker(export, gap=0)
    export.memcpy(10 * MS, end, stream=9)
    assert find(export, ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
