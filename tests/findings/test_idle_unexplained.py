"""Idle without another explanation."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, US, Worker, decode, healthy, worker
from tests.support.export import Export

ID = "idle_unexplained"


@pytest.mark.parametrize(("gap", "severity"), [(100 * US, "high"), (20 * US, "medium")])
def test_work_that_was_queued(find: Find, gap: int, severity: str) -> None:
    export = Export()
    worker(export, gap=gap)
    first, *_ = find(export)
    assert (first.id, first.severity) == (ID, severity)
    assert first.at_stake_ns == 399 * gap
    assert "waited on the GPU's side" in first.title
    assert "events and streams" in text_of(first)


def test_work_without_a_call(find: Find) -> None:
    export = Export()
    for number in range(100):
        export.kernel(f"k{number % 8}", number * 200 * US, number * 200 * US + 100 * US)
    first, *_ = find(export)
    assert first.id == ID
    assert "without a launch call" in first.title


def test_time_before_the_steps(find: Find) -> None:
    export = Export()
    run = Worker(export)
    run.kernel("warm up")
    run.catch_up()
    run.code(100 * MS)
    decode(run)
    (finding,) = find(export, ID)
    assert "before the first and after the last step" in finding.title
    assert "--window steady" in text_of(finding)


def test_what_another_finding_has_is_not_counted_again(find: Find) -> None:
    export = Export()
    decode(Worker(export), between=1 * MS)
    assert find(export, ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []


def test_the_latency_between_kernels_is_the_gpus(find: Find) -> None:
    export = Export()
    worker(export, duration=10 * US, gap=2_500, kernels=4_000)
    assert find(export, ID) == []
    (finding,) = find(export, "gpu_bound")
    assert "with the latency between kernels fills" in finding.title
    assert finding.evidence[0].values["node_latency_ns"] == pytest.approx(3_999 * 2_500, rel=0.02)
