"""The slowest step of a trace for ui.perfetto.dev: ``python perfetto_slowest_step.py TRACE.sqlite OUT.pftrace``.

Needs ``pip install 'nsys-llm-explainer[perfetto]'``.
"""

from __future__ import annotations

import sys

import nsys_llm_explainer

AROUND_NS = 2_000_000


def main(trace: str, out: str) -> None:
    """Exports the step with the longest span, with 2 ms before and after it."""
    report = nsys_llm_explainer.analyze(trace)
    section = report.sections["steps"]
    if section.status != "ok":
        print("no steps: " + " ".join(section.needs))
        return
    steps = section.tables["steps"].rows()
    slowest = max(steps, key=lambda step: step["end_ns"] - step["start_ns"])
    window = (slowest["start_ns"] - AROUND_NS, slowest["end_ns"] + AROUND_NS)
    written = nsys_llm_explainer.export_perfetto(trace, out, window=window)
    print(f"step {slowest['index']} ({slowest['kind']}): {sum(written.slices.values())} events in {written.path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
