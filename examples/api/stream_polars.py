"""Every kernel in polars, with its step and the idle gap before it: ``python stream_polars.py TRACE.sqlite``.

Needs ``pip install polars``. docs/streams.md has all tables and columns.
"""

from __future__ import annotations

import sys

import polars as pl

import nsys_llm_explainer


def main(path: str) -> None:
    """Prints kernel time by kind of step and category, and the kernels that most idle time stands before."""
    trace = nsys_llm_explainer.open_trace(path)
    columns = ["kernel_name", "duration_ns", "category", "step_kind", "gap_before_ns", "gap_cause"]
    kernels = pl.DataFrame(trace.stream("kernels", columns))

    by_kind = kernels.group_by("step_kind", "category").agg(pl.len().alias("kernels"), pl.sum("duration_ns"))
    print(by_kind.sort("duration_ns", descending=True).head(8))

    waited_for = kernels.filter(pl.col("gap_before_ns") > 0).group_by("kernel_name", "gap_cause")
    waits = waited_for.agg(pl.len().alias("gaps"), pl.sum("gap_before_ns"))
    print(waits.sort("gap_before_ns", descending=True).head(8))


if __name__ == "__main__":
    main(sys.argv[1])
