"""What an export says about itself: versions, GPUs, processes, diagnostics; and what it says that nobody may repeat."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import nsys_llm_explainer
from tests.reading.reader import KERNEL, Reading, assert_sound, launches, read
from tests.support.export import Export, Value

SECRET = "hf_tOpSeCrEt"


def written(folder: Path, export: Export) -> Reading:
    """Writes an export and reads it."""
    return read(export.write(folder / "trace.sqlite"))


def devices(reading: Reading) -> list[tuple[object, ...]]:
    """Returns device_id, gpu_id, gpu_name and busy_ns of each device."""
    rows = reading.rows("gpu_idle", "gpu_devices")
    return [(row["device_id"], row["gpu_id"], row["gpu_name"], row["busy_ns"]) for row in rows]


@pytest.mark.parametrize("schema", ["2.7.0", "3.1.7", "3.4.0", "3.17.2", "3.25.0", "3.28.1"])
def test_versions(tmp_path: Path, schema: str) -> None:
    reading = written(tmp_path, launches(schema=schema))
    assert reading.info["export_schema_version"] == schema
    assert reading.info["nsys_version"] is not None
    assert_sound(reading)
    assert reading.codes == set()


@pytest.mark.parametrize("export", [launches(schema="none"), launches().drop("META_DATA_EXPORT")])
def test_no_version(tmp_path: Path, export: Export) -> None:
    reading = written(tmp_path, export)
    assert (reading.info["export_schema_version"], reading.info["nsys_version"]) == (None, None)
    assert reading.codes == {"old_export"}
    assert_sound(reading)


def test_facts(tmp_path: Path) -> None:
    export = launches().gpu(1, "B", totalMemory=80, smCount=108).gpu(0, "A", totalMemory=0, smCount=132)
    export.gpu(7, "Basic Display Adapter", smCount=0).raw("ANALYSIS_DETAILS", duration=70_000)
    path = "/opt/nvidia/nsight-systems/2025.1.3/target-linux-x64"
    export.raw("TARGET_INFO_SYSTEM_ENV", name="TargetInstallDir", value=path)
    reading = written(tmp_path, export)
    assert reading.info["capture_version"] == "2025.1.3"
    assert reading.info["duration_ns"] == 70_000
    assert reading.info["gpus"] == [
        {"gpu_id": 0, "name": "A", "memory_bytes": None, "sm_count": 132},
        {"gpu_id": 1, "name": "B", "memory_bytes": 80, "sm_count": 108},
    ]
    assert reading.info["span_ns"] == (0, 50_000)
    assert reading.info["file_bytes"] == (tmp_path / "trace.sqlite").stat().st_size
    assert reading.trace["processes"] == [{"pid": 100, "name": "worker"}]


@pytest.mark.parametrize("value", [b"blob", 12, None, 1.5])
def test_facts_of_another_type_are_unknown(tmp_path: Path, value: Value) -> None:
    export = launches().retype("META_DATA_EXPORT", "value", "").retype("TARGET_INFO_SYSTEM_ENV", "value", "")
    export.drop("META_DATA_EXPORT").sql("CREATE TABLE EXPORT_META_DATA(name, value)")
    export.raw("TARGET_INFO_SYSTEM_ENV", name="TargetInstallDir", value=value)
    export.retype("ANALYSIS_DETAILS", "duration", "").raw("ANALYSIS_DETAILS", duration="long")
    export.retype("DIAGNOSTIC_EVENT", "severity", "").raw("DIAGNOSTIC_EVENT", severity="3", text="lost")
    export.retype("TARGET_INFO_GPU", "name", "").gpu(0, value)
    for name in ("EXPORT_PRODUCT_VERSION", "EXPORT_SCHEMA_VERSION"):
        literal = "x'00'" if isinstance(value, bytes) else "NULL" if value is None else str(value)
        export.sql(f"INSERT INTO EXPORT_META_DATA VALUES ('{name}', {literal})")
    reading = written(tmp_path, export)
    assert_sound(reading)
    assert reading.codes == {"old_export"}
    names = ("export_schema_version", "nsys_version", "capture_version", "duration_ns")
    assert {reading.info[name] for name in names} == {None}
    assert [gpu["name"] for gpu in reading.info["gpus"]] == [None]


def test_facts_are_cut(tmp_path: Path) -> None:
    reading = written(tmp_path, launches().meta("EXPORT_PRODUCT_VERSION", "9" * 1_000_000).gpu(0, "G" * 1_000_000))
    assert reading.info["nsys_version"] == "9" * 64
    assert reading.info["gpus"][0]["name"] == "G" * 64


# -- which GPU an ordinal means --------------------------------------------------------------------------------------


def test_one_ordinal_that_is_two_gpus(tmp_path: Path) -> None:
    """Each rank sees its own GPU as device 0, because of CUDA_VISIBLE_DEVICES."""
    export = Export().gpu(0, "A").gpu(1, "B")
    for pid, gpu in ((100, 1), (200, 0)):
        export.cuda_device(pid=pid, ordinal=0, gpu=gpu).kernel("k", 10, 20 + pid, pid=pid)
    reading = written(tmp_path, export)
    assert devices(reading) == [(0, 0, "A", 210), (0, 1, "B", 110)]
    assert reading.codes == set()
    assert [(row["device_id"], row["gpu_id"], row["calls"]) for row in reading.rows("kernels", "kernels")] == [
        (0, 0, 1),
        (0, 1, 1),
    ]


def test_two_ordinals_that_are_one_gpu(tmp_path: Path) -> None:
    export = Export().gpu(0, "A").gpu(5, "B").cuda_device(pid=100, ordinal=3, gpu=5)
    export.cuda_device(pid=200, ordinal=1, gpu=5).kernel("k", 10, 30, pid=100, device=3)
    reading = written(tmp_path, export.kernel("k", 20, 40, pid=200, device=1))
    assert devices(reading) == [(1, 5, "B", 30)]
    assert reading.codes == set()


def test_swapped_ordinals(tmp_path: Path) -> None:
    export = Export().gpu(0, "A").gpu(1, "B").cuda_device(pid=100, ordinal=0, gpu=1)
    export.cuda_device(pid=100, ordinal=1, gpu=0).kernel("k", 10, 20, device=0).kernel("k", 10, 40, device=1)
    assert devices(written(tmp_path, export)) == [(0, 1, "B", 10), (1, 0, "A", 30)]


def test_a_shared_ordinal_without_a_mapping_is_warned_of(tmp_path: Path) -> None:
    reading = written(tmp_path, Export().kernel("k", 10, 20, pid=100).kernel("k", 15, 30, pid=200))
    assert devices(reading) == [(0, None, None, 20)]
    message = reading.message("device_identity")
    assert "Processes 100, 200 all report device 0" in message
    assert "CUDA_VISIBLE_DEVICES" in message


@pytest.mark.parametrize("other", [(100, 1), (200, 1), (100, 0)])
def test_what_shares_no_ordinal_is_not_warned_of(tmp_path: Path, other: tuple[int, int]) -> None:
    pid, device = other
    export = Export().kernel("k", 10, 20, pid=100).kernel("k", 15, 30, pid=pid, device=device)
    assert written(tmp_path, export).codes == set()


def test_a_mapping_of_some_devices_only_is_warned_of(tmp_path: Path) -> None:
    export = Export().cuda_device(pid=100, ordinal=0, gpu=0).kernel("k", 10, 20, pid=100).kernel("k", 15, 40, pid=200)
    reading = written(tmp_path, export)
    assert sorted(devices(reading), key=str) == [(0, 0, None, 10), (0, None, None, 25)]
    assert "maps only some devices" in reading.message("device_identity")


def test_mappings_that_contradict_or_say_nothing(tmp_path: Path) -> None:
    export = Export().retype("TARGET_INFO_CUDA_DEVICE", "gpuId", "")
    for gpu in (4, 2, 3):
        export.cuda_device(pid=100, ordinal=0, gpu=gpu)
    export.cuda_device(pid=100, ordinal=1, gpu="1").cuda_device(pid=100, ordinal=1, gpu=None)
    reading = written(tmp_path, export.kernel("k", 10, 20).kernel("k", 10, 30, device=1))
    assert sorted(devices(reading), key=str) == [(0, 2, None, 10), (1, None, None, 20)]


@pytest.mark.parametrize("device", [-1, 2**31 - 1, 2**63 - 1, -(2**63)])
def test_ordinals_that_no_gpu_has(tmp_path: Path, device: int) -> None:
    """A graph that begins on the host has INT_MAX for a device."""
    reading = written(tmp_path, Export().kernel("k", 10, 20, device=device).gpu(0, "A").gpu(1, "B"))
    assert devices(reading) == [(device, None, None, 10)]


def test_names_of_gpus_by_ordinal_in_older_exports(tmp_path: Path) -> None:
    export = Export("3.1.7").gpu(0, "A", cuda_ordinal=1).gpu(1, "B", cuda_ordinal=0)
    reading = written(tmp_path, export.kernel("k", 10, 20, device=0).kernel("k", 10, 30, device=1))
    assert devices(reading) == [(0, None, "B", 10), (1, None, "A", 20)]


# -- what the profiler says about its capture ------------------------------------------------------------------------


def diagnostics(reading: Reading) -> list[str]:
    """Returns the messages of the profiler that are repeated."""
    return [warning["message"] for warning in reading.warnings if warning["code"] == "diagnostic"]


def test_diagnostics_that_tell_of_lost_data_are_quoted(tmp_path: Path) -> None:
    export = launches().diagnostic("Number of CUDA events collected: 5.", severity=1).diagnostic("noise", severity=2)
    for _ in range(3):
        export.diagnostic("Not all CUDA events might have been collected.\n\tsecond line")
    reading = written(tmp_path, export.diagnostic("Cannot write /home/alice/report1", severity=3))
    assert diagnostics(reading) == [
        "Nsight Systems reported: Cannot write ~/report1",
        "Nsight Systems reported (3 times): Not all CUDA events might have been collected.",
    ]


def test_diagnostics_that_explain_why_there_is_nothing(tmp_path: Path) -> None:
    text = "No CUDA events collected. Does the process use CUDA?"
    assert diagnostics(written(tmp_path, launches().diagnostic(text))) == []
    nothing = written(tmp_path, Export().call("cudaFree_v3020", 1, 2).diagnostic(text))
    assert diagnostics(nothing) == [f"Nsight Systems reported: {text}"]
    assert nothing.codes == {"diagnostic", "no_gpu_activity"}


def test_diagnostics_are_few_and_short(tmp_path: Path) -> None:
    export = launches()
    for number in range(100):
        export.diagnostic(f"{number} " + "x" * 100_000, severity=3)
    found = diagnostics(written(tmp_path, export))
    assert 0 < len(found) <= 8
    assert max(map(len, found)) < 400


# -- secrets ---------------------------------------------------------------------------------------------------------


def hiding_secrets() -> Export:
    """Returns an export with a secret in every place where exports have them."""
    export = launches().process(200, "other")
    for name, value in (
        ("PROCESS_0:ENVIRONMENT_VARIABLE", f"HF_TOKEN={SECRET}"),
        ("PROCESS_0:COMMAND", f"serve --api-key {SECRET}"),
        ("PROCESS_0:ARGUMENT_1", f"--api-key={SECRET}"),
        ("PROCESS_0:WORKING_DIR", f"/home/{SECRET}"),
        ("PROCESS_0:USER_NAME", SECRET),
    ):
        export.meta(name, value, capture=True)
    export.meta("EXPORT_HOST", SECRET).meta("EXPORT_USER", SECRET).meta("EXPORT_PARAM_OUTPUT", f"/home/{SECRET}/x")
    for name in ("Environment", "Hostname", "CommandLine"):
        export.raw("TARGET_INFO_SYSTEM_ENV", name=name, value=f"A=B;TOKEN={SECRET}")
    export.raw("TARGET_INFO_SYSTEM_ENV", name="TargetInstallDir", value=f"/home/{SECRET}/nsight-systems/2025.1.3/x")
    content = export.string(f"captured output {SECRET}")
    export.raw("ProcessStreams", globalPid=1, filenameId=content, contentId=content)
    export.raw("ANALYSIS_FILE", id=1, filename=SECRET, contentId=content, globalPid=1)
    export.thread(SECRET).osrt(f"open({SECRET})", 1, 2)
    export.diagnostic(f"Environment: TOKEN={SECRET}", severity=1)
    export.gpu(0, "A", uuid=SECRET, busLocation=SECRET).cuda_device(pid=100, ordinal=0, gpu=0, uuid=SECRET)
    return export


def test_secrets_appear_in_no_output(tmp_path: Path) -> None:
    path = hiding_secrets().write(tmp_path / "trace.sqlite")
    assert SECRET.encode() in path.read_bytes()
    reading = read(path)
    assert_sound(reading)
    assert SECRET not in repr((reading.info, reading.counts, reading.columns, reading.trace, reading.warnings))
    assert reading.info["capture_version"] == "2025.1.3"
    report = nsys_llm_explainer.analyze(path)
    outputs = [file.read_bytes() for file in report.write(tmp_path / "out")]
    assert len(outputs) > 5
    assert not any(SECRET.encode() in output for output in outputs)
    assert SECRET not in report._repr_html_()
    assert SECRET not in repr((report, nsys_llm_explainer.open_trace(path)))


@pytest.mark.parametrize("arguments", [["--print-schema"], ["--out", "out"]])
def test_secrets_appear_on_no_terminal(tmp_path: Path, arguments: list[str]) -> None:
    hiding_secrets().write(tmp_path / "trace.sqlite")
    command = [sys.executable, "-m", "nsys_llm_explainer", "trace.sqlite", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=True)
    assert "trace.sqlite" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_an_export_where_a_table_of_facts_is_missing(tmp_path: Path) -> None:
    export = launches().gpu(0, "A").drop("TARGET_INFO_GPU", "cuDevice", "smCount", "totalMemory", "id")
    reading = written(tmp_path, export.drop("PROCESSES", "name"))
    assert_sound(reading)
    assert [row["name"] for row in reading.rows("processes", "processes")] == [None]
    assert reading.counts[KERNEL] == 50
