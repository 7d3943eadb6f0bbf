"""The recipes, and the documents and scripts that repeat them."""

from __future__ import annotations

import dataclasses
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from nsys_llm_explainer.capture import ENGINES, FLAGS, CaptureRecipe, recipe
from nsys_llm_explainer.capture.needs import NOTES

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {"vllm": "vllm.sh", "sglang": "sglang.sh", "tensorrt_llm": "tensorrt-llm.sh"}
CAPTURE_EXAMPLES = ROOT / "examples" / "capture"


def code_blocks(document: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return [block.strip() for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)]


def nsys_options(command: str) -> list[str]:
    """The ``--name=value`` words of nsys itself: those before the profiled program."""
    nsys_part = command.rsplit(" \\\n", 1)[0]
    return [word for word in shlex.split(nsys_part.replace("\\\n", " ")) if word.startswith("--")]


def test_registry_has_the_four_engines() -> None:
    assert list(ENGINES) == ["vllm", "sglang", "tensorrt_llm", "pytorch"]


def test_every_need_has_a_note() -> None:
    assert list(FLAGS) == list(NOTES)
    assert set(FLAGS) == {
        "gpu_kernels",
        "cuda_graph_nodes",
        "nvtx",
        "cuda_api",
        "osrt",
        "memory_usage",
        "nccl_payloads",
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_baseline_records_light_node_mode_ranges(engine: str) -> None:
    options = nsys_options(recipe(engine).command)
    assert options[0].startswith("--trace=cuda,nvtx")
    assert "--cuda-graph-trace=node" in options
    assert "--capture-range=cudaProfilerApi" in options
    assert "--capture-range-end=stop-shutdown" not in options
    assert any(option.startswith("--capture-range-end=") for option in options)
    assert {"--sample=none", "--cpuctxsw=none"} <= set(options)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("need", FLAGS)
def test_a_need_is_met_by_the_command(engine: str, need: str) -> None:
    made = recipe(engine, [need])
    options = nsys_options(made.command)
    flag = FLAGS[need]
    if flag.startswith("--trace="):
        assert flag[len("--trace=") :] in options[0][len("--trace=") :].split(",")
    else:
        assert flag in options
    assert NOTES[need] in made.notes
    assert len(options) == len(set(options))


@pytest.mark.parametrize("engine", ENGINES)
def test_order_and_repetition_of_needs_do_not_matter(engine: str) -> None:
    assert recipe(engine, ["osrt", "nvtx", "osrt"]) == recipe(engine, iter(["nvtx", "osrt"]))


@pytest.mark.parametrize("engine", ENGINES)
def test_all_needs_at_once_repeat_nothing(engine: str) -> None:
    made = recipe(engine, FLAGS)
    options = nsys_options(made.command)
    domains = options[0][len("--trace=") :].split(",")
    assert len(domains) == len(set(domains))
    assert len(options) == len(set(options))
    assert len(made.notes) == len(set(made.notes))


@pytest.mark.parametrize("engine", ENGINES)
def test_export_reads_the_report_that_the_capture_writes(engine: str) -> None:
    made = recipe(engine)
    words = shlex.split(made.command.replace("\\\n", " "))
    stem = words[words.index("-o") + 1]
    assert re.fullmatch(rf"{stem}(\.1)?\.nsys-rep", made.export.split()[-1])
    assert f"-o {stem}.sqlite " in made.export
    assert (".1." in made.export) == ("--capture-range-end=repeat" in words)


def test_the_environment_of_a_need_is_set_for_nsys() -> None:
    command = recipe("vllm", ["nvtx"]).command
    assert command.startswith("VLLM_WORKER_MULTIPROC_METHOD=spawn VLLM_NVTX_SCOPES_FOR_PROFILING=1 nsys profile")
    assert "VLLM_NVTX_SCOPES_FOR_PROFILING" not in recipe("vllm").command


def test_unknown_names_say_what_is_known() -> None:
    with pytest.raises(ValueError, match=r"unknown engine 'llama': expected one of vllm, sglang"):
        recipe("llama")
    with pytest.raises(ValueError, match=r"unknown need 'kernels': expected one of gpu_kernels"):
        recipe("vllm", ["nvtx", "kernels"])


def test_recipes_are_frozen() -> None:
    made: CaptureRecipe = recipe("vllm")
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.command = ""  # type: ignore[misc]
    with pytest.raises(TypeError):
        FLAGS["nvtx"] = ""  # type: ignore[index]


@pytest.mark.parametrize("engine", ENGINES)
def test_runbook_repeats_the_commands(engine: str) -> None:
    blocks = code_blocks("docs/runbook.md")
    assert len(blocks) >= 2 * len(ENGINES)
    assert recipe(engine).command in blocks
    assert recipe(engine).export in blocks


def test_runbook_has_one_row_for_each_need() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `(--[^`]+)` \|", text, re.MULTILINE))
    assert rows == dict(FLAGS)


def test_readme_repeats_the_vllm_commands() -> None:
    blocks = code_blocks("README.md")
    assert recipe("vllm").command in blocks
    assert any(recipe("vllm").export in block for block in blocks)


@pytest.mark.parametrize("engine", SCRIPTS)
def test_scripts_pass_the_options_of_the_recipe(engine: str) -> None:
    script = (CAPTURE_EXAMPLES / SCRIPTS[engine]).read_text(encoding="utf-8")
    words = script.replace("\\\n", " ").split()
    options = nsys_options(recipe(engine).command)
    assert [option for option in options if option not in words] == []
    assert [variable for variable in ENGINES[engine].environment if variable.split("=")[0] not in script] == []


def test_scripts_are_valid_bash_and_stop_at_errors() -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash on this machine")
    scripts = sorted([*CAPTURE_EXAMPLES.glob("*.sh"), *CAPTURE_EXAMPLES.glob("*.sbatch"), ROOT / ".ci" / "run"])
    assert len(scripts) >= 6
    for script in scripts:
        checked = subprocess.run([bash, "-n", str(script)], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, ""), script.name
        assert "set -euo pipefail" in script.read_text(encoding="utf-8"), script.name
