"""The README's picture: the demo's summary on a terminal, and its verdict and budget (``make pictures``).

Takes both from examples/demo, sets them as a page, and lets a headless Chromium photograph it. Needs ``chromium`` on
PATH (or its path in ``CHROMIUM``) and the development tools of the package.
"""

from __future__ import annotations

import html
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from markdown_it import MarkdownIt

HERE = Path(__file__).resolve().parent
DEMO = HERE.parents[1] / "examples" / "demo"
PICTURE = HERE / "demo-report.png"
LARGEST_BYTES = 300_000
WIDTH, HEIGHT, SCALE = 860, 1050, 1.3
TABLE_ROWS = 9
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_SECTIONS = ("## Time budget\n", "## Steps\n", "## Steps of the engine\n")

_STYLE = """
* { box-sizing: border-box; }
body { margin: 0; padding: 18px; height: 100vh; overflow: hidden; background: #eaeef2;
  font: 13px/1.5 "Liberation Sans", Arial, sans-serif; color: #1f2328; }
.terminal { background: #161b22; color: #e6edf3; border-radius: 8px; overflow: hidden; }
.bar { background: #2d333b; height: 24px; padding: 7px 12px; }
.bar i { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 6px; float: left; }
pre { margin: 0; padding: 12px 16px 14px; font: 13.4px/1.42 "DejaVu Sans Mono", monospace; white-space: pre; }
pre .prompt { color: #7ee787; } pre .low { color: #79c0ff; }
pre .medium { color: #e3b341; } pre .high { color: #ff7b72; }
pre b { color: #fff; }
.page { position: relative; margin-top: 16px; background: #fff; border: 1px solid #d1d9e0; border-radius: 8px;
  padding: 16px 26px 10px; overflow: hidden; }
h1 { font-size: 22px; margin: 0 0 8px; padding-bottom: 6px; border-bottom: 1px solid #d1d9e0; }
h2 { font-size: 17.5px; margin: 16px 0 8px; padding-bottom: 4px; border-bottom: 1px solid #d1d9e0; }
h3 { font-size: 14px; margin: 10px 0 6px; }
p { margin: 0 0 7px; } ul { margin: 0 0 7px; padding-left: 22px; }
table { border-collapse: collapse; margin: 4px 0 8px; font-size: 12px; }
th, td { border: 1px solid #d1d9e0; padding: 3px 8px; white-space: nowrap; }
tr:nth-child(even) td { background: #f6f8fa; }
code { font: 11.4px "DejaVu Sans Mono", monospace; }
td:first-child { max-width: 262px; overflow: hidden; text-overflow: ellipsis; }
"""


def page(summary: str, report: str) -> str:
    """Returns the page to photograph.

    Args:
        summary: What the demo prints.
        report: Its report.md.
    """
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(_excerpt(report))
    return (
        f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style>'
        '<div class="terminal"><div class="bar"><i style="background:#ff5f57"></i><i style="background:#febc2e"></i>'
        f'<i style="background:#28c840"></i></div><pre>{_terminal(summary)}</pre></div>'
        f'<div class="page">{body}</div>'
    )


def _terminal(summary: str) -> str:
    lines = html.escape(summary.rstrip("\n"))
    lines = re.sub(r"^(\[(high|medium|low)\])", r'<span class="\2">\1</span>', lines, flags=re.MULTILINE)
    lines = re.sub(r"((?:busy|idle) +[\d.]+ %)", r"<b>\1</b>", lines)
    return f'<span class="prompt">$</span> nsys-llm-explain demo\n{lines}'


def _excerpt(report: str) -> str:
    """Returns the verdict of the report, and the top of its time budget and steps."""
    parts = re.split(r"^(?=## )", report, flags=re.MULTILINE)
    chosen = [part for part in parts if part.startswith("## Verdict")]
    chosen += [_first_table(part) for part in parts if part.startswith(_SECTIONS)]
    return "\n".join(chosen)


def _first_table(section: str) -> str:
    heading, *lines = section.splitlines()
    from_table = itertools.dropwhile(lambda line: not line.startswith("|"), lines)
    table = list(itertools.takewhile(lambda line: line.startswith("|"), from_table))
    return "\n".join([heading, "", *table[: 2 + TABLE_ROWS], ""])


def photograph(chromium: str, source: Path, target: Path) -> None:
    """Lets Chromium write a picture of a page."""
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-lcd-text",
        "--hide-scrollbars",
        f"--user-data-dir={source.parent / 'profile'}",
        f"--window-size={WIDTH},{HEIGHT}",
        f"--force-device-scale-factor={SCALE}",
        f"--screenshot={target}",
        source.as_uri(),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)  # noqa: S603 - no shell


def main() -> int:
    """Makes the picture; returns the exit code."""
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if chromium is None:
        sys.stderr.write("make pictures needs chromium on PATH (apt-get install chromium), or its path in CHROMIUM\n")
        return 1
    text = page((DEMO / "summary.txt").read_text("utf-8"), (DEMO / "report.md").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder, "page.html"), Path(folder, "page.png")
        source.write_text(text, encoding="utf-8")
        photograph(chromium, source, made)
        if made.stat().st_size > LARGEST_BYTES:
            sys.stderr.write(f"the picture has {made.stat().st_size} bytes, more than {LARGEST_BYTES}\n")
            return 1
        shutil.copyfile(made, PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
