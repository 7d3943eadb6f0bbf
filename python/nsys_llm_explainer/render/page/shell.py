"""What every page is made of: its assets, its colours, its policy, and the environment of its templates."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from nsys_llm_explainer._native import __version__
from nsys_llm_explainer.render.figures.palette import DARK, LIGHT
from nsys_llm_explainer.render.page.library import plotly_script, style_ids
from nsys_llm_explainer.render.page.policy import content_security_policy, inline, script_json

if TYPE_CHECKING:
    from jinja2 import Template

STYLES = ("page.css", "parts.css")
FIRST_SCRIPT = "first.js"
_LIBRARY = "<!--library-->"
"""Where the library goes: nothing that a page shows or runs has a comment's beginning in it."""


def page(
    name: str,
    /,
    *,
    scripts: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
    has_charts: bool = False,
    style: str = "",
    load: Callable[[str], str] | None = None,
    **values: Any,
) -> bytes:
    """Returns the content of a page that carries everything it shows, under a policy that allows nothing else.

    Args:
        name: The asset that holds its template.
        scripts: The texts of its scripts, in the order in which they run.
        data: What the scripts read, beside the colours.
        has_charts: Whether it needs the chart library.
        style: Styles of its own, after those of all pages.
        load: What returns the text of an asset; those of this package where it is None.
        **values: What the template shows.

    Raises:
        FileNotFoundError: The chart library is not installed.
    """
    library = plotly_script() if has_charts else b""
    first = inline(asset(FIRST_SCRIPT).encode())
    own = inline("\n".join(["'use strict';", *scripts]).encode()) if scripts else b""
    styles = inline("\n".join([colours(), *map(asset, STYLES), *([style] if style else [])]).encode())
    text = template(name, load).render(
        policy=content_security_policy([script for script in (first, own, library) if script], [styles]),
        first_script=first.decode(),
        style=styles.decode(),
        library=_LIBRARY if library else "",
        library_style_ids=style_ids() if library else [],
        script=own.decode(),
        data=script_json({**(data or {}), "light": dict(LIGHT), "dark": dict(DARK)}),
        version=__version__,
        **values,
    )
    before, found, after = text.partition(_LIBRARY)
    parts = [before.encode(errors="replace"), library if found else b"", after.encode(errors="replace")]
    return b"".join(parts)


@functools.lru_cache(maxsize=4)
def template(name: str, load: Callable[[str], str] | None = None) -> Template:
    """Returns a template of the pages; compiling one takes longer than filling it.

    Args:
        name: The asset that holds it.
        load: What returns the text of an asset; those of this package where it is None.
    """
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415 - only pages need it

    # ``autoescape`` is on for every text; only assets and JSON are marked safe, each by its own guard.
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(load or asset),
    )
    return environment.get_template(name)


def colours() -> str:
    """Returns the palettes as custom properties and classes, so that charts and page agree."""
    light, dark = (
        "".join(f"--{name.replace('.', '-')}:{colour};" for name, colour in palette.items())
        for palette in (LIGHT, DARK)
    )
    return (
        f":root{{{light}}}\n:root[data-theme=dark]{{{dark}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme]){{{dark}}}}}\n"
        f"@media print{{:root,:root[data-theme=dark]{{{light}}}}}\n"
        + "".join(f".c-{name}{{background:var(--{name})}}" for name in (key.replace(".", "-") for key in LIGHT))
    )


def asset(name: str) -> str:
    """Returns the text of an asset."""
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")
