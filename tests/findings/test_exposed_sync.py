"""Exposed synchronisation: only what coincides with idle GPUs."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, US, WORKERS, Worker, decode, healthy
from tests.support.export import Export

ID = "exposed_sync"


def _late(tail: int, name: str = "cudaEventSynchronize_v3020") -> Export:
    """Returns decode steps at whose end the host waits, and wakes up late."""
    export = Export()
    worker = Worker(export)
    for _ in range(20):
        decode(worker, 1)
        worker.sync(name, tail=tail)
    decode(worker, 1)
    return export


@pytest.mark.parametrize(("tail", "severity"), [(1 * MS, "high"), (400 * US, "medium"), (100 * US, "low")])
def test_by_its_share_of_the_windows(find: Find, tail: int, severity: str) -> None:
    (finding,) = find(_late(tail), ID)
    assert finding.severity == severity
    assert finding.at_stake_ns == 20 * tail


def test_names_the_call_and_the_place(find: Find) -> None:
    first, *_ = find(_late(1 * MS))
    assert first.id == ID
    assert "while the host is in cudaEventSynchronize" in first.title
    assert first.evidence[0].table == "host_calls"
    assert "between steps" in text_of(first)


def test_a_wait_while_the_gpu_works_costs_nothing(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    for _ in range(20):
        worker.sync()
        began = worker.begin()
        for _ in range(4):
            worker.kernel()
        worker.end(began)
        for _ in range(4):
            worker.kernel()
    assert find(export, ID) == []


def test_calls_that_do_not_block_are_not_meant(find: Find) -> None:
    assert find(_late(1 * MS, "cudaEventQuery_v3020"), ID) == []


def test_healthy_twin_waits_only_while_the_gpu_works(find: Find) -> None:
    export = healthy()
    for pid, _ in WORKERS:
        export.call("cudaDeviceSynchronize_v3020", 10 * MS, 40 * MS, corr=9_002, pid=pid)
    assert find(export, ID) == []
