"""Files that another program has open, or left behind: a consistent state or the reason why not, and no trace of us."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from nsys_llm_explainer import _native
from nsys_llm_explainer._native import QueryError
from tests.reading.reader import KERNEL, RUNTIME, Reading, assert_sound, contents, launches, read, refused, untouched
from tests.reading.writer import Writer

COPY_OF_A_LAUNCH = (
    f"INSERT INTO {KERNEL} SELECT * FROM {KERNEL} LIMIT 1",
    f"INSERT INTO {RUNTIME} SELECT * FROM {RUNTIME} LIMIT 1",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound export."""
    return launches().write(tmp_path / "trace.sqlite")


def kernels(reading: Reading) -> int:
    """Returns how many kernels were read."""
    return int(reading.summary("kernels")["kernels"])


def files(path: Path) -> set[str]:
    """Returns the names of the files beside a path."""
    return set(contents(path.parent))


def reading_is_a_snapshot(reading: Reading) -> None:
    """Makes sure that a reading says that a writer may be at work."""
    assert reading.codes == {"wal_snapshot"}
    assert "snapshot of what was committed" in reading.message("wal_snapshot")
    assert reading.info["notes"] == ["write-ahead mode with a log: one snapshot is read, on one thread"]


def test_a_live_writer_in_wal_mode(path: Path) -> None:
    with Writer(path) as writer:
        writer.run("PRAGMA journal_mode=WAL", *COPY_OF_A_LAUNCH, "BEGIN", *COPY_OF_A_LAUNCH)
        reading = read(path, threads=4)
        reading_is_a_snapshot(reading)
        assert (kernels(reading), reading.counts[RUNTIME]) == (51, 51)
        writer.run("COMMIT")
        assert kernels(read(path)) == 52
    assert files(path) == {"trace.sqlite"}
    assert kernels(read(path)) == 52


def test_an_export_that_is_in_the_log_alone(tmp_path: Path) -> None:
    connection = launches().write_live(tmp_path / "live.sqlite")
    reading = read(tmp_path / "live.sqlite")
    assert_sound(reading)
    reading_is_a_snapshot(reading)
    connection.close()
    assert_sound(read(tmp_path / "live.sqlite"))


@pytest.mark.parametrize("threads", [1, 4])
def test_commits_while_it_is_read_do_not_mix(path: Path, threads: int) -> None:
    stop = threading.Event()
    with Writer(path) as writer:
        writer.run("PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=3", "BEGIN", *COPY_OF_A_LAUNCH, "COMMIT")

        def keep_writing() -> None:
            while not stop.is_set():
                writer.run("BEGIN", *COPY_OF_A_LAUNCH, "COMMIT")

        writing = threading.Thread(target=keep_writing)
        writing.start()
        seen = set()
        try:
            for _ in range(60):
                result = _native.open_trace(str(path)).analyze(threads=threads)
                counts = result["trace"]["tables"]
                (summary,) = (section.summary for section in result["sections"] if section.id == "kernels")
                assert summary["kernels"] == counts[KERNEL] == counts[RUNTIME]
                seen.add(summary["kernels"])
        finally:
            stop.set()
            writing.join()
    assert len(seen) > 1


def test_a_link_to_an_export_with_a_log(path: Path, tmp_path: Path) -> None:
    """The log lies beside the file, not beside the link."""
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.sqlite"
    link.symlink_to(path)
    assert_sound(read(link))
    with Writer(path) as writer, untouched(tmp_path / "elsewhere"):
        writer.run("PRAGMA journal_mode=WAL", *COPY_OF_A_LAUNCH)
        reading = read(link)
        assert kernels(reading) == 51
        reading_is_a_snapshot(reading)


