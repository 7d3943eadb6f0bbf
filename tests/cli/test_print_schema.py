"""``--print-schema``."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run, files
from tests.support.export import Export


def test_says_what_is_there_and_what_can_be_computed(run: Run, trace_file, tmp_path: Path) -> None:
    done = run(trace_file("runtime_without_kernels"), "--print-schema")
    assert (done.returncode, done.stderr) == (0, "")
    assert "CUPTI_ACTIVITY_KIND_RUNTIME  415 rows" in done.stdout
    assert "correlationId" in done.stdout
    assert "What can be computed:" in done.stdout
    kernels = next(line for line in done.stdout.splitlines() if line.startswith("  kernels"))
    assert "no" in kernels.split()
    assert "--trace=cuda" in done.stdout
    assert files(tmp_path) == set()


def test_every_real_trace(run: Run, real_trace: Path) -> None:
    done = run(real_trace, "--print-schema")
    assert (done.returncode, done.stderr) == (0, "")
    assert "time span" in done.stdout


def test_names_cannot_drive_the_terminal(run: Run, tmp_path: Path) -> None:
    export = Export().kernel("k", 1, 2).sql('CREATE TABLE "\x1b[2Jevil\u202e"("\x1b]0;x\x07" INT)')
    export.write(tmp_path / "trace.sqlite")
    done = run("trace.sqlite", "--print-schema")
    assert done.returncode == 0
    assert not set("\x1b\x07\u202e") & set(done.stdout)
