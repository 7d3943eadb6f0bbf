"""The windows of the GPUs side by side: by bucket, and where idle time grew or shrank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Optional

from nsys_llm_explainer.comparison import judge
from nsys_llm_explainer.comparison.noise import z_of
from nsys_llm_explainer.comparison.sides import Pair, Reading, Row, base_share, steady_shares
from nsys_llm_explainer.findings.case import Device, key_of
from nsys_llm_explainer.findings.gaps import base, part
from nsys_llm_explainer.findings.ledger import BUCKETS, IDLE

BLOCKS = 20
"""The share of a window is noisy as its parts of a twentieth differ."""
Key = tuple[str, str, Optional[str], Optional[str]]


def share_error(reading: Reading, device: Device, buckets: Sequence[str]) -> float | None:
    """Returns the standard error of the share of some buckets, None without a timeline of the device."""
    levels = [level for level in reading.report.timeline if key_of(dict(level)) == device.key and level["buckets"]]
    if not levels:
        return None
    coarse = max(levels, key=lambda level: level["bin_ns"])
    chosen = [coarse["buckets"][bucket] for bucket in buckets if bucket in coarse["buckets"]]
    if not chosen:
        return 0.0
    shares = [sum(values) / coarse["bin_ns"] for values in zip(*chosen)]
    count, length = len(shares), max(1, len(shares) // BLOCKS)
    if count < 2 * length:
        return None
    mean = sum(shares) / count
    pulls = [share - mean for share in shares]
    running = [0.0, *accumulate(pulls + pulls[: length - 1])]
    variance = sum(((running[at + length] - running[at]) / length) ** 2 for at in range(count)) / count
    return float((variance / (count / length - 1)) ** 0.5)


def devices(
    before: Reading, after: Reading, pairs: Sequence[Pair], *, blocked: bool, floor: float
) -> Iterator[dict[str, Any]]:
    """Yields a row per GPU."""
    for pair in pairs:
        first, second = (device.share(device.idle_ns) for device in (pair.before, pair.after))
        noise = _noise(_errors(before, after, pair, IDLE), len(pairs), floor)
        if noise is not None and _rests_on_a_gap(before, after, pair, IDLE, noise):
            noise = None
        steady = [_steady_idle(reading, device) for reading, device in ((before, pair.before), (after, pair.after))]
        yield {
            "device": pair.label,
            "before_window_ns": float(pair.before.window_ns),
            "after_window_ns": float(pair.after.window_ns),
            "before_idle_share": first,
            "after_idle_share": second,
            "change_share": second - first,
            "noise_share": judge.finite(noise),
            "verdict": judge.INCOMPARABLE if blocked else judge.amount(second - first, noise),
            "before_steady_idle_share": steady[0],
            "after_steady_idle_share": steady[1],
        }


def _errors(before: Reading, after: Reading, pair: Pair, buckets: Sequence[str]) -> tuple[float | None, float | None]:
    return share_error(before, pair.before, buckets), share_error(after, pair.after, buckets)


def _noise(errors: tuple[float | None, float | None], tests: int, floor: float) -> float | None:
    first, second = errors
    if first is None or second is None:
        return None
    return float(max(floor, z_of(tests) * (first**2 + second**2) ** 0.5))


def _rests_on_a_gap(before: Reading, after: Reading, pair: Pair, buckets: Sequence[str], noise: float) -> bool:
    """Returns whether a change is inside the noise once the longest gap of each side is left out.

    One event in a trace does not tell how often it comes.
    """
    whole, without = [], []
    for reading, device in ((before, pair.before), (after, pair.after)):
        ns = sum(device.buckets.get(bucket, 0) for bucket in buckets)
        gap, cause = longest_gap(reading, device)
        rest = ns - gap if cause in buckets else ns
        whole.append(base_share(device, ns))
        without.append(max(0, rest) / (device.window_ns - gap) if device.window_ns > gap else 0.0)
    change, left = whole[1] - whole[0], without[1] - without[0]
    return abs(change) > noise and (abs(left) <= noise or left * change < 0)


def longest_gap(reading: Reading, device: Device) -> tuple[int, str | None]:
    """Returns the longest idle gap of a device and its cause."""
    rows = [row for row in reading.case.rows("budget", "gap_groups") if key_of(row) == device.key]
    longest = max(rows, key=lambda row: int(row["max_ns"]), default=None)
    return (0, None) if longest is None else (longest["max_ns"], longest["cause"])


def _steady_idle(reading: Reading, device: Device) -> float | None:
    shares = steady_shares(reading, device.key)
    known = [shares.get(bucket) for bucket in IDLE]
    there = [share for share in known if share is not None]
    return sum(there) if there else None


def device_budget(
    before: Reading, after: Reading, pairs: Sequence[Pair], *, blocked: bool, floor: float
) -> Iterator[dict[str, Any]]:
    """Yields a row per GPU and bucket that occurs."""
    for pair in pairs:
        steady = steady_shares(before, pair.before.key), steady_shares(after, pair.after.key)
        for bucket in BUCKETS:
            first, second = (device.share(device.buckets.get(bucket, 0)) for device in (pair.before, pair.after))
            if not first and not second:
                continue
            noise = _noise(_errors(before, after, pair, (bucket,)), len(pairs) * len(BUCKETS), floor)
            if noise is not None and _rests_on_a_gap(before, after, pair, (bucket,), noise):
                noise = None
            yield {
                "device": pair.label,
                "bucket": bucket,
                "before_share": first,
                "after_share": second,
                "change_share": second - first,
                "noise_share": judge.finite(noise),
                "verdict": judge.INCOMPARABLE if blocked else judge.amount(second - first, noise),
                "before_steady_share": steady[0].get(bucket),
                "after_steady_share": steady[1].get(bucket),
            }


def idle_origins(before: Reading, after: Reading, pairs: Sequence[Pair]) -> Iterator[dict[str, Any]]:
    """Yields a row per GPU, cause, place, call and range of idle time, the largest change first."""
    rows: list[Row] = []
    for pair in pairs:
        sides = _groups(before, pair.before), _groups(after, pair.after)
        for key in {**sides[0], **sides[1]}:
            (own, gaps), (other, more) = (side.get(key, (0, 0)) for side in sides)
            shares = base_share(pair.before, own), base_share(pair.after, other)
            cause, place, call, inside = key
            rows.append(
                {
                    "device": pair.label,
                    "cause": cause,
                    "place": place,
                    "call_name": call,
                    "range_name": inside,
                    "before_share": shares[0],
                    "after_share": shares[1],
                    "change_share": shares[1] - shares[0],
                    "before_ns": float(own),
                    "after_ns": float(other),
                    "before_gaps": gaps,
                    "after_gaps": more,
                }
            )
    yield from sorted(rows, key=lambda row: (-abs(row["change_share"]), _text_key(row)))


def idle_places(before: Reading, after: Reading, pairs: Sequence[Pair]) -> Iterator[dict[str, Any]]:
    """Yields a row per GPU, place, call and range of idle time, the largest change first."""
    rows: list[Row] = []
    for pair in pairs:
        sides = _places(before, pair.before), _places(after, pair.after)
        for key in {**sides[0], **sides[1]}:
            own, other = (side.get(key, _Idle()) for side in sides)
            moved = {
                bucket: base_share(pair.after, other.parts.get(bucket, 0))
                - base_share(pair.before, own.parts.get(bucket, 0))
                for bucket in IDLE
            }
            shares = base_share(pair.before, own.ns), base_share(pair.after, other.ns)
            place, call, inside = key
            cause = max(moved, key=lambda bucket: abs(moved[bucket]))
            (gaps, ns), (more, other_ns) = (side.gaps.get(cause, (0, 0)) for side in (own, other))
            rows.append(
                {
                    "device": pair.label,
                    "place": place,
                    "call_name": call,
                    "range_name": inside,
                    "cause": cause,
                    "before_share": shares[0],
                    "after_share": shares[1],
                    "change_share": shares[1] - shares[0],
                    "before_gaps": gaps,
                    "after_gaps": more,
                    "before_avg_ns": ns / gaps if gaps else None,
                    "after_avg_ns": other_ns / more if more else None,
                }
            )
    yield from sorted(rows, key=lambda row: (-abs(row["change_share"]), _text_key(row)))


@dataclass
class _Idle:
    """Idle time of one place, as it adds up: its parts by bucket, and gaps by the bucket of their largest part."""

    ns: int = 0
    parts: dict[str, int] = field(default_factory=dict)
    gaps: dict[str, tuple[int, int]] = field(default_factory=dict)


def _places(reading: Reading, device: Device) -> dict[tuple[str, Optional[str], Optional[str]], _Idle]:
    found: dict[tuple[str, Optional[str], Optional[str]], _Idle] = {}
    for row in reading.case.rows("budget", "gap_groups"):
        if key_of(row) != device.key:
            continue
        call = None if row["call_name"] is None else base(row["call_name"])
        idle = found.setdefault((row["place"], call, row["range_name"]), _Idle())
        idle.ns += row["total_ns"]
        gaps, ns = idle.gaps.get(row["cause"], (0, 0))
        idle.gaps[row["cause"]] = (gaps + row["gaps"], ns + row["total_ns"])
        for bucket in IDLE:
            idle.parts[bucket] = idle.parts.get(bucket, 0) + part(row, bucket)
    return found


def _text_key(row: Row) -> tuple[str, ...]:
    return tuple(str(row[column] or "") for column in ("device", "cause", "place", "call_name", "range_name"))


def _groups(reading: Reading, device: Device) -> dict[Key, tuple[int, int]]:
    """Returns idle time and gaps by cause, place, call and range. A gap that two causes share counts in both."""
    found: dict[Key, tuple[int, int]] = {}
    for row in reading.case.rows("budget", "gap_groups"):
        if key_of(row) != device.key:
            continue
        call = None if row["call_name"] is None else base(row["call_name"])
        for bucket in IDLE:
            ns = part(row, bucket)
            if ns:
                key = (bucket, row["place"], call, row["range_name"])
                before, gaps = found.get(key, (0, 0))
                found[key] = (before + ns, gaps + row["gaps"])
    return found
