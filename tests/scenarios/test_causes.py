"""Each injected cause is the first finding, with the device time that it cost; its healthy twin is clean."""

from __future__ import annotations

import pytest

from nsys_llm_explainer.demo import DemoSpec, healthy
from tests.scenarios.catalogue import HEALTHY, MS, PAIRS, SCENARIOS, WARMING, Scenario
from tests.scenarios.conftest import Explain, Explained

CLEAN = {"healthy", "gpu_bound"}


def assert_disjoint(explained: Explained) -> None:
    """No more device time is at stake than there is."""
    assert sum(finding.at_stake_ns or 0 for finding in explained.report.findings) <= explained.windows_ns()


def assert_clean(explained: Explained) -> None:
    assert explained.strong() == [], explained.told()
    assert CLEAN & {finding.id for finding in explained.report.findings}, explained.told()
    assert_disjoint(explained)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_the_cause_comes_first_with_its_size(explain: Explain, scenario: Scenario) -> None:
    explained = explain(scenario.spec)
    injected = sum(explained.run.injected[cause] for cause in scenario.ledger)
    assert injected > scenario.share * explained.windows_ns(), "the scenario is too weak"
    first = explained.report.findings[0]
    assert first.id == scenario.finding, explained.told()
    assert first.at_stake_ns == pytest.approx(injected, rel=0.05), explained.told()
    assert_disjoint(explained)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_the_twin_is_clean(explain: Explain, scenario: Scenario) -> None:
    assert_clean(explain(scenario.healthy))


@pytest.mark.parametrize("spec", HEALTHY.values(), ids=HEALTHY)
def test_healthy_runs_are_clean(explain: Explain, spec: DemoSpec) -> None:
    assert_clean(explain(spec))


@pytest.mark.parametrize("spec", WARMING.values(), ids=WARMING)
def test_a_warm_up_is_named_and_no_more(explain: Explain, spec: DemoSpec) -> None:
    explained = explain(spec)
    assert_clean(explained)
    injected = explained.run.injected["warm_up"]
    assert explained.report.findings[0].id == "warm_up", explained.told()
    assert explained.finding("warm_up").at_stake_ns == pytest.approx(injected, rel=0.10), explained.told()


@pytest.mark.parametrize(("spec", "expected"), PAIRS.values(), ids=PAIRS)
def test_two_causes_are_told_apart(explain: Explain, spec: DemoSpec, expected: tuple[str, str]) -> None:
    explained = explain(spec)
    injected = {cause: explained.run.injected[cause] for cause in expected}
    for cause, ns in injected.items():
        assert explained.finding(cause).at_stake_ns == pytest.approx(ns, rel=0.10), explained.told()
    larger = max(expected, key=lambda cause: (explained.finding(cause).severity != "low", injected[cause]))
    assert explained.report.findings[0].id == larger, explained.told()
    assert_disjoint(explained)


def test_a_pause_before_a_prefill_is_no_lack_of_requests(explain: Explain) -> None:
    explained = explain(healthy(causes={"pause_every": 16, "pause_ns": 50 * MS, "pause_between": True}))
    assert explained.run.steps[16].batch.context_requests
    assert "request_gaps" not in {finding.id for finding in explained.report.findings}, explained.told()


def test_a_late_rank_costs_the_others_and_itself(explain: Explain) -> None:
    late = {"straggler_rank": 2, "straggler_factor": 1.0, "straggler_code_ns": 8 * MS}
    explained = explain(healthy(workers=4, decode_steps=30, causes=late))
    injected = explained.run.injected["straggling_rank"]
    waiting, own = explained.finding("straggling_rank"), explained.finding("host_bound_in_step")
    assert explained.report.findings[:2] == (waiting, own)
    assert (waiting.at_stake_ns or 0) + (own.at_stake_ns or 0) == pytest.approx(injected, rel=0.05)
    assert waiting.at_stake_ns == pytest.approx(3 * (own.at_stake_ns or 0), rel=0.05)
    assert "GPU 2" in waiting.title
    assert "GPU 2" in own.title
