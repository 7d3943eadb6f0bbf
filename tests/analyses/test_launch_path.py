"""Launch path: what the calls cost, how deep the queue is, and what launches in small pieces."""

from __future__ import annotations

from typing import Optional

import pytest

from tests.support.analyses import US, Write, assert_missing, capability, run, section, table
from tests.support.export import Export, global_tid

LAUNCH = "cudaLaunchKernel_v7000"
GRAPH_LAUNCH = "cudaGraphLaunch_v10000"
OVERHEAD = "CUPTI_ACTIVITY_KIND_OVERHEAD"
NODES = "CUDA_GRAPH_NODE_EVENTS"
BUFFER_FULL = 8


def overhead(
    export: Export, kind: int, start: int, end: int, *, pid: int = 100, tid: Optional[int] = None, name: str = "x"
) -> Export:
    """Adds a row of CUDA overhead."""
    thread, text = global_tid(pid, tid), export.string(name)
    return export.raw(OVERHEAD, start=start, end=end, globalTid=thread, nameId=text, overheadType=kind)


def profiler(export: Export, name: str, start: int, end: int, *, pid: int = 100, tid: Optional[int] = None) -> Export:
    """Adds a row of the profiler's own overhead."""
    thread, text = global_tid(pid, tid), export.string(name)
    return export.raw("PROFILER_OVERHEAD", start=start, end=end, globalTid=thread, nameId=text)


def node(export: Export, number: int, start: int, *, of: Optional[int] = None, pid: int = 100) -> Export:
    """Adds the creation of a node of a CUDA graph."""
    values = {"start": start, "end": start, "graphNodeId": number, "originalGraphNodeId": of}
    return export.raw(NODES, globalTid=global_tid(pid), nameId=export.string("node"), **values)


def launches(export: Export, count: int, *, at: int = 0, ns: int = 5 * US, gap: int = 10 * US, device: int = 0) -> int:
    """Adds kernels one after the other and returns where the last one ends."""
    for number in range(count):
        start = at + number * (ns + gap)
        export.kernel("first" if number == 0 else "k", start, start + ns, device=device)
    return at + count * (ns + gap) - gap


def test_figures_of_the_calls_of_an_api(export_file: Write) -> None:
    export = Export()
    # Queue times 5, 15, none (starts during the call), none (starts as it ends).
    for number, (duration, start) in enumerate(((10, 15), (20, 35), (30, 25), (40, 40))):
        at = 1000 * (number + 1)
        export.call(LAUNCH, at, at + duration, corr=number + 1)
        export.kernel("k", at + start, at + start + 100, corr=number + 1)
    found = section(export_file(export), "launch_path")
    columns = "pid api_name calls ops api_total_ns api_p50_ns api_p90_ns queued queue_total_ns queue_p50_ns"
    assert table(found, "launch_calls", columns) == [
        (100, "cudaLaunchKernel", 4, 4, 100, 25.0, pytest.approx(37.0), 2, 20, 10.0)
    ]
    assert {name: found.summary[name] for name in ("launches", "api_ns", "queue_p50_ns")} == {
        "launches": 4,
        "api_ns": 100,
        "queue_p50_ns": 10.0,
    }


def test_queue_times_beyond_32_bits_are_whole(export_file: Write) -> None:
    far = 5_000_000_000
    export = Export().call(LAUNCH, 0, 10, corr=1).kernel("k", 10 + far, 20 + far, corr=1)
    export.call(LAUNCH, 20, 30, corr=2).kernel("k", 130, 140, corr=2)
    found = section(export_file(export), "launch_path")
    columns = "queued queue_total_ns queue_p50_ns"
    assert table(found, "launch_calls", columns) == [(2, far + 100, (far + 100) / 2)]
    assert found.summary["queue_p50_ns"] == (far + 100) / 2


def test_calls_of_one_base_name_and_process_are_one_row(export_file: Write) -> None:
    export = Export().call("cudaLaunchKernel_v7000", 0, 10, corr=1, pid=100).kernel("k", 20, 30, corr=1, pid=100)
    export.call("cudaLaunchKernel_ptsz_v7000", 40, 60, corr=2, pid=100).kernel("k", 61, 70, corr=2, pid=100)
    export.call("cudaLaunchKernel_v7000", 0, 30, corr=1, pid=200).kernel("k", 40, 50, corr=1, pid=200)
    export.call("cudaMemsetAsync_v3020", 70, 75, corr=3, pid=100).memset(80, 90, corr=3, pid=100)
    found = section(export_file(export), "launch_path")
    assert table(found, "launch_calls", "pid api_name calls api_total_ns") == [
        (100, "cudaLaunchKernel", 2, 30),
        (200, "cudaLaunchKernel", 1, 30),
        (100, "cudaMemsetAsync", 1, 5),
    ]


