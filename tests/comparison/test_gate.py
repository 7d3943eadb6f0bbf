"""``nsys-llm-explain diff`` as its user runs it, and conditions on what changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from nsys_llm_explainer import check, compare
from nsys_llm_explainer.demo import DemoSpec, generate
from tests.cli.conftest import Run, check_error, files, run
from tests.comparison.conftest import SPEC, Runs
from tests.support.export import Export

__all__ = ["run"]

QUIET = ("--quiet", "--format", "json", "--out", "out")
DECODE = "steps.decode.period_p50_ns > +3%"
SLOWER = "diff.steps.decode.period_p50_slower_share > 0"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("diff")
    generate(made / "before.sqlite", SPEC)
    generate(made / "after.sqlite", replace(SPEC, causes=replace(SPEC.causes, launch_delay_ns=400_000)))
    generate(made / "one.sqlite", DemoSpec(decode_steps=12, prefill_every=6, layers=4, workers=1))
    Export().call("cudaFree_v3020", 0, 10).write(made / "empty.sqlite")
    return made


def _conditions(*texts: str) -> list[str]:
    return [part for text in texts for part in ("--fail-on", text)]


def test_a_trace_beside_itself_passes(run: Run, folder: Path, tmp_path: Path) -> None:
    trace = folder / "before.sqlite"
    gate = _conditions(DECODE, SLOWER, "diff.regressions > 0", "diff.kernels.new > 0", "diff.findings.new > 0")
    done = run("diff", trace, trace, *QUIET, *gate)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert files(tmp_path) == {"out/diff.json"}


def test_a_slower_run_falls_short(run: Run, folder: Path, tmp_path: Path) -> None:
    gate = _conditions(DECODE, SLOWER, "diff.steps.decode.period_p50_change_share > 50%", "diff.regressions > 0")
    done = run("diff", folder / "before.sqlite", folder / "after.sqlite", *QUIET, *gate, "--junit", "gate.xml")
    assert (done.returncode, done.stdout) == (3, "")
    first, second, third = done.stderr.splitlines()
    assert first.startswith(f"gate: {DECODE}: ")
    assert "on BEFORE's" in first
    assert second.startswith(f"gate: {SLOWER}: ")
    assert third.startswith("gate: diff.regressions > 0: diff.regressions is ")
    suite = ET.parse(tmp_path / "gate.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("4", "3")
    assert {case.get("classname") for case in suite} == {"before.sqlite and after.sqlite"}


def test_what_people_see(run: Run, folder: Path, tmp_path: Path) -> None:
    done = run("diff", folder / "before.sqlite", folder / "after.sqlite")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Decode steps take" in done.stdout
    assert done.stdout.rstrip().endswith("Comparison: before_after_diff/diff.md")
    assert {"before_after_diff/diff.html", "before_after_diff/tables/diff_devices.csv"} <= files(tmp_path)


@pytest.mark.parametrize("other", ["one.sqlite", "empty.sqlite"])
def test_what_cannot_be_compared_does_not_pass(run: Run, folder: Path, other: str) -> None:
    pair = folder / "before.sqlite", folder / other
    assert run("diff", *pair, *QUIET).returncode == 0
    done = run("diff", *pair, *QUIET, *_conditions("diff.regressions > 0", "budget.idle_share > +90%"))
    assert done.returncode == 3
    assert [line.count("not comparable: GPU") for line in done.stderr.splitlines()] == [1, 1]
    absolute = run("diff", *pair, *QUIET, *_conditions("diff.differences.blocks > 3"))
    assert (absolute.returncode, absolute.stderr) == (0, "")


def test_different_machines_may_be_let_pass(run: Run, folder: Path) -> None:
    pair = folder / "before.sqlite", folder / "one.sqlite"
    gate = _conditions("diff.devices.idle_change_share > 99%")
    assert run("diff", *pair, *QUIET, *gate).returncode == 3
    assert run("diff", *pair, *QUIET, *gate, "--allow-different").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--fail-on", "diff.regressions"), "is no condition"),
        (("--fail-on", "diff.regressions > +3%"), "is a change already"),
        (("--fail-on", "diff.a.b.c.d > 1"), "is no condition"),
        (("--junit", "gate.xml"), "--junit needs --fail-on"),
        (("--floor", "120%"), "no part of 1"),
        (("--format", "pdf"), "is none of"),
    ],
)
def test_wrong_usage(run: Run, folder: Path, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = run("diff", folder / "before.sqlite", folder / "after.sqlite", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert files(tmp_path) == set()


def test_a_file_that_is_none(run: Run, folder: Path, tmp_path: Path) -> None:
    check_error(run("diff", folder / "before.sqlite", "nowhere.sqlite"), "nowhere.sqlite")
    (tmp_path / "text.sqlite").write_text("no trace")
    check_error(run("diff", "text.sqlite", folder / "before.sqlite"), "text.sqlite")


def test_conditions_in_python(runs: Runs) -> None:
    comparison = compare(runs(), runs(graph_mode="graph"))
    slow, kernels, missing, absolute = check(
        comparison,
        [
            "diff.steps.decode.period_p50_slower_share > 50%",
            "diff.kernels.new > 1000000",
            "diff.steps.prefill.period_p50_change_share > 1%",
            "budget.idle_share > 99%",
        ],
    )
    assert (slow.passed, absolute.passed) == (True, True)
    assert not kernels.passed
    assert "not comparable: CUDA graph tracing: node before, graph after" in kernels.reason
    assert not missing.passed
    assert "no steps of kind prefill in common" in missing.reason
    with pytest.raises(ValueError, match="takes no baseline"):
        check(comparison, "diff.regressions > 0", runs())
    with pytest.raises(ValueError, match="does not hold its reports"):
        check(replace(comparison, reports=None), "diff.regressions > 0")


def test_a_report_has_no_changes(runs: Runs) -> None:
    (found,) = check(runs(), "diff.regressions > 0")
    assert not found.passed
    assert "only a comparison" in found.reason


def test_every_figure_can_be_asked_for(runs: Runs) -> None:
    comparison = compare(runs(), runs(seed=1))
    results = check(comparison, [f"diff.{name} > 1000000" for name in comparison.figures])
    assert len(results) > 30
    for name, result in zip(comparison.figures, results):
        assert result.passed is isinstance(comparison.figures[name], tuple), result
