"""Pageable memory under asynchronous copies."""

from __future__ import annotations

import pytest

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, US, Worker, decode, healthy
from tests.support.export import Export

ID = "pageable_copies"


def _copies(src: int, after: int = 200 * US) -> Export:
    """Returns decode steps that begin with a copy; its call goes on for a while after the copy."""
    export = Export()
    worker = Worker(export)
    for _ in range(20):
        worker.catch_up()
        began = worker.begin()
        corr, start = 9_000 + worker.corr, worker.host
        export.call("cudaMemcpyAsync_v3020", start, start + 1 * MS + after, corr=corr)
        export.memcpy(start, start + 1 * MS, src=src, size=4_000_000, corr=corr)
        worker.host = worker.gpu = start + 1 * MS + after
        decode(worker, 1)
        worker.end(began, "inputs")
    return export


def test_counts_the_copies_and_the_calls(find: Find) -> None:
    first, *rest = find(_copies(src=0))
    assert first.id == ID
    assert first.severity == "high"
    assert first.at_stake_ns == pytest.approx(20 * 1_200 * US, rel=0.02)
    assert "cudaMemcpyAsync" in text_of(first)
    assert "pin_memory=True" in text_of(first)
    assert "copy_bound" not in {finding.id for finding in rest}


def test_pinned_copies_are_not_meant(find: Find) -> None:
    found = find(_copies(src=1))
    assert ID not in {finding.id for finding in found}
    assert found[0].id == "copy_bound"


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []


def test_staging_in_the_call_before_the_copy_counts(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    for _ in range(20):
        worker.catch_up()
        began = worker.begin()
        corr, start = 9_000 + worker.corr, worker.host
        export.call("cudaMemcpyAsync_v3020", start, start + 1 * MS, corr=corr)
        export.memcpy(start + 990 * US, start + 1 * MS, src=0, size=4_000_000, corr=corr)
        worker.host = worker.gpu = start + 1 * MS
        decode(worker, 1)
        worker.end(began, "inputs")
    first, *_ = find(export)
    assert (first.id, first.severity) == (ID, "high")
    assert first.at_stake_ns == pytest.approx(20 * 1 * MS, rel=0.06)
