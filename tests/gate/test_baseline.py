"""The baseline file: what it holds, and what is refused as one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nsys_llm_explainer import Report, __version__
from nsys_llm_explainer.gate.baseline import content, load, save
from nsys_llm_explainer.gate.expression import parse
from nsys_llm_explainer.gate.figures import look_up, of_report

GOOD = {"kind": "nsys-llm-explainer baseline", "schema_version": "1.0", "summary": {}, "tables": {}, "findings": []}


def test_it_holds_every_figure_and_nothing_of_the_trace(report: Report, tmp_path: Path) -> None:
    save(report, tmp_path / "b.json")
    held = json.loads((tmp_path / "b.json").read_text("ascii"))
    assert list(tmp_path.iterdir()) == [tmp_path / "b.json"]
    assert (held["schema_version"], held["tool"]["version"]) == ("1.0", __version__)
    assert held["tables"].keys() == {"step_kinds", "device_time"}
    assert held["summary"]["budget"]["idle_share"] == report.sections["budget"].summary["idle_share"]
    words = set(_texts({key: held[key] for key in ("summary", "tables", "findings")}))
    known = {row["bucket"] for row in report.sections["budget"].tables["device_time"].rows()}
    known |= {row["kind"] for row in report.sections["steps"].tables["step_kinds"].rows()}
    known |= {text for finding in report.findings for text in (finding.id, finding.severity)}
    assert words <= known
    assert report.trace["path"] not in (tmp_path / "b.json").read_text("ascii")


def _texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in _texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return [value] if isinstance(value, str) else []


def test_every_kept_figure_reads_back(report: Report, tmp_path: Path) -> None:
    save(report, tmp_path / "b.json")
    before, now = load(tmp_path / "b.json"), of_report(report)
    held = content(report)
    texts = [f"{section}.{name} > 0" for section, row in held["summary"].items() for name in row]
    texts += [
        f"steps.{row['kind']}.{name} > 0" for row in held["tables"]["step_kinds"] for name in row if name != "kind"
    ]
    texts += [f"device_time[bucket={row['bucket']}].share > 0" for row in held["tables"]["device_time"]]
    assert len(texts) > 100
    for text in texts:
        path = parse(text).path
        assert look_up(before, path) == look_up(now, path), text


def test_a_file_that_was_there_is_replaced_whole(report: Report, tmp_path: Path) -> None:
    target = tmp_path / "new" / "b.json"
    save(report, target)
    first = target.read_bytes()
    target.write_text("x" * 100_000)
    save(report, target)
    assert target.read_bytes() == first


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        "\xff",
        "[" * 100_000,
        json.dumps({**GOOD, "kind": "other"}),
        json.dumps({**GOOD, "schema_version": "2.0"}),
        json.dumps({**GOOD, "schema_version": 1}),
        json.dumps({**GOOD, "summary": []}),
        json.dumps({**GOOD, "summary": {"budget": 3}}),
        json.dumps({**GOOD, "summary": {"budget": {"idle_share": "x"}}}),
        json.dumps({**GOOD, "summary": {"budget": {"idle_share": float("nan")}}}),
        json.dumps({**GOOD, "summary": {"budget": {"idle_share": float("inf")}}}),
        json.dumps({**GOOD, "summary": {"budget": {"idle_share": 10**400}}}),
        json.dumps({**GOOD, "tables": {"step_kinds": {}}}),
        json.dumps({**GOOD, "tables": {"step_kinds": [{"kind": 3}]}}),
        json.dumps({**GOOD, "tables": {"step_kinds": [{"steps": "3"}]}}),
        json.dumps({**GOOD, "findings": {}}),
        json.dumps({**GOOD, "findings": [{"id": "x", "severity": "worst"}]}),
        json.dumps({**GOOD, "findings": [{"id": "x", "severity": "low", "at_stake_ns": "1"}]}),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "b.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"baseline .*b\.json"):
        load(path)


def test_what_is_accepted(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(json.dumps(GOOD))
    assert load(tmp_path / "b.json").holder == "baseline"
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.json")
