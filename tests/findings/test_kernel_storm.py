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
