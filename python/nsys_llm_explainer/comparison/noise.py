"""How far figures of steps move by chance: block bootstrap of quantiles, block errors of means.

Steps follow one another, and a slow one is rarely alone. So stretches of consecutive steps are drawn, not single ones.
Nothing is drawn at random in the end: the generator starts from a fixed number, and the same steps give the same bytes.
"""

from __future__ import annotations

import math
import random
import struct
from bisect import bisect_right
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from statistics import NormalDist
from typing import Optional

CONFIDENCE = 0.99
MIN_STEPS = 10
"""Fewer steps on a side say too little for a verdict."""
FLOOR = 0.03
"""Two runs of the same thing may differ by this much (clocks, placement), which one trace of each cannot show."""
TAIL_FACTOR = 5 / 3
"""The 90th percentile differs by so much more."""
RESAMPLES = 1_000
LARGE_RESAMPLES = 400
LARGE = 2_000
"""From so many steps on fewer resamples are drawn."""
_BINS = 512
_FIELD = 32
_BLOCK_POWER = 0.4
_SEEDS = (20_011, 20_021)


@dataclass(frozen=True)
class Sample:
    """Values of consecutive steps, and how much each counts.

    Attributes:
        values: The values, in order of time.
        weights: Their weights, None where all count the same.
        shapes: What each step belongs to, None where they are all alike. The weights settle how frequent a shape is,
            so that only what differs within one is noise of a mean.
    """

    values: Sequence[float]
    weights: Optional[Sequence[float]] = None
    shapes: Optional[Sequence[Hashable]] = None

    @property
    def effective(self) -> float:
        """How many steps of equal weight tell as much."""
        if self.weights is None:
            return float(len(self.values))
        squares = sum(weight * weight for weight in self.weights)
        return sum(self.weights) ** 2 / squares if squares else 0.0


@dataclass(frozen=True)
class QuantileChange:
    """A quantile on both sides and the interval of its relative change."""

    before: float
    after: float
    share: float
    low: float
    high: float
    resamples: int


def block_length(count: int) -> int:
    """Returns how many consecutive steps are drawn together."""
    return max(1, math.ceil(count**_BLOCK_POWER)) if count else 1


def z_of(tests: int = 1, confidence: float = CONFIDENCE) -> float:
    """Returns how many standard errors a change has to exceed so that of all tests together few give a false alarm.

    Args:
        tests: How many changes are looked at.
        confidence: The chance that none of them is called where nothing changed.
    """
    return NormalDist().inv_cdf(1 - (1 - confidence) / (2 * max(1, tests)))


def mean_error(sample: Sample) -> tuple[float, float]:
    """Returns the weighted mean and its standard error, from the means of overlapping blocks."""
    values, count = sample.values, len(sample.values)
    if not count:
        return 0.0, 0.0
    weights = sample.weights or [1.0] * count
    total = sum(weights)
    mean = sum(value * weight for value, weight in zip(values, weights)) / total
    length = block_length(count)
    blocks = count / length
    # What the mean of each shape takes away from the spread of its steps.
    free = count - (0 if sample.shapes is None else len(set(sample.shapes)) - 1)
    if blocks < 2 or free < 2:
        return mean, math.inf
    own = _means(sample, weights, mean)
    pulls = [(value - usual) * weight * count / total for value, usual, weight in zip(values, own, weights)]
    running = [0.0, *accumulate(chain(pulls, pulls[: length - 1]))]
    variance = sum(((running[at + length] - running[at]) / length) ** 2 for at in range(count)) / count
    return mean, math.sqrt(variance / (blocks - 1) * count / free)


def _means(sample: Sample, weights: Sequence[float], mean: float) -> list[float]:
    """Returns the mean of what each step belongs to."""
    if sample.shapes is None:
        return [mean] * len(sample.values)
    sums: dict[Hashable, tuple[float, float]] = {}
    for shape, value, weight in zip(sample.shapes, sample.values, weights):
        before, counted = sums.get(shape, (0.0, 0.0))
        sums[shape] = before + value * weight, counted + weight
    means = {shape: value / counted for shape, (value, counted) in sums.items()}
    return [means[shape] for shape in sample.shapes]


