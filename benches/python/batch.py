"""A job over many traces, beside the same traces one after the other.

::

    batch.py --traces 40 --size 50MB          # generates the exports in a temporary folder

Rows, each over all traces and with the same formats:

* ``one after the other``: ``nsys-llm-explain TRACE --out DIR --quiet`` for each, with its own default of threads.
* ``batch``: ``nsys-llm-explain batch`` with one worker per CPU.
* ``batch --resume``: the same again, when all is done.
* ``batch --dask``: a scheduler and two worker processes on this machine that are up already.

Wall time is from start to exit of the commands. ``workers MB`` is the largest sum of the resident memory of the worker
processes seen while the job ran (sampled every 20 ms), beside it the bound: the sum of the largest estimates that may
run side by side; Dask's workers hold Dask besides and keep to limits of their own. Every file is read once before, so
that the page cache is warm.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from bench import read
from distributed import Client
from make_export import size

from nsys_llm_explainer.demo import generate, spec_for_bytes
from nsys_llm_explainer.fleet.memory import estimate

COMMAND = [sys.executable, "-m", "nsys_llm_explainer"]
FORMATS = "md,json,csv"
_SAMPLE_S = 0.02


class Watch:
    """Samples what the processes below this one hold, those named aside."""

    def __init__(self, pids: Callable[[], list[psutil.Process]]) -> None:
        self._pids = pids
        self._stop = threading.Event()
        self.peak_bytes = 0
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watch:  # noqa: PYI034 - Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            total = 0
            for process in self._pids():
                with contextlib.suppress(psutil.Error):
                    total += process.memory_info().rss
            self.peak_bytes = max(self.peak_bytes, total)


def run(command: list[str], processes: Callable[[psutil.Process], list[psutil.Process]]) -> tuple[float, int]:
    """Run a command to its end; return its wall time and the peak of the processes that do the work."""
    begin = time.perf_counter()
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    itself = psutil.Process(started.pid)

    def working() -> list[psutil.Process]:
        try:
            return processes(itself)
        except psutil.Error:
            return []

    with Watch(working) as watch:
        code = started.wait()
    wall = time.perf_counter() - begin
    if code:
        raise SystemExit(f"exit {code}: {' '.join(command)}")
    return wall, watch.peak_bytes


def one_after_the_other(traces: list[Path], out: Path) -> tuple[float, int]:
    """Explain each trace with a command of its own."""
    wall, peak = 0.0, 0
    for trace in traces:
        options = ["--out", str(out / trace.stem), "--quiet", "--format", FORMATS]
        took, held = run([*COMMAND, str(trace), *options], lambda itself: [itself])
        wall, peak = wall + took, max(peak, held)
    return wall, peak


@contextlib.contextmanager
def cluster(scratch: Path, workers: int) -> Iterator[tuple[str, list[psutil.Process]]]:
    """Start a Dask scheduler and workers of one thread each on this machine."""
    file = scratch / "scheduler.json"
    module = [sys.executable, "-m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    place = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    started = [subprocess.Popen([*module, "distributed.cli.dask_scheduler", *place], **quiet)]
    try:
        for number in range(workers):
            options = ["--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
            own = ["--local-directory", str(scratch / f"worker-{number}"), "--host", "127.0.0.1"]
            started.append(subprocess.Popen([*module, "distributed.cli.dask_worker", *options, *own], **quiet))
        while not file.exists():
            time.sleep(0.05)
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
            # The package is loaded once by each worker, as by the workers of a cluster that has been up for a while.
            client.run(__import__, "nsys_llm_explainer.fleet.work.task")
            address = str(client.scheduler.address)
        yield address, [psutil.Process(process.pid) for process in started[1:]]
    finally:
        for process in reversed(started):
            process.kill()
        for process in started:
            process.wait()


def show(name: str, cost: tuple[float, int, int], traces: list[Path], first: float) -> None:
    """Print one row of the table."""
    wall, peak, bound = cost
    most = f"{bound / 1e6:.0f}" if bound else "-"
    total = sum(trace.stat().st_size for trace in traces) / 1e6
    print(
        f"{name:<24} {wall:>8.2f} {wall / len(traces):>8.3f} {total / wall:>8.1f} {first / wall:>7.2f} "
        f"{peak / 1e6:>11.0f} {most:>9}",
        flush=True,
    )


def main() -> None:
    """Parse the arguments, make the traces, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=40)
    parser.add_argument("--size", type=size, default=size("50MB"), help="of each export, e.g. 50MB")
    parser.add_argument("--jobs", type=int, default=psutil.cpu_count() or 1)
    parser.add_argument("--repeat", type=int, default=1, help="runs of each in turn; the fastest of each is printed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nsys-llm-explainer-bench-") as folder:
        scratch = Path(folder)
        traces = []
        (scratch / "traces").mkdir()
        for number in range(arguments.traces):
            spec = spec_for_bytes(arguments.size, seed=number)
            traces.append(generate(scratch / "traces" / f"run{number}.sqlite", spec))
            read(traces[-1])
        jobs = ["--jobs", str(arguments.jobs)]
        batch = [*COMMAND, "batch", str(scratch / "traces"), "--quiet", "--format", FORMATS]
        largest = sorted((estimate(str(trace), trace.stat().st_size, ("md",)) for trace in traces), reverse=True)
        bound = sum(largest[: arguments.jobs])
        best: dict[str, tuple[float, int, int]] = {}

        def take(name: str, took: tuple[float, int], most: int) -> None:
            if name not in best or took[0] < best[name][0]:
                best[name] = (*took, most)

        def children(itself: psutil.Process) -> list[psutil.Process]:
            return list(itself.children())

        with cluster(scratch, arguments.jobs) as (address, workers):
            for turn in range(arguments.repeat):
                take("one after the other", one_after_the_other(traces, scratch / f"single{turn}"), largest[0])
                out = ["--out", str(scratch / f"batch{turn}")]
                take("batch", run([*batch, *jobs, *out], children), bound)
                take("batch --resume", run([*batch, *jobs, *out, "--resume"], children), bound)
                out = ["--out", str(scratch / f"dask{turn}"), "--dask", address]
                take("batch --dask", run([*batch, *out], lambda _: workers), 0)
        first = best["one after the other"][0]
        print(f"{len(traces)} exports of {traces[0].stat().st_size / 1e6:.0f} MB, {arguments.jobs} workers")
        heads = ("wall s", "s/trace", "MB/s", "faster", "workers MB", "bound MB")
        print(f"{'what':<24} {heads[0]:>8} {heads[1]:>8} {heads[2]:>8} {heads[3]:>7} {heads[4]:>11} {heads[5]:>9}")
        for name, cost in best.items():
            show(name, cost, traces, first)


if __name__ == "__main__":
    main()
