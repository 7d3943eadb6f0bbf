"""What the page may run: scripts and styles by their hashes, nothing from outside; and data that stays in its tag."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

_UNSAFE_IN_SCRIPTS = ("<", ">", "&", "\u2028", "\u2029")
_BREAKS_OUT = re.compile(rb"</(?:script|style)|<!--", re.IGNORECASE)
_LIBRARY_STYLE = b""
"""The chart library adds empty style elements and fills them through the CSSOM."""


def content_security_policy(scripts: Iterable[bytes], styles: Iterable[bytes]) -> str:
    """Returns the content of the page's policy.

    Images may be part of the page: some versions of the chart library probe with one whether the browser reads WebP.

    Args:
        scripts: The content of each inline script.
        styles: The content of each inline style.
    """
    script_sources = " ".join(map(_source, scripts))
    style_sources = " ".join(map(_source, (*styles, _LIBRARY_STYLE)))
    return (
        f"default-src 'none'; script-src {script_sources}; style-src {style_sources}; img-src data:; "
        "connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


def script_json(value: Any) -> str:
    """Returns a value as JSON that is safe inside a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = text.encode("utf-8", errors="replace").decode("utf-8")
    for character in _UNSAFE_IN_SCRIPTS:
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def inline(content: bytes) -> bytes:
    """Returns the content of a script or style as it may stand inline.

    Raises:
        ValueError: It would end its own element, or change in parsing so that its hash no longer fits.
    """
    if _BREAKS_OUT.search(content) or b"\r" in content or b"\0" in content:
        raise ValueError("this script or style cannot stand inline in a page")
    return content


def _source(content: bytes) -> str:
    digest = hashlib.sha256(content).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
