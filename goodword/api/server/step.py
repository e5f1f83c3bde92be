"""What a person did, and how it was learned who they are, by the server API: their events, and their identity's history."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from goodword.api.openapi import Parameter
from goodword.api.server.call import PAGE, Call, Endpoint, endpoint, listed
from goodword.core.account import ParameterScope, Right
from goodword.core.money import write_money
from goodword.core.profile import Change, Profile
from goodword.core.referral import Click, Judgement, Touch
from goodword.core.times import Millis, write_time
from goodword.storage.query import event as events
from goodword.storage.query import person as people
from goodword.storage.query import referral

CHUNK = 100
SHARE_CLICKED = "share_clicked"
KEY_NAMES = {"u": "partner_user_id", "e": "email", "a": "anonymous_id"}


class StepValue(Struct):
    """A property of an event."""

    name: str
    value: Any
    scope: ParameterScope = "PRIVATE"


class StepAnswer(Struct):
    """An event of a person, or (`share_clicked`) a click on a share link that is known to be theirs. `name` is the canonical name,
    `event_name` the name it was sent under; `event_date` is when it happened, `created_date` when it came. A duplicate has the key of an
    earlier event and counts for nothing. `quality` is the verdict of the campaign it counts in; NONE where it counts in none."""

    id: str
    event_id: str
    root_event_id: str
    cause_event_id: str
    name: str
    event_name: str
    event_date: str
    created_date: str
    updated_date: str
    data: dict[str, StepValue]
    is_duplicate: bool
    container: str
    campaign_id: str = ""
    program: str = ""
    journey_name: str = ""
    journey_key: dict[str, str] = field(default_factory=dict)
    is_primary: bool = True
    quality: Literal["HIGH", "LOW", "NONE"] = "NONE"
    scope: ParameterScope = "PRIVATE"


class HistoryAnswer(Struct):
    """A change of who a person is. IDENTITY_SHIFT: keys were added or people became one. SPLIT_LOSER: a key stayed with, or went
    to, another person, the winner. `reason` is Goodword's own word for it."""

    type: Literal["IDENTITY_SHIFT", "SPLIT_LOSER"]
    log_date: str
    old_identity_key_name: str
    old_identity_key_value: str
    reason: str
    identity_shape_shift_type: str | UnsetType = UNSET
    identity_profile_update_version: int | UnsetType = UNSET
    losing_identity_key_value: str | UnsetType = UNSET
    winning_identity_id: str | UnsetType = UNSET
    winning_identity_key_name: str | UnsetType = UNSET
    winning_identity_key_value: str | UnsetType = UNSET


async def steps(call: Call) -> list[StepAnswer]:
    """`GET /v5/persons/{person_id}/steps`: newest first."""
    profile = call.person()
    offset, limit = call.page()
    ids = [_event_id(text) for name in ("event_ids", "cause_event_ids", "root_event_ids") for text in call.values(name)]
    wanted = events.EventFilter(
        frozenset(name.casefold() for name in call.values("names")),
        frozenset(ids),
        frozenset(call.values("data_keys")),
        frozenset(call.values("containers")),
        call.flag("include_duplicates") or False,
    )
    # every step is primary, and journeys have no keys: who asks for others gets none
    if call.flag("is_primary") is False or call.values("journey_key_names") or call.values("journey_key_values"):
        return []
    found = heapq.merge(_events(call, profile, wanted), _clicks(call, profile, wanted), key=lambda each: each[0], reverse=True)
    return [step for _, step in islice((each for each in found if _is_of(call, each[1])), offset, offset + limit)]


def _events(call: Call, profile: Profile, wanted: events.EventFilter) -> Iterator[tuple[Millis, StepAnswer]]:
    """Events as steps, with how they were judged, newest arrival first."""
    found = events.stream_of(call.store, call.account, profile, wanted)
    while chunk := list(islice(found, CHUNK)):
        judged = referral.judgements(call.store, call.account, [event.arrival for event in chunk])
        for event in chunk:
            yield event.received_at, _step(event, _best(call, judged.get(event.arrival, [])))


def _clicks(call: Call, profile: Profile, wanted: events.EventFilter) -> Iterator[tuple[Millis, StepAnswer]]:
    """The clicks that are known to be the person's, as steps."""
    if (wanted.names and SHARE_CLICKED not in wanted.names) or (wanted.containers and events.PRODUCTION not in wanted.containers):
        return
    journey = referral.journey_of(call.store, call.account, profile)
    touches = {touch.ref: touch for touch in journey.touches} if journey is not None else {}
    clicks = referral.clicks(call.store, call.account, touches)
    for id in sorted(clicks, key=lambda id: -touches[id].known_at):
        step = _click(clicks[id], touches[id])
        ids = (id.encode(), id)
        if (not wanted.ids or not wanted.ids.isdisjoint(ids)) and (not wanted.data_keys or wanted.data_keys & step.data.keys()):
            yield touches[id].known_at, step


