"""The oracle of the explanation: cases worked out by hand, known totals, and the definition instant by instant."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional

import pytest

from tests.support import oracle_explain
from tests.support.export import Export, global_tid
from tests.support.oracle_budget import BUCKETS, Budget
from tests.support.oracle_categories import category_of
from tests.support.oracle_gpu import BLOCKING, Row
from tests.support.oracle_host import Capture, clip, read_capture, solid, subtract
from tests.support.oracle_steps import marker
from tests.support.oracle_trace import Call, Op, base_name
from tests.support.random_exports import ugly_export

TraceFile = Callable[[str], Path]
ExportFile = Callable[[Export], Path]

NCCL = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<(unsigned long)4096>)"
LAUNCH, GRAPH_LAUNCH, SYNC = "cudaLaunchKernel_v7000", "cudaGraphLaunch_v10000", "cudaStreamSynchronize_v3020"


def rows(sections: dict[str, Row], section: str, name: str, columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns.split()) for row in sections[section]["tables"][name]]


def buckets(path: Path, device: int = 0) -> dict[str, int]:
    found = oracle_explain.analyze(path)["budget"]["tables"]["device_time"]
    return {row["bucket"]: row["total_ns"] for row in found if row["device_id"] == device and row["total_ns"]}


def test_known_totals(trace_file: TraceFile) -> None:
    sections = oracle_explain.analyze(trace_file("mfu_2gpu_before"))
    found = {row["bucket"]: row["total_ns"] for row in sections["budget"]["tables"]["device_time"][: len(BUCKETS)]}
    assert [found[bucket] for bucket in BUCKETS[:3]] == [253_690_832, 17_172_652, 2_954_303]
    assert sum(found[bucket] for bucket in BUCKETS[3:]) == 26_031_025
    assert sum(found.values()) == 299_848_812


def test_known_command_buffer_time(trace_file: TraceFile) -> None:
    summary = oracle_explain.analyze(trace_file("h100_2gpu_1s"))["launch_path"]["summary"]
    assert summary["command_buffer_full_ns"] <= 911_969_806


def test_a_gap_is_split_by_what_the_thread_did(export_file: ExportFile) -> None:
    export = (
        Export()
        .kernel("a", 0, 100)
        .call(SYNC, 90, 200)
        .call("cudaMalloc_v3020", 220, 260)
        .osrt("futex", 150, 240)  # hidden by the calls but for 200..220
        .osrt("poll", 300, 330)
        .osrt("poll", 100, 900, tid=7)  # another thread
        .call(LAUNCH, 400, 450, corr=1)
        .kernel("b", 500, 600, corr=1)
    )
    assert buckets(export_file(export)) == {
        "compute": 200,
        "idle.host_sync": 100,
        "idle.host_api": 40,
        "idle.host_os": 20 + 30,
        "idle.host_code": 40 + 70,
        "idle.launching": 50,
        "idle.queued": 50,
    }


def test_a_blocking_call_inside_or_around_another_one_wins(export_file: ExportFile) -> None:
    export = Export().kernel("a", 0, 10).call("cudaMemcpy_v3020", 10, 60).call(SYNC, 20, 40)
    export.call(SYNC, 70, 100).call("cudaMalloc_v3020", 80, 90).call(LAUNCH, 100, 110, corr=1).kernel(
        "b", 110, 120, corr=1
    )
    path = export_file(export)
    idle = {"idle.host_sync": 20 + 30, "idle.host_api": 30, "idle.host_code": 10, "idle.launching": 10}
    assert buckets(path) == {"compute": 20, **idle}
    calls = rows(oracle_explain.analyze(path), "budget", "host_calls", "api_name bucket idle_ns")
    assert sorted(calls) == [("cudaMemcpy_v3020", "idle.host_api", 30), (SYNC, "idle.host_sync", 50)]


def test_the_earliest_call_of_the_ops_that_start_together_counts(export_file: ExportFile) -> None:
    export = Export().kernel("a", 0, 10).call(LAUNCH, 30, 40, corr=1).call("cuLaunchKernel", 20, 25, corr=2, tid=7)
    export.kernel("late", 100, 110, corr=1).kernel("early", 100, 105, corr=2).kernel("orphan", 100, 120)
    export.osrt("futex", 5, 15, tid=7)
    path = export_file(export)
    idle = {"idle.host_os": 5, "idle.host_code": 5, "idle.launching": 5, "idle.queued": 75}
    assert buckets(path) == {"compute": 30, **idle}
    columns = "gap_ns cause next_op call_name tid"
    assert rows(oracle_explain.analyze(path), "budget", "gap_causes", columns) == [
        (90, "idle.queued", "early", "cuLaunchKernel", 7)
    ]


def test_the_second_node_of_a_graph_waits_inside_it(export_file: ExportFile) -> None:
    export = Export().call(GRAPH_LAUNCH, 0, 40, corr=1)
    for start in (10, 30, 60):
        export.kernel("node", start, start + 10, corr=1, graph_node=start)
    export.kernel("unknown", 100, 110, corr=9)
    idle = {"idle.launching": 10, "idle.inside_graph": 20, "idle.unmatched": 30}
    assert buckets(export_file(export)) == {"compute": 40, **idle}


def test_a_call_that_starts_after_its_op_leaves_the_gap_to_the_host(export_file: ExportFile) -> None:
    export = Export().kernel("a", -20, -10).call(LAUNCH, 50, 60, corr=1).call(SYNC, -15, 5).kernel("b", 20, 30, corr=1)
    assert buckets(export_file(export)) == {"compute": 20, "idle.host_sync": 15, "idle.host_code": 15}


def test_work_has_an_order(export_file: ExportFile) -> None:
    export = Export().kernel("gemm", 0, 100).kernel(NCCL, 50, 200).memcpy(180, 250).memset(240, 300)
    export.graph_trace(290, 310).kernel(NCCL, 300, 330)
    assert buckets(export_file(export)) == {"compute": 120, "communication": 100 + 20, "copy": 90}


def test_an_op_without_duration_ends_a_gap(export_file: ExportFile) -> None:
    export = Export().kernel("a", 0, 10).memset(40, 40, corr=1).kernel("b", 90, 100, corr=2)
    export.call("cudaMemsetAsync_v3020", 20, 30, corr=1).call(LAUNCH, 30, 95, corr=2)
    path = export_file(export)
    found = rows(oracle_explain.analyze(path), "budget", "gap_causes", "start_ns end_ns cause next_op")
    assert sorted(found) == [(10, 40, "idle.host_code", "[memset]"), (40, 90, "idle.launching", "b")]
    assert buckets(path)["idle.host_code"] == 10


def instant(time: int, capture: Capture, ops: Sequence[Op]) -> str:
    """The bucket of the nanosecond that begins at a time, as the definition reads."""
    running = [op for op in ops if op.start <= time < op.end]
    if any(op.kind == "graph" or (op.kind == "kernel" and op.name != NCCL) for op in running):
        return "compute"
    if any(op.kind == "kernel" for op in running):
        return "communication"
    return "copy" if running else idle_instant(time, capture, ops)


def idle_instant(time: int, capture: Capture, ops: Sequence[Op]) -> str:
    begin = min(op.start for op in ops if op.start > time)
    after = [op for op in ops if op.start == begin and op.call is not None]
    if not after:
        return "idle.unmatched"
    op = min(after, key=lambda op: (op.call.start, op.call.rowid) if op.call else (0, 0))
    call: Optional[Call] = op.call
    assert call is not None
    if time < call.start:
        inside = [c for c in capture.trace.calls if c.tid == call.tid and c.start <= time < c.end]
        if any(base_name(c.name) in BLOCKING for c in inside):
            return "idle.host_sync"
        waits = any(start <= time < end for start, end in capture.os_calls.get(call.tid, []))
        return "idle.host_api" if inside else "idle.host_os" if waits else "idle.host_code"
    if time < call.end:
        return "idle.launching"
    twins = [one for one in capture.trace.ops if (one.process, one.corr) == (op.process, op.corr)]
    return "idle.inside_graph" if min(one.start for one in twins) < begin else "idle.queued"


@pytest.mark.parametrize("seed", range(60))
def test_every_instant(export_file: ExportFile, seed: int) -> None:
    capture = read_capture(export_file(ugly_export(random.Random(seed))))
    budget = Budget(capture)
    for device in capture.devices:
        ops = capture.ops_of(device)
        window = range(min(op.start for op in ops), max(op.end for op in ops))
        expected = Counter(instant(time, capture, ops) for time in window)
        assert {bucket: ns for bucket, ns in budget.totals(device).items() if ns} == dict(expected)


def test_sets_of_time() -> None:
    assert solid([(5, 5), (0, 3), (2, 4), (9, 10)]) == [(0, 4), (9, 10)]
    assert subtract([(0, 10), (20, 30)], [(2, 3), (8, 22), (29, 40)]) == [(0, 2), (3, 8), (22, 29)]
    assert subtract([(0, 5), (6, 9)], [(0, 9)]) == []
    assert clip([(0, 5), (8, 12), (20, 30)], 4, 21) == [(4, 5), (8, 12), (20, 21)]


@pytest.mark.parametrize(
    ("name", "category"),
    [
        (NCCL, "comm.nccl"),
        ("void vllm::cross_device_reduce_1stage<__nv_bfloat16, 2>(vllm::RankData *)", "comm.custom_ar"),
        ("void cutlass::device_kernel<flash::FlashAttnFwdSm90<int>>(T1::Params)", "attn.prefill"),
        ("void cutlass::Kernel2<cutlass_80_tensorop_s16816gemm_bf16>(T1::Params)", "gemm"),
        ("void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>>(int)", "copy/fill"),
        (
            "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>>(int)",
            "elementwise / reduce",
        ),
        (
            "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::ArgMaxOps<float>>>(T3)",
            "sampling",
        ),
        ("void rms_norm_kernel<attention::Policy, gemm>(float *)", "norm"),  # the function first, then its arguments
        ("void tile<attention::Policy>(float *)", "attn.other (phase unknown)"),
        ("triton_poi_fused_mul_silu_0", "inductor"),
        ("x" * 5000 + "gemm", "other"),
        ("<id 99>", "other"),
    ],
)
def test_categories(name: str, category: str) -> None:
    assert category_of(name) == category


def test_the_rules_are_those_of_the_reference(traces_dir: Path) -> None:
    reference = traces_dir.parent / "reference" / "kernel-categories.json"
    if not reference.exists():
        pytest.skip("the reference is not here")
    mine = Path(oracle_explain.__file__).with_name("kernel_categories.json")
    assert mine.read_text(encoding="utf-8") == reference.read_text(encoding="utf-8")


def test_copies_by_hand(export_file: ExportFile) -> None:
    export = Export().call("cudaMemcpyAsync_v3020", 0, 90, corr=1).call("cudaMemcpy_v3020", 0, 5, corr=2)
    export.memcpy(0, 100, src=0, size=1000, corr=1).memcpy(50, 150, src=0, size=3000, corr=2).kernel("k", 20, 70)
    export.memcpy(200, 230, kind=2, src=2, dst=1, size=60)
    export.call("cudaMalloc_v3020", 140, 180).call("cudaFree_v3020", 0, 10, pid=200).call("cuMemAlloc_v2", 190, 210)
    sections = oracle_explain.analyze(export_file(export))
    columns = (
        "direction src_kind copies bytes total_ns union_ns bytes_per_s exposed_ns pageable_async pageable_async_ns"
    )
    assert rows(sections, "memory", "copies", columns) == [
        ("HtoD", "pageable", 2, 4000, 200, 150, 4000e9 / 150, 100, 1, 100),
        ("DtoH", "device", 1, 60, 30, 30, 2e9, 30, 0, 0),
    ]
    assert rows(sections, "memory", "allocations", "pid api_name calls total_ns exposed_ns") == [
        (100, "cudaMalloc", 1, 40, 30),
        (200, "cudaFree", 1, 10, None),
        (100, "cuMemAlloc", 1, 20, 10),
    ]


def test_launches_by_hand(export_file: ExportFile) -> None:
    export = Export().call(GRAPH_LAUNCH, 0, 40, corr=1).kernel("a", 30, 35, corr=1).kernel("b", 60, 70, corr=1)
    export.call(LAUNCH, 100, 110, corr=2).kernel("c", 130, 140, corr=2).call(
        "cudaLaunchKernel_v7000_ptsz", 120, 150, corr=3
    )
    export.kernel("d", 190, 200, corr=3).call(SYNC, 150, 300, corr=4)
    for start, end, kind in ((105, 108, 8), (106, 125, 8), (0, 40, 7)):
        export.raw("CUPTI_ACTIVITY_KIND_OVERHEAD", start=start, end=end, globalTid=global_tid(100), overheadType=kind)
    sections = oracle_explain.analyze(export_file(export))
    columns = "api_name calls ops api_total_ns queued queue_total_ns queue_p50_ns command_buffer_full_ns"
    assert sorted(rows(sections, "launch_path", "launch_calls", columns)) == [
        ("cudaGraphLaunch", 1, 2, 40, 0, 0, None, 0),
        ("cudaLaunchKernel", 2, 2, 40, 2, 60, 30.0, 5 + 5),
    ]


def test_collectives_by_hand(export_file: ExportFile) -> None:
    export = Export()
    for device, starts in ((0, (0, 20_000)), (1, (15_000, 22_000))):
        for start in starts:
            export.kernel(NCCL, start, 30_000 if start < 20_000 else start + 10_000, device=device)
    export.kernel("gemm", 25_000, 26_000, device=0)
    sections = oracle_explain.analyze(export_file(export))
    assert rows(sections, "communication", "collectives", "device_id calls total_ns union_ns exposed_ns overlap") == [
        (0, 2, 40_000, 30_000, 29_000, 1 - 29 / 30),
        (1, 2, 25_000, 17_000, 17_000, 0.0),
    ]
    columns = "occurrence devices first_start_ns spread_ns transfer_ns late_device_id wait_ns"
    assert rows(sections, "communication", "rank_skew", columns) == [
        (0, 2, 0, 15_000, 15_000, 1, 15_000),
        (1, 2, 20_000, 2_000, 10_000, 1, 2_000),
    ]
    assert rows(sections, "communication", "rank_waits", "device_id collectives wait_ns late late_spread_ns") == [
        (0, 2, 17_000, 0, 0),
        (1, 2, 0, 1, 15_000),
    ]
    export.kernel(NCCL, 90_000, 95_000, device=0)
    assert set(oracle_explain.analyze(export_file(export))["communication"]["tables"]) == {"collectives"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("execute_context_2(512)_generation_7(9)", ("mixed", 2, 512, 7, 9)),
        ("execute_context_0(0)_generation_4(4)", ("decode", 0, 0, 4, 4)),
        ("execute_new_3_cached_0", ("prefill", 3, None, 0, None)),
        ("[Executor] _forward_step 12: 3 ctx reqs, 4 gen reqs", ("mixed", 3, None, 4, None)),
        ("[Executor] _forward_step 12: 3 ctx reqs, 99 ctx tokens, 0 gen reqs", ("prefill", 3, 99, 0, None)),
        ("executeStep: 0 ctx reqs, 0 gen reqs", ("unknown", 0, None, 0, None)),
        ("my execute_new_3_cached_0", None),
        ("execute_model", None),
    ],
)
def test_markers(text: str, expected: Optional[tuple[Any, ...]]) -> None:
    found = marker(text)
    assert (tuple(found.values()) if found else None) == expected


def test_steps_by_hand(export_file: ExportFile) -> None:
    export = Export()
    for number, begin in enumerate((0, 1000, 2500)):
        export.nvtx(f"execute_context_{number == 0:d}(64)_generation_{number}({number})", begin, begin + 100)
        export.call(LAUNCH, begin + 10, begin + 20, corr=10 * number + 1).call(
            GRAPH_LAUNCH, begin + 20, begin + 30, corr=10 * number + 2
        )
        export.kernel("a", begin + 50, begin + 150, corr=10 * number + 1)
        export.kernel("b", begin + 200, begin + 400, corr=10 * number + 2, graph_node=1)
    export.nvtx("execute_context_0(0)_generation_9(9)", 5000, 5100).nvtx(
        "execute_new_1_cached_1", 0, 9000, endGlobalTid=global_tid(100, 9)
    )
    sections = oracle_explain.analyze(export_file(export))
    columns = "kind start_ns end_ns period_ns gpu_busy_ns idle_ns kernels graph_launches gap_before_ns"
    assert rows(sections, "steps", "steps", columns) == [
        ("prefill", 50, 400, 1000, 300, 50, 2, 1, None),
        ("decode", 1050, 1400, 1500, 300, 50, 2, 1, 650),
        ("decode", 2550, 2900, None, 300, 50, 2, 1, 1150),
    ]
    columns = "kind steps period_p50_ns span_p50_ns generation_tokens compute_avg_ns host_code_avg_ns launching_avg_ns"
    assert rows(sections, "steps", "step_kinds", columns) == [
        ("prefill", 1, 1000, 350.0, 0, 300.0, 610.0, 10.0),
        ("decode", 2, 1500, 350.0, 3, 300.0, 1110.0, 10.0),
    ]
    assert sections["steps"]["summary"]["steps_without_ops"] == 1
    columns = "step_kind category calls total_ns per_step_ns"
    assert rows(sections, "categories", "step_categories", columns) == [
        ("prefill", "other", 2, 300, 300.0),
        ("decode", "other", 4, 600, 300.0),
    ]
    columns = "step_kind steps graph_launches_avg kernels_avg graph_kernels_avg eager_kernels_avg graph_kernel_share"
    assert rows(sections, "launch_path", "step_launches", columns) == [
        ("prefill", 1, 1, 2, 1, 1, 0.5),
        ("decode", 2, 1, 2, 1, 1, 0.5),
    ]


def test_a_steady_window_cuts_the_sums(export_file: ExportFile) -> None:
    export = Export().kernel("a", 0, 100).kernel("b", 200, 300).kernel("c", 400, 500)
    budget = oracle_explain.analyze(export_file(export), (50, 250))["budget"]["tables"]
    steady = {row["bucket"]: row["steady_ns"] for row in budget["device_time"] if row["steady_ns"]}
    assert steady == {"compute": 100, "idle.unmatched": 100}
    assert [(row["total_ns"], row["steady_ns"]) for row in budget["gap_groups"]] == [(200, 100)]


def test_identities_hold_on_every_real_export(real_trace: Path) -> None:
    sections = oracle_explain.analyze(real_trace)
    budget = sections["budget"]
    idle = dict.fromkeys(BUCKETS[3:], 0)
    for row in budget["tables"]["device_time"]:
        if row["bucket"] in idle:
            idle[row["bucket"]] += row["total_ns"]
    for name in ("gap_causes", "gap_groups"):
        for bucket, total in idle.items():
            assert sum(row[f"{bucket[5:]}_ns"] for row in budget["tables"][name]) == total
    for bucket in ("idle.host_sync", "idle.host_api"):
        assert sum(row["idle_ns"] for row in budget["tables"]["host_calls"] if row["bucket"] == bucket) == idle[bucket]
    assert sum(idle.values()) == budget["summary"]["idle_ns"]
    categories = sections["categories"]
    assert (
        sum(row["total_ns"] for row in categories["tables"]["kernel_categories"]) == categories["summary"]["total_ns"]
    )
