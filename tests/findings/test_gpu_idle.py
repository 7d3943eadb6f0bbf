"""GPU idle, with gap sizes and the longest gaps."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, healthy, worker
from tests.support.export import Export

ID = "gpu_idle"


@pytest.mark.parametrize(("gap", "severity"), [(100_000, "high"), (40_000, "medium")])
def test_by_the_share_of_the_window(find: Find, gap: int, severity: str) -> None:
    export = Export()
    worker(export, gap=gap)
    (finding,) = find(export, ID)
    assert finding.severity == severity
    assert finding.at_stake_ns == 399 * gap
    assert "399 gaps" in text_of(finding)
    assert "many short gaps" in text_of(finding)


def test_advice_knows_of_graphs(find: Find) -> None:
    export = Export()
    for number in range(400):
        start = number * 200_000
        export.kernel(f"k{number % 8}", start, start + 100_000, graph_node=number + 1, graph_id=1)
    (finding,) = find(export, ID)
    assert "although most kernels come from CUDA graphs" in text_of(finding)


def test_one_long_gap_is_named(find: Find) -> None:
    export = Export()
    end = worker(export, gap=0)
    export.kernel("late", end + 200 * MS, end + 201 * MS)
    (finding,) = find(export, ID)
    gap = next(item for item in finding.evidence if item.table == "gpu_idle_gaps")
    assert gap.time_range_ns == (end, end + 200 * MS)
    assert "One gap holds most of it" in text_of(finding)


def test_every_idle_device_stands_in_one_finding(find: Find) -> None:
    export = Export()
    for pid, device in ((100, 0), (200, 1)):
        worker(export, pid=pid, device=device, gap=100_000 * (1 + device))
    (finding,) = find(export, ID)
    assert finding.title == "2 GPUs are idle for 49.9 % to 66.6 % of their windows"
    assert [item.text[:5] for item in finding.evidence if item.table == "gpu_devices"] == ["GPU 1", "GPU 0"]


def test_copies_and_other_processes_are_work(find: Find) -> None:
    export = Export()
    worker(export, gap=100_000)
    export.memcpy(10 * MS, 90 * MS, pid=300)
    assert find(export, ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
