"""examples/ci/github-actions.yml: its shape, and that its commands do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from nsys_llm_explainer.cli.arguments import explain_parser
from nsys_llm_explainer.gate.expression import parse
from tests.cli.conftest import Run, run
from tests.contract.modules import ROOT

__all__ = ["run"]

WORKFLOW = ROOT / "examples" / "ci" / "github-actions.yml"


def _lines() -> list[str]:
    return [line for line in WORKFLOW.read_text("ascii").splitlines() if not line.lstrip().startswith("#")]


def _commands() -> list[list[str]]:
    """Returns the arguments of every call of the command; a folded block is one line for the shell."""
    text = "\n".join(_lines())
    blocks = re.findall(r"run: >-\n((?: {10}.*\n?)+)", text)
    return [shlex.split(" ".join(block.split("\n")))[1:] for block in blocks]


def test_its_shape() -> None:
    lines = _lines()
    assert not [line for line in lines if "\t" in line or line != line.rstrip()]
    assert all((len(line) - len(line.lstrip())) % 2 == 0 for line in lines)
    top = [line.split(":")[0] for line in lines if line and not line.startswith(" ")]
    assert top == ["name", "on", "permissions", "jobs"]
    steps = [line for line in lines if line.startswith("      - ")]
    keys = [re.sub("^- ", "", line.strip()).split(":")[0] for line in lines if re.match(r" {6}(- | {2})\S", line)]
    assert len(steps) >= 6
    assert set(keys) == {"name", "uses", "with", "run", "if"}


def test_its_conditions_are_read() -> None:
    check, save = (explain_parser().parse_args(command) for command in _commands())
    assert len([parse(text) for text in check.fail_on]) == 4
    assert save.save_baseline == check.baseline
    assert save.window == check.window


def test_its_commands_run(run: Run, trace: Path, slower: Path, tmp_path: Path) -> None:
    check, save = _commands()
    assert run(trace, *save[1:]).returncode == 0
    done = run(trace, *check[1:])
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "trace_report" / "gate.xml").is_file()
    assert run(slower, *check[1:]).returncode == 3
