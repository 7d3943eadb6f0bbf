"""Who is called an outlier, beside the same rule written down with numpy."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from nsys_llm_explainer.fleet.columns import DEVICES
from nsys_llm_explainer.fleet.outliers import METRICS, MIN_SCORE, MIN_TRACES, compare

NAMES = [column.name for column in DEVICES]


def _row(trace: str, **values: Any) -> dict[str, Any]:
    row = dict.fromkeys(NAMES)
    return {**row, "trace": trace, "status": "ok", "device_id": 0, "gpu_id": 0, "gpu_name": "H100", **values}


def _rows(values: list[float], metric: str = "idle_share", **more: Any) -> list[dict[str, Any]]:
    return [_row(f"t{number:02}", **{metric: value}, **more) for number, value in enumerate(values)]


def _called(rows: list[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    return [(row["trace"], row["metric"], row["worse"]) for row in compare(rows).outliers]


BASE = [0.10, 0.11, 0.09, 0.10, 0.10, 0.11, 0.10]


def test_one_that_is_far_away_is_called() -> None:
    assert _called(_rows([*BASE, 0.50])) == [("t07", "idle_share", True)]
    assert _called(_rows([*BASE, 0.001])) == [("t07", "idle_share", False)]


def test_too_few_traces_are_never_judged() -> None:
    rows = _rows([*BASE[: MIN_TRACES - 2], 0.9])
    assert _called(rows) == []
    assert compare(rows).groups == ({"gpu_name": "H100", "traces": MIN_TRACES - 1, "compared": False},)
    assert len(_called([*rows, _row("more", idle_share=0.1)])) == 1


def test_ranks_of_one_trace_are_one_witness() -> None:
    rows = [_row("one", device_id=number, idle_share=0.1) for number in range(40)]
    assert _called([*rows, _row("two", idle_share=0.9)]) == []


def test_a_trace_is_judged_by_its_worst_device() -> None:
    rows = [_row(f"t{n}", device_id=d, gpu_id=d, idle_share=0.1) for n in range(MIN_TRACES) for d in (0, 1)]
    rows[3]["idle_share"] = 0.6
    (found,) = compare(rows).outliers
    assert (found["trace"], found["device_id"], found["traces_compared"]) == ("t1", 1, MIN_TRACES)


def test_other_gpus_failures_and_unnamed_ones_are_not_compared() -> None:
    rows = _rows(BASE)
    assert _called([*rows, _row("other", idle_share=0.9, gpu_name="A100")]) == []
    assert _called([*rows, _row("failed", idle_share=0.9, status="failed")]) == []
    assert _called([*rows, _row("unnamed", idle_share=0.9, gpu_name=None)]) == []
    assert _called([*rows, _row("absent"), _row("absent too")]) == []


def test_what_hardly_differs_is_not_called() -> None:
    assert _called(_rows([0.1] * 8 + [0.115])) == []
    assert _called(_rows([0.1] * 8 + [0.125])) == [("t08", "idle_share", True)]
    assert _called(_rows([1e7] * 8 + [1.04e7], "decode_period_p50_ns", decode_steps=50)) == []
    assert _called(_rows([1e7] * 8 + [1.07e7], "decode_period_p50_ns", decode_steps=50)) == [
        ("t08", "decode_period_p50_ns", True)
    ]
    assert _called(_rows([0.0] * 9, "tokens_per_s")) == []


def test_few_steps_tell_nothing() -> None:
    assert _called(_rows([1e7] * 8 + [9e7], "decode_period_p50_ns", decode_steps=4)) == []
    assert _called(_rows([1e7] * 8 + [9e7], "decode_period_p99_ns", decode_steps=49)) == []
    assert len(_called(_rows([1e7] * 8 + [9e7], "decode_period_p99_ns", decode_steps=50))) == 1


def test_fewer_tokens_are_worse_and_of_no_device() -> None:
    found = compare(_rows([1000.0] * 8 + [500.0, 2000.0], "tokens_per_s")).outliers
    assert [(row["trace"], row["worse"], row["direction"], row["device_id"]) for row in found] == [
        ("t08", True, "lower", None),
        ("t09", False, "higher", None),
    ]
    assert [row["rank"] for row in found] == [1, 2]


def test_an_idle_share_names_the_cause_that_differs_most() -> None:
    rows = _rows([*BASE, 0.5], idle_host_sync_share=0.05)
    rows[-1]["idle_host_sync_share"] = 0.42
    (found,) = compare(rows).outliers
    assert found["because"] == "idle.host_sync +37.0 % of the window"


@pytest.mark.parametrize("seed", range(30))
def test_the_same_as_with_numpy(seed: int) -> None:
    chance = random.Random(seed)
    metric = chance.choice(METRICS)
    scale = 0.2 if metric.is_share else 1e7
    values = [scale * chance.gauss(1, chance.choice([0, 0.002, 0.02])) for _ in range(chance.randint(8, 30))]
    for _ in range(chance.randint(0, 2)):
        values[chance.randrange(len(values))] *= chance.choice([0.5, 1.08, 1.3, 4])
    steps = {} if metric.steps is None else {metric.steps[0]: 1000}
    found = {row["trace"]: row["score"] for row in compare(_rows(values, metric.name, **steps)).outliers}
    array = np.array(values)
    distance = np.abs(array - np.median(array))
    least = 0.02 if metric.is_share else 0.05 * abs(np.median(array))
    score = distance / max(1.4826 * np.median(distance), 0.2 * least)
    expected = {f"t{n:02}": score[n] for n in range(len(values)) if score[n] >= MIN_SCORE and distance[n] >= least}
    assert found == pytest.approx(expected)


def test_noise_is_rarely_called() -> None:
    chance = random.Random(7)
    called = sum(bool(_called(_rows([0.3 + chance.gauss(0, 0.05) for _ in range(MIN_TRACES)]))) for _ in range(1_000))
    assert called < 50
