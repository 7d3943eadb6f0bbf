"""What the outputs share: the blocks in which tables stand, and the words around them."""

from __future__ import annotations

from nsys_llm_explainer.comparison.value import COMPARABLE, LIMITED, Comparison

CAVEAT = (
    "This says what changed between two runs, not why: whatever else differed between them is in the figures too. "
    "A floor and an interval stand beside each change that is called one."
)
BLOCKS = (
    ("times", "Steps", ("step_times", "step_shapes", "throughput", "period_histogram")),
    ("budget", "Time budget", ("devices", "device_budget", "idle_places", "idle_origins")),
    ("step", "Inside a step", ("step_buckets", "step_categories", "step_launches")),
    ("work", "Kernels, copies, allocations, communication", ("kernels", "amounts")),
    ("findings", "Findings", ("findings",)),
)
"""Id, title and tables of each block, in the order of the outputs; the differences stand before them."""


def status_words(comparison: Comparison) -> str:
    """Returns whether the two can be compared, for people."""
    if comparison.status == COMPARABLE:
        return "Yes: nothing was found that speaks against it."
    if comparison.status == LIMITED:
        allowed = " Differences that stand in the way were let pass." if comparison.allow_different else ""
        return f"With limits: some figures are not comparable, or less sure.{allowed}"
    return "No. The figures of both sides stand below, and no change is called."


def no_changes(comparison: Comparison) -> str:
    """Returns what stands where no change is called."""
    if comparison.status in (COMPARABLE, LIMITED):
        return "Nothing beyond the noise and the floors."
    return "Nothing is called a change, since the two cannot be compared."
