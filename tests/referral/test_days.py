"""Days are the account's: what happens at half past eleven in the evening there is counted on that day, in every figure and list."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from itertools import permutations
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.account import Settings
from goodword.core.period import read_day, write_day
from goodword.core.report import Request, Unreadable, read_request
from goodword.storage import zone
from goodword.storage.query import report as counts
from goodword.storage.query.report_row import chunks
from goodword.storage.query.stats import stats
from goodword.storage.verify import verify
from goodword.worker.housekeeping import keep_calendars
from tests.referral.town import DAY, MINUTE, REFER_A_FRIEND, Town

YORK = "America/New_York"


@pytest.fixture
def town(tmp_path: Path, on_both: str) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.close()


def at(text: str, name: str = YORK) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(name)).timestamp() * 1000)


def day(text: str) -> int:
    found = read_day(text)
    assert found is not None
    return found


def choose(town: Town, name: str) -> int:
    """The account's zone is chosen; from when it counts, 0 for always."""
    town.engine.execute([c.Configure(1, replace(town.store.accounts[1].settings, time_zone=name))])
    counting = zone.follow(town.store.accounts[1], town.now)
    assert counting is not None
    assert town.engine.execute([counting])[0].verdict == "done"
    return town.store.accounts[1].calendar.since


def referred(town: Town, friend: str) -> None:
    """Ada's friend comes by her link, signs up and buys for 50."""
    ada = town.person("ada", "ada@mail.example")
    town.visit(town.click(ada), anonymousId=f"d-{friend}")
    town.person(friend, f"{friend}@post.example", anonymousId=f"d-{friend}")
    town.say("track", event="registration", userId=friend)
    town.buy(f"order-{friend}", userId=friend)


def rows(town: Town, report: str, first: str, last: str) -> list[list[Any]]:
    request = read_request({"report": report, "from": first, "to": last}, 0)
    assert isinstance(request, Request)
    return [row for chunk in chunks(town.store, 1, request) for row in chunk]


def test_an_evening_there_is_that_day_in_figures_and_lists(town: Town) -> None:
    assert choose(town, YORK) == 0  # nothing was counted: the zone holds for all days
    town.now = at("2026-11-30T23:30")
    referred(town, "ben")
    found = counts.figures(town.store, 1, "DAY", day("2026-11-29"), day("2026-12-01"))
    assert {write_day(start): (each.clicks, each.conversions, each.customers, each.rewards) for start, each in found.items()} == {
        "2026-11-29": (0, 0, 0, 0),
        "2026-11-30": (1, 1, 1, 2),
        "2026-12-01": (0, 0, 0, 0),
    }
    assert found[day("2026-11-30")].money["USD"].total == 5000
    assert found[day("2026-11-30")].advocates == 1
    months = counts.figures(town.store, 1, "MONTH", day("2026-11-30"), day("2026-12-01"))
    assert [(each.conversions, each.customers) for each in months.values()] == [(1, 1), (0, 0)]
    for report, count in (("friend-conversions", 1), ("rewards", 2), ("earned-rewards", 2)):
        assert len(rows(town, report, "2026-11-30", "2026-11-30")) == count
        assert rows(town, report, "2026-12-01", "2026-12-01") == []
        assert rows(town, report, "2026-11-29", "2026-11-29") == []
    [last_action] = [row[5] for row in rows(town, "active-advocates", "2026-11-30", "2026-11-30")]
    assert last_action == "2026-11-30"
    town.now = at("2026-11-30T23:59")
    assert sum(name.count for name in stats(town.store, days=1, now=town.now, account=1).accounts[0].names) > 0
    town.now = at("2026-12-01T00:01")
    assert stats(town.store, days=1, now=town.now, account=1).accounts[0].names == []
    assert verify(town.store) == []


