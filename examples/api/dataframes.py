"""Tables in polars and DuckDB, through the Arrow stream that they offer: ``python dataframes.py TRACE.sqlite``.

Needs ``pip install polars duckdb``. pandas and pyarrow take the same tables: ``pyarrow.table(table)``.
"""

from __future__ import annotations

import sys

import duckdb
import polars as pl

import nsys_llm_explainer

BY_FAMILY = """
    SELECT coalesce(nullif(regexp_extract(kernel_name, 'nvjet|gemm|flash|nccl|cross_device|norm|rotary'), ''), 'other')
               AS family,
           sum(calls)::BIGINT AS calls,
           round(sum(total_ns) / 1e6, 3) AS total_ms
    FROM kernels GROUP BY family ORDER BY total_ms DESC
"""


def main(path: str) -> None:
    """Prints idle time by length of the gap with polars, and kernel time by family with DuckDB."""
    report = nsys_llm_explainer.analyze(path)

    gaps = pl.DataFrame(report.sections["gpu_idle"].tables["gap_sizes"])
    print(gaps.group_by("bucket").agg(pl.sum("gaps", "total_ns")).sort("total_ns", descending=True))

    with duckdb.connect() as connection:
        connection.register("kernels", report.sections["kernels"].tables["kernels"])
        print(connection.sql(BY_FAMILY))


if __name__ == "__main__":
    main(sys.argv[1])
