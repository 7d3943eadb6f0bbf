"""Request gaps: no work is not slowness."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find
from tests.findings.scene import MS, Worker, decode, healthy
from tests.support.export import Export

ID = "request_gaps"
PREFILL = "execute_context_2(512)_generation_0(0)"


def _pauses(pause: int) -> Export:
    export = Export()
    worker = Worker(export)
    for _ in range(4):
        decode(worker, 1, text=PREFILL)
        decode(worker, 20)
        worker.catch_up()
        worker.code(pause)
    decode(worker, 1, text=PREFILL)
    decode(worker, 20)
    return export


def test_is_low_however_large(find: Find) -> None:
    first, *rest = find(_pauses(200 * MS))
    assert (first.id, first.severity) == (ID, "low")
    assert first.at_stake_ns == pytest.approx(4 * 200 * MS, rel=0.01)
    assert "4 pauses between requests" in first.title
    (healthy_finding,) = (finding for finding in rest if finding.id == "healthy")
    assert "of the time with requests" in healthy_finding.title
    assert {finding.severity for finding in rest} == {"low"}


def test_healthy_twin(find: Find) -> None:
    assert find(_pauses(0), ID) == []
    assert find(healthy(), ID) == []
