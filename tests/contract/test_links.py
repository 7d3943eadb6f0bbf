"""Every link in the project's Markdown leads somewhere: to a file that is there, and to a heading in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.contract.modules import ROOT

MIN_LINKS = 30
LARGEST_PICTURE = 300_000
#: Folders whose Markdown is not the project's, or is made anew by tests.
_LEFT_OUT = frozenset({"target", "dist", "node_modules"})
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def _pages(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _LEFT_OUT or path.name.endswith("_report"):
            continue
        if path.is_dir():
            yield from _pages(path)
        elif path.suffix == ".md":
            yield path


PAGES = tuple(_pages(ROOT))


def _tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def _links(page: Path) -> list[str]:
    inline = [child for token in _tokens(page) for child in token.children or ()]
    found = (child.attrGet("href" if child.type == "link_open" else "src") for child in inline)
    return [str(target) for target in found if target is not None]


def _anchors(page: Path) -> set[str]:
    """Returns the names that a reader on the web gives to the headings of a page."""
    tokens = _tokens(page)
    titles = [tokens[number + 1].content for number, token in enumerate(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _is_wrong(page: Path, link: str) -> bool:
    if _REMOTE.match(link):
        return False
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return True
    return bool(anchor) and anchor not in _anchors(target)


def test_the_walk_sees_the_pages() -> None:
    assert {"README.md", "CONTRIBUTING.md", "docs/design.md", "examples/README.md"} <= {
        page.relative_to(ROOT).as_posix() for page in PAGES
    }
    assert sum(len(_links(page)) for page in PAGES) >= MIN_LINKS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in _links(page) if _is_wrong(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_link_needs_a_machine(page: Path) -> None:
    assert [link for link in _links(page) if link.startswith(("/", "file:"))] == []


def test_pictures_are_small() -> None:
    pictures = sorted((ROOT / "docs" / "images").glob("*.png"))
    assert pictures
    assert [picture.name for picture in pictures if picture.stat().st_size > LARGEST_PICTURE] == []
