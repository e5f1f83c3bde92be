"""Events: what a track message means to an account, and the row that every accepted message leaves in the log.

Names are re-mapped per account, case-insensitively; a conversion's id and value are found by the mapping's fields. Only a
registration's and a conversion's own properties name the person: an arbitrary event's `email` may be a friend's.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from goodword.core import account as accounts
from goodword.core.account import CONVERSION, REGISTRATION, EventMapping, ParameterScope, Settings
from goodword.core.message import Computed, Message, Rejection, clean_name, is_junk, read_object
from goodword.core.money import Refused, read_currency, read_money
from goodword.core.profile import IdentityKey, ProfileId, keys_of, read_email
from goodword.core.referral import Signals
from goodword.core.times import Millis

TYPE_CODES = {"identify": 1, "track": 2, "page": 3, "screen": 4, "group": 5, "alias": 6}
TYPE_NAMES = {code: name for name, code in TYPE_CODES.items()}
TRACK = TYPE_CODES["track"]

FROM_BROWSER = 1
UNKEYED = 2
VALUE_REFUSED = 4
IS_EVENT = 8

_AUDIENCE_EVENTS = {"audience entered": True, "audience exited": False}
_PERSON_FIELDS = {
    "userid": "partner_user_id",
    "partneruserid": "partner_user_id",
    "email": "email",
    "firstname": "first_name",
    "lastname": "last_name",
}
_SPELLED = {"partnerconversionid": "partner_conversion_id", "partnereventid": "partner_event_id", "cartvalue": "cart_value"}


class Event(Struct, frozen=True, gc=False):
    """A row of the log. `arrival` numbers rows in order of commit; a stored event is a row with the IS_EVENT flag.

    `amount` is minor units of `currency`; `duplicate_of` is the arrival of the event whose key this one repeats; `body` is the
    message as it arrived, preceded by a JSON array of notes where there are any.
    """

    arrival: int
    message_id: str
    profile_id: ProfileId
    type: int
    name: str
    at: Millis
    received_at: Millis
    flags: int
    duplicate_of: int | None
    amount: int | None
    currency: str | None
    body: bytes


class EventRef(Struct, frozen=True, gc=False):
    """An event already stored: what a repeat of it is answered with. `event_id` is empty for one of the group being decided.

    Of one that repeated another itself `duplicate_of` is that one's arrival, and `profile_id` its person."""

    arrival: int
    profile_id: ProfileId
    event_id: bytes = b""
    message_id: str = ""
    at: Millis = 0
    amount: int | None = None
    duplicate_of: int | None = None


class Understood(Struct, gc=False):
    """A message in an account's terms: canonical name, identity keys strongest first, parameters to set, claims, money."""

    message: Message
    name: str
    keys: tuple[IdentityKey, ...]
    parameters: dict[str, Any] | None = None
    claim: str | None = None
    amount: int | None = None
    currency: str | None = None
    flags: int = 0
    audience: Computed | None = None
    is_member: bool = False
    scope: ParameterScope = "PUBLIC"
    notes: tuple[str, ...] = ()
    signals: Signals | None = None


def understand(message: Message, settings: Settings) -> Understood | Rejection:
    """What a message means under an account's settings; a Rejection when it names nobody."""
    kind = message.type
    if kind == "track":
        understood = _track(message, settings)
    elif kind == "identify":
        understood = _identify(message, settings)
    elif kind == "group":
        understood = Understood(message, "", _own_keys(message), {"group_id": message.group_id})
    elif kind == "alias":
        understood = Understood(message, "", _alias_keys(message))
    else:
        # a page's name may be its title, which may name a person: it is kept only where the account asks for pages
        kept = settings.stores_pages
        understood = Understood(message, message.name if kept else "", _own_keys(message), flags=IS_EVENT if kept else 0)
    if not understood.keys and understood.claim is None:
        return Rejection("missing_id", "The message names nobody: send a userId, an anonymousId or an email.", message.message_id)
    if message.from_browser:
        understood.flags |= FROM_BROWSER
    understood.scope = settings.default_scope
    return understood


