"""End-to-end bench: the whole report beside what reading the file costs at least.

::

    bench.py --size 100MB --size 1GB            # generates the exports in a temporary folder
    bench.py --trace trace.sqlite --repeat 3    # an export that is there

Three rows per export:

* ``report``: ``nsys-llm-explain FILE --out DIR --quiet`` as a process of its own, from start to exit.
* ``sqlite scan``: one connection sums the needed columns of KERNEL, RUNTIME and NVTX_EVENTS *inside* SQLite (``SELECT
  sum(start), …``), so no object per row is made in Python; it reads every row and analyses nothing. The criterion
  benches step rows from Rust instead.
* ``raw read``: the bytes of the file, once, in blocks of 1 MB.

Each runs in a process of its own; wall time is measured here, CPU and peak memory are the kernel's account of that
process (``os.wait4``). The page cache is warm: every file is read once before the first measurement.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from make_export import size

from nsys_llm_explainer.demo import generate, spec_for_bytes

_KERNEL = "CUPTI_ACTIVITY_KIND_KERNEL"
_RUNTIME = "CUPTI_ACTIVITY_KIND_RUNTIME"
#: Tables and columns that the sections need, for the plain scan.
NEEDED = {
    _KERNEL: ("start", "end", "deviceId", "globalPid", "correlationId", "demangledName", "graphNodeId"),
    _RUNTIME: ("start", "end", "globalTid", "correlationId", "nameId"),
    "NVTX_EVENTS": ("start", "end", "eventType", "globalTid", "endGlobalTid", "textId", "domainId"),
}
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def scan(path: Path) -> None:
    """Read the needed columns of every row, without leaving SQLite."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    for table, wanted in NEEDED.items():
        present = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
        sums = [f"total({column})" for column in wanted if column in present]
        if table == "NVTX_EVENTS" and "text" in present:
            sums.append("total(length(text))")
        if sums:
            connection.execute(f"SELECT {', '.join(sums)} FROM {table}").fetchone()
    connection.close()


def read(path: Path) -> None:
    """Read the bytes of a file."""
    buffer = bytearray(_BLOCK)
    with path.open("rb", buffering=0) as stream:
        while stream.readinto(buffer):
            pass


def count_rows(path: Path) -> int:
    """Return how many rows the scanned tables hold."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    present = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    rows = sum(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in NEEDED if name in present)
    connection.close()
    return int(rows)


def measure(command: Sequence[str]) -> Cost:
    """Run a command to its end and return what it took.

    Raises:
        SystemExit: It failed.
    """
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"exit {process.returncode}: {' '.join(command)}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


def best(command: Callable[[], Sequence[str]], repeat: int) -> Cost:
    """Return the fastest of some runs."""
    return min((measure(command()) for _ in range(repeat)), key=lambda cost: cost.wall_s)


def repeat_of(command: Sequence[str]) -> Callable[[], Sequence[str]]:
    """Return what gives the same command for every run."""
    return lambda: command


def show(path: Path, name: str, cost: Cost, rows: int) -> None:
    """Print one row of the table."""
    megabytes = path.stat().st_size / 1e6
    print(
        f"{path.name:<24} {name:<12} {cost.wall_s:>8.3f} {cost.cpu_s:>8.3f} {cost.peak_bytes / 1e6:>9.1f} "
        f"{rows / cost.wall_s / 1e6:>9.2f} {megabytes / cost.wall_s:>9.1f}"
    )


def bench(path: Path, repeat: int, scratch: Path, executable: Path | None) -> None:
    """Measure one export and print its rows."""
    read(path)
    rows = count_rows(path)
    if executable is None:
        print(f"{path.name:<24} report       no nsys-llm-explain beside {sys.executable}")
    else:
        counter = iter(range(repeat))

        def report() -> Sequence[str]:
            out = scratch / f"out-{path.stem}-{next(counter)}"
            return [str(executable), str(path), "--out", str(out), "--quiet"]

        show(path, "report", best(report, repeat), rows)
    for name, part in (("sqlite scan", "scan"), ("raw read", "read")):
        show(path, name, best(repeat_of([sys.executable, __file__, "--part", part, str(path)]), repeat), rows)


def main() -> None:
    """Parse the arguments and bench every export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--size", type=size, action="append", default=[], help="generate an export of this size, e.g. 1GB"
    )
    parser.add_argument("--trace", type=Path, action="append", default=[], help="an export that is there")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the fastest is printed")
    parser.add_argument("--part", nargs=2, metavar=("PART", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        {"scan": scan, "read": read}[arguments.part[0]](Path(arguments.part[1]))
        return
    found = Path(sys.executable).parent / "nsys-llm-explain"
    with tempfile.TemporaryDirectory(prefix="nsys-llm-explainer-bench-") as folder:
        scratch = Path(folder)
        traces = list(arguments.trace)
        sizes = arguments.size or ([] if traces else [size("20MB"), size("100MB")])
        traces += [generate(scratch / f"generated-{s // 10**6}MB.sqlite", spec_for_bytes(s)) for s in sizes]
        print(f"{'export':<24} {'what':<12} {'wall s':>8} {'CPU s':>8} {'peak MB':>9} {'Mrows/s':>9} {'MB/s':>9}")
        for trace in traces:
            bench(trace, max(1, arguments.repeat), scratch, found if found.exists() else None)


if __name__ == "__main__":
    main()
