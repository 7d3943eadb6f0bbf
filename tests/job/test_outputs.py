"""Every output formats the same value; text from traces does no harm in any of them; the command and its exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

import nsys_llm_explainer
from nsys_llm_explainer.job import RankReport, explain_ranks
from nsys_llm_explainer.job.markdown import ranks_markdown
from nsys_llm_explainer.job.outputs import rank_files
from nsys_llm_explainer.job.page import ranks_html
from nsys_llm_explainer.job.terminal import summary_lines
from nsys_llm_explainer.job.value import FORMATS
from tests.job.scene import US, Host, Pace, S, collectives, write
from tests.support.export import Export

EVIL = '=<script>alert(1)</script>|`x`\x1b[31m[l](javascript:a)\u202e" ncclDevKernel_AllReduce'
TABLES = ("files", "pairs", "ranks", "rank_budget", "rank_steps", "communicators", "rank_skew")


class Tags(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("outputs")
    job = collectives((0, 1, 2), Pace(late={1: 90 * US}, name=EVIL))
    hosts = (Host((0,)), Host((1, 2), offset=50 * S, ppm=9))
    made = [write(folder / f"no<b>de{number}.sqlite", host, job) for number, host in enumerate(hosts)]
    return [*made, Export().kernel("gemm", 0, 10).write(folder / "alone.sqlite")]


@pytest.fixture(scope="module")
def report(paths: list[Path]) -> RankReport:
    return explain_ranks(paths)


def command(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nsys_llm_explainer", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_same_input_same_bytes(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first, second = (rank_files(explain_ranks(paths), FORMATS) for _ in range(2))
    assert first == second
    assert set(first) == {"ranks.md", "ranks.json", "ranks.html", *(f"tables/{name}.csv" for name in TABLES)}


def test_json_is_as_its_schema_says(report: RankReport) -> None:
    schema = json.loads((Path(nsys_llm_explainer.__file__).parent / "ranks.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    content = json.loads(rank_files(report, ("json",))["ranks.json"])
    jsonschema.validate(content, schema)
    assert [name for name, table in content["tables"].items() if not table["rows"]] == ["rank_steps"]
    content["tables"]["ranks"]["rows"][0]["late"] = "often"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, schema)


def test_json_holds_everything(report: RankReport) -> None:
    files = rank_files(report, ("json", "csv"))
    content = json.loads(files["ranks.json"])
    assert (content["schema_version"], tuple(content["tables"])) == ("1.0", TABLES)
    assert content["verdicts"][0]["rank"] == 1
    for name, table in content["tables"].items():
        names = [column["name"] for column in table["columns"]]
        assert all(list(row) == names for row in table["rows"])
        assert all(column["description"].endswith(".") for column in table["columns"])
        header, *read = csv.reader(io.StringIO(files[f"tables/{name}.csv"].decode()))
        assert (len(read), header) == (len(table["rows"]), names)
    units = {column["name"]: column["unit"] for table in content["tables"].values() for column in table["columns"]}
    assert (units["wait_ns"], units["lateness_share"], units["drift_ppm"], units["late"]) == (
        "ns",
        "fraction",
        "ppm",
        "count",
    )


def test_texts_of_traces_are_escaped(report: RankReport) -> None:
    files = rank_files(report, FORMATS)
    markdown = files["ranks.md"].decode()
    assert "\x1b" not in markdown
    assert "\u202e" not in markdown
    assert re.search(r"(?<!\\)<script|(?<![`\\])<b>|\]\(javascript", re.sub(r"`[^`]*`", "", markdown)) is None
    lines = summary_lines(report, "ranks.md")
    assert all("\x1b" not in line and len(line) <= 80 for line in lines)
    kernels = [row["name"] for row in csv.DictReader(io.StringIO(files["tables/communicators.csv"].decode()))]
    assert all(name.startswith("'=") for name in kernels)


def test_tables_of_markdown_are_whole(report: RankReport) -> None:
    rows = [re.sub(r"\\\|", "", line) for line in ranks_markdown(report).splitlines()]
    width = 0
    for line in rows:
        cells = re.sub(r"`[^`]*`", "", line).count("|")
        if line.startswith("|") and width:
            assert cells == width
        width = cells if line.startswith("|") else 0


def test_page_runs_only_what_its_policy_knows(report: RankReport) -> None:
    page = ranks_html(report).decode()
    tags = Tags(page).found
    policy = next(attrs["content"] for tag, attrs in tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert [tag for tag, _ in tags].count("script") == 1
    assert not any(name.startswith("on") or name in {"style", "src"} for _, attrs in tags for name in attrs)
    assert not any("://" in (attrs.get("href") or "") for _, attrs in tags)
    assert "<script>alert" not in page
    assert sum(tag == "svg" for tag, _ in tags) == 2
    assert "b" not in {tag for tag, _ in tags}


def test_writes_all_or_nothing(report: RankReport, tmp_path: Path) -> None:
    written = report.write(tmp_path / "out")
    assert {path.relative_to(tmp_path / "out").as_posix() for path in written} == set(rank_files(report, FORMATS))
    with pytest.raises(ValueError, match="unknown format 'pdf'"):
        report.write(tmp_path / "none", ("pdf",))
    (tmp_path / "taken" / "ranks.md").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        report.write(tmp_path / "taken")
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["ranks.md"]


def test_command(paths: list[Path], tmp_path: Path) -> None:
    before = [path.read_bytes() for path in paths]
    done = command(tmp_path, "ranks", *paths, "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "3 files, 4 GPUs"
    assert any("comes late to the collectives" in line for line in lines)
    assert any("alone is not aligned with any other file" in line for line in lines)
    assert lines[-1] == f"Report: {Path('out', 'ranks.md')}"
    assert (tmp_path / "out" / "ranks.html").is_file()
    assert [path.read_bytes() for path in paths] == before
    assert command(tmp_path, "ranks", *paths, "--out", "quiet", "--quiet").stdout == ""


def test_command_goes_wrong_in_one_line(paths: list[Path], tmp_path: Path) -> None:
    usage = command(tmp_path, "ranks", paths[0])
    assert (usage.returncode, "at least two traces" in usage.stderr) == (2, True)
    (tmp_path / "bad.sqlite").write_bytes(b"no export at all" * 100)
    bad = command(tmp_path, "ranks", paths[0], "bad.sqlite", "--out", "out")
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (1, "", 1)
    assert "bad.sqlite" in bad.stderr
    assert not (tmp_path / "out").exists()


def test_plain_command_does_not_load_it() -> None:
    code = (
        "import sys, nsys_llm_explainer.cli.run; "
        "print(sorted(name for name in sys.modules if name.startswith('nsys_llm_explainer.job')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_api(paths: list[Path], report: RankReport) -> None:
    found = nsys_llm_explainer.ranks(paths)
    assert isinstance(found, RankReport)
    assert [verdict.text for verdict in found.verdicts] == [verdict.text for verdict in report.verdicts]
