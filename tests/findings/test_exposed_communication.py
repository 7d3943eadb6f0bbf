"""Exposed communication."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, US, Worker, healthy
from tests.support.export import Export

ID = "exposed_communication"
ALL_REDUCE = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096ul>)"


def _ranks(reduce_ns: int) -> Export:
    export = Export()
    for pid, device in ((100, 0), (200, 1)):
        worker = Worker(export, pid=pid, device=device)
        for _ in range(20):
            worker.kernel()
            worker.kernel(ALL_REDUCE, reduce_ns)
    return export


@pytest.mark.parametrize(("reduce_ns", "severity"), [(250 * US, "high"), (100 * US, "medium"), (20 * US, "low")])
def test_by_the_share_of_the_window(find: Find, reduce_ns: int, severity: str) -> None:
    (finding,) = find(_ranks(reduce_ns), ID)
    assert finding.severity == severity
    assert finding.at_stake_ns == 2 * 20 * reduce_ns
    assert "ncclDevKernel_AllReduce" in text_of(finding)


def test_hidden_behind_compute_it_costs_nothing(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    for _ in range(20):
        worker.kernel()
    export.kernel(ALL_REDUCE, 11 * MS, 15 * MS, stream=9)
    assert find(export, ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
