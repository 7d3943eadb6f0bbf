"""Generated pages and the JSON Schema are fresh."""

from __future__ import annotations

import subprocess
import sys

from nsys_llm_explainer.reference import generated_files, stale_files
from tests.contract.modules import ROOT


def test_nothing_is_stale() -> None:
    assert len(generated_files(ROOT)) >= 4
    assert stale_files(ROOT) == []


def test_the_door_checks_and_writes(tmp_path) -> None:
    (tmp_path / "pyproject.toml").touch()
    command = [sys.executable, "-m", "nsys_llm_explainer.reference", "--root", str(tmp_path)]
    checked = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 1
    assert checked.stderr.count("stale:") == 5
    assert subprocess.run([*command, "--write"], check=False).returncode == 0
    assert subprocess.run([*command, "--check"], check=False).returncode == 0
