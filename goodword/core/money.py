"""Money: integer minor units and a currency. A value is read exactly or refused with a reason, never rounded by a float."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

from msgspec import Struct

AMOUNT_MAX = 10**14
"""Largest amount stored, in minor units; more is taken for a mistake."""

_EXPONENTS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}
_PLAIN = re.compile(r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)$")
_CURRENCY = re.compile(r"^[A-Z]{3}$")


class Money(Struct, frozen=True):
    """An amount in minor units (cents) of a currency (ISO 4217, upper case)."""

    amount: int
    currency: str


class Refused(Struct, frozen=True):
    """Why a value was not read; says nothing of the value itself, so that it may be logged."""

    reason: str


def exponent(currency: str) -> int:
    """Digits after the point of a currency: 2 for most, 0 for JPY, 3 for KWD."""
    return _EXPONENTS.get(currency, 2)


def read_currency(value: object) -> str | None:
    """An ISO 4217 code in any case, or None."""
    code = value.strip().upper() if isinstance(value, str) else ""
    return code if _CURRENCY.match(code) else None


def read_money(value: object, currency: str) -> Money | Refused:
    """`'99.99'`, `99.99` or `100` as minor units of `currency`, halves rounded up beyond its digits.

    Refused: anything else than a plain decimal number with a point (so `99,99`, `$5`, `NaN`), a negative value, and one past
    AMOUNT_MAX.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return Refused("cart_value is not a number")
    if isinstance(value, str) and (len(value) > 100 or not _PLAIN.match(value.strip())):
        return Refused("cart_value is not a plain decimal number such as 99.99")
    exact = Decimal(repr(value) if isinstance(value, float) else value)
    if not exact.is_finite():
        return Refused("cart_value is not a number")
    if exact < 0:
        return Refused("cart_value is negative")
    if exact > AMOUNT_MAX:
        return Refused("cart_value is absurdly large")
    minor = int((exact.scaleb(exponent(currency))).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    if minor > AMOUNT_MAX:
        return Refused("cart_value is absurdly large")
    return Money(minor, currency)


def write_money(amount: int, currency: str) -> str:
    """Minor units as a decimal text with the currency's digits: `9999, 'USD'` is `'99.99'`."""
    return str(Decimal(amount).scaleb(-exponent(currency)))
