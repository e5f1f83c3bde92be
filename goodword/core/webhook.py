"""Webhooks on the wire: the body an endpoint gets, and how it is signed.

`standard` follows Standard Webhooks: `webhook-signature: v1,<base64 of HMAC-SHA256 over "id.timestamp.body">`, a second signature after
a space while an old secret still counts. `hmac_sha256` follows domain 7.1: `X-Extole-Signature`, the lower-case hexadecimal HMAC-SHA256 of
the exact body, with the secret's own text as the key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

from goodword.core.delivery import TEST, Endpoint, Signature
from goodword.core.times import Millis, write_time

SCHEMA_VERSION = 1
SECRET_PREFIX = "whsec_"  # noqa: S105 # it is not one
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64
SHARED = ("type", "event_id", "event_time", "schema_version")
"""In every payload."""
_REWARD = (
    *("reward_id", "reward_supplier_id", "reward_supplier_name", "reward_supplier_type", "partner_reward_supplier_id", "person_id"),
    *("partner_user_id", "face_value", "face_value_type", "state", "campaign_id", "message", "data", "reward_supplier_tags"),
)
_EVENT = ("event_name", "message_id", "person_id", "partner_user_id", "email")
_NAMES = ("first_name", "last_name")
_OPTIONAL = frozenset((
    *("reward_supplier_tags", "partner_reward_id", "email", "partner_event_id", "cart_value", "currency", "partner_conversion_id"),
    *("coupon_code", *_NAMES),
))  # fmt: skip
FIELDS: dict[str, tuple[str, ...]] = {
    "reward.earned": (*_REWARD, "partner_reward_id"),
    "reward.fulfilled": (*_REWARD, "partner_reward_id"),
    "reward.fulfillment_failed": _REWARD,
    "reward.sent": (*_REWARD, "partner_reward_id", "email"),
    "reward.redeemed": (*_REWARD, "partner_reward_id", "partner_event_id"),
    "reward.failed": (*_REWARD, "partner_reward_id"),
    "reward.canceled": _REWARD,
    "reward.revoked": _REWARD,
    "reward.expired": _REWARD,
    "reward.overdue": _REWARD,
    "share.created": (
        *("share_id", "person_id", "partner_user_id", "email", "channel", "shareable_code", "program", "campaign_id", "recipients"),
        *("quality", "created_date"),
    ),
    "click.recorded": ("click_id", "person_id", "shareable_code", "program", "campaign_id", "is_counted", "created_date"),
    "registration.recorded": (*_EVENT, *_NAMES),
    "conversion.recorded": (*_EVENT, *_NAMES, "cart_value", "currency", "partner_conversion_id", "coupon_code"),
    "referral.attributed": (
        *("event_name", "person_id", "partner_user_id", "advocate_person_id", "advocate_partner_user_id", "campaign_id", "program"),
        *("reason", "quality"),
    ),
    "identity.merged": ("person_id", "partner_user_id", "merged_person_id", "merged_partner_user_id"),
    "person.deleted": ("erasure_id", "deleted_at"),
    "supplier.low_balance": ("reward_supplier_id", "reward_supplier_name", "balance", "message"),
    "supplier.limit_passed": ("reward_supplier_id", "reward_supplier_name", "period", "limit", "message"),
    TEST: ("message",),
}
"""What each type's payload holds besides `SHARED`; docs/reference/webhooks.md says what it means."""


def is_optional(event_type: str, name: str) -> bool:
    """Whether a field is left out where there is nothing to say."""
    return name in _OPTIONAL and not (name == "email" and event_type != "reward.sent")


def body_of(event_type: str, event_id: str, at: Millis, payload: dict[str, Any], signature: Signature) -> dict[str, Any]:
    """The whole payload. `event_time` is when the thing itself happened, where the payload says so. With the signature of domain 7.1 the
    type of a reward's event is written as there: `reward_earned`."""
    return {
        **payload,
        "type": event_type.replace(".", "_") if signature == "hmac_sha256" else event_type,
        "event_id": event_id,
        "event_time": payload.get("event_time") or write_time(at),
        "schema_version": SCHEMA_VERSION,
    }


def signature_headers(endpoint: Endpoint, event_id: str, now: Millis, body: bytes) -> dict[str, str]:
    """The headers that let a receiver check who sent a body, and that it is unchanged."""
    secrets = [endpoint.secret]
    if endpoint.old_secret and now < endpoint.old_until:
        secrets.append(endpoint.old_secret)
    if endpoint.signature == "hmac_sha256":
        names = ("X-Extole-Signature", "X-Extole-Signature-Previous")
        signed = (hmac.new(secret.encode(), body, hashlib.sha256).hexdigest() for secret in secrets)
        return dict(zip(names, signed, strict=False))
    seconds = str(now // 1_000)
    said = b".".join((event_id.encode(), seconds.encode(), body))
    signatures = []
    for secret in secrets:
        digest = hmac.digest(read_secret(secret) or b"", said, "sha256")
        signatures.append("v1," + base64.b64encode(digest).decode())
    return {"webhook-id": event_id, "webhook-timestamp": seconds, "webhook-signature": " ".join(signatures)}


def read_secret(text: str) -> bytes | None:
    """The bytes of a `whsec_..` secret; None when it is none."""
    if not text.startswith(SECRET_PREFIX):
        return None
    try:
        found = base64.b64decode(text[len(SECRET_PREFIX) :], validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if SECRET_BYTES_MIN <= len(found) <= SECRET_BYTES_MAX else None


def write_secret(key: bytes) -> str:
    """Random bytes as a secret."""
    return SECRET_PREFIX + base64.b64encode(key).decode()
