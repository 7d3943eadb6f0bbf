"""The tables of a finished report on ranks, from its values."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nsys_llm_explainer.job.alignment import Pair, drift_ppm
from nsys_llm_explainer.job.explained import median_period, median_share
from nsys_llm_explainer.job.skew import SHOWN, Skew
from nsys_llm_explainer.job.tables import Column, RankTable, table
from nsys_llm_explainer.job.value import JobFile, Rank
from nsys_llm_explainer.render.figures.palette import BUCKETS
from nsys_llm_explainer.sections.view import Kind

_FILES = (
    Column("file", Kind.LABEL, "Name of the file.", "file"),
    Column("group", Kind.ID, "Files of one group share a clock, that of the first of them.", "group"),
    Column("ranks", Kind.COUNT, "Devices of the file.", "ranks"),
    Column("collectives", Kind.COUNT, "Executions of collectives in the file.", "collectives"),
    Column("offset_ns", Kind.TEXT, "What the file's clock shows more than the group's, at its first collective."),
    Column("offset", Kind.TEXT, "The same for people.", "clock ahead by"),
    Column(
        "drift_ppm", Kind.NUMBER, "How much faster its clock runs; null where that is within the scatter.", "drift_ppm"
    ),
    Column(
        "uncertainty_ns",
        Kind.US,
        "Residuals (p90) of the pairs on the way to the group's clock, summed.",
        "uncertainty_us",
    ),
    Column(
        "confidence", Kind.TEXT, "high, medium or low; reference for the file whose clock it is; none.", "confidence"
    ),
    Column("note", Kind.TEXT, "What limits it.", "note"),
    Column("path", Kind.LABEL, "Path as it was given."),
)
_PAIRS = (
    Column("first", Kind.LABEL, "Name of one file.", "first"),
    Column("second", Kind.LABEL, "Name of the other file.", "second"),
    Column("status", Kind.TEXT, "aligned, ambiguous (by the likeliest of several shifts) or refused.", "status"),
    Column("confidence", Kind.TEXT, "high, medium, low or none.", "confidence"),
    Column("matched", Kind.COUNT, "Pairs of executions that end together.", "matched"),
    Column("compared", Kind.COUNT, "Executions of the sparser file in the time that both recorded.", "compared"),
    Column("residual_p50_ns", Kind.US, "Median distance of the ends from the fitted line.", "residual_p50_us"),
    Column("residual_p90_ns", Kind.US, "90th percentile of it.", "residual_p90_us"),
    Column("residual_max_ns", Kind.US, "Largest of it.", "residual_max_us"),
    Column("drift_ppm", Kind.NUMBER, "How much faster the second clock runs.", "drift_ppm"),
    Column(
        "runner_up",
        Kind.NUMBER,
        "Scatter of the next best shift over that of this one; null without another.",
        "runner_up",
    ),
    Column(
        "wall_clock_off_ns", Kind.MS, "How far the hosts' wall clocks differ from this alignment.", "wall_clock_off_ms"
    ),
    Column("used", Kind.FLAG, "Whether the common clock rests on this pair.", "used"),
    Column("reason", Kind.TEXT, "Why the confidence is not high.", "reason"),
    Column("kernel_name", Kind.NAME, "The kernels that were matched."),
)
_RANKS = (
    Column("rank", Kind.ID, "Number in this report, not the one that the job gave it.", "rank"),
    Column("name", Kind.LABEL, "File and device.", "name"),
    Column("group", Kind.ID, "Its file's group.", "group"),
    Column("device_id", Kind.ID, "CUDA ordinal."),
    Column("gpu_id", Kind.ID, "Physical id."),
    Column("collectives", Kind.COUNT, "Collectives that another rank took part in as well.", "collectives"),
    Column("wait_ns", Kind.MS, "From its own start to the last rank's, summed.", "wait_ms"),
    Column("late", Kind.COUNT, "How often it was the last, by more than the threshold.", "late"),
    Column("late_spread_ns", Kind.MS, "From the first start to its own in those, summed.", "late_spread_ms"),
    Column("alone_ns", Kind.MS, "From the second last start to its own in those, summed.", "alone_ms"),
    Column("caused_wait_ns", Kind.MS, "What the other ranks waited for it in those, summed.", "caused_wait_ms"),
    Column("lateness_share", Kind.PERCENT, "Its part of all lateness of its group.", "pct_lateness"),
    Column("transfer_ns", Kind.MS, "From the last start to the last end, summed.", "transfer_ms"),
    Column("window_ns", Kind.MS, "Window of its device.", "window_ms"),
)
_SKEW = (
    Column("communicator", Kind.ID, "Number of the communicator.", "communicator"),
    Column("name", Kind.NAME, "Name of the kernel.", "name"),
    Column("occurrence", Kind.ID, "Which of the communicator's collectives it is, from 0.", "occurrence"),
    Column("ranks", Kind.COUNT, "Ranks in the files that took part.", "ranks"),
    Column("first_start_ns", Kind.INSTANT, "When the first rank started, on the group's clock.", "first_start_s"),
    Column("last_start_ns", Kind.INSTANT, "When the last rank started."),
    Column("last_end_ns", Kind.INSTANT, "When the last rank ended."),
    Column("spread_ns", Kind.US, "From the first start to the last.", "spread_us"),
    Column("transfer_ns", Kind.US, "From the last start to the last end.", "transfer_us"),
    Column("late_rank", Kind.ID, "The rank that started last."),
    Column("late_name", Kind.LABEL, "Its name.", "last"),
    Column("wait_ns", Kind.US, "What all ranks waited for it, summed.", "wait_us"),
    Column("called_late", Kind.FLAG, "Whether the spread is above the threshold.", "called_late"),
)
_COMMUNICATORS = (
    Column("communicator", Kind.ID, "Number of the communicator.", "communicator"),
    Column("name", Kind.NAME, "Name of the kernel.", "name"),
    Column("ranks", Kind.LABEL, "Numbers of the ranks that take part.", "ranks"),
    Column("collectives", Kind.COUNT, "Collectives that several ranks took part in.", "collectives"),
    Column("spread_p50_ns", Kind.US, "Median of first start to last.", "spread_p50_us"),
    Column("spread_p90_ns", Kind.US, "90th percentile of it.", "spread_p90_us"),
    Column("transfer_p50_ns", Kind.US, "Median of last start to last end.", "transfer_p50_us"),
    Column("wait_ns", Kind.MS, "What all ranks waited, summed.", "wait_ms"),
    Column("late", Kind.COUNT, "Collectives spread by more than the threshold.", "late"),
    Column(
        "threshold_ns",
        Kind.US,
        "A spread up to this is not called late: 10 us, or what the clocks may be off.",
        "threshold_us",
    ),
)
_BUDGET = (
    Column("rank", Kind.ID, "Number in this report.", "rank"),
    Column("name", Kind.LABEL, "File and device.", "name"),
    Column("bucket", Kind.TEXT, "Where the time went.", "bucket"),
    Column("total_ns", Kind.MS, "Time in it.", "total_ms"),
    Column("share", Kind.PERCENT, "The same as a part of the device's window.", "pct_window"),
    Column("median_share", Kind.PERCENT, "The part that the median rank of the group spends in it.", "pct_median_rank"),
    Column("deviation_share", Kind.PERCENT, "share - median_share.", "difference"),
)
_STEPS = (
    Column("rank", Kind.ID, "Number in this report.", "rank"),
    Column("name", Kind.LABEL, "File and device.", "name"),
    Column("kind", Kind.TEXT, "Kind of the steps.", "kind"),
    Column("steps", Kind.COUNT, "How many.", "steps"),
    Column("period_p50_ns", Kind.MS, "Median time from one start to the next.", "period_p50_ms"),
    Column("period_p90_ns", Kind.MS, "90th percentile of it.", "period_p90_ms"),
    Column("median_period_p50_ns", Kind.MS, "Median of period_p50_ns over the ranks of the group.", "median_rank_ms"),
)
#: The columns of each table, in the order of the report.
COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "files": _FILES,
    "pairs": _PAIRS,
    "ranks": _RANKS,
    "rank_budget": _BUDGET,
    "rank_steps": _STEPS,
    "communicators": _COMMUNICATORS,
    "rank_skew": _SKEW,
}


def tables(
    files: Sequence[JobFile],
    ranks: Sequence[Rank],
    pairs: Sequence[Pair],
    skews: Sequence[Skew],
    first_collective: Mapping[int, int],
) -> dict[str, RankTable]:
    """Returns all tables by name, in the order of the report.

    Args:
        files: The files.
        ranks: Their devices.
        pairs: The pairs of files that were compared.
        skews: The communicators.
        first_collective: The end of each file's first collective, on its own clock.
    """
    used = {file.number: file for file in files}
    widest = heapq.nsmallest(
        SHOWN,
        (one for skew in skews for one in skew.widest),
        key=lambda one: (-one.spread_ns, one.communicator, one.occurrence),
    )
    events = (
        {
            **vars(one),
            "spread_ns": one.spread_ns,
            "transfer_ns": one.last_end_ns - one.last_start_ns,
            "late_name": ranks[one.late_rank].name,
            "called_late": one.is_late,
        }
        for one in widest
    )
    made = (
        table("files", "One row per file.", _FILES, _file_rows(files, first_collective)),
        table("pairs", "One row per pair of files that was compared.", _PAIRS, (_pair(one, used) for one in pairs)),
        table("ranks", "One row per device of a file.", _RANKS, _rank_rows(ranks)),
        table("rank_budget", "One row per rank and bucket of its device's time.", _BUDGET, _budget_rows(ranks)),
        table("rank_steps", "One row per rank and kind of steps.", _STEPS, _step_rows(ranks)),
        table("communicators", "One row per communicator and kernel name.", _COMMUNICATORS, map(_communicator, skews)),
        table(
            "rank_skew",
            "One row per collective of several ranks, the largest spread first.",
            _SKEW,
            events,
            sum(skew.collectives for skew in skews),
        ),
    )
    return {one.name: one for one in made}


def _file_rows(files: Sequence[JobFile], first_collective: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    sizes: dict[int, int] = {}
    for file in files:
        sizes[file.place.group] = sizes.get(file.place.group, 0) + 1
    for file in files:
        place = file.place
        alone = sizes[place.group] == 1
        is_reference = place.group == file.number
        moment = first_collective.get(file.number, 0)
        offset = None if alone else moment - place.clock.at(moment)
        yield {
            "file": file.name,
            "group": place.group,
            "ranks": len(file.ranks),
            "collectives": file.collectives,
            "offset_ns": offset,
            "offset": None if offset is None else f"{offset / 1e9:+.6f} s" if offset else "0 s",
            "drift_ppm": -drift_ppm(place.clock) if place.clock.rate else None,
            "uncertainty_ns": None if alone or is_reference else place.uncertainty_ns,
            "confidence": "none" if alone else "reference" if is_reference else place.confidence,
            "note": file.note,
            "path": file.path,
        }


def _pair(pair: Pair, files: Mapping[int, JobFile]) -> dict[str, Any]:
    found = pair.fit
    return {
        "first": files[pair.first].name,
        "second": files[pair.second].name,
        "status": pair.status,
        "confidence": pair.confidence,
        "matched": None if found is None else found.matched,
        "compared": None if found is None else found.compared,
        "residual_p50_ns": None if found is None else found.residual_p50_ns,
        "residual_p90_ns": None if found is None else found.residual_p90_ns,
        "residual_max_ns": None if found is None else found.residual_max_ns,
        "drift_ppm": None if found is None or not found.clock.rate else drift_ppm(found.clock),
        "runner_up": None if found is None else found.runner_up,
        "wall_clock_off_ns": pair.wall_clock_off_ns,
        "used": pair.used,
        "reason": pair.reason,
        "kernel_name": pair.name,
    }


def _rank_rows(ranks: Sequence[Rank]) -> Iterator[dict[str, Any]]:
    lateness: dict[int, int] = {}
    for rank in ranks:
        if rank.waits is not None:
            lateness[rank.group] = lateness.get(rank.group, 0) + rank.waits.late_spread_ns
    for rank in ranks:
        waits, all_ = rank.waits, lateness.get(rank.group, 0)
        yield {
            "rank": rank.number,
            "name": rank.name,
            "group": rank.group,
            "device_id": rank.device[0],
            "gpu_id": rank.device[1],
            "collectives": None if waits is None else waits.collectives,
            "wait_ns": None if waits is None else waits.wait_ns,
            "late": None if waits is None else waits.late,
            "late_spread_ns": None if waits is None else waits.late_spread_ns,
            "alone_ns": None if waits is None else waits.alone_ns,
            "caused_wait_ns": None if waits is None else waits.caused_wait_ns,
            "lateness_share": None if waits is None or not all_ else waits.late_spread_ns / all_,
            "transfer_ns": None if waits is None else waits.transfer_ns,
            "window_ns": None if rank.budget is None else rank.budget.window_ns,
        }


def _budget_rows(ranks: Sequence[Rank]) -> Iterator[dict[str, Any]]:
    middles = {
        (rank.group, bucket): median_share(
            [one.budget for one in ranks if one.budget and one.group == rank.group], bucket
        )
        for rank in {rank.group: rank for rank in ranks}.values()
        for bucket in BUCKETS
    }
    for rank in ranks:
        for bucket in BUCKETS if rank.budget is not None else ():
            middle = middles[rank.group, bucket]
            if rank.budget is not None and middle is not None and (rank.budget.buckets.get(bucket) or middle):
                share = rank.budget.share(bucket)
                yield {
                    "rank": rank.number,
                    "name": rank.name,
                    "bucket": bucket,
                    "total_ns": rank.budget.buckets.get(bucket, 0),
                    "share": share,
                    "median_share": middle,
                    "deviation_share": share - middle,
                }


def _step_rows(ranks: Sequence[Rank]) -> Iterator[dict[str, Any]]:
    for rank in ranks:
        for step in rank.budget.steps if rank.budget is not None else ():
            budgets = [one.budget for one in ranks if one.budget is not None and one.group == rank.group]
            yield {
                "rank": rank.number,
                "name": rank.name,
                **vars(step),
                "median_period_p50_ns": median_period(budgets, step.kind),
            }


def _communicator(skew: Skew) -> dict[str, Any]:
    return {**vars(skew), "ranks": " ".join(map(str, skew.ranks))}
