"""SQL over raw events with DuckDB: ``python stream_duckdb.py TRACE.sqlite``.

Needs ``pip install duckdb pyarrow``. The two tables are read once, and DuckDB takes them batch by batch.
"""

from __future__ import annotations

import sys

import duckdb

import nsys_llm_explainer

LATE = """
    SELECT api_calls.api_name, kernels.stream_id, count(*) AS kernels,
           round(median(kernels.start_ns - api_calls.end_ns) / 1e3, 1) AS wait_us_p50,
           round(quantile_cont(kernels.start_ns - api_calls.end_ns, 0.99) / 1e3, 1) AS wait_us_p99
    FROM kernels JOIN api_calls USING (call_id)
    GROUP BY ALL ORDER BY wait_us_p99 DESC, kernels DESC LIMIT 10
"""


def main(path: str) -> None:
    """Prints by call and stream how long kernels waited after the call that launched them."""
    trace = nsys_llm_explainer.open_trace(path)
    streams = trace.read_streams(
        {"kernels": ["start_ns", "stream_id", "call_id"], "api_calls": ["api_name", "end_ns", "call_id"]}
    )
    with duckdb.connect() as connection:
        for name, stream in streams.items():
            connection.register(name, stream)
        print(connection.sql(LATE))


if __name__ == "__main__":
    main(sys.argv[1])
