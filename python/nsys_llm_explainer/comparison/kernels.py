"""Kernels side by side: by name, then by family where one name went and one came."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from nsys_llm_explainer.comparison import judge, mix
from nsys_llm_explainer.comparison.comparable import normalised
from nsys_llm_explainer.comparison.noise import MIN_STEPS, z_of
from nsys_llm_explainer.comparison.sides import Pair, Reading, Row, base_share
from nsys_llm_explainer.findings.case import Device, key_of
from nsys_llm_explainer.findings.ledger import DeviceKey

CALL_FLOOR = 0.10
"""A kernel's duration changes from this part of itself on ..."""
WINDOW_FLOOR = 0.003
"""... and is called only where its time changes by this part of the window."""
NEW_SHARE = 0.001
"""A kernel that came or went counts from this part of the window on."""
SAME_RATE = 0.1
"""A kernel takes another's place if its calls per step or second differ by no more than this."""
_SPREAD = 1.2816
_MEDIAN_FACTOR = 1.2533


def kernels(
    before: Reading,
    after: Reading,
    pairs: Sequence[Pair],
    *,
    blocked: bool,
    by_step: bool,
    unlike: Collection[DeviceKey] = (),
) -> Iterator[dict[str, Any]]:
    """Yields a row per GPU and kernel: those that changed first, then by how much their time per step or window moved.

    Args:
        before: The one side.
        after: The other side.
        pairs: The devices.
        blocked: Whether kernels are not to be compared.
        by_step: Whether both sides have steps of the same sort.
        unlike: The devices of BEFORE whose steps work on other batches than those of AFTER.
    """
    for pair in pairs:
        first, second = _kernels(before, pair.before), _kernels(after, pair.after)
        names = {**first, **second}
        steps = before.steps_of(pair.before.key), after.steps_of(pair.after.key)
        per_step = by_step and min(steps) > 0
        units = steps if per_step else (pair.before.window_ns, pair.after.window_ns)
        replaced = _replacements(first, second, units)
        z = z_of(len(pairs) * max(1, len(first.keys() & second.keys())))
        heirs = set(replaced.values())
        mixed = mix.differs(before, after, (pair.before, pair.after)) is not None
        other_batches = pair.before.key in unlike
        rows = []
        for name in (name for name in names if name not in heirs):
            own, other = first.get(name), second.get(replaced.get(name, name))
            row = _row(pair, own, other, steps if per_step else None, z)
            row.update(device=pair.label, kernel_name=name, replaced_by=replaced.get(name))
            if row["verdict"] in (judge.SLOWER, judge.FASTER) and (other_batches or (mixed and _overlap(own, other))):
                row["verdict"], row["noise_share"] = judge.UNKNOWN, None
            if blocked:
                row["verdict"] = judge.INCOMPARABLE
            rows.append(row)
        yield from sorted(rows, key=_order)


def _overlap(own: Row | None, other: Row | None) -> bool:
    """Returns whether a side has calls as long as those usual on the other: another mix may be all there is."""
    if own is None or other is None:
        return False
    return any(
        one["p99_ns"] is None or one["min_ns"] <= _call_ns(usual) <= one["p99_ns"]
        for one, usual in ((own, other), (other, own))
    )


def _kernels(reading: Reading, device: Device) -> Mapping[str, Row]:
    categories = {row["kernel_name"]: row["category"] for row in reading.case.rows("categories", "category_kernels")}
    rare = _rare_calls(reading, device)
    found = {}
    for row in reading.case.rows("kernels", "kernels"):
        if key_of(row) == device.key:
            category = categories.get(row["kernel_name"])
            found[row["kernel_name"]] = {**row, "category": category, "rare": row["calls"] <= rare.get(category, 0)}
    return found


def _rare_calls(reading: Reading, device: Device) -> Mapping[str | None, int]:
    """Returns the calls of each category in kinds of steps of which there are too few for a verdict.

    A kernel with no more calls than that may belong to these steps alone, and then its calls are few stretches alike.
    """
    steps = {
        (row["pid"], row["kind"]): row["steps"]
        for row in reading.case.rows("steps", "step_kinds")
        if key_of(row) == device.key
    }
    found: dict[str | None, int] = {}
    for row in reading.case.rows("categories", "step_categories"):
        if key_of(row) == device.key and steps.get((row["pid"], row["step_kind"]), 0) < MIN_STEPS:
            found[row["category"]] = found.get(row["category"], 0) + row["calls"]
    return found


