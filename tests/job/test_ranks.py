"""Who is late over files with clocks of their own, against the truth and against the report of one file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import nsys_llm_explainer
from nsys_llm_explainer.demo import Causes, DemoSpec, generate
from nsys_llm_explainer.job import RankReport, explain_ranks
from tests.job.scene import ALL_GATHER, MS, US, Collective, Host, Pace, S, collectives, write
from tests.support.export import Export


def rows(report: RankReport, table: str, columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns.split()) for row in report.tables[table].rows]


def split(source: Path, target: Path, devices: Iterable[int], shift: int) -> Path:
    """Copies an export with some of its devices, under a clock that shows more."""
    target.write_bytes(source.read_bytes())
    with sqlite3.connect(target) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = {row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')}
            if table.startswith("CUPTI") and "deviceId" in columns:
                marks = ",".join(map(str, devices))
                connection.execute(f'DELETE FROM "{table}" WHERE deviceId NOT IN ({marks})')
            if {"start", "end"} <= columns:
                connection.execute(f'UPDATE "{table}" SET "start" = "start" + ?, "end" = "end" + ?', (shift, shift))
    connection.close()
    return target


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = DemoSpec(workers=4, decode_steps=24, layers=6, causes=Causes(straggler_rank=2, straggler_factor=1.4))
    return generate(tmp_path_factory.mktemp("job") / "whole.sqlite", spec)


@pytest.fixture(scope="module")
def halves(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("halves")
    first, second = folder / "node0.sqlite", folder / "node1.sqlite"
    return [split(demo, first, (0, 1), 0), split(demo, second, (2, 3), -123_456_789)]


def test_the_json_of_a_job_with_steps_is_as_its_schema_says(halves: list[Path]) -> None:
    schema = json.loads((Path(nsys_llm_explainer.__file__).parent / "ranks.schema.json").read_text("utf-8"))
    content = json.loads(json.dumps(explain_ranks(halves).to_dict()))
    assert content["tables"]["rank_steps"]["rows"]
    jsonschema.validate(content, schema)


def test_the_slow_rank_is_named(tmp_path: Path) -> None:
    job = collectives((0, 1, 2, 3), Pace(late={2: 60 * US}))
    hosts = (Host((0, 1)), Host((2, 3), offset=3600 * S, ppm=12))
    report = explain_ranks([write(tmp_path / f"node{n}.sqlite", host, job) for n, host in enumerate(hosts)])
    (verdict,) = report.verdicts
    assert (verdict.status, verdict.rank, verdict.file) == ("rank", 2, 1)
    assert report.ranks[2].name == "node1 GPU 0"
    assert verdict.text.startswith("node1 GPU 0 comes late to the collectives: others wait")
    assert verdict.late == verdict.collectives == len(job)
    # Three ranks wait about 60 us in each of 400 collectives.
    assert verdict.caused_wait_ns == pytest.approx(3 * 400 * 60 * US, rel=0.05)
    assert report.headline == "Both files are aligned to one clock, with high confidence."
    assert report.warnings == ()


def test_ranks_that_take_turns_are_none(tmp_path: Path) -> None:
    jobs = [
        collectives((0, 1), Pace(steps=12, late={number % 2: 80 * US}), start=number * 100 * MS, seed=number)
        for number in range(6)
    ]
    job = [one for part in jobs for one in part]
    paths = [write(tmp_path / f"{n}.sqlite", Host((n,), offset=n * S), job) for n in range(2)]
    (verdict,) = explain_ranks(paths).verdicts
    assert (verdict.status, verdict.rank) == ("none", None)
    assert "take turns" in verdict.text


def test_lateness_below_what_the_clocks_tell_is_not_called(tmp_path: Path) -> None:
    job = collectives((0, 1), Pace(late={1: 12 * US}, end_jitter_ns=30 * US))
    paths = [write(tmp_path / f"{n}.sqlite", Host((n,), offset=n * S), job) for n in range(2)]
    report = explain_ranks(paths)
    (skew,) = report.skews
    assert skew.threshold_ns > 12 * US
    assert skew.late < len(job) // 10
    assert report.verdicts[0].status == "none"


def test_ranks_of_one_file_are_late_together(tmp_path: Path) -> None:
    by_turns = [
        collectives((0, 1, 2, 3), Pace(steps=2, late={2: 60 * US, 3: 61 * US}), start=n * 20 * MS, seed=n)
        for n in range(20)
    ]
    job = [one for part in by_turns for one in part]
    hosts = (Host((0, 1)), Host((2, 3), offset=-9 * S))
    report = explain_ranks([write(tmp_path / f"node{n}.sqlite", host, job) for n, host in enumerate(hosts)])
    (verdict,) = report.verdicts
    assert (verdict.status, verdict.rank, verdict.file) == ("file", None, 1)
    assert verdict.text.startswith("The 2 ranks of node1 come late")


def test_two_groups_and_one_over_both(tmp_path: Path) -> None:
    inner = [collectives(ranks, Pace(name=ALL_GATHER), seed=n) for n, ranks in enumerate([(0, 1), (2, 3)])]
    across = [collectives((n, n + 2), Pace(steps=25, layers=1, step_ns=9 * MS), seed=9 + n) for n in range(2)]
    hosts = (Host((0, 1)), Host((2, 3), offset=12 * S))
    report = explain_ranks([write(tmp_path / f"{n}.sqlite", host, *inner, *across) for n, host in enumerate(hosts)])
    assert {place.group for place in (file.place for file in report.files)} == {0}
    assert sorted((skew.ranks, skew.collectives) for skew in report.skews) == [
        ((0, 1), 400),
        ((0, 2), 25),
        ((1, 3), 25),
        ((2, 3), 400),
    ]


def test_one_stream_that_serves_two_communicators(tmp_path: Path) -> None:
    left = collectives((0, 1), Pace(steps=60, layers=1, step_ns=5 * MS), seed=1)
    right = collectives((0, 2), Pace(steps=60, layers=1, step_ns=5 * MS), seed=2, start=2500 * US)
    mixed = sorted((*left, *right), key=lambda one: min(end for _, end in one.spans.values()))
    everyone = collectives((0, 1, 2), Pace(name=ALL_GATHER))
    hosts = (Host((0,)), Host((1,), offset=S), Host((2,), offset=-S))
    report = explain_ranks([write(tmp_path / f"{n}.sqlite", host, mixed, everyone) for n, host in enumerate(hosts)])
    assert sorted((skew.ranks, skew.collectives) for skew in report.skews) == [
        ((0, 1, 2), 120),
        ((0, 1, 2), 400),
    ]
    of_two = next(skew for skew in report.skews if skew.collectives == 120)
    assert [waits.collectives for waits in of_two.waits.values()] == [120, 60, 60]


def test_replicas_are_told_apart(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{n}.sqlite", Host((2 * n, 2 * n + 1)), collectives((2 * n, 2 * n + 1), seed=n))
        for n in range(2)
    ]
    report = explain_ranks(paths)
    assert report.headline == "None of the 2 files share a clock: nothing can be said across them."
    assert [warning.split(" is not aligned")[0] for warning in report.warnings] == ["0", "1"]
    assert all("not the same job" in warning for warning in report.warnings)
    assert [skew.ranks for skew in report.skews] == [(0, 1), (2, 3)]
    assert rows(report, "files", "offset_ns confidence") == [(None, "none")] * 2


def test_ambiguous_alignment_names_nobody(tmp_path: Path) -> None:
    even = Pace(layer_jitter_ns=0, step_jitter_ns=0, arrival_jitter_ns=0, late={1: 90 * US})
    job = collectives((0, 1), even)
    paths = [write(tmp_path / f"{n}.sqlite", Host((n,), skip=20 * n), job) for n in range(2)]
    report = explain_ranks(paths)
    assert report.verdicts[0].status == "unknown"
    assert "cannot be told" in report.verdicts[0].text
    assert any("low confidence" in warning and "equally well" in warning for warning in report.warnings)


def test_files_that_tell_nothing_say_what_is_missing(tmp_path: Path) -> None:
    job = collectives((0, 1))
    graphs = Export()
    for step in range(20):
        graphs.graph_trace(step * MS, step * MS + 500 * US)
    paths = [
        write(tmp_path / "good.sqlite", Host((0,)), job),
        graphs.write(tmp_path / "graphs.sqlite"),
        Export().call("cudaFree_v3020", 0, 10).write(tmp_path / "host.sqlite"),
        Export().kernel("gemm", 0, 10).write(tmp_path / "gemm.sqlite"),
        write(tmp_path / "other.sqlite", Host((1,), offset=S), job),
    ]
    report = explain_ranks(paths)
    assert [file.place.group for file in report.files] == [0, 1, 2, 3, 0]
    notes = {file.name: file.note for file in report.files}
    assert "--cuda-graph-trace=node" in notes["graphs"]
    assert "--trace=cuda" in notes["host"]
    assert "no collectives among its kernels" in notes["gemm"]
    assert report.headline.startswith("2 of 5 files are aligned")
    assert [rank.name for rank in report.ranks] == ["good GPU 0", "graphs GPU 0", "gemm GPU 0", "other GPU 0"]


def test_split_run_tells_what_the_whole_one_does(demo: Path, halves: list[Path]) -> None:
    whole = nsys_llm_explainer.analyze(demo)
    report = explain_ranks(halves)
    waits = whole.sections["communication"].tables["rank_waits"].rows()
    columns = "collectives wait_ns late late_spread_ns transfer_ns"
    assert rows(report, "ranks", columns) == [tuple(row[name] for name in columns.split()) for row in waits]
    spreads = [row["spread_ns"] for row in whole.sections["communication"].tables["rank_skew"].rows()]
    assert [spread for (spread,) in rows(report, "rank_skew", "spread_ns")] == spreads
    assert any(finding.id == "straggling_rank" for finding in whole.findings)
    (verdict,) = report.verdicts
    assert (verdict.rank, verdict.status) == (2, "rank")
    assert any("in compute, the median rank" in fact for fact in verdict.facts)
    assert verdict.facts[-1].startswith("The report of node1 by itself: GPU 2 comes late")
    assert not any("own report" in warning for warning in report.warnings)


def test_budget_stands_beside_the_median_rank(halves: list[Path]) -> None:
    report = explain_ranks(halves)
    table = rows(report, "rank_budget", "rank bucket share median_share deviation_share")
    compute = {rank: (share, middle, off) for rank, bucket, share, middle, off in table if bucket == "compute"}
    shares = sorted(share for share, _, _ in compute.values())
    assert {middle for _, middle, _ in compute.values()} == {(shares[1] + shares[2]) / 2}
    assert compute[2][2] == max(off for _, _, off in compute.values()) > 0.05
    for rank in report.ranks:
        assert rank.budget is not None
        assert sum(rank.budget.buckets.values()) == rank.budget.window_ns
    kinds = {kind for _, kind in rows(report, "rank_steps", "rank kind")}
    assert "decode" in kinds


def test_times_at_the_edge_harm_nobody(tmp_path: Path) -> None:
    job = collectives((0, 1))
    edge = 1 << 62
    far = Export()
    for number, time in enumerate((-edge + 1, edge - 1)):
        far.kernel(ALL_GATHER, time, time, stream=90 + number)
    long = Export()
    for number in range(12):
        long.kernel(ALL_GATHER, -(1 << 60), number * MS, stream=91)
    paths = [
        write(tmp_path / "0.sqlite", Host((0,), offset=-(1 << 60)), job, export=far),
        write(tmp_path / "1.sqlite", Host((1,), offset=1 << 60), job, export=long),
    ]
    report = explain_ranks(paths)
    assert report.headline == "Both files are aligned to one clock, with high confidence."
    assert report.write(tmp_path / "out")


def test_reports_can_be_given(halves: list[Path]) -> None:
    made = [nsys_llm_explainer.analyze(path) for path in halves]
    read = [json.loads(json.dumps(report.to_dict())) for report in made]
    expected = explain_ranks(halves).to_dict()
    for given in (made, read, [made[0], None]):
        found = explain_ranks(halves, given).to_dict()
        assert {**found, "generated_at": ""} == {**expected, "generated_at": ""}


def test_wrong_arguments(halves: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least two traces"):
        nsys_llm_explainer.ranks(halves[:1])
    with pytest.raises(ValueError, match="named twice"):
        nsys_llm_explainer.ranks([*halves, halves[0]])
    with pytest.raises(ValueError, match="as many reports"):
        explain_ranks(halves, [None])
    with pytest.raises(FileNotFoundError):
        nsys_llm_explainer.ranks([halves[0], tmp_path / "absent.sqlite"])


def test_files_of_one_name_are_told_apart(halves: list[Path], tmp_path: Path) -> None:
    paths = []
    for number, half in enumerate(halves):
        folder = tmp_path / f"host{number}"
        folder.mkdir()
        paths.append(folder / "trace.sqlite")
        paths[-1].write_bytes(half.read_bytes())
    report = explain_ranks(paths)
    assert [file.name for file in report.files] == ["host0/trace", "host1/trace"]


def test_real_pair_of_gpus_split_over_two_files(trace_file: Callable[[str], Path], tmp_path: Path) -> None:
    source = trace_file("mfu_2gpu_before")
    shift = 7200 * S
    paths = [split(source, tmp_path / f"{n}.sqlite", (n,), n * shift) for n in range(2)]
    report = explain_ranks(paths)
    (pair,) = report.pairs
    # Its only collectives are exchanges between two ranks.
    assert (pair.status, pair.confidence) == ("aligned", "low")
    assert pair.fit is not None
    error = abs(pair.fit.clock.there - pair.fit.clock.origin - shift)
    assert error <= pair.fit.residual_max_ns < 50 * US
    assert report.verdicts[0].status == "unknown"
    found = nsys_llm_explainer.analyze(source).sections["communication"].tables
    ours = dict(rows(report, "rank_skew", "occurrence spread_ns"))
    theirs = {row["occurrence"]: row["spread_ns"] for row in found["rank_skew"].rows()}
    assert ours.keys() == theirs.keys()
    assert all(abs(ours[one] - theirs[one]) <= error for one in ours)


@pytest.mark.parametrize("rank", [2, 3])
def test_a_rank_that_ends_later_makes_no_other_file_late(tmp_path: Path, rank: int) -> None:
    """Ranks of one file share a clock: what they end apart is not the clocks', and may mislead by as much."""
    job = []
    for one in collectives(range(4), Pace(), seed=4):
        start, end = one.spans[rank]
        job.append(Collective(one.name, {**one.spans, rank: (start, end + 16 * US)}))
    hosts = Host((0, 1)), Host((2, 3), offset=77 * S, ppm=20.0)
    paths = [write(tmp_path / f"host{number}.sqlite", host, job) for number, host in enumerate(hosts)]
    verdicts = nsys_llm_explainer.ranks(paths).verdicts
    assert [verdict.status for verdict in verdicts] == ["none"]
