"""A healthy run of two workers, and the parts from which the tests make it sick."""

from __future__ import annotations

from tests.support.export import Export

US = 1_000
MS = 1_000_000
WORKERS = ((100, 0), (200, 1))
NAMES = tuple(f"void engine::part{number}<float>(float*)" for number in range(8))


def worker(
    export: Export,
    *,
    pid: int = 100,
    device: int = 0,
    kernels: int = 400,
    duration: int = 100 * US,
    gap: int = 2 * US,
    names: tuple[str, ...] = NAMES,
    start: int = 10 * MS,
    ranges: bool = True,
) -> int:
    """Adds kernels, each with its launch call inside an NVTX range, and returns when the last one ends."""
    now = start
    first_call = start - 5 * MS
    for number in range(kernels):
        called = first_call + number * 5 * US
        export.call("cudaLaunchKernel_v7000", called, called + 4 * US, corr=number + 1, pid=pid)
        export.kernel(names[number % len(names)], now, now + duration, corr=number + 1, pid=pid, device=device)
        now += duration + gap
    if ranges:
        export.nvtx("step", first_call - US, max(now, first_call + kernels * 5 * US), pid=pid)
    return now - gap


def healthy() -> Export:
    """Returns two workers that are busy 98 % of the time, wait only while the GPU works, and are fully annotated."""
    export = Export().gpu(0, "NVIDIA H100").gpu(1, "NVIDIA H100")
    for pid, device in WORKERS:
        export.process(pid, f"VLLM::Worker_TP{device}").cuda_device(pid=pid, ordinal=device, gpu=device)
        end = worker(export, pid=pid, device=device)
        export.call("cudaStreamSynchronize_v3020", end - 30 * MS, end, corr=9_001, pid=pid)
        export.memcpy(end - 4 * MS, end - 3 * MS, pid=pid, device=device, stream=9)
    return export
