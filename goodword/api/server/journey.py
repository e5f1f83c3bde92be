"""A person's journeys by the server API: as an advocate and as a friend, one a campaign. Made of links, relationships and judgements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct, field

from goodword.api.server.call import PAGE, Call, Endpoint, endpoint, listed
from goodword.core.account import ParameterScope, Right
from goodword.core.times import write_time
from goodword.storage.query import referral
from goodword.storage.query.event import PRODUCTION


class JourneyValue(Struct):
    """Something known of a journey."""

    name: str
    value: Any
    id: str = ""
    scope: ParameterScope = "CLIENT"


class JourneyAnswer(Struct):
    """A person's part in a campaign. `created_date` is when it began, `updated_date` when something last happened in it."""

    id: str
    name: Literal["ADVOCATE", "FRIEND"]
    program: str
    campaign_id: str
    container: str
    created_date: str
    updated_date: str
    key: dict[str, str] = field(default_factory=dict)
    data: dict[str, JourneyValue] = field(default_factory=dict)


async def list_all(call: Call) -> list[JourneyAnswer]:
    """`GET /v5/persons/{person_id}/journeys`: the newest first."""
    profile = call.person()
    offset, limit = call.page()
    found = [_shown(profile.id, part) for part in referral.parts_of(call.store, call.account, profile)]
    wanted: dict[str, Callable[[JourneyAnswer], set[str]]] = {
        "ids": lambda each: {each.id},
        "names": lambda each: {each.name},
        "programs": lambda each: {each.program},
        "campaign_ids": lambda each: {each.campaign_id},
        "containers": lambda each: {each.container},
        "data_keys": lambda each: set(each.data),
        "data_values": lambda each: {str(value.value) for value in each.data.values()},
        "key_names": lambda each: set(each.key),
        "key_values": lambda each: set(each.key.values()),
    }
    for name, values_of in wanted.items():
        values = set(call.values(name))
        if values:
            found = [each for each in found if values & values_of(each)]
    return found[offset : offset + limit]


def _shown(number: int, part: referral.Part) -> JourneyAnswer:
    data = {name: JourneyValue(name, value, name) for name, value in part.data.items() if value}
    return JourneyAnswer(
        f"{number}-{part.name.lower()}-{part.program}-{part.campaign}",
        part.name,
        part.program,
        part.campaign,
        PRODUCTION,
        write_time(part.since),
        write_time(part.last),
        data=data,
    )


ENDPOINTS: list[Endpoint] = [
    endpoint(
        "GET", "/v5/persons/{person_id}/journeys", "People", "A person's journeys, the newest first", list_all, Right.READ,
        list[JourneyAnswer],
        description="`ADVOCATE` from their first link or friend on, `FRIEND` from the first click or naming on; one a campaign."
        " Journeys have no keys yet: who asks for those with one gets none.",
        query=(
            listed("ids", "Only these."),
            listed("names", "Only these.", {"type": "string", "enum": ["ADVOCATE", "FRIEND"]}),
            listed("programs", "Only of these programs."),
            listed("campaign_ids", "Only of these campaigns."),
            listed("containers", "Only of these containers."),
            listed("key_names", "Only with these keys."),
            listed("key_values", "Only with these values of keys."),
            listed("data_keys", "Only with any of these data."),
            listed("data_values", "Only with any of these values."),
            *PAGE,
        ),
    ),
]  # fmt: skip
