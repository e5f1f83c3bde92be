"""Money is read exactly or refused with a reason."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodword.core.money import AMOUNT_MAX, Money, Refused, exponent, read_currency, read_money, write_money


@pytest.mark.parametrize(
    ("said", "currency", "amount"),
    [
        ("99.99", "USD", 9999), (99.99, "USD", 9999), (100, "USD", 10000), (" 5 ", "USD", 500), ("+5.5", "USD", 550), (".5", "USD", 50),
        ("5.", "USD", 500), (0, "USD", 0), ("-0", "USD", 0),
        ("0.005", "USD", 1), ("0.004", "USD", 0), ("1.005", "USD", 101), (1.1, "USD", 110),
        ("99.5", "JPY", 100), (99, "JPY", 99), ("1.2345", "KWD", 1235), (1e3, "USD", 100000), (1e-7, "USD", 0),
        (AMOUNT_MAX // 100, "USD", AMOUNT_MAX), (0.1 + 0.2, "USD", 30),
    ],
)  # fmt: skip
def test_a_plain_decimal_is_read_exactly(said: object, currency: str, amount: int) -> None:
    assert read_money(said, currency) == Money(amount, currency)


@pytest.mark.parametrize(
    "said",
    [
        None, True, False, [], {}, "", " ", "99,99", "1,000.00", "$5", "5 USD", "NaN", "inf", "1e3", "0x10", "--5", "5-", ".", "٣",
        "1" * 101, float("nan"), float("inf"), -1, "-0.01", -0.01, AMOUNT_MAX + 1, "9" * 30, AMOUNT_MAX, 1e300, 10**400, 2**70,
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_a_reason_that_does_not_repeat_it(said: object) -> None:
    found = read_money(said, "USD")
    assert isinstance(found, Refused)
    assert found.reason.startswith("cart_value is")
    assert not (isinstance(said, str) and len(said) > 3 and said in found.reason)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, AMOUNT_MAX), st.sampled_from(["USD", "JPY", "KWD", "EUR"]))
def test_what_is_written_is_read_back_to_the_cent(amount: int, currency: str) -> None:
    assert read_money(write_money(amount, currency), currency) == Money(amount, currency)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.decimals(0, 10**9, places=2))
def test_a_number_with_two_places_is_no_cent_off_as_json_number_either(value: Decimal) -> None:
    assert read_money(float(value), "USD") == read_money(str(value), "USD") == Money(int(value * 100), "USD")


def test_currencies() -> None:
    assert [read_currency(code) for code in ("usd", " Eur ", "US", "USDX", "U$D", None, 5, "")] == ["USD", "EUR"] + [None] * 6
    assert (exponent("USD"), exponent("JPY"), exponent("KWD")) == (2, 0, 3)
    assert write_money(9999, "USD") == "99.99"
