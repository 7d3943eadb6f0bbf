"""Communication: what collectives cost beside compute, and which rank is the late one."""

from __future__ import annotations

import itertools

import pytest

from tests.support.analyses import US, Write, assert_missing, capability, section, table
from tests.support.export import Export

REDUCE = "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<4096>)"
GATHER = "ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096>)"
CUSTOM = "void vllm::cross_device_reduce_1stage<float, 2>(vllm::RankData *)"
GEMM = "sm90_xmma_gemm_bf16"
LAUNCH = "cudaLaunchKernel_v7000"
COLLECTIVES = "name device_id calls total_ns union_ns exposed_ns overlap"
SKEW = "occurrence first_start_ns last_start_ns last_end_ns spread_ns transfer_ns late_device_id wait_ns"
WAITS = "device_id collectives wait_ns late late_spread_ns transfer_ns"


def payload(size: int, communicator: int = 7) -> str:
    return f'{{"NCCL communicator ID":{communicator},"Message size [bytes]":{size},"Root":0}}'


def both(export: Export, name: str, start: int, late: int, end: int) -> Export:
    """Adds a collective of devices 0 and 1; device 1 starts later."""
    return export.kernel(name, start, end).kernel(name, start + late, end, device=1, pid=200)


def test_exposed_is_what_no_compute_covers(export_file: Write) -> None:
    export = (
        Export()
        .kernel(REDUCE, 0, 100)
        .kernel(GEMM, 20, 50, stream=8)
        .kernel(GEMM, 40, 60, stream=9)
        .memcpy(60, 100, stream=10)  # hides nothing
        .kernel(GEMM, 0, 100, device=1)  # another device
        .kernel(REDUCE, 200, 210)
        .kernel(GEMM, 200, 400, stream=8)
    )
    found = section(export_file(export), "communication")
    assert table(found, "collectives", COLLECTIVES) == [(REDUCE, 0, 2, 110, 110, 60, 1 - 60 / 110)]
    assert table(found, "collectives", "category p50_ns p90_ns") == [("comm.nccl", 55.0, 91.0)]
    assert found.summary == {
        "collectives": 2,
        "total_ns": 110,
        "union_ns": 110,
        "exposed_ns": 60,
        "exposed_share": 60 / 500,
        "overlap": pytest.approx(1 - 60 / 110),
    }


def test_summary_counts_no_time_twice(export_file: Write) -> None:
    export = (
        Export()
        .kernel(REDUCE, 0, 60)
        .kernel(REDUCE, 20, 80, stream=8)
        .kernel(CUSTOM, 40, 100, stream=9)
        .kernel(GEMM, 90, 100, stream=10)
        .kernel(REDUCE, 0, 5, device=1)
    )
    found = section(export_file(export), "communication")
    assert table(found, "collectives", COLLECTIVES) == [
        (REDUCE, 0, 2, 120, 80, 80, 0.0),
        (CUSTOM, 0, 1, 60, 60, 50, pytest.approx(1 / 6)),
        (REDUCE, 1, 1, 5, 5, 5, 0.0),
    ]
    assert (found.summary["total_ns"], found.summary["union_ns"], found.summary["exposed_ns"]) == (185, 105, 95)


def test_graph_executions_hide_collectives(export_file: Write) -> None:
    export = Export().kernel(REDUCE, 0, 100).graph_trace(30, 70, stream=8)
    found = section(export_file(export), "communication")
    assert found.summary["exposed_ns"] == 60
    assert any("--cuda-graph-trace=node" in limit for limit in found.limitations)


@pytest.mark.parametrize("seed", range(6))
def test_order_of_rows_changes_nothing(export_file: Write, seed: int) -> None:
    kernels = [(REDUCE, 0, 10), (GEMM, 5, 8), (REDUCE, 8, 20), (GEMM, 15, 30), (CUSTOM, 18, 19), (GEMM, 0, 2)]
    export = Export()
    for name, start, end in list(itertools.permutations(kernels))[seed * 100]:
        export.kernel(name, start, end)
    found = section(export_file(export), "communication")
    assert table(found, "collectives", COLLECTIVES) == [
        (REDUCE, 0, 2, 22, 20, 10, 0.5),
        (CUSTOM, 0, 1, 1, 1, 0, 1.0),
    ]


