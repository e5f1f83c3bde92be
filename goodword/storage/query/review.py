"""The review queue: events that wait for a person, or were decided by one, with all a person needs to decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, count, islice
from typing import Any

from msgspec import Struct

from goodword.core.money import write_money
from goodword.core.profile import Profile, ProfileId
from goodword.core.referral import Journey, Judgement, Standing, Step
from goodword.core.times import Millis, write_time
from goodword.core.verdict import standing_key
from goodword.storage.query import person as people
from goodword.storage.query import referral
from goodword.storage.query.moment import judged_moment, rules_as_data
from goodword.storage.store import Store

CHUNK = 200
Item = tuple[int, str]
"""A place in the log and a campaign: what names a line of the queue."""


class Line(Struct):
    """A line of the queue. `step` is None once the person was deleted: nothing can be decided then."""

    judgement: Judgement
    step: Step | None
    friend: Profile | None
    advocate: Profile | None
    standing: Standing | None


def queue(store: Store, account: int, state: referral.ReviewState, campaign: str | None, limit: int, offset: int = 0) -> list[Line]:
    """A page of the queue, oldest first. What deleted people did waits for nobody."""
    chunks = everything(store, account, state, campaign, max(1, min(offset + limit, CHUNK)))
    return list(islice(chain.from_iterable(chunks), offset, offset + limit))


def everything(store: Store, account: int, state: referral.ReviewState, campaign: str | None, chunk: int = CHUNK) -> Iterator[list[Line]]:
    """The queue, or what was decided, oldest first, a chunk at a time."""
    for start in count(0, chunk):
        judged = referral.reviews(store, account, state, campaign, chunk, start)
        yield [line for line in _lines(store, account, judged) if state != "open" or line.friend is not None]
        if len(judged) < chunk:
            return


def line(store: Store, account: int, item: Item) -> Line | None:
    """One line of the queue."""
    found = referral.judgement(store, account, *item)
    return _lines(store, account, [found])[0] if found is not None else None


def _lines(store: Store, account: int, judged: list[Judgement]) -> list[Line]:
    numbers = {number for each in judged for number in (each.friend_id, each.advocate_id) if number is not None}
    found = people.find_many(store, account, numbers)
    journeys: dict[int, Journey | None] = {}
    lines = []
    for each in judged:
        friend = found.get(each.friend_id)
        if friend is not None and friend.id not in journeys:
            journeys[friend.id] = referral.journey_of(store, account, friend)
        journey = journeys.get(friend.id) if friend is not None else None
        step = next((step for step in journey.steps if step.arrival == each.arrival), None) if journey is not None else None
        standing = journey.standings.get(standing_key(step, each.campaign)) if journey is not None and step is not None else None
        advocate = found.get(each.advocate_id) if each.advocate_id is not None else None
        lines.append(Line(each, step, friend, advocate, standing))
    return lines


def targets(store: Store, account: int, items: Iterable[Item]) -> dict[Item, tuple[ProfileId, str]]:
    """Whose event, and which message, each item is; items that are no event of anyone are left out."""
    asked = list(dict.fromkeys(items))
    judged = referral.judgements(store, account, [arrival for arrival, _ in asked])
    wanted = [each for arrival, campaign in asked for each in judged.get(arrival, ()) if each.campaign == campaign]
    return {
        (line.judgement.arrival, line.judgement.campaign): (line.friend.id, line.step.message_id)
        for line in _lines(store, account, wanted)
        if line.friend is not None and line.step is not None
    }


def as_json(line: Line, now: Millis) -> dict[str, Any]:
    """A line for programs; absent things left out."""
    judged, step, standing = line.judgement, line.step, line.standing
    waits = max((rule.until for rule in judged.rules if rule.result == "WAIT"), default=0)
    said: dict[str, Any] = {
        "arrival": judged.arrival,
        "campaign_id": judged.campaign,
        "program": judged.program,
        "version": judged.version,
        "state": judged.review or "none",
        "quality": judged.quality,
        "kind": judged.kind,
        "name": step.name if step is not None else None,
        "event_date": write_time(step.at) if step is not None else None,
        "order": step.key if step is not None else None,
        "value": write_money(step.amount, step.currency) if step and step.amount is not None and step.currency else None,
        "currency": step.currency if step is not None else None,
        "judged_date": write_time(judged.judged_at),
        "why": judged_moment(judged, step, now).why if step is not None else "The person was deleted since: nothing is left to decide.",
        "waits_until": write_time(waits) if waits > now else None,
        "friend": _person(line.friend, judged.friend_id),
        "advocate": _person(line.advocate, judged.advocate_id) if judged.advocate_id is not None else None,
        "reason": judged.reason,
        "rules": rules_as_data(judged.rules),
    }
    if standing is not None and standing.decision:
        said |= {"by": standing.by, "note": standing.note, "decided_date": write_time(standing.decided_at)}
    return {name: value for name, value in said.items() if value not in (None, "")}


def _person(profile: Profile | None, number: int) -> dict[str, Any]:
    if profile is None:
        return {"person_id": str(number), "is_deleted": True}
    return {"person_id": str(profile.id), "partner_user_id": profile.user_id or "", "email": profile.email or ""}
