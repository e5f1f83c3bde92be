"""Who referred whom, by the server API, as one of the two sees it."""

from __future__ import annotations

from itertools import islice
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from goodword.api.openapi import Parameter
from goodword.api.server.call import PAGE, Call, Endpoint, endpoint, listed
from goodword.api.server.errors import ServerRefusal
from goodword.api.server.person import KeyName
from goodword.core.account import Right
from goodword.core.referral import Reason
from goodword.core.times import write_time
from goodword.storage.query import referral
from goodword.storage.query.event import PRODUCTION, containers_at
from goodword.storage.query.message import event_ids

ROLES = ("ADVOCATE", "FRIEND")


class OtherPerson(Struct):
    """The person on the other side. Of someone deleted only the id is left."""

    id: str
    identity_key: KeyName
    identity_key_value: str | UnsetType = UNSET


class RelationshipAnswer(Struct):
    """A referral. `reason` says how the friend is known to come by the advocate; `displaced`: a later referral took its place."""

    id: str
    my_role: Literal["ADVOCATE", "FRIEND"]
    other_person_id: str
    other_person: OtherPerson
    program: str
    campaign_id: str
    container: str
    cause_event_id: str
    root_event_id: str
    created_date: str
    updated_date: str
    reason: Reason
    displaced: bool
    data: dict[str, Any] = field(default_factory=dict)
    displaced_date: str | UnsetType = UNSET


async def list_all(call: Call) -> list[RelationshipAnswer]:
    """`GET /v5/persons/{person_id}/relationships`: newest first."""
    profile = call.person()
    offset, limit = call.page()
    roles = frozenset(role.upper() for role in call.values("my_roles"))
    if not roles <= set(ROLES):
        raise ServerRefusal("invalid_parameter", "my_roles are ADVOCATE and FRIEND.", parameter="my_roles")
    wanted = referral.RelationshipFilter(
        roles,
        frozenset(call.values("programs")),
        frozenset(call.values("campaign_ids")),
        call.flag("exclude_anonymous") or False,
        call.flag("include_duplicate_identities") or False,
        call.flag("include_self_referrals") or False,
    )
    containers = frozenset(call.values("containers"))
    if call.values("data_keys") or call.values("data_values"):
        return []  # relationships have no data of their own
    found = referral.relationships(call.store, call.account, profile, wanted)
    if containers:
        found = (each for each in found if _containers(call, [each])[each.relationship.cause] in containers)
    page = list(islice(found, offset, offset + limit))
    names = event_ids(call.store, call.account, (each.relationship.cause for each in page))
    places = _containers(call, page)
    return [_shown(each, names.get(each.relationship.cause, ""), places[each.relationship.cause]) for each in page]


def _containers(call: Call, page: list[referral.Related]) -> dict[int, str]:
    causes = [each.relationship.cause for each in page]
    return dict.fromkeys(causes, PRODUCTION) | containers_at(call.store, call.account, causes)


def _shown(each: referral.Related, cause: str, container: str) -> RelationshipAnswer:
    row, other = each.relationship, each.other
    email = other.email if other is not None else None
    shown = OtherPerson(str(each.other_id), KeyName(), email if email is not None else UNSET)
    answer = RelationshipAnswer(
        id=f"{row.friend_id}-{row.advocate_id}-{row.program}",
        my_role=each.my_role,
        other_person_id=shown.id,
        other_person=shown,
        program=row.program,
        campaign_id=row.campaign,
        container=container,
        cause_event_id=cause,
        root_event_id=cause,
        created_date=write_time(row.at),
        updated_date=write_time(row.updated_at),
        reason=row.reason,
        displaced=row.displaced_at is not None,
    )
    if row.displaced_at is not None:
        answer.displaced_date = write_time(row.displaced_at)
    return answer


_FLAG = {"type": "boolean", "default": False}

ENDPOINTS: list[Endpoint] = [
    endpoint(
        "GET", "/v5/persons/{person_id}/relationships", "People", "Whom a person referred, and who referred them, newest first", list_all,
        Right.READ, list[RelationshipAnswer],
        description="Of each other person the latest only, in each role. Someone deleted stays as an id without an `identity_key_value`.",
        query=(
            listed("my_roles", "Only where the person is this.", {"type": "string", "enum": list(ROLES)}),
            listed("containers", "Only of these containers."),
            listed("programs", "Only of these programs."),
            listed("campaign_ids", "Only of these campaigns."),
            listed("data_keys", "Only with any of these data, which relationships do not have."),
            listed("data_values", "Only with any of these values."),
            Parameter("exclude_anonymous", "Without people known by a device alone, or deleted.", _FLAG),
            Parameter("include_duplicate_identities", "Every relationship with the same other person.", _FLAG),
            Parameter("include_self_referrals", "Also those of a person with themselves.", _FLAG),
            *PAGE,
        ),
    ),
]  # fmt: skip