def _own_keys(message: Message) -> tuple[IdentityKey, ...]:
    traits = message.traits
    email = None
    if traits:
        for name, value in traits.items():
            if len(name) == 5 and name.lower() == "email":
                email = read_email(value)
    return keys_of(message.user_id, email, message.anonymous_id)


def _alias_keys(message: Message) -> tuple[IdentityKey, ...]:
    """`previousId` is an e-mail, a user id or a device: read as the identity rules would take it, linked to the user."""
    previous = message.previous_id or ""
    email = read_email(previous)
    user_id = message.user_id
    if user_id is None:
        return keys_of(previous if email is None else None, email, message.anonymous_id)
    if email is not None:
        return keys_of(user_id, email, message.anonymous_id)
    return (IdentityKey("u" + user_id), IdentityKey("a" + previous))


@lru_cache(maxsize=4096)
def _person_field(name: str) -> str | None:
    return _PERSON_FIELDS.get(_plain(name))


@lru_cache(maxsize=4096)
def _event_field(name: str) -> str | None:
    return _SPELLED.get(_plain(name))


def _plain(name: str) -> str:
    """A field's name without what its spellings differ in (wire.md 1)."""
    return name.replace("_", "").replace(" ", "").lower()


def person_fields(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Traits or properties split in two: what names the person (by canonical name, any casing) and the rest, as sent."""
    person: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in values.items():
        canonical = _person_field(name)
        if canonical is None:
            rest[name] = value
        else:
            person[canonical] = value
    return person, rest


def _identify(message: Message, settings: Settings) -> Understood:
    person, rest = person_fields(message.traits or {})
    user_id = message.user_id or id_of(person.pop("partner_user_id", None))
    email = read_email(person.get("email"))
    if "email" in person and isinstance(person["email"], str):
        person["email"] = email or person["email"].strip()
    if message.computed is not None:
        kept = rest
    else:
        kept = rest if settings.unmapped_traits == "store" else {}
    understood = Understood(message, "", keys_of(user_id, email, message.anonymous_id), {**person, **kept})
    if message.computed is not None and message.computed.kind == "audience":
        _join(understood, message.computed, rest.get(message.computed.key))
    return understood


def _join(understood: Understood, audience: Computed, value: Any) -> None:
    """Read an audience's flag; a journey may send it as text."""
    flag = {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else value
    if isinstance(flag, bool):
        understood.audience, understood.is_member = audience, flag


def _track(message: Message, settings: Settings) -> Understood:
    mapping = accounts.mapping_of(settings, message.name)
    if mapping is None:
        folded = message.name.casefold()
        understood = Understood(message, message.name, _own_keys(message), flags=IS_EVENT)
        if folded in _AUDIENCE_EVENTS or folded == "trait computed":
            _computed_event(understood, folded)
        elif message.properties is not None and b'"partner_event_id"' in message.properties:
            event_id = id_of((read_object(message.properties) or {}).get("partner_event_id"))
            understood.claim = _claim("p", message.name.casefold(), event_id)
        return understood
    return _mapped(message, mapping, settings)


def _computed_event(understood: Understood, folded: str) -> None:
    """`Audience Entered | Exited {audience_key, <key>: bool}` and `Trait Computed {trait_key, <key>: value}`."""
    message = understood.message
    properties = read_object(message.properties or b"") or {}
    if folded == "trait computed":
        key = properties.get("trait_key")
        if isinstance(key, str) and key in properties:
            understood.parameters = {key: properties[key]}
        return
    key = properties.get("audience_key") or (message.computed.key if message.computed else None)
    if isinstance(key, str) and key:
        entered = _AUDIENCE_EVENTS[folded]
        value = properties.get(key, entered)
        understood.parameters = {key: value}
        _join(understood, message.computed or Computed("audience", key), value)


def _mapped(message: Message, mapping: EventMapping, settings: Settings) -> Understood:
    """An event an account knows: its fields by the mapping, and for registration and conversion the person's own."""
    properties = read_object(message.properties or b"") or {}
    for spelled in tuple(properties):
        field = _event_field(spelled)
        if field is not None and properties.get(field) in (None, ""):
            properties[field] = properties[spelled]
    for target, sources in mapping.fields.items():
        value = next((properties[source] for source in sources if properties.get(source) not in (None, "")), None)
        if value is not None:
            properties[target] = value
    name = clean_name(mapping.to)
    understood = Understood(message, name, (), flags=IS_EVENT)
    user_id, email = message.user_id, None
    own = _own_keys(message)
    if name in (CONVERSION, REGISTRATION):
        person, _ = person_fields(properties)
        user_id = user_id or id_of(person.pop("partner_user_id", None))
        person.pop("partner_user_id", None)
        email = read_email(person.get("email"))
        if email is None:
            person.pop("email", None)
        else:
            person["email"] = email
        understood.parameters = person or None
    email = email or next((key[1:] for key in own if key[0] == "e"), None)
    understood.keys = keys_of(user_id, email, message.anonymous_id)
    if name == CONVERSION:
        conversion_id = id_of(properties.get("partner_conversion_id"))
        understood.claim = _claim("c", name, conversion_id)
        if conversion_id is None:
            understood.flags |= UNKEYED
    elif name != REGISTRATION:
        understood.claim = _claim("p", name.casefold(), id_of(properties.get("partner_event_id")))
    if properties.get("cart_value") is not None:
        _read_value(understood, properties, settings)
    return understood


def _read_value(understood: Understood, properties: dict[str, Any], settings: Settings) -> None:
    money = read_money(properties["cart_value"], read_currency(properties.get("currency")) or settings.currency)
    if isinstance(money, Refused):
        understood.flags |= VALUE_REFUSED
        understood.notes += (money.reason,)
    else:
        understood.amount, understood.currency = money.amount, money.currency


def _claim(kind: str, name: str, event_id: str | None) -> str | None:
    """A dedup key, scoped by canonical name; the id counts without regard to its spelling (cheats.md 8)."""
    return None if event_id is None else f"{kind}{name}\0{plain_id(event_id)}"


def plain_id(text: str) -> str:
    """An order's id without what two systems may spell differently: case, how accents are composed, characters that nobody sees."""
    if not text.isascii():
        composed = unicodedata.normalize("NFC", text)
        text = "".join(each for each in composed if unicodedata.category(each) != "Cf").strip() or text
    return text.casefold()


def conversion_claim(conversion_id: str) -> str | None:
    """The claim of a conversion's id, to look its event up."""
    return _claim("c", CONVERSION, id_of(conversion_id))


def event_claim(name: str, event_id: str) -> str | None:
    """The claim of another event's `partner_event_id`, to look the event up."""
    return _claim("p", name.casefold(), id_of(event_id))


def cancel_claim(order: str) -> str:
    """Under which an event that cancels or returns an order is remembered, so that it may come before the order."""
    return "x" + plain_id(order)


def id_of(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    text = (str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)).strip()
    return None if is_junk(text) else text


def header_settings(settings: Settings, said: object) -> Settings | str:
    """An account's settings with those of the `X-Segment-Settings` header laid over them, or what is wrong with the header.

    `registrationEvents` and `conversionEvents` are lists of names (or one text, separated by commas), `unmappedTraits` is
    `store` or `ignore`; other settings are Segment's own and are passed over.
    """
    if not isinstance(said, dict):
        return "X-Segment-Settings must be a JSON object in base64."
    events = dict(settings.events)
    for setting, target in (("registrationEvents", REGISTRATION), ("conversionEvents", CONVERSION)):
        names = said.get(setting)
        if isinstance(names, str):
            names = names.split(",")
        if names is None:
            continue
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return f"{setting} in X-Segment-Settings must be a list of event names."
        for name in filter(None, (name.strip() for name in names)):
            fields = accounts.COMMERCE_FIELDS if target == CONVERSION else {}
            kept = events.get(name.casefold())
            events[name.casefold()] = kept if kept is not None and kept.to == target else EventMapping(target, fields)
    unmapped = said.get("unmappedTraits")
    if unmapped in (None, ""):
        unmapped = settings.unmapped_traits
    if unmapped not in ("store", "ignore"):
        return "unmappedTraits in X-Segment-Settings must be store or ignore."
    return replace(settings, unmapped_traits=unmapped, events=events)
