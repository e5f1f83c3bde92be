"""Segment's messages: bytes -> Message | Rejection. Limits, casing, ids and clock skew, as Segment's spec publishes them.

Nested parts stay raw bytes until a rule needs them. A number in an id is read as text; null, "" and junk ids mean absent.
Where a JSON object repeats a key, the last one counts. Lone surrogates (a truncated emoji) are replaced, not refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isfinite
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from goodword.core.times import Millis, read_time

MESSAGE_BYTES_MAX = 32 * 1024
BATCH_BYTES_MAX = 500 * 1024
BATCH_MESSAGES_MAX = 2_500
DEPTH_MAX = 32
ID_CHARS_MAX = 1_000
NAME_CHARS_MAX = 200
LOOSE_DEPTH_MAX = 100
INTEGER_CHARS_MAX = 300

UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
TOO_DEEP = f"The body is nested too deeply. At most {DEPTH_MAX} levels are read."

TYPES = frozenset(("identify", "track", "page", "screen", "group", "alias", "delete"))
JUNK_IDS = frozenset(("", "null", "undefined", "anonymous", "guest", "none", "nan", "-1", "[object object]"))
_JUNK_STARTS = frozenset(("", "0", *(start for junk in JUNK_IDS for start in (junk[:1], junk[:1].upper()))))
BROWSER_CHANNELS = frozenset(("client", "browser", "web", "mobile"))
OWN_LIBRARY = "goodword"
OWN_ID_PREFIX = "goodword:"
"""By these Goodword knows its own calls again (core/source.py)."""
BROWSER_LIBRARIES = frozenset(
    (
        "analytics.js",
        "analytics-next",
        "RudderLabs JavaScript SDK",
        "goodword.js",
        "analytics-react-native",
        "analytics-ios",
        "analytics-android",
    )
)

RejectionCode = Literal[
    "invalid_json",
    "invalid_encoding",
    "not_an_object",
    "too_deep",
    "too_large",
    "missing_type",
    "unsupported_type",
    "invalid_id",
    "missing_id",
    "missing_event",
]


class Rejection(Struct, frozen=True):
    """Why a message was refused: a code for programs, a sentence for people that quotes no personal data."""

    code: RejectionCode
    reason: str
    message_id: str = ""


class Computed(Struct, frozen=True):
    """A computed trait or audience, from `context.personas` or an `Audience Entered` call."""

    kind: Literal["audience", "trait"]
    key: str
    id: str = ""


class Message(Struct, gc=False):
    """One Segment call, read. `raw` is what arrived; `properties` and `traits` are its undecoded and decoded parts."""

    type: str
    message_id: str
    raw: bytes
    at: Millis
    user_id: str | None = None
    anonymous_id: str | None = None
    name: str = ""
    from_browser: bool = False
    is_own: bool = False
    """Goodword sent it to a CDP, which hands it back."""
    traits: dict[str, Any] | None = None
    properties: bytes | None = None
    computed: Computed | None = None
    previous_id: str | None = None
    group_id: str | None = None
    notes: tuple[str, ...] = ()


class _Wire(Struct, rename="camel", gc=False):
    type: Any = None
    message_id: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    previous_id: Any = None
    group_id: Any = None
    event: Any = None
    name: Any = None
    timestamp: Any = None
    original_timestamp: Any = None
    sent_at: Any = None
    channel: Any = None
    traits: Raw = Raw(b"")
    properties: Raw = Raw(b"")
    context: Raw = Raw(b"")


class _Library(Struct, gc=False):
    name: Any = None


class _Context(Struct, gc=False):
    library: _Library | None = None
    traits: Raw | None = None
    personas: Raw | None = None


class _UsualWire(_Wire, gc=False):
    """What nearly every message looks like; read in one pass. Odd contexts are read by way of `_Wire`."""

    context: _Context | None = None  # type: ignore[assignment]  # read here and not left raw: what differs from `_Wire` is this


_wire = msgspec.json.Decoder(_Wire)
_usual = msgspec.json.Decoder(_UsualWire)
_context = msgspec.json.Decoder(_Context)
_any = msgspec.json.Decoder()


class Batch(Struct, rename="camel", gc=False):
    """The envelope of a batch call: its items undecoded, and what is said once for all of them."""

    batch: list[Raw]
    sent_at: Any = None
    write_key: Any = None
    context: Raw = Raw(b"")
    integrations: Raw = Raw(b"")


_batch = msgspec.json.Decoder(Batch)
_items = msgspec.json.Decoder(list[Raw])


def read_object(raw: bytes) -> dict[str, Any] | None:
    """The object that JSON holds, or None when it holds something else or cannot be read."""
    if not raw.startswith(b"{"):
        return None
    try:
        found: dict[str, Any] = _any.decode(raw)
    except UNREADABLE:
        cleaned = clean_text(raw)
        if isinstance(cleaned, Rejection):
            return None
        found = _any.decode(cleaned)
    return found


def clean_text(raw: bytes) -> bytes | Rejection:
    """The bytes as JSON that decodes: byte order mark and lone surrogates out, numbers past every range read as null.

    For bodies the fast path could not read.
    """
    found = _read_loosely(raw, _refuse_constant)
    return found if isinstance(found, Rejection) else _dump(found)


def _read_loosely(raw: bytes, constant: Callable[[str], Any]) -> dict[str, Any] | list[Any] | Rejection:
    try:
        text = raw.removeprefix(b"\xef\xbb\xbf").decode()
        found = json.loads(text, parse_constant=constant, parse_float=_finite, parse_int=_bounded)
    except UnicodeDecodeError:
        return Rejection("invalid_encoding", "The body is not UTF-8. Send JSON encoded as UTF-8.")
    except RecursionError:
        return Rejection("too_deep", TOO_DEEP)
    except ValueError:
        return Rejection("invalid_json", "The body is not valid JSON.")
    if not isinstance(found, (dict, list)):
        return Rejection("not_an_object", "The body must be a JSON object.")
    return Rejection("too_deep", TOO_DEEP) if _depth(found) > LOOSE_DEPTH_MAX else found


def _dump(found: Any) -> bytes:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _finite(text: str) -> float | None:
    value = float(text)
    return value if isfinite(value) else None


def _bounded(text: str) -> int | None:
    return int(text) if len(text) <= INTEGER_CHARS_MAX else None


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def read_batch(body: bytes) -> Batch | Rejection:
    """`{"batch": [..], "sentAt": ..}` or a bare array, its items undecoded."""
    start = body.lstrip()[:1]
    try:
        if start == b"[":
            return Batch(_items.decode(body))
        return _batch.decode(body)
    except UNREADABLE:
        return _read_odd_batch(body)


def _read_odd_batch(body: bytes) -> Batch | Rejection:
    """A batch of which some part is odd: each item is read anew, so that an item with a NaN in it is refused alone."""
    found = _read_loosely(body, float)
    if isinstance(found, Rejection):
        return found
    envelope = found if isinstance(found, dict) else {"batch": found}
    items = envelope.get("batch")
    if not isinstance(items, list):
        return Rejection("not_an_object", 'A batch is {"batch": [messages]} or an array of messages.')
    context, integrations = (Raw(_dump(envelope.get(name))) for name in ("context", "integrations"))
    return Batch([Raw(_dump(item)) for item in items], envelope.get("sentAt"), envelope.get("writeKey"), context, integrations)


def parse(
    raw: bytes,
    *,
    received_at: Millis,
    fallback_id: str,
    type_hint: str = "",
    sent_at: Any = None,
    corrects_skew: bool = False,
    browser_key: bool = False,
) -> Message | Rejection:
    """One message from its JSON.

    `type_hint` is the type the door's path names, used where the message names none. `fallback_id` becomes the message id where
    it has none. With `corrects_skew` its time is corrected as received_at - (sentAt - time); a time past received_at counts as
    received_at and says so in the notes.
    """
    if len(raw) > MESSAGE_BYTES_MAX:
        return Rejection("too_large", f"The message is {len(raw)} bytes; at most {MESSAGE_BYTES_MAX} are taken.")
    wire: _Wire | Rejection
    try:
        if not raw.isascii():
            raw.decode()
        wire = _usual.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raw, wire = _decode_oddity(raw)
        if isinstance(wire, Rejection):
            return wire
    message_id = wire.message_id
    if type(message_id) is not str or not message_id:
        read = _read_id(message_id)
        if isinstance(read, Rejection):
            return Rejection("invalid_id", "messageId must be text.")
        message_id = read or fallback_id
    if raw.count(b"{") + raw.count(b"[") > DEPTH_MAX and _depth(read_object(raw.lstrip())) > DEPTH_MAX:
        return Rejection("too_deep", f"The message is nested more than {DEPTH_MAX} levels deep.", message_id)
    kind = wire.type or type_hint
    if type(kind) is not str or kind not in TYPES:
        if type(kind) is not str or not kind:
            reason = "The message has no type. Send identify, track, page, screen, group, alias or delete."
            return Rejection("missing_type", reason, message_id)
        kind = kind.lower()
        if kind not in TYPES:
            return Rejection("unsupported_type", "This message type is not supported.", message_id)
    user_id, anonymous_id = _read_id(wire.user_id), _read_id(wire.anonymous_id)
    if isinstance(user_id, Rejection):
        return Rejection("invalid_id", "userId " + user_id.reason, message_id)
    if isinstance(anonymous_id, Rejection):
        return Rejection("invalid_id", "anonymousId " + anonymous_id.reason, message_id)
    message = Message(kind, message_id, raw, received_at, user_id, anonymous_id)
    message.at = _time(wire, message, received_at, sent_at, corrects_skew)
    message.from_browser = browser_key or (isinstance(wire.channel, str) and wire.channel in BROWSER_CHANNELS)
    context = wire.context if type(wire) is _UsualWire else _odd_context(wire.context)
    if context is not None:
        _read_context(context, message)
    if message_id.startswith(OWN_ID_PREFIX):
        message.is_own = True
    return _read_type(wire, message)


def _decode_oddity(raw: bytes) -> tuple[bytes, _Wire | Rejection]:
    """A message that the usual reading refused: an odd context, a byte order mark, a lone surrogate, or no message at all."""
    try:
        raw.decode()
        return raw, _wire.decode(raw)
    except UNREADABLE:
        cleaned = clean_text(raw)
    if isinstance(cleaned, Rejection):
        return raw, cleaned
    if cleaned.startswith(b"["):
        return raw, Rejection("not_an_object", "A message must be a JSON object.")
    return cleaned, _wire.decode(cleaned)


def _read_type(wire: _Wire, message: Message) -> Message | Rejection:
    """The parts that belong to the message's type."""
    kind, message_id = message.type, message.message_id
    if kind == "track":
        event = wire.event
        if type(event) is not str:
            event = str(event) if isinstance(event, (int, float)) and not isinstance(event, bool) else ""
        message.name = clean_name(event)
        if not message.name:
            return Rejection("missing_event", "A track message needs an event name in `event`.", message_id)
        if len(event) > NAME_CHARS_MAX:
            message.notes += (f"event name cut to {NAME_CHARS_MAX} characters",)
        message.properties = bytes(wire.properties)
    elif kind == "identify":
        traits = bytes(wire.traits)
        if traits.startswith(b"{"):
            own = read_object(traits) or {}
            message.traits = {**message.traits, **own} if message.traits else own
    elif kind in ("page", "screen"):
        message.name = clean_name(wire.name) if isinstance(wire.name, str) else ""
        message.properties = bytes(wire.properties)
    elif kind == "group":
        group_id = _read_id(wire.group_id)
        if isinstance(group_id, Rejection) or group_id is None:
            return Rejection("missing_id", "A group message needs a groupId.", message_id)
        message.group_id = group_id
    elif kind == "alias":
        previous_id = _read_id(wire.previous_id)
        if isinstance(previous_id, Rejection) or previous_id is None:
            return Rejection("missing_id", "An alias message needs a previousId.", message_id)
        message.previous_id = previous_id
    return message


