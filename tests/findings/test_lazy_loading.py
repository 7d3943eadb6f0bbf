"""Loading code in steady state."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find
from tests.findings.scene import MS, US, Worker, decode, healthy
from tests.support.export import Export, global_tid

ID = "lazy_loading"
JIT, MODULE, LAZY = 2, 6, 7
OVERHEAD = "CUPTI_ACTIVITY_KIND_OVERHEAD"


def overhead(export: Export, start: int, end: int, kind: int) -> None:
    """Adds a row of CUPTI's overheads."""
    export.raw(
        OVERHEAD,
        start=start,
        end=end,
        eventClass=103,
        globalTid=global_tid(100),
        correlationId=0,
        nameId=export.string("Overhead"),
        overheadType=kind,
    )


def _loading(kind: int, *, ns: int = 1 * MS, every: int = 1) -> Export:
    export = Export("3.25.0", enums=True)
    worker = Worker(export)
    for number in range(40):
        began = worker.begin()
        worker.catch_up()
        held = ns if number % every == every - 1 else 4 * US
        if held == ns:
            overhead(export, worker.host, worker.host + ns, kind)
        for length in (held, 4 * US, 4 * US, 4 * US):
            worker.kernel(call_ns=length)
        worker.end(began)
    decode(worker, 2)
    return export


@pytest.mark.parametrize("kind", [JIT, MODULE, LAZY])
def test_loading_in_the_steady_window(find: Find, kind: int) -> None:
    first, *_ = find(_loading(kind))
    assert first.id == ID
    assert first.severity == "high"
    assert first.at_stake_ns == pytest.approx(40 * 1 * MS, rel=0.05)
    assert "40 events" in first.title


def test_rare_and_long_ones_end_the_steady_window_but_count(find: Find) -> None:
    first, *rest = find(_loading(JIT, ns=30 * MS, every=10))
    assert first.id == ID
    assert first.at_stake_ns == pytest.approx(4 * 30 * MS, rel=0.05)
    assert "step_outliers" not in {finding.id for finding in rest}


def test_before_the_steps_it_is_normal(find: Find) -> None:
    export = Export("3.25.0", enums=True)
    worker = Worker(export)
    worker.kernel("warm up")
    worker.catch_up()
    overhead(export, worker.host, worker.host + 50 * MS, MODULE)
    worker.kernel("loaded", call_ns=50 * MS)
    decode(worker)
    assert find(export, ID) == []


def test_other_overheads_are_not_meant(find: Find) -> None:
    assert find(_loading(8), ID) == []


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []


def test_waiting_for_a_thread_that_loads_counts(find: Find) -> None:
    export = Export("3.25.0", enums=True)
    worker = Worker(export)
    for _ in range(40):
        worker.catch_up()
        began = worker.begin()
        overhead(export, worker.host, worker.host + 1 * MS, MODULE)
        worker.code(1 * MS)
        worker.kernel()
        worker.end(began)
    decode(worker, 2)
    first, *_ = find(export)
    assert first.id == ID
    assert first.at_stake_ns == pytest.approx(40 * 1 * MS, rel=0.06)
