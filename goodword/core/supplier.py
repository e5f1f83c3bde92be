"""Whether a source of rewards makes sense (domain 4.1)."""

from __future__ import annotations

import re
from decimal import Decimal

from goodword.core.money import read_currency
from goodword.core.reward import STATES, UNITS, Supplier, read_value, why_not_a_code

OVERDUE_DAYS_MAX = 3_650
TAGS_MAX, TAG_CHARS_MAX = 50, 100
_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_FRACTION = re.compile(r"[01](\.[0-9]{1,6})?|\.[0-9]{1,6}")


def is_unit(unit: str) -> bool:
    """Whether a value may be counted in this: a currency, or a unit of rewards."""
    return unit in UNITS or read_currency(unit) == unit


def why_not_of(supplier: Supplier, unit: str) -> str | None:
    """What is wrong with a unit for a supplier's rewards; None where nothing is. What is posted to the ledger has to be what it counts."""
    if not is_unit(unit):
        return f"A value is of a currency, or of {', '.join(sorted(UNITS))}."
    if supplier.type == "POINTS" and unit != "POINTS":
        return f"{supplier.id} counts points."
    if supplier.type == "ACCOUNT_CREDIT" and unit in UNITS:
        return f"{supplier.id} is account credit: its value is of a currency."
    return None


def why_no_cash_back(supplier: Supplier) -> str | None:
    """What is wrong with the share of an event's value that a supplier gives; None where nothing is."""
    share, unit = supplier.cash_back_percentage, supplier.face_value_type
    least, most = (read_value(text or None, unit) for text in (supplier.cash_back_min, supplier.cash_back_max))
    if not share:
        return "cash_back_min and cash_back_max need a cash_back_percentage" if supplier.cash_back_min or supplier.cash_back_max else None
    if supplier.face_value:
        return "it has a face_value and a cash_back_percentage: give one of the two"
    if not unit or unit in ("PERCENT_OFF", "MONTH"):
        return "cash back needs a face_value_type that is a currency or POINTS"
    if _FRACTION.fullmatch(share) is None or not 0 < Decimal(share) <= 1:
        return "cash_back_percentage must be a fraction, more than 0 and at most 1: 0.1 is a tenth"
    if (supplier.cash_back_min and least is None) or (supplier.cash_back_max and most is None):
        return "cash_back_min and cash_back_max must be decimals of 0 or more"
    if least is not None and most is not None and least > most:
        return "cash_back_min is more than cash_back_max"
    return None


def why_not_a_supplier(supplier: Supplier) -> str | None:
    """What is wrong with a supplier, in words; None where nothing is."""
    if _ID.fullmatch(supplier.id) is None:
        return "id must have 1 to 100 letters, digits, dots, dashes or underscores"
    unit = supplier.face_value_type
    if unit and not is_unit(unit):
        return f"face_value_type must be a currency or one of {', '.join(sorted(UNITS))}"
    if supplier.face_value and (not unit or read_value(supplier.face_value, unit) is None):
        return "face_value must be a decimal of 0 or more, with a face_value_type"
    if (why := why_no_cash_back(supplier)) is not None:
        return why
    if unit and (why := why_not_of(supplier, unit)) is not None:
        return f"face_value_type: {why}".rstrip(".")
    if supplier.type == "STATIC_COUPON" and (why := why_not_a_code(supplier.code)) is not None:
        return f"code: {why}"
    if min(supplier.low_balance, supplier.expires_days or 0, supplier.limit_per_hour or 0, supplier.limit_per_day or 0) < 0:
        return "low_balance, expires_days and the limits must be 0 or more"
    if supplier.overdue_days is not None and not 1 <= supplier.overdue_days <= OVERDUE_DAYS_MAX:
        return f"overdue_days must be from 1 to {OVERDUE_DAYS_MAX}"
    if len(supplier.tags) > TAGS_MAX or not all(1 <= len(tag) <= TAG_CHARS_MAX for tag in supplier.tags):
        return f"tags must be at most {TAGS_MAX} texts of 1 to {TAG_CHARS_MAX} characters"
    named = {*supplier.state_transitions, *(state for states in supplier.state_transitions.values() for state in states)}
    if unknown := sorted(named - STATES):
        return f"state_transitions names no state of a reward: {', '.join(unknown)}"
    return None
