"""Oracle, part 9: collectives, and how far apart the ranks of one start.

Decisions where the definitions are silent:

* A collective is a kernel of a category ``comm.…``, by its whole name.
* ``exposed_ns`` of a row is the time in which a kernel of the row runs and no other kernel or graph execution computes.
* The n-th occurrence on a device counts by start, then row, from 0. A name that one device alone has has none. Where
  devices have different numbers of a name, n-th ones do not belong together: then there is no oracle for the skew.
* The late device has the latest start; of equal ones the first device.
* A device is ``late`` where it is the late device and the starts are more than 10 us apart; ``late_spread_ns`` sums the
  spread of those occurrences.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Optional

from tests.support.oracle_budget import Budget
from tests.support.oracle_categories import category_of, is_communication
from tests.support.oracle_gpu import Row, intersect, measure, percentile, ratio
from tests.support.oracle_host import solid
from tests.support.oracle_trace import Device, Op

LATE_NS = 10_000


def by_name(budget: Budget) -> dict[tuple[str, Device], list[Op]]:
    """Return the collectives by name and device, in order."""
    groups: dict[tuple[str, Device], list[Op]] = defaultdict(list)
    for op in sorted(budget.capture.trace.kernels, key=lambda op: (op.start, op.rowid)):
        if is_communication(op):
            groups[op.name, op.device].append(op)
    return groups


def exposed_and_union(budget: Budget, device: Device, ops: list[Op]) -> tuple[int, int]:
    """Return how long some collectives of a device run alone, and how long they run."""
    covered = solid((op.start, op.end) for op in ops)
    return measure(covered) - measure(intersect(covered, budget.times[device]["compute"])), measure(covered)


def collective_rows(budget: Budget) -> list[Row]:
    """Return a row per name and device."""
    rows = []
    for (name, device), ops in by_name(budget).items():
        exposed, covered = exposed_and_union(budget, device, ops)
        rows.append(
            {
                "name": name,
                "category": category_of(name),
                **budget.capture.who(device),
                "calls": len(ops),
                "total_ns": sum(op.ns for op in ops),
                "union_ns": covered,
                "exposed_ns": exposed,
                "overlap": 1 - exposed / covered if covered else None,
                "p50_ns": percentile([op.ns for op in ops], 0.5),
                "p90_ns": percentile([op.ns for op in ops], 0.9),
            }
        )
    return rows


def skew(budget: Budget) -> Optional[tuple[list[Row], list[Row]]]:
    """Return the rows per occurrence, and those per device; None where devices have different numbers of a name."""
    groups = by_name(budget)
    order = {device: number for number, device in enumerate(budget.capture.devices)}
    rows = []
    waits: dict[Device, Row] = {}
    for name in sorted({name for name, _ in groups}):
        ranks = [groups[name, device] for device in order if (name, device) in groups]
        if len({len(ops) for ops in ranks}) > 1:
            return None
        for occurrence, found in enumerate(zip(*ranks) if len(ranks) > 1 else ()):
            late = max(found, key=lambda op: (op.start, -order[op.device]))
            first, last = min(op.start for op in found), late.start
            end = max(op.end for op in found)
            rows.append(
                {
                    "name": name,
                    "occurrence": occurrence,
                    "devices": len(found),
                    "first_start_ns": first,
                    "last_start_ns": last,
                    "last_end_ns": end,
                    "spread_ns": last - first,
                    "transfer_ns": end - last,
                    "late_device_id": budget.capture.who(late.device)["device_id"],
                    "late_gpu_id": late.device.gpu_id,
                    "wait_ns": sum(last - op.start for op in found),
                }
            )
            for op in found:
                row = waits.setdefault(
                    op.device,
                    {
                        **budget.capture.who(op.device),
                        **dict.fromkeys(("collectives", "wait_ns", "late", "late_spread_ns", "transfer_ns"), 0),
                    },
                )
                row["collectives"] += 1
                row["wait_ns"] += last - op.start
                row["transfer_ns"] += end - last
                if op is late and last - first > LATE_NS:
                    row["late"] += 1
                    row["late_spread_ns"] += last - first
    return rows, list(waits.values())


def communication(budget: Budget) -> Row:
    """Return the section ``communication``."""
    capture = budget.capture
    rows = collective_rows(budget)
    skewed = skew(budget)
    tables = {"rank_skew": skewed[0], "rank_waits": skewed[1]} if skewed else {}
    per_device = [
        exposed_and_union(budget, device, [op for op in capture.ops_of(device) if is_communication(op)])
        for device in capture.devices
    ]
    exposed, covered = sum(pair[0] for pair in per_device), sum(pair[1] for pair in per_device)
    return {
        "summary": {
            "collectives": sum(row["calls"] for row in rows),
            "total_ns": sum(row["total_ns"] for row in rows),
            "union_ns": covered,
            "exposed_ns": exposed,
            "exposed_share": ratio(exposed, sum(budget.window(device) for device in capture.devices)),
            "overlap": 1 - exposed / covered if covered else None,
        },
        "tables": {"collectives": rows, **tables},
    }
