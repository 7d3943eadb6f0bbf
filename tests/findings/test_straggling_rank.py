"""Straggling rank."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import US, Worker, healthy
from tests.findings.test_exposed_communication import ALL_REDUCE
from tests.support.export import Export

ID = "straggling_rank"


def _late(*late: int) -> Export:
    """Returns two ranks that reduce 20 times; of the n-th, the named rank runs a longer kernel before."""
    export = Export()
    first, second = (Worker(export, pid=pid, device=device) for pid, device in ((100, 0), (200, 1)))
    for number in range(20):
        for rank, worker in enumerate((first, second)):
            worker.kernel(ns=800 * US if late[number % len(late)] == rank else 500 * US)
        end = max(first.gpu, second.gpu) + 50 * US
        for worker in (first, second):
            start = worker.gpu
            worker.kernel(ALL_REDUCE, end - start)
    return export


def test_names_the_late_rank_and_what_it_did(find: Find) -> None:
    first, *rest = find(_late(1))
    assert first.id == ID
    assert first.severity == "high"
    assert first.at_stake_ns == pytest.approx(20 * 300 * US, rel=0.02)
    assert first.title.startswith("GPU 1 comes late")
    assert "compute kernels" in first.title
    assert "20 of 20 collectives" in text_of(first)
    (transfer,) = (finding for finding in rest if finding.id == "exposed_communication")
    assert transfer.at_stake_ns == pytest.approx(2 * 20 * 50 * US, rel=0.02)


def test_ranks_that_take_turns_are_no_stragglers(find: Find) -> None:
    assert find(_late(0, 1), ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []


def test_comes_before_what_holds_the_late_rank_up(find: Find) -> None:
    export = Export()
    ranks = [Worker(export, pid=pid, device=device) for pid, device in ((100, 0), (200, 1))]
    for _ in range(20):
        for rank, worker in enumerate(ranks):
            worker.catch_up()
            began = worker.begin()
            worker.kernel()
            worker.catch_up()
            worker.code(310 * US if rank else 10 * US)
            worker.kernel(ns=20 * US)
            worker.end(began)
        end = max(worker.gpu for worker in ranks) + 50 * US
        for worker in ranks:
            worker.kernel(ALL_REDUCE, end - worker.gpu)
    first, second, *_ = find(export)
    assert (first.id, second.id) == (ID, "host_bound_in_step")
    assert first.at_stake_ns == pytest.approx(second.at_stake_ns, rel=0.10)
