"""Phase maps: which key, which pattern."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsys_llm_explainer.phase_map import load_phase_map


def test_keeps_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "phases.json"
    path.write_bytes(b'\xef\xbb\xbf{"z": ["one", "re:^two"], "a": ["three"]}')
    assert load_phase_map(path) == [("z", ["one", "re:^two"]), ("a", ["three"])]
    assert load_phase_map(str(path)) == load_phase_map({"z": ("one", "re:^two"), "a": ["three"]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ("{", "line 1 column 2"),
        ("[]", "expected a JSON object"),
        ('"decode"', "expected a JSON object"),
        ("{}", "holds no phase"),
        ('{"": ["x"]}', "needs a name"),
        ('{"decode": "x"}', "phase 'decode' needs a list of patterns, not 'x'"),
        ('{"decode": {"a": 1}}', "phase 'decode' needs a list of patterns, not an object"),
        ('{"decode": null}', "phase 'decode' needs a list"),
        ('{"decode": []}', "phase 'decode' needs a list"),
        ('{"prefill": ["a"], "decode": ["x", 5]}', "phase 'decode', pattern 2 must be text, not 5"),
        ('{"decode": ["x", " "]}', "phase 'decode', pattern 2 is empty"),
        ('{"decode": ["re:"]}', "phase 'decode', pattern 1 is empty"),
        ('{"unmapped": ["x"]}', "'unmapped' is reserved"),
        ('{"decode": ["x"], "decode": ["y"]}', "'decode' stands there twice"),
        ("[" * 100_000, "nested too deeply|not valid JSON"),
    ],
)
def test_says_what_is_wrong_and_where(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "phases.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        load_phase_map(path)
    assert "phases.json" in str(caught.value)


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "phases.json"
    path.write_bytes(b'{"decode": ["\xff"]}')
    with pytest.raises(ValueError, match="not UTF-8 text"):
        load_phase_map(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_phase_map(tmp_path / "phases.json")
