"""Time zones as turns of a calendar, from this machine's zone database: it is asked when a zone is chosen, and never for an event."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from goodword.core.account import Account
from goodword.core.calendar import Calendar, Turn, following
from goodword.core.command import SetCalendar
from goodword.core.period import DAY_MS
from goodword.core.times import Millis

FIRST = datetime(2000, 1, 1, tzinfo=UTC)
"""Turns before are not written down: what is said to have happened earlier is counted in UTC."""
AHEAD = timedelta(days=5 * 366)
LOOKED_AHEAD = timedelta(days=3 * 366)
"""So far ahead a calendar is compared with its zone; it reaches further, so that it is not written anew each day."""
NOTICE_MS = 3_600_000
"""A change is known to every node so long before it holds, whatever their clocks say."""
_STEP = timedelta(days=7)
"""No zone turns twice in a week."""
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def follow(account: Account, now: Millis) -> SetCalendar | None:
    """What makes an account's days those of its time zone, from the next midnight there; None where they are."""
    today = now // DAY_MS * DAY_MS
    turns = turns_of(account.settings.time_zone, today)
    if _within(account.calendar.turns, today) == _within(turns, today):
        return None
    zone = Calendar(turns)
    return SetCalendar(account.number, zone.start_of(zone.day_of(now + NOTICE_MS) + 1), turns)


@lru_cache(maxsize=256)
def turns_of(name: str, today: Millis) -> tuple[Turn, ...]:
    """The turns of a zone up to some years from a day on; "" is UTC. Errors: zoneinfo.ZoneInfoNotFoundError."""
    if not name:
        return ()
    zone = zoneinfo.ZoneInfo(name)
    last = _EPOCH + today * _MILLISECOND + AHEAD
    at, shift = FIRST, _shift(zone, FIRST)
    turns = [Turn(_millis(at), shift)]
    while at < last:
        after = at + _STEP
        later = _shift(zone, after)
        if later != shift:
            turn = _millis(_turn_between(zone, at, after))
            if (turn + later) // DAY_MS < (turn + shift) // DAY_MS:  # clocks go back over midnight: the day has begun, and stays
                turn += shift - later
            turns.append(Turn(turn, later))
        at, shift = after, later
    return tuple(turns)


def _within(turns: tuple[Turn, ...], today: Millis) -> tuple[Turn, ...]:
    """How clocks stand when a change that was made today holds for sure, and what they do in the years after."""
    since, until = today + 3 * DAY_MS, today + LOOKED_AHEAD // _MILLISECOND
    return tuple(turn for turn in following(since, turns) if turn.at < until)


def _turn_between(zone: zoneinfo.ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The second from which on clocks stand as they do `after`."""
    shift = _shift(zone, before)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if _shift(zone, middle) == shift:
            before = middle
        else:
            after = middle
    return after


def _shift(zone: zoneinfo.ZoneInfo, at: datetime) -> int:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return offset // _MILLISECOND


def _millis(at: datetime) -> Millis:
    return (at - _EPOCH) // _MILLISECOND
