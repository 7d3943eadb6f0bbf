"""Explain all traces of a folder and say which stand out: ``python fleet.py TRACES OUT``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import nsys_llm_explainer


def lines(traces: str, out: str) -> Iterator[str]:
    """Yields what stands out, what failed, and the idlest GPUs. A second run makes only what changed."""
    fleet = nsys_llm_explainer.batch(traces, out, resume=True)
    for row in fleet.outliers:
        yield f"{row['trace']}: {row['metric']} is {row['value_text']}, the median {row['median_text']}"
    for trace in fleet.failed:
        yield f"{trace.name} failed: {trace.error}"
    known = [row for row in fleet.devices if row["idle_share"] is not None]
    for row in sorted(known, key=lambda row: -row["idle_share"])[:3]:
        yield f"{row['idle_share']:6.1%} idle, mostly {row['main_idle_cause']}: {row['trace']}, GPU {row['device_id']}"
    yield f"{len(fleet.traces)} traces, reports in {out}"


if __name__ == "__main__":
    print("\n".join(lines(*sys.argv[1:])))