def quantile(sample: Sample, share: float) -> float:
    """Returns a quantile, interpolated between steps as in the report where all weigh the same."""
    order = sorted(range(len(sample.values)), key=sample.values.__getitem__)
    ordered = [float(sample.values[at]) for at in order]
    weights = None if sample.weights is None else [sample.weights[at] for at in order]
    return _at(ordered, weights, share)


def quantile_changes(before: Sample, after: Sample, shares: Sequence[float]) -> list[QuantileChange | None]:
    """Returns how quantiles changed, None where a side has no steps or a quantile of 0.

    Args:
        before: The steps of BEFORE.
        after: The steps of AFTER.
        shares: Which quantiles, from 0 to 1; all from the same resamples.
    """
    if not before.values or not after.values:
        return [None] * len(shares)
    most = max(len(before.values), len(after.values))
    resamples = RESAMPLES if most < LARGE else LARGE_RESAMPLES
    drawn = [_resampled(side, shares, resamples, seed) for side, seed in zip((before, after), _SEEDS)]
    found: list[QuantileChange | None] = []
    for number, share in enumerate(shares):
        first, second = quantile(before, share), quantile(after, share)
        ratios = sorted(b[number] / a[number] - 1 for a, b in zip(*drawn) if a[number])
        if not first or not ratios:
            found.append(None)
            continue
        cut = int(len(ratios) * (1 - CONFIDENCE) / 2)
        found.append(QuantileChange(first, second, second / first - 1, ratios[cut], ratios[-1 - cut], len(ratios)))
    return found


def _resampled(sample: Sample, shares: Sequence[float], resamples: int, seed: int) -> list[list[float]]:
    """Returns the quantiles of circular block resamples.

    The histogram of each block is one large integer with a field of 32 bits for each bin, so that the sum of the drawn
    blocks is the histogram of the resample. Of more steps than bins, neighbours in value share a bin.
    """
    count = len(sample.values)
    order = sorted(range(count), key=sample.values.__getitem__)
    bins = min(count, _BINS)
    middles = [float(sample.values[order[(2 * at + 1) * count // (2 * bins)]]) for at in range(bins)]
    weights = _whole(sample.weights, count)
    units = [0] * count
    for rank, at in enumerate(order):
        units[at] = weights[at] << (_FIELD * (rank * bins // count))
    length = block_length(count)
    around = units + units[: length - 1]
    blocks = [sum(around[:length])]
    for at in range(1, count):
        blocks.append(blocks[-1] - around[at - 1] + around[at + length - 1])
    generator = random.Random(seed)  # noqa: S311 - a resampling, no cryptography
    unpack = struct.Struct(f"<{bins}I").unpack
    found = []
    for _ in range(resamples):
        drawn = sum(generator.choices(blocks, k=-(-count // length)))
        running = list(accumulate(unpack(drawn.to_bytes(bins * _FIELD // 8, "little"))))
        found.append([middles[bisect_right(running, share * running[-1])] for share in shares])
    return found


def _whole(weights: Sequence[float] | None, count: int) -> list[int]:
    """Returns weights as whole numbers, so small that no field of a histogram overflows."""
    if weights is None:
        return [1] * count
    scale = (1 << (_FIELD - 2)) / (count * max(weights))
    return [max(1, int(weight * scale)) for weight in weights]


def _at(ordered: Sequence[float], weights: Sequence[float] | None, share: float) -> float:
    """Returns a quantile of sorted values: linear between them; with weights by the weight that lies before each."""
    weights = weights or [1.0] * len(ordered)
    total = sum(weights)
    span = total - total / len(weights)
    if span <= 0:
        return ordered[0]
    places = [0.0, *accumulate(weights[:-1])]
    wanted = share * span
    low = max(0, bisect_right(places, wanted) - 1)
    if low + 1 >= len(ordered):
        return ordered[-1]
    width = places[low + 1] - places[low]
    return ordered[low] + (ordered[low + 1] - ordered[low]) * ((wanted - places[low]) / width if width else 0.0)
