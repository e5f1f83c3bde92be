"""Referrals, for reading: relationships, judgements, journeys, clicks and links, each by an index.

Numbers of merged profiles stay in these rows: they are asked for by all numbers of a person, and the other side's are resolved.
Who was deleted is a number without a profile: a tombstone.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct, field

from goodword.core import hearing
from goodword.core.facts import Facts
from goodword.core.profile import Profile, ProfileId
from goodword.core.referral import Click, Evidence, Journey, Judgement, Relationship, Shareable
from goodword.core.referral_facts import ReferralFacts
from goodword.core.reward import Reward, Transition
from goodword.core.times import FOREVER, Millis
from goodword.storage.driver import Row
from goodword.storage.load_referral import REWARD, read_reward
from goodword.storage.query import person as people
from goodword.storage.ruling import read_rules, rules_of
from goodword.storage.store import Store

CHUNK = 200
COUNT_MAX = 5_000
"""Clicks and friends are counted up to here, so that a busy advocate is read as fast as any."""
MyRole = Literal["ADVOCATE", "FRIEND"]
ReviewState = Literal["open", "approved", "declined"]
REVIEW_STATES: tuple[ReviewState, ...] = get_args(ReviewState)

_journey = msgspec.json.Decoder(Journey).decode
_shareable = msgspec.json.Decoder(Shareable).decode
_evidence = msgspec.json.Decoder(Evidence).decode
_detail = msgspec.json.Decoder(dict[str, Any]).decode
_RELATIONSHIP = (
    "r.friend_id, r.program, r.advocate_id, r.campaign_id, r.reason, r.at, r.updated_at, r.cause, r.displaced_at"  # as the struct has them
)
_JUDGEMENT = (
    "j.arrival, j.campaign_id, j.version, j.program, j.kind, j.friend_id, j.advocate_id, j.reason, j.ref, j.touch_at, j.quality, j.review,"
    f" j.judged_at, {rules_of('j')}"
)


class Related(Struct, frozen=True):
    """A relationship as one side sees it. `other` is None for a tombstone, of which only the number is left."""

    relationship: Relationship
    my_role: MyRole
    other_id: int
    other: Profile | None


class RelationshipFilter(Struct, frozen=True):
    """Which relationships are wanted; an empty set asks for all."""

    my_roles: frozenset[str] = field(default_factory=frozenset)
    programs: frozenset[str] = field(default_factory=frozenset)
    campaigns: frozenset[str] = field(default_factory=frozenset)
    excludes_anonymous: bool = False
    includes_duplicates: bool = False
    includes_self: bool = False


class Counted(Struct, frozen=True):
    """A count that stops at COUNT_MAX; `is_more` says that it did."""

    count: int
    is_more: bool


def numbers_of(profile: Profile) -> tuple[ProfileId, ...]:
    """A person's own number and those of all that became part of them."""
    return (profile.id, *profile.sources)


# -- relationships -----------------------------------------------------------------------------------------------------------------


def relationships(store: Store, account: int, profile: Profile, wanted: RelationshipFilter) -> Iterator[Related]:
    """A person's relationships, newest first; of each other person the latest only (in each role), unless duplicates are asked for."""
    seen: set[tuple[MyRole, str]] = set()
    rows = _relationship_rows(store, account, profile, wanted)
    while chunk := list(islice(rows, CHUNK)):
        others = people.find_many(store, account, [_other(row, role) for role, row in chunk])
        for role, row in chunk:
            if is_moved(row) and not wanted.includes_duplicates:
                continue
            number = _other(row, role)
            other = others.get(number)
            other_id = number if other is None else int(other.id)
            if other_id == profile.id and not wanted.includes_self:
                continue
            if wanted.excludes_anonymous and (other is None or not other.is_known):
                continue
            identity = (other.email if other is not None else None) or str(other_id)
            if not wanted.includes_duplicates and (role, identity) in seen:
                continue
            seen.add((role, identity))
            yield Related(row, role, other_id, other)


def is_moved(row: Relationship) -> bool:
    """Whether it is the row of a number that became part of the friend, whose own row says the same (`core.judge`)."""
    return row.displaced_at is not None and row.displaced_at > row.updated_at