def test_no_compute_overlaps_a_collective_that_takes_no_time(export_file: Write) -> None:
    found = section(export_file(Export().kernel(REDUCE, 5, 5).kernel(GEMM, 0, 10)), "communication")
    assert table(found, "collectives", COLLECTIVES) == [(REDUCE, 0, 1, 0, 0, 0, None)]
    assert found.summary["overlap"] is None


def test_ranks_wait_for_the_last_one(export_file: Write) -> None:
    export = Export()
    both(export, REDUCE, 0, 30 * US, 50 * US)
    both(export, REDUCE, 100 * US, 5 * US, 110 * US)
    both(export, REDUCE, 200 * US, -20 * US, 210 * US)
    found = section(export_file(export), "communication")
    assert table(found, "rank_skew", SKEW) == [
        (0, 0, 30 * US, 50 * US, 30 * US, 20 * US, 1, 30 * US),
        (2, 180 * US, 200 * US, 210 * US, 20 * US, 10 * US, 0, 20 * US),
        (1, 100 * US, 105 * US, 110 * US, 5 * US, 5 * US, 1, 5 * US),
    ]
    # Device 1 was last twice, but once by 5 us only.
    assert table(found, "rank_waits", WAITS) == [
        (0, 3, 35 * US, 1, 20 * US, 35 * US),
        (1, 3, 20 * US, 1, 30 * US, 35 * US),
    ]


def test_wait_is_summed_over_all_ranks(export_file: Write) -> None:
    export = Export()
    for device, start in enumerate((0, 10, 30, 30)):
        export.kernel(REDUCE, start, 40 + device, device=device, pid=100 + device)
    found = section(export_file(export), "communication")
    assert table(found, "rank_skew", "devices wait_ns transfer_ns late_device_id") == [(4, 50, 13, 2)]
    assert table(found, "rank_waits", "device_id wait_ns") == [(0, 30), (1, 20), (2, 0), (3, 0)]


def test_names_are_matched_each_on_its_own(export_file: Write) -> None:
    export = both(both(Export(), REDUCE, 0, 10, 50), GATHER, 100, 20, 150)
    export.kernel(CUSTOM, 200, 210)
    found = section(export_file(export), "communication")
    assert table(found, "rank_skew", "name occurrence spread_ns") == [(GATHER, 0, 20), (REDUCE, 0, 10)]
    assert any(limit.startswith("1 of 5 executions") for limit in found.limitations)


@pytest.mark.parametrize(
    ("first", "second", "matched"),
    [
        (range(6), range(6), 6),
        (range(6), range(4), 4),
        (range(6), range(2, 6), 4),
        (range(6), range(1, 5), 4),
        (range(5), range(1, 6), 4),
        (range(1, 6), range(5), 4),
    ],
    ids=["all", "the end is cut", "the start is cut", "both are cut", "one at each end", "the other way round"],
)
def test_trap_edges_of_the_capture_shift_the_numbers(
    export_file: Write, first: range, second: range, matched: int
) -> None:
    export = Export()
    for number in first:
        export.kernel(REDUCE, number * 1000, number * 1000 + 100)
    for number in second:
        export.kernel(REDUCE, number * 1000 + 10, number * 1000 + 100, device=1, pid=200)
    found = section(export_file(export), "communication")
    assert table(found, "rank_skew", "spread_ns devices") == [(10, 2)] * matched
    left_out = len(first) + len(second) - 2 * matched
    stated = [limit for limit in found.limitations if "no counterpart" in limit]
    assert [limit.split(" ")[0] for limit in stated] == ([str(left_out)] if left_out else [])


def test_trap_collectives_that_never_meet_are_stated(export_file: Write) -> None:
    export = Export()
    for number in range(4):
        export.kernel(REDUCE, number * 100, number * 100 + 10)
        export.kernel(REDUCE, number * 100 + 50, number * 100 + 60, device=1, pid=200)
    found = section(export_file(export), "communication")
    assert table(found, "rank_skew", "spread_ns") == [(50,)] * 4
    assert any("different communicators" in limit for limit in found.limitations)


