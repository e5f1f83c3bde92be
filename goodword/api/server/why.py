"""Why somebody was rewarded, or not, by the server API: the whole story of a person or an order, for support."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from goodword.api.openapi import Parameter
from goodword.api.server.call import Call, Endpoint, endpoint
from goodword.api.server.errors import ServerRefusal
from goodword.core.account import Right
from goodword.storage.query import moment, why

TEXT_CHARS_MAX = 512


class MomentAnswer(Struct):
    """Something that happened. `why` is a sentence to read to a customer, `data` has its facts."""

    at: str
    what: moment.What
    why: str
    data: dict[str, Any]


class StoryAnswer(Struct, omit_defaults=True):
    """A story. `summary` is the short answer. `advocate` is there for people who refer others: links, clicks, friends. `is_cut`: the
    person is busy, and only the newest is told."""

    found: Literal["person", "nobody", "deleted"]
    summary: str
    person: dict[str, Any] | None = None
    order: str | None = None
    moments: list[MomentAnswer] = []
    advocate: dict[str, Any] | None = None
    is_cut: bool = False


async def of_anyone(call: Call) -> dict[str, Any]:
    """`GET /v2/why`."""
    order, person, email = (call.query.get(name, "").strip() for name in ("order", "person", "email"))
    if sum(map(bool, (order, person, email))) != 1 or len(order or person or email) > TEXT_CHARS_MAX:
        raise ServerRefusal("invalid_parameter", "Say what to look for: one of person, email or order.", parameter="person")
    now = call.intake.engine.clock()
    if order:
        return why.as_json(why.why_order(call.store, call.account, order, now))
    # a plus sign that was not escaped arrives as a space, which no address has
    named = (person or email).replace(" ", "+") if "@" in (person or email) else person or email
    return why.as_json(why.why_person(call.store, call.account, named, now))


async def of_person(call: Call) -> dict[str, Any]:
    """`GET /v5/persons/{person_id}/why`."""
    return why.as_json(why.why_profile(call.store, call.account, call.person(), call.intake.engine.clock()))


_STORY = (
    "In time order: clicks, link-up, sign-up, orders, who is credited and why (and why others are not), every rule's verdict,"
    " rewards from state to state and what they wait for, cancellations, people's decisions. The other side of a referral is shown by the"
    " first letter and the domain of their address."
)

ENDPOINTS: list[Endpoint] = [
    endpoint(
        "GET", "/v2/why", "Reviews", "Why somebody was rewarded, or not", of_anyone, Right.READ, StoryAnswer,
        description=_STORY + " Somebody unknown or deleted is answered too: `found` says so.",
        query=(
            Parameter("person", "A user id, an e-mail address, an anonymous id or a person's id here."),
            Parameter("email", "An e-mail address."),
            Parameter("order", "An order's id, as the conversion was sent with."),
        ),
    ),
    endpoint(
        "GET", "/v5/persons/{person_id}/why", "Reviews", "Why a person was rewarded, or not", of_person, Right.READ, StoryAnswer,
        description=_STORY,
    ),
]  # fmt: skip
