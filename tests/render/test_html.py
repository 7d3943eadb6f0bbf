"""The summary in a notebook."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from nsys_llm_explainer import Report, analyze

ALLOWED = {"div", "p", "b", "table", "tr", "th", "td", "ul", "li"}
PICTURE = {"svg", "title", "rect", "text", "path", "circle"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert attrs == [] or tag in PICTURE
        assert not any(name.startswith("on") or name in {"style", "href", "src"} for name, _ in attrs)
        self.seen.add(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _check(html: str) -> None:
    reader = _Reader()
    reader.feed(html)
    assert reader.seen <= ALLOWED | PICTURE
    assert reader.open == []
    assert len(html) < 60_000


def test_hostile_names_make_no_elements(hostile_report: Report) -> None:
    _check(hostile_report._repr_html_())


def test_real_traces(real_trace: Path) -> None:
    _check(analyze(real_trace)._repr_html_())
