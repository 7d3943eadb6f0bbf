"""Kernel categories: every kernel once, by name, device and kind of step."""

from __future__ import annotations

import itertools

import pytest

from tests.support.analyses import Write, assert_missing, capability, section, table, total
from tests.support.export import Export

NCCL = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096>)"
GEMM, NORM = "sm90_xmma_gemm_bf16", "void vllm::rms_norm_kernel<float>(float *)"
LAUNCH = "cudaLaunchKernel_v7000"
BY_DEVICE = "device_id category calls total_ns union_ns"


def test_each_kernel_counts_once_in_its_category(export_file: Write) -> None:
    export = (
        Export()
        .kernel(GEMM, 0, 50)
        .kernel("nvjet_tst_192x192", 50, 60)
        .kernel(NORM, 60, 70)
        .kernel("mystery", 70, 80)
        .kernel(NORM, 0, 20, device=1)
        .memcpy(80, 500)
        .memset(500, 900)
    )
    found = section(export_file(export), "categories")
    assert found.summary == {"kernels": 5, "total_ns": 100, "other_share": 0.1, "rules": "built-in"}
    assert table(found, "kernel_categories", f"{BY_DEVICE} share") == [
        (0, "gemm", 2, 60, 60, 0.6),
        (1, "norm", 1, 20, 20, 0.2),
        (0, "norm", 1, 10, 10, 0.1),
        (0, "other", 1, 10, 10, 0.1),
    ]
    assert table(found, "category_kernels", "category kernel_name calls total_ns share") == [
        ("gemm", GEMM, 1, 50, 0.5),
        ("norm", NORM, 2, 30, 0.3),
        ("gemm", "nvjet_tst_192x192", 1, 10, 0.1),
        ("other", "mystery", 1, 10, 0.1),
    ]
    assert total(found, "kernel_categories", "calls") == found.summary["kernels"]
    assert total(found, "kernel_categories", "total_ns") == found.summary["total_ns"]


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 0, 4, 1, 3)])
def test_union_counts_time_once_whatever_the_order_of_rows(export_file: Write, order: tuple[int, ...]) -> None:
    spans = [(0, 10), (5, 20), (8, 9), (30, 30), (40, 45)]
    export = Export().kernel(NORM, 0, 100)
    for number in order:
        export.kernel(GEMM, *spans[number], stream=number)
    found = section(export_file(export), "categories")
    assert table(found, "kernel_categories", BY_DEVICE) == [(0, "norm", 1, 100, 100), (0, "gemm", 5, 31, 25)]


def test_union_is_over_the_processes_of_a_device(export_file: Write) -> None:
    export = Export().kernel(GEMM, 0, 10, pid=100).kernel(GEMM, 5, 15, pid=200)
    found = section(export_file(export), "categories")
    assert table(found, "kernel_categories", BY_DEVICE) == [(0, "gemm", 2, 20, 15)]


def test_own_rules_come_before_the_built_in_ones(export_file: Write) -> None:
    path = export_file(Export().kernel(GEMM, 0, 10).kernel("mystery", 10, 30))
    found = section(path, "categories", categories=[("secret", "^myst"), ("secret too", "xmma")])
    assert found.summary["rules"] == "built-in plus file"
    assert table(found, "kernel_categories", BY_DEVICE) == [
        (0, "secret", 1, 20, 20),
        (0, "secret too", 1, 10, 10),
    ]


def test_kernels_inside_steps_by_their_kind(export_file: Write) -> None:
    # Two prefill steps of [10, 100) and [100, 190), a decode step from 200 on; the kernel at 0 is before all of them.
    export = Export().kernel(NORM, 0, 5)
    marks = ("execute_context_1(64)_generation_0(0)",) * 2 + ("execute_context_0(0)_generation_2(2)",)
    for number, (text, start) in enumerate(zip(marks, (10, 100, 200))):
        export.nvtx(text, start - 10, start - 1)
        export.call(LAUNCH, start - 5, start - 4, corr=10 * number + 1)
        export.call(LAUNCH, start - 3, start - 2, corr=10 * number + 2)
        export.kernel(GEMM, start, start + 40, corr=10 * number + 1)
        export.kernel(NORM, start + 50, start + 60, corr=10 * number + 2)
    found = section(export_file(export), "categories")
    columns = "device_id pid step_kind category calls total_ns per_step_ns"
    assert table(found, "step_categories", columns) == [
        (0, 100, "prefill", "gemm", 2, 80, 40.0),
        (0, 100, "decode", "gemm", 1, 40, 40.0),
        (0, 100, "prefill", "norm", 2, 20, 10.0),
        (0, 100, "decode", "norm", 1, 10, 10.0),
    ]


def test_without_steps_there_is_no_table_of_steps(export_file: Write) -> None:
    found = section(export_file(Export().kernel(GEMM, 0, 10)), "categories")
    assert found.tables["step_categories"].rows() == []
    assert any("No steps" in limit for limit in found.limitations)


def test_order_of_rows_is_total(export_file: Write) -> None:
    rows = [(GEMM, 0), (NORM, 0), ("mystery", 0), (GEMM, 1)]
    expected = [(0, "gemm"), (1, "gemm"), (0, "norm"), (0, "other")]
    for order in itertools.permutations(rows):
        export = Export()
        for name, device in order:
            export.kernel(name, 0, 10, device=device)
        found = section(export_file(export), "categories")
        assert table(found, "kernel_categories", "device_id category") == expected


def test_trap_long_sums_do_not_overflow(export_file: Write) -> None:
    export = Export()
    for stream in range(4):
        export.kernel(GEMM, -(1 << 62) + 1, (1 << 62) - 1, stream=stream)
    found = section(export_file(export), "categories")
    assert found.summary["total_ns"] == (1 << 63) - 1
    assert total(found, "kernel_categories", "union_ns") == (1 << 63) - 2


def test_graph_mode_hides_kernels_and_says_so(export_file: Write) -> None:
    path = export_file(Export().kernel(GEMM, 0, 10).graph_trace(10, 100))
    found = section(path, "categories")
    assert found.summary["total_ns"] == 10
    assert any("--cuda-graph-trace=node" in limit for limit in found.limitations)
    assert capability(path, "categories") == ("partial", "--cuda-graph-trace=node")


def test_trap_no_kernels_is_missing_not_zero(export_file: Write) -> None:
    path = export_file(Export().memcpy(0, 10))
    assert_missing(path, "categories", "The export has no kernels.", "Capture it with --trace=cuda.")
    assert capability(path, "categories") == ("missing", "--trace=cuda")
    path = export_file(Export().kernel(GEMM, 0, 10).memcpy(100, 110))
    assert_missing(path, "categories", "The chosen window holds no kernels.", window=(50, 200))


def test_communication_is_a_category(export_file: Write) -> None:
    found = section(export_file(Export().kernel(NCCL, 0, 10)), "categories")
    assert table(found, "kernel_categories", "category") == [("comm.nccl",)]
