"""Small random exports with everything that real ones rarely have."""

from __future__ import annotations

import random
from typing import Optional

from tests.support.export import Export, global_tid

CALLS = (
    "cudaLaunchKernel_v7000",
    "cudaMemcpyAsync_v3020",
    "cudaStreamSynchronize_v3020",
    "cuCtxSynchronize",
    "cudaMalloc_v3020",
    "cudaGraphLaunch_v10000",
    "cudaEventQuery_v3020",
)
KERNELS = (
    "gemm",
    "void vllm::rms_norm_kernel<float>(float *)",
    "void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>>(int)",
    "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevKernelArgsStorage<(unsigned long)4096>)",
    "mystery",
)
PIDS = (100, 200)


LENGTHS = (0, 1, 5, 20, 60)
FIRST, LAST = -60, 700

Launch = tuple[int, int, Optional[int]]


def ugly_export(rng: random.Random, *, steps: bool = False) -> Export:
    """Return an export of two processes and devices: overlaps, shared ids, no ids, rows that are no rows.

    No two calls start at the same time, because the definitions do not say which of two such calls comes first.

    Args:
        rng: Where the rows come from.
        steps: Add ranges that mark an engine's steps.
    """
    export = Export(schema=rng.choice(("3.25.0", "3.16.1")), enums=rng.random() < 0.5)
    launches = [_call(export, rng, start) for start in rng.sample(range(FIRST, LAST), rng.randint(0, 30))]
    for _ in range(rng.randint(1, 20)):
        _op(export, rng, rng.choice(launches) if launches and rng.random() < 0.8 else None)
    for _ in range(rng.randint(0, 30)):
        start, pid = rng.randint(FIRST, LAST), rng.choice(PIDS)
        end = None if rng.random() < 0.05 else start + rng.choice((-3, *LENGTHS, 90))
        export.osrt(rng.choice(("futex", "poll")), start, end, pid=pid, tid=pid + rng.randint(0, 1))
    for _ in range(rng.randint(0, 6) if export.schema == "3.25.0" else 0):
        start, pid = rng.randint(FIRST, LAST), rng.choice(PIDS)
        thread = global_tid(pid, pid + rng.randint(0, 1))
        table, end = "CUPTI_ACTIVITY_KIND_OVERHEAD", start + rng.randint(-1, 30)
        export.raw(table, start=start, end=end, globalTid=thread, overheadType=rng.choice((7, 8, 8)))
    if steps:
        _markers(export, rng)
    if export.schema == "3.25.0" and rng.random() < 0.5:
        export.cuda_device(pid=100, ordinal=0, gpu=1).cuda_device(pid=200, ordinal=0, gpu=rng.randint(0, 1))
    return export


def _call(export: Export, rng: random.Random, start: int) -> Launch:
    """Add a call; ids are few, so that some calls of a process share one."""
    pid, number = rng.choice(PIDS), rng.randint(-1, 20)
    corr = None if number < 0 else number
    unknown = {"globalTid": None} if rng.random() < 0.04 else {}
    end = start + rng.choice((*LENGTHS, -1))
    export.call(rng.choice(CALLS), start, end, corr=corr, pid=pid, tid=pid + rng.randint(0, 1), **unknown)
    return start, pid, corr


def _op(export: Export, rng: random.Random, launch: Optional[Launch]) -> None:
    """Add an op of a call, or of none; few different starts, so that ops start together."""
    asked, pid, corr = launch or (rng.randint(FIRST, LAST), rng.choice(PIDS), rng.randint(0, 30))
    start = asked + rng.randint(-5, 120)
    start -= start % 20 if rng.random() < 0.5 else 0
    end: Optional[int] = start + rng.choice((0, *LENGTHS[:4]))
    if rng.random() < 0.06:
        end = rng.choice((None, start - 1))
    device = rng.randint(0, 1) if rng.random() < 0.2 else PIDS.index(pid)
    unknown = {"globalPid": None} if rng.random() < 0.05 else {}
    kind = rng.randrange(8)
    if kind < 5:
        node = rng.choice((None, None, 0, 7))
        export.kernel(rng.choice(KERNELS), start, end, device=device, corr=corr, pid=pid, graph_node=node, **unknown)
    elif kind < 6:
        size, src = rng.choice((0, 512, 4096)), rng.randint(0, 1)
        export.memcpy(start, end, size=size, src=src, device=device, corr=corr, pid=pid, **unknown)
    elif kind < 7:
        export.memset(start, end, device=device, corr=corr, pid=pid, **unknown)
    else:
        export.graph_trace(start, end, device=device, corr=corr, pid=pid, **unknown)


def _markers(export: Export, rng: random.Random) -> None:
    # One after the other on every thread, as an engine's loop makes them.
    for pid in PIDS:
        at = FIRST - 10
        while at < LAST:
            length, context = rng.randint(10, 150), rng.randint(0, 1)
            text = f"execute_context_{context}({64 * context})_generation_{rng.randint(0, 1)}({rng.randint(0, 9)})"
            export.nvtx(text, at, at + length, pid=pid, use_text_id=rng.random() < 0.5)
            at += length + rng.randint(0, 20)
