"""Events by the server API: an event becomes an ordinary track message, so that dedup, re-mapping and audiences work as at any door.

`data.email` and `data.partner_user_id` name the person; `data.person_id` targets one that exists. An event that names nobody belongs
to the person of the conversion it names, else to a new device.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from msgspec import Raw, Struct

from goodword.api.http import encode
from goodword.api.intake import new_id
from goodword.api.server.call import Call, Endpoint, endpoint, is_too_deep, read_json, read_text
from goodword.api.server.errors import ServerRefusal
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.decision import Outcome
from goodword.core.event import Understood, conversion_claim, understand
from goodword.core.message import Message, Rejection, parse
from goodword.core.profile import IdentityKey
from goodword.core.times import read_time, write_time
from goodword.storage.query import event as events
from goodword.storage.query import person as people

DOOR = "server"
CODES = {"missing_event": "missing_event_name", "too_large": "too_large", "invalid_json": "invalid_json"}


class EventRequest(Struct):
    """An event to store. `event_time` is ISO 8601 and may be left out; `message_id` makes a repeat of the call harmless.

    `data` holds what is known of the event. Of it are read: `email`, `partner_user_id`, `person_id`, `event_time`,
    `partner_event_id` and `partner_conversion_id` (the event is stored once), `cart_value`, `currency`.
    """

    event_name: str | int | float | None = None
    event_time: str | int | float | None = None
    data: Any = None
    message_id: str | int | None = None


class EventAnswer(Struct):
    """The event's id and the person's. A repeat is answered with those of the event it repeats."""

    event_id: str
    person_id: str


class AsyncEventAnswer(Struct):
    """The event's id."""

    event_id: str


class _Envelope(Struct):
    event_name: Any = None
    event_time: Any = None
    data: Raw = Raw(b"")
    parameters: Raw = Raw(b"")
    message_id: Any = None
    camel_message_id: Any = msgspec.field(default=None, name="messageId")


async def submit(call: Call) -> EventAnswer:
    """`POST /v6/events`, `/v5/events`: the event is in the body."""
    return await _take(call, _read_envelope(call))


async def submit_async(call: Call) -> AsyncEventAnswer:
    """`POST /v6/async-events`: as durable as the other; the answer names the event alone."""
    return AsyncEventAnswer((await submit(call)).event_id)


async def submit_named(call: Call) -> EventAnswer:
    """`POST /v6/events/{event_name}`: the body is the data, of any shape."""
    body = call.body if call.body.strip() else b"{}"
    return await _take(call, _Envelope(event_name=call.path["event_name"], data=read_json(body, Raw)))


async def submit_named_async(call: Call) -> AsyncEventAnswer:
    """`POST /v6/async-events/{event_name}`."""
    return AsyncEventAnswer((await submit_named(call)).event_id)


def _read_envelope(call: Call) -> _Envelope:
    envelope = call.read(_Envelope)
    if bytes(envelope.data) in (b"", b"null"):
        envelope.data = envelope.parameters
    return envelope


async def _take(call: Call, envelope: _Envelope) -> EventAnswer:
    data_bytes = bytes(envelope.data)
    if data_bytes in (b"", b"null"):
        data_bytes = b"{}"
    found = msgspec.json.decode(data_bytes)
    if is_too_deep(found):
        raise ServerRefusal("binding_error", "The data is nested too deeply.")
    data: dict[str, Any] = found if isinstance(found, dict) else {}
    raw = _message(envelope, data, data_bytes)
    now = call.intake.engine.clock()
    message = parse(raw, received_at=now, fallback_id=new_id())
    if isinstance(message, Rejection):
        call.intake.refuse(message, raw, call.key, DOOR)
        code = CODES.get(message.code, "binding_error")
        said = "The event has no name. Send event_name." if code == "missing_event_name" else message.reason
        raise ServerRefusal(code, said)
    understood = _understood(call, message, data)
    understood.scope = "PRIVATE"
    outcome = await call.ask(c.Receive(call.account, understood, DOOR))
    if outcome.verdict == "dropped":
        raise ServerRefusal("event_blocked", f"The event was not taken: {outcome.reason}.")
    return EventAnswer(_event_id(call, outcome, message.message_id).hex(), str(outcome.profile_id or ""))