def test_a_log_without_its_index(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / "trace.sqlite"
    copy.parent.mkdir()
    with Writer(path) as writer:
        writer.run("PRAGMA journal_mode=WAL", *COPY_OF_A_LAUNCH)
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    refused(copy, QueryError, "a writer has left unfinished changes beside it", "-wal", "sqlite3 COPY .tables")
    sqlite3.connect(copy).execute("SELECT count(*) FROM StringIds").connection.close()
    assert kernels(read(copy)) == 51


def test_a_log_that_a_crash_left_behind(path: Path) -> None:
    with Writer(path) as writer:
        writer.run("PRAGMA journal_mode=WAL", *COPY_OF_A_LAUNCH, "BEGIN", *COPY_OF_A_LAUNCH)
        writer.crash()
    assert files(path) == {"trace.sqlite", "trace.sqlite-shm", "trace.sqlite-wal"}
    reading = read(path)
    assert kernels(reading) == 51
    reading_is_a_snapshot(reading)


def test_wal_mode_without_a_log(tmp_path: Path) -> None:
    path = launches().write(tmp_path / "trace.sqlite", wal=True)
    reading = read(path, threads=4)
    assert_sound(reading)
    assert reading.codes == set()
    assert reading.info["notes"] == ["write-ahead mode without a log: read as it is"]
    assert files(path) == {"trace.sqlite"}


def test_wal_mode_with_an_empty_log(tmp_path: Path) -> None:
    path = launches().write(tmp_path / "trace.sqlite", wal=True)
    (tmp_path / "trace.sqlite-wal").touch()
    assert_sound(read(path))


def test_a_writer_that_locks_everybody_out(path: Path) -> None:
    with Writer(path) as writer:
        writer.run("BEGIN EXCLUSIVE", *COPY_OF_A_LAUNCH)
        refused(
            path,
            QueryError,
            "another program is writing it; wait until it is done, or explain a copy",
            sources=["auto"],
        )
        writer.run("ROLLBACK")
        assert_sound(read(path))


def test_a_writer_in_wal_mode_that_locks_everybody_out(path: Path) -> None:
    with Writer(path) as writer:
        writer.run("PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=WAL", *COPY_OF_A_LAUNCH)
        refused(
            path,
            QueryError,
            "another program is writing it; wait until it is done, or explain a copy",
            sources=["auto"],
        )
    assert kernels(read(path)) == 51


def test_a_writer_that_is_about_to_commit_is_waited_for(path: Path) -> None:
    with Writer(path) as writer:
        writer.run("BEGIN EXCLUSIVE", *COPY_OF_A_LAUNCH)
        later = threading.Timer(0.3, writer.run, ["ROLLBACK"])
        later.start()
        result = _native.open_trace(str(path)).analyze()
        later.join()
    assert result["trace"]["tables"][KERNEL] == 50


def test_a_writer_that_has_not_committed_yet(path: Path) -> None:
    with Writer(path) as writer:
        writer.run("BEGIN IMMEDIATE", *COPY_OF_A_LAUNCH)
        assert_sound(read(path))
        writer.run("COMMIT")
        assert kernels(read(path)) == 51


def test_another_reader_is_no_obstacle(path: Path) -> None:
    with Writer(path) as other:
        other.run("BEGIN", f"SELECT count(*) FROM {KERNEL}")
        assert_sound(read(path))


def test_an_open_trace_keeps_nobody_out(path: Path) -> None:
    trace = _native.open_trace(str(path))
    trace.analyze()
    with Writer(path) as writer:
        writer.run("BEGIN EXCLUSIVE", *COPY_OF_A_LAUNCH, "COMMIT")
    assert kernels(read(path)) == 51


def test_a_hot_journal(path: Path) -> None:
    """A crash in the middle of a commit: the file itself holds half of it, the journal what was there before."""
    journal = path.with_name("trace.sqlite-journal")
    with Writer(path) as writer:
        writer.run("PRAGMA journal_mode=DELETE", "PRAGMA cache_size=1", "PRAGMA cache_spill=1", "BEGIN")
        writer.run(f"UPDATE {KERNEL} SET start = start + 1, end = end + 1000")
        writer.run(
            "INSERT INTO StringIds WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)"
            " SELECT i, hex(randomblob(200)) FROM n"
        )
        writer.crash()
    assert journal.stat().st_size > 0
    refused(path, QueryError, "a writer has left unfinished changes beside it", "-journal", "sqlite3 COPY .tables")
    sqlite3.connect(path).execute("SELECT count(*) FROM StringIds").connection.close()
    assert not journal.exists()
    assert_sound(read(path))


@pytest.mark.parametrize("mode", ["PERSIST", "TRUNCATE"])
def test_a_journal_that_is_not_hot(path: Path, mode: str) -> None:
    with Writer(path) as writer:
        writer.run(f"PRAGMA journal_mode={mode}", *COPY_OF_A_LAUNCH)
        writer.crash()
    assert files(path) == {"trace.sqlite", "trace.sqlite-journal"}
    assert kernels(read(path)) == 51


def check_must_be_opened_again(trace: _native.Trace, path: Path) -> None:
    """Makes sure that a trace whose file changed says so, and that opening it again helps."""
    with untouched(path.parent), pytest.raises(QueryError) as caught:
        trace.analyze()
    assert str(path) in str(caught.value)
    assert "changed the file after it was opened; open it again" in str(caught.value)
    assert kernels(read(path)) == 51


def test_a_commit_after_it_was_opened(path: Path) -> None:
    trace = _native.open_trace(str(path))
    with Writer(path) as writer:
        writer.run("BEGIN", *COPY_OF_A_LAUNCH, "COMMIT")
    check_must_be_opened_again(trace, path)


def test_a_log_that_appeared_after_it_was_opened(tmp_path: Path) -> None:
    path = launches().write(tmp_path / "trace.sqlite", wal=True)
    trace = _native.open_trace(str(path))
    with Writer(path) as writer:
        writer.run(*COPY_OF_A_LAUNCH)
        check_must_be_opened_again(trace, path)


def test_a_log_that_went_away_after_it_was_opened(path: Path) -> None:
    with Writer(path) as writer:
        writer.run("PRAGMA journal_mode=WAL", *COPY_OF_A_LAUNCH)
        trace = _native.open_trace(str(path))
    check_must_be_opened_again(trace, path)


def test_a_file_that_went_away_after_it_was_opened(path: Path) -> None:
    trace = _native.open_trace(str(path))
    path.unlink()
    with untouched(path.parent), pytest.raises((FileNotFoundError, QueryError), match=r"trace\.sqlite"):
        trace.analyze()
