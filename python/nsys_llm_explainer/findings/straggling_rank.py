"""One rank comes late to the collectives, and the others wait for it.

What it means:
    A collective's kernel runs from the moment its own rank arrives until the last one has arrived and the data has
    moved. The part before the last arrival is waiting. One rank was the last for most of it.

Why it matters:
    The time shows as communication on the ranks that are in time, but its cause lies on the late one. A faster link
    would change nothing.

What to do:
    Look at the late rank: what its GPU did before it arrived is named (host code, a copy, more compute). Typical causes
    are work that only one rank does (sampling, detokenisation, logging, the scheduler in rank 0's process), a process
    on the wrong NUMA node, uneven batches or experts, a GPU at a lower clock.

How to verify:
    After a change late_spread_ns of that device falls, and wait_ns of the others with it. nvidia-smi -q -d CLOCK and
    numactl --show compare the ranks.

What would contradict it:
    Ranks that take turns in being late: then it is jitter, and no finding about one rank. Ranks on different hosts have
    clocks of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import Case, Row, key_of
from nsys_llm_explainer.findings.ledger import COMMUNICATION, COMPUTE, COPY, Claim
from nsys_llm_explainer.findings.rule import BY_SHARE, SHARES, Draft, Rule, Threshold
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "straggling_rank"
LATE_SHARE = 0.60
SHOWN_COLLECTIVES = 3

_DOING = {COMPUTE: "runs compute kernels", COMMUNICATION: "communicates", COPY: "copies"}
_RECOMMENDATIONS = (
    "Look at what the late rank does before the collectives named above, in its process and on its GPU.",
    (
        "Take work that only one rank does (sampling, detokenisation, logging, scheduling) off its launching thread, "
        "and pin each rank to the cores near its GPU."
    ),
    "Compare clocks and power limits of the GPUs (nvidia-smi -q -d CLOCK,POWER), and how evenly work is divided.",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields a finding where one rank is late in the clear majority of the waited time."""
    rows = case.rows("communication", "rank_waits")
    spread = sum(row["late_spread_ns"] for row in rows)
    if len(rows) < 2 or not spread:
        return
    late = max(rows, key=lambda row: row["late_spread_ns"])
    share = late["late_spread_ns"] / spread
    waiting = [row for row in rows if row is not late and row["wait_ns"]]
    longest = max((row["wait_ns"] for row in waiting), default=0)
    if share < LATE_SHARE or late["late_spread_ns"] < LATE_SHARE * longest:
        return
    claims = tuple(Claim(key_of(row), row["wait_ns"], (COMMUNICATION,)) for row in waiting)
    label = case.label(key_of(late))
    skew = [row for row in case.rows("communication", "rank_skew") if _late_key(row) == key_of(late)]
    cause = _cause(skew)
    waited = fmt.duration(sum(row["wait_ns"] for row in waiting))
    title = (
        f"{label} comes late to the collectives: others wait {waited} for "
        f"it, {fmt.percent(share)} of all waiting{'' if cause is None else f', while it {cause}'}"
    )
    evidence = (
        _late(label, late, share),
        *(_waits(case, row) for row in sorted(waiting, key=lambda row: -row["wait_ns"])[: gaps.SHOWN_DEVICES]),
        *map(_skew, skew[:SHOWN_COLLECTIVES]),
    )
    yield Draft(Finding(ID, "low", title, evidence, _RECOMMENDATIONS), claims, BY_SHARE)


def _late_key(row: Row) -> tuple[int | None, int | None]:
    return row["late_device_id"], row["late_gpu_id"]


def _cause(skew: list[Row]) -> str | None:
    """Returns what the late rank was in for most of the spread of the collectives that are listed."""
    by_cause: dict[str, int] = {}
    for row in skew:
        if row["late_cause"] is not None:
            by_cause[row["late_cause"]] = by_cause.get(row["late_cause"], 0) + row["spread_ns"]
    cause = max(by_cause, key=lambda bucket: (by_cause[bucket], bucket), default=None)
    return None if cause is None else _DOING.get(cause, "stands idle")


def _late(label: str, row: Row, share: float) -> Evidence:
    return Evidence(
        f"{label} was the last in {fmt.count(row['late'])} of {fmt.counted(row['collectives'], 'collective')}, by "
        f"{fmt.duration(row['late_spread_ns'])} together: {fmt.percent(share)} of all lateness over 10 us",
        "communication",
        "rank_waits",
        row,
    )


def _waits(case: Case, row: Row) -> Evidence:
    return Evidence(
        f"{case.label(key_of(row))} waited {fmt.duration(row['wait_ns'])} in "
        f"{fmt.counted(row['collectives'], 'collective')}; the transfers took {fmt.duration(row['transfer_ns'])}",
        "communication",
        "rank_waits",
        row,
    )


def _skew(row: Row) -> Evidence:
    late_cause = row["late_cause"]
    cause = "" if late_cause is None else f", while it {_DOING.get(late_cause, 'stands idle')}"
    return Evidence(
        f"{fmt.kernel_name(row['name'], gaps.LONGEST_NAME)}, occurrence {row['occurrence']}: late by "
        f"{fmt.duration(row['spread_ns'])}{cause}, {fmt.time_range(row['first_start_ns'], row['last_end_ns'])}",
        "communication",
        "rank_skew",
        row,
        (row["first_start_ns"], row["last_end_ns"]),
    )


RULE = Rule(
    ID,
    "Straggling rank",
    __doc__ or "",
    check,
    (
        Threshold(
            "LATE_SHARE",
            fmt.percent(LATE_SHARE),
            "of all lateness is one rank's, and of the waiting",
        ),
        *SHARES,
    ),
)