def _replacements(first: Mapping[str, Row], second: Mapping[str, Row], units: tuple[int, int]) -> dict[str, str]:
    """Returns which kernel took whose place, where only one of its family went, one came, and both are as frequent."""
    gone, new = ([name for name in own if name not in other] for own, other in ((first, second), (second, first)))
    found = {}
    for name in gone:
        family = normalised(name)
        rivals = [other for other in gone if normalised(other) == family]
        heirs = [other for other in new if normalised(other) == family]
        if len(rivals) != 1 or len(heirs) != 1 or first[name]["category"] != second[heirs[0]]["category"]:
            continue
        rates = first[name]["calls"] / units[0], second[heirs[0]]["calls"] / units[1]
        if abs(rates[1] - rates[0]) <= SAME_RATE * rates[0]:
            found[name] = heirs[0]
    return found


def _row(pair: Pair, own: Row | None, other: Row | None, steps: tuple[int, int] | None, z: float) -> Row:
    shares = (
        base_share(pair.before, own["total_ns"] if own else 0),
        base_share(pair.after, other["total_ns"] if other else 0),
    )
    row: Row = {
        "category": (own or other or {}).get("category"),
        "before_window_share": shares[0],
        "after_window_share": shares[1],
        "change_window_share": shares[1] - shares[0],
        "change_share": None,
        "noise_share": None,
    }
    for side, found, count in (("before", own, steps and steps[0]), ("after", other, steps and steps[1])):
        row[f"{side}_calls"] = found["calls"] if found else 0
        row[f"{side}_call_ns"] = _call_ns(found) if found else None
        row[f"{side}_calls_per_step"] = (found["calls"] if found else 0) / count if count else None
        row[f"{side}_per_step_ns"] = (found["total_ns"] if found else 0) / count if count else None
    if own is None or other is None:
        seen = max(shares) >= NEW_SHARE
        row["verdict"] = (judge.NEW if own is None else judge.GONE) if seen else judge.SAME
        return row
    first, second = row["before_call_ns"], row["after_call_ns"]
    if first:
        row["change_share"] = second / first - 1
        errors = [_error(found, count) for found, count in ((own, steps and steps[0]), (other, steps and steps[1]))]
        if errors[0] is not None and errors[1] is not None:
            row["noise_share"] = max(CALL_FLOOR, z * (errors[0] ** 2 + errors[1] ** 2) ** 0.5 / first)
    row["verdict"] = _verdict(row)
    return row


def _order(row: Row) -> tuple[bool, float, str]:
    moved = row["change_window_share"]
    if row["before_per_step_ns"] is not None:
        moved = row["after_per_step_ns"] - row["before_per_step_ns"]
    return row["verdict"] not in judge.CALLED, -abs(moved), row["kernel_name"]


def _verdict(row: Row) -> str:
    change, noise = row["change_share"], row["noise_share"]
    if change is None:
        return judge.UNKNOWN
    # What the change per call makes of the window, at as many calls as before: more calls are no slower kernel.
    small = abs(change) * row["before_window_share"] < WINDOW_FLOOR
    return judge.SAME if small else judge.speed(change, noise)


def _call_ns(row: Row) -> float:
    return float(row["avg_ns"] if row["p50_ns"] is None else row["p50_ns"])


def _error(row: Row, steps: int | None) -> float | None:
    """Returns the standard error of the median of a kernel, from its 90th percentile.

    Calls of one step are alike, so that a step counts once however many calls it has.
    """
    if row["p50_ns"] is None or row["p90_ns"] is None or row["rare"]:
        return None
    if str(row["category"]).startswith("comm"):
        return None  # a collective takes as long as the last rank lets it wait
    told = min(row["calls"], steps) if steps else row["calls"] ** 0.5
    if told < 5:
        return None
    spread = max((row["p90_ns"] - row["p50_ns"]) / _SPREAD, (row["p50_ns"] - row["min_ns"]) / (2 * _SPREAD))
    return float(_MEDIAN_FACTOR * spread / told**0.5)
