"""How the figures of a comparison came about, and how far they reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nsys_llm_explainer.comparison.noise import MIN_STEPS, TAIL_FACTOR
from nsys_llm_explainer.comparison.sides import Reading
from nsys_llm_explainer.comparison.value import DiffTable
from nsys_llm_explainer.render import format as fmt


def notes(before: Reading, after: Reading, tables: Mapping[str, DiffTable], floor: float) -> tuple[str, ...]:
    """Returns what a reader has to know about the figures."""
    return tuple(_notes(before, after, tables, floor))


def _notes(before: Reading, after: Reading, tables: Mapping[str, DiffTable], floor: float) -> Iterator[str]:
    yield (
        "A comparison shows what changed between two runs, not why: anything else that differed between them (clocks, "
        "power, temperature, neighbours, load) changed with it. None of these is in an export. Repeat both runs before "
        "you trust a small change."
    )
    if tables["step_times"].held:
        yield from _of_steps(before, after, tables, floor)
    else:
        yield (
            "No steps are compared: figures are shares of each window and means per kernel call, so that windows of "
            "different lengths compare. One window a side: the only noise that is known is how much a share moves "
            "along its own trace."
        )
    yield (
        f"Shares of a window, and parts of a step, are called from {fmt.percent(floor)} of the window or step on, and "
        "beyond the noise that the twentieths of each trace tell (99 % for all buckets of all GPUs together). Kernels "
        "are called from 10 % per call and 0.3 points of the window on, where the spread of their calls (99 % for all "
        "kernels together) allows it."
    )


def _of_steps(before: Reading, after: Reading, tables: Mapping[str, DiffTable], floor: float) -> Iterator[str]:
    times = tables["step_times"].held
    if all(reading.has_steady for reading in (before, after)):
        yield (
            "Steps of the steady window are compared; warm-up, pauses and draining are left out, and the last step of "
            "a worker has no period."
        )
    else:
        yield "There is no steady window on both sides: all steps are compared, warm-up included."
    yield (
        f"Intervals hold 99 % of {fmt.count(max(row['resamples'] for row in times))} block resamples (stretches of "
        f"consecutive steps, since steps are not independent). Changes of p50 below {fmt.percent(floor)} and of p90 "
        f"below {fmt.percent(floor * TAIL_FACTOR)} are not called any, as two runs of the same thing may differ by as "
        f"much; nor are those of fewer than {MIN_STEPS} steps."
    )
    unmatched = [row for row in tables["step_shapes"].held if not row["matched"]]
    if unmatched:
        counts = [sum(row[f"{side}_steps"] for row in unmatched) for side in ("before", "after")]
        yield (
            f"Batch shapes of one side only are not compared: {fmt.counted(counts[0], 'step')} before, "
            f"{fmt.counted(counts[1], 'step')} after; the table step_shapes lists them."
        )
    if any("unknown" in row["shape"] for row in tables["step_shapes"].held):
        yield "No marker tells the batch shapes: another mix of batches looks like a change of speed."
    for side, reading in (("BEFORE", before), ("AFTER", after)):
        total = reading.case.summary("steps").get("steps") or 0
        held = len(reading.case.rows("steps", "steps"))
        if held < total:
            yield f"{side}: the first {fmt.count(held)} of {fmt.count(total)} steps are compared, as many as are kept."