def clean_name(name: str) -> str:
    """A name fit for a column of any database: no null characters, at most NAME_CHARS_MAX characters."""
    return name.replace("\0", "").strip()[:NAME_CHARS_MAX]


def is_junk(text: str) -> bool:
    """Whether an id means nobody: the one list of design.md section 3, in any case, and all zeros."""
    return text[:1] in _JUNK_STARTS and (text.lower() in JUNK_IDS or not text.strip("0-"))


def _read_id(value: Any) -> str | Rejection | None:
    if type(value) is str:
        text = value
    elif value is None:
        return None
    elif type(value) is int:
        text = str(value)
    elif type(value) is float:
        text = str(int(value)) if value.is_integer() else repr(value)
    else:
        return Rejection("invalid_id", "must be text or a number.")
    if len(text) > ID_CHARS_MAX:
        return Rejection("invalid_id", f"is longer than {ID_CHARS_MAX} characters.")
    text = text.strip()
    return None if is_junk(text) else text


def _time(wire: _Wire, message: Message, received_at: Millis, sent_at: Any, corrects_skew: bool) -> Millis:
    said = wire.timestamp if wire.timestamp is not None else wire.original_timestamp
    if said is None:
        return received_at
    at = read_time(said)
    if at is None:
        message.notes += ("timestamp unreadable; time of receipt used",)
        return received_at
    if corrects_skew:
        sent = read_time(wire.sent_at if wire.sent_at is not None else sent_at)
        if sent is not None:
            at = received_at - (sent - at)
            if at < 0:
                at = 0
    if at > received_at:
        message.notes += ("timestamp in the future; time of receipt used",)
        return received_at
    return at