def test_trap_a_graph_launch_counts_once_and_waits_for_its_first_op(export_file: Write) -> None:
    export = Export().call(GRAPH_LAUNCH, 0, 10, corr=1)
    for number, start in enumerate((50, 30, 70)):
        export.kernel("k", start, start + 10, corr=1, graph_node=number + 1)
    found = section(export_file(export), "launch_path")
    columns = "api_name calls ops api_total_ns queued queue_total_ns"
    assert table(found, "launch_calls", columns) == [("cudaGraphLaunch", 1, 3, 10, 1, 20)]
    assert found.summary["graph_kernel_share"] == 1.0


def test_calls_without_ops_are_no_launches(export_file: Write) -> None:
    export = Export().call(LAUNCH, 0, 10, corr=1).kernel("k", 20, 30, corr=1)
    export.call(LAUNCH, 40, 90, corr=2).call("cudaDeviceSynchronize_v3020", 50, 60, corr=3)
    found = section(export_file(export), "launch_path")
    assert table(found, "launch_calls", "api_name calls api_total_ns") == [("cudaLaunchKernel", 1, 10)]


def test_room_in_the_queue_is_waited_for_inside_the_call_of_the_same_thread(export_file: Write) -> None:
    export = Export().call(LAUNCH, 100, 200, corr=1, tid=1).kernel("k", 300, 310, corr=1)
    export.call(LAUNCH, 300, 400, corr=2, tid=2).kernel("k", 410, 420, corr=2)
    for start, end in ((90, 120), (110, 130), (190, 250)):
        overhead(export, BUFFER_FULL, start, end, tid=1)
    # Another type, and another thread.
    overhead(export, 7, 140, 160, tid=1)
    overhead(export, BUFFER_FULL, 300, 400, tid=1)
    found = section(export_file(export), "launch_path")
    assert table(found, "launch_calls", "calls api_total_ns command_buffer_full_ns") == [(2, 200, 40)]
    assert found.summary["command_buffer_full_ns"] == 40


def test_trap_without_the_table_full_buffers_are_unknown_not_absent(export_file: Write) -> None:
    export = Export().call(LAUNCH, 0, 10, corr=1).kernel("k", 20, 30, corr=1)
    found = section(export_file(export), "launch_path")
    assert found.summary["command_buffer_full_ns"] is None
    assert found.summary["overhead_ns"] is None
    assert table(found, "launch_calls", "command_buffer_full_ns") == [(None,)]
    assert any("waits for room" in limit for limit in found.limitations)
    unmatched = Export().call(LAUNCH, 0, 10, corr=1).kernel("k", 20, 30, corr=2)
    assert section(export_file(unmatched), "launch_path").summary["command_buffer_full_ns"] is None
    found = section(export_file(export.declare(OVERHEAD)), "launch_path")
    assert found.summary["command_buffer_full_ns"] == 0
    assert table(found, "launch_calls", "command_buffer_full_ns") == [(0,)]


def test_share_of_graph_kernels(export_file: Write) -> None:
    export = Export().call(GRAPH_LAUNCH, 0, 10, corr=1).kernel("k", 20, 30, corr=1)
    export.kernel("k", 40, 50, graph_node=7).kernel("k", 60, 70).kernel("k", 80, 90)
    assert section(export_file(export), "launch_path").summary["graph_kernel_share"] == 0.5
    export.graph_trace(100, 200, corr=5)
    assert section(export_file(export), "launch_path").summary["graph_kernel_share"] is None


def test_chosen_window_takes_launches_by_their_ops(export_file: Write) -> None:
    export = Export()
    for number, at in enumerate((0, 100, 200)):
        export.call(LAUNCH, at, at + 10, corr=number + 1).kernel("k", at + 50, at + 60, corr=number + 1)
    found = section(export_file(export), "launch_path", window=(140, 300))
    assert table(found, "launch_calls", "calls ops queue_total_ns") == [(2, 2, 80)]


# -- runs of small kernels ---------------------------------------------------------------------------------------------

RUNS = "first_kernel top_kernel runs kernels kernel_ns gap_ns total_ns"


