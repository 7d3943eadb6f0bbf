"""What changed is found with its size, and what did not change is not called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nsys_llm_explainer import Report, compare
from nsys_llm_explainer.comparison.judge import CALLED
from nsys_llm_explainer.comparison.value import Comparison
from nsys_llm_explainer.demo import DemoSpec, healthy
from tests.comparison.conftest import SPEC, Runs
from tests.support.export import Export


def _rows(comparison: Comparison, table: str, **where: Any) -> list[dict[str, Any]]:
    rows = comparison.tables[table].rows()
    return [row for row in rows if all(row[column] == value for column, value in where.items())]


def _called(comparison: Comparison) -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, row) for name, table in comparison.tables.items() for row in table.rows() if row.get("verdict") in CALLED
    ]


def test_a_trace_beside_itself(runs: Runs) -> None:
    comparison = compare(runs(), runs())
    assert _called(comparison) == []
    assert comparison.changes == ()
    assert comparison.origins == ()
    assert comparison.lead.startswith("No change beyond the noise.")
    for table in ("step_times", "devices", "device_budget", "step_buckets", "kernels"):
        rows = comparison.tables[table].rows()
        assert rows
        changes = [row.get("change_share") for row in rows]
        assert set(changes) <= {0, None}


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        DemoSpec(),
        healthy(),
        healthy(graph_mode="none"),
        healthy(causes={"between_steps_ns": 8_000_000}),
        healthy(causes={"pause_every": 12, "pause_ns": 40_000_000}),
        healthy(causes={"straggler_rank": 1}),
        healthy(causes={"allocate_every": 1, "allocate_ns": 1_500_000}),
    ],
    ids=["small", "demo", "healthy", "eager", "host", "pauses", "straggler", "allocations"],
)
def test_two_seeds_have_no_change(runs: Runs, spec: DemoSpec) -> None:
    reports = [runs(spec, seed=seed) for seed in (1, 2)]
    for before, after in zip(reports, reports[1:]):
        assert _called(compare(before, after)) == []


def test_five_percent_more_of_a_decode_period(runs: Runs) -> None:
    report = runs(DemoSpec())
    period = next(row for row in report.sections["steps"].tables["step_kinds"].rows() if row["kind"] == "decode")
    injected = round(period["period_p50_ns"] * 0.05)
    slower = runs(DemoSpec(), seed=1, causes={"launch_delay_ns": injected})
    comparison = compare(report, slower)
    found = _rows(comparison, "step_times", kind="decode", metric="period_p50")
    assert len(found) == 2
    for row in found:
        assert row["verdict"] == "slower"
        assert row["change_share"] == pytest.approx(0.05, abs=0.007)
        assert row["low_share"] <= 0.05 <= row["high_share"]
        assert row["high_share"] - row["low_share"] < 0.05
    assert comparison.lead.startswith("Decode steps take ")
    assert "host code" in comparison.lead
    host = _rows(comparison, "step_buckets", kind="decode", bucket="idle.host_code")
    assert all(row["change_ns"] == pytest.approx(injected, rel=0.1) for row in host)
    assert all(row["verdict"] == "more" for row in host)
    back = compare(slower, report)
    assert {row["verdict"] for row in _rows(back, "step_times", kind="decode", metric="period_p50")} == {"faster"}
    assert "less time" in back.lead


def test_the_floor_is_the_users(runs: Runs) -> None:
    period = next(row for row in runs().sections["steps"].tables["step_kinds"].rows() if row["kind"] == "decode")
    slower = runs(causes={"launch_delay_ns": round(period["period_p50_ns"] * 0.02)})
    patient, eager = compare(runs(), slower), compare(runs(), slower, floor=0.005)
    assert {row["verdict"] for row in _rows(patient, "step_times", kind="decode", metric="span_p50")} == {"same"}
    assert {row["verdict"] for row in _rows(eager, "step_times", kind="decode", metric="span_p50")} == {"slower"}
    for wrong in (-0.1, 1.0, 3.0):
        with pytest.raises(ValueError, match="floor"):
            compare(runs(), runs(), floor=wrong)


def test_shapes_of_one_side_are_listed_and_not_compared(runs: Runs) -> None:
    comparison = compare(runs(), runs(seed=2))
    shapes = _rows(comparison, "step_shapes", kind="decode", device="GPU 0")
    matched = sum(row["before_steps"] for row in shapes if row["matched"])
    assert {row["before_steps"] for row in _rows(comparison, "step_times", kind="decode", device="GPU 0")} == {matched}
    assert all((row["change_share"] is None) is not row["matched"] for row in shapes)


def test_idle_time_and_where_it_comes_from(runs: Runs) -> None:
    comparison = compare(runs(), runs(causes={"launch_delay_ns": 3_000_000}))
    for device in _rows(comparison, "devices"):
        assert device["verdict"] == "more"
        change = device["change_share"]
        label = device["device"]
        for table in ("idle_origins", "idle_places"):
            assert sum(row["change_share"] for row in _rows(comparison, table, device=label)) == pytest.approx(change)
        buckets = [row for row in _rows(comparison, "device_budget", device=label) if row["bucket"].startswith("idle")]
        assert sum(row["change_share"] for row in buckets) == pytest.approx(change)
    first = _rows(comparison, "idle_places")[0]
    assert (first["place"], first["call_name"], first["cause"]) == ("inside_step", "cudaGraphLaunch", "idle.host_code")
    assert first["after_avg_ns"] > (first["before_avg_ns"] or 0) + 2_500_000
    assert "before cudaGraphLaunch" in comparison.lead
    assert len(comparison.origins) == 2
    finding = _rows(comparison, "findings", id="host_bound_in_step")[0]
    assert (finding["verdict"], finding["after_severity"]) == ("more", "high")
    assert comparison.figures["findings.new_high"] == (1,)


def test_kernels_new_gone_and_changed(plain: Callable[..., Export], analysed: Callable[[Export], Report]) -> None:
    before = analysed(plain({"norm": 20_000, "gemm_64x64": 90_000, "attend": 60_000, "copy<int>": 30_000}))
    after = analysed(plain({"norm": 30_000, "gemm_128x64": 80_000, "attend": 60_000, "rope": 30_000}))
    comparison = compare(before, after)
    rows = {row["kernel_name"]: row for row in _rows(comparison, "kernels")}
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "norm": "slower",
        "gemm_64x64": "faster",
        "attend": "same",
        "copy<int>": "gone",
        "rope": "new",
    }
    assert rows["gemm_64x64"]["replaced_by"] == "gemm_128x64"
    assert rows["norm"]["change_share"] == pytest.approx(0.5, abs=0.001)
    assert rows["norm"]["before_per_step_ns"] is None
    assert any(note.startswith("No steps are compared") for note in comparison.notes)
    assert comparison.figures["kernels.new"] == (1,)


def test_no_replacement_where_two_could_be_meant(
    plain: Callable[..., Export], analysed: Callable[[Export], Report]
) -> None:
    before = analysed(plain({"gemm_64x64": 90_000, "attend": 60_000}))
    after = analysed(plain({"gemm_128x64": 40_000, "gemm_256x64": 50_000, "attend": 60_000}))
    rows = _rows(compare(before, after), "kernels")
    assert {row["replaced_by"] for row in rows} == {None}
    assert sorted(row["verdict"] for row in rows) == ["gone", "new", "new", "same"]


def test_without_steps_windows_compare_as_shares(
    plain: Callable[..., Export], analysed: Callable[[Export], Report]
) -> None:
    before = analysed(plain({"k": 20_000}))
    after = analysed(plain({"k": 20_000}, gap_ns=20_000))
    comparison = compare(before, after)
    device = _rows(comparison, "devices")[0]
    assert device["before_idle_share"] == pytest.approx(2 / 22, abs=0.01)
    assert device["after_idle_share"] == pytest.approx(0.5, abs=0.01)
    assert device["verdict"] == "more"
    assert comparison.tables["step_times"].held == ()
    assert "steps" in comparison.reasons[0]


def test_devices_of_other_numbers_are_paired_in_order(
    plain: Callable[..., Export], analysed: Callable[[Export], Report]
) -> None:
    comparison = compare(analysed(plain({"k": 20_000})), analysed(plain({"k": 20_000}, device=3)))
    assert [row["device"] for row in _rows(comparison, "devices")] == ["GPU 0 / GPU 3"]


def test_the_same_input_gives_the_same_value(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert compare(runs(), runs(seed=1)).to_dict() == compare(runs(), runs(seed=1)).to_dict()
