"""``nsys-llm-explain TRACE --fail-on EXPR`` in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.cli.conftest import Run, check_error, files, run

__all__ = ["run"]

QUICK = ("--quiet", "--format", "json", "--out", "out")
DECODE = "steps.decode.period_p50_ns"


def test_a_gate_that_holds(run: Run, trace: Path, tmp_path: Path) -> None:
    done = run(trace, *QUICK, "--fail-on", "budget.idle_share > 99%", "--fail-on", "findings.high > 0")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert files(tmp_path) == {"out/report.json"}


def test_a_gate_that_falls_short(run: Run, trace: Path, tmp_path: Path) -> None:
    conditions = ("budget.idle_share > 0.0001%", "findings.high > 0", "nothing.there > 1")
    done = run(trace, *QUICK, *(part for text in conditions for part in ("--fail-on", text)), "--junit", "gate.xml")
    assert (done.returncode, done.stdout) == (3, "")
    first, second = done.stderr.splitlines()
    assert first.startswith("gate: budget.idle_share > 0.0001%: budget.idle_share is 0.")
    assert second.startswith("gate: nothing.there > 1: nothing.there: no such figure")
    assert files(tmp_path) == {"out/report.json", "gate.xml"}
    suite = ET.parse(tmp_path / "gate.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    assert {case.get("name") for case in suite} == set(conditions)
    assert {case.get("classname") for case in suite} == {"run.sqlite"}


def test_the_summary_is_still_printed(run: Run, trace: Path) -> None:
    done = run(trace, "--out", "out", "--fail-on", "nothing.there > 1")
    assert done.returncode == 3
    assert done.stdout.rstrip().endswith("Report: out/report.md")


def test_against_a_baseline(run: Run, trace: Path, slower: Path, tmp_path: Path) -> None:
    assert run(trace, *QUICK, "--save-baseline", "b.json").returncode == 0
    assert json.loads((tmp_path / "b.json").read_text())["kind"] == "nsys-llm-explainer baseline"
    gate = ("--fail-on", f"{DECODE} > +3%", "--baseline", "b.json")
    same = run(trace, *QUICK, *gate)
    assert (same.returncode, same.stderr) == (0, "")
    worse = run(slower, *QUICK, *gate, "--save-baseline", "next.json")
    assert worse.returncode == 3
    assert len(worse.stderr.splitlines()) == 1
    assert "on the baseline's" in worse.stderr
    assert (tmp_path / "next.json").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--fail-on", "budget.idle_share"),
        ("--fail-on", "budget.idle_share > 12ms"),
        ("--fail-on", f"{DECODE} > +3%"),
        ("--fail-on", f"{DECODE} > +3%", "--baseline", "none.json"),
        ("--fail-on", f"{DECODE} > +3%", "--baseline", "bad.json"),
        ("--fail-on", f"{DECODE} > +3%", "--baseline", "."),
        ("--fail-on", "findings.high > 0", "--junit", "."),
        ("--fail-on", "findings.high > 0", "--junit", "bad.json/x.xml"),
        ("--fail-on", "findings.high > 0", "--junit", "pipe"),
        ("--fail-on", f"{DECODE} > +3%", "--baseline", "good.json", "--save-baseline", "./good.json"),
        ("--fail-on", "findings.high > 0", "--print-schema"),
        ("--junit", "x.xml"),
        ("--baseline", "good.json"),
        ("--save-baseline", "."),
    ],
)
def test_wrong_usage_is_said_before_the_trace_is_read(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "bad.json").write_text("{}")
    os.mkfifo(tmp_path / "pipe")
    good = {"kind": "nsys-llm-explainer baseline", "schema_version": "1.0", "summary": {}, "tables": {}, "findings": []}
    (tmp_path / "good.json").write_text(json.dumps(good))
    done = run("no-such-trace.sqlite", *arguments)
    assert done.returncode == 2, done
    assert "usage:" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "pipe").is_fifo()
    assert files(tmp_path) - {"pipe"} == {"bad.json", "good.json"}


def test_a_trace_that_cannot_be_read_is_no_gate(run: Run, tmp_path: Path) -> None:
    check_error(run("none.sqlite", "--fail-on", "findings.high > 0", "--junit", "x.xml"), "none.sqlite")
    assert files(tmp_path) == set()


def test_hostile_text_stays_on_one_line(run: Run, trace: Path, tmp_path: Path) -> None:
    condition = 'kernels[kernel_name="\x1b[2J\n</failure>\u202e"].calls > 1'
    done = run(trace, *QUICK, "--fail-on", condition, "--junit", "x.xml")
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr
    assert len(ET.parse(tmp_path / "x.xml").getroot()[0]) == 1


def test_a_plain_run_does_not_load_the_gate() -> None:
    code = (
        "import sys, nsys_llm_explainer.cli.run; "
        "print([name for name in sys.modules if 'gate' in name.split('.') or name.startswith('xml.etree')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
