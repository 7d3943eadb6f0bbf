"""Every execution of a collective, and what makes a trace's times those of a wall clock."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nsys_llm_explainer
from tests.support.export import Export

Write = Callable[[Export], Path]
REDUCE = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096>)"
SEND = "ncclDevKernel_SendRecv(ncclDevKernelArgsStorage<4096>)"
BROADCAST = "ncclDevKernel_Broadcast_RING_LL(ncclDevKernelArgsStorage<4096>)"
ONE_SHOT = "void flashinfer::trtllm_allreduce_fusion::allreduce_fusion_kernel_oneshot_lamport<2>()"


def found(path: Path, source: str = "auto", **options: Any) -> list[tuple[Any, ...]]:
    """Returns start, end, device, stream, pid, name and kind of every execution."""
    columns = nsys_llm_explainer.open_trace(path, source=source).collectives(**options)
    lanes = columns["lanes"]
    rows = zip(columns["start_ns"], columns["end_ns"], (lanes[lane] for lane in columns["lane"]))
    keys = ("device_id", "stream_id", "pid", "name", "kind")
    return [(start, end, *(lane[key] for key in keys)) for start, end, lane in rows]


@pytest.mark.parametrize("source", ["pages", "sqlite"])
def test_only_collectives_in_their_order(export_file: Write, source: str) -> None:
    export = Export()
    export.kernel(REDUCE, 300, 400, device=1, pid=200, stream=9).kernel("gemm", 0, 50)
    export.kernel(REDUCE, 100, 200, stream=9).kernel(REDUCE, 100, 200, device=1, pid=200, stream=9)
    export.kernel(REDUCE, 100, 150, stream=8).kernel(SEND, 90, 95)
    export.kernel(REDUCE, 0, 0).kernel(REDUCE, 20, 10).kernel(REDUCE, None, 10)
    path = export_file(export)
    assert found(path, source) == [
        (90, 95, 0, 7, 100, SEND, "point_to_point"),
        (100, 150, 0, 8, 100, REDUCE, "all"),
        (100, 200, 0, 9, 100, REDUCE, "all"),
        (100, 200, 1, 9, 200, REDUCE, "all"),
        (300, 400, 1, 9, 200, REDUCE, "all"),
    ]
    columns = nsys_llm_explainer.open_trace(path).collectives()
    assert columns["other_kernels"] == 1
    assert (columns["lane"].typecode, columns["start_ns"].typecode) == ("i", "q")
    assert isinstance(columns["end_ns"], array)


def test_kinds_tell_who_has_to_arrive(export_file: Write) -> None:
    export = Export()
    for start, name in enumerate((REDUCE, ONE_SHOT, BROADCAST, SEND)):
        export.kernel(name, start, start + 1)
    assert [row[-1] for row in found(export_file(export))] == ["all", "one_shot", "rooted", "point_to_point"]


def test_window_and_own_categories(export_file: Write) -> None:
    path = export_file(Export().kernel(REDUCE, 10, 20).kernel(REDUCE, 30, 40).kernel("mine", 35, 36))
    assert [row[0] for row in found(path, window=(20, 35))] == [30]
    assert [row[0] for row in found(path, window=(None, 30))] == [10]
    rules = [("comm.own", "^mine$"), ("elsewhere", "nccl")]
    assert [row[5] for row in found(path, categories=rules)] == ["mine"]
    with pytest.raises(ValueError, match="window"):
        found(path, window=(5, 5))
    with pytest.raises(ValueError, match="categories"):
        found(path, categories=[("comm.bad", "(")])


def test_physical_gpus(export_file: Write) -> None:
    export = Export().cuda_device(pid=100, ordinal=0, gpu=3).cuda_device(pid=200, ordinal=0, gpu=5)
    export.kernel(REDUCE, 0, 10).kernel(REDUCE, 0, 10, pid=200)
    lanes = nsys_llm_explainer.open_trace(export_file(export)).collectives()["lanes"]
    assert [(lane["device_id"], lane["gpu_id"], lane["pid"]) for lane in lanes] == [(0, 3, 100), (0, 5, 200)]


def test_nothing_is_an_empty_answer(export_file: Write) -> None:
    for export in (Export().call("cudaFree_v3020", 0, 10), Export().kernel("gemm", 0, 10), Export().graph_trace(0, 10)):
        assert found(export_file(export)) == []


def test_agrees_with_the_section_on_communication(export_file: Write) -> None:
    export = Export()
    for number in range(50):
        export.kernel((REDUCE, SEND, "gemm")[number % 3], number * 10, number * 10 + number, device=number % 2)
    path = export_file(export)
    summary = nsys_llm_explainer.analyze(path).sections["communication"].summary
    rows = found(path)
    assert (len(rows), sum(row[1] - row[0] for row in rows)) == (summary["collectives"], summary["total_ns"])


@pytest.mark.parametrize(
    ("starts", "parameters", "base"),
    [
        ([], {}, None),
        ([1_700_000_000_000_000_000], {}, 1_700_000_000_000_000_000),
        ([1_700_000_000_000_000_000], {"EXPORT_PARAM_TIME_SHIFT": "0"}, 1_700_000_000_000_000_000),
        ([1_700_000_000_000_000_000], {"EXPORT_PARAM_TIME_SHIFT": "500"}, None),
        ([1_700_000_000_000_000_000], {"EXPORT_PARAM_TIME_NORMALIZE": "true"}, 0),
        ([1, 2], {}, None),
        ([0], {}, None),
    ],
)
def test_wall_clock(export_file: Write, starts: list[int], parameters: dict[str, str], base: int | None) -> None:
    export = Export().kernel(REDUCE, 0, 10)
    for start in starts:
        export.raw("TARGET_INFO_SESSION_START_TIME", utcEpochNs=start)
    for name, value in parameters.items():
        export.raw("META_DATA_EXPORT", name=name, value=value)
    assert nsys_llm_explainer.open_trace(export_file(export)).info()["utc_base_ns"] == base
