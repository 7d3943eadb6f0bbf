"""The stub says what the compiled module is."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nsys_llm_explainer import _native
from tests.contract.modules import ROOT
from tests.support.export import Export


def test_stub_agrees_with_the_module() -> None:
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy.stubtest", "nsys_llm_explainer._native", "--ignore-disjoint-bases"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["Trace", "Section", "Table", "Stream"])
def test_classes_are_frozen_and_final(name: str) -> None:
    native = getattr(_native, name)
    with pytest.raises(TypeError):
        type("Sub", (native,), {})
    with pytest.raises(TypeError):
        native()


def test_instances_are_frozen(export_file) -> None:
    trace = _native.open_trace(str(export_file(Export().kernel("k", 1, 2))))
    section = next(section for section in trace.analyze()["sections"] if section.id == "kernels")
    for instance in (trace, section, section.tables["kernels"], trace.stream("kernels")):
        for name in ("extra", "name", "path", "id"):
            with pytest.raises(AttributeError):
                setattr(instance, name, 1)


def test_errors_form_one_tree() -> None:
    for name in ("NotAnExportError", "NotCapturedError", "CorruptTraceError", "UnsafeSchemaError", "QueryError"):
        assert issubclass(getattr(_native, name), _native.NsysError)
