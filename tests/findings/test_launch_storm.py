"""Launch storm: where and when."""

from __future__ import annotations

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, healthy, worker
from tests.support.export import Export

ID = "launch_storm"


def _storm(**kernel: int) -> Export:
    """Returns half a second of long kernels with a burst of 20,000 tiny ones in 200 ms."""
    export = Export()
    worker(export, kernels=100, duration=2_900_000, gap=100_000, start=0)
    for number in range(20_000):
        start = 300 * MS + number * 10_000
        export.kernel("void tiny_kernel(int)", start, start + 3_000, corr=10_000 + number, **kernel)
    return export


def test_names_place_and_time(find: Find) -> None:
    (finding,) = find(_storm(), ID)
    assert finding.severity in {"medium", "high"}
    (first,) = [item for item in finding.evidence if item.table == "launch_storms"]
    assert first.time_range_ns == (300 * MS, 500 * MS)
    assert "GPU 0, 0.300000 s to 0.500000 s" in first.text
    assert "tiny_kernel" in text_of(finding)
    assert "CUDA graph" in text_of(finding)
    assert finding.at_stake_ns is None


def test_low_where_graphs_replay_the_kernels(find: Find) -> None:
    (finding,) = find(_storm(graph_node=7), ID)
    assert finding.severity == "low"
    assert "replayed from CUDA graphs" in text_of(finding)


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
