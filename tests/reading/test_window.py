"""``window``: which events are in, and windows that hold nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nsys_llm_explainer import _native
from tests.reading.reader import assert_sound, launches, read, untouched
from tests.support.export import Export


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Kernels at 500..900, 1500..1900, …, 49500..49900; one range from 0 to 50000."""
    return launches().write(tmp_path / "trace.sqlite")


def in_window(path: Path, window: tuple[int | None, int | None]) -> tuple[int, int]:
    """Returns the number of kernels and their first start."""
    reading = read(path, window=window)
    (device,) = reading.rows("gpu_idle", "gpu_devices")
    return reading.summary("kernels")["kernels"], device["window_start_ns"]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ((None, None), (50, 500)),
        ((0, 50_000), (50, 500)),
        ((500, None), (50, 500)),
        ((501, None), (49, 1_500)),
        ((None, 49_500), (49, 500)),
        ((None, 49_501), (50, 500)),
        ((1_500, 1_501), (1, 1_500)),
        ((-(2**63), 2**63 - 1), (50, 500)),
        ((-5, 10**18), (50, 500)),
    ],
)
def test_ops_belong_by_their_start(
    path: Path, window: tuple[int | None, int | None], expected: tuple[int, int]
) -> None:
    assert in_window(path, window) == expected


def test_whole_ops_count(path: Path) -> None:
    """An op that starts inside is not cut at the end of the window."""
    reading = read(path, window=(500, 501))
    assert reading.summary("kernels") == {"kernels": 1, "total_ns": 400}


def test_the_report_says_which_window(path: Path) -> None:
    assert read(path).window == {"start_ns": 500, "end_ns": 49_900, "source": "trace"}
    assert read(path, window=(1_000, 3_000)).window == {"start_ns": 1_000, "end_ns": 3_000, "source": "user"}


def test_calls_and_ranges(tmp_path: Path) -> None:
    export = Export().nvtx("before", 0, 100).nvtx("across", 50, 250).nvtx("in", 120, 180).nvtx("after", 200, 300)
    export.call("cudaStreamSynchronize_v3020", 90, 95).call("cudaDeviceSynchronize_v3020", 100, 400)
    export.call("cudaEventSynchronize_v3020", 200, 210).kernel("k", 150, 160)
    reading = read(export.write(tmp_path / "trace.sqlite"), window=(100, 200))
    assert {row["range_name"] for row in reading.rows("nvtx", "nvtx_ranges")} == {"across", "in"}
    assert [row["api_name"] for row in reading.rows("sync", "sync_calls")] == ["cudaDeviceSynchronize_v3020"]


def test_the_launch_of_an_op_may_lie_before_the_window(path: Path) -> None:
    reading = read(path, window=(500, 1_000))
    assert reading.summary("nvtx")["correlated_kernels"] == 1
    assert reading.summary("nvtx")["coverage"] == 1.0


def test_rejected_rows_are_counted_over_the_whole_table(tmp_path: Path) -> None:
    path = launches().kernel("bad", 20, 10).write(tmp_path / "trace.sqlite")
    assert read(path, window=(40_000, 41_000)).rejected == {"CUPTI_ACTIVITY_KIND_KERNEL": 1}


def test_a_window_with_calls_alone_is_no_capture_without_a_gpu(path: Path) -> None:
    reading = read(path, window=(10, 20))
    assert not reading.codes & {"no_gpu_activity", "no_cuda_activity"}
    assert reading.sections["kernels"].status == "missing"


def refuses(path: Path, *words: str, **options: Any) -> None:
    """Makes sure that an option is refused as a wrong value."""
    with untouched(path.parent), pytest.raises(ValueError, match=words[0]) as caught:
        _native.open_trace(str(path)).analyze(**options)
    assert caught.type is ValueError
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("window", [(50_000, None), (10**17, 10**18), (None, 0), (-100, -1)])
def test_a_window_that_holds_nothing(path: Path, window: tuple[int | None, int | None]) -> None:
    refuses(path, "holds no event", "events span 0:50000 ns", window=window)


def test_a_window_of_a_trace_without_events(tmp_path: Path) -> None:
    refuses(Export().write(tmp_path / "trace.sqlite"), "the trace holds no events at all", window=(0, 1))


@pytest.mark.parametrize("window", [(5, 5), (6, 5), (2**63 - 1, None), (None, -(2**63))])
def test_a_window_that_ends_before_it_starts(path: Path, window: tuple[int | None, int | None]) -> None:
    refuses(path, "the end must be after the start", window=window)


@pytest.mark.parametrize("window", [(2**63, None), (None, 2**64), (-(10**30), None)])
def test_a_window_beyond_64_bits(path: Path, window: tuple[int | None, int | None]) -> None:
    refuses(path, "window", window=window)


@pytest.mark.parametrize("threads", [0, -1])
def test_a_number_of_threads_that_cannot_be(path: Path, threads: int) -> None:
    refuses(path, "threads", threads=threads)


@pytest.mark.parametrize("window", ["0:1", 5, (1,), (1, 2, 3), (1.5, 2)])
def test_a_window_of_another_type(path: Path, window: Any) -> None:
    with untouched(path.parent), pytest.raises((TypeError, ValueError)):
        _native.open_trace(str(path)).analyze(window=window)


def test_after_a_refusal_the_trace_still_works(path: Path) -> None:
    trace = _native.open_trace(str(path))
    with pytest.raises(ValueError, match="window"):
        trace.analyze(window=(5, 5))
    assert trace.analyze()["trace"]["rejected_rows"] == {}
    assert_sound(read(path))
