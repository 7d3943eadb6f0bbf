"""ranks.html: one page that carries everything it shows, under the policy of report.html and without its library."""

from __future__ import annotations

from importlib import resources

from nsys_llm_explainer.job.charts import WIDTH, pictures
from nsys_llm_explainer.job.shown import shown_tables
from nsys_llm_explainer.job.value import RankReport
from nsys_llm_explainer.render.escape.text import visible
from nsys_llm_explainer.render.figures.palette import LIGHT
from nsys_llm_explainer.render.page.shell import page

TEMPLATE = "ranks.html.j2"
_OWN_STYLE = "ranks.css"


def ranks_html(report: RankReport) -> bytes:
    """Returns the content of ranks.html."""
    fills = "".join(f".f-{name.replace('.', '-')}{{fill:var(--{name.replace('.', '-')})}}" for name in LIGHT)
    return page(
        TEMPLATE,
        style=f"{_own(_OWN_STYLE)}\n{fills}",
        load=_own,
        generated_at=report.generated_at,
        files=len(report.files),
        ranks=len(report.ranks),
        headline=visible(report.headline),
        verdicts=[(visible(one.text), [visible(fact) for fact in one.facts]) for one in report.verdicts],
        warnings=[visible(text) for text in report.warnings],
        pictures=pictures(report),
        width=WIDTH,
        tables=shown_tables(report),
        visible=visible,
        method=report.method,
    )


def _own(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")
