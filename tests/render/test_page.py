"""report.html without a browser: its policy, its data, its size, and that it is the same each time."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from array import array
from pathlib import Path

import pytest

from nsys_llm_explainer import Report, analyze
from nsys_llm_explainer.render import format as fmt
from nsys_llm_explainer.render.escape.text import visible
from nsys_llm_explainer.render.figures.palette import BUCKETS
from nsys_llm_explainer.render.page import report_html
from nsys_llm_explainer.render.page.library import plotly_script
from nsys_llm_explainer.render.page.policy import inline, script_json
from nsys_llm_explainer.render.page.tables import LONGEST_VALUE, body
from nsys_llm_explainer.render.page.timeline import FULL, pack, timeline
from nsys_llm_explainer.render.tables import Tables
from nsys_llm_explainer.sections import Kind, Shown
from tests.render.hostile import HOSTILE

MOST_BYTES = 8_000_000
_ELEMENT = re.compile(r"<(script|style)( type=\"[^\"]*\")?( id=\"\w+\")?>(.*?)</\1>", re.DOTALL)


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def test_the_policy_names_exactly_what_the_page_runs(hostile_report: Report) -> None:
    page = report_html(hostile_report).decode()
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found is not None
    policy = found[1].replace("&#39;", "'")
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == rules["form-action"] == rules["base-uri"] == "'none'"
    assert rules["img-src"] == "data:"
    elements = _ELEMENT.findall(page)
    scripts = {_hash(text) for tag, kind, _, text in elements if tag == "script" and "json" not in kind}
    styles = {_hash(text) for tag, _, _, text in elements if tag == "style"}
    assert set(rules["script-src"].split()) == scripts
    assert set(rules["style-src"].split()) == {*styles, _hash("")}
    assert "unsafe" not in policy


def test_hostile_names_leave_no_tag_behind(hostile_report: Report) -> None:
    page = report_html(hostile_report).replace(plotly_script(), b"").decode()
    assert "<img" not in page
    assert "alert(1)</script>" not in page
    assert page.count("</script>") == 4
    assert page.count("<script") == 4
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "x" * 1_000 not in page


def test_the_same_report_makes_the_same_page(hostile_report: Report) -> None:
    assert report_html(hostile_report) == report_html(hostile_report)


def test_real_traces_make_small_pages(real_trace: Path) -> None:
    report = analyze(real_trace)
    page = report_html(report)
    library = len(plotly_script()) if plotly_script() in page else 0
    assert len(page) - library < MOST_BYTES
    assert page.startswith(b"<!doctype html>")
    data = re.search(rb'id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert {"charts", "timeline", "light", "dark"} == set(json.loads(data[1]))


def test_an_export_without_gpu_work_has_a_page_without_the_library(trace_file: object) -> None:
    page = report_html(analyze(trace_file("no_cuda_sched_only")))  # type: ignore[operator]
    assert len(page) < 400_000
    assert b'id="canvas"' not in page


@pytest.mark.parametrize("text", HOSTILE)
def test_json_in_a_script_reads_back_and_holds_no_markup(text: str) -> None:
    made = script_json({text: [text, "\u2028\u2029"]})
    assert json.loads(made) == {text: [text, "\u2028\u2029"]}
    assert not set("<>&\u2028\u2029") & set(made)


@pytest.mark.parametrize("text", [b"a</script>", b"a</STYLE >", b"<!-- a", b"a\r\nb", b"a\0b"])
def test_what_cannot_stand_inline_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="inline"):
        inline(text)


def test_packed_bins_are_exact() -> None:
    shares = array("H")
    shares.frombytes(base64.b64decode(pack([0, 1_000, 500, 1], 1_000)))
    if sys.byteorder == "big":
        shares.byteswap()
    assert list(shares) == [0, FULL, 32_768, 66]


def test_what_overfills_a_bin_is_cut_to_it() -> None:
    assert pack([1_001, 70_000, 10], 1_000) == pack([1_000, 1_000, 10], 1_000)
    assert pack([], 1_000) == ""
    widest = 2**62
    assert pack([0, widest // 2, widest], widest) == pack([0, 500, 1_000], 1_000)


def test_the_bins_of_a_device_add_up_to_its_budget(trace_file: object) -> None:
    report = analyze(trace_file("mfu_2gpu_before"))  # type: ignore[operator]
    lanes = timeline(report, Tables(report))
    assert lanes is not None
    rows = report.sections["budget"].tables["device_time"].rows()
    for device, key in zip(lanes["devices"], (0, 1)):
        totals = {row["bucket"]: row["total_ns"] for row in rows if row["device_id"] == key}
        assert len(device["levels"]) == 2
        for level in device["levels"]:
            assert list(level["buckets"]) == [name for name in BUCKETS if name in level["buckets"]]
            for name, packed in level["buckets"].items():
                values = array("H")
                values.frombytes(base64.b64decode(packed))
                assert len(values) == level["bins"]
                assert sum(values) / FULL * level["bin"] == pytest.approx(
                    totals[name], abs=level["bin"] * 0.2, rel=1e-4
                )


def test_without_bins_steps_and_gaps_still_show(trace_file: object) -> None:
    from dataclasses import replace

    report = replace(analyze(trace_file("mfu_2gpu_before")), timeline=())  # type: ignore[operator]
    lanes = timeline(report, Tables(report))
    assert lanes is not None
    assert [device["levels"] for device in lanes["devices"]] == [[], []]
    assert all(device["gaps"] and device["steps"]["start"] for device in lanes["devices"])
    assert b'id="canvas"' in report_html(report)


def test_other_formats_load_no_chart_library() -> None:
    code = (
        "import sys\nimport nsys_llm_explainer.cli.run\n"
        "assert not {'jinja2', 'plotly'} & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("text", HOSTILE)
def test_cells_are_escaped_as_a_template_escapes_them(text: str) -> None:
    from jinja2 import Environment

    rows = [{"name": text, "count": 1_234_567}, {"name": None, "count": None}]
    made = body((Shown("name", "name", Kind.LABEL), Shown("count", "count", Kind.COUNT)), rows, at_first=1)
    shown = fmt.truncate(visible(text), 80)
    behind = fmt.truncate(visible(text), LONGEST_VALUE)
    template = Environment(autoescape=True).from_string(
        '<tr><td class="name"{% if behind != shown %} data-v="{{ behind }}" title="{{ behind }}"{% endif %}>{{ shown }}'
        '</td><td class="n" data-v="1234567">1,234,567</td></tr>\n'
        '<tr class="more"><td class="name">-</td><td class="n">-</td></tr>\n',
        {"shown": visible(shown), "behind": behind},
    )
    assert str(made) == template.render() + "\n"
