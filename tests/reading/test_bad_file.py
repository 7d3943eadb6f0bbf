"""Files that are no export, or no longer a whole one: the right error, and nothing written."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nsys_llm_explainer import _native
from nsys_llm_explainer._native import CorruptTraceError, NotAnExportError, NsysError, QueryError
from tests.reading.reader import SOURCES, assert_sound, contents, launches, read, refused, untouched

PAGE = 512


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    """The bytes of a sound export of many small pages; the folder is empty again."""
    path = launches().write(tmp_path / "whole.sqlite", page_size=PAGE)
    data = path.read_bytes()
    path.unlink()
    return data


def test_missing(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "missing.sqlite", FileNotFoundError)
    (tmp_path / "dangling.sqlite").symlink_to(tmp_path / "missing.sqlite")
    refused(tmp_path / "dangling.sqlite", FileNotFoundError)
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "trace.sqlite", QueryError, folder=tmp_path)


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "folder.sqlite").mkdir()
    refused(tmp_path / "folder.sqlite", IsADirectoryError, "is a folder", "nsys export --type sqlite")


def test_a_path_that_no_file_can_have(tmp_path: Path) -> None:
    with untouched(tmp_path), pytest.raises(ValueError, match=r"a\\0b\.sqlite: .*NUL"):
        _native.open_trace(str(tmp_path / "a\0b.sqlite"))


def test_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.sqlite")
    refused(tmp_path / "pipe.sqlite", NotAnExportError, "no regular file")


_UNPRIVILEGED = """
import array, os, sys  # the core needs array later, and the interpreter's own folder may be a private one
from nsys_llm_explainer import _native
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    trace = _native.open_trace(sys.argv[1])
    print(trace.analyze()["trace"]["tables"]["CUPTI_ACTIVITY_KIND_KERNEL"])
except Exception as error:
    print(type(error).__name__, error)
