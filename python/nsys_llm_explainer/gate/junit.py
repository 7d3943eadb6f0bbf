"""The gate as JUnit XML: one test case per condition, for the page of a CI run."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from nsys_llm_explainer.gate.check import Checked
from nsys_llm_explainer.render.escape import xml

SUITE = "nsys-llm-explain"


def junit_xml(results: Sequence[Checked], trace: str) -> bytes:
    """Returns a JUnit document.

    Args:
        results: What came of the conditions.
        trace: What to call the trace that was explained.
    """
    failures = str(sum(not result.passed for result in results))
    counts = {"name": SUITE, "tests": str(len(results)), "failures": failures, "errors": "0", "skipped": "0"}
    root = ET.Element("testsuites", counts)
    suite = ET.SubElement(root, "testsuite", counts)
    for result in results:
        case = ET.SubElement(suite, "testcase", {"classname": xml.text(trace), "name": xml.text(result.condition)})
        reason = xml.text(result.reason)
        if result.passed:
            ET.SubElement(case, "system-out").text = reason
        else:
            ET.SubElement(case, "failure", {"type": "gate", "message": reason}).text = reason
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return body + b"\n"
