"""Synchronisation: which calls wait, and how much of the wait the GPU was idle."""

from __future__ import annotations

import itertools

import pytest

from tests.support.analyses import Write, assert_missing, capability, run, section, table, total
from tests.support.export import Export

STREAM_SYNC = "cudaStreamSynchronize_v3020"
DEVICE_SYNC = "cudaDeviceSynchronize_v3020"
EXPOSED = "api_name calls total_ns exposed_ns"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cudaDeviceSynchronize_v3020", "blocking"),
        ("cudaStreamSynchronize", "blocking"),
        ("cudaStreamSynchronize_ptsz_v7000", "blocking"),
        ("cudaEventSynchronize_v3020_ptds", "blocking"),
        ("cudaThreadSynchronize_v3020", "blocking"),
        ("cuCtxSynchronize", "blocking"),
        ("cuStreamSynchronize_ptsz", "blocking"),
        ("cuEventSynchronize", "blocking"),
        ("cudaStreamWaitEvent_v3020", "enqueue"),
        ("cuStreamWaitEvent_ptsz", "enqueue"),
        ("cudaEventQuery_v3020", "poll"),
        ("cudaStreamQuery_ptsz_v7000", "poll"),
        ("cuEventQuery", "poll"),
        ("cuStreamQuery", "poll"),
    ],
)
def test_kind_by_base_name(export_file: Write, name: str, kind: str) -> None:
    found = section(export_file(Export().kernel("k", 0, 10).call(name, 2, 5, corr=1)), "sync")
    assert table(found, "sync_calls", "api_name kind calls") == [(name, kind, 1)]


def test_other_calls_are_no_synchronisation(export_file: Write) -> None:
    export = Export().kernel("k", 0, 10).call("x", 40, 50, nameId=99)
    names = ("cudaMemcpy_v3020", "cuStreamWaitValue32", "cudaStreamSynchronize_v3020_done", "cudaLaunchKernel_v7000")
    for number, name in enumerate((*names, "my_cudaDeviceSynchronize", "cudaGraphicsUnmapResources_v3020")):
        export.call(name, number, number + 1, corr=number)
    found = section(export_file(export), "sync")
    assert found.summary == {"blocking_calls": 0, "blocking_ns": 0, "blocking_exposed_ns": 0}
    assert found.tables["sync_calls"].rows() == []


def test_figures_of_a_call(export_file: Write) -> None:
    export = Export().kernel("k", -10, 1000)
    for start, duration in ((-5, 40), (100, 10), (200, 30), (300, 20), (400, 0)):
        export.call(STREAM_SYNC, start, start + duration, corr=start)
    export.call(STREAM_SYNC, 500, None).call(STREAM_SYNC, 600, 590)
    path = export_file(export)
    found = section(path, "sync")
    columns = "calls total_ns avg_ns p50_ns p90_ns max_ns exposed_ns"
    assert table(found, "sync_calls", columns) == [(5, 100, 20.0, 20.0, pytest.approx(36.0), 40, 0)]
    assert run(path)["trace"]["rejected_rows"] == {"CUPTI_ACTIVITY_KIND_RUNTIME": 2}


def test_trap_wait_event_and_query_do_not_block(export_file: Write) -> None:
    export = (
        Export()
        .kernel("k", 0, 10)
        .call("cudaStreamWaitEvent_v3020", 10, 500, corr=1)
        .call("cudaEventQuery_v3020", 500, 700, corr=2)
        .call(STREAM_SYNC, 700, 720, corr=3)
        .kernel("k", 800, 810)
    )
    found = section(export_file(export), "sync")
    assert found.summary == {"blocking_calls": 1, "blocking_ns": 20, "blocking_exposed_ns": 20}
    assert table(found, "sync_calls", "kind total_ns exposed_ns") == [
        ("enqueue", 490, 490),
        ("poll", 200, 200),
        ("blocking", 20, 20),
    ]


def test_trap_long_wait_on_a_busy_gpu_costs_nothing(export_file: Write) -> None:
    export = Export().kernel("k", 0, 1000).memcpy(1000, 2000).call(STREAM_SYNC, 5, 1990, corr=1)
    found = section(export_file(export), "sync")
    assert found.summary == {"blocking_calls": 1, "blocking_ns": 1985, "blocking_exposed_ns": 0}


def test_trap_api_time_is_cut_to_the_gap(export_file: Write) -> None:
    # The GPU idles in [10, 30) and [40, 60); before 0 and after 70 it has no window.
    export = Export().kernel("k", 0, 10).memset(30, 40).kernel("k", 60, 70)
    for start, end in ((5, 35), (12, 15), (20, 50), (-100, 0), (70, 500), (30, 40), (25, 25), (-100, 500)):
        export.call(STREAM_SYNC, start, end, corr=1)
    found = section(export_file(export), "sync")
    # 20 + 3 + (10 + 10) + 0 + 0 + 0 + 0 + 40: overlapping calls count each.
    assert found.summary["blocking_exposed_ns"] == 83


