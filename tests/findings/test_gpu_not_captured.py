"""GPU activity not captured."""

from __future__ import annotations

from tests.findings.conftest import Find, text_of
from tests.findings.scene import healthy
from tests.support.export import Export

ID = "gpu_not_captured"


def test_api_calls_without_gpu_work(find: Find) -> None:
    export = Export().diagnostic("Not all CUDA events might have been collected.", severity=2)
    for number in range(30):
        export.call("cudaLaunchKernel_v7000", number * 10, number * 10 + 5, corr=number + 1)
    first, *_ = find(export)
    assert (first.id, first.severity) == (ID, "high")
    assert "30 CUDA API calls" in text_of(first)
    assert "Not all CUDA events might have been collected" in text_of(first)
    assert "--trace=cuda" in text_of(first)


def test_operating_system_calls_alone(find: Find) -> None:
    (finding,) = find(Export().osrt("poll", 0, 10), ID)
    assert "1 operating-system call" in text_of(finding)


def test_nothing_at_all(find: Find) -> None:
    (finding,) = find(Export().process(100, "python"), ID)
    assert finding.severity == "high"


def test_rejected_rows_are_named(find: Find) -> None:
    (finding,) = find(Export().kernel("gemm", 20, 10), ID)
    assert "rejected" in text_of(finding)


def test_healthy_twin(find: Find) -> None:
    assert find(healthy(), ID) == []
