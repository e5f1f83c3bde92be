"""A person's audiences by the server API. An audience's id is its name, the key under which it is received."""

from __future__ import annotations

from msgspec import Struct

from goodword.api.intake import new_id
from goodword.api.server.call import PAGE, Call, Endpoint, endpoint, listed, read_text
from goodword.api.server.errors import ServerRefusal
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.profile import Member
from goodword.core.times import write_time


class MembershipAnswer(Struct):
    """A person in an audience, since when, and as of which message."""

    audience_id: str
    audience_name: str
    created_date: str
    updated_date: str


class MembershipRequest(Struct):
    """The audience to join."""

    audience_id: str | int | None = None


def _shown(name: str, member: Member) -> MembershipAnswer:
    return MembershipAnswer(name, name, write_time(member.since), write_time(member.at))


async def list_all(call: Call) -> list[MembershipAnswer]:
    """`GET /v5/persons/{person_id}/memberships`: newest first."""
    profile = call.person()
    wanted = {*call.values("audience_ids"), *call.values("audience_names")}
    offset, limit = call.page()
    members = [(name, member) for name, member in profile.audiences.items() if member.is_member and (not wanted or name in wanted)]
    members.sort(key=lambda each: (-each[1].since, each[0]))
    return [_shown(name, member) for name, member in members[offset : offset + limit]]


async def add(call: Call) -> MembershipAnswer:
    """`POST /v5/persons/{person_id}/memberships`."""
    profile = call.person()
    audience = read_text(call.read(MembershipRequest).audience_id)
    if audience is None:
        raise ServerRefusal("missing_audience_id", "Say which audience: audience_id.")
    await call.ask(c.SetMembership(call.account, profile.id, audience, True, new_id()))
    return _shown(audience, call.person().audiences[audience])


async def remove(call: Call) -> MembershipAnswer:
    """`DELETE /v5/persons/{person_id}/memberships/{audience_id}`: answers what it was."""
    profile = call.person()
    audience = call.path["audience_id"]
    was = profile.audiences.get(audience)
    await call.ask(c.SetMembership(call.account, profile.id, audience, False, new_id()))
    if was is None:
        raise ServerRefusal("membership_not_found", "The person is not in this audience.")
    return _shown(audience, was)


_MEMBERSHIPS = "/v5/persons/{person_id}/memberships"
_REFUSED = "`person_not_identified`: only an identified person can be in an audience; `audience_not_found`"

ENDPOINTS: list[Endpoint] = [
    endpoint(
        "GET", _MEMBERSHIPS, "Audiences", "The audiences a person is in, newest first", list_all, Right.READ, list[MembershipAnswer],
        query=(listed("audience_ids", "Only these."), listed("audience_names", "Only these."), *PAGE),
    ),
    endpoint(
        "POST", _MEMBERSHIPS, "Audiences", "Add a person to an audience", add, Right.READ, MembershipAnswer, body=MembershipRequest,
        description=_REFUSED + "; `missing_audience_id`.",
    ),
    endpoint(
        "DELETE", _MEMBERSHIPS + "/{audience_id:path}", "Audiences", "Take a person out of an audience", remove, Right.READ,
        MembershipAnswer, description=_REFUSED + "; `membership_not_found`.", path_words={"audience_id": "The audience's id, its name."},
    ),
]  # fmt: skip
