"""Names that try to break out of every sink."""

from __future__ import annotations

HOSTILE = (
    "<script>alert(1)</script>",
    "a|b|c",
    "`code` ``more`` ```",
    "[click](javascript:alert(1))",
    "![img](http://evil.example/x.png)",
    "http://evil.example/path?q=1 www.evil.example me@evil.example",
    "line\nbreak\r\nand\ttab\x0b\x0c",
    "# heading\n\n- item\n\n> quote",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "bidi \u202egnp.exe\u202c \u2066x\u2069 \u200b\ufeff",
    '=HYPERLINK("http://evil.example","x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    '"quoted", with; commas',
    "&lt;b&gt; &#60; &amp;",
    "*bold* _it_ __strong__ ~~gone~~",
    "back\\slash\\| and \\` more",
    "emoji \U0001f525 wide \u4f60\u597d",
    "</td></tr></table><img src=x onerror=alert(1)>",
    "nul\x00byte",
    "{{ template }} ${shell} $(cmd)",
    "x" * 12_000,
)
