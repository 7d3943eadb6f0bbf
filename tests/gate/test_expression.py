"""The text of a condition."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsys_llm_explainer import _native
from nsys_llm_explainer.gate.expression import OPERATORS, Against, parse

UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
NUMBERS = st.decimals(min_value=0, max_value=10**9, places=3, allow_nan=False, allow_infinity=False)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,12}", fullmatch=True)
SPACES = st.sampled_from(["", " ", "  ", "\t"])


@pytest.mark.parametrize(
    ("text", "names", "where", "operator", "amount", "against"),
    [
        ("budget.idle_share > 0.2", ("budget", "idle_share"), None, ">", Fraction(1, 5), Against.ZERO),
        ("budget.idle_share>=20%", ("budget", "idle_share"), None, ">=", Fraction(1, 5), Against.ZERO),
        (
            "steps.decode.period_p50_ns > 12ms",
            ("steps", "decode", "period_p50_ns"),
            None,
            ">",
            12_000_000,
            Against.ZERO,
        ),
        (
            "steps.decode.period_p50_ns > +3%",
            ("steps", "decode", "period_p50_ns"),
            None,
            ">",
            Fraction(3, 100),
            Against.BASELINE_SHARE,
        ),
        ("step.decode.steps > 0", ("steps", "decode", "steps"), None, ">", 0, Against.ZERO),
        ("steps.period_p50_ns > +200us", ("steps", "period_p50_ns"), None, ">", 200_000, Against.BASELINE),
        ("steps.tokens_per_s < -3%", ("steps", "tokens_per_s"), None, "<", Fraction(-3, 100), Against.BASELINE_SHARE),
        ("memory.bytes > 1.5 GB", ("memory", "bytes"), None, ">", 1_500_000_000, Against.ZERO),
        ("memory.bytes > 1KB", ("memory", "bytes"), None, ">", 1_000, Against.ZERO),
        (
            "findings.copy_bound.at_stake_ns == .5us",
            ("findings", "copy_bound", "at_stake_ns"),
            None,
            "==",
            500,
            Against.ZERO,
        ),
        ("kernels[*].total_ns != 0", ("kernels", "total_ns"), (), "!=", 0, Against.ZERO),
        (
            " gpu_devices[ device_id = 0 , gpu_name=NVIDIA H100 ].idle_share <= 1 ",
            ("gpu_devices", "idle_share"),
            (("device_id", "0"), ("gpu_name", "NVIDIA H100")),
            "<=",
            1,
            Against.ZERO,
        ),
        (
            r"""kernels[kernel_name="f<a, 'b', \"c\">(x[]) = \\"].calls > 1""",
            ("kernels", "calls"),
            (("kernel_name", "f<a, 'b', \"c\">(x[]) = \\"),),
            ">",
            1,
            Against.ZERO,
        ),
        ("kernels[kernel_name=''].calls > 1", ("kernels", "calls"), (("kernel_name", ""),), ">", 1, Against.ZERO),
    ],
)
def test_reads(text, names, where, operator, amount, against) -> None:  # noqa: PLR0917
    condition = parse(text)
    assert (condition.path.names, condition.path.where) == (names, where)
    assert (condition.operator, condition.amount, condition.against, condition.text) == (
        operator,
        amount,
        against,
        text,
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "budget",
        "budget.idle_share",
        "budget.idle_share >",
        "budget.idle_share 0.2",
        "budget.idle_share = 0.2",
        "budget.idle_share > x",
        "budget.idle_share > 1e3",
        "budget.idle_share > 0.2 or 1",
        "budget.idle_share > nan",
        "budget.idle_share > \u0661",
        "budget.idle_share > 12ms",
        "budget.idle_share > 3MB",
        "budget.idle_ns > 5%",
        "memory.bytes > 5%",
        "budget.idle_ns > 5h",
        "budget.idle_ns > 5MB",
        "budget.idle_ns > 5 %%",
        "budget.idle_ns > 9999999999999999",
        "budget..idle_ns > 5",
        "a.b.c > 5",
        "findings > 0",
        "steps.a.b.c > 5",
        "0.2 < budget.idle_share",
        "kernels[].calls > 1",
        "kernels[kernel_name].calls > 1",
        "kernels[kernel_name=].calls > 1",
        "kernels[kernel_name=a.calls > 1",
        "kernels[kernel_name='a].calls > 1",
        "kernels[kernel_name=a] > 1",
        "kernels[a=b]c.calls > 1",
        "steps[kind=decode].a.b > 1",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="is no condition"):
        parse(text)


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_a_value_error(text: str) -> None:
    try:
        condition = parse(text)
    except ValueError as error:
        message = str(error)
    else:
        message = f"{condition.text!r} is a condition"
    assert message.startswith(repr(text))


@given(st.tuples(NAMES, NAMES), st.sampled_from(OPERATORS), NUMBERS, st.sampled_from(sorted(UNITS)), SPACES)
def test_units_scale_exactly(names, operator: str, number, unit: str, space: str) -> None:
    section, stem = names
    condition = parse(f"{section}.{stem}_ns{space}{operator}{space}{number}{space}{unit}")
    assert condition.amount == Fraction(number) * UNITS[unit]
    assert condition.limit() == float(Fraction(number) * UNITS[unit])
    assert condition.operator == operator


@given(NAMES, NAMES, st.text(max_size=30), st.sampled_from("\"'"))
def test_any_value_can_be_quoted(table: str, column: str, value: str, quote: str) -> None:
    quoted = "".join("\\" + letter if letter in (quote, "\\") else letter for letter in value)
    assert parse(f"{table}[{column}={quote}{quoted}{quote}].calls > 0").path.where == ((column, value),)


@given(st.floats(min_value=0, max_value=1e18), NUMBERS)
def test_a_rise_of_nothing_is_no_rise(base: float, percent) -> None:
    for limit in (parse("a.b > +0%"), parse("a.b > +0")):
        assert not limit.holds(base, limit.limit(base))
    assert parse(f"a.b > +{percent}%").limit(base) >= base >= parse(f"a.b < -{percent}%").limit(base)


def test_names_of_the_core_carry_their_unit() -> None:
    columns = [
        column
        for section in _native.schema()
        for part in (section["summary"], *(table["columns"] for table in section["tables"]))
        for column in part
    ]
    assert len(columns) > 300
    for column in columns:
        assert (column["unit"] == "ns") == column["name"].endswith("_ns"), column["name"]
        assert (column["unit"] in ("bytes", "bytes/s")) == ("bytes" in column["name"]), column["name"]
        assert column["name"] != "total_rows"
