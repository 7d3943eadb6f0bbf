"""Warm-up and draining."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, Worker, decode, healthy
from tests.support.export import Export

ID = "warm_up"


@pytest.mark.parametrize(("inside", "between"), [(20 * MS, 0), (0, 20 * MS)])
def test_slow_first_steps_are_no_matter_of_the_host(find: Find, inside: int, between: int) -> None:
    export = Export()
    worker = Worker(export)
    decode(worker, 4, inside=inside, between=between)
    decode(worker, 60)
    first, *rest = find(export)
    assert (first.id, first.severity) == (ID, "low")
    assert first.at_stake_ns == pytest.approx(4 * 20 * MS if inside else 3 * 20 * MS, rel=0.05)
    assert "Warm-up: 4 steps" in text_of(first) or "Warm-up: 3 steps" in text_of(first)
    assert not {"host_bound_in_step", "host_bound_between_steps", "step_outliers"} & {finding.id for finding in rest}


def test_what_comes_after_it_is(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    decode(worker, 4, inside=40 * MS)
    decode(worker, 60, inside=1 * MS)
    first, second, *_ = find(export)
    assert (first.id, second.id) == ("host_bound_in_step", ID)
    assert first.at_stake_ns == pytest.approx(60 * 1 * MS, rel=0.05)


def test_outliers_afterwards_and_the_warm_up_are_told_apart(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    decode(worker, 4, inside=40 * MS)
    for number in range(60):
        decode(worker, 1, inside=15 * MS if number in (20, 40) else 0)
    found = {finding.id: finding.at_stake_ns for finding in find(export)}
    assert found[ID] == pytest.approx(4 * 40 * MS, rel=0.05)
    assert found["step_outliers"] == pytest.approx(2 * 15 * MS, rel=0.05)
    assert "host_bound_in_step" not in found


def test_one_slow_step_near_an_end_is_an_outlier(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    for number in range(60):
        decode(worker, 1, inside=15 * MS if number in (1, 30, 57) else 0)
    first, *rest = find(export)
    assert first.id == "step_outliers"
    assert first.at_stake_ns == pytest.approx(3 * 15 * MS, rel=0.05)
    assert not {ID, "host_bound_in_step"} & {finding.id for finding in rest}


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
