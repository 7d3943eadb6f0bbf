"""Write small databases to start fuzzing from, and tiny ones made of the pages of real exports.

``python fuzz/make_seeds.py`` writes fuzz/seeds, which are part of the repository. ``--real FOLDER`` writes into
fuzz/corpus, which is not: pages of real exports hold what was recorded.
"""

from __future__ import annotations

import argparse
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

FUZZ = Path(__file__).resolve().parent
ROOT_AT, PAGES_AT, LEAF, INTERIOR = 60, 28, 0x0D, 0x05

TABLES = """
CREATE TABLE NVTX_EVENTS (start INTEGER, "end" INTEGER, text TEXT, globalTid INTEGER, ratio REAL, data BLOB);
CREATE TABLE StringIds (id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL);
"""


def fill(connection: sqlite3.Connection, rows: int) -> None:
    """Adds rows of every storage class, some of them on overflow pages."""
    for i in range(rows):
        text = None if i % 7 == 0 else ("é" if i % 3 else "x") * (i * 97 % 700 if i % 5 == 0 else i % 9)
        row = (i << (i % 50), -i, text, i % 2, float(i) / 2, b"\x00" * (i % 4))
        connection.execute("INSERT INTO NVTX_EVENTS VALUES (?, ?, ?, ?, ?, ?)", row)
        connection.execute("INSERT INTO StringIds VALUES (?, ?)", (i * 3 - 4, f"name {i}"))


def database(path: Path, settings: str, rows: int, last: str = "") -> bytes:
    """Returns the bytes of a new database."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(f"PRAGMA journal_mode=OFF; {settings}; {TABLES}")
    fill(connection, rows)
    connection.executescript(last)
    connection.close()
    content = path.read_bytes()
    path.unlink()
    return content


def generated(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yields name and content of the databases that are part of the repository."""
    added = "ALTER TABLE NVTX_EVENTS ADD COLUMN added INT DEFAULT -7; ALTER TABLE NVTX_EVENTS ADD COLUMN more TEXT"
    path = folder / "seed"
    yield "empty", database(path, "PRAGMA page_size=512", 0)
    yield "leaf", database(path, "PRAGMA page_size=512", 3, added)
    yield "tree", database(path, "PRAGMA page_size=512; PRAGMA auto_vacuum=1", 40, added + " DEFAULT 'it''s'")
    yield "holes", database(path, "PRAGMA page_size=512", 30, "DELETE FROM NVTX_EVENTS WHERE rowid % 3 = 0")
    yield "utf16", database(path, "PRAGMA page_size=512; PRAGMA encoding='UTF-16le'", 6)
    yield "large", database(path, "PRAGMA page_size=1024", 12)


def with_root(content: bytes, root: int) -> bytes:
    """Returns a database whose header names one root page."""
    return content[:ROOT_AT] + struct.pack(">I", root) + content[ROOT_AT + 4 :]


def roots(content: bytes) -> list[int]:
    """Returns the root pages of the tables of a database."""
    connection = sqlite3.connect(":memory:")
    connection.deserialize(content)
    found = connection.execute("SELECT rootpage FROM sqlite_schema WHERE type = 'table'").fetchall()
    connection.close()
    return [root for (root,) in found]


def real_pages(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yields small files of an export's first page and the first leaves of each of its larger tables."""
    content = path.read_bytes()
    size = struct.unpack(">H", content[16:18])[0]
    pages = {number + 1: content[number * size : (number + 1) * size] for number in range(len(content) // size)}
    for root in roots(content):
        if pages[root][0] != INTERIOR:
            continue
        count = struct.unpack(">H", pages[root][3:5])[0]
        cells = struct.unpack(f">{count}H", pages[root][12 : 12 + 2 * count])
        children = [struct.unpack(">I", pages[root][cell : cell + 4])[0] for cell in cells[:3]]
        if any(pages[child][0] != LEAF for child in children) or not children:
            continue
        top = bytearray(pages[root])
        top[3:5] = struct.pack(">H", len(children) - 1)
        top[8:12] = struct.pack(">I", 2 + len(children))
        for place, cell in enumerate(cells[: len(children) - 1]):
            top[cell : cell + 4] = struct.pack(">I", 3 + place)
        whole = pages[1] + bytes(top) + b"".join(pages[child] for child in children)
        whole = whole[:PAGES_AT] + struct.pack(">I", len(whole) // size) + whole[PAGES_AT + 4 :]
        yield f"{path.stem}_{root}", with_root(whole, 2)


def real_database(path: Path, scratch: Path) -> bytes:
    """Returns a database of the first rows of an export's event tables."""
    connection = sqlite3.connect(scratch, isolation_level=None)
    connection.executescript("PRAGMA journal_mode=OFF; PRAGMA page_size=512")
    connection.execute("ATTACH ? AS real", (str(path),))
    for name in ("NVTX_EVENTS", "CUPTI_ACTIVITY_KIND_KERNEL", "StringIds", "CUPTI_ACTIVITY_KIND_RUNTIME"):
        found = connection.execute("SELECT sql FROM real.sqlite_schema WHERE name = ?", (name,)).fetchone()
        if found is not None:
            connection.execute(found[0])
            connection.execute(f"INSERT INTO main.{name} SELECT * FROM real.{name} LIMIT 12")
    connection.close()
    content = scratch.read_bytes()
    scratch.unlink()
    return content


def main() -> None:
    """Writes the seeds that the command line asks for."""
    parser = argparse.ArgumentParser(description="Write databases to start fuzzing from.")
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="also from the exports in FOLDER, into fuzz/corpus")
    arguments = parser.parse_args()
    seeds = FUZZ / "seeds"
    seeds.mkdir(exist_ok=True)
    for name, content in generated(seeds):
        (seeds / f"{name}.db").write_bytes(with_root(content, roots(content)[0]))
    if arguments.real is None:
        return
    for target in ("pages", "sources"):
        (FUZZ / "corpus" / target).mkdir(parents=True, exist_ok=True)
    for path in sorted(arguments.real.glob("*.sqlite")):
        for name, content in real_pages(path):
            (FUZZ / "corpus" / "pages" / name).write_bytes(content)
        (FUZZ / "corpus" / "sources" / path.stem).write_bytes(real_database(path, FUZZ / "corpus" / "scratch"))


if __name__ == "__main__":
    main()
