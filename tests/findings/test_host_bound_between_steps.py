"""Host-bound between steps."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, US, Worker, decode, healthy
from tests.support.export import Export

ID = "host_bound_between_steps"


@pytest.mark.parametrize(("between", "severity"), [(1 * MS, "high"), (400 * US, "medium"), (100 * US, "low")])
def test_by_the_share_of_the_window(find: Find, between: int, severity: str) -> None:
    export = Export()
    decode(Worker(export), between=between)
    (finding,) = find(export, ID)
    assert finding.severity == severity
    assert finding.at_stake_ns == pytest.approx(19 * between, rel=0.05)


def test_says_how_much_of_each_step_and_where(find: Find) -> None:
    export = Export()
    decode(Worker(export), between=1 * MS)
    first, *_ = find(export)
    assert first.id == ID
    assert "each decode step" in first.title
    assert "before cudaLaunchKernel in execute_context" in first.title
    assert "1.00 ms of 3.00 ms" in first.title
    example = first.evidence[1].time_range_ns
    assert example is not None
    assert example[1] - example[0] == pytest.approx(1 * MS, rel=0.05)


def test_time_in_the_operating_system_counts(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    for _ in range(20):
        worker.catch_up()
        export.osrt("futex", worker.host + US, worker.host + 990 * US)
        worker.code(1 * MS)
        decode(worker, 1)
    (finding,) = find(export, ID)
    assert "calls of the operating system" in text_of(finding)


def test_other_devices_are_counted(find: Find) -> None:
    export = Export()
    for pid, device in ((100, 0), (200, 1)):
        decode(Worker(export, pid=pid, device=device), between=1 * MS)
    (finding,) = find(export, ID)
    assert "1 more GPU" in finding.title
    assert finding.at_stake_ns == pytest.approx(2 * 19 * MS, rel=0.05)


def test_a_step_that_is_launched_ahead_is_not_waited_for(find: Find) -> None:
    export = Export()
    decode(Worker(export))
    assert find(export, ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
