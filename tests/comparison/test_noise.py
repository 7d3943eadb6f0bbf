"""Quantiles, their resamples, and errors of means, beside naive versions."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsys_llm_explainer.comparison.noise import (
    FLOOR,
    LARGE,
    LARGE_RESAMPLES,
    RESAMPLES,
    QuantileChange,
    Sample,
    block_length,
    mean_error,
    quantile,
    quantile_changes,
    z_of,
)

VALUES = st.lists(st.integers(1, 10**12), min_size=1, max_size=60)


def _changed(before: list[float], after: list[float], weights: list[float] | None = None) -> QuantileChange:
    change = quantile_changes(Sample(before), Sample(after, weights), (0.5,))[0]
    assert change is not None
    return change


def _walk(seed: int, count: int, *, carried: float = 0.0, level: float = 1_000.0) -> list[float]:
    generator = random.Random(seed)
    pull, found = 0.0, []
    for _ in range(count):
        pull = carried * pull + generator.gauss(0, 40)
        found.append(level + pull)
    return found


@given(VALUES)
def test_the_median_is_the_median(values: list[int]) -> None:
    assert quantile(Sample(values), 0.5) == pytest.approx(statistics.median(values))


@given(VALUES, st.floats(0, 1))
def test_equal_weights_change_nothing(values: list[int], share: float) -> None:
    weighted = Sample(values, [3.0] * len(values))
    assert quantile(weighted, share) == pytest.approx(quantile(Sample(values), share))
    assert mean_error(weighted)[0] == pytest.approx(statistics.fmean(values))


@given(VALUES)
def test_quantiles_lie_between_the_ends_and_rise(values: list[int]) -> None:
    found = [quantile(Sample(values), share / 10) for share in range(11)]
    assert found[0] == min(values)
    assert found[-1] == max(values)
    assert found == sorted(found)


def test_weights_move_a_quantile_as_repeats_do() -> None:
    weighted = quantile(Sample([1, 2, 3, 100], [1, 1, 1, 9]), 0.5)
    assert weighted > quantile(Sample([1, 2, 3, 100]), 0.5)
    assert Sample([1, 2, 3], [1, 1, 1]).effective == pytest.approx(3)
    assert Sample([1, 2, 3], [1, 0, 0]).effective == pytest.approx(1)


@settings(max_examples=20)
@given(VALUES)
def test_the_same_steps_have_not_changed(values: list[int]) -> None:
    change = _changed(list(values), list(values))
    assert change.share == 0
    assert change.low <= 0 <= change.high


def test_resamples_are_those_of_a_naive_block_bootstrap() -> None:
    before, after = _walk(1, 120), _walk(2, 120, level=1_050)
    change = _changed(before, after)
    generator = random.Random(5)
    ratios = sorted(_naive(generator, after) / _naive(generator, before) - 1 for _ in range(2_000))
    assert change.low == pytest.approx(ratios[10], abs=0.006)
    assert change.high == pytest.approx(ratios[-11], abs=0.006)
    assert change.low < 0.05 < change.high


def _naive(generator: random.Random, values: list[float]) -> float:
    length, drawn = block_length(len(values)), []
    while len(drawn) < len(values):
        start = generator.randrange(len(values))
        drawn += [values[(start + at) % len(values)] for at in range(length)]
    return statistics.median(drawn)


@pytest.mark.parametrize("carried", [0.0, 0.6])
def test_intervals_hold_what_they_promise(carried: float) -> None:
    missed = 0
    for seed in range(30):
        change = _changed(_walk(seed, 150, carried=carried), _walk(seed + 1_000, 150, carried=carried))
        missed += not change.low <= 0 <= change.high
    assert missed <= 2


def test_steps_that_follow_each_other_widen_the_interval() -> None:
    change, carried = (_changed(_walk(1, 300, carried=by), _walk(2, 300, carried=by)) for by in (0.0, 0.8))
    assert carried.high - carried.low > 1.5 * (change.high - change.low)


def test_weights_count_in_resamples() -> None:
    before, after = [100.0] * 50 + [200.0] * 50, [100.0] * 90 + [200.0] * 10
    plain = quantile_changes(Sample(before), Sample(after), (0.9,))[0]
    weighted = quantile_changes(Sample(before), Sample(after, [50 / 90] * 90 + [5.0] * 10), (0.9,))[0]
    assert plain is not None
    assert weighted is not None
    assert weighted.after == 200
    assert plain.low < weighted.high


def test_many_steps_take_fewer_resamples_and_no_other_result() -> None:
    few, many = _changed(_walk(1, LARGE - 1), _walk(2, LARGE - 1)), _changed(_walk(1, LARGE), _walk(2, LARGE))
    assert (few.resamples, many.resamples) == (RESAMPLES, LARGE_RESAMPLES)
    assert many.share == pytest.approx(few.share, abs=0.002)
    assert many.high - many.low == pytest.approx(few.high - few.low, rel=0.4)
    assert many == _changed(_walk(1, LARGE), _walk(2, LARGE))


def test_nothing_to_compare() -> None:
    assert quantile_changes(Sample([]), Sample([1]), (0.5, 0.9)) == [None, None]
    assert quantile_changes(Sample([0, 0]), Sample([1, 2]), (0.5,)) == [None]


def test_the_error_of_a_mean_is_that_of_independent_values() -> None:
    values = _walk(3, 4_000)
    mean, error = mean_error(Sample(values))
    assert mean == pytest.approx(statistics.fmean(values))
    assert error == pytest.approx(40 / 4_000**0.5, rel=0.25)
    assert mean_error(Sample(_walk(3, 4_000, carried=0.8)))[1] > 2.5 * error


def test_a_settled_mix_is_no_noise_of_a_mean() -> None:
    values = [(100.0 if at % 3 else 300.0) + at % 2 for at in range(90)]
    shapes = [at % 3 == 0 for at in range(90)]
    mean, error = mean_error(Sample(values, None, shapes))
    assert mean == pytest.approx(statistics.fmean(values))
    assert error < 0.2 < mean_error(Sample(values))[1]
    assert mean_error(Sample(values, None, range(90)))[1] == float("inf")


def test_too_few_values_tell_no_error() -> None:
    assert mean_error(Sample([5]))[1] == float("inf")
    assert mean_error(Sample([])) == (0.0, 0.0)


def test_more_tests_ask_for_more() -> None:
    assert z_of(1) == pytest.approx(2.576, abs=0.001)
    assert z_of(100) > z_of(10) > z_of(1)
    assert 0 < FLOOR < 0.05