def _odd_context(raw: Raw) -> _Context | None:
    """A context that is not what it should be: null, an array, or an object with odd parts, of which those that are whole count."""
    found = read_object(bytes(raw)) or {}
    library, traits, personas = found.get("library"), found.get("traits"), found.get("personas")
    return _Context(
        _Library(library.get("name")) if isinstance(library, dict) else None,
        Raw(msgspec.json.encode(traits)),
        Raw(msgspec.json.encode(personas)),
    )


def _read_context(context: _Context, message: Message) -> None:
    library = context.library
    if library is not None and type(library.name) is str:
        if library.name in BROWSER_LIBRARIES:
            message.from_browser = True
        elif library.name == OWN_LIBRARY:
            message.is_own = True
    if context.traits is not None:
        message.traits = read_object(bytes(context.traits)) or None
    if context.personas is not None:
        personas = read_object(bytes(context.personas))
        if personas is not None:
            message.computed = _computed(personas)


def _computed(personas: dict[str, Any]) -> Computed | None:
    kind, key = personas.get("computation_class"), personas.get("computation_key")
    if not isinstance(key, str) or not key:
        return None
    id = personas.get("computation_id")
    return Computed("trait" if kind == "trait" else "audience", key, id if isinstance(id, str) else "")


def _depth(value: Any) -> int:
    """Levels of objects and arrays in decoded JSON, counted without recursion."""
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, (dict, list))]:
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
        depth += 1
    return depth
