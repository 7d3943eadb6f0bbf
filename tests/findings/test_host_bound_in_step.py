"""Host-bound inside the step."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, US, Worker, decode, healthy
from tests.support.export import Export

ID = "host_bound_in_step"


@pytest.mark.parametrize(("inside", "severity"), [(1 * MS, "high"), (400 * US, "medium"), (100 * US, "low")])
def test_by_the_share_of_the_window(find: Find, inside: int, severity: str) -> None:
    export = Export()
    decode(Worker(export), inside=inside)
    (finding,) = find(export, ID)
    assert finding.severity == severity
    assert finding.at_stake_ns == pytest.approx(20 * inside, rel=0.05)


def test_between_steps_is_another_finding(find: Find) -> None:
    export = Export()
    decode(Worker(export), between=1 * MS)
    assert find(export, ID) == []


def test_both_are_told_apart(find: Find) -> None:
    export = Export()
    decode(Worker(export), between=1 * MS, inside=2 * MS)
    first, second, *_ = find(export)
    assert (first.id, second.id) == (ID, "host_bound_between_steps")
    assert first.at_stake_ns == pytest.approx(20 * 2 * MS, rel=0.05)
    assert second.at_stake_ns == pytest.approx(19 * 1 * MS, rel=0.05)


def test_without_steps_the_question_stays_open(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    for length in (300, 500, 700):
        worker.kernel(f"unlike{length}", length * US)
        worker.catch_up()
        worker.code(length * US)
    worker.kernel("last", 100 * US)
    (finding,) = find(export, ID)
    assert "No steps were found" in text_of(finding)


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
