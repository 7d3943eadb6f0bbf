"""Bad input: one clear line, exit code 1, nothing written, nothing changed."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Run, check_error, files
from tests.support.export import Export


def _valid(path: Path) -> bytes:
    export = Export()
    for number in range(2_000):
        export.kernel(f"kernel{number % 50}", number * 1_000, number * 1_000 + 900, corr=number + 1)
        export.call("cudaLaunchKernel_v7000", number * 1_000 - 50, number * 1_000 - 10, corr=number + 1)
    export.write(path)
    return path.read_bytes()


def _nothing_changed(run: Run, tmp_path: Path, name: str, *words: str) -> None:
    before = {path: (tmp_path / path).read_bytes() for path in files(tmp_path)}
    check_error(run(name, "--out", "out"), name, *words)
    assert {path: (tmp_path / path).read_bytes() for path in files(tmp_path)} == before
    assert not (tmp_path / "out").exists()


def test_missing_file(run: Run, tmp_path: Path) -> None:
    _nothing_changed(run, tmp_path, "missing.sqlite")


def test_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder.sqlite").mkdir()
    _nothing_changed(run, tmp_path, "folder.sqlite")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_no_permission(run: Run, tmp_path: Path) -> None:
    _valid(tmp_path / "secret.sqlite")
    (tmp_path / "secret.sqlite").chmod(0)
    check_error(run("secret.sqlite"), "secret.sqlite")


@pytest.mark.parametrize("content", [b"", b"hello\n" * 1_000, b"SQLite format 3\x00" + b"\xff" * 4_096])
def test_no_database(run: Run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.sqlite").write_bytes(content)
    _nothing_changed(run, tmp_path, "file.sqlite")


def test_another_database_says_what_was_found(run: Run, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.sqlite") as connection:
        connection.execute("CREATE TABLE customers(name)")
    connection.close()
    _nothing_changed(run, tmp_path, "shop.sqlite", "customers")


def test_truncated(run: Run, tmp_path: Path) -> None:
    data = _valid(tmp_path / "cut.sqlite")
    (tmp_path / "cut.sqlite").write_bytes(data[: len(data) * 2 // 3])
    _nothing_changed(run, tmp_path, "cut.sqlite")


def test_corrupt_pages(run: Run, tmp_path: Path) -> None:
    data = bytearray(_valid(tmp_path / "bad.sqlite"))
    data[8_192:] = b"\xa5" * (len(data) - 8_192)
    (tmp_path / "bad.sqlite").write_bytes(bytes(data))
    _nothing_changed(run, tmp_path, "bad.sqlite")


def test_a_view_in_place_of_a_table(run: Run, tmp_path: Path) -> None:
    Export().call("cudaLaunchKernel_v7000", 1, 5, corr=1).sql(
        "CREATE VIEW CUPTI_ACTIVITY_KIND_KERNEL AS SELECT 1 AS start, 2 AS end"
    ).write(tmp_path / "view.sqlite")
    _nothing_changed(run, tmp_path, "view.sqlite", "CUPTI_ACTIVITY_KIND_KERNEL")


def test_the_output_is_a_file(run: Run, tmp_path: Path) -> None:
    _valid(tmp_path / "trace.sqlite")
    (tmp_path / "out").write_text("mine")
    check_error(run("trace.sqlite", "--out", "out"), "out: the output path is a file")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", ("phases.json", "not valid JSON")),
        ('{"decode": 5}', ("phases.json", "'decode'")),
        ('{"decode": ["ok", "re:(unclosed"]}', ("decode", "(unclosed")),
    ],
)
def test_bad_phase_map(run: Run, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    _valid(tmp_path / "trace.sqlite")
    (tmp_path / "phases.json").write_text(text)
    check_error(run("trace.sqlite", "--out", "out", "--phase-map", "phases.json"), *words)
    assert not (tmp_path / "out").exists()


def test_missing_phase_map(run: Run, tmp_path: Path) -> None:
    _valid(tmp_path / "trace.sqlite")
    check_error(run("trace.sqlite", "--phase-map", "nowhere.json"), "nowhere.json")


def test_bad_source_date_epoch(run: Run, tmp_path: Path) -> None:
    _valid(tmp_path / "trace.sqlite")
    check_error(run("trace.sqlite", env={"SOURCE_DATE_EPOCH": "noon"}), "SOURCE_DATE_EPOCH")


def test_messages_are_safe_for_a_terminal(run: Run, tmp_path: Path) -> None:
    name = "evil\x1b[31m\nname.sqlite"
    (tmp_path / name).write_text("x")
    done = run(name)
    check_error(done)
    assert "\x1b" not in done.stderr


def test_rejected_rows_are_counted_and_the_rest_is_used(run: Run, tmp_path: Path) -> None:
    export = Export().retype("CUPTI_ACTIVITY_KIND_KERNEL", "start", "")
    export.kernel("good", 10, 20, corr=1).kernel("text", "soon", 20, corr=2).kernel("reversed", 20, 10, corr=3)
    export.write(tmp_path / "trace.sqlite")
    done = run("trace.sqlite", "--out", "out")
    assert done.returncode == 0
    assert "2 unusable rows rejected" in " ".join(done.stdout.split())
    assert "CUPTI_ACTIVITY_KIND_KERNEL" in (tmp_path / "out" / "report.md").read_text()


def test_print_schema_fails_alike(run: Run, tmp_path: Path) -> None:
    check_error(run("missing.sqlite", "--print-schema"), "missing.sqlite")


def test_triggers_are_ignored_and_named(run: Run, tmp_path: Path) -> None:
    Export().kernel("k", 10, 20).sql(
        "CREATE TRIGGER sneaky AFTER INSERT ON CUPTI_ACTIVITY_KIND_KERNEL BEGIN SELECT 1; END"
    ).write(tmp_path / "trace.sqlite")
    assert run("trace.sqlite", "--out", "out").returncode == 0
    assert (
        "sneaky" in (tmp_path / "out" / "report.md").read_text()
        or "trigger" in (tmp_path / "out" / "report.md").read_text()
    )


def test_times_near_the_end_of_the_clock(run: Run, tmp_path: Path) -> None:
    epoch = 1_700_000_000_000_000_000
    export = Export()
    for number in range(100):
        export.kernel("k", epoch + number * 10, epoch + number * 10 + 7, corr=number + 1)
    export.write(tmp_path / "trace.sqlite")
    assert run("trace.sqlite", "--out", "out").returncode == 0
    devices = (tmp_path / "out" / "tables" / "gpu_devices.csv").read_text().splitlines()
    assert f"{epoch},{epoch + 997}" in devices[1]


def test_names_that_are_missing(run: Run, tmp_path: Path) -> None:
    Export().kernel("k", 10, 20, demangledName=99, shortName=98).write(tmp_path / "trace.sqlite")
    assert run("trace.sqlite", "--out", "out").returncode == 0
    assert "<id 99>" in (tmp_path / "out" / "tables" / "kernels.csv").read_text()


def test_a_live_writer(run: Run, tmp_path: Path) -> None:
    _valid(tmp_path / "trace.sqlite")
    with sqlite3.connect(tmp_path / "trace.sqlite") as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("INSERT INTO StringIds VALUES (999999, 'late')")
        connection.commit()
        before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path) if not name.endswith("-shm")}
        done = run("trace.sqlite", "--out", "out", "--quiet")
        assert done.returncode in {0, 1}
        assert done.returncode == 0 or len(done.stderr.splitlines()) == 1
        assert {name: (tmp_path / name).read_bytes() for name in before} == before
    connection.close()
