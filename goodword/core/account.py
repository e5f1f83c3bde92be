"""Accounts, their keys and their settings: what an installation's owner decides, per brand."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import Struct, field

from goodword.core.calendar import UTC_DAYS, Calendar
from goodword.core.times import Millis

CONVERSION = "conversion"
REGISTRATION = "registration"


ParameterScope = Literal["PUBLIC", "PRIVATE", "CLIENT"]
"""Who may see and change a profile's parameter: anyone, the verified person, or the client alone."""


class Scope(StrEnum):
    """What a key may do."""

    INGEST = "ingest"
    DESTINATION = "destination"
    SERVER = "server"
    ADMIN = "admin"


class Right(StrEnum):
    """One thing a door asks of a key."""

    WRITE = "write"
    DELETE = "delete"
    READ = "read"
    MANAGE = "manage"


RIGHTS: dict[Scope, frozenset[Right]] = {
    Scope.INGEST: frozenset((Right.WRITE,)),
    Scope.DESTINATION: frozenset((Right.WRITE, Right.DELETE)),
    Scope.SERVER: frozenset((Right.WRITE, Right.DELETE, Right.READ)),
    Scope.ADMIN: frozenset(Right),
}


class EventMapping(Struct, frozen=True, forbid_unknown_fields=True):
    """What an event sent under some name becomes: `to` is the canonical name, `fields` says which property fills a field
    (`{"cart_value": ["total", "revenue"]}`, the first one present counts)."""

    to: str
    fields: dict[str, list[str]] = field(default_factory=dict)


COMMERCE_FIELDS: dict[str, list[str]] = {
    "partner_conversion_id": ["partner_conversion_id", "order_id", "orderId", "checkout_id"],
    "cart_value": ["cart_value", "total", "revenue", "value"],
}
"""Where a conversion's id and value are looked for when a mapping names no field of its own, and where nobody mapped anything."""

PRESETS: dict[str, dict[str, EventMapping]] = {
    "segment-ecommerce": {
        "Signed Up": EventMapping(REGISTRATION),
        "Order Completed": EventMapping(CONVERSION, COMMERCE_FIELDS),
        "Order Refunded": EventMapping("returned", COMMERCE_FIELDS),
        "Order Cancelled": EventMapping("canceled", COMMERCE_FIELDS),
    },
    "segment-b2b": {
        "Account Created": EventMapping(REGISTRATION),
        "Trial Started": EventMapping(REGISTRATION),
        "Subscription Started": EventMapping(CONVERSION, COMMERCE_FIELDS),
    },
}


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """An account's settings, each with its default. `events` is keyed by the name as sent, matched in any case; `time_zone` (IANA) says
    where days begin (`Account.calendar`), and what the console shows times in; "" is UTC, and for times each viewer's own.
    `events_kept_days`: events go that many days after they came, with the calendar month they came in (0: never); with `archives_events`
    only once they are in an archive."""

    unmapped_traits: Literal["store", "ignore"] = "store"
    default_scope: ParameterScope = "PUBLIC"
    stores_pages: bool = False
    currency: str = "USD"
    events: dict[str, EventMapping] = field(default_factory=dict)
    time_zone: str = ""
    events_kept_days: int = 0
    archives_events: bool = False


EVENTS_KEPT_DAYS_MIN = 31
"""As long as message ids are remembered: who repeats a message finds its event."""


DEFAULT_EVENTS = {REGISTRATION: EventMapping(REGISTRATION), CONVERSION: EventMapping(CONVERSION, COMMERCE_FIELDS)}


def mapping_of(settings: Settings, name: str) -> EventMapping | None:
    """The mapping of a name as sent (any case), or None: then the event keeps its own name."""
    folded = name.casefold()
    found = settings.events.get(folded)
    return found if found is not None else DEFAULT_EVENTS.get(folded)


class Account(Struct, frozen=True):
    """One brand in the installation. `number` leads every stored key; `id` is what people call it."""

    number: int
    id: str
    created_at: Millis
    settings: Settings
    calendar: Calendar = UTC_DAYS


class Key(Struct, frozen=True):
    """An API key as stored: `hash` is the SHA-256 of the secret, which is shown once and never kept."""

    id: str
    account: int
    name: str
    hash: bytes
    hint: str
    scopes: tuple[Scope, ...]
    created_at: Millis
    revoked_at: Millis | None = None
    last_used_at: Millis | None = None
    signing_secret: str = ""
    expires_at: Millis | None = None