def test_what_was_counted_before_a_change_stays_where_it_was_and_is_taken_off_there(town: Town) -> None:
    town.now = at("2026-11-30T18:30")  # half an hour before midnight, UTC
    referred(town, "ben")
    town.now = at("2026-11-30T19:30")
    since = choose(town, YORK)
    assert since == at("2026-12-01T00:00")
    referred(town, "eve")  # the 1st of December, by UTC
    town.now = at("2026-12-01T23:30")
    referred(town, "flo")  # and by New York's clocks
    days = ("2026-11-30", "2026-12-01", "2026-12-02")

    def conversions() -> list[int]:
        found = counts.figures(town.store, 1, "DAY", day(days[0]), day(days[-1]))
        return [found[day(each)].conversions_high for each in days]

    assert conversions() == [1, 2, 0]
    assert [len(rows(town, "friend-conversions", each, each)) for each in days] == [1, 2, 0]
    for friend, left in (("ben", [0, 2, 0]), ("eve", [0, 1, 0]), ("flo", [0, 0, 0])):
        town.passes(MINUTE)
        town.say("track", event="returned", userId=friend, properties={"order_id": f"order-{friend}"})
        assert conversions() == left
    assert verify(town.store) == []


def test_any_order_of_messages_on_both_sides_of_a_change_counts_alike(tmp_path: Path) -> None:
    found = []
    for number, order in enumerate(permutations(range(3))):
        town = Town(tmp_path / str(number))
        town.now = at("2026-11-30T19:30")
        ada = town.person("ada", "ada@mail.example")
        click = town.click(ada)
        town.person("ben", "ben@post.example")
        choose(town, YORK)
        town.now = at("2026-12-01T23:50")
        times = [at("2026-11-30T19:40"), at("2026-11-30T23:59"), at("2026-12-01T23:30")]
        messages = [
            town.message("track", event="conversion", userId="ben", at=when, message_id=f"o{place}",
                properties={"partner_conversion_id": f"o{place}", "cart_value": "10.00"},
                context={"page": {"url": f"https://shop.example.com/?gw={click}"}})
            for place, when in enumerate(times)
        ]  # fmt: skip
        for place in order:
            town.say_all([messages[place]])
        found.append([*town.tallies(), sorted(town.store.database.read("SELECT day, count, amount FROM tally WHERE name = 'conversion'"))])
        town.close()
    assert all(each == found[0] for each in found)
    assert found[0][2] == [(day("2026-12-01"), 3, 3000)]  # until New York's midnight by UTC


def test_what_the_last_release_counted_stays_readable_and_days_follow_the_zone_soon(town: Town) -> None:
    """It kept a zone for times, and counted by UTC: the calendar has no row then."""
    town.engine.execute([c.Configure(1, Settings(time_zone=YORK))])
    town.now = at("2026-11-30T19:30")
    referred(town, "ben")

    def december_first() -> int:
        return counts.figures(town.store, 1, "DAY", day("2026-12-01"), day("2026-12-01"))[day("2026-12-01")].conversions

    assert december_first() == 1
    asyncio.run(_keep(town))
    calendar = town.store.accounts[1].calendar
    assert calendar.since == at("2026-12-02T00:00")  # a day's notice: nodes of the last release are gone by then
    assert december_first() == 1
    asyncio.run(_keep(town))
    assert town.store.accounts[1].calendar == calendar
    town.now = at("2026-12-02T23:30")
    referred(town, "eve")
    assert len(rows(town, "friend-conversions", "2026-12-02", "2026-12-02")) == 1
    assert verify(town.store) == []


async def _keep(town: Town) -> None:
    await keep_calendars(town.engine)


def test_today_is_the_accounts(tmp_path: Path) -> None:
    town = Town(tmp_path, REFER_A_FRIEND)
    choose(town, "Australia/Sydney")
    town.now = at("2026-12-01T00:30", "Australia/Sydney")
    found = read_request({"report": "funnel"}, town.store.calendar(1).day_of(town.now))
    assert not isinstance(found, Unreadable)
    assert write_day(found.last) == "2026-12-01"
    town.passes(-DAY)
    town.close()


def test_the_days_are_there_after_a_restart(tmp_path: Path) -> None:
    town = Town(tmp_path)
    town.now = at("2026-11-30T12:00")
    referred(town, "ben")
    choose(town, YORK)
    before = town.store.accounts[1].calendar
    assert before.since
    town.reopen()
    assert town.store.accounts[1].calendar == before
    town.close()
