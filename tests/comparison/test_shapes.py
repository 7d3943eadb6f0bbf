"""Batch shapes: which steps have partners."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nsys_llm_explainer.comparison.shapes import BINNED, EXACT, UNKNOWN, bin_of, match, text


def _steps(*shapes: tuple[Any, Any, Any]) -> list[dict[str, Any]]:
    return [dict(zip(("context_requests", "context_tokens", "generation_requests"), shape)) for shape in shapes]


def test_same_shapes_match_as_they_are() -> None:
    found = match(_steps((0, 0, 8), (0, 0, 8), (1, 512, 7)), _steps((0, 0, 8), (1, 512, 7)))
    assert (found.how, found.kept) == (EXACT, (1.0, 1.0))
    assert found.weight((0, 0, 8)) == 2


def test_shapes_that_differ_a_little_match_by_bins() -> None:
    found = match(_steps((1, 500, 7), (1, 510, 8)), _steps((1, 505, 7), (1, 300, 5)))
    assert (found.how, found.kept) == (BINNED, (1.0, 1.0))
    assert found.common == {(1, 512, 8)}


def test_shapes_without_a_partner_are_told() -> None:
    found = match(_steps((0, 0, 8), (4, 9_000, 0)), _steps((0, 0, 8), (0, 0, 200)))
    assert found.kept == (0.5, 0.5)
    assert found.common == {(0, 0, 8)}
    assert set(found.after) - found.common == {(0, 0, 256)}


def test_nothing_in_common() -> None:
    assert match(_steps((0, 0, 8)), _steps((0, 0, 64))).common == frozenset()


def test_without_markers_all_steps_are_alike() -> None:
    found = match(_steps((None, None, None)), _steps((None, None, None)) * 3)
    assert (found.how, found.kept) == (UNKNOWN, (1.0, 1.0))
    assert "unknown" in text((), UNKNOWN)


def test_words() -> None:
    assert text((0, 0, 8), EXACT) == "generating 8 requests"
    assert text((2, 3904, 192), EXACT) == "context 2 requests, 3,904 tokens; generating 192 requests"
    assert text((2, 4096, 256), BINNED) == "context 2 requests, 2,049-4,096 tokens; generating 129-256 requests"
    assert text((None, None, 1), EXACT) == "generating 1 requests"


@given(st.integers(0, 10**9))
def test_bins_hold_their_numbers(value: int) -> None:
    upper = bin_of(value)
    assert upper is not None
    assert upper >= value
    assert value <= 1 or upper < 2 * value
    assert bin_of(upper) == upper
    assert bin_of(None) is None
