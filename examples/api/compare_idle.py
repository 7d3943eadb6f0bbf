"""How idle the GPUs of several traces are, idlest first: ``python compare_idle.py A.sqlite B.sqlite ...``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nsys_llm_explainer


def devices(path: str) -> list[tuple[str, dict[str, Any]]]:
    """Returns the GPUs of a trace, none where no GPU work was captured."""
    section = nsys_llm_explainer.analyze(path, nvtx_kernel_map=False).sections["gpu_idle"]
    rows = section.tables["gpu_devices"].rows() if section.status == "ok" else []
    return [(Path(path).name, row) for row in rows]


def lines(paths: list[str]) -> Iterator[str]:
    """Yields one line per GPU. The analyses run side by side: they release the GIL."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = [device for of_trace in pool.map(devices, paths) for device in of_trace]
    yield f"{'idle':>7}  {'window':>10}  GPU  trace"
    for name, row in sorted(found, key=lambda device: -(device[1]["idle_share"] or 0)):
        share = "-" if row["idle_share"] is None else f"{row['idle_share']:.1%}"
        yield f"{share:>7}  {row['window_ns'] / 1e6:7.1f} ms  {row['device_id']!s:>3}  {name}"


if __name__ == "__main__":
    print("\n".join(lines(sys.argv[1:])))