def runs(export: Export, export_file: Write) -> list[tuple[object, ...]]:
    """The table of runs of an export with one call, so that the section is there."""
    export.call(LAUNCH, -10, -5, corr=1).memset(-4, -3, corr=1)
    return list(table(section(export_file(export), "launch_path"), "kernel_runs", RUNS))


@pytest.mark.parametrize(
    ("count", "ns", "gap", "is_run"),
    [
        (32, 10 * US, 50 * US, True),
        (31, 5 * US, 5 * US, False),
        (40, 10 * US + 1, 5 * US, False),
        (40, 5 * US, 50 * US + 1, False),
    ],
    ids=["a run", "too few", "too long", "too far apart"],
)
def test_what_a_run_is(export_file: Write, *, count: int, ns: int, gap: int, is_run: bool) -> None:
    export = Export()
    launches(export, count, ns=ns, gap=gap)
    found = runs(export, export_file)
    busy, between = count * ns, (count - 1) * gap
    assert found == ([("first", "k", 1, count, busy, between, busy + between)] if is_run else [])


def test_kernels_of_graphs_and_long_kernels_end_a_run(export_file: Write) -> None:
    export = Export()
    end = launches(export, 40)
    export.kernel("of a graph", end, end + US, graph_node=1)
    end = launches(export, 20, at=end + US)
    export.kernel("long", end, end + 11 * US)
    launches(export, 33, at=end + 11 * US)
    # Copies do not.
    export.memcpy(15 * US, 16 * US)
    assert [row[2:4] for row in runs(export, export_file)] == [(2, 73)]


def test_runs_are_gathered_by_device_names_and_size(export_file: Write) -> None:
    export = Export()
    first = 40 * 15 * US
    launches(export, 40)
    launches(export, 50, at=10 * first)
    launches(export, 64, at=20 * first)
    launches(export, 40, device=1)
    export.call(LAUNCH, -10, -5, corr=1).memset(-4, -3, corr=1)
    found = section(export_file(export), "launch_path")
    columns = "device_id runs kernels launches_per_s example_start_ns example_end_ns"
    end = 50 * 15 * US - 10 * US
    assert table(found, "kernel_runs", columns) == [
        (0, 2, 90, pytest.approx(90 / 1.33e-3), 10 * first, 10 * first + end),
        (0, 1, 64, pytest.approx(64 / 0.95e-3), 20 * first, 20 * first + 64 * 15 * US - 10 * US),
        (1, 1, 40, pytest.approx(40 / 0.59e-3), 0, 40 * 15 * US - 10 * US),
    ]


def test_trap_order_of_rows_and_overlap_do_not_change_a_run(export_file: Write) -> None:
    rows = [("a" if number % 3 else "b", number * 4 * US, number * 4 * US + 6 * US) for number in range(40)]
    expected = [("b", "a", 1, 40, 162 * US, 0, 162 * US)]
    for order in (rows, rows[::-1], rows[20:] + rows[:20]):
        export = Export()
        for name, start, end in order:
            export.kernel(name, start, end)
        assert runs(export, export_file) == expected


# -- overhead ----------------------------------------------------------------------------------------------------------

OVERHEADS = "pid kind events total_ns idle_ns inside_api"


def test_overheads_by_kind(export_file: Write) -> None:
    # The GPU idles in [10, 100).
    export = Export(enums=True).kernel("k", 0, 10, corr=1).kernel("k", 100, 200)
    export.call("cudaLaunchKernel_v7000", -100, 50, corr=1)
    export.call("cuLibraryLoadData", 60, 90)
    overhead(export, 7, -50, 30)
    overhead(export, 7, 20, 40)
    overhead(export, 6, 60, 80)
    overhead(export, 99, 95, 120)
    profiler(export, "dlopen(/usr/lib/secret/libfoo.so)", 110, 115)
    profiler(export, "dlopen(/usr/lib/secret/libbar.so)", 112, 116)
    profiler(export, "CUDA profiling data flush", 300, 390, pid=300)
    found = section(export_file(export), "launch_path")
    assert table(found, "overheads", OVERHEADS) == [
        (100, "lazy function load", 2, 100, 30, "cudaLaunchKernel"),
        (None, "CUDA profiling data flush", 1, 90, None, None),
        (100, "kind 99", 1, 25, 5, None),
        (100, "runtime-triggered module load", 1, 20, 20, "cuLibraryLoadData"),
        (100, "dlopen", 2, 9, 0, None),
    ]
    assert set(table(found, "overheads", "steady_ns")) == {(None,)}
    # Per thread: [-50, 40) + [60, 80) + [95, 120), and [300, 390).
    assert found.summary["overhead_ns"] == 90 + 20 + 25 + 90


