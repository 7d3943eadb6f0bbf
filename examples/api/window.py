"""The steady state alone: ``python window.py TRACE.sqlite`` leaves out the first and the last fifth of a trace."""

from __future__ import annotations

import sys

import nsys_llm_explainer

LEFT_OUT = 5


def describe(name: str, report: nsys_llm_explainer.Report) -> str:
    """Returns one line about a report."""
    start, end = report.window["start_ns"], report.window["end_ns"]
    idle = report.sections["gpu_idle"].summary["idle_share"]
    kernels = report.sections["kernels"].summary["kernels"]
    return f"{name:<12} {start / 1e9:9.6f} s to {end / 1e9:9.6f} s  idle {idle:6.1%}  {kernels:,} kernels"


def main(path: str) -> None:
    """Prints idle time of the whole trace and of its middle."""
    whole = nsys_llm_explainer.analyze(path)
    if whole.sections["kernels"].status != "ok":
        print("no kernels in this trace")
        return
    start, end = whole.window["start_ns"], whole.window["end_ns"]
    margin = (end - start) // LEFT_OUT
    middle = nsys_llm_explainer.analyze(path, window=(start + margin, end - margin))  # ns on the trace's clock
    print(describe("whole trace", whole))
    print(describe("its middle", middle))


if __name__ == "__main__":
    main(sys.argv[1])
