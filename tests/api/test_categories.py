"""Kernel categories of the user: which entry is wrong, and which name gets which category."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsys_llm_explainer import analyze
from nsys_llm_explainer.category_rules import load_categories
from tests.support.export import Export


def test_keeps_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "categories.json"
    path.write_bytes(b'\xef\xbb\xbf[["mine", "part"], ["gemm", "(?i)MATMUL"]]')
    rules, where = load_categories(path)
    assert rules == [("mine", "part"), ("gemm", "(?i)MATMUL")]
    assert where == f"categories {path}"
    assert load_categories([("mine", "part"), ["gemm", "(?i)MATMUL"]])[0] == rules


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ("[", "line 1 column 2"),
        ("{}", "expected a list of pairs"),
        ('"gemm"', "expected a list of pairs"),
        ("[]", "holds no entry"),
        ('[["gemm"]]', r"entry 1 must be a pair of texts, not \['gemm'\]"),
        ('[["a", "b"], ["gemm", 5]]', "entry 2 must be a pair of texts"),
        ('["ab"]', "entry 1 must be a pair of texts, not 'ab'"),
        ('[[" ", "x"]]', "entry 1 needs a category"),
        ('[["gemm", ""]]', "entry 1 .'gemm'. is empty and would match every kernel"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "categories.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        load_categories(path)
    assert str(path) in str(caught.value)


def test_text_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "categories.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="not UTF-8"):
        load_categories(path)


def test_come_before_the_built_in_ones(export_file, tmp_path: Path) -> None:
    trace = export_file(Export().kernel("my_gemm_kernel", 0, 10).kernel("other_gemm_kernel", 20, 30))
    path = tmp_path / "categories.json"
    path.write_text('[["mine", "^my_"]]')
    for rules in (path, str(path), [["mine", "^my_"]]):
        section = analyze(trace, categories=rules).sections["categories"]
        rows = section.tables["category_kernels"].rows()
        assert {row["kernel_name"]: row["category"] for row in rows} == {
            "my_gemm_kernel": "mine",
            "other_gemm_kernel": "gemm",
        }
        assert "file" in section.summary["rules"]


@pytest.mark.parametrize("pattern", ["(", "[z-a]"])
def test_a_pattern_that_is_none_is_named_with_its_file(export_file, tmp_path: Path, pattern: str) -> None:
    trace = export_file(Export().kernel("k", 0, 10))
    path = tmp_path / "categories.json"
    path.write_text(f'[["fine", "x"], ["mine", "{pattern}"]]')
    with pytest.raises(ValueError, match="mine") as caught:
        analyze(trace, categories=path)
    assert str(path) in str(caught.value)
