"""Times on the wire, read into epoch milliseconds (UTC)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

Millis = int
"""Milliseconds since 1970-01-01T00:00:00Z."""

FOREVER: Millis = 1 << 62
EARLIEST: Millis = 0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 24 * 3600 * 1000
_GO_TIME = re.compile(r"^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*(Z|[+-]\d\d:?\d\d)?")


def read_time(value: object) -> Millis | None:
    """Milliseconds of an ISO 8601 text, of Go's way of printing a time, or of a number of epoch (milli)seconds.

    None when the value is no time at all, or one before 1970. A text without a zone is taken as UTC.
    """
    if type(value) is str:
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            loose = _read_loosely(value)
            if loose is None:
                return None
            at = loose
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        since = at - _EPOCH
        millis = since.days * _DAY_MS + since.seconds * 1000 + since.microseconds // 1000
        return millis if millis >= EARLIEST else None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e14:
        return int(value) if value > 1e11 else int(value * 1000)
    return None


def _read_loosely(text: str) -> datetime | None:
    found = _GO_TIME.match(text.strip())
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6]:0<6}")
    except ValueError:
        return None
    if zone is None or zone == "Z":
        return at.replace(tzinfo=UTC)
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    if minutes >= 24 * 60:
        return None
    return at.replace(tzinfo=timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes)))


def write_time(millis: Millis) -> str:
    """ISO 8601 in UTC with milliseconds, as in `2026-01-31T12:00:00.000Z`."""
    try:
        at = _EPOCH + timedelta(milliseconds=millis)
    except OverflowError:
        at = datetime.max.replace(tzinfo=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
