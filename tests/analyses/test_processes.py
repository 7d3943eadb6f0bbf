"""Processes: the same figures by process, whose parts sum to the whole."""

from __future__ import annotations

import itertools

import pytest

from tests.support.analyses import Write, assert_missing, run, section, table, total, warning_codes
from tests.support.export import Export

LAUNCH = "cudaLaunchKernel_v7000"
SYNC = "cudaStreamSynchronize_v3020"


def two_workers() -> Export:
    """Returns two workers with the same correlation ids, an engine that only calls CUDA, and a client with ranges."""
    export = Export().process(100, "worker 0").process(200, "worker 1").process(300, "engine")
    for pid, device, duration in ((100, 0, 10), (200, 1, 30)):
        export.nvtx("step", 0, 50, pid=pid)
        for corr in (1, 2):
            export.call(LAUNCH, corr * 40 - 20, corr * 40 - 18, corr=corr, pid=pid)
            export.kernel("gemm", corr * 100, corr * 100 + duration, corr=corr, pid=pid, device=device)
        export.call(SYNC, 80, 250, corr=3, pid=pid)
    export.kernel("norm", 300, 320, corr=9, pid=100)
    export.call(SYNC, 0, 500, corr=1, pid=300).call("cudaEventQuery_v3020", 0, 5, corr=2, pid=300)
    return export.nvtx("client", 0, 70, pid=400)


def test_workers_and_hosts(export_file: Write) -> None:
    found = section(export_file(two_workers()), "processes")
    assert found.summary == {"processes": 4, "workers": 2}
    assert table(found, "processes", "pid name role devices launch_calls kernels kernel_ns share") == [
        (200, "worker 1", "worker", "1", 2, 2, 60, 0.6),
        (100, "worker 0", "worker", "0", 2, 3, 40, 0.4),
        (400, None, "host", "", 0, 0, 0, 0.0),
        (300, "engine", "host", "", 0, 0, 0, 0.0),
    ]
    # Windows of their own: [100, 230) and [100, 320).
    assert table(found, "processes", "pid launches_per_s p50_ns launch_storm coverage") == [
        (200, pytest.approx(2e9 / 130), 30.0, True, 0.5),
        (100, pytest.approx(3e9 / 220), 10.0, True, 0.25),
        (400, None, None, False, None),
        (300, None, None, False, None),
    ]


def test_tables_by_pid(export_file: Write) -> None:
    found = section(export_file(two_workers()), "processes")
    assert table(found, "kernels_by_pid", "pid kernel_name device_id calls total_ns p50_ns share") == [
        (200, "gemm", 1, 2, 60, 30.0, 0.6),
        (100, "gemm", 0, 2, 20, 10.0, 0.2),
        (100, "norm", 0, 1, 20, 20.0, 0.2),
    ]
    assert table(found, "launches_by_pid", "pid launches window_ns p50_ns share_under_5us") == [
        (200, 2, 130, 30.0, 1.0),
        (100, 3, 220, 10.0, 1.0),
    ]
    # The gaps of the workers are [130, 200) on device 1, [110, 200) and [210, 300) on device 0.
    assert table(found, "sync_by_pid", "pid api_name kind calls total_ns exposed_ns") == [
        (300, SYNC, "blocking", 1, 500, None),
        (100, SYNC, "blocking", 1, 170, 130),
        (200, SYNC, "blocking", 1, 170, 70),
        (300, "cudaEventQuery_v3020", "poll", 1, 5, None),
    ]
    assert table(found, "nvtx_by_pid", "pid range_name count total_ns kernels kernel_ns projected_ns") == [
        (400, "client", 1, 70, 0, 0, 0),
        (100, "step", 1, 50, 1, 10, 10),
        (200, "step", 1, 50, 1, 30, 30),
    ]