def _other(row: Relationship, role: MyRole) -> int:
    return row.friend_id if role == "ADVOCATE" else row.advocate_id


def _relationship_rows(store: Store, account: int, profile: Profile, wanted: RelationshipFilter) -> Iterator[tuple[MyRole, Relationship]]:
    streams: list[Iterator[tuple[MyRole, Relationship]]] = []
    for number in numbers_of(profile):
        if "FRIEND" in (wanted.my_roles or ("FRIEND",)):
            sql = f"SELECT {_RELATIONSHIP} FROM relationship r WHERE r.account_id = ? AND r.friend_id = ?"
            mine = sorted((Relationship(*row) for row in store.database.read(sql, (account, number))), key=_age)
            streams.append(iter([("FRIEND", row) for row in mine]))
        if "ADVOCATE" in (wanted.my_roles or ("ADVOCATE",)):
            streams.append(("ADVOCATE", row) for row in friends_of(store, account, number))
    for role, row in heapq.merge(*streams, key=lambda each: _age(each[1])):
        if (not wanted.programs or row.program in wanted.programs) and (not wanted.campaigns or row.campaign in wanted.campaigns):
            yield role, row


def _age(row: Relationship) -> tuple[int, int]:
    return (-row.updated_at, -row.friend_id)


def friends_of(store: Store, account: int, number: int) -> Iterator[Relationship]:
    """The relationships of an advocate's number, newest first, read as far as they are asked for."""
    sql = (
        f"SELECT {_RELATIONSHIP} FROM relationship r WHERE r.account_id = ? AND r.advocate_id = ?"
        " AND (r.updated_at, r.friend_id, r.program) < (?, ?, ?) ORDER BY r.updated_at DESC, r.friend_id DESC, r.program DESC LIMIT ?"
    )
    place: tuple[int, int, str] = (FOREVER, 0, "")
    while True:
        rows = [Relationship(*row) for row in store.database.read(sql, (account, number, *place, CHUNK))]
        yield from rows
        if len(rows) < CHUNK:
            return
        place = (rows[-1].updated_at, rows[-1].friend_id, rows[-1].program)


def latest_friends(store: Store, account: int, profile: Profile, limit: int) -> list[Relationship]:
    """An advocate's latest relationships, whichever of their numbers they are with."""
    streams = (friends_of(store, account, number) for number in numbers_of(profile))
    return list(islice((row for row in heapq.merge(*streams, key=_age) if not is_moved(row)), limit))


def count_friends(store: Store, account: int, profile: Profile) -> tuple[Counted, int]:
    """How many referrals an advocate has, and how many of those counted were displaced since."""
    count = displaced = 0
    for number in numbers_of(profile):
        ((some, gone),) = store.database.read(
            "SELECT count(*), count(displaced_at) FROM"
            " (SELECT displaced_at FROM relationship WHERE account_id = ? AND advocate_id = ?"
            " AND (displaced_at IS NULL OR displaced_at <= updated_at) LIMIT ?) few",
            (account, number, COUNT_MAX + 1 - min(count, COUNT_MAX)),
        )
        count, displaced = count + some, displaced + gone
    return Counted(min(count, COUNT_MAX), count > COUNT_MAX), displaced


class Part(Struct):
    """A person's part in a campaign: since when, until when, and what is known of it."""

    name: MyRole
    program: str
    campaign: str
    since: Millis
    last: Millis
    data: dict[str, Any] = field(default_factory=dict)


