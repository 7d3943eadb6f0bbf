"""Pages that no writer makes: cycles, shared bytes, false lengths. An error, never a crash or all of the memory."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nsys_llm_explainer import _native
from nsys_llm_explainer._native import CorruptTraceError
from tests.reading.reader import KERNEL, SOURCES, assert_sound, launches, read, refused, untouched

PAGE = 512
LEAF, INTERIOR = 0x0D, 0x05
MARK = "Zz"

_BOUNDED = """
import resource, sys
from nsys_llm_explainer import _native
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
try:
    _native.open_trace(sys.argv[1], source=sys.argv[2]).analyze(threads=2)
    print("read")
except _native.NsysError as error:
    print(type(error).__name__, error)
"""


def within_bounds(path: Path, source: str) -> str:
    """Returns what comes of a file in a process that may not take much memory."""
    command = [sys.executable, "-c", _BOUNDED, str(path), source]
    with untouched(path.parent):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def varint(value: int) -> bytes:
    """Returns a number in the longest form of the file format."""
    low, value = value & 0xFF, value >> 8
    return bytes([0x80 | value >> shift & 0x7F for shift in range(49, -1, -7)] + [low])


def local_length(length: int, usable: int) -> int:
    """Returns how many bytes of a record stand on the leaf itself."""
    most, least = usable - 35, (usable - 12) * 32 // 255 - 23
    if length <= most:
        return length
    fitting = least + (length - least) % (usable - 4)
    return fitting if fitting <= most else least


class Pages:
    """The pages of an export that holds one long text."""

    def __init__(self, path: Path, text: str, page_size: int = PAGE) -> None:
        """Writes the export."""
        self.path = launches().string_row(5_000, text).write(path, page_size=page_size)
        self.size = page_size
        self.data = bytearray(path.read_bytes())
        self.mark = text[:20].encode()

    def find(self, wanted: Callable[[bytes], bool]) -> int:
        """Returns the number of the first page like this, from 1 on."""
        pages = range(1, len(self.data) // self.size)
        return next(page for page in pages if wanted(self.page(page + 1))) + 1

    def page(self, number: int) -> bytes:
        """Returns a page."""
        return bytes(self.data[(number - 1) * self.size : number * self.size])

    def put(self, number: int, at: int, data: bytes) -> None:
        """Overwrites some bytes of a page."""
        first = (number - 1) * self.size + at
        self.data[first : first + len(data)] = data

    def leaf(self) -> int:
        """Returns the leaf with the long text."""
        return self.find(lambda page: page[0] == LEAF and self.mark in page)

    def overflow(self) -> int:
        """Returns the first overflow page of the long text."""
        return self.find(lambda page: page[4:24] == self.mark)

    def write(self) -> Path:
        """Writes the pages as they are now."""
        self.path.write_bytes(self.data)
        return self.path


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("claimed", [10**6, 10**9, 10**12, 2**62])
def test_a_chain_of_overflow_pages_in_a_circle(tmp_path: Path, source: str, claimed: int) -> None:
    """One cell that claims to be huge, whose bytes go round and round on one page."""
    pages = Pages(tmp_path / "trace.sqlite", MARK * 2_000)
    leaf, overflow = pages.leaf(), pages.overflow()
    pages.put(overflow, 0, overflow.to_bytes(4, "big"))
    header = b"\x0b\x00" + varint(2 * claimed + 13)
    length = len(header) + claimed
    text = b"Z" * (local_length(length, PAGE) - len(header))
    cell = varint(length) + varint(5_000) + header + text + overflow.to_bytes(4, "big")
    at = PAGE - len(cell)
    head = bytes([LEAF, 0, 0, 0, 1]) + at.to_bytes(2, "big") + b"\0" + at.to_bytes(2, "big")
    pages.put(leaf, 0, head + bytes(at - len(head)) + cell)
    assert within_bounds(pages.write(), source).startswith("CorruptTraceError")


@pytest.mark.parametrize("source", SOURCES)
def test_cells_that_share_their_bytes(tmp_path: Path, source: str) -> None:
    """Thousands of pointers to one cell: a small file that would be gigabytes of text."""
    size = 65_536
    pages = Pages(tmp_path / "trace.sqlite", MARK * 20_000, size)
    leaf = pages.leaf()
    page = pages.page(leaf)
    pointers = [page[at : at + 2] for at in range(8, 8 + 2 * int.from_bytes(page[3:5], "big"), 2)]
    longest = max(pointers, key=lambda pointer: page.find(pages.mark, int.from_bytes(pointer, "big")))
    free = (int.from_bytes(page[5:7], "big") - 8) // 2
    pages.put(leaf, 3, free.to_bytes(2, "big"))
    pages.put(leaf, 8, longest * free)
    assert within_bounds(pages.write(), source).startswith("CorruptTraceError")


def test_an_overflow_chain_that_ends_too_early(tmp_path: Path) -> None:
    pages = Pages(tmp_path / "trace.sqlite", MARK * 2_000)
    pages.put(pages.overflow(), 0, bytes(4))
    refused(pages.write(), CorruptTraceError, "export it again")


def test_an_overflow_chain_that_leaves_the_file(tmp_path: Path) -> None:
    pages = Pages(tmp_path / "trace.sqlite", MARK * 2_000)
    pages.put(pages.overflow(), 0, b"\x7f\xff\xff\xff")
    refused(pages.write(), CorruptTraceError, "export it again")


def interior_of_kernels(pages: Pages) -> int:
    """Returns the page that the schema gives as the root of the kernel table."""
    connection = sqlite3.connect(pages.path)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (KERNEL,)).fetchone()
    connection.close()
    assert pages.page(root)[0] == INTERIOR
    return int(root)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("child", ["itself", "0", "1", "beyond", "twice"])
def test_a_tree_that_is_none(tmp_path: Path, child: str, source: str) -> None:
    pages = Pages(tmp_path / "trace.sqlite", MARK)
    root = interior_of_kernels(pages)
    first_cell = int.from_bytes(pages.page(root)[12:14], "big")
    first_child = pages.page(root)[first_cell : first_cell + 4]
    number = {"itself": root, "0": 0, "1": 1, "beyond": 10**6, "twice": int.from_bytes(first_child, "big")}[child]
    pages.put(root, 8, number.to_bytes(4, "big"))
    path = pages.write()
    with untouched(tmp_path), pytest.raises(CorruptTraceError, match=r"trace\.sqlite"):
        _native.open_trace(str(path), source=source).analyze()


@pytest.mark.parametrize(
    ("at", "value"), [(3, b"\xff\xff"), (8, b"\0\0"), (8, b"\xff\xff"), (0, b"\x0a"), (0, b"\x02")]
)
def test_a_leaf_whose_head_is_wrong(tmp_path: Path, at: int, value: bytes) -> None:
    pages = Pages(tmp_path / "trace.sqlite", MARK * 2_000)
    pages.put(pages.leaf(), at, value)
    refused(pages.write(), CorruptTraceError, "export it again")


@pytest.mark.parametrize("source", ["pages", "sqlite"])
def test_a_leaf_of_another_table_in_place_of_one(tmp_path: Path, source: str) -> None:
    """Row ids that do not ascend are damage: silently left out, numbers would be wrong."""
    pages = Pages(tmp_path / "trace.sqlite", MARK)
    root = interior_of_kernels(pages)
    cells = int.from_bytes(pages.page(root)[3:5], "big")
    first = pages.page(root)[int.from_bytes(pages.page(root)[12:14], "big") :][:4]
    last = int.from_bytes(pages.page(root)[8:12], "big")
    assert cells > 2
    pages.put(last, 0, pages.page(int.from_bytes(first, "big")))
    path = pages.write()
    with untouched(tmp_path), pytest.raises(CorruptTraceError, match="row ids are out of order"):
        _native.open_trace(str(path), source=source).analyze()


def fans_out(path: Path, levels: int = 18, children: int = 40) -> Path:
    """Returns an export whose kernel table has more leaves than can ever be read, all of them one page."""
    pages = Pages(path, MARK)
    root = interior_of_kernels(pages)
    below = int.from_bytes(pages.page(root)[8:12], "big")
    at = range(PAGE - 5 * children, PAGE, 5)
    pointers = b"".join(offset.to_bytes(2, "big") for offset in at)
    for level in range(levels + 1):
        cells = (below.to_bytes(4, "big") + b"\x05") * children
        head = bytes([INTERIOR, 0, 0, 0, children]) + at[0].to_bytes(2, "big") + b"\0" + below.to_bytes(4, "big")
        page = head + pointers
        page += bytes(at[0] - len(page)) + cells
        below = root if level == levels else len(pages.data) // PAGE + 1
        pages.data[(below - 1) * PAGE : below * PAGE] = page
    pages.put(1, 18, b"\x02\x02")
    pages.put(1, 28, (len(pages.data) // PAGE).to_bytes(4, "big"))
    return pages.write()


@pytest.mark.parametrize("source", SOURCES)
def test_a_tree_that_fans_out_over_the_same_pages(tmp_path: Path, source: str) -> None:
    """In write-ahead mode without a log, which is always read through SQLite: neither counted nor read without end."""
    path = fans_out(tmp_path / "trace.sqlite")
    assert within_bounds(path, source).startswith("CorruptTraceError")
    trace = _native.open_trace(str(path), source=source)
    with untouched(tmp_path), pytest.raises(CorruptTraceError, match="more rows than fit in the file"):
        trace.tables()


def test_a_schema_that_lies_about_a_root_page(tmp_path: Path) -> None:
    export = launches().sql("PRAGMA writable_schema=ON")
    export.sql(
        f"UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'StringIds')"
        f" WHERE name = '{KERNEL}'"
    )
    path = export.write(tmp_path / "trace.sqlite")
    for source in SOURCES:
        assert within_bounds(path, source).split()[0] in {"CorruptTraceError", "read"}


def test_auto_vacuum_pages(tmp_path: Path) -> None:
    """Files with pointer maps have pages between those of tables that belong to none."""
    path = launches(3_000).write(tmp_path / "trace.sqlite", page_size=PAGE)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA auto_vacuum=FULL")
    connection.execute("VACUUM")
    connection.execute("CREATE TABLE gone(a)")
    connection.execute("INSERT INTO gone SELECT randomblob(300) FROM StringIds, StringIds AS b, StringIds AS c")
    connection.execute("DROP TABLE gone")
    connection.close()
    assert_sound(read(path), 3_000)


@pytest.mark.parametrize(
    ("declared", "default"),
    [
        ("INTEGER DEFAULT 5", 5),
        ("INTEGER DEFAULT -5", -5),
        ("INTEGER DEFAULT +5", 5),
        ("INTEGER DEFAULT '5'", 5),
        ("INTEGER DEFAULT 0x10", 16),
        ("INTEGER DEFAULT (5)", 5),
        ("INTEGER DEFAULT TRUE", 1),
        ("INTEGER DEFAULT 5.0", 5),
        ("DEFAULT 5", 5),
        ("TEXT DEFAULT 5", None),
        ("REAL DEFAULT 5", None),
        ("FLOATING POINT DEFAULT 5", 5),
        ("INTEGER DEFAULT NULL", None),
        ("INTEGER", None),
        ("BLOB DEFAULT x'05'", None),
        ("INTEGER NOT NULL DEFAULT 7", 7),
    ],
)
def test_columns_that_were_added_later(tmp_path: Path, declared: str, default: int | None) -> None:
    """Old rows are too short for a new column: its default stands for it."""
    export = launches(10).drop(KERNEL, "graphId", "demangledName", "shortName")
    export.sql(f"ALTER TABLE {KERNEL} ADD COLUMN demangledName {declared}")
    names = {row["kernel_name"] for row in read(export.write(tmp_path / "trace.sqlite")).rows("kernels", "kernels")}
    strings = {1: "kernel0", 2: "kernel1", 3: "kernel2"}
    assert names == {"<no name>" if default is None else strings.get(default, f"<id {default}>")}


@pytest.mark.parametrize("default", ["'it''s'", "'plain'", "NULL", "('ab')", "5", "x'41'", '"word"'])
def test_texts_that_were_added_later(tmp_path: Path, default: str) -> None:
    export = launches(10).drop("NVTX_EVENTS", "text")
    export.sql(f"ALTER TABLE NVTX_EVENTS ADD COLUMN text TEXT DEFAULT {default}")
    (row,) = read(export.write(tmp_path / "trace.sqlite")).rows("nvtx", "nvtx_ranges")
    assert row["range_name"] == {"'it''s'": "it's", "'plain'": "plain", "('ab')": "ab", "5": "5"}.get(
        default, "word" if default == '"word"' else ""
    )


@pytest.mark.parametrize(
    "table",
    [
        "StringIds(id INTEGER PRIMARY KEY, value)",
        "StringIds(id INTEGER PRIMARY KEY DESC, value)",
        "StringIds(id INT PRIMARY KEY, value)",
        "StringIds(id BIGINT PRIMARY KEY, value)",
        'StringIds(id "INTEGER" PRIMARY KEY, value)',
        "StringIds(id INTEGER, value, PRIMARY KEY(id))",
        "StringIds(id INTEGER, value, PRIMARY KEY(id DESC))",
        "StringIds(id INTEGER, value, PRIMARY KEY(id, value))",
        "StringIds(value, id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "StringIds(id INTEGER UNIQUE, value UNIQUE)",
        "StringIds(id INTEGER PRIMARY KEY, value TEXT) STRICT",
        "StringIds(id, value)",
        "StringIds(id REAL, value)",
        "StringIds(id NUMERIC, value CHAR(3))",
    ],
)
def test_declarations_of_ids(tmp_path: Path, table: str) -> None:
    export = launches(10).sql("ALTER TABLE StringIds RENAME TO old").sql(f"CREATE TABLE {table}")
    export.sql("INSERT INTO StringIds(id, value) SELECT id, value FROM old")
    names = set(read(export.write(tmp_path / "trace.sqlite")).kernels())
    is_real = "REAL" in table
    assert names == ({"<id 1>", "<id 2>", "<id 3>"} if is_real else {"kernel0", "kernel1", "kernel2"})


@pytest.mark.parametrize("affinity", ["INTEGER", "REAL", "NUMERIC", "TEXT", "BLOB", "", "DOUBLE PRECISION", "POINT"])
def test_what_a_declared_type_makes_of_values(tmp_path: Path, affinity: str) -> None:
    """SQLite stores 12.0 of a REAL column as an integer, and '12' of a NUMERIC one too; only real integers count."""
    export = launches(3).retype(KERNEL, "start", affinity)
    for value in (12, 12.0, "12", "12.0", b"12", 2**60, float(2**53)):
        export.kernel("value", value, 2**61)
    accepted = read(export.write(tmp_path / "trace.sqlite")).kernels()
    expected = {"INTEGER": 6, "NUMERIC": 6, "POINT": 6, "BLOB": 2, "": 2, "REAL": 0, "DOUBLE PRECISION": 0, "TEXT": 0}
    assert accepted.get("value", 0) == expected[affinity]
