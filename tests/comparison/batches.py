"""Generated runs in which some decode steps work on larger batches, and take longer for it."""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from itertools import accumulate
from pathlib import Path

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.demo import DemoSpec, generate

SPEC = DemoSpec(decode_steps=60, prefill_every=12, layers=6, workers=1)
_KEPT = ("TARGET", "ENUM", "META", "StringIds")


def run(path: Path, every: int, *, seed: int, by: float = 0.4) -> Report:
    """Returns the report of a run of which every so many decode steps have 256 requests, and slower kernels."""
    generate(path, DemoSpec(**{**SPEC.__dict__, "seed": seed}))
    connection = sqlite3.connect(path)
    marks = "select rowid, start from NVTX_EVENTS where text like ? order by start"
    begins = [start for _, start in connection.execute(marks, ("execute_context%",))]
    kernels = sorted(connection.execute("select start, end from CUPTI_ACTIVITY_KIND_KERNEL"))
    longer: dict[int, int] = {}
    for row, start in connection.execute(marks, ("execute_context_0(%",)).fetchall()[::every]:
        after = bisect_right(begins, start)
        until = begins[after] if after < len(begins) else 1 << 62
        for begin, end in kernels[bisect_left(kernels, (start, 0)) : bisect_left(kernels, (until, 0))]:
            longer[end] = longer.get(end, 0) + int((end - begin) * by)
        text = "execute_context_0(0)_generation_256(256)"
        connection.execute("update NVTX_EVENTS set text = ? where rowid = ?", (text, row))
    moments = sorted(longer)
    shifts = [0, *accumulate(longer[moment] for moment in moments)]
    connection.create_function(
        "moved", 1, lambda value: value if value is None else value + shifts[bisect_right(moments, value)]
    )
    for (table,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
        columns = [row[1] for row in connection.execute(f"pragma table_info('{table}')")]
        for column in {"start", "end", "timestamp"} & set(columns) if not table.startswith(_KEPT) else ():
            connection.execute(f'update "{table}" set "{column}" = moved("{column}")')
    connection.commit()
    connection.close()
    return analyze(path)