def parts_of(store: Store, account: int, profile: Profile) -> list[Part]:
    """A person's parts, the latest to begin first: an advocate's by links and friends, a friend's by touches and judgements."""
    parts: dict[tuple[str, str, str], Part] = {}

    def add(name: MyRole, program: str, campaign: str, since: Millis, last: Millis, **data: Any) -> None:
        part = parts.setdefault((name, program, campaign), Part(name, program, campaign, since, last))
        part.since, part.last = min(part.since, since), max(part.last, last)
        part.data |= data

    for link in links_of(store, account, profile):
        add("ADVOCATE", link.program, _campaign_of(store, account, link.program, link.created_at), link.created_at, link.updated_at)
    for number in numbers_of(profile):
        sql = (
            "SELECT program, campaign_id, min(at), max(updated_at), count(*) FROM (SELECT program, campaign_id, at, updated_at"
            " FROM relationship WHERE account_id = ? AND advocate_id = ? AND (displaced_at IS NULL OR displaced_at <= updated_at)"
            " LIMIT ?) few GROUP BY program, campaign_id"
        )
        for program, campaign, since, last, count in store.database.read(sql, (account, number, COUNT_MAX)):
            add("ADVOCATE", program, campaign or _campaign_of(store, account, program, last), since, last, friends=count)
    journey = journey_of(store, account, profile)
    if journey is not None:
        for touch in journey.touches:
            if touch.program:
                campaign = touch.campaign or _campaign_of(store, account, touch.program, touch.at)
                add("FRIEND", touch.program, campaign, touch.at, touch.at, reason=touch.reason, related_person_id=str(touch.advocate_id))
        steps = {step.arrival: step for step in journey.steps}
        for arrival, judged in judgements(store, account, list(steps)).items():
            for each in judged:
                if each.quality != "NONE" and each.reason:
                    at, other = steps[arrival].at, str(each.advocate_id)
                    add("FRIEND", each.program, each.campaign, each.touch_at or at, at, reason=each.reason, related_person_id=other)
    return sorted(parts.values(), key=lambda part: (-part.since, part.name, part.campaign))


def _campaign_of(store: Store, account: int, program: str, at: Millis) -> str:
    """The program's campaign that was live then, else any of it."""
    programs = store.programs.get(account)
    own = [each for each in programs.campaigns.values() if each.program == program] if programs is not None else []
    live = [each.id for each in own if each.state_at(at) == "LIVE"]
    return next(iter((*live, *(each.id for each in own))), "")


# -- journeys and judgements -------------------------------------------------------------------------------------------------------


def journey_of(store: Store, account: int, profile: Profile) -> Journey | None:
    """A person's journey, joined with those of merged profiles as judging them would."""
    found = journeys_of(store, account, numbers_of(profile))
    facts = Facts(referrals=ReferralFacts(journeys={ProfileId(number): journey for number, journey in found.items()}))
    return hearing.journey_of(profile, facts) if found else None


def journeys_of(store: Store, account: int, numbers: Iterable[int]) -> dict[int, Journey]:
    """Journeys by profile number, the first number's first; those of deleted people are gone."""
    wanted = list(dict.fromkeys(numbers))
    rows = store.refreshed(
        store.database.read(
            "SELECT j.profile_id, j.doc FROM carray(?) k CROSS JOIN journey j ON j.account_id = ? AND j.profile_id = k.value",
            (store.database.ints(wanted), account),
        )
    )
    docs: dict[int, bytes] = dict(rows)
    found = {}
    for number in wanted:
        key = store.keys.key(number) if number in docs else None
        if key is not None:
            found[number] = _journey(store.sealer.open_body(key, docs[number]))
    return found


def judgements(store: Store, account: int, arrivals: Sequence[int]) -> dict[int, list[Judgement]]:
    """How events were judged, by arrival, a judgement a campaign."""
    found: dict[int, list[Judgement]] = {}
    rows = store.database.read(
        f"SELECT {_JUDGEMENT} FROM carray(?) k CROSS JOIN judgement j ON j.account_id = ? AND j.arrival = k.value",
        (store.database.ints(sorted(set(arrivals))), account),
    )
    for row in rows:
        found.setdefault(row[0], []).append(_judged(row))
    return found


def judgement(store: Store, account: int, arrival: int, campaign: str) -> Judgement | None:
    """How an event was judged in a campaign."""
    return next((each for each in judgements(store, account, (arrival,)).get(arrival, ()) if each.campaign == campaign), None)


def _judged(row: Row) -> Judgement:
    rest: dict[str, Any] = {"rules": read_rules(row[-1])}
    return Judgement(*row[:-1], **rest)


def reviews(store: Store, account: int, state: ReviewState, campaign: str | None, limit: int, offset: int = 0) -> list[Judgement]:
    """Judgements that wait for a person, or that a person decided, the oldest first."""
    narrowed, values = ("AND j.campaign_id = ?", (campaign,)) if campaign else ("", ())
    rows = store.database.read(
        f"SELECT {_JUDGEMENT} FROM judgement j WHERE j.account_id = ? AND j.review = ? AND j.review <> '' {narrowed}"
        " ORDER BY j.judged_at, j.arrival, j.campaign_id LIMIT ? OFFSET ?",
        (account, state, *values, limit, offset),
    )
    return [_judged(row) for row in rows]


