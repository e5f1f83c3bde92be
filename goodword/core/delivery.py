"""Deliveries: what is announced to endpoints, from the outbox, and when a failed one is tried again (domain 7.1)."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from goodword.core.profile import Profile, ProfileId
from goodword.core.times import Millis, write_time

RETRY_S = (1, 3_600, 10_800, 43_200, 43_200)
RETRIES_MAX = 20
RETRY_S_MAX = 7 * 24 * 3_600
JITTER = 0.2
RETRY_AFTER_S_MAX = 24 * 3_600
FAILING_MS_MAX = 5 * 24 * 3_600_000
OLD_SECRET_MS = 24 * 3_600_000
TEST = "webhook.test"
"""What a test call sends, to the one endpoint it names; tried once."""
EVENT_TYPES = (
    *("reward.earned", "reward.fulfilled", "reward.fulfillment_failed", "reward.sent", "reward.redeemed"),
    *("reward.failed", "reward.canceled", "reward.revoked", "reward.expired", "reward.overdue"),
    *("share.created", "click.recorded", "registration.recorded", "conversion.recorded", "referral.attributed"),
    *("identity.merged", "person.deleted", "supplier.low_balance", "supplier.limit_passed"),
)
SOURCE_TYPES = ("share.created", "registration.recorded", "conversion.recorded", "referral.attributed")
"""What a CDP is told (core/source.py): a way back gets no others."""

Kind = Literal["webhook", "segment", "rudderstack"]
Signature = Literal["standard", "hmac_sha256"]
DeliveryState = Literal["waiting", "delivered", "dead"]


class Endpoint(Struct, frozen=True, omit_defaults=True):
    """A receiver. `kind` webhook gets events as they are; segment and rudderstack get identify and track calls. `secret` is kept sealed:
    the signing secret, or a CDP's write key; `old_secret` signs besides until `old_until`, after a rotation.

    Filters: empty means everything; OR inside a filter, AND across filters. `tags` are its own, `supplier_tags` a filter. What happens
    while an endpoint is paused is owed to it all the same; while it is not enabled, nothing new is.
    """

    id: str
    url: str
    secret: str = ""
    kind: Kind = "webhook"
    name: str = ""
    description: str = ""
    tags: list[str] = field(default_factory=list)
    signature: Signature = "standard"
    event_types: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    suppliers: list[str] = field(default_factory=list)
    supplier_tags: list[str] = field(default_factory=list)
    campaigns: list[str] = field(default_factory=list)
    retry_s: list[int] = field(default_factory=lambda: list(RETRY_S))
    enabled: bool = True
    paused_at: Millis | None = None
    paused_why: str = ""
    created_at: Millis = 0
    updated_at: Millis = 0
    old_secret: str = ""
    old_until: Millis = 0

    @property
    def is_served(self) -> bool:
        """Whether what it is owed is sent."""
        return self.enabled and self.paused_at is None

    @property
    def state(self) -> Literal["active", "paused", "disabled"]:
        """In a word."""
        return "disabled" if not self.enabled else "active" if self.paused_at is None else "paused"


class Health(Struct, frozen=True):
    """How an endpoint has answered: since when nothing but failures, and when it last did and did not take a delivery."""

    endpoint: str
    failing_since: Millis | None = None
    succeeded_at: Millis | None = None
    failed_at: Millis | None = None


class Announcement(Struct, frozen=True):
    """Something that happened, for whoever subscribed: a record of a decision. It becomes a delivery to each endpoint that wants it.

    `profile_id` is the person it is about, whose key seals the body (None: nobody). A payload that names a second person says who in
    `other_id`: the body is sealed with both keys, and goes when either is deleted. `endpoint`: to this one alone. `payload` is JSON values.
    """

    event_type: str
    event_id: str
    at: Millis
    profile_id: ProfileId | None
    payload: dict[str, Any]
    other_id: ProfileId | None = None
    endpoint: str = ""


class Attempt(Struct, frozen=True):
    """One HTTP try. `state` and `next_at` are the delivery's from now on: `waiting` until next_at, `delivered`, `dead`."""

    delivery_id: int
    endpoint: str
    at: Millis
    millis: int
    status: int | None
    error: str
    number: int
    state: DeliveryState
    next_at: Millis | None
    profile_id: ProfileId | None
    request: dict[str, Any] = field(default_factory=dict)
    response: dict[str, Any] = field(default_factory=dict)
    other_id: ProfileId | None = None


def merged_announced(gone: Profile, target: Profile, now: Millis) -> Announcement:
    """A profile became part of another: from now on both ids find the one."""
    payload = {
        "person_id": str(target.id),
        "partner_user_id": target.user_id,
        "merged_person_id": str(gone.id),
        "merged_partner_user_id": gone.user_id,
    }
    return Announcement("identity.merged", f"merged-{gone.id}", now, target.id, payload)


def deleted_announced(erasure_id: str, now: Millis, arrival: int) -> Announcement:
    """A person was deleted. It is about nobody and names nobody: whoever asked for it knows the erasure's id."""
    payload = {"erasure_id": erasure_id, "deleted_at": write_time(now)}
    return Announcement("person.deleted", f"deleted-{arrival}", now, None, payload)


def is_wanted(announcement: Announcement, endpoint: Endpoint) -> bool:
    """Whether an endpoint subscribed to something: OR inside a filter, AND across filters, an empty filter lets all pass."""
    if announcement.endpoint:
        return announcement.endpoint == endpoint.id
    payload, event_type = announcement.payload, announcement.event_type
    return (
        endpoint.enabled
        and (endpoint.kind == "webhook" or event_type in SOURCE_TYPES)
        and _passes(endpoint.event_types, event_type)
        and _passes(endpoint.states, event_type[7:].upper() if event_type.startswith("reward.") else None)
        and _passes(endpoint.suppliers, payload.get("reward_supplier_id"))
        and (not endpoint.supplier_tags or not set(endpoint.supplier_tags).isdisjoint(payload.get("reward_supplier_tags", ())))
        and _passes(endpoint.campaigns, payload.get("campaign_id"))
    )


def _passes(wanted: list[str], said: object) -> bool:
    return not wanted or said in wanted


def next_try(
    endpoint: Endpoint, event_type: str, tries: int, now: Millis, dice: float, retry_after_s: int | None = None
) -> tuple[DeliveryState, Millis | None]:
    """A delivery's state after its `tries`-th failure in a row, and when the next try is due. `dice` is from 0 to 1: the jitter, up to
    a fifth more. A receiver that says Retry-After is not asked before that, for a day at the most."""
    if event_type == TEST or tries > len(endpoint.retry_s):
        return "dead", None
    wait_s = endpoint.retry_s[tries - 1] * (1 + JITTER * dice)
    wait_s = max(wait_s, min(retry_after_s or 0, RETRY_AFTER_S_MAX))
    return "waiting", now + int(wait_s * 1_000)


def is_success(endpoint: Endpoint, status: int | None) -> bool:
    """Whether a status means that the receiver has it: any 2xx; for the body signature of domain 7.1, whose contract says so, 200 alone."""
    return status is not None and (status == 200 or (200 < status < 300 and endpoint.signature == "standard"))
