"""What people did before, and what they and campaigns came to so far: histories, credits, earnings, budgets. As `Steps` of `Loading`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from goodword.core.event import IS_EVENT, TRACK
from goodword.core.profile import ProfileId
from goodword.core.referral import Step
from goodword.core.reward import Earning

if TYPE_CHECKING:
    from goodword.storage.load_referral import Loading

Steps = Iterator[None]
"""Asks, yields, and takes the answer; perhaps several times."""
Home = Mapping[ProfileId, ProfileId]
"""By each number a person ever had, the one they have."""


def past(loading: Loading, people: set[ProfileId]) -> Steps:
    """What people without a journey did before there were campaigns, from the log."""
    listened = loading.known.programs.listened
    new = {person for person in people if person in loading.facts.profiles and person not in loading.known.journeys}
    if not new or not listened:
        return
    home = {number: person for person in new for number in loading.numbers(person)}
    arrivals = {arrival: person for number, person in home.items() for arrival in loading.store.people.waiting_of(number)}
    links = loading.ask(
        "SELECT p.profile_id, p.arrival FROM carray(?) k CROSS JOIN person_event p ON p.account_id = ? AND p.profile_id = k.value",
        home,
        loading.account,
    )
    yield
    for number, arrival in links:
        arrivals[arrival] = home[number]
    events = loading.ask(
        "SELECT e.arrival, e.hash, e.name, e.at, e.received_at, e.flags, e.amount, e.currency FROM carray(?) k"
        " CROSS JOIN event e ON e.arrival = k.value AND e.account_id = ? AND e.type = ? AND e.duplicate_of IS NULL",
        arrivals,
        loading.account,
        TRACK,
    )
    yield
    found: dict[ProfileId, list[Step]] = {}
    for arrival, hash16, name, at, received_at, flags, amount, currency in events:
        if flags & IS_EVENT and name.casefold() in listened:
            step = Step(arrival, hash16.hex(), name, at, received_at, bool(flags & 1), amount, currency)
            found.setdefault(arrivals[arrival], []).append(step)
    loading.known.histories = {person: tuple(steps) for person, steps in found.items()}


def credited(loading: Loading, home: Home) -> Steps:
    """What advocates were credited with, by program and day."""
    rows = loading.ask(
        "SELECT x.advocate_id, x.program, x.day, x.count FROM carray(?) k"
        " CROSS JOIN credited x ON x.account_id = ? AND x.advocate_id = k.value",
        home,
        loading.account,
    )
    yield
    for advocate, program, day, count in rows:
        days = loading.known.credited.setdefault((home[advocate], program), {})
        days[day] = days.get(day, 0) + count


def earned(loading: Loading, home: Home) -> Steps:
    """What people earned, by reward, unit and day."""
    rows = loading.ask(
        "SELECT x.profile_id, x.program, x.name, x.unit, x.day, x.count, x.value FROM carray(?) k"
        " CROSS JOIN earned x ON x.account_id = ? AND x.profile_id = k.value",
        home,
        loading.account,
    )
    yield
    for profile, program, name, unit, day, count, value in rows:
        earning = Earning(home[profile], "", program, name, unit, day, count, value)
        loading.known.earned.setdefault(home[profile], []).append(earning)


def spent(loading: Loading) -> Steps:
    """What campaigns spent of their budgets."""
    rows = loading.store.database.load("SELECT campaign_id, unit, day, count, value FROM spent WHERE account_id = ?", (loading.account,))
    yield
    for campaign_id, unit, day, count, value in rows:
        loading.known.spent.setdefault((campaign_id, unit), {})[day] = (count, value)
