"""Launch-bound."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import US, Worker, decode, healthy
from tests.support.export import Export

ID = "launch_bound"


def _eager(call_ns: int, kernel_ns: int, *, graph: bool = False) -> Export:
    export = Export()
    worker = Worker(export)
    for _ in range(20):
        began = worker.begin()
        if graph:
            worker.graph(40, kernel_ns)
        for number in range(40):
            worker.kernel(f"part{number % 8}", kernel_ns, call_ns=call_ns)
        worker.end(began)
    return export


@pytest.mark.parametrize(("call_ns", "severity"), [(20 * US, "high"), (6 * US, "medium")])
def test_by_the_share_of_the_window(find: Find, call_ns: int, severity: str) -> None:
    (finding,) = find(_eager(call_ns, 5 * US), ID)
    assert finding.severity == severity
    assert finding.at_stake_ns == pytest.approx(799 * (call_ns - 5 * US), rel=0.05)
    assert "each decode step for kernels to be launched one by one" in finding.title


def test_names_the_call_and_the_launches_of_a_step(find: Find) -> None:
    (finding,) = find(_eager(20 * US, 5 * US), ID)
    text = text_of(finding)
    assert "cudaLaunchKernel of process 100: 800 calls, median 20 us" in text
    assert "launches 40 kernels one by one and 0 from 0 CUDA graphs" in text


def test_a_gpu_that_is_behind_is_not_waiting(find: Find) -> None:
    assert find(_eager(4 * US, 20 * US), ID) == []


def test_long_gaps_are_another_finding(find: Find) -> None:
    export = Export()
    decode(Worker(export), inside=60 * US)
    assert find(export, ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
