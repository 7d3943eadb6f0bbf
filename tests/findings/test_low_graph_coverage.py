"""Low graph coverage."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import US, Worker, healthy
from tests.support.export import Export

ID = "low_graph_coverage"


def _partly(eager: int, graphed: int) -> Export:
    """Returns decode steps of one graph and of eager kernels that are shorter than their launch."""
    export = Export()
    worker = Worker(export)
    for _ in range(20):
        began = worker.begin()
        worker.graph(graphed, 5 * US)
        worker.catch_up()
        for number in range(eager):
            worker.kernel(f"part{number % 8}", 5 * US, call_ns=20 * US)
        worker.end(began)
    return export


def test_takes_the_place_of_launch_bound(find: Find) -> None:
    first, *rest = find(_partly(eager=40, graphed=40))
    assert first.id == ID
    assert first.severity == "high"
    assert first.at_stake_ns == pytest.approx(20 * (20 * US + 39 * 15 * US), rel=0.05)
    assert "40 of the 80 kernels of a decode step (50.0 %)" in text_of(first)
    assert "launch_bound" not in {finding.id for finding in rest}


def test_a_few_eager_kernels_are_usual(find: Find) -> None:
    assert find(_partly(eager=4, graphed=96), ID) == []


def test_without_graphs_it_is_launch_bound(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    for _ in range(20):
        began = worker.begin()
        for number in range(40):
            worker.kernel(f"part{number % 8}", 5 * US, call_ns=20 * US)
        worker.end(began)
    assert find(export, ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []


def _pieces(pause: int, *, pieces: int = 20) -> Export:
    """Returns decode steps of pieces of graph with one eager kernel after each, and host code before all of them."""
    export = Export()
    worker = Worker(export)
    for _ in range(20):
        began = worker.begin()
        for _ in range(pieces):
            worker.graph(9, 2 * US)
            worker.catch_up()
            worker.code(pause)
            worker.kernel("attention", 5 * US)
            worker.catch_up()
            worker.code(pause)
        worker.end(began)
    return export


@pytest.mark.parametrize("pause", [20 * US, 70 * US])
def test_eager_launches_between_many_pieces_count(find: Find, pause: int) -> None:
    first, *rest = find(_pieces(pause))
    assert (first.id, first.severity) == (ID, "high")
    assert first.at_stake_ns == pytest.approx(20 * 20 * (2 * pause + 14 * US), rel=0.10)
    assert not {"launch_bound", "host_bound_in_step"} & {finding.id for finding in rest}


def test_long_pauses_have_a_cause_of_their_own(find: Find) -> None:
    assert find(_pieces(400 * US))[0].id == "host_bound_in_step"


def test_one_graph_and_a_few_kernels_are_usual(find: Find) -> None:
    assert find(_pieces(20 * US, pieces=1), ID) == []
