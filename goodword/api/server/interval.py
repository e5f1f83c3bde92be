"""Intervals of ISO 8601 as the server API takes them: `P30D` (up to now), `START/END`, `START/P1M`, `P1M/END`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from goodword.api.server.errors import ServerRefusal
from goodword.core.times import Millis, read_time

_DURATION = re.compile(r"P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,8})S)?)?")


def read_interval(text: str, now: Millis) -> tuple[Millis | None, Millis | None]:
    """From when on and until when; None where it is open. Errors: ServerRefusal 400 time_interval_invalid."""
    said = text.strip().replace(" ", "+")
    if not said:
        return None, None
    first, slash, second = said.partition("/")
    if not slash:
        return _moved(now, first, -1), None
    if first.startswith("P"):
        until = _time(second)
        return _moved(until, first, -1), until
    since = _time(first)
    until = _moved(since, second, 1) if second.startswith("P") else _time(second)
    if until < since:
        raise _refusal()
    return since, until


def _time(text: str) -> Millis:
    at = read_time(text)
    if at is None:
        raise _refusal()
    return at


def _moved(at: Millis, text: str, way: int) -> Millis:
    """A time moved by a duration; by months as a calendar does, to the last day where a month is too short."""
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        raise _refusal()
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    try:
        moment = datetime.fromtimestamp(at / 1000, UTC)
        count = moment.year * 12 + moment.month - 1 + way * (years * 12 + months)
        moment = _on(moment, count // 12, count % 12 + 1)
        moment += way * timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise _refusal() from None


def _on(moment: datetime, year: int, month: int) -> datetime:
    for day in (moment.day, 30, 29):
        try:
            return moment.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    return moment.replace(year=year, month=month, day=28)


def _refusal() -> ServerRefusal:
    said = "time_interval must be an ISO 8601 interval, such as P30D or 2026-01-01/2026-02-01."
    return ServerRefusal("time_interval_invalid", said, parameter="time_interval")
