"""An account's days: where they begin, when a zone begins to count, and that no day comes back."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.account import Account, Settings
from goodword.core.calendar import UTC_DAYS, Calendar, Turn
from goodword.core.decide import decide
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.period import DAY_MS, read_day, write_day
from goodword.core.profile import ProfileId
from goodword.storage.zone import follow, turns_of

HOUR = 3_600_000
TODAY = 20_787 * DAY_MS
"""2026-11-30."""
ZONES = ("America/New_York", "Australia/Sydney", "Asia/Kathmandu", "America/Sao_Paulo", "Africa/Cairo", "Africa/Casablanca", "")
ACCOUNT = Account(1, "shop", 0, Settings())


def at(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def calendar(zone: str) -> Calendar:
    return Calendar(turns_of(zone, TODAY))


@pytest.mark.parametrize(
    ("zone", "time", "day"),
    [
        ("America/New_York", "2026-11-30T23:30", "2026-11-30"),
        ("America/New_York", "2026-12-01T00:00", "2026-12-01"),
        ("Australia/Sydney", "2026-12-01T00:30", "2026-12-01"),
        ("Australia/Sydney", "2026-11-30T23:59", "2026-11-30"),
        ("America/New_York", "2026-03-08T00:30", "2026-03-08"),  # a day of 23 hours
        ("America/New_York", "2026-03-08T23:30", "2026-03-08"),
        ("America/New_York", "2026-11-01T23:30", "2026-11-01"),  # and one of 25
        ("America/New_York", "2026-11-02T00:00", "2026-11-02"),
        ("Africa/Cairo", "2026-04-24T01:00", "2026-04-24"),  # which begins at one o'clock
        ("Asia/Kathmandu", "2026-11-30T00:05", "2026-11-30"),
    ],
)
def test_a_time_is_on_the_day_that_clocks_there_say(zone: str, time: str, day: str) -> None:
    assert write_day(calendar(zone).day_of(at(time, zone))) == day


@given(st.sampled_from(ZONES), st.integers(946_684_800_000, TODAY + 1_000 * DAY_MS))
def test_days_follow_each_other_and_are_those_of_the_zone(zone: str, moment: int) -> None:
    days = calendar(zone)
    day = days.day_of(moment)
    assert days.start_of(day) <= moment < days.start_of(day + 1)
    local = datetime.fromtimestamp(moment // 1000, ZoneInfo(zone or "UTC"))
    said = read_day(local.date().isoformat())
    repeats = local.fold or (zone == "Africa/Cairo" and local.hour == 23)  # the hour before midnight, again
    assert day == said or (repeats and day == (said or 0) + 1)


def test_an_hour_that_clocks_repeat_at_midnight_stays_in_the_day_that_has_begun() -> None:
    days = calendar("Africa/Cairo")  # 2026-10-30 00:00 becomes 23:00 of the 29th
    turned = at("2026-10-29T23:59:59", "Africa/Cairo") + 1_000
    assert {write_day(days.day_of(turned + minutes * 60_000)) for minutes in (0, 30, 59, 60, 61)} == {"2026-10-30"}
    assert write_day(days.day_of(turned - 1)) == "2026-10-29"


def test_before_the_first_turn_days_are_utc() -> None:
    days = Calendar((Turn(10 * DAY_MS, 5 * HOUR),))
    assert days.day_of(10 * DAY_MS - 1) == 9
    assert days.day_of(11 * DAY_MS - 5 * HOUR) == 11
    assert [days.start_of(day) for day in (9, 10, 11)] == [9 * DAY_MS, 10 * DAY_MS, 11 * DAY_MS - 5 * HOUR]


def set_calendar(account: Account, command: c.SetCalendar, now: int, *, is_uncounted: bool = False) -> Account | str:
    decision = decide(command, Facts(account=account, is_uncounted=is_uncounted), now, Fresh(1, ProfileId(1)))
    found = decision.records[0] if decision.records else decision.outcome.code
    assert isinstance(found, (Account, str))
    return found


def asked(account: Account, now: int) -> c.SetCalendar:
    command = follow(account, now)
    assert command is not None
    return command


def test_a_change_holds_from_the_next_midnight_there_and_days_before_stay() -> None:
    now = TODAY + 12 * HOUR
    account = replace(ACCOUNT, settings=Settings(time_zone="America/New_York"))
    command = asked(account, now)
    assert command.since == at("2026-12-01T00:00", "America/New_York")
    changed = set_calendar(account, command, now)
    assert isinstance(changed, Account)
    assert all(changed.calendar.day_of(moment) == UTC_DAYS.day_of(moment) for moment in range(0, command.since, 7 * DAY_MS + HOUR))
    assert write_day(changed.calendar.day_of(at("2026-12-01T23:30", "America/New_York"))) == "2026-12-01"
    assert follow(changed, now) is None
    assert follow(changed, now + 300 * DAY_MS) is None
    assert follow(changed, now + 1_000 * DAY_MS) is not None  # further turns are written down before they are needed


def test_a_zone_can_be_changed_again_and_given_up() -> None:
    now = TODAY + 12 * HOUR
    account = replace(ACCOUNT, settings=Settings(time_zone="America/New_York"))
    york = set_calendar(account, asked(account, now), now)
    assert isinstance(york, Account)
    later = now + 20 * DAY_MS
    utc = set_calendar(york, asked(replace(york, settings=Settings()), later), later)
    assert isinstance(utc, Account)
    moments = range(now, later, HOUR)
    assert [utc.calendar.day_of(moment) for moment in moments] == [york.calendar.day_of(moment) for moment in moments]
    assert utc.calendar.day_of(later + 5 * DAY_MS) == (later + 5 * DAY_MS) // DAY_MS
    assert follow(replace(utc, settings=Settings()), later) is None


def test_where_nothing_was_counted_the_zone_holds_for_all_days() -> None:
    now = TODAY + 12 * HOUR
    account = replace(ACCOUNT, settings=Settings(time_zone="Australia/Sydney"))
    changed = set_calendar(account, asked(account, now), now, is_uncounted=True)
    assert isinstance(changed, Account)
    assert (changed.calendar.since, changed.calendar.turns) == (0, turns_of("Australia/Sydney", TODAY))


def test_days_that_have_begun_are_not_counted_otherwise() -> None:
    command = c.SetCalendar(1, TODAY, turns_of("Europe/Berlin", TODAY))
    assert set_calendar(ACCOUNT, command, TODAY) == "day_has_begun"
    assert decide(command, Facts(), TODAY, Fresh(1, ProfileId(1))).outcome.code == "account_not_found"


def test_the_same_zone_asks_for_nothing() -> None:
    assert follow(ACCOUNT, TODAY) is None
