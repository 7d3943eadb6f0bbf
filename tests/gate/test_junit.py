"""JUnit XML, also of hostile text."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from nsys_llm_explainer.gate.check import Checked
from nsys_llm_explainer.gate.junit import junit_xml


def test_one_case_per_condition() -> None:
    passed = Checked("findings.high > 0", 0, 0.0, passed=True, reason="findings.high is 0, not > 0.0")
    failed = Checked("a.b > 1", None, None, passed=False, reason="a.b: not captured")
    text = junit_xml((passed, failed), "run.sqlite")
    assert text.startswith(b"<?xml version=")
    suite = ET.fromstring(text).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    first, second = suite.findall("testcase")
    assert (first.get("name"), first.get("classname"), first.find("failure")) == (
        "findings.high > 0",
        "run.sqlite",
        None,
    )
    failure = second.find("failure")
    assert failure is not None
    assert failure.get("message") == failure.text == "a.b: not captured"


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_makes_a_document(text: str) -> None:
    results = (
        Checked(text, None, None, passed=False, reason=text),
        Checked(text, 1, 2.0, passed=True, reason=f"</testcase>]]>{text}"),
    )
    root = ET.fromstring(junit_xml(results, text))
    cases = root.findall("./testsuite/testcase")
    assert len(cases) == 2
    assert [len(list(case)) for case in cases] == [1, 1]
    assert len(list(root.iter())) == 6
    assert all("\n" not in (element.text or "") for element in root.iter())


def test_markup_is_text() -> None:
    hostile = '<failure message="x"/>&amp; ]]> <!-- \x00\x1b[2J \ud800 \uffff \u202e'
    case = ET.fromstring(junit_xml((Checked(hostile, 1, 1.0, passed=False, reason=hostile),), hostile)).find(
        ".//testcase"
    )
    assert case is not None
    assert case.get("name") == '<failure message="x"/>&amp; ]]> <!-- \ufffd\ufffd[2J \ufffd \ufffd \ufffd'
