"""Days, weeks, months and quarters, as numbers of days since 1970-01-01 (UTC). Weeks begin on Monday, as ISO 8601 has them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Literal, get_args

from goodword.core.times import Millis

Period = Literal["DAY", "WEEK", "MONTH", "QUARTER"]
PERIODS: tuple[Period, ...] = get_args(Period)
DAY_MS = 24 * 3600 * 1000
_EPOCH = date(1970, 1, 1)


def day_of(at: Millis) -> int:
    """The day of a time."""
    return at // DAY_MS


def month_of(at: Millis) -> int:
    """The month of a time, counted from January 1970."""
    found = date_of(at // DAY_MS)
    return (found.year - 1970) * 12 + found.month - 1


def start_of_month(month: int) -> Millis:
    """When a month, counted from January 1970, begins."""
    return (date(1970 + month // 12, month % 12 + 1, 1) - _EPOCH).days * DAY_MS


def write_month(month: int) -> str:
    """A month, counted from January 1970, as 2026-01."""
    return f"{1970 + month // 12}-{month % 12 + 1:02}"


def date_of(day: int) -> date:
    """The date of a day's number."""
    return _EPOCH + timedelta(days=day)


def read_day(text: str) -> int | None:
    """The number of a date written as 2026-01-31; None where it is none, or before 1970."""
    try:
        day = (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        return None
    return day if day >= 0 else None


def write_day(day: int) -> str:
    """A day as 2026-01-31."""
    return date_of(day).isoformat()


def start_of(period: Period, day: int) -> int:
    """The first day of the period that a day is in."""
    found = date_of(day)
    match period:
        case "DAY":
            return day
        case "WEEK":
            return day - found.weekday()
        case "MONTH":
            return day - found.day + 1
        case _:
            return (date(found.year, (found.month - 1) // 3 * 3 + 1, 1) - _EPOCH).days


def next_start(period: Period, start: int) -> int:
    """The first day of the period after the one that begins at `start`."""
    length = {"DAY": 1, "WEEK": 7, "MONTH": 31, "QUARTER": 92}[period]
    return start_of(period, start + length)


def starts(period: Period, first: int, last: int) -> Iterator[int]:
    """The first days of all periods that the days from `first` to `last` touch, in order."""
    start = start_of(period, first)
    while start <= last:
        yield start
        start = next_start(period, start)


def label(period: Period, start: int) -> str:
    """What a period is called: 2026-01-31, 2026-W05, 2026-01, 2026-Q1."""
    found = date_of(start)
    match period:
        case "DAY":
            return found.isoformat()
        case "WEEK":
            year, week, _ = found.isocalendar()
            return f"{year}-W{week:02}"
        case "MONTH":
            return f"{found.year}-{found.month:02}"
        case _:
            return f"{found.year}-Q{(found.month + 2) // 3}"


def whole_months(first: int, last: int) -> tuple[list[int], list[tuple[int, int]]]:
    """Days as the first days of the months that are wholly among them, and what is left at both ends, as pairs of first and last day."""
    months = [start for start in starts("MONTH", first, last) if first <= start and next_start("MONTH", start) - 1 <= last]
    if not months:
        return [], [(first, last)]
    after = next_start("MONTH", months[-1])
    ends = ((first, months[0] - 1), (after, last))
    return months, [(begin, end) for begin, end in ends if begin <= end]
