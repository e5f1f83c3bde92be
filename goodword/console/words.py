"""How figures, money and times read: numbers in the viewer's locale, times in UTC until the browser puts them into its zone."""

from __future__ import annotations

import re
import zoneinfo
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_compact_decimal, format_currency, format_decimal, format_percent
from markupsafe import Markup, escape

from goodword.core.money import exponent
from goodword.core.period import date_of
from goodword.core.times import Millis, write_time

EXACT_BELOW = 10_000
TimeStyle = Literal["second", "minute", "day"]
_PATTERNS = {"second": "%b %Y, %H:%M:%S", "minute": "%b %Y, %H:%M", "day": "%b %Y"}
ENGLISH = Locale("en")
_NAME = re.compile("`([^`]+)`")


@lru_cache(maxsize=256)
def locale_of(accept_language: str) -> Locale:
    """The first language a browser asks for that babel knows; English otherwise."""
    for part in accept_language.split(",")[:10]:
        name = part.partition(";")[0].strip()
        if name and name != "*" and len(name) < 40:
            try:
                return Locale.parse(name, sep="-")
            except (ValueError, UnknownLocaleError):
                continue
    return ENGLISH


def number(value: int | float | Decimal, locale: Locale = ENGLISH) -> str:
    """A count, exactly."""
    return format_decimal(value, locale=locale)


def about(value: int, locale: Locale = ENGLISH) -> Markup:
    """A count as it reads at a glance: exact below ten thousand, rounded above with the exact one in the title."""
    if abs(value) < EXACT_BELOW:
        return Markup("{}").format(number(value, locale))
    short = format_compact_decimal(value, locale=locale, fraction_digits=1)
    return Markup('<span title="{}">{}</span>').format(number(value, locale), short)


def percent(ratio: float | None, locale: Locale = ENGLISH) -> str:
    """A rate, to a tenth of a percent; a dash where there is nothing to divide by."""
    return "–" if ratio is None else format_percent(ratio, "#,##0.#%", locale=locale)


def money(amount: int | None, currency: str | None, locale: Locale = ENGLISH) -> str:
    """Minor units of a currency (`core/money.py` says how many digits); a dash where there is none."""
    if amount is None or not currency:
        return "–"
    return format_currency(Decimal(amount).scaleb(-exponent(currency)), currency, locale=locale)


def time(at: Millis | None, style: TimeStyle = "minute") -> Markup:
    """A time: in UTC as served; static/console.js puts it into the viewer's zone, with UTC in the title."""
    if at is None:
        return Markup("–")
    moment = datetime.fromtimestamp(at / 1000, UTC)
    said = f"{moment.day} {moment.strftime(_PATTERNS[style])}" + ("" if style == "day" else " UTC")
    whole = f"{moment.day} {moment.strftime(_PATTERNS['second'])} UTC"
    return Markup('<time datetime="{}" data-time="{}" title="{}">{}</time>').format(write_time(at), style, whole, said)


def day(number: int, locale: Locale = ENGLISH) -> str:
    """A day of the account."""
    return str(format_date(date_of(number), "medium", locale=locale))


@cache
def zones() -> tuple[str, ...]:
    """The time zones there are (IANA), in order; the system's list takes 30 ms to read."""
    return tuple(sorted(zoneinfo.available_timezones()))


def short_id(id: str) -> str:
    """The end of an id, which is what differs."""
    return id if len(id) <= 10 else "…" + id[-8:]


def marked(sentence: str) -> Markup:
    """A sentence of `why`, where ids and event names stand between backticks: on a page they are set as code."""
    return Markup(_NAME.sub(r"<code>\1</code>", str(escape(sentence))))  # noqa: S704