def test_trap_parts_sum_to_the_whole(export_file: Write) -> None:
    path = export_file(two_workers())
    whole = {one.id: one for one in run(path)["sections"]}
    parts = whole["processes"]
    assert total(parts, "processes", "kernels") == whole["kernels"].summary["kernels"] == 5
    assert total(parts, "processes", "kernel_ns") == whole["kernels"].summary["total_ns"] == 100
    assert total(parts, "processes", "share") == pytest.approx(1.0)
    assert total(parts, "kernels_by_pid", "total_ns") == 100
    assert total(parts, "kernels_by_pid", "share") == pytest.approx(1.0)
    assert total(parts, "launches_by_pid", "launches") == whole["launches"].summary["launches"] == 5
    assert total(parts, "sync_by_pid", "total_ns") == total(whole["sync"], "sync_calls", "total_ns") == 845
    assert total(parts, "nvtx_by_pid", "kernel_ns") == whole["nvtx"].summary["attributed_kernel_ns"] == 40
    assert total(parts, "nvtx_by_pid", "total_ns") == total(whole["nvtx"], "nvtx_ranges", "total_ns") == 170


def test_trap_correlation_ids_are_per_process(export_file: Write) -> None:
    export = Export().nvtx("step", 0, 50, pid=100).call(LAUNCH, 10, 12, corr=1, pid=100)
    export.kernel("k", 100, 110, corr=1, pid=100).kernel("k", 100, 140, corr=1, pid=200, device=1)
    found = section(export_file(export), "processes")
    # The kernel of process 200 has no call, although process 100 has one of its id.
    assert table(found, "processes", "pid kernel_ns coverage") == [(200, 40, 0.0), (100, 10, 1.0)]
    assert table(found, "nvtx_by_pid", "pid kernels kernel_ns") == [(100, 1, 10)]


def test_trap_one_rank_is_not_all_ranks(export_file: Write) -> None:
    export = Export()
    for number in range(10):
        export.kernel("short", number * 100_000, number * 100_000 + 1_000, pid=100)
        export.kernel("long", number * 100_000, number * 100_000 + 90_000, pid=200, device=1)
    found = section(export_file(export), "processes")
    columns = "pid launches window_ns p50_ns share_under_20us"
    assert table(found, "launches_by_pid", columns) == [
        (200, 10, 990_000, 90_000.0, 0.0),
        (100, 10, 901_000, 1_000.0, 1.0),
    ]


def test_devices_are_the_ordinals_that_the_process_itself_uses(export_file: Write) -> None:
    export = Export()
    for pid, ordinal, gpu in ((100, 0, 4), (200, 0, 5), (300, 0, 4), (300, 1, 5)):
        export.cuda_device(pid=pid, ordinal=ordinal, gpu=gpu)
        export.kernel("k", 0, 10, device=ordinal, pid=pid)
    found = section(export_file(export.memcpy(0, 5, device=2, pid=100)), "processes")
    assert table(found, "processes", "pid devices") == [(300, "0, 1"), (100, "0, 2"), (200, "0")]


def test_copies_alone_make_a_worker(export_file: Write) -> None:
    export = Export().memcpy(0, 10, pid=100, device=1).memset(20, 30, pid=100, device=0).graph_trace(0, 5, pid=200)
    found = section(export_file(export), "processes")
    expected = [(100, "worker", "0, 1", 0, None), (200, "worker", "0", 0, None)]
    assert table(found, "processes", "pid role devices kernels share") == expected
    assert found.tables["launches_by_pid"].rows() == []


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("cudaLaunchKernel_v7000", True),
        ("cudaLaunchKernel_ptsz_v7000", True),
        ("cudaLaunchKernelExC_v11060", True),
        ("cudaLaunchCooperativeKernel_v9000", True),
        ("cuLaunchKernel", True),
        ("cuLaunchKernelEx_ptsz", True),
        ("cudaGraphLaunch_v10000", True),
        ("cuGraphLaunch", True),
        ("cudaLaunchHostFunc_v10000", False),
        ("cuLaunchHostFunc", False),
        ("cudaMemcpyAsync_v3020", False),
        ("cudaGraphInstantiate_v10000", False),
    ],
)
def test_launch_calls_are_those_of_kernels_and_graphs(export_file: Write, name: str, counts: bool) -> None:
    found = section(export_file(Export().call(name, 0, 5, corr=1)), "processes")
    assert table(found, "processes", "role launch_calls") == [("host", int(counts))]


