"""What counts where: days and periods, kinds of pages, the tallies' slots, and people once a period."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from goodword.core import tally
from goodword.core.calendar import UTC_DAYS
from goodword.core.origin import ORIGINS, origin_of
from goodword.core.period import (
    PERIODS,
    Period,
    day_of,
    label,
    month_of,
    next_start,
    read_day,
    start_of,
    start_of_month,
    starts,
    whole_months,
    write_day,
    write_month,
)
from goodword.core.presence import CUSTOMER, NEW, NEW_REFERRED, REFERRED, REFERRED_HIGH, ROLES, Days, changes, sums
from goodword.core.profile import ProfileId
from goodword.core.referral import Click, Evidence, Judgement, Share, Touch
from goodword.core.reward import Reward, Transition

DAY = 24 * 3600 * 1000


def day(text: str) -> int:
    found = read_day(text)
    assert found is not None
    return found


# -- periods ---------------------------------------------------------------------------------------------------------


@given(st.integers(0, 200 * 366 * DAY))
def test_a_time_is_in_its_month(at: int) -> None:
    month = month_of(at)
    assert start_of_month(month) <= at < start_of_month(month + 1)
    assert start_of_month(month) == start_of("MONTH", day_of(at)) * DAY
    assert write_day(day_of(at)).startswith(write_month(month) + "-")


@pytest.mark.parametrize(
    ("period", "start", "after", "name"),
    [
        ("DAY", "2026-08-15", "2026-08-16", "2026-08-15"),
        ("WEEK", "2026-08-10", "2026-08-17", "2026-W33"),
        ("MONTH", "2026-08-01", "2026-09-01", "2026-08"),
        ("QUARTER", "2026-07-01", "2026-10-01", "2026-Q3"),
    ],
)
def test_the_period_a_day_is_in(period: Period, start: str, after: str, name: str) -> None:
    found = start_of(period, day("2026-08-15"))
    assert (write_day(found), write_day(next_start(period, found)), label(period, found)) == (start, after, name)


def test_a_week_belongs_to_the_year_of_its_thursday() -> None:
    assert label("WEEK", start_of("WEEK", day("2027-01-02"))) == "2026-W53"


@given(st.sampled_from(PERIODS), st.integers(10, 60_000), st.integers(0, 1_000))
def test_periods_follow_each_other_without_gaps(period: Period, first: int, length: int) -> None:
    found = list(starts(period, first, first + length))
    assert found[0] <= first
    assert next_start(period, found[-1]) > first + length
    assert all(next_start(period, one) == other for one, other in itertools.pairwise(found))
    assert all(start_of(period, one) == one for one in found)


@given(st.integers(10, 60_000), st.integers(0, 800))
def test_days_are_their_whole_months_and_what_is_left_at_the_ends(first: int, length: int) -> None:
    last = first + length
    months, ends = whole_months(first, last)
    days = [day for start in months for day in range(start, next_start("MONTH", start))]
    days += [day for begin, end in ends for day in range(begin, end + 1)]
    assert sorted(days) == list(range(first, last + 1))
    assert all(end - begin < 62 for begin, end in ends)


@pytest.mark.parametrize("text", ["", "2026-02-30", "yesterday", "1969-12-31"])
def test_what_is_no_day(text: str) -> None:
    assert read_day(text) is None


def test_a_day_ends_at_midnight_utc() -> None:
    assert (day_of(DAY - 1), day_of(DAY)) == (0, 1)


# -- where clicks come from ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("site", "word"),
    [
        ("", "direct"),
        ("l.facebook.com/l.php", "facebook"),
        ("web.whatsapp.com", "whatsapp"),
        ("t.co/abc", "x"),
        ("mail.google.com/mail/u/0", "mail"),
        ("com.google.android.gm", "mail"),
        ("google.com", "search"),
        ("google.co.nz/search", "search"),
        ("google.com/aclk", "coupon"),
        ("retailmenot.com/view", "coupon"),
        ("blog.example.org/a", "other"),
        ("notfacebook.com", "other"),
        ("localhost", "other"),
    ],
)
def test_the_word_for_a_page(site: str, word: str) -> None:
    assert origin_of(site) == word
    assert word in ORIGINS


# -- slots -----------------------------------------------------------------------------------------------------------

JUDGED = Judgement(
    7, "raf", 1, "raf", "outcome", ProfileId(2), ProfileId(1), "SHARE_ID", "c", 0, "HIGH", "", 9, (), 3 * DAY, 5000, "EUR", "x", False
)
SLOT = tally.ReferralSlot(3, "outcome", "raf", "SHARE_ID", "x", "HIGH", "EUR")


def test_a_judged_event_counts_one_and_its_amount() -> None:
    assert tally.of_judgement(JUDGED, UTC_DAYS) == [(SLOT, 5000)]
    assert tally.of_judgement(replace(JUDGED, amount=None, currency=None), UTC_DAYS) == [(SLOT._replace(unit=""), 0)]


def test_a_first_outcome_counts_twice_over() -> None:
    assert tally.of_judgement(replace(JUDGED, is_new=True), UTC_DAYS) == [(SLOT, 5000), (SLOT._replace(measure="first_outcome"), 5000)]


def test_what_waits_for_a_person_is_neither_high_nor_low() -> None:
    assert tally.of_judgement(replace(JUDGED, review="open"), UTC_DAYS)[0][0].quality == "REVIEW"
    assert tally.of_credited(replace(JUDGED, review="open"), UTC_DAYS) is None


@pytest.mark.parametrize("changes", [{"advocate_id": None}, {"quality": "NONE"}])
def test_what_nobody_is_credited_with_counts_nowhere(changes: dict[str, object]) -> None:
    judged = replace(JUDGED, **changes)
    assert tally.of_judgement(judged, UTC_DAYS) == []
    assert tally.of_credited(judged, UTC_DAYS) is None


def test_what_an_advocate_brings() -> None:
    assert tally.of_credited(JUDGED, UTC_DAYS) == (tally.AdvocateSlot(3, 1, "EUR"), tally.Advocacy(outcomes=1, amount=5000))
    unpaid = replace(JUDGED, amount=None, currency=None)
    assert tally.of_credited(unpaid, UTC_DAYS) == (tally.AdvocateSlot(3, 1, ""), tally.Advocacy(outcomes=1))
    sign_up = replace(JUDGED, kind="sign_up", quality="LOW")
    assert tally.of_credited(sign_up, UTC_DAYS) == (tally.AdvocateSlot(3, 1, ""), tally.Advocacy(sign_ups=1))
    assert tally.of_credited(replace(JUDGED, kind="action"), UTC_DAYS) is None
    assert tally.of_credited(replace(JUDGED, quality="LOW"), UTC_DAYS) is None


def test_clicks_and_shares() -> None:
    click = Click("c", DAY, ProfileId(1), "raf", "raf", "code", Evidence(site="t.co"))
    assert tally.of_click(click, UTC_DAYS) == tally.ReferralSlot(1, "click", "raf", "", "x", "HIGH", "")
    assert tally.of_click(replace(click, is_counted=False), UTC_DAYS).quality == "LOW"
    share = Share(1, ProfileId(1), DAY, "EMAIL", "code", "raf", "raf", ("a@b.example", "c@d.example"))
    assert tally.of_share(share, UTC_DAYS) == (tally.ReferralSlot(1, "share", "raf", "EMAIL", "", "HIGH", ""), 2)
    assert tally.of_share(replace(share, recipients=(), quality="LOW"), UTC_DAYS)[1] == 1


def test_the_credited_click_says_where_it_came_from() -> None:
    touch = Touch(0, "SHARE_ID", "c", ProfileId(1), "raf", "raf", 0, evidence=Evidence(site="wa.me", ip="x"))
    assert touch.origin == "whatsapp"
    assert replace(touch, evidence=Evidence(ip="x")).origin == "direct"
    assert replace(touch, evidence=Evidence()).origin == ""


def test_rewards_and_their_moves() -> None:
    reward = Reward(1, ProfileId(1), ProfileId(2), "raf", 1, "raf", "r", "friend", "points", "FULFILLED", "POINTS", 10, 7, DAY, DAY)
    place = tally.RewardSlot(1, "raf", "points", "friend", "FULFILLED", "POINTS")
    assert tally.of_reward(reward, UTC_DAYS) == place
    move = Transition(1, ProfileId(1), 1, 2 * DAY, "EARNED", "FULFILLED")
    assert tally.of_move(move, reward, UTC_DAYS) == place._replace(day=2, unit="")
    assert tally.of_move(replace(move, is_success=False), reward, UTC_DAYS) is None
    assert tally.of_move(replace(move, before="SENT", after="SENT"), reward, UTC_DAYS) is None


# -- people ----------------------------------------------------------------------------------------------------------

MONDAY = day("2026-03-30")


def added(before: list[Days], after: Days) -> dict[tuple[str, str, str], int]:
    """What the counts gain, when people who were counted so are one who counts so."""
    counted: Counter[Days] = Counter()
    for each in changes(before, after):
        counted[each.days] += each.count
    return {(role, period, label(period, start)): count for (role, period, start), count in sums(counted).items()}


def test_a_person_counts_once_a_period() -> None:
    """Two days of one week, in two months and two quarters."""
    assert added([], ((MONDAY, CUSTOMER), (MONDAY + 2, CUSTOMER))) == {
        ("customer", "DAY", "2026-03-30"): 1,
        ("customer", "DAY", "2026-04-01"): 1,
        ("customer", "WEEK", "2026-W14"): 1,
        ("customer", "MONTH", "2026-03"): 1,
        ("customer", "MONTH", "2026-04"): 1,
        ("customer", "QUARTER", "2026-Q1"): 1,
        ("customer", "QUARTER", "2026-Q2"): 1,
    }


def test_two_who_become_one_count_once() -> None:
    one: Days = ((MONDAY, CUSTOMER),)
    assert added([one, one], one) == {
        ("customer", "DAY", "2026-03-30"): -1,
        ("customer", "WEEK", "2026-W14"): -1,
        ("customer", "MONTH", "2026-03"): -1,
        ("customer", "QUARTER", "2026-Q1"): -1,
    }
    assert added([one], one) == {}


DAYS = st.dictionaries(st.integers(20_000, 20_200), st.integers(1, 31), max_size=6).map(lambda days: tuple(sorted(days.items())))


@given(st.lists(DAYS, min_size=1, max_size=5))
def test_whatever_the_order_of_changes_the_counts_are_those_of_the_last(states: list[Days]) -> None:
    """Law 3: counts follow from the days alone."""
    found: dict[tuple[str, str, str], int] = {}
    for before, after in itertools.pairwise([(), *states]):
        for place, count in added([before], after).items():
            found[place] = found.get(place, 0) + count
    assert {place: count for place, count in found.items() if count} == added([], states[-1])


def test_who_counts_as_before_is_no_change() -> None:
    assert changes([((MONDAY, CUSTOMER),)], ((MONDAY, CUSTOMER),)) == changes([], ()) == []


def test_every_bit_has_its_role() -> None:
    assert sum(ROLES) == CUSTOMER | REFERRED | REFERRED_HIGH | NEW | NEW_REFERRED == 31
