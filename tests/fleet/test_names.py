"""A trace's name in the job: unique, one plain folder name, the same for the same paths."""

from __future__ import annotations

import os
from pathlib import PurePath

from hypothesis import given
from hypothesis import strategies as st

from nsys_llm_explainer.fleet.names import LONGEST, safe_name, unique_names
from nsys_llm_explainer.fleet.outputs import names_of_files
from tests.render.hostile import HOSTILE

PARTS = st.text(st.characters(blacklist_characters="/\x00", blacklist_categories=("Cs",)), min_size=1, max_size=12)
PATHS = st.lists(
    st.lists(PARTS.filter(lambda part: part not in {".", ".."}), min_size=1, max_size=4).map("/".join),
    min_size=1,
    max_size=8,
    unique=True,
).map(lambda paths: ["/" + path + ".sqlite" for path in paths])


def _is_plain(name: str) -> bool:
    good = name and name not in {".", ".."} and not name.startswith((".", "-")) and name.isprintable()
    return bool(good) and not set(name) & set("/\\:*?\"<>|'`$&; \n") and len(os.fsencode(name)) <= LONGEST + 4


def test_stems_are_enough_where_they_differ() -> None:
    assert unique_names(["/a/x.sqlite", "/b/y.nsys-rep", "/c/z"]) == ["x", "y", "z"]


def test_folders_tell_equal_stems_apart() -> None:
    paths = ["/run1/node0/r.sqlite", "/run1/node1/r.sqlite", "/run2/node1/r.sqlite", "/run2/other.sqlite"]
    assert unique_names(paths) == ["node0-r", "run1-node1-r", "run2-node1-r", "other"]


def test_what_becomes_equal_is_numbered_by_path() -> None:
    assert unique_names(["/a b.sqlite", "/a_b.sqlite", "/A_B.sqlite"]) == ["a_b-2", "a_b-3", "A_B"]


def test_the_fleets_own_files_are_taken() -> None:
    assert unique_names(["/t/fleet.json.sqlite", "/t/Fleet.MD.sqlite"], taken=names_of_files()) == [
        "fleet.json-2",
        "Fleet.MD-2",
    ]


def test_hostile_names_become_plain() -> None:
    for text in HOSTILE:
        assert _is_plain(safe_name("/x/" + text.replace("/", "") + ".sqlite")), text
    assert safe_name("/x/..sqlite") == "trace"
    assert safe_name("/x/-rf.sqlite") == "rf"
    assert safe_name("/x/CON.sqlite") == "CON_"
    assert _is_plain(safe_name(os.fsdecode(b"/x/\xff\xfe.sqlite")))


@given(PATHS)
def test_names_are_unique_plain_and_stable(paths: list[str]) -> None:
    paths = list({str(PurePath(path)): None for path in paths})
    names = unique_names(paths, taken=names_of_files())
    taken = {name.casefold() for name in names_of_files()}
    assert len({name.casefold() for name in names}) == len(paths)
    assert all(_is_plain(name) and name.casefold() not in taken for name in names)
    turned = unique_names(paths[::-1], taken=names_of_files())[::-1]
    assert turned == names
