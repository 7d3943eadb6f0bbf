"""Each sink on hostile text, read back by a real reader of that sink."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from nsys_llm_explainer.render.escape import html, markdown, terminal
from nsys_llm_explainer.render.escape.csv import FORMULA_STARTS, text_cell
from nsys_llm_explainer.render.escape.text import visible
from tests.render.hostile import HOSTILE

READER = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table").enable("strikethrough")
HARMLESS = {"text", "code_inline"}

hostile = pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:30])


def _inline(source: str) -> list[tuple[str, str]]:
    return [(child.type, child.content) for token in READER.parse(source) for child in token.children or ()]


def _merged(source: str) -> str:
    return "".join(content for _, content in _inline(source))


@hostile
def test_prose_reads_as_it_stands(text: str) -> None:
    source = f"- before {markdown.prose(text)}"
    assert {kind for kind, _ in _inline(source)} <= HARMLESS
    assert _merged(source) == f"before {visible(text).strip()}"


@hostile
def test_prose_begins_no_block(text: str) -> None:
    kinds = [token.type for token in READER.parse(markdown.prose(text))]
    assert kinds == ["paragraph_open", "inline", "paragraph_close"]


@hostile
@pytest.mark.parametrize("escape", [markdown.prose, markdown.code])
def test_a_table_keeps_its_cells(text: str, escape) -> None:
    source = f"| a | b | c |\n| --- | --- | --- |\n| 1 | {escape(text)} | 3 |\n"
    tokens = READER.parse(source)
    assert [token.type for token in tokens].count("td_open") == 3
    assert {kind for kind, _ in _inline(source)} <= HARMLESS
    assert [token.content for token in tokens if token.type == "inline"][-1] == "3"


@hostile
def test_no_url_is_left_to_be_linked(text: str) -> None:
    assert "http://" not in markdown.prose(text)
    assert "www." not in markdown.prose(text)


def test_ordinary_names_stay_readable() -> None:
    for name in (
        "cudaStreamSynchronize_v3020",
        "aten::linear",
        "model.layers.12",
    ):
        assert markdown.prose(name) == name


@hostile
def test_terminal_lines_have_no_controls_and_fit(text: str) -> None:
    line = terminal.line(text, 40)
    assert line.isprintable()
    assert "\x1b" not in line
    assert terminal.cells(line) <= 40
    assert terminal.cells(terminal.pad(text, 40)) == 40


@hostile
def test_html_holds_text_only(text: str) -> None:
    seen: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs) -> None:
            seen.append(tag)

    reader = Reader()
    reader.feed(f'<p title="{html.text(text)}">{html.text(text)}</p>')
    assert seen == ["p"]


@hostile
def test_csv_cells_are_no_formulas(text: str) -> None:
    ((first, cell, last),) = csv.reader(io.StringIO(f"first,{text_cell(text)},1\n", newline=""))
    assert (first, last) == ("first", "1")
    assert not cell.startswith(FORMULA_STARTS)
    assert cell.lstrip("'") == text.replace("\x00", "\ufffd").lstrip("'")


def test_lone_surrogates_become_visible() -> None:
    assert visible("a\udc80b") == "a\ufffdb"