def test_order_of_rows_is_total(export_file: Write) -> None:
    rows = [(100, "b", 10), (200, "a", 10), (300, "a", 10), (400, "z", 11)]
    for order in itertools.permutations(rows):
        export = Export()
        for pid, name, duration in order:
            export.process(pid, name).kernel("k", 0, duration, pid=pid)
        path = export_file(export)
        for threads in (1, 3):
            found = section(path, "processes", threads=threads)
            assert table(found, "processes", "pid") == [(400,), (200,), (300,), (100,)]
            assert table(found, "kernels_by_pid", "pid") == [(400,), (100,), (200,), (300,)]


def test_options_that_switch_figures_off_give_nulls_by_pid_too(export_file: Write) -> None:
    found = section(export_file(two_workers()), "processes", kernel_percentiles=False, nvtx_kernel_map=False)
    assert set(table(found, "kernels_by_pid", "p50_ns p90_ns p99_ns")) == {(None, None, None)}
    assert set(table(found, "nvtx_by_pid", "kernels kernel_ns projected_ns")) == {(None, None, None)}
    assert set(table(found, "processes", "coverage")) == {(None,)}


def test_kernels_without_process_belong_to_the_only_caller(export_file: Write) -> None:
    export = Export().drop("CUPTI_ACTIVITY_KIND_KERNEL", "globalPid").process(100, "worker")
    export.nvtx("step", 0, 50).call(LAUNCH, 10, 12, corr=1).kernel("k", 100, 110, corr=1)
    found = section(export_file(export), "processes")
    assert table(found, "processes", "pid role kernels coverage") == [(100, "worker", 1, 1.0)]
    export.call(LAUNCH, 10, 12, corr=1, pid=200)
    path = export_file(export)
    assert table(section(path, "processes"), "processes", "pid role kernels") == [
        (0, "worker", 1),
        (200, "host", 0),
        (100, "host", 0),
    ]
    assert {"pid_zero", "no_call_join"} <= set(warning_codes(path))


def test_chosen_window_counts_calls_and_kernels_that_start_in_it(export_file: Write) -> None:
    found = section(export_file(two_workers()), "processes", window=(60, 150))
    columns = "pid role launch_calls kernels kernel_ns"
    assert table(found, "processes", columns)[:2] == [(200, "worker", 1, 1, 30), (100, "worker", 1, 1, 10)]
    assert table(found, "sync_by_pid", "pid calls") == [(100, 1), (200, 1)]


def test_kernels_by_pid_are_cut_at_10_000_rows(export_file: Write) -> None:
    export = Export().kernel("alone", 0, 1, pid=200)
    for number in range(10_001):
        export.kernel(f"k{number:05}", number, number + 1, pid=100)
    found = section(export_file(export), "processes")
    by_pid = found.tables["kernels_by_pid"]
    assert (len(by_pid), by_pid.total_rows) == (10_000, 10_002)
    assert by_pid.rows()[0]["kernel_name"] == "alone"
    assert table(found, "processes", "pid kernels kernel_ns") == [(100, 10_001, 10_001), (200, 1, 1)]


def test_trap_no_activity_is_missing_not_zero_processes(export_file: Write) -> None:
    path = export_file(Export().process(100, "python").osrt("read", 0, 10))
    assert_missing(path, "processes", "The export has no CUDA or NVTX activity.", "Capture it with --trace=cuda.")
