"""Deliveries: what is announced to endpoints, from the outbox, and when a failed one is tried again (domain 7.1)."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from goodword.core.profile import ProfileId
from goodword.core.times import Millis

RETRY_S = (1, 3_600, 10_800, 43_200, 43_200)
EVENT_TYPES = (
    *("reward.earned", "reward.fulfilled", "reward.fulfillment_failed", "reward.sent", "reward.redeemed"),
    *("reward.failed", "reward.canceled", "reward.revoked", "reward.expired"),
    *("share.created", "click.recorded", "registration.recorded", "conversion.recorded", "referral.attributed"),
    *("identity.merged", "person.deleted", "supplier.low_balance"),
)


class Endpoint(Struct, frozen=True, omit_defaults=True):
    """A receiver. `kind` webhook gets events as they are; segment and rudderstack get identify and track calls. `secret` is kept sealed.

    Filters: empty means everything; OR inside a filter, AND across filters.
    """

    id: str
    url: str
    secret: str = ""
    kind: Literal["webhook", "segment", "rudderstack"] = "webhook"
    name: str = ""
    signature: Literal["standard", "hmac_sha256"] = "standard"
    event_types: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    suppliers: list[str] = field(default_factory=list)
    campaigns: list[str] = field(default_factory=list)
    retry_s: list[int] = field(default_factory=lambda: list(RETRY_S))
    enabled: bool = True
    paused_at: Millis | None = None
    paused_why: str = ""
    created_at: Millis = 0
    updated_at: Millis = 0


class Announcement(Struct, frozen=True):
    """Something that happened, for whoever subscribed: a record of a decision. It becomes a delivery to each endpoint that wants it.

    `profile_id` is the person it is about, whose key seals the body (None: nobody). `payload` is JSON values.
    """

    event_type: str
    event_id: str
    at: Millis
    profile_id: ProfileId | None
    payload: dict[str, Any]


class Attempt(Struct, frozen=True):
    """One HTTP try. `state` and `next_at` are the delivery's from now on: `waiting` until next_at, `delivered`, `dead`."""

    delivery_id: int
    endpoint: str
    at: Millis
    millis: int
    status: int | None
    error: str
    number: int
    state: Literal["waiting", "delivered", "dead"]
    next_at: Millis | None
    profile_id: ProfileId | None
    request: dict[str, Any] = field(default_factory=dict)
    response: dict[str, Any] = field(default_factory=dict)


def is_wanted(announcement: Announcement, endpoint: Endpoint) -> bool:
    """Whether an endpoint subscribed to something: OR inside a filter, AND across filters, an empty filter lets all pass."""
    payload = announcement.payload
    return (
        endpoint.enabled
        and _passes(endpoint.event_types, announcement.event_type)
        and _passes(endpoint.states, payload.get("state"))
        and _passes(endpoint.suppliers, payload.get("reward_supplier_id"))
        and _passes(endpoint.campaigns, payload.get("campaign_id"))
    )


def _passes(wanted: list[str], said: object) -> bool:
    return not wanted or said in wanted
