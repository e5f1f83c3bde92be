"""How many people: each is counted once a period, however much they do in it (domain 7.2).

A journey says on which days its person was what. What a person counts for in weeks, months and quarters follows from the days, so a late
message, another verdict or a merge changes the counts by as much as it changes the days, in any order (law 3). The counts name nobody,
and stay when a person is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from msgspec.structs import replace

from goodword.core.decision import Counted
from goodword.core.period import PERIODS, Period, start_of
from goodword.core.verdict import Docket

CUSTOMER, REFERRED, REFERRED_HIGH, NEW, NEW_REFERRED = 1, 2, 4, 8, 16
ROLES = {
    CUSTOMER: "customer",
    REFERRED: "referred",
    REFERRED_HIGH: "referred_high",
    NEW: "new",
    NEW_REFERRED: "new_referred",
}
"""Bits of a day: the person had an outcome; one that an advocate is credited with; one of those that is good; their first outcome of
all; and that one is credited to an advocate."""
Days = tuple[tuple[int, int], ...]


def days_of(docket: Docket) -> Days:
    """On which days the person of a judged journey is what. A day as a customer stays: what happened has happened."""
    days: dict[int, int] = {}
    for number in (docket.friend.id, *docket.friend.sources):
        part = docket.known.journeys.get(number)
        for day, bits in part.counted if part is not None else ():
            days[day] = days.get(day, 0) | (bits if docket.is_alone else bits & CUSTOMER)
    referred: dict[int, int] = {}
    for verdict in docket.verdicts:
        if verdict.touch is not None:
            arrival = verdict.step.arrival
            referred[arrival] = referred.get(arrival, 0) | REFERRED | (REFERRED_HIGH if verdict.counts else 0)
    outcomes, day_of = docket.outcomes, docket.calendar.day_of
    for step in outcomes[-1:] if docket.is_alone else outcomes:
        day = day_of(step.at)
        days[day] = days.get(day, 0) | CUSTOMER | referred.get(step.arrival, 0)
    if outcomes:
        days[day_of(outcomes[0].at)] |= NEW | (NEW_REFERRED if outcomes[0].arrival in referred else 0)
    return tuple(sorted(days.items()))


def count_people(docket: Docket) -> None:
    """Count the person anew; what those were counted for who became part of them goes over to them."""
    before: list[Days] = []
    for number in (docket.friend.id, *docket.friend.sources):
        part = docket.known.journeys.get(number)
        if part is None or not part.counted:
            continue
        before.append(part.counted)
        if number != docket.friend.id:
            docket.add(replace(part, counted=()))
    days = days_of(docket)
    docket.journey = replace(docket.journey, counted=days)
    docket.records.extend(changes(before, days))


def changes(before: list[Days], after: Days) -> list[Counted]:
    """How the counts of people change, when journeys that were counted so are one that counts so."""
    if before == ([after] if after else []):
        return []
    return [*(Counted(days, -1) for days in before), Counted(after, 1)]


def sums(counted: Mapping[Days, int]) -> dict[tuple[str, Period, int], int]:
    """By role, period and its first day: what so many people with these days add to the counts."""
    found: dict[tuple[str, Period, int], int] = {}
    for days, count in counted.items():
        for place in periods_of(days):
            found[place] = found.get(place, 0) + count
    return {place: count for place, count in found.items() if count}


def periods_of(days: Days) -> set[tuple[str, Period, int]]:
    """Every role and period that a person with these days counts in, once each."""
    return set().union(*(_periods_of_day(day, bits) for day, bits in days))


@lru_cache(maxsize=4096)
def _periods_of_day(day: int, bits: int) -> frozenset[tuple[str, Period, int]]:
    return frozenset((role, period, start_of(period, day)) for bit, role in ROLES.items() if bits & bit for period in PERIODS)
