"""The summary in a notebook."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from nsys_llm_explainer import Report, analyze

ALLOWED = {"div", "p", "b", "table", "tr", "th", "td", "ul", "li"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        assert attrs == []
        self.seen.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _check(html: str) -> None:
    reader = _Reader()
    reader.feed(html)
    assert reader.seen <= ALLOWED
    assert reader.open == []
    assert len(html) < 30_000


def test_hostile_names_make_no_elements(hostile_report: Report) -> None:
    _check(hostile_report._repr_html_())


def test_real_traces(real_trace: Path) -> None:
    _check(analyze(real_trace)._repr_html_())
