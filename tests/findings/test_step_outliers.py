"""Step outliers."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, US, Worker, decode, healthy
from tests.support.export import Export

ID = "step_outliers"


def _pauses(*, inside: bool, steps: int = 48, every: int = 12) -> Export:
    export = Export()
    worker = Worker(export)
    for number in range(steps):
        slow = number % every == every - 2
        decode(worker, 1, inside=10 * MS if slow and inside else 0, between=10 * MS if slow and not inside else 0)
    return export


@pytest.mark.parametrize("inside", [True, False])
def test_the_excess_over_the_median_is_at_stake(find: Find, inside: bool) -> None:
    first, *_ = find(_pauses(inside=inside))
    assert first.id == ID
    assert first.severity == "high"
    assert first.at_stake_ns == pytest.approx(4 * 10 * MS, rel=0.05)
    assert "4 of 48 steps" in first.title
    assert "host code" in first.title


def test_names_the_slow_steps(find: Find) -> None:
    first, *_ = find(_pauses(inside=True))
    assert "Step 10 (decode)" in text_of(first)
    assert first.evidence[0].time_range_ns is not None


def test_many_slow_steps_are_another_kind_of_step(find: Find) -> None:
    assert find(_pauses(inside=True, every=3), ID) == []


def test_a_prefill_is_no_slow_decode(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    for _ in range(4):
        decode(worker, 10)
        decode(worker, 1, kernel_ns=5 * MS, text="execute_context_2(512)_generation_0(0)")
    assert find(export, ID) == []


def test_a_copy_that_starts_a_step_early_makes_none(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    for number in range(40):
        began = worker.begin()
        if number % 10 == 5:
            corr = worker.call("cudaMemcpyAsync_v3020", 4 * US)
            export.memcpy(worker.gpu - 1_500 * US, worker.gpu - 500 * US, stream=9, corr=corr)
        for _ in range(4):
            worker.kernel()
        worker.end(began)
    assert find(export, ID) == []


def test_small_differences_are_not_meant(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    for number in range(40):
        decode(worker, 1, kernel_ns=500 * US + number % 5 * 10 * US)
    assert find(export, ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
