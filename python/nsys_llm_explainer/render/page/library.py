"""The chart library's script, as the installed Python package of Plotly ships it."""

from __future__ import annotations

import functools
import re
from importlib.util import find_spec
from pathlib import Path

from nsys_llm_explainer.render.page.policy import inline

_OWN_STYLE = re.compile(rb'getElementById\("([0-9a-f]{64})"\)')


@functools.lru_cache(maxsize=1)
def plotly_script() -> bytes:
    """Returns the content of plotly.js; the Python package itself is not imported.

    Raises:
        FileNotFoundError: The package is not installed, or ships no script.
    """
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        raise FileNotFoundError(2, "report.html needs the package plotly (pip install plotly)", "plotly")
    path = Path(spec.origin).parent / "package_data" / "plotly.min.js"
    return inline(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n"))


@functools.lru_cache(maxsize=1)
def style_ids() -> list[str]:
    """Returns the ids of the style elements that the library adds for maps unless they are there already.

    No chart of the report is a map, and the page's policy allows no style that it does not know.
    """
    return sorted({found.decode("ascii") for found in _OWN_STYLE.findall(plotly_script())})
