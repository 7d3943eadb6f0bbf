"""``nsys_llm_explainer.check``: figures of real reports against conditions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nsys_llm_explainer import Report, check
from nsys_llm_explainer.gate.baseline import save
from tests.support.export import Export

DECODE = "steps.decode.period_p50_ns"


def _rows(report: Report, section: str, table: str) -> list[dict]:
    return report.sections[section].tables[table].rows()


def _one(report: Report, condition: str, baseline=None):
    (result,) = check(report, [condition], baseline)
    assert result.condition == condition
    assert len(result.reason.splitlines()) == 1
    return result


def test_a_summary_figure(report: Report) -> None:
    share = report.sections["budget"].summary["idle_share"]
    result = _one(report, "budget.idle_share > 0%")
    assert (result.value, result.limit, result.passed) == (share, 0.0, False)
    assert repr(share) in result.reason
    assert _one(report, "budget.idle_share > 99.9%").passed


def test_a_kind_of_step_is_the_largest_over_workers(report: Report) -> None:
    rows = [row for row in _rows(report, "steps", "step_kinds") if row["kind"] == "decode"]
    assert len(rows) == 2
    result = _one(report, f"{DECODE} > 1ns")
    assert (result.value, result.passed) == (max(row["period_p50_ns"] for row in rows), False)
    assert "largest of 2 rows" in result.reason


def test_an_upper_bound_looks_at_the_smallest_row(report: Report) -> None:
    values = sorted(row["period_p50_ns"] for row in _rows(report, "steps", "step_kinds") if row["kind"] == "decode")
    assert values[0] < values[-1]
    result = _one(report, f"{DECODE} < {int(values[0]) + 1}")
    assert (result.value, result.passed) == (values[0], False)


def test_equality_holds_if_any_row_equals(report: Report) -> None:
    devices = sorted(row["device_id"] for row in _rows(report, "gpu_idle", "gpu_devices"))
    assert devices == [0, 1]
    for device in devices:
        assert not _one(report, f"gpu_devices.device_id == {device}").passed
        assert not _one(report, f"gpu_devices.device_id != {device}").passed
    assert _one(report, "gpu_devices.device_id == 2").passed


def test_rows_are_chosen(report: Report) -> None:
    for row in _rows(report, "gpu_idle", "gpu_devices"):
        result = _one(report, f"gpu_devices[device_id={row['device_id']}].idle_ns > 0")
        assert (result.value, result.passed) == (row["idle_ns"], False)
    kernel = _rows(report, "kernels", "kernels")[0]
    result = _one(report, f'kernels[kernel_name="{kernel["kernel_name"]}", device_id=0].calls >= 1')
    assert result.value == kernel["calls"]
    total = report.sections["kernels"].summary["total_ns"]
    assert _one(report, "kernels.total_ns > 0").value == total
    assert _one(report, "kernels[*].total_ns > 0").value == kernel["total_ns"] < total


def test_facts_counts_and_flags(report: Report) -> None:
    assert _one(report, "trace.file_bytes > 1KB").value == report.trace["file_bytes"]
    assert _one(report, "window.end_ns > 0").value == report.window["end_ns"]
    assert _one(report, "slow_steps.total_rows < 0").value == len(_rows(report, "steps", "slow_steps"))
    assert _one(report, "launches.launch_storm == 1").value in (0, 1)


def test_a_cut_is_said(report: Report) -> None:
    table = report.sections["budget"].tables["gap_causes"]
    assert table.total_rows > len(table)
    assert f"first {len(table)} of {table.total_rows} rows" in _one(report, "gap_causes.gap_ns > 0").reason


def test_findings(report: Report, idle_report: Report) -> None:
    found = {finding.id: finding for finding in idle_report.findings}
    finding = found["host_bound_between_steps"]
    assert _one(idle_report, "findings.high > 0").value == sum(item.severity == "high" for item in found.values()) > 0
    result = _one(idle_report, "findings.host_bound_between_steps.at_stake_share > 5%")
    assert (result.value, result.passed) == (finding.at_stake_share, False)
    assert _one(idle_report, "findings.host_bound_between_steps > 0").value == 1
    assert _one(idle_report, "findings.total_rows > 0").value == len(idle_report.findings)
    assert "pageable_copies" not in {item.id for item in report.findings}
    assert _one(report, "findings.pageable_copies.at_stake_share > 5%").passed
    assert _one(report, "findings.high > 0").passed


@pytest.mark.parametrize(
    "condition",
    [
        "budget.idle_share > 20%",
        "budget.idle_share < 20%",
        "gpu_devices.idle_share > 20%",
        "gpu_devices.total_rows > 100",
        f"{DECODE} != 1",
        "findings.host_bound_between_steps.at_stake_share > 5%",
        "findings.copy_bound > 0",
    ],
)
def test_what_was_not_captured_fails(empty_report: Report, condition: str) -> None:
    result = _one(empty_report, condition)
    assert (result.value, result.passed) == (None, False)
    assert "not captured" in result.reason


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("budgett.idle_share > 20%", "no section or table budgett"),
        ("budget.idle_sharee > 20%", "no section or table budget"),
        ("gpu_devices.idle > 20%", "report.json has no gpu_devices.idle"),
        ("gpu_devices[device=0].idle_share > 20%", "report.json has no gpu_devices.device"),
        ("gpu_devices[device_id=7].idle_share > 20%", "gpu_devices has no row with device_id 7"),
        ("gpu_devices[device_id=0].total_rows > 1", "counts all rows"),
        ("gpu_devices.gpu_name > 1", "is no number"),
        ("steps.source > 1", "is no number"),
        ("steps.nonsense.period_p50_ns > 1", "step_kinds has no row with kind nonsense"),
        ("slow_steps.excess_ns > 1", "slow_steps has no row"),
        ("launch_path.overhead_ns > 1", "not captured"),
        ("phases.anything > 1", "no section or table phases"),
        ("findings.hgh > 0", "there is no finding hgh"),
        ("findings.copy_bound.share > 0", "a finding has at_stake_ns and at_stake_share"),
        ("findings[id=copy_bound].at_stake_share > 0", "no section or table findings"),
    ],
)
def test_what_is_not_there_fails(report: Report, condition: str, reason: str) -> None:
    result = _one(report, condition)
    assert (result.value, result.passed) == (None, False)
    assert reason in result.reason


def test_a_trace_against_itself_passes(report: Report, tmp_path: Path) -> None:
    save(report, tmp_path / "baseline.json")
    conditions = [f"{DECODE} > +3%", f"{DECODE} > +0%", "budget.idle_share > +0.001", "steps.tokens_per_s < -1%"]
    for baseline in (tmp_path / "baseline.json", report):
        assert [result.passed for result in check(report, conditions, baseline)] == [True] * 4


def test_a_rise_of_five_percent_is_found(report: Report, slower_report: Report, tmp_path: Path) -> None:
    save(report, tmp_path / "baseline.json")
    result = _one(slower_report, f"{DECODE} > +3%", tmp_path / "baseline.json")
    base = _one(report, f"{DECODE} > 0").value
    assert not result.passed
    assert result.limit == pytest.approx(1.03 * base)
    assert 1.045 < result.value / base < 1.055
    assert f"{(result.value - base) / base:+.2%} now" in result.reason
    assert _one(slower_report, f"{DECODE} > +7%", tmp_path / "baseline.json").passed


def test_what_the_baseline_lacks_fails(report: Report, empty_report: Report, tmp_path: Path) -> None:
    save(report, tmp_path / "whole.json")
    save(empty_report, tmp_path / "empty.json")
    for baseline, condition in (
        ("whole.json", "gpu_devices.idle_share > +3%"),
        ("empty.json", f"{DECODE} > +3%"),
        ("empty.json", "budget.idle_share > +3%"),
        ("empty.json", "findings.copy_bound.at_stake_ns > +1ms"),
    ):
        result = _one(report, condition, tmp_path / baseline)
        assert (result.limit, result.passed) == (None, False)
        assert "baseline: not captured" in result.reason
    assert _one(report, "gpu_devices.idle_share > +3%", report).passed


def test_wrong_arguments(report: Report) -> None:
    with pytest.raises(ValueError, match="is no condition"):
        check(report, ["budget.idle_share"])
    with pytest.raises(ValueError, match="relative to a baseline"):
        check(report, [f"{DECODE} > +3%"])
    assert check(report, []) == ()
    assert len(check(report, "findings.high > 0")) == 1


def test_results_are_frozen(report: Report) -> None:
    result = _one(report, "findings.high > 0")
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.passed = False


def test_hostile_names_choose_rows(export_file) -> None:
    from nsys_llm_explainer import analyze

    name = "\x1b[31mf<a, \"b\">(x[1]) = '\\' </failure> ]]>\u202e"
    export = Export().call("cudaLaunchKernel_v7000", 0, 10, corr=1).kernel(name, 20, 120, corr=1)
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    result = _one(analyze(export_file(export)), f'kernels[kernel_name="{quoted}"].total_ns > 99ns')
    assert (result.value, result.passed) == (100, False)
