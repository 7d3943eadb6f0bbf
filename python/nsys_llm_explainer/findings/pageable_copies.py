"""Asynchronous copies use pageable host memory, so they are not asynchronous.

What it means:
    cudaMemcpyAsync was called with pageable memory on the host's side. The driver then stages the data through a
    buffer of its own: the copy is slower, does not overlap, and the call may return only when it is done. Counted is
    the time in which such a copy runs alone, and the GPU's idle time while the launching thread is in such a call, also
    in the one whose copy ends the gap.

Why it matters:
    Code that looks asynchronous blocks the thread that launches, in each step.

What to do:
    Allocate the host's buffer pinned (torch.empty(..., pin_memory=True), tensor.pin_memory()) and reuse it; pass
    non_blocking=True. For values of a few bytes build them on the device instead.

How to verify:
    pageable_async in the table copies is 0, and the rate of that direction rises.

What would contradict it:
    Copies outside the steps (start-up), or with next to no exposed time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nsys_llm_explainer.findings import gaps
from nsys_llm_explainer.findings.case import Case, Row, key_of
from nsys_llm_explainer.findings.ledger import COPY, HOST_API, LAUNCHING, Claim, Gaps
from nsys_llm_explainer.findings.rule import BY_SHARE, SHARES, Draft, Rule
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.report import Evidence, Finding

ID = "pageable_copies"
SHOWN_COPIES = 4
_ASYNC_COPY = re.compile(r"^cu(da)?Memcpy.*Async", re.ASCII)

_RECOMMENDATIONS = (
    "If this is model loading, judge the steady state alone (--window steady, or a later capture).",
    "Allocate the host's buffers pinned (pin_memory=True) once, reuse them, and copy with non_blocking=True.",
    "Build small values on the device instead of copying them there (torch.full, torch.arange with device=...).",
)


def check(case: Case) -> Iterator[Draft]:
    """Yields one finding for pageable memory under asynchronous calls on all devices."""
    rows = [row for row in case.rows("memory", "copies") if row["pageable_async"]]
    if not rows:
        return
    calls = [row for row in _calls(case) if row["bucket"] == HOST_API and row["idle_ns"]]
    keys = {key_of(row) for row in rows}
    claims = [Claim(key_of(row), _alone(row), (COPY,)) for row in rows]
    claims += [Claim(key_of(row), row["idle_ns"], (HOST_API,)) for row in calls if key_of(row) in keys]
    staged = [(ns, row) for ns, row in _staged(case) if key_of(row) in keys]
    claims += [Claim(key_of(row), ns, (LAUNCHING,), _where(row)) for ns, row in staged]
    rows.sort(key=lambda row: (-_alone(row), -row["pageable_async_ns"]))
    copies = sum(row["pageable_async"] for row in rows)
    title = (
        f"{fmt.count(copies)} asynchronous copies use pageable memory and cost "
        f"{fmt.duration(sum(claim.ns for claim in claims))} of device time"
    )
    evidence = (
        *(_copies(case, row) for row in rows[:SHOWN_COPIES]),
        *map(_call, calls[:2]),
        *_groups(case, staged),
        *_ranges(case),
    )
    yield Draft(Finding(ID, "low", title, evidence, _RECOMMENDATIONS), tuple(claims), BY_SHARE)


def _alone(row: Row) -> int:
    """Returns the exposed time of the copies of a row that went through asynchronous calls."""
    if not row["total_ns"]:
        return 0
    return int(row["exposed_ns"] * min(row["pageable_async_ns"], row["total_ns"]) // row["total_ns"])


def _calls(case: Case) -> list[Row]:
    pids = {row["pid"] for row in _pageable_calls(case)}
    rows = [row for row in case.rows("budget", "host_calls") if row["pid"] in pids]
    return sorted((row for row in rows if _ASYNC_COPY.match(row["api_name"])), key=lambda row: -row["idle_ns"])


def _staged(case: Case) -> list[tuple[int, Row]]:
    """Returns the groups of gaps that such a call ends, each with its part in the call, the largest first.

    Where calls of one name and range copy from both kinds of memory, their time in the calls divides it.
    """
    found = []
    for row in case.rows("budget", "gap_groups"):
        if row["call_name"] and _ASYNC_COPY.match(row["call_name"]) and gaps.part(row, LAUNCHING):
            ns = round(gaps.part(row, LAUNCHING) * _pageable_share(case, row))
            if ns:
                found.append((ns, row))
    return sorted(found, key=lambda pair: -pair[0])


def _pageable_share(case: Case, gap: Row) -> float:
    names = {gaps.base(gap["call_name"])}
    calls = [row for row in case.rows("memory", "copy_calls") if gaps.base(row["api_name"]) in names]
    calls = [row for row in calls if row["range_name"] == gap["range_name"]] or calls
    whole = sum(row["call_ns"] for row in calls)
    return sum(row["call_ns"] for row in calls if _is_pageable(row)) / whole if whole else 0.0


def _is_pageable(row: Row) -> bool:
    return "pageable" in f"{row['src_kind']} {row['dst_kind']}".lower()


def _where(row: Row) -> Gaps:
    places, kinds = frozenset({row["place"]}), frozenset({row["step_kind"]})
    return Gaps(places, row["size"], row["next_graph"], kinds, row["late"])


def _groups(case: Case, staged: list[tuple[int, Row]]) -> Iterator[Evidence]:
    for ns, row in staged[:2]:
        device = case.device(key_of(row))
        if device is not None:
            yield gaps.group(ns, device, row)


def _pageable_calls(case: Case) -> list[Row]:
    rows = [
        row for row in case.rows("memory", "copy_calls") if _is_pageable(row) and _ASYNC_COPY.match(row["api_name"])
    ]
    return sorted(rows, key=lambda row: -row["call_ns"])


def _copies(case: Case, row: Row) -> Evidence:
    return Evidence(
        f"{case.label(key_of(row))}: {row['direction']}, {row['src_kind']} to {row['dst_kind']} memory: "
        f"{fmt.count(row['pageable_async'])} of {fmt.counted(row['copies'], 'copy operation')} under asynchronous "
        f"calls, {fmt.duration(row['pageable_async_ns'])}, of all {fmt.duration(row['exposed_ns'])} exposed",
        "memory",
        "copies",
        row,
    )


def _call(row: Row) -> Evidence:
    return Evidence(
        f"{fmt.device_label(*key_of(row))} stands idle for {fmt.duration(row['idle_ns'])} while process {row['pid']} "
        f"is in {gaps.api(row['api_name'])}",
        "budget",
        "host_calls",
        row,
    )


def _ranges(case: Case) -> Iterator[Evidence]:
    for row in _pageable_calls(case)[:2]:
        where = f" in {gaps.name(row['range_name'])}" if row["range_name"] else ""
        yield Evidence(
            f"Process {row['pid']} asks for {fmt.counted(row['copies'], 'such copy operation')} with "
            f"{gaps.api(row['api_name'])}{where}, {fmt.duration(row['call_ns'])} in the calls",
            "memory",
            "copy_calls",
            row,
        )


RULE = Rule(ID, "Pageable memory under asynchronous copies", __doc__ or "", check, SHARES)