def test_exposed_needs_all_devices_of_the_process_idle(export_file: Write) -> None:
    # Device 0 idles in [10, 50), device 1 in [30, 40) and [60, 70).
    export = Export().kernel("k", 0, 10).kernel("k", 50, 60).kernel("k", 70, 80)
    export.kernel("k", 0, 30, device=1).kernel("k", 40, 60, device=1).kernel("k", 70, 80, device=1)
    export.call(DEVICE_SYNC, 0, 80, corr=1).call(DEVICE_SYNC, 35, 65, corr=2)
    found = section(export_file(export), "sync")
    # [30, 40) + [60, 70), and [35, 40) + [60, 65).
    assert table(found, "sync_calls", EXPOSED) == [(DEVICE_SYNC, 2, 110, 30)]


def test_trap_other_processes_devices_do_not_expose_a_call(export_file: Write) -> None:
    export = Export().kernel("k", 0, 10, pid=100).kernel("k", 90, 100, pid=100)
    export.kernel("k", 0, 100, pid=200, device=1)
    export.call(STREAM_SYNC, 0, 100, pid=100).call(DEVICE_SYNC, 0, 100, pid=200)
    found = section(export_file(export), "sync")
    assert table(found, "sync_calls", EXPOSED) == [(DEVICE_SYNC, 1, 100, 0), (STREAM_SYNC, 1, 100, 80)]


def test_shared_device_is_busy_with_anyones_work(export_file: Write) -> None:
    export = Export().kernel("k", 0, 10, pid=100).kernel("k", 30, 70, pid=200).kernel("k", 90, 100, pid=100)
    export.call(STREAM_SYNC, 0, 100, pid=100)
    found = section(export_file(export), "sync")
    assert table(found, "sync_calls", EXPOSED) == [(STREAM_SYNC, 1, 100, 40)]


def test_trap_device_and_type_of_synchronization_rows_are_not_trusted(export_file: Write) -> None:
    export = Export().kernel("k", 0, 100, pid=100, device=0)
    export.kernel("k", 0, 10, pid=200, device=1).kernel("k", 90, 100, pid=200, device=1)
    export.call(STREAM_SYNC, 20, 60, corr=5, pid=200)
    row = {"start": 20, "end": 60, "deviceId": 0, "correlationId": 5, "globalPid": None, "syncType": 2}
    export.raw("CUPTI_ACTIVITY_KIND_SYNCHRONIZATION", **row)
    found = section(export_file(export), "sync")
    assert found.summary == {"blocking_calls": 1, "blocking_ns": 40, "blocking_exposed_ns": 40}


def test_exposed_time_of_a_process_without_gpu_ops_is_unknown(export_file: Write) -> None:
    host = Export().kernel("k", 0, 10, pid=100).call(STREAM_SYNC, 0, 40, pid=300)
    found = section(export_file(host), "sync")
    assert table(found, "sync_calls", EXPOSED) == [(STREAM_SYNC, 1, 40, None)]
    assert found.summary == {"blocking_calls": 1, "blocking_ns": 40, "blocking_exposed_ns": None}
    assert any("exposed time is unknown" in limit for limit in found.limitations)
    both = host.kernel("k", 30, 50, pid=100).call(STREAM_SYNC, 0, 40, pid=100)
    assert table(section(export_file(both), "sync"), "sync_calls", EXPOSED) == [(STREAM_SYNC, 2, 80, 20)]


def test_export_without_gpu_ops_shows_calls_without_exposed_time(export_file: Write) -> None:
    path = export_file(Export().call(STREAM_SYNC, 0, 40, corr=1))
    found = section(path, "sync")
    assert table(found, "sync_calls", EXPOSED) == [(STREAM_SYNC, 1, 40, None)]
    assert capability(path, "sync") == ("partial", "--trace=cuda")


def test_order_of_rows_is_total(export_file: Write) -> None:
    rows = [(STREAM_SYNC, 10), (DEVICE_SYNC, 10), ("cuCtxSynchronize", 11), ("cudaEventQuery_v3020", 10)]
    expected = [("cuCtxSynchronize",), (DEVICE_SYNC,), ("cudaEventQuery_v3020",), (STREAM_SYNC,)]
    for order in itertools.permutations(rows):
        export = Export().kernel("k", 0, 10)
        for name, duration in order:
            export.call(name, 0, duration, corr=1)
        assert table(section(export_file(export), "sync"), "sync_calls", "api_name") == expected


def test_chosen_window_takes_calls_by_their_start(export_file: Write) -> None:
    # Only [110, 190) is idle between the ops that start inside the window.
    export = Export().kernel("k", 0, 10).kernel("k", 100, 110).kernel("k", 190, 200).kernel("k", 300, 310)
    for start, end in ((50, 150), (100, 120), (150, 250), (200, 300)):
        export.call(STREAM_SYNC, start, end, corr=1)
    found = section(export_file(export), "sync", window=(100, 200))
    assert table(found, "sync_calls", EXPOSED) == [(STREAM_SYNC, 2, 120, 50)]
    assert total(found, "sync_calls", "calls") == found.summary["blocking_calls"]


@pytest.mark.parametrize(
    "export",
    [Export(), Export().kernel("k", 0, 10), Export().kernel("k", 0, 10).call(STREAM_SYNC, 5, None)],
    ids=["nothing", "GPU ops only", "rejected rows only"],
)
def test_trap_no_calls_is_missing_not_zero_waits(export_file: Write, export: Export) -> None:
    needs = ("The export has no CUDA API calls.", "Capture it with --trace=cuda.")
    assert_missing(export_file(export), "sync", *needs)
