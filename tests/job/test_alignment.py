"""Offsets, drift and residuals against the truth; and what cannot be told is not told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsys_llm_explainer.job.alignment import Pair, Place, align
from nsys_llm_explainer.job.lanes import Capture
from tests.job.scene import BROADCAST, MS, ONE_SHOT, US, Collective, Host, Pace, S, capture, collectives

HOUR = 3600 * S
JOB = collectives((0, 1, 2, 3))
EVEN = Pace(layer_jitter_ns=0, step_jitter_ns=0, arrival_jitter_ns=0, end_jitter_ns=3 * US)


def aligned(*captures: Capture) -> tuple[list[Place], list[Pair]]:
    places, pairs = align(captures)
    return places, pairs


def worst_error(one: Host, other: Host, place: Place, job: Sequence[Collective]) -> int:
    """Returns how far the other clock, put onto the one, is off where both recorded."""
    first = max(one.skip, other.skip)
    moments = [next(iter(job[number].spans.values()))[1] for number in (first, (first + len(job)) // 2, len(job) - 1)]
    return max(abs(place.clock.at(other.shows(moment)) - one.shows(moment)) for moment in moments)


@pytest.mark.parametrize("offset", [0, 3 * MS, -7 * S, 5 * HOUR, 1_767_225_600 * S])
@pytest.mark.parametrize("ppm", [0.0, 20.0, -50.0])
def test_offset_and_drift_are_recovered(offset: int, ppm: float) -> None:
    one, other = Host((0, 1)), Host((2, 3), offset=offset, ppm=ppm)
    places, (pair,) = aligned(capture(0, one, JOB), capture(1, other, JOB))
    assert (pair.status, pair.confidence, pair.used) == ("aligned", "high", True)
    assert pair.fit is not None
    assert (pair.fit.matched, pair.fit.compared, pair.fit.rivals) == (len(JOB), len(JOB), 0)
    assert worst_error(one, other, places[1], JOB) <= pair.fit.residual_max_ns
    # 220 ms at 50 ppm are 11 us of drift, beside ends that scatter by one or two.
    assert pair.fit.clock.rate * 1e6 == pytest.approx(ppm, abs=4)
    if ppm == 0:
        assert pair.fit.clock.rate == 0


def test_captures_that_start_and_lose_at_other_places() -> None:
    one = Host((0,), lost=range(150, 163))
    other = Host((1,), offset=9 * S, skip=70, lost=range(260, 301))
    places, (pair,) = aligned(capture(0, one, JOB), capture(1, other, JOB))
    assert pair.status == "aligned"
    assert pair.fit is not None
    assert pair.fit.matched == len(JOB) - 70 - 13 - 41
    assert worst_error(one, other, places[1], JOB) <= pair.fit.residual_max_ns


def test_a_slow_rank_does_not_pull_the_clock() -> None:
    job = collectives((0, 1), Pace(late={1: 100 * US}))
    one, other = Host((0,)), Host((1,), offset=4 * S)
    places, (pair,) = aligned(capture(0, one, job), capture(1, other, job))
    assert pair.confidence == "high"
    assert worst_error(one, other, places[1], job) <= 3 * US


def test_even_steps_are_ambiguous() -> None:
    job = collectives((0, 1), EVEN)
    one, other = Host((0,), skip=20), Host((1,), offset=S)
    _, (pair,) = aligned(capture(0, one, job), capture(1, other, job))
    assert (pair.status, pair.confidence) == ("ambiguous", "low")
    assert "about equally well" in pair.reason


def test_even_steps_within_the_reach_of_wall_clocks_stay_ambiguous() -> None:
    job = collectives((0, 1), EVEN)
    one, other = Host((0,), utc_off=0), Host((1,), offset=S, utc_off=2 * MS)
    _, (pair,) = aligned(capture(0, one, job), capture(1, other, job))
    assert (pair.status, pair.confidence) == ("ambiguous", "low")


@pytest.mark.parametrize("utc_off", [0, 30 * MS, -60 * MS])
def test_wall_clocks_decide_between_long_even_steps(utc_off: int) -> None:
    job = collectives((0, 1), Pace(layer_jitter_ns=0, step_ns=400 * MS, step_jitter_ns=0, arrival_jitter_ns=0))
    one, other = Host((0,), utc_off=0), Host((1,), offset=77 * S, utc_off=utc_off, skip=30)
    places, (pair,) = aligned(capture(0, one, job), capture(1, other, job))
    assert (pair.status, pair.confidence) == ("aligned", "medium")
    assert "wall clocks" in pair.reason
    assert pair.wall_clock_off_ns == pytest.approx(utc_off, abs=5 * US)
    assert worst_error(one, other, places[1], job) <= 5 * US


def test_wall_clocks_that_differ_by_seconds_are_mentioned() -> None:
    one, other = Host((0,), utc_off=0), Host((1,), offset=S, utc_off=5 * S)
    _, (pair,) = aligned(capture(0, one, JOB), capture(1, other, JOB))
    assert (pair.status, pair.confidence) == ("aligned", "medium")
    assert "wall clocks of the hosts say otherwise" in pair.reason


@pytest.mark.parametrize("seed", range(4))
def test_replicas_share_nothing(seed: int) -> None:
    one, other = collectives((0,), seed=seed), collectives((1,), seed=seed + 100)
    places, (pair,) = aligned(capture(0, Host((0,)), one), capture(1, Host((1,)), other))
    assert (pair.status, pair.confidence, pair.fit) == ("refused", "none", None)
    assert "not the same job" in pair.reason
    assert [place.group for place in places] == [0, 1]


def test_replicas_in_lock_step_are_no_high_confidence() -> None:
    _, (pair,) = aligned(
        capture(0, Host((0,)), collectives((0,), EVEN)), capture(1, Host((1,)), collectives((1,), EVEN))
    )
    assert pair.confidence in {"low", "none"}


def test_too_few_and_no_common_names() -> None:
    few = JOB[:7]
    _, (pair,) = aligned(capture(0, Host((0,)), few), capture(1, Host((1,)), few))
    assert (pair.status, "too few" in pair.reason) == ("refused", True)
    other = collectives((0, 1), Pace(name="ncclDevKernel_AllGather"))
    _, (pair,) = aligned(capture(0, Host((0,)), JOB), capture(1, Host((1,)), other))
    assert (pair.status, "no kernel name in common" in pair.reason) == ("refused", True)
    _, (pair,) = aligned(capture(0, Host((0,)), JOB), capture(1, Host((1,))))
    assert pair.reason == "host1.sqlite holds no collectives"


@pytest.mark.parametrize(
    ("name", "kind", "confidence"),
    [(BROADCAST, "rooted", "low"), ("SendRecv", "point_to_point", "low"), (ONE_SHOT, "one_shot", "medium")],
)
def test_kernels_that_do_not_end_together_say_so(name: str, kind: str, confidence: str) -> None:
    job = collectives((0, 1), Pace(name=name))
    _, (pair,) = aligned(capture(0, Host((0,)), job, kind=kind), capture(1, Host((1,), offset=S), job, kind=kind))
    assert (pair.status, pair.confidence) == ("aligned", confidence)
    assert pair.reason


def test_files_without_a_common_collective_meet_over_a_third() -> None:
    left, right = collectives((0, 1)), collectives((1, 2), seed=5)
    hosts = (Host((0,)), Host((1,), offset=40 * S), Host((2,), offset=-3 * S, ppm=15))
    places, pairs = aligned(*(capture(number, host, left, right) for number, host in enumerate(hosts)))
    assert {place.group for place in places} == {0}
    assert {(pair.first, pair.second): pair.used for pair in pairs} == {(0, 1): True, (0, 2): False, (1, 2): True}
    assert worst_error(hosts[0], hosts[2], places[2], right) <= 10 * US
    assert places[2].uncertainty_ns >= places[1].uncertainty_ns > 0


def test_groups_inside_a_file_do_not_hide_the_one_between_files() -> None:
    """Two tensor-parallel groups, one in each file, and a data-parallel one over both."""
    within = (collectives((0, 1), seed=1), collectives((2, 3), seed=2))
    across = collectives((0, 2), Pace(steps=25, layers=1, step_ns=9 * MS), seed=3)
    one, other = Host((0, 1)), Host((2, 3), offset=12 * S)
    places, (pair,) = aligned(capture(0, one, within[0], across), capture(1, other, within[1], across))
    assert pair.status == "aligned"
    assert pair.fit is not None
    assert pair.fit.matched == 25
    assert worst_error(one, other, places[1], across) <= 5 * US


def test_many_files_are_not_all_compared() -> None:
    job = collectives(tuple(range(9)))
    hosts = [Host((rank,), offset=rank * S) for rank in range(9)]
    places, pairs = aligned(*(capture(number, host, job) for number, host in enumerate(hosts)))
    assert {place.group for place in places} == {0}
    assert len(pairs) == 8
    assert all(worst_error(hosts[0], host, place, job) <= 5 * US for host, place in zip(hosts, places))


@settings(max_examples=40, deadline=None)
@given(
    offset=st.integers(-10 * HOUR, 10 * HOUR),
    ppm=st.floats(-50, 50),
    skip=st.integers(0, 150),
    lost=st.integers(0, 40),
    jitter=st.integers(0, 12 * US),
    seed=st.integers(0, 10_000),
)
def test_recovered_offsets_lie_within_the_residual(
    *, offset: int, ppm: float, skip: int, lost: int, jitter: int, seed: int
) -> None:
    job = collectives((0, 1), Pace(end_jitter_ns=jitter), seed=seed)
    one = Host((0,), lost=range(200, 200 + lost))
    other = Host((1,), offset=offset, ppm=ppm, skip=skip)
    places, (pair,) = aligned(capture(0, one, job), capture(1, other, job))
    assert pair.fit is not None
    assert pair.status == "aligned"
    assert worst_error(one, other, places[1], job) <= pair.fit.residual_max_ns + 2 * US