@pytest.mark.parametrize("enums", [False, True])
def test_words_of_known_types_do_not_depend_on_the_export(export_file: Write, *, enums: bool) -> None:
    export = Export(enums=enums).kernel("k", 0, 10, corr=1).call(LAUNCH, -10, -5, corr=1)
    for kind in range(9):
        overhead(export, kind, 100 * kind, 100 * kind + 10 - kind)
    found = section(export_file(export), "launch_path")
    assert [row[0] for row in table(found, "overheads", "kind")] == [
        "undefined",
        "unknown",
        "driver JIT compile",
        "CUPTI buffer flush",
        "CUPTI instrumentation",
        "CUPTI resource",
        "runtime-triggered module load",
        "lazy function load",
        "command buffer full",
    ]


def test_trap_full_command_buffers_are_no_overhead_of_the_profiler(export_file: Write) -> None:
    export = Export().kernel("k", 0, 10, corr=1).call(LAUNCH, -10, -5, corr=1)
    overhead(export, BUFFER_FULL, 0, 1000)
    overhead(export, 3, 0, 10)
    found = section(export_file(export), "launch_path")
    assert found.summary["overhead_ns"] == 10
    assert table(found, "overheads", "kind total_ns") == [("command buffer full", 1000), ("CUPTI buffer flush", 10)]


def test_chosen_window_takes_overhead_by_its_start(export_file: Write) -> None:
    export = Export().kernel("k", 0, 10, corr=1).call(LAUNCH, -10, -5, corr=1).kernel("k", 150, 160, corr=1)
    for start in (90, 100, 199, 200):
        overhead(export, 7, start, start + 20)
    found = section(export_file(export), "launch_path", window=(100, 200))
    assert table(found, "overheads", "events total_ns") == [(2, 40)]
    assert found.summary["overhead_ns"] == 40


# -- capture-time attribution ------------------------------------------------------------------------------------------


def test_kernels_of_graphs_go_to_the_range_in_which_their_node_was_captured(export_file: Write) -> None:
    export = Export().nvtx("model", 0, 100).nvtx("layer 1", 10, 20).nvtx("layer 2", 30, 40)
    export.nvtx("step", 1000, 2000).call(GRAPH_LAUNCH, 1000, 1010, corr=1)
    for number, at in ((1, 15), (2, 35), (3, 50), (4, 500)):
        node(export, number, at)
    for number in (1, 2, 3, 4):
        node(export, 10 + number, 200, of=number)
        node(export, 20 + number, 210, of=10 + number)
        export.kernel("k", 1000 + 100 * number, 1000 + 101 * number, corr=1, graph_node=20 + number)
    export.kernel("again", 3000, 3050, graph_node=21)
    # A node that was never created, and an eager kernel.
    export.kernel("k", 4000, 4100, graph_node=77).kernel("k", 5000, 5100)
    found = section(export_file(export), "launch_path")
    assert table(found, "capture_attribution", "range_name kernels kernel_ns") == [
        ("layer 1", 2, 51),
        ("model", 1, 3),
        ("layer 2", 1, 2),
    ]


def test_nodes_belong_to_their_process_and_thread(export_file: Write) -> None:
    export = Export().nvtx("a", 0, 100, pid=100).nvtx("b", 0, 100, pid=200).nvtx("other thread", 0, 100, pid=100, tid=7)
    node(export, 1, 50, pid=100)
    node(export, 1, 60, pid=200)
    for pid, ns in ((100, 10), (200, 20)):
        export.call(GRAPH_LAUNCH, 200, 210, corr=1, pid=pid)
        export.kernel("k", 300, 300 + ns, corr=1, pid=pid, graph_node=1)
    found = section(export_file(export), "launch_path")
    assert table(found, "capture_attribution", "range_name kernels kernel_ns") == [("b", 1, 20), ("a", 1, 10)]


def test_trap_cycles_of_clones_end(export_file: Write) -> None:
    export = Export().nvtx("a", 0, 100).call(GRAPH_LAUNCH, 200, 210, corr=1)
    node(export, 1, 10, of=2)
    node(export, 2, 10, of=1)
    node(export, 3, 10, of=3)
    for number in (1, 2, 3):
        export.kernel("k", 300 * number, 300 * number + 10, corr=1, graph_node=number)
    found = section(export_file(export), "launch_path")
    assert table(found, "capture_attribution", "range_name") == []


