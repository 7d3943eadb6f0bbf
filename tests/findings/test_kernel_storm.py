"""Kernel storm."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import US, Worker, healthy
from tests.support.export import Export

ID = "kernel_storm"


def _small(count: int, *, kernel_ns: int = 6 * US, gap: int = 1 * US, node: bool = False) -> Export:
    """Returns steps of one large kernel and many small ones, launched ahead."""
    export = Export()
    worker = Worker(export)
    for _ in range(10):
        began = worker.begin()
        worker.kernel(ns=2_000 * US)
        for number in range(count):
            corr = worker.call("cudaLaunchKernel_v7000", 2 * US)
            worker.gpu += gap
            worker.run("norm" if number % 2 else "copy", kernel_ns, corr, node=number + 1 if node else None)
        worker.end(began)
    return export


def test_the_runs_and_their_gaps_are_at_stake(find: Find) -> None:
    first, *rest = find(_small(400))
    assert first.id == ID
    assert first.severity == "high"
    assert first.at_stake_ns == pytest.approx(10 * 400 * 7 * US, rel=0.02)
    assert "4,000 small kernels" in first.title
    assert "10 runs" in text_of(first)
    assert "idle_unexplained" not in {finding.id for finding in rest}


def test_too_few_are_not_worth_a_word(find: Find) -> None:
    assert find(_small(40), ID) == []


def test_larger_kernels_are_none(find: Find) -> None:
    assert find(_small(400, kernel_ns=20 * US), ID) == []


def test_kernels_of_graphs_are_none(find: Find) -> None:
    assert find(_small(400, node=True), ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []


def _step_of_small(*, call_ns: int, gap: int) -> Export:
    """Returns steps that are nothing but small kernels."""
    export = Export()
    worker = Worker(export)
    for _ in range(20):
        worker.catch_up()
        began = worker.begin()
        for number in range(200):
            corr = worker.call("cudaLaunchKernel_v7000", call_ns)
            worker.gpu += gap
            worker.run("norm" if number % 2 else "copy", 6 * US, corr)
        worker.end(began)
    return export


def test_launches_that_come_late_make_it_launch_bound(find: Find) -> None:
    first, *rest = find(_step_of_small(call_ns=9 * US, gap=0))
    assert (first.id, first.severity) == ("launch_bound", "high")
    assert first.at_stake_ns == pytest.approx(20 * 199 * 3 * US, rel=0.02)
    assert ID not in {finding.id for finding in rest}


def test_where_the_step_is_small_kernels_nothing_is_at_stake(find: Find) -> None:
    found = {finding.id: finding for finding in find(_step_of_small(call_ns=2 * US, gap=1 * US))}
    assert found[ID].at_stake_ns is None
    assert "most of what the GPU computes" in found[ID].title
    assert all(finding.severity == "low" for finding in found.values())
    assert "gpu_bound" in found