@pytest.mark.parametrize(
    ("spans", "cause"),
    [
        ([(GEMM, 0, 60)], "compute"),
        ([(GEMM, 10, 30), ("copy", 30, 90)], "copy"),
        ([(GEMM, 10, 30), ("copy", 10, 90)], "copy"),
        ([(GEMM, 0, 50), ("copy", 0, 100)], "compute"),
        ([(GEMM, 10, 30), (CUSTOM, 20, 90)], "communication"),
        ([(GEMM, -50, 20), ("copy", 20, 40)], "idle"),
        ([], "idle"),
    ],
)
def test_cause_is_what_the_late_device_did_most(
    export_file: Write, spans: list[tuple[str, int, int]], cause: str
) -> None:
    export = both(Export(), REDUCE, 0, 100, 150)
    for stream, (name, start, end) in enumerate(spans):
        if name == "copy":
            export.memcpy(start, end, device=1, stream=stream, pid=200)
        else:
            export.kernel(name, start, end, device=1, stream=stream, pid=200)
    found = section(export_file(export), "communication")
    assert table(found, "rank_skew", "late_cause") == [(cause,)]


def test_ranks_that_start_together_have_no_late_cause(export_file: Write) -> None:
    found = section(export_file(both(Export(), REDUCE, 0, 0, 50)), "communication")
    assert table(found, "rank_skew", "late_device_id late_cause spread_ns") == [(0, None, 0)]


def test_one_device_tells_nothing_of_ranks(export_file: Write) -> None:
    export = Export().kernel(REDUCE, 0, 10, pid=100).kernel(REDUCE, 5, 10, pid=200)
    found = section(export_file(export), "communication")
    assert (found.tables["rank_skew"].rows(), found.tables["rank_waits"].rows()) == ([], [])
    assert any("one device of the trace only" in limit for limit in found.limitations)


def nccl_call(export: Export, name: str, start: int, size: int, *, pid: int, text: str = "") -> Export:
    """Adds an NCCL range with the launch of a kernel of 100 ns in it; device is 0 for pid 100 and 1 for 200."""
    export.nvtx(name, start, start + 50, pid=pid, domain=3, jsonText=text or payload(size))
    export.call(LAUNCH, start + 10, start + 20, corr=start, pid=pid)
    return export.kernel(REDUCE, start + 100, start + 200, corr=start, device=pid // 100 - 1, pid=pid)


def test_bytes_by_name_and_communicator(export_file: Write) -> None:
    export = Export()
    for pid in (100, 200):
        nccl_call(export, "ncclAllReduce", 1000, 4000, pid=pid)
        nccl_call(export, "ncclAllReduce", 2000, 2000, pid=pid)
        export.nvtx("ncclAllGather", 3000, 3010, pid=pid, jsonText=payload(10, 1 << 63))
        export.nvtx("ncclGroupStart", 4000, 4010, pid=pid, jsonText='{"NCCL communicator ID":7}')
    found = section(export_file(export), "communication")
    columns = "name communicator calls bytes bytes_avg ranks kernel_ns"
    assert table(found, "collective_bytes", columns) == [
        ("ncclAllReduce", "7", 4, 12_000, 3000.0, 2, 400),
        ("ncclAllGather", str(1 << 63), 2, 20, 10.0, 2, None),
    ]
    # Two ranks pass on 2(n-1)/n = 1 message: 3000 bytes in 100 ns each.
    rates = [rate for (rate,) in table(found, "collective_bytes", "bus_bytes_per_s")]
    assert rates == [pytest.approx(3000 / 100e-9), None]
    assert not any("Message sizes" in limit for limit in found.limitations)


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("ncclAllReduce", 4 / 3),
        ("AllReduce", 4 / 3),
        ("ncclAllGather", 2),
        ("ncclReduceScatter", 2),
        ("ncclBroadcast", 1),
        ("ncclReduce", 1),
        ("ncclSend", 1),
        ("ncclRecv", 1),
        ("ncclAlltoAll", None),
    ],
)
def test_rate_of_the_bus_by_operation(export_file: Write, name: str, factor: float | None) -> None:
    export = Export()
    for pid in (100, 200, 300):
        nccl_call(export, name, 1000, 700, pid=pid)
    found = section(export_file(export), "communication")
    rate = None if factor is None else pytest.approx(700 * factor / 100e-9)
    assert table(found, "collective_bytes", "bus_bytes_per_s ranks") == [(rate, 3)]