# -- links, clicks, rewards --------------------------------------------------------------------------------------------------------


def links_of(store: Store, account: int, profile: Profile) -> list[Shareable]:
    """A person's share links, oldest first."""
    found = []
    for number in numbers_of(profile):
        key = store.keys.key(number)
        rows = store.database.read("SELECT body FROM shareable WHERE account_id = ? AND profile_id = ?", (account, number))
        found += [_shareable(store.sealer.open_body(key, body)) for (body,) in rows if key is not None and body]
    return sorted(found, key=lambda link: (link.created_at, link.code))


def clicks(store: Store, account: int, ids: Iterable[str]) -> dict[str, Click]:
    """Clicks by id. `code` is the link's, as long as its owner is there."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    rows = store.database.read(
        "SELECT x.id, x.at, x.advocate_id, x.program, x.campaign_id, x.counted, x.evidence, s.profile_id, s.body FROM carray(?) k"
        " CROSS JOIN click x ON x.account_id = ?2 AND x.id = k.value"
        " LEFT JOIN shareable s ON s.account_id = ?2 AND s.code = x.code",
        (store.database.texts(wanted), account),
    )
    found = {}
    for id, at, advocate, program, campaign, counted, evidence, owner, body in store.refreshed(rows):
        key = store.keys.key(owner) if owner and body else None
        code = _shareable(store.sealer.open_body(key, body)).code if key is not None else ""
        found[id] = Click(id, at, ProfileId(advocate), program, campaign, code, _evidence(evidence), bool(counted))
    return found


def count_clicks(store: Store, account: int, profile: Profile) -> tuple[Counted, Millis | None]:
    """How often a person's links were followed, and when last."""
    count, last = 0, None
    for number in numbers_of(profile):
        ((some, latest),) = store.database.read(
            "SELECT count(*), max(at) FROM (SELECT at FROM click WHERE account_id = ? AND advocate_id = ? ORDER BY at DESC LIMIT ?) newest",
            (account, number, COUNT_MAX + 1 - min(count, COUNT_MAX)),
        )
        count += some
        last = max(filter(None, (last, latest)), default=None)
    return Counted(min(count, COUNT_MAX), count > COUNT_MAX), last


def rewards_of(store: Store, account: int, profile: Profile, limit: int) -> list[Reward]:
    """Rewards that a person received or that their own events earned for others, newest first."""
    found: dict[int, Reward] = {}
    for number in numbers_of(profile):
        for column in ("profile_id", "journey_id"):
            sql = f"SELECT {REWARD} FROM reward r WHERE r.account_id = ? AND r.{column} = ? ORDER BY r.id DESC LIMIT ?"
            for row in store.refreshed(store.database.read(sql, (account, number, limit))):
                found[row[0]] = read_reward(store, row)
    return sorted(found.values(), key=lambda reward: -reward.id)[:limit]


def transitions(store: Store, account: int, rewards: Iterable[Reward]) -> dict[int, list[Transition]]:
    """The moves of rewards, in order. What a person wrote with one is sealed with the recipient's key, and gone with it."""
    numbers = {reward.id: reward.profile_id for reward in rewards}
    found: dict[int, list[Transition]] = {number: [] for number in numbers}
    for number, seq, at, before, after, success, message, by, cause, sealed in store.database.read(
        "SELECT t.reward_id, t.seq, t.at, t.before, t.after, t.success, t.message, t.by, t.cause, t.detail FROM carray(?) k"
        " CROSS JOIN reward_transition t ON t.account_id = ? AND t.reward_id = k.value ORDER BY t.reward_id, t.seq",
        (store.database.ints(sorted(numbers)), account),
    ):
        key = store.keys.key(numbers[number]) if sealed and not message else None
        written = _detail(store.sealer.open_body(key, sealed)).get("message", "") if key is not None else ""
        said = message or str(written)
        found[number].append(Transition(number, numbers[number], seq, at, before, after, bool(success), said, by, cause))
    return found
