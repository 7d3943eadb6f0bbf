"""Allocation in steady state."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find
from tests.findings.scene import MS, US, Worker, decode, healthy
from tests.support.export import Export

ID = "allocation_in_steady_state"


def _allocating(call_ns: int, *, busy: bool = False) -> Export:
    export = Export()
    worker = Worker(export)
    for _ in range(40):
        decode(worker, 1)
        if not busy:
            worker.catch_up()
        worker.call("cudaMalloc_v3020", call_ns)
    decode(worker, 2)
    return export


@pytest.mark.parametrize(("call_ns", "severity"), [(1 * MS, "high"), (400 * US, "medium"), (50 * US, "low")])
def test_by_the_share_of_the_window(find: Find, call_ns: int, severity: str) -> None:
    first, *_ = find(_allocating(call_ns))
    assert first.id == ID
    assert first.severity == severity
    assert first.at_stake_ns == pytest.approx(40 * call_ns, rel=0.05)
    assert "40 allocation calls" in first.title
    assert "mostly cudaMalloc" in first.title


def test_rare_and_long_ones_end_the_steady_window_but_count(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    for number in range(60):
        decode(worker, 1)
        worker.catch_up()
        if number % 15 == 14:
            worker.call("cudaFree_v3020", 40 * MS)
    first, *rest = find(export)
    assert first.id == ID
    assert first.at_stake_ns == pytest.approx(4 * 40 * MS, rel=0.05) or first.at_stake_ns == pytest.approx(
        3 * 40 * MS, rel=0.05
    )
    assert "step_outliers" not in {finding.id for finding in rest}


def test_beside_a_busy_gpu_it_costs_nothing(find: Find) -> None:
    assert find(_allocating(1 * MS, busy=True), ID) == []


def test_before_the_steps_it_is_normal(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    worker.kernel("warm up")
    worker.catch_up()
    worker.call("cudaMalloc_v3020", 40 * MS)
    decode(worker)
    assert find(export, ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