def test_rate_leaves_out_what_ranks_wait(export_file: Write) -> None:
    export = Export()
    for pid, late in ((100, 0), (200, 300)):
        export.nvtx("ncclAllReduce", 0, 50, pid=pid, jsonText=payload(1000))
        export.call(LAUNCH, 10, 20, corr=1, pid=pid)
        export.kernel(REDUCE, 100 + late, 500, corr=1, device=pid // 100 - 1, pid=pid)
    found = section(export_file(export), "communication")
    ((kernels, rate),) = table(found, "collective_bytes", "kernel_ns bus_bytes_per_s")
    assert kernels == 500
    assert rate == pytest.approx(1000 / 100e-9)


def test_kernel_belongs_to_the_innermost_call_of_its_thread(export_file: Write) -> None:
    export = Export()
    export.nvtx("ncclReduce", 0, 100, jsonText=payload(1)).nvtx("ncclSend", 10, 90, jsonText=payload(2))
    export.nvtx("ncclRecv", 15, 80, tid=9, jsonText=payload(3)).nvtx("step", 15, 80)
    export.call(LAUNCH, 20, 30, corr=1).kernel(REDUCE, 50, 60, corr=1)
    export.call(LAUNCH, 32, 34, corr=2).kernel(GEMM, 60, 70, corr=2)
    found = section(export_file(export), "communication")
    assert table(found, "collective_bytes", "name kernel_ns ranks bus_bytes_per_s") == [
        ("ncclRecv", None, 1, None),
        ("ncclSend", 10, 1, None),
        ("ncclReduce", None, 1, None),
    ]


def test_payloads_that_are_none_are_left_out(export_file: Write) -> None:
    export = Export().kernel(REDUCE, 0, 10)
    for text in ("", "{}", "not json", '{"Message size [bytes]":-5}', f'{{"Message size [bytes]":{10**30}}}'):
        export.nvtx("ncclAllReduce", 0, 10, jsonText=text)
    export.nvtx("ncclAllReduce", 0, 10, jsonText='{"Message size [bytes]":5}')
    found = section(export_file(export), "communication")
    assert table(found, "collective_bytes", "communicator calls bytes") == [(None, 1, 5)]


def test_no_collective_is_said_so(export_file: Write) -> None:
    path = export_file(Export().kernel(GEMM, 0, 10))
    found = section(path, "communication")
    assert found.summary["collectives"] == 0
    assert any("No kernel of a category of communication" in limit for limit in found.limitations)
    assert capability(path, "communication") == ("ok", None)


def test_own_categories_decide(export_file: Write) -> None:
    path = export_file(Export().kernel("mine", 0, 10).kernel(REDUCE, 20, 50))
    rules = [("comm.mine", "^mine$"), ("elsewhere", "nccl")]
    found = section(path, "communication", categories=rules)
    assert table(found, "collectives", "name category") == [("mine", "comm.mine")]


def test_percentiles_can_be_switched_off(export_file: Write) -> None:
    path = export_file(Export().kernel(REDUCE, 0, 10))
    found = section(path, "communication", kernel_percentiles=False)
    assert table(found, "collectives", "total_ns p50_ns p90_ns") == [(10, None, None)]


def test_order_of_rows_is_total(export_file: Write) -> None:
    rows = [(REDUCE, 0), (REDUCE, 1), (GATHER, 0), (CUSTOM, 1)]
    for order in itertools.permutations(rows):
        export = Export()
        for name, device in order:
            export.kernel(name, 0, 10, device=device)
        found = section(export_file(export), "communication")
        assert table(found, "collectives", "name device_id") == [(GATHER, 0), (REDUCE, 0), (REDUCE, 1), (CUSTOM, 1)]


def test_trap_no_kernels_is_missing_not_zero(export_file: Write) -> None:
    path = export_file(Export().memcpy(0, 10))
    assert_missing(path, "communication", "The export has no kernels.", "Capture it with --trace=cuda.")
    graphs = export_file(Export().graph_trace(0, 10))
    assert section(graphs, "communication").status == "missing"
    assert capability(graphs, "communication") == ("missing", "--cuda-graph-trace=node")
