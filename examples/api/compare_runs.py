"""Whether a change helped: ``python compare_runs.py BEFORE.sqlite AFTER.sqlite``. Exit code 1 where it got slower."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import nsys_llm_explainer
from nsys_llm_explainer.comparison.value import Comparison

#: 0 where a change is inside the noise; without decode steps on both sides the condition fails.
CONDITION = "diff.steps.decode.period_p50_slower_share > 0"


def lines(comparison: Comparison) -> Iterator[str]:
    """Yields the verdict, whether it can be trusted, and the periods of each kind of step."""
    yield comparison.lead
    for reason in comparison.reasons:
        yield f"limit: {reason}"
    for row in comparison.tables["step_times"].rows():
        if row["metric"] == "period_p50":
            times = f"{row['before_ns'] / 1e6:.2f} -> {row['after_ns'] / 1e6:.2f} ms"
            yield f"{row['device']}  {row['kind']:8} {times}  {row['change_share']:+.1%}  {row['verdict']}"


def main(before: str, after: str) -> int:
    """Prints the comparison and returns the exit code."""
    comparison = nsys_llm_explainer.compare(before, after)
    print("\n".join(lines(comparison)))
    (result,) = nsys_llm_explainer.check(comparison, CONDITION)
    if not result.passed:
        print(f"FAILED {result.reason}")
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
