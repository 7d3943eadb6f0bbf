"""A check for CI: ``python ci_check.py TRACE.sqlite --max-idle 0.2 --min-coverage 0.7``.

Exits with 1 and says why where a GPU is idle for too long, where NVTX ranges cover too little, or where there is a
finding of high severity. What was not captured counts as a failure too: a check that saw nothing has not passed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import nsys_llm_explainer


def failures(report: nsys_llm_explainer.Report, max_idle: float, min_coverage: float) -> Iterator[str]:
    """Yields every reason why the trace does not pass."""
    idle = report.sections["gpu_idle"]
    if idle.status != "ok":
        yield f"GPU idle time: {' '.join(idle.needs)}"
    elif idle.summary["idle_share"] is None or idle.summary["idle_share"] > max_idle:
        yield f"GPUs are idle for {idle.summary['idle_share']} of their windows, allowed is {max_idle}"
    nvtx = report.sections["nvtx"]
    coverage = nvtx.summary["coverage"] if nvtx.status == "ok" else None
    if coverage is None or coverage < min_coverage:
        yield f"NVTX ranges cover {coverage} of the kernel time, wanted is {min_coverage}"
    for finding in report.findings:
        if finding.severity == "high":
            yield f"finding {finding.id}: {finding.title}"


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace")
    parser.add_argument("--max-idle", type=float, default=0.2, help="largest share of idle time (default: 0.2)")
    parser.add_argument("--min-coverage", type=float, default=0.7, help="least NVTX coverage (default: 0.7)")
    options = parser.parse_args()
    try:
        report = nsys_llm_explainer.analyze(options.trace)
    except (nsys_llm_explainer.NsysError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    reasons = list(failures(report, options.max_idle, options.min_coverage))
    for reason in reasons:
        print(f"FAILED {reason}")
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
