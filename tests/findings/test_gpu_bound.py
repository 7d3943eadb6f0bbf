"""GPU-bound."""

from __future__ import annotations

from tests.findings.conftest import Find, text_of
from tests.findings.scene import MS, Worker, decode, healthy
from tests.support.export import Export

ID = "gpu_bound"


def test_a_busy_gpu_is_the_limit(find: Find) -> None:
    export = Export()
    worker = Worker(export)
    for _ in range(40):
        worker.kernel("void cutlass::gemm_kernel<float>(P)", 2 * MS)
    (finding,) = find(export, ID)
    assert finding.severity == "low"
    assert finding.at_stake_ns is None
    assert finding.title == "GPU 0 is the limit: compute fills 100 % of its window"
    assert "gemm 100 %" in text_of(finding)
    assert "waits" in text_of(finding)


def test_several_gpus(find: Find) -> None:
    (finding,) = find(healthy(), ID)
    assert finding.title.startswith("2 GPUs are the limit")


def test_a_gpu_that_waits_is_not(find: Find) -> None:
    export = Export()
    decode(Worker(export), between=2 * MS)
    assert find(export, ID) == []


def test_whole_graphs_hide_the_categories(find: Find) -> None:
    export = Export()
    for number in range(20):
        export.call("cudaGraphLaunch_v10000", number * 1_000, number * 1_000 + 500, corr=number + 1)
        export.graph_trace(MS + number * MS, MS + (number + 1) * MS, corr=number + 1)
    (finding,) = find(export, ID)
    assert "inside CUDA graphs were not captured" in text_of(finding)
