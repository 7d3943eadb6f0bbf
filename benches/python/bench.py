"""End-to-end bench: the whole report beside what reading the file costs at least.

::

    bench.py --size 100MB --size 1GB            # generates the exports in a temporary folder
    bench.py --trace trace.sqlite --repeat 3    # an export that is there

Rows per export, each in a process of its own:

* ``report``: ``nsys-llm-explain FILE --out DIR --quiet`` from process start to exit, by row source and threads.
* ``sqlite step``: one connection steps the columns that the report needs of KERNEL, RUNTIME and NVTX_EVENTS (in Rust,
  so that no object per row is made) and analyses nothing.
* ``page decode``: the same columns from the pages, and nothing else.
* ``raw read``: the bytes of the file, once, in blocks of 1 MB.

Wall time is measured here, CPU and peak memory are the kernel's account of the process (``os.wait4``). The page cache
is warm: every file is read once before. The median of the runs is printed.
"""

from __future__ import annotations

import argparse
import itertools
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

#: Tables whose rows are counted.
COUNTED = ("CUPTI_ACTIVITY_KIND_KERNEL", "CUPTI_ACTIVITY_KIND_RUNTIME", "NVTX_EVENTS")
ROOT = Path(__file__).resolve().parents[2]
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


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
    rows = sum(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in COUNTED if name in present)
    connection.close()
    return int(rows)


def measure(command: Sequence[str]) -> Cost:
    """Run a command to its end and return what it took.

    Raises:
        SystemExit: It failed.
    """
    # An installed package has its modules compiled; what keeps Python from storing them here would be measured instead.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"exit {process.returncode}: {' '.join(command)}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit)


def median(command: Callable[[], Sequence[str]], repeat: int) -> Cost:
    """Return the run of median wall time."""
    runs = sorted((measure(command()) for _ in range(repeat)), key=lambda cost: cost.wall_s)
    return runs[(len(runs) - 1) // 2]


def show(path: Path, name: str, cost: Cost, rows: int) -> None:
    """Print one row of the table."""
    megabytes = path.stat().st_size / 1e6
    print(
        f"{path.name:<24} {name:<26} {cost.wall_s:>8.3f} {cost.cpu_s:>8.3f} {cost.peak_bytes / 1e6:>9.1f} "
        f"{rows / cost.wall_s / 1e6:>9.2f} {megabytes / cost.wall_s:>9.1f}",
        flush=True,
    )


def bench(path: Path, repeat: int, scratch: Path, executable: Path, reader: Path) -> None:
    """Measure one export and print its rows."""
    read(path)
    rows = count_rows(path)
    counter = itertools.count()

    def report(source: str, threads: int) -> Callable[[], Sequence[str]]:
        def command() -> Sequence[str]:
            out = str(scratch / f"out-{path.stem}-{next(counter)}")
            options = ["--source", source, "--threads", str(threads)]
            return [str(executable), str(path), "--out", out, "--quiet", *options]

        return command

    for source, threads in (("auto", 2), ("auto", 1), ("sqlite", 2), ("sqlite", 1)):
        show(path, f"report, {source}, {threads} thr.", median(report(source, threads), repeat), rows)
    plain = {
        "sqlite step, 1 thr.": [str(reader), "step", str(path)],
        "page decode, 1 thr.": [str(reader), "decode", str(path), "1"],
        "page decode, 2 thr.": [str(reader), "decode", str(path), "2"],
        "raw read": [sys.executable, __file__, "--part", "read", str(path)],
    }
    for name, command in plain.items():
        show(path, name, median(lambda command=command: command, repeat), rows)


def built_reader() -> Path:
    """Build the program that reads without analysing, and return where it is."""
    subprocess.run(["cargo", "build", "--quiet", "--release", "-p", "nsys-explain-benches"], cwd=ROOT, check=True)
    return ROOT / "target" / "release" / "nsys-explain-benches"


def main() -> None:
    """Parse the arguments and bench every export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--size", type=size, action="append", default=[], help="generate an export of this size, e.g. 1GB"
    )
    parser.add_argument("--trace", type=Path, action="append", default=[], help="an export that is there")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the median is printed")
    parser.add_argument("--part", nargs=2, metavar=("PART", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        read(Path(arguments.part[1]))
        return
    executable = Path(sys.executable).parent / "nsys-llm-explain"
    reader = built_reader()
    with tempfile.TemporaryDirectory(prefix="nsys-llm-explainer-bench-") as folder:
        scratch = Path(folder)
        traces = list(arguments.trace)
        sizes = arguments.size or ([] if traces else [size("20MB"), size("100MB")])
        traces += [generate(scratch / f"generated-{s // 10**6}MB.sqlite", spec_for_bytes(s)) for s in sizes]
        print(f"{'export':<24} {'what':<26} {'wall s':>8} {'CPU s':>8} {'peak MB':>9} {'Mrows/s':>9} {'MB/s':>9}")
        for trace in traces:
            bench(trace, max(1, arguments.repeat), scratch, executable, reader)


if __name__ == "__main__":
    main()
