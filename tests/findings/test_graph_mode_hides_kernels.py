"""Graph-mode capture hides kernels."""

from __future__ import annotations

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, healthy, worker
from tests.support.export import Export

ID = "graph_mode_hides_kernels"


def _graphs(length: int) -> Export:
    export = Export()
    end = worker(export)
    for number in range(10):
        start = end + number * length
        export.call("cudaGraphLaunch_v10000", 9 * MS + number, 9 * MS + number + 1, corr=7_000 + number)
        export.graph_trace(start, start + length, corr=7_000 + number)
    return export


def test_severity_by_what_is_hidden(find: Find) -> None:
    (high,) = find(_graphs(20 * MS), ID)
    (medium,) = find(_graphs(2 * MS), ID)
    (low,) = find(_graphs(10_000), ID)
    assert [high.severity, medium.severity, low.severity] == ["high", "medium", "low"]
    assert "--cuda-graph-trace=node" in text_of(high)
    assert "10 graph executions" in text_of(high)
    assert high.at_stake_ns is None


def test_node_mode_hides_nothing(find: Find) -> None:
    export = healthy()
    for number in range(100):
        export.kernel("graph_kernel", 10 * MS + number, 10 * MS + number + 1, graph_node=number + 1, graph_id=1)
    assert find(export, ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
