"""Checks: what the report says twice agrees, and everything it could compare is compared."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.analyses import Write, assert_missing, capability, run, section, table, warning_codes
from tests.support.export import Export
from tests.support.random_exports import ugly_export

LAUNCH, SYNC = "cudaLaunchKernel_v7000", "cudaStreamSynchronize_v3020"
REDUCE = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096>)"


def checked(path: Path, subject: str) -> dict[object, tuple[object, ...]]:
    found = section(path, "checks")
    rows = table(found, "checks", "check subject expected found ok")
    return {row[0]: row[2:] for row in rows if row[1] == subject}


def busy_export() -> Export:
    """Two devices, a gap on each, a collective, ranges, and rows that are none."""
    return (
        Export()
        .call(LAUNCH, -20, -10, corr=1)
        .call(SYNC, 12, 40)
        .call(LAUNCH, 45, 50, corr=2)
        .kernel("gemm", 0, 10, corr=1)
        .kernel("norm", 60, 100, corr=2)
        .kernel(REDUCE, 90, 120)
        .memcpy(115, 130)
        .kernel("gemm", 0, 40, device=1, pid=200)
        .kernel("gemm", 50, 60, device=1, pid=200, corr=1)
        .call(LAUNCH, 20, 30, pid=200, corr=1)
        .nvtx("step", -30, 55)
        .kernel("gemm", 20, 10)
    )


def test_figures_by_device(export_file: Write) -> None:
    assert checked(export_file(busy_export()), "device 0") == {
        "busy + idle = window, ns": (130, 130, True),
        "time by bucket = window, ns": (130, 130, True),
        "compute + communication + copy = busy, ns": (80, 80, True),
        "gaps by size = idle, ns": (50, 50, True),
        "gaps by group = idle, ns": (50, 50, True),
        "gaps by cause = idle, ns": (50, 50, True),
        "idle by host call = idle in host calls, ns": (28, 28, True),
        "kernel time by category = kernel time, ns": (80, 80, True),
        "collectives = categories of communication, ns": (30, 30, True),
    }
    assert checked(export_file(busy_export()), "device 1")["gaps by group = idle, ns"] == (10, 10, True)


def test_figures_of_the_whole(export_file: Write) -> None:
    path = export_file(busy_export())
    assert checked(path, "all processes") == {
        "kernels by process = kernels": (5, 5, True),
        "kernel time by process = kernel time, ns": (130, 130, True),
        "synchronisation by process = synchronisation, ns": (28, 28, True),
        "range time by process = range time, ns": (85, 85, True),
    }
    assert checked(path, "all ranges") == {"attributed kernel time <= kernel time, ns": (130, 50, True)}
    assert checked(path, "all devices") == {"exposed communication = time in communication, ns": (20, 20, True)}
    # Both processes have a correlation id 1: neither is given the other's call.
    assert checked(path, "all ops") == {"GPU ops joined to a call of their own process": (3, 3, True)}


def test_rejected_rows_are_accounted_for(export_file: Write) -> None:
    path = export_file(busy_export())
    rows = {"accepted + rejected = rows": (6, 6, True)}
    assert checked(path, "CUPTI_ACTIVITY_KIND_KERNEL") == rows
    assert run(path)["trace"]["rejected_rows"] == {"CUPTI_ACTIVITY_KIND_KERNEL": 1}
    assert checked(path, "CUPTI_ACTIVITY_KIND_RUNTIME") == {"accepted + rejected = rows": (4, 4, True)}


def test_steps_lie_in_the_window_of_their_device(export_file: Write) -> None:
    export = Export()
    for number in range(3):
        at = 100 * number
        export.nvtx("execute_context_0(0)_generation_2(2)", at, at + 20)
        export.call(LAUNCH, at + 5, at + 10, corr=number + 1).kernel("gemm", at + 30, at + 90, corr=number + 1)
    assert checked(export_file(export), "all steps") == {"steps inside the window of their device": (3, 3, True)}


def test_physical_gpu_stands_in_the_subject(export_file: Write) -> None:
    export = Export().kernel("gemm", 0, 10, pid=100).cuda_device(pid=100, ordinal=0, gpu=3).gpu(3, "H100")
    assert checked(export_file(export), "device 0 (GPU 3)")


def test_summary_counts_the_rows(export_file: Write) -> None:
    path = export_file(busy_export())
    found = section(path, "checks")
    assert found.summary == {"checks": len(found.tables["checks"]), "failed": 0}
    assert "check_failed" not in warning_codes(path)
    assert "CUPTI_ACTIVITY_KIND_KERNEL" in found.derived_from


@pytest.mark.parametrize("seed", range(25))
def test_checks_hold_on_random_exports(export_file: Write, seed: int) -> None:
    export = ugly_export(random.Random(seed), steps=seed % 2 == 0)
    # A kernel of its own, so that the window holds something.
    path = export_file(export.kernel("gemm", 120, 130))
    for found in (section(path, "checks"), section(path, "checks", window=(100, 400))):
        assert found.summary["checks"] > 0
        assert [row for row in found.tables["checks"].rows() if not row["ok"]] == []


def test_checks_hold_on_real_exports(real_trace: Path) -> None:
    found = section(real_trace, "checks")
    if found.status == "ok":
        assert [row for row in found.tables["checks"].rows() if not row["ok"]] == []
        assert found.summary["failed"] == 0


def test_a_window_compares_no_rows_that_it_left_out(export_file: Write) -> None:
    found = section(export_file(busy_export()), "checks", window=(0, 90))
    assert found.summary["failed"] == 0
    assert not any(row["check"] == "accepted + rejected = rows" for row in found.tables["checks"].rows())


def test_saturated_sums_still_agree(export_file: Write) -> None:
    export = Export()
    for stream in range(4):
        export.kernel("gemm", -(1 << 62) + 1, (1 << 62) - 1, stream=stream)
    assert section(export_file(export), "checks").summary["failed"] == 0


def test_nothing_to_compare_is_missing(export_file: Write) -> None:
    path = export_file(Export())
    needs = ("The export holds nothing that could be counted in two ways.", "Capture it with --trace=cuda.")
    assert_missing(path, "checks", *needs)
    assert capability(path, "checks") == ("missing", "--trace=cuda")
