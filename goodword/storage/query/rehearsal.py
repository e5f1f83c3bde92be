"""What a draft would have earned and cost people in the last days: stored events, judged in memory. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable

from goodword.core import command as c
from goodword.core.campaign import DAY_MS, Document
from goodword.core.event import FROM_BROWSER, IS_EVENT, TRACK
from goodword.core.profile import ProfileId
from goodword.core.referral import Step
from goodword.core.rehearsal import Rehearsal, Rehearsed
from goodword.core.times import Millis
from goodword.storage.load import load
from goodword.storage.store import Store

PEOPLE_AT_ONCE = 200
Report = Callable[[int, int], None]


def rehearse(store: Store, account: int, document: Document, days: int, now: Millis, report: Report) -> Rehearsed:
    """Judge everyone who did something that the draft listens to in the last `days`; `report` is told how many people of how many.

    The store must be a readonly one of the caller's own: the draft takes the place of the account's campaigns in it, so that what people
    did before is loaded by the draft's names.
    """
    assert store.readonly
    since = now - days * DAY_MS
    rehearsal = Rehearsal(document, now, since)
    store.programs = {**store.programs, account: rehearsal.programs}
    found = _steps(store, account, rehearsal.programs.listened - rehearsal.programs.cancels, since)
    people = sorted(found, key=lambda person: (found[person][0].at, found[person][0].arrival))
    for start in range(0, len(people), PEOPLE_AT_ONCE):
        some = people[start : start + PEOPLE_AT_ONCE]
        facts = load(store, [c.Rejudge(account, person) for person in some], now)[account]
        for person in some:
            profile = facts.profile(person)
            if profile is not None:  # deleted since, else
                rehearsal.take(profile, found[person], facts)
        report(min(start + PEOPLE_AT_ONCE, len(people)), len(people))
    return rehearsal.said


def _steps(store: Store, account: int, listened: frozenset[str], since: Millis) -> dict[ProfileId, list[Step]]:
    """The events of these names since then, by the person they belong to today, oldest first."""
    merged: dict[int, int] = dict(store.database.read("SELECT source, target FROM merged WHERE account_id = ?", (account,)))
    rows = store.database.read(
        "SELECT arrival, hash, profile_id, name, at, received_at, flags, amount, currency FROM event"
        " WHERE account_id = ? AND type = ? AND at >= ? AND flags & ? <> 0 AND duplicate_of IS NULL ORDER BY at, arrival",
        (account, TRACK, since, IS_EVENT),
    )
    found: dict[ProfileId, list[Step]] = {}
    for arrival, hash16, number, name, at, received_at, flags, amount, currency in rows:
        if name.casefold() in listened:
            step = Step(arrival, hash16.hex(), name, at, received_at, bool(flags & FROM_BROWSER), amount, currency)
            person: int = number
            found.setdefault(ProfileId(merged.get(person, person)), []).append(step)
    return found
