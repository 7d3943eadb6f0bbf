"""Step outliers."""

from __future__ import annotations

from pathlib import Path

import pytest

import nsys_llm_explainer
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


def test_a_slow_first_step_is_no_outlier_where_the_warm_up_is_slow(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    for number in range(48):
        decode(worker, 1, inside=10 * MS if number < 4 else 0)
    assert find(export, ID) == []


def test_the_wait_for_a_late_rank_is_none(find: Find) -> None:
    export = Export()
    ranks = [Worker(export, pid=pid, device=device) for pid, device in ((100, 0), (200, 1))]
    for number in range(40):
        for rank, worker in enumerate(ranks):
            began = worker.begin()
            worker.kernel()
            worker.catch_up()
            worker.code(8 * MS if rank and number % 10 == 7 else 0)
            worker.kernel(ns=20 * US)
            worker.end(began)
        end = max(worker.gpu for worker in ranks) + 50 * US
        for worker in ranks:
            worker.kernel("ncclDevKernel_AllReduce_Sum_bf16_RING_LL", end - worker.gpu)
    found = {finding.id: finding for finding in find(export)}
    assert found["straggling_rank"].at_stake_ns == pytest.approx(4 * 8 * MS, rel=0.05)
    assert found[ID].at_stake_ns == pytest.approx(4 * 8 * MS, rel=0.05)
    assert "4 of 80 steps" in found[ID].title


def test_guessed_steps_with_more_compute_are_no_outliers(traces_dir: Path) -> None:
    report = nsys_llm_explainer.analyze(traces_dir / "mfu_2gpu_before.sqlite")
    assert report.sections["steps"].summary["confidence"] == "low"
    slow = report.sections["steps"].tables["slow_steps"].rows()
    assert "compute" in {row["largest_bucket"] for row in slow}
    titles = [finding.title for finding in report.findings if finding.id == "step_outliers"]
    assert not any("mostly compute" in title for title in titles)
