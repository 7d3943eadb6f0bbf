"""Write a generated vLLM-like export of a given size: ``make_export.py --size 1GB --out trace.sqlite``."""

from __future__ import annotations

import argparse
import re
import sqlite3
import time
from pathlib import Path

from nsys_llm_explainer.demo import generate, spec_for_bytes

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


def size(text: str) -> int:
    """Return the number of bytes in a text such as ``100MB`` or ``1.5GB``."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 100MB or 1GB")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def row_counts(path: Path) -> dict[str, int]:
    """Return the rows of the event tables of an export."""
    names = ("KERNEL", "RUNTIME", "MEMCPY", "MEMSET", "SYNCHRONIZATION", "GRAPH_TRACE")
    tables = (*(f"CUPTI_ACTIVITY_KIND_{name}" for name in names), "NVTX_EVENTS", "OSRT_API")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        present = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        # rowids run from 1 to n, so the largest is the count
        return {
            name: int(connection.execute(f"SELECT max(rowid) FROM {name}").fetchone()[0] or 0)
            for name in tables
            if name in present
        }
    finally:
        connection.close()


def main() -> None:
    """Parse the arguments, write the export, say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=size, required=True, help="about how large the file shall be, e.g. 100MB or 1GB")
    parser.add_argument("--out", type=Path, required=True, help="where the export goes")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    begin = time.perf_counter()
    path = generate(arguments.out, spec_for_bytes(arguments.size, seed=arguments.seed))
    seconds = time.perf_counter() - begin
    for table, rows in row_counts(path).items():
        print(f"{table:<40} {rows:>12,} rows")
    print(f"{path}: {path.stat().st_size:,} bytes in {seconds:.1f} s")


if __name__ == "__main__":
    main()
