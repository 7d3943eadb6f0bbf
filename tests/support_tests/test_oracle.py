"""The oracle agrees with the published figures of the real exports, and with small cases worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import oracle
from tests.support.export import Export, global_tid
from tests.support.oracle_gpu import percentile
from tests.support.oracle_nvtx import normalised

TraceFile = Callable[[str], Path]
ExportFile = Callable[[Export], Path]


def test_h100(trace_file: TraceFile) -> None:
    sections = oracle.analyze(trace_file("h100_2gpu_1s"))
    first = sections["gpu_idle"]["tables"]["gpu_devices"][0]
    assert (first["device_id"], first["idle_ns"], first["window_ns"]) == (0, 6_557_358, 969_447_605)
    nvtx = sections["nvtx"]["summary"]
    assert nvtx["correlated_kernels"] == 1632
    assert nvtx["coverage"] == pytest.approx(0.51634, abs=5e-6)
    assert round(sections["sync"]["summary"]["blocking_exposed_ns"] / 1e6, 2) == 5.07


def test_mfu(trace_file: TraceFile) -> None:
    sections = oracle.analyze(trace_file("mfu_2gpu_before"))
    assert sections["nvtx"]["summary"]["correlated_kernels"] == 3986
    assert round(sections["kernels"]["summary"]["total_ns"] / 1e6, 3) == 535.201
    idle = [round(row["idle_ns"] / 1e6, 1) for row in sections["gpu_idle"]["tables"]["gpu_devices"]]
    assert idle == [26.0, 31.4]


def test_graph_mode(trace_file: TraceFile) -> None:
    sections = oracle.analyze(trace_file("a100_2.7b_cuda_graphs_graph_mode"))
    assert sections["trace"]["cuda_graph_mode"] == "graph"
    assert round(100 * (1 - sections["gpu_idle"]["summary"]["idle_share"]), 3) == 99.995


def test_identities_hold_on_every_real_export(real_trace: Path) -> None:
    sections = oracle.analyze(real_trace, {"attention": ["attn", "attention"], "aten": ["re:^aten::"]})
    kernels, processes = sections["kernels"], sections["processes"]["tables"]
    assert sum(row["total_ns"] for row in kernels["tables"]["kernels"]) == kernels["summary"]["total_ns"]
    assert sum(row["total_ns"] for row in processes["kernels_by_pid"]) == kernels["summary"]["total_ns"]
    assert sum(row["kernels"] for row in processes["processes"]) == kernels["summary"]["kernels"]
    for name in ("calls", "total_ns"):
        by_pid = sum(row[name] for row in processes["sync_by_pid"])
        assert by_pid == sum(row[name] for row in sections["sync"]["tables"]["sync_calls"])
    nvtx = sections["nvtx"]
    exclusive = sum(row["kernel_ns"] or 0 for row in nvtx["tables"]["nvtx_ranges"])
    assert exclusive == (nvtx["summary"]["attributed_kernel_ns"] or 0) <= nvtx["summary"]["total_kernel_ns"]
    assert sum(row["kernel_ns"] or 0 for row in processes["nvtx_by_pid"]) == exclusive
    phases = sections["phases"]
    if phases["tables"]["nvtx_phases"][0]["kernel_ns"] is not None:
        total = sum(row["kernel_ns"] for row in phases["tables"]["nvtx_phases"])
        assert total == phases["summary"]["total_kernel_ns"]
    for row in sections["gpu_idle"]["tables"]["gpu_devices"]:
        assert row["busy_ns"] + row["idle_ns"] == row["window_ns"]


@pytest.mark.parametrize("values", [[5], [1, 2], [3, 1, 2], list(range(0, 1000, 7)), [10**9 * k**3 for k in range(60)]])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_percentiles_are_those_of_numpy(values: list[int], share: float) -> None:
    assert percentile(values, share) == float(np.percentile(values, share * 100))


def test_calls_are_joined_by_process(export_file: ExportFile) -> None:
    export = Export()
    for pid, start in ((100, 0), (101, 50)):
        export.call("cudaLaunchKernel_v7000", start, start + 5, corr=1, pid=pid)
        export.kernel("k", start + 10, start + 20, corr=1, pid=pid, device=pid - 100)
        export.nvtx(f"range {pid}", start, start + 8, pid=pid)
    export.kernel("orphan", 100, 130, corr=9)
    summary = oracle.analyze(export_file(export))["nvtx"]["summary"]
    assert (summary["correlated_kernels"], summary["attributed_kernel_ns"], summary["coverage"]) == (2, 20, 0.4)


def test_latest_call_before_the_op_wins(export_file: ExportFile) -> None:
    export = Export().nvtx("first", 0, 10).nvtx("second", 20, 30)
    for start in (1, 21):
        export.call("cuLaunchKernel", start, start + 2, corr=5)
    export.kernel("a", 15, 16, corr=5).kernel("b", 40, 42, corr=5)
    found = {
        r["range_name"]: r["kernel_ns"] for r in oracle.analyze(export_file(export))["nvtx"]["tables"]["nvtx_ranges"]
    }
    assert found == {"first": 1, "second": 2}


def test_nested_ranges_and_phases(export_file: ExportFile) -> None:
    export = (
        Export()
        .nvtx("execute_context_0(0)_generation_8(8)", 0, 100)
        .nvtx("forward", 10, 50)
        .nvtx("forward", 12, 40)
        .nvtx("crossing", 0, 100, endGlobalTid=global_tid(100, 5))
        .nvtx("open", 0, None)
        .nvtx("backwards", 9, 3)
        .call("cudaLaunchKernel_v7000", 15, 20, corr=1)
        .call("cudaLaunchKernel_v7000", 60, 65, corr=2)
        .kernel("a", 30, 40, corr=1)
        .kernel("b", 70, 90, corr=2)
        .memcpy(95, 99, corr=2)
    )
    sections = oracle.analyze(export_file(export), {"work": ["FORWARD"]})
    rows = {row["range_name"]: row for row in sections["nvtx"]["tables"]["nvtx_ranges"]}
    step = rows["execute_context_#(#)_generation_#(#)"]
    assert (step["kernels"], step["kernels_inclusive"], step["projected_ns"]) == (1, 2, 69)
    inner = rows["forward"]
    assert (inner["kernels"], inner["kernels_inclusive"], inner["kernel_inclusive_ns"]) == (1, 1, 10)
    assert inner["projected_ns"] == 20  # 10 for each of the two instances
    summary = sections["nvtx"]["summary"]
    assert (summary["ranges"], summary["open_ranges"], summary["cross_thread_ranges"]) == (4, 1, 1)
    assert sections["trace"]["rejected_rows"] == {"NVTX_EVENTS": 1}
    phases = {row["phase"]: row for row in sections["phases"]["tables"]["nvtx_phases"]}
    assert (phases["work"]["count"], phases["work"]["host_ns"], phases["work"]["kernel_ns"]) == (2, 40, 10)
    assert phases["unmapped"]["kernel_ns"] == 20


def test_exposed_time_needs_all_devices_idle(export_file: ExportFile) -> None:
    export = Export().memset(0, 10, device=0).memset(40, 50, device=0).memset(0, 20, device=1).memset(45, 60, device=1)
    export.call("cudaDeviceSynchronize_v3020", 5, 42, corr=9)
    row = oracle.analyze(export_file(export))["sync"]["tables"]["sync_calls"][0]
    assert (row["kind"], row["exposed_ns"]) == ("blocking", 20)


def test_storm_is_found_in_its_bins(export_file: ExportFile) -> None:
    export = Export()
    for number in range(6000):
        export.kernel("tiny", 250_000_000 + number * 10_000, 250_000_000 + number * 10_000 + 2_000)
    export.kernel("long", 0, 100_000_000).kernel("late", 900_000_000, 950_000_000)
    sections = oracle.analyze(export_file(export))
    storm = sections["launches"]["tables"]["launch_storms"][0]
    assert (storm["start_ns"], storm["end_ns"], storm["launches"]) == (200_000_000, 300_000_000, 5000)
    assert sections["launches"]["summary"]["launch_storm"] is False


def test_node_mode_graphs(export_file: ExportFile) -> None:
    export = Export().call("cudaGraphLaunch_v10000", 0, 5, corr=1).call("cudaGraphLaunch_v10000", 50, 55, corr=2)
    for corr, start in ((1, 10), (2, 60)):
        export.kernel("a", start, start + 4, corr=corr, graph_node=71, graph_id=7)
        export.kernel("b", start + 5, start + 9, corr=corr, graph_node=72, graph_id=7)
    section = oracle.analyze(export_file(export))["graphs"]
    row: dict[str, Any] = section["tables"]["cuda_graphs"][0]
    assert (row["graph_id"], row["launches"], row["kernels_per_launch"], row["total_ns"]) == (7, 2, 2.0, 18)
    assert (section["summary"]["cuda_graph_mode"], section["summary"]["graph_kernels"]) == ("node", 4)


def test_one_gpu_seen_under_two_ordinals_is_one_device(export_file: ExportFile) -> None:
    export = Export().cuda_device(pid=100, ordinal=0, gpu=3).cuda_device(pid=101, ordinal=1, gpu=3).gpu(3, "H100")
    export.kernel("k", 0, 10, pid=100, device=0).kernel("k", 20, 30, pid=101, device=1)
    rows = oracle.analyze(export_file(export))["gpu_idle"]["tables"]["gpu_devices"]
    assert [(r["device_id"], r["gpu_id"], r["gpu_name"], r["idle_ns"]) for r in rows] == [(0, 3, "H100", 10)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("aten::mul, op_id = 7, sizes = [[4, 5]]", "aten::mul"),
        ("Backward, seq = 3, op_id = 9", "Backward"),
        ("execute_context_1(512)_generation_7(7)", "execute_context_#(#)_generation_#(#)"),
        ("execute_new_3_cached_12", "execute_new_#_cached_#"),
        ("[Executor] _forward_step 12: 3 ctx reqs, 4 gen reqs", "[Executor] _forward_step #: # ctx reqs, # gen reqs"),
        ("{'Module': 'model.layers.12', 'Inputs': [[1, 2]]}", "model.layers.12"),
        ("model.layers.12", "model.layers.12"),
        ("my execute_new_3_cached_12", "my execute_new_3_cached_12"),
    ],
)
def test_normalised_names(name: str, expected: str) -> None:
    assert normalised(name) == expected
