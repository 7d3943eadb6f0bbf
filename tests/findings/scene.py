"""Runs that the tests of the rules explain: a worker whose host and GPU have clocks of their own, and a healthy run."""

from __future__ import annotations

from typing import Optional

from tests.support.export import Export

US = 1_000
MS = 1_000_000
WORKERS = ((100, 0), (200, 1))
NAMES = tuple(f"void engine::part{number}<float>(float*)" for number in range(8))
LAUNCH = "cudaLaunchKernel_v7000"
DECODE = "execute_context_0(0)_generation_8(8)"


class Worker:
    """A worker that launches: its calls move the host's clock, what they launch runs in order on the GPU's."""

    def __init__(self, export: Export, *, pid: int = 100, device: int = 0, start: int = 10 * MS) -> None:
        self.export = export
        self.pid = pid
        self.device = device
        self.host = start
        self.gpu = start
        self.corr = 0

    def code(self, ns: int) -> None:
        """Run host code."""
        self.host += ns

    def catch_up(self) -> None:
        """Run host code until the GPU has nothing to do, as an engine that knows when its result is there."""
        self.host = max(self.host, self.gpu)

    def call(self, name: str, ns: int) -> int:
        """Make a call that launches nothing, or whose operation the caller adds; return its correlation id."""
        self.corr += 1
        self.export.call(name, self.host, self.host + ns, corr=self.corr, pid=self.pid)
        self.host += ns
        return self.corr

    def kernel(self, name: str = NAMES[0], ns: int = 500 * US, *, call_ns: int = 4 * US, call: str = LAUNCH) -> int:
        """Launch a kernel and return when it ends."""
        corr = self.call(call, call_ns)
        return self.run(name, ns, corr)

    def run(self, name: str, ns: int, corr: int, *, node: Optional[int] = None) -> int:
        """Let the GPU execute a kernel of a call that has been made."""
        start = max(self.gpu, self.host)
        self.gpu = start + ns
        ids = {"pid": self.pid, "device": self.device, "corr": corr}
        self.export.kernel(name, start, self.gpu, graph_node=node, graph_id=None if node is None else 1, **ids)
        return self.gpu

    def graph(self, kernels: int = 4, ns: int = 500 * US) -> int:
        """Launch a CUDA graph and return when it ends."""
        corr = self.call("cudaGraphLaunch_v10000", 10 * US)
        for number in range(kernels):
            self.run(NAMES[number % len(NAMES)], ns, corr, node=number + 1)
        return self.gpu

    def copy(self, ns: int, **columns: int) -> int:
        """Launch an asynchronous copy from host to device and return when it ends."""
        corr = self.call("cudaMemcpyAsync_v3020", 4 * US)
        start = max(self.gpu, self.host)
        self.gpu = start + ns
        self.export.memcpy(start, self.gpu, pid=self.pid, device=self.device, corr=corr, **columns)
        return self.gpu

    def sync(self, name: str = "cudaStreamSynchronize_v3020", *, tail: int = 0) -> None:
        """Wait in a blocking call until the GPU is done, and then for so long."""
        self.call(name, max(self.gpu - self.host, 0) + tail)

    def begin(self) -> int:
        """Return where a range begins, for ``end``."""
        return self.host - US

    def end(self, began: int, text: str = DECODE) -> None:
        """End a range."""
        self.host += US
        self.export.nvtx(text, began, self.host, pid=self.pid)


def decode(
    worker: Worker,
    steps: int = 20,
    *,
    between: int = 0,
    inside: int = 0,
    kernels: int = 4,
    kernel_ns: int = 500 * US,
    text: str = DECODE,
) -> None:
    """Adds decode steps: back to back, or with host code between or inside them for which the GPU waits."""
    for _ in range(steps):
        if between:
            worker.catch_up()
            worker.code(between)
        began = worker.begin()
        for number in range(kernels):
            if inside and number == 1:
                worker.catch_up()
                worker.code(inside)
            worker.kernel(NAMES[number % len(NAMES)], kernel_ns)
        worker.end(began, text)


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
        export.call(LAUNCH, called, called + 4 * US, corr=number + 1, pid=pid)
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