def _click(click: Click, touch: Touch) -> StepAnswer:
    said = {"code": click.code, "related_person_id": str(click.advocate_id), "country": click.evidence.country}
    known = write_time(touch.known_at)
    return StepAnswer(
        id=click.id,
        event_id=click.id,
        root_event_id=click.id,
        cause_event_id=click.id,
        name=SHARE_CLICKED,
        event_name=SHARE_CLICKED,
        event_date=write_time(click.at),
        created_date=known,
        updated_date=known,
        data={name: StepValue(name, value) for name, value in said.items() if value},
        is_duplicate=False,
        container=events.PRODUCTION,
        campaign_id=click.campaign,
        program=click.program,
        journey_name="FRIEND",
        quality="HIGH" if click.is_counted else "LOW",
    )


_QUALITIES = ("HIGH", "LOW", "NONE")


def _best(call: Call, judged: list[Judgement]) -> Judgement | None:
    """Of an event's judgements the one that its step shows: of the campaigns and programs asked for, the best."""
    campaigns, programs = call.values("campaign_ids"), call.values("programs")
    found = [
        each
        for each in judged
        if (not campaigns or each.campaign in campaigns) and (not programs or each.program in programs) and each.quality != "NONE"
    ]
    return min(found, key=lambda each: (_QUALITIES.index(each.quality), not each.reason, each.campaign), default=None)


def _is_of(call: Call, step: StepAnswer) -> bool:
    asked = (("campaign_ids", step.campaign_id), ("programs", step.program), ("journey_names", step.journey_name))
    return all(not (values := call.values(name)) or value in values for name, value in asked)


def _event_id(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return text.encode("utf-8", "replace")


def _step(event: events.StoredEvent, judged: Judgement | None) -> StepAnswer:
    number = event.id.hex()
    properties = event.properties if isinstance(event.properties, dict) else {"value": event.properties}
    data = {name: StepValue(name, value) for name, value in properties.items() if value is not None}
    if event.amount is not None and event.currency and "cart_value" not in data:
        data["cart_value"] = StepValue("cart_value", write_money(event.amount, event.currency))
    received = write_time(event.received_at)
    answer = StepAnswer(
        id=number,
        event_id=number,
        root_event_id=number,
        cause_event_id=number,
        name=event.name,
        event_name=event.sent_name,
        event_date=write_time(event.at),
        created_date=received,
        updated_date=received,
        data=data,
        is_duplicate=event.duplicate_of is not None,
        container=events.container_of(event),
    )
    if judged is not None:
        answer.campaign_id, answer.program, answer.quality = judged.campaign, judged.program, judged.quality
        answer.journey_name = "FRIEND" if judged.reason else ""
    return answer


async def identity_history(call: Call) -> list[HistoryAnswer]:
    """`GET /v5/persons/{person_id}/identity-history`: oldest first."""
    profile = call.person()
    others = people.find_many(call.store, call.account, [change.other for change in profile.changes])
    return [_history(change, profile, others.get(change.other)) for change in profile.changes]


def _history(change: Change, profile: Profile, other: Profile | None) -> HistoryAnswer:
    name, value = KEY_NAMES.get(change.key[:1], ""), change.key[1:]
    answer = HistoryAnswer("IDENTITY_SHIFT", write_time(change.at), name, value, change.kind)
    if change.kind in ("conflict", "device_moved"):
        answer.type = "SPLIT_LOSER"
        answer.losing_identity_key_value = value
        answer.winning_identity_id = str(change.other)
        answer.winning_identity_key_name = "email"
        answer.winning_identity_key_value = (other.email if other is not None else None) or ""
        return answer
    shift = {"email_added": "DEVICE_AND_IDENTITY_WITH_KEY", "user_id_added": "IDENTITY_WITH_KEY"}
    merged = "DEVICE_AND_IDENTITY_MERGED" if name == "anonymous_id" else "IDENTITY_MERGED"
    answer.identity_shape_shift_type = shift.get(change.kind, merged)
    answer.identity_profile_update_version = min(profile.version, (1 << 31) - 1)
    return answer


_STEP_FILTERS = (
    listed("names", "Only events of these names, in any case."),
    listed("event_ids", "Only these events."),
    listed("cause_event_ids", "Only events these caused."),
    listed("root_event_ids", "Only events whose chain starts with these."),
    listed("data_keys", "Only events with any of these properties."),
    listed("containers", "Only events of these containers."),
    listed("campaign_ids", "Only events of these campaigns."),
    listed("programs", "Only events of these programs."),
    listed("journey_names", "Only events of these journeys."),
    listed("journey_key_names", "Only events of journeys with these keys."),
    listed("journey_key_values", "Only events of journeys with these key values."),
)
_FLAGS = (
    Parameter("is_primary", "Only events under their canonical name, which all are.", {"type": "boolean"}),
    Parameter("include_duplicates", "Also events that repeat an earlier one.", {"type": "boolean", "default": False}),
)

ENDPOINTS: list[Endpoint] = [
    endpoint(
        "GET", "/v5/persons/{person_id}/steps", "People", "A person's events, newest first", steps, Right.READ, list[StepAnswer],
        description="Newest by arrival. Events of people merged into this one are theirs too. An event that several campaigns judged is"
        " shown with the best verdict, or with that of the campaign asked for; `GET /v5/persons/{person_id}/why` has all.",
        query=(*_STEP_FILTERS, *_FLAGS, *PAGE),
    ),
    endpoint(
        "GET", "/v5/persons/{person_id}/identity-history", "People", "How it was learned who a person is, oldest first", identity_history,
        Right.READ, list[HistoryAnswer],
    ),
]  # fmt: skip
