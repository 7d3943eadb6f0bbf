"""``--window``: a name, or START:END."""

from __future__ import annotations

import pytest

from nsys_llm_explainer.api import Window
from nsys_llm_explainer.cli.window import parse_window


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("0:100", (0, 100)),
        ("1.5:2.0", (1_500_000_000, 2_000_000_000)),
        ("1500ms:2s", (1_500_000_000, 2_000_000_000)),
        ("250us:", (250_000, None)),
        (":7ns", (None, 7)),
        ("-1.5:", (-1_500_000_000, None)),
        ("1.:2.", (1_000_000_000, 2_000_000_000)),
        (".5s: 1s ", (500_000_000, 1_000_000_000)),
        ("1700000000.123456789:", (1_700_000_000_123_456_789, None)),
        ("0.1234567891:", (123_456_789, None)),
        ("steady", "steady"),
        ("all", "all"),
        ("nvtx:forward: layer", "nvtx:forward: layer"),
    ],
)
def test_reads(text: str, window: Window) -> None:
    assert parse_window(text) == window


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        ":",
        "a:b",
        "1:2:3",
        "2:1",
        "1:1",
        "1e3:",
        "1 s:",
        "1h:",
        "\u0661:",
        "99999999999999999999:",
        "nan:",
        "nvtx:",
        "Steady",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"window|neither|ends before"):
        parse_window(text)