"""


def as_nobody(path: Path) -> str:
    """Returns what a user without privileges gets: the number of kernels, or the error."""
    done = subprocess.run([sys.executable, "-c", _UNPRIVILEGED, str(path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are private."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_no_permission(public: Path) -> None:
    path = launches().write(public / "trace.sqlite")
    path.chmod(0o644)
    assert as_nobody(path) == "50"
    path.chmod(0)
    assert as_nobody(path) == f"PermissionError {path}: permission denied"
    path.chmod(0o644)
    public.chmod(0o600)
    denied = as_nobody(path)
    public.chmod(0o755)
    assert denied == f"PermissionError {path}: permission denied"


@pytest.mark.parametrize("wal", [False, True])
def test_a_folder_without_write_permission_is_enough(public: Path, wal: bool) -> None:
    path = launches().write(public / "trace.sqlite", wal=wal)
    path.chmod(0o444)
    public.chmod(0o555)
    with untouched(public):
        assert as_nobody(path) == "50"
    public.chmod(0o755)


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.sqlite").touch()
    refused(tmp_path / "empty.sqlite", NotAnExportError, "the file is empty")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"hello\n" * 1_000, id="text"),
        pytest.param(b"NSYS\x00\x01\x02" + random.Random(1).randbytes(5_000), id="nsys-rep"),
        pytest.param(b"\x1f\x8b\x08" + bytes(500), id="gzip"),
        pytest.param(b"SQLite format 2\x00" + bytes(5_000), id="another version"),
        pytest.param(b"S", id="one byte"),
        pytest.param(bytes(8_192), id="zeros"),
    ],
)
def test_no_database(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "trace.sqlite"
    path.write_bytes(data)
    refused(path, NotAnExportError, "no SQLite database", "nsys export --type sqlite")


@pytest.mark.parametrize(
    ("tables", "found"),
    [
        ([], "a SQLite database without tables"),
        (["customers", "orders"], "with the tables customers, orders"),
        ([f"t{number}" for number in range(20)], "t0, t1, t10, t11, t12, t13, t14, t15, ..."),
        (["StringIds"], "with the tables StringIds"),
    ],
)
@pytest.mark.parametrize("wal", [False, True])
def test_another_database(tmp_path: Path, tables: list[str], found: str, wal: bool) -> None:
    path = tmp_path / "shop.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=" + ("WAL" if wal else "DELETE"))
    connection.execute("PRAGMA user_version=1")
    for table in tables:
        connection.execute(f"CREATE TABLE {table}(a)")
    connection.close()
    refused(path, NotAnExportError, "not an Nsight Systems SQLite export", found)


def test_truncated_anywhere(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "cut.sqlite"
    for length in [*range(16, 130, 7), *range(130, len(whole), 389), len(whole) - PAGE, len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused(path, CorruptTraceError, "truncated", "export it again with `nsys export --type sqlite`")


def test_truncated_without_a_page_count_in_the_header(tmp_path: Path, whole: bytes) -> None:
    """Old programs leave the count stale; then only the missing pages tell."""
    path = tmp_path / "cut.sqlite"
    for pages in range(1, len(whole) // PAGE):
        data = bytearray(whole[: pages * PAGE])
        data[92:96] = b"\0\0\0\0"
        path.write_bytes(data)
        refused(path, CorruptTraceError, "export it again")
    path.write_bytes(whole[:92] + b"\0\0\0\0" + whole[96:])
    assert_sound(read(path))


def test_every_page_that_is_overwritten_is_noticed(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "bad.sqlite"
    for page in range(1, len(whole) // PAGE):
        data = bytearray(whole)
        data[page * PAGE : (page + 1) * PAGE] = b"\xa5" * PAGE
        path.write_bytes(data)
        refused(path, CorruptTraceError, "damaged", "export it again with `nsys export --type sqlite`")


@pytest.mark.parametrize(
    ("at", "value"), [(16, b"\0\0"), (16, b"\x03\xe8"), (18, b"\x09\x09"), (44, b"\0\0\0\x63"), (100, b"\xff")]
)
def test_a_damaged_header(tmp_path: Path, whole: bytes, at: int, value: bytes) -> None:
    path = tmp_path / "bad.sqlite"
    path.write_bytes(whole[:at] + value + whole[at + len(value) :])
    with untouched(tmp_path), pytest.raises((CorruptTraceError, NotAnExportError), match=r"bad\.sqlite"):
        _native.open_trace(str(path))


def error_of_everything(path: Path, source: str) -> NsysError | None:
    """Asks everything of a file, and returns the error that ended it."""
    try:
        trace = _native.open_trace(str(path), source=source)
        trace.info()
        trace.tables()
        trace.capabilities()
        trace.analyze()
    except NsysError as error:
        return error
    return None


@pytest.mark.parametrize("page_size", [512, 4_096])
def test_random_damage_never_ends_in_anything_but_a_clear_error(tmp_path: Path, page_size: int) -> None:
    path = launches(300).write(tmp_path / "bad.sqlite", page_size=page_size)
    sound = path.read_bytes()
    noticed = 0
    for seed in range(150):
        chance = random.Random(seed)
        data = bytearray(sound)
        first = chance.randrange(len(data))
        damage = chance.choice(
            (
                bytes(200),
                chance.randbytes(1),
                chance.randbytes(page_size),
                sound[chance.randrange(len(sound)) :][:page_size],
            )
        )
        data[first : first + len(damage)] = damage[: len(data) - first]
        path.write_bytes(data)
        before = contents(tmp_path)
        for source in SOURCES:
            error = error_of_everything(path, source)
            noticed += error is not None
            assert error is None or str(path) in str(error), seed
            assert error is None or isinstance(error, (CorruptTraceError, NotAnExportError)), (seed, error)
        assert contents(tmp_path) == before, seed
    assert noticed > 60


@pytest.mark.parametrize(
    "name", ["a b#?%41&mode=rwc'\".sqlite", "\N{GREEK SMALL LETTER ALPHA}.sqlite", ":memory:", "file:x?mode=memory"]
)
@pytest.mark.parametrize("wal", [False, True])
def test_any_name_is_the_name_of_a_file(tmp_path: Path, name: str, wal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    launches().write(tmp_path / "plain.sqlite", wal=wal).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert_sound(read(Path(name)))
    assert_sound(read(tmp_path / name))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse file names that are not UTF-8")
def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.sqlite"))
    launches().write(tmp_path / "plain.sqlite").rename(path)
    assert_sound(read(path))
    shutil.rmtree(tmp_path)
