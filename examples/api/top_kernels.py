"""The kernels that take the most time, over all GPUs: ``python top_kernels.py TRACE.sqlite``."""

from __future__ import annotations

import sys
from collections import defaultdict

import nsys_llm_explainer

SHOWN = 10


def main(path: str) -> None:
    """Prints total time, calls and share of each of the longest kernels."""
    report = nsys_llm_explainer.analyze(path)
    kernels = report.sections["kernels"]
    if kernels.status != "ok":
        print("no kernels:", " ".join(kernels.needs))
        return
    total_ns: dict[str, int] = defaultdict(int)
    calls: dict[str, int] = defaultdict(int)
    for row in kernels.tables["kernels"].rows():  # one row per kernel and device
        total_ns[row["kernel_name"]] += row["total_ns"]
        calls[row["kernel_name"]] += row["calls"]
    everything = kernels.summary["total_ns"]
    for name in sorted(total_ns, key=lambda name: -total_ns[name])[:SHOWN]:
        share = total_ns[name] / everything
        print(f"{total_ns[name] / 1e6:10.3f} ms  {share:6.1%}  {calls[name]:7,} calls  {name[:80]}")


if __name__ == "__main__":
    main(sys.argv[1])