def test_an_id_that_is_used_again_means_the_latest_node(export_file: Write) -> None:
    export = Export().nvtx("old", 0, 100).nvtx("new", 500, 600).call(GRAPH_LAUNCH, 200, 210, corr=1)
    node(export, 1, 550)
    node(export, 1, 50)
    for start, ns in ((300, 1), (1000, 20), (1100, 20)):
        export.kernel("k", start, start + ns, corr=1, graph_node=1)
    found = section(export_file(export), "launch_path")
    assert table(found, "capture_attribution", "range_name kernels kernel_ns") == [("new", 2, 40), ("old", 1, 1)]


def test_without_attribution_no_range_gets_captured_kernels(export_file: Write) -> None:
    export = Export().nvtx("a", 0, 100).call(GRAPH_LAUNCH, 200, 210, corr=1)
    node(export, 1, 50)
    export.kernel("k", 300, 310, corr=1, graph_node=1)
    found = section(export_file(export), "launch_path", nvtx_kernel_map=False)
    assert table(found, "capture_attribution", "range_name") == []


# -- steps -------------------------------------------------------------------------------------------------------------


def test_launches_per_step(export_file: Write) -> None:
    export = Export()
    corr = 0
    for number in range(4):
        at = 1000 * number
        export.nvtx(f"execute_context_0(0)_generation_{number + 1}({number + 1})", at, at + 300)
        for start, name in ((10, LAUNCH), (50, LAUNCH), (100, GRAPH_LAUNCH)):
            corr += 1
            export.call(name, at + start, at + start + 10, corr=corr)
            export.kernel("k", at + start + 300, at + start + 310, corr=corr)
        export.kernel("k", at + 420, at + 430, corr=corr)
        corr += 1
        export.call("cudaMemcpyAsync_v3020", at + 200, at + 210, corr=corr).memcpy(at + 500, at + 510, corr=corr)
    found = section(export_file(export), "launch_path")
    columns = "device_id pid step_kind steps launch_calls_avg graph_launches_avg kernels_avg graph_kernels_avg"
    assert table(found, "step_launches", f"{columns} eager_kernels_avg graph_kernel_share") == [
        (0, 100, "decode", 4, 4.0, 1.0, 4.0, 2.0, 2.0, 0.5)
    ]


# -- absence -----------------------------------------------------------------------------------------------------------


def test_no_calls_or_no_ops_is_missing(export_file: Write) -> None:
    path = export_file(Export().kernel("k", 0, 10))
    assert_missing(path, "launch_path", "The export has no CUDA API calls.", "Capture it with --trace=cuda.")
    assert capability(path, "launch_path") == ("missing", "--trace=cuda")
    path = export_file(Export().call(LAUNCH, 0, 10, corr=1))
    assert_missing(path, "launch_path", "The export has no GPU ops.", "Capture it with --trace=cuda.")
    assert capability(path, "launch_path") == ("missing", "--trace=cuda")


def test_trap_ops_that_cannot_be_matched_are_missing_not_zero_launches(export_file: Write) -> None:
    export = Export().call(LAUNCH, 0, 10, corr=1).kernel("k", 20, 30, corr=1)
    path = export_file(export.drop("CUPTI_ACTIVITY_KIND_RUNTIME", "correlationId"))
    assert_missing(path, "launch_path", "GPU ops cannot be matched to the calls that launched them.")


def test_empty_window_is_missing(export_file: Write) -> None:
    export = Export().call(LAUNCH, 0, 10, corr=1).kernel("k", 20, 30, corr=1).nvtx("later", 1000, 1500)
    path = export_file(export)
    assert_missing(path, "launch_path", "The chosen window holds no GPU ops.", window=(1000, 2000))


def test_trap_damaged_overhead_is_rejected_and_counted(export_file: Write) -> None:
    export = Export().kernel("k", 0, 10, corr=1).call(LAUNCH, -10, -5, corr=1)
    overhead(export, 7, 10, 5)
    path = export_file(overhead(export, 7, 10, 15))
    assert table(section(path, "launch_path"), "overheads", "events total_ns") == [(1, 5)]
    assert run(path)["trace"]["rejected_rows"] == {OVERHEAD: 1}
