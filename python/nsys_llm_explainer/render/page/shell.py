"""What every page is made of: its assets, its colours, and the environment of its templates."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING

from nsys_llm_explainer.render.figures.palette import DARK, LIGHT

if TYPE_CHECKING:
    from jinja2 import Template

STYLES = ("page.css", "parts.css")
FIRST_SCRIPT = "first.js"


def template(name: str, load: Callable[[str], str] | None = None) -> Template:
    """Returns a template of the pages.

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
