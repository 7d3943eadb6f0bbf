"""``--ranks``: the traces of a job are compared as ranks of one run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import nsys_llm_explainer
from tests.fleet.conftest import Run, small
from tests.job.scene import US, Host, Pace, S, collectives, write


def test_the_ranks_of_a_job_are_in_the_fleet_and_beside_it(tmp_path: Path, run: Run) -> None:
    job = collectives((0, 1, 2, 3), Pace(late={2: 60 * US}))
    (tmp_path / "nodes").mkdir()
    hosts = (Host((0, 1)), Host((2, 3), offset=3600 * S))
    nodes = [write(tmp_path / "nodes" / f"node{n}.sqlite", host, job) for n, host in enumerate(hosts)]
    (tmp_path / "nodes" / "broken.sqlite").write_text("x")
    done = run("nodes", "--out", "out", "--ranks", "--keep-going")
    assert done.returncode == 0, done.stderr
    section = json.loads((tmp_path / "out" / "fleet.json").read_text())["sections"]["ranks"]
    by_itself = nsys_llm_explainer.ranks(nodes)
    assert section["notes"][0] == by_itself.headline
    assert section["notes"][1].startswith("node1 GPU 0 comes late to the collectives")
    assert section["notes"][1] == by_itself.verdicts[0].text
    assert "broken is left out: it failed." in section["notes"]
    assert [row["name"] for row in section["rows"]] == [rank.name for rank in by_itself.ranks]
    alone = {name: table["rows"] for name, table in by_itself.to_dict()["tables"].items() if name != "files"}
    beside = json.loads((tmp_path / "out" / "ranks.json").read_text())["tables"]
    assert {name: beside[name]["rows"] for name in alone} == alone
    assert (tmp_path / "out" / "ranks.html").stat().st_size > 0


def test_one_trace_has_no_ranks_to_compare(tmp_path: Path) -> None:
    fleet = nsys_llm_explainer.batch(small(tmp_path / "one.sqlite"), tmp_path / "out", ranks=True)
    (section,) = fleet.sections
    assert section.notes == ("Ranks of one job need at least two traces that could be explained.",)
    assert not (tmp_path / "out" / "ranks.json").exists()


def test_what_an_earlier_job_said_of_its_ranks_goes_with_it(tmp_path: Path) -> None:
    job = collectives((0, 1), Pace(late={1: 60 * US}))
    nodes = [write(tmp_path / f"node{n}.sqlite", Host((n,)), job) for n in (0, 1)]
    out = tmp_path / "out"
    nsys_llm_explainer.batch(nodes, out, ranks=True)
    (out / "tables" / "mine.csv").write_text("stays")
    assert (out / "ranks.md").is_file()
    assert (out / "tables" / "pairs.csv").is_file()
    nodes[1].write_text("broken by now")
    nsys_llm_explainer.batch(nodes, out, ranks=True)
    assert not [name for name in ("ranks.md", "ranks.json", "ranks.html") if (out / name).exists()]
    assert [path.name for path in (out / "tables").iterdir()] == ["mine.csv"]


def test_a_comparison_that_no_job_wrote_stays(tmp_path: Path) -> None:
    job = collectives((0, 1), Pace(late={1: 60 * US}))
    nodes = [write(tmp_path / f"node{n}.sqlite", Host((n,)), job) for n in (0, 1)]
    out = tmp_path / "out"
    nsys_llm_explainer.ranks(nodes).write(out)
    nsys_llm_explainer.batch(nodes[0], out)
    assert (out / "ranks.md").is_file()


def test_ranks_need_the_reports_as_json(tmp_path: Path, run: Run) -> None:
    with pytest.raises(ValueError, match="add json to the formats"):
        nsys_llm_explainer.batch(tmp_path, tmp_path / "out", ranks=True, formats=("md",))
    small(tmp_path / "one.sqlite")
    done = run("one.sqlite", "--out", "out", "--ranks", "--format", "md")
    assert (done.returncode, done.stderr.count("add json to the formats")) == (1, 1)
