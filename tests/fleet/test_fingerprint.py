"""A trace that changed is never taken for the one that was read."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from nsys_llm_explainer.fleet.fingerprint import BLOCK_BYTES, BLOCKS, fingerprint


def _put_back(path: Path, before: os.stat_result) -> None:
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_the_same_file_has_the_same(some: Path) -> None:
    assert fingerprint(str(some / "run0.sqlite")) == fingerprint(str(some / "run0.sqlite"))


def test_other_traces_have_another_content(some: Path) -> None:
    assert fingerprint(str(some / "run0.sqlite"))["content"] != fingerprint(str(some / "run1.sqlite"))["content"]


@pytest.mark.parametrize("table", ["NVTX_EVENTS", "StringIds", "OSRT_API"])
def test_a_change_in_any_table_shows_even_with_size_and_time_put_back(some: Path, table: str) -> None:
    path = some / "run0.sqlite"
    # Large enough that only blocks of it are read, with the table's pages far from the start.
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE filler (x)")
    connection.execute("INSERT INTO filler VALUES (zeroblob(?))", (3 * BLOCKS * BLOCK_BYTES,))
    connection.commit()
    before, facts = fingerprint(str(path)), path.stat()
    connection.execute(f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} LIMIT 1)")
    connection.commit()
    connection.close()
    _put_back(path, facts)
    after = fingerprint(str(path))
    assert (after["file_bytes"], after["modified_ns"]) == (before["file_bytes"], before["modified_ns"])
    assert after["content"] != before["content"]


def test_time_and_log_count(some: Path) -> None:
    path = some / "run0.sqlite"
    before = fingerprint(str(path))
    os.utime(path, ns=(1, 1))
    assert fingerprint(str(path)) != before
    middle = fingerprint(str(path))
    (some / "run0.sqlite-wal").write_bytes(b"frames")
    assert fingerprint(str(path)) != middle


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, BLOCKS * BLOCK_BYTES, BLOCKS * BLOCK_BYTES + 1, 9_999_999])
def test_first_and_last_byte_count_at_any_size(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(size))
    plain = fingerprint(str(path))["content"]
    for place in {0, size - 1} if size else ():
        data = bytearray(size)
        data[place] = 1
        path.write_bytes(data)
        assert fingerprint(str(path))["content"] != plain


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        fingerprint(str(tmp_path / "pipe"))
