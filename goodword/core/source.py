"""The way back: what happened in a program as identify and track calls of a CDP's HTTP API (domain 0, "Reverse direction").

`referred` when a person shared, `registered`, `purchased`, and `was_referred` when an advocate was recognised. `userId` is the
partner_user_id, `anonymousId` the person's id. Ids of messages follow from the event, so that a CDP counts a repeat once.

A CDP hands these calls on to its destinations, Goodword among them. Goodword knows its own again, by the library's name or by the message
id, and drops them (`Message.is_own`). `integrations` also asks the CDP not to send them here in the first place.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from goodword.core.delivery import TEST, Kind
from goodword.core.message import OWN_ID_PREFIX, OWN_LIBRARY
from goodword.core.times import Millis, write_time

SEGMENT_URL = "https://api.segment.io/v1"
_NAMES = {
    "share.created": ("referred", "ADVOCATE"),
    "registration.recorded": ("registered", "FRIEND"),
    "conversion.recorded": ("purchased", "FRIEND"),
    "referral.attributed": ("was_referred", "FRIEND"),
    TEST: ("goodword_test", ""),
}
_PROPERTIES = {
    "email": "email",
    "channel": "channel",
    "campaign_id": "campaign",
    "program": "program",
    "recipients": "friend_count",
    "advocate_partner_user_id": "advocate_user_id",
    "cart_value": "cart_value",
    "currency": "currency",
    "partner_conversion_id": "partner_conversion_id",
    "coupon_code": "coupon_code",
    "reason": "reason",
    "quality": "quality",
}
"""Fields of payloads, and what CDPs call them here."""
_TRAITS = ("email", "first_name", "last_name")


def calls_of(event_type: str, event_id: str, at: Millis, payload: dict[str, Any], version: str) -> list[dict[str, Any]]:
    """An event's calls: identify for a person who is known by more than a number, then track. None for what a CDP is not told."""
    named = _NAMES.get(event_type)
    if named is None:
        return []
    name, funnel = named
    shared: dict[str, Any] = {
        "anonymousId": str(payload.get("person_id") or "goodword-test"),
        "timestamp": payload.get("event_time") or write_time(at),
        "context": {"library": {"name": OWN_LIBRARY, "version": version}},
        "integrations": {"All": True, "Goodword": False, "Extole Platform": False},
    }
    user_id = payload.get("partner_user_id")
    if user_id:
        shared["userId"] = user_id
    calls: list[dict[str, Any]] = []
    traits = {trait: payload[trait] for trait in _TRAITS if payload.get(trait)}
    if user_id or traits:
        calls.append({"type": "identify", "messageId": f"{OWN_ID_PREFIX}{event_id}:identify", "traits": traits, **shared})
    properties = {theirs: payload[ours] for ours, theirs in _PROPERTIES.items() if payload.get(ours) not in (None, "", [])}
    if funnel:
        properties["funnel"] = funnel
    calls.append({"type": "track", "event": name, "messageId": f"{OWN_ID_PREFIX}{event_id}:track", "properties": properties, **shared})
    return calls


def batch_url(kind: Kind, url: str) -> str:
    """Where a CDP takes batches: its address as given, with the path it lacks. Segment's own address need not be given."""
    if kind == "webhook":
        return url
    url = url.strip().rstrip("/") or (SEGMENT_URL if kind == "segment" else "")
    parts = urlsplit(url)
    if parts.query or parts.path.endswith("/batch") or not parts.netloc:
        return url
    return url + ("/batch" if parts.path.endswith("/v1") else "/v1/batch")