def _message(envelope: _Envelope, data: dict[str, Any], data_bytes: bytes) -> bytes:
    """The event as a track message. Errors: ServerRefusal 400 missing_event_name, invalid_event_time_format."""
    name = read_text(envelope.event_name)
    if name is None:
        raise ServerRefusal("missing_event_name", "The event has no name. Send event_name.")
    fields: dict[str, Any] = {"type": "track", "event": name, "channel": "server", "properties": Raw(data_bytes)}
    message_id = read_text(envelope.message_id) or read_text(envelope.camel_message_id)
    if message_id is not None:
        fields["messageId"] = message_id
    user_id = data.get("partner_user_id")
    if isinstance(user_id, (str, int, float)) and not isinstance(user_id, bool):
        fields["userId"] = user_id
    if isinstance(data.get("email"), str):
        fields["context"] = {"traits": {"email": data["email"]}}
    at = envelope.event_time if envelope.event_time not in (None, "") else data.get("event_time")
    if at not in (None, ""):
        millis = read_time(at.partition("[")[0] if isinstance(at, str) else at)
        if millis is None:
            raise ServerRefusal("invalid_event_time_format", "event_time must be ISO 8601, as in 2026-01-31T12:00:00Z.")
        fields["timestamp"] = write_time(millis)
    return encode(fields)


def _understood(call: Call, message: Message, data: dict[str, Any]) -> Understood:
    """The message in the account's terms, about the person it targets, names, or is linked to by what it repeats."""
    settings = call.intake.settings_of(call.key)
    target = None
    if data.get("person_id") not in (None, ""):
        target = people.strongest_key(call.person_of(data["person_id"]))
        if target is None:
            raise ServerRefusal("person_not_identified", "This person has no id left that an event could name.")
    understood = understand(message, settings)
    if target is None and (isinstance(understood, Rejection) or not understood.keys):
        claim = understood.claim if isinstance(understood, Understood) else None
        target = _linked(call, claim, data)
    if isinstance(understood, Rejection):
        message.anonymous_id = f"event:{message.message_id}"
        understood = understand(message, settings)
        assert isinstance(understood, Understood)
        if target is not None:
            understood.keys = (target,)
    elif target is not None:
        understood.keys = tuple(dict.fromkeys((target, *understood.keys)))
    if (programs := call.store.programs.get(call.account)) is not None:
        understood.signals = call.intake.signals(message, understood, programs, settings, call.account)
    return understood


def _linked(call: Call, claim: str | None, data: dict[str, Any]) -> IdentityKey | None:
    """A key of the person whose event took this event's dedup key, or whose conversion it names."""
    order = read_text(data.get("partner_conversion_id"))
    claims = [each for each in (claim, conversion_claim(order) if order else None) if each is not None]
    found = people.find_by_claims(call.store, call.account, claims)
    person = next((found[each] for each in claims if each in found), None)
    return people.strongest_key(person) if person is not None else None


def _event_id(call: Call, outcome: Outcome, message_id: str) -> bytes:
    """The id of the event an outcome tells of: the original's, for a duplicate."""
    known: bytes = outcome.value or b""
    if not known and not outcome.message_id:
        known = events.id_at(call.store, call.account, outcome.arrival) or b""
    return known or call.store.sealer.hash(call.account, "m" + (outcome.message_id or message_id))


_BY_BODY = (
    "The answer comes when the event is stored and processed. `missing_event_name`, `invalid_event_time_format`;"
    " `event_blocked`: the person was deleted after the event's time, or is suppressed; `person_not_found` (403): nobody has"
    " `data.person_id`. The same `message_id`, or the same `data.partner_event_id` of one event name, is one event."
)
_BY_PATH = "The body is the event's data, of any shape. " + _BY_BODY
_post = partial(endpoint, "POST")

ENDPOINTS: list[Endpoint] = [
    _post("/v6/events", "Events", "Store an event", submit, Right.WRITE, EventAnswer, body=EventRequest, description=_BY_BODY),
    _post(
        "/v6/events/{event_name:path}", "Events", "Store an event of the path's name", submit_named, Right.WRITE, EventAnswer,
        body=dict[str, Any], description=_BY_PATH, path_words={"event_name": "The event's name."},
    ),
    _post(
        "/v6/async-events", "Events", "Store an event, answer its id alone", submit_async, Right.WRITE, AsyncEventAnswer,
        body=EventRequest, description=_BY_BODY,
    ),
    _post(
        "/v6/async-events/{event_name:path}", "Events", "Store an event of the path's name, answer its id alone", submit_named_async,
        Right.WRITE, AsyncEventAnswer, body=dict[str, Any], description=_BY_PATH, path_words={"event_name": "The event's name."},
    ),
    _post(
        "/v5/events", "Events", "Store an event (as /v6/events)", submit, Right.WRITE, EventAnswer, body=EventRequest, description=_BY_BODY
    ),
]  # fmt: skip
