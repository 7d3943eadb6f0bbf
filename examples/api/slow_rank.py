"""Which rank of a job the others wait for: ``python slow_rank.py NODE0.sqlite NODE1.sqlite ...``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import nsys_llm_explainer


def lines(paths: list[str]) -> Iterator[str]:
    """Yields how well the clocks are aligned, who is late, and every rank's wait."""
    report = nsys_llm_explainer.ranks(paths)
    yield report.headline
    for pair in report.pairs:
        names = f"{report.files[pair.first].name} - {report.files[pair.second].name}"
        residual = "" if pair.fit is None else f", residual p90 {pair.fit.residual_p90_ns / 1e3:.1f} us"
        yield f"  {names}: {pair.status}, confidence {pair.confidence}{residual}"
    for verdict in report.verdicts:
        yield verdict.text
    for rank in report.ranks:
        if rank.waits is not None:
            own, others = rank.waits.wait_ns / 1e6, rank.waits.caused_wait_ns / 1e6
            yield f"  {rank.name}: waits {own:.1f} ms, others wait {others:.1f} ms for it"


def main() -> int:
    """Returns the exit code."""
    if len(sys.argv) < 3:
        print(f"usage: {__doc__}", file=sys.stderr)
        return 2
    print("\n".join(lines(sys.argv[1:])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
