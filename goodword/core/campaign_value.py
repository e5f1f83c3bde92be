"""Checks of single values that the parts of a campaign's document share: ids, texts, lists, numbers, units, addresses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from urllib.parse import urlsplit

from goodword.core.campaign_schema import Problem, nearest
from goodword.core.currency import OTHER_UNITS, UNITS
from goodword.core.money import AMOUNT_MAX, exponent

ID_CHARS_MAX = 64
TEXT_CHARS_MAX = 2_000
URL_CHARS_MAX = 2_000
LIST_MAX = 100
WINDOW_DAYS_MAX = 3_650
COUNT_MAX = 1_000_000
_ID = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
_DECIMAL = re.compile(r"\d+(\.\d+)?\Z")
Problems = Iterator[Problem]


def short_text(path: str, text: str, chars_max: int = TEXT_CHARS_MAX) -> Problems:
    """A text of so many characters at most."""
    if len(text) > chars_max or "\0" in text:
        yield Problem(path, f"is longer than {chars_max} characters, or holds a null character", "Shorten it.")


def bounded(path: str, entries: Sequence[object], most: int = LIST_MAX) -> Problems:
    """A list of so many entries at most."""
    if len(entries) > most:
        yield Problem(path, f"has {len(entries)} entries, and may have {most}", "Leave some out.")


def unique_in(path: str, names: Sequence[str]) -> Problems:
    """A list in which nothing is twice."""
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Problem(f"{path}[{index}]", f"`{name}` is there twice", "Leave it out once.")


def web_address(path: str, text: str) -> Problems:
    """A whole http or https address without a user name."""
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        is_good = is_good and parts.username is None and parts.password is None
    except ValueError:
        is_good = False
    if not is_good or len(text) > URL_CHARS_MAX or re.search(r"[\s\x00-\x1f\x7f\\<>\"]", text):
        yield Problem(
            path, "must be a web address", "Write it whole, with https:// (or http://), a host, and without a user name or spaces."
        )


def named(path: str, text: str) -> Problems:
    """An id."""
    if not _ID.match(text) or len(text) > ID_CHARS_MAX:
        words = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:ID_CHARS_MAX]
        fix = f"Write `{words}`." if words else "Write something like `refer-a-friend`."
        yield Problem(path, f"must be lower-case letters, digits, - and _, at most {ID_CHARS_MAX}, and begin with a letter or digit", fix)


def unique(path: str, what: str, names: Sequence[str]) -> Problems:
    """The names of a list's entries, in any case."""
    counted = Counter(name.casefold() for name in names)
    seen: set[str] = set()
    for index, name in enumerate(names):
        if counted[name.casefold()] > 1 and name.casefold() in seen:
            yield Problem(f"{path}[{index}].{what}", f"`{name}` is there twice", "Give each its own.")
        seen.add(name.casefold())


def number(path: str, value: float | None, least: float, most: float) -> Problems:
    """A number, if there is one."""
    if value is not None and not least <= value <= most:
        yield Problem(path, f"must be from {least} to {most}", "Write a number in between.")


def decimal(path: str, text: str | None, unit: str, *, above_zero: bool = False, most: int = AMOUNT_MAX) -> Problems:
    """Decimal text, if there is any, with no more digits than its unit has."""
    if text is None:
        return
    if not _DECIMAL.match(text) or len(text) > 30:
        yield Problem(
            path, "must be a plain decimal number", "Write it like 10 or 9.99, without a sign, a currency or a thousands separator."
        )
    elif Decimal(text) > most or (above_zero and not Decimal(text)):
        yield Problem(path, f"must be {'more than 0' if above_zero else 'from 0'} and at most {most}", "Write a number in between.")
    elif len(text.partition(".")[2]) > exponent(unit):
        yield Problem(path, f"has more than the {exponent(unit)} decimals that {unit} has", "Round it.")


def ordered(path: str, low: str, least: str | None, high: str, most: str | None, unit: str) -> Problems:
    """Two decimals, the first the smaller one."""
    found = [*decimal(f"{path}.{low}", least, unit), *decimal(f"{path}.{high}", most, unit)]
    if not found and least is not None and most is not None and Decimal(least) > Decimal(most):
        found.append(Problem(f"{path}.{low}", f"is more than {high}", f"Make {low} the smaller one."))
    yield from found


def unit(path: str, unit: str, but: str = "") -> Problems:
    """What a value is counted in."""
    if unit not in UNITS:
        fix = f"Did you mean `{unit.upper()}`?" if unit.upper() in UNITS else nearest(unit, [*OTHER_UNITS, "USD", "EUR", "GBP"])
        yield Problem(path, f"must be a currency (ISO 4217) or one of {', '.join(OTHER_UNITS)}{but}", fix)
