"""Profiler overhead."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, US, Worker, decode, healthy
from tests.findings.test_lazy_loading import overhead
from tests.support.export import Export

ID = "profiler_overhead"
INSTRUMENTATION = 4


def _held(ns: int) -> Export:
    export = Export("3.25.0", enums=True)
    worker = Worker(export)
    for _ in range(40):
        decode(worker, 1)
        worker.catch_up()
        overhead(export, worker.host, worker.host + ns, INSTRUMENTATION)
        worker.code(ns)
    decode(worker, 2)
    return export


@pytest.mark.parametrize(("held", "severity"), [(1 * MS, "high"), (200 * US, "medium")])
def test_takes_its_time_from_the_other_findings(find: Find, held: int, severity: str) -> None:
    first, *rest = find(_held(held))
    assert first.id == ID
    assert first.severity == severity
    assert first.at_stake_ns == pytest.approx(40 * held, rel=0.05)
    assert "too much to trust" in text_of(first)
    assert "host_bound_between_steps" not in {finding.id for finding in rest}


def test_a_little_is_usual(find: Find) -> None:
    assert find(_held(50 * US), ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
