"""What the message doors and the operations pages take and answer, for the API's own description (`openapi.py`)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from goodword.api.destination import METHODS
from goodword.api.openapi import BASIC, BEARER, TEXT, WRITE_KEY, Operation, Parameter, Said
from goodword.api.tracking import BATCHES, TYPES

_LATER = "`overloaded` or `unavailable`: nothing was stored; send the same again after `Retry-After`."
_KEY = "`unauthorized`: no key, or an unknown or revoked one."


class Message(Struct, rename="camel"):
    """A call of Segment's spec. It must name somebody: a userId, an anonymousId or an e-mail. Fields not listed are kept."""

    type: Any = None
    message_id: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    event: Any = None
    properties: Any = None
    traits: Any = None
    timestamp: Any = None
    context: Any = None


class Taken(Struct, rename="camel"):
    """The message is stored. `eventId` is the original's when the message was known, null when it left no event."""

    success: bool
    message_id: str
    event_id: str | None


class ResultOfOne(Struct, rename="camel"):
    """What became of one message of an array."""

    message_id: str
    status: int
    message: str


class Results(Struct):
    """What became of an array's messages, in order."""

    results: list[ResultOfOne]


class Batch(Struct, rename="camel"):
    """Messages at once. `context` is laid under each message's own."""

    batch: Any = None
    sent_at: Any = None
    write_key: Any = None
    context: Any = None


class RejectedOne(Struct, rename="camel"):
    """A message of a batch that was not taken, by its place."""

    index: int
    message_id: str
    code: str
    message: str


class Done(Struct, omit_defaults=True):
    """Everything is stored but what is listed."""

    success: bool
    rejected: list[RejectedOne] = field(default_factory=list)


class Failed(Struct):
    """Nothing was stored."""

    success: bool
    code: str
    message: str


class Readiness(Struct):
    """Whether requests can be taken, and what stands in the way."""

    ready: bool
    problems: list[str]


def _destination(method: str) -> Operation:
    return Operation(
        method,
        "/segment",
        "Messages",
        "Take a message, or an array of them, from Segment and what speaks like it",
        (Taken, Results),
        (Message, list[Message]),
        description="An array is answered 200 with a result for each message. A delete removes its user for good.",
        errors={
            400: "The message is malformed; `message` says what to change.",
            401: _KEY + " `invalid_signature`: X-Signature does not match.",
            403: "`forbidden`: the key may not do this.",
            405: "`method_not_allowed`.",
            413: "`too_large`: more than 32 KB a message, 500 KB or 2,500 messages an array.",
            501: "`unsupported_type`.",
            503: _LATER,
        },
        error=Said,
        security=(BASIC, BEARER),
    )


def _tracking(path: str, summary: str, body: Any, description: str = "") -> Operation:
    return Operation(
        "POST",
        path,
        "Messages",
        summary,
        Done,
        body,
        description=description,
        errors={
            400: "The body is malformed; `message` says what to change.",
            401: _KEY,
            403: "`forbidden`: the key may not do this.",
            413: "`too_large`.",
            503: _LATER,
        },
        error=Failed,
        security=(BASIC, BEARER, WRITE_KEY),
    )


_BATCHED = "Always 200 when the batch can be read; messages that were not taken are listed, and never fail their neighbours."
_NOT_THERE = {404: "`not_found`."}

OPERATIONS: list[Operation] = [
    *(_destination(method) for method in METHODS),
    *(_tracking(f"/v1/{path}", f"Take one {kind} message from an SDK", Message) for path, kind in sorted(TYPES.items())),
    *(_tracking(path, "Take a batch of messages from an SDK", Batch, _BATCHED) for path in sorted(BATCHES)),
    Operation("POST", "/v1/m", "Messages", "SDKs' own metrics, which are dropped", Done, Any, error=Failed),
    Operation(
        "GET",
        "/v1/projects/{write_key}/settings",
        "Messages",
        "What analytics.js asks for before it starts",
        dict[str, Any],
        errors=_NOT_THERE,
        error=Failed,
        path_words={"write_key": "The key in the page."},
    ),
    Operation(
        "GET",
        "/sourceConfig/",
        "Messages",
        "What RudderStack's browser SDK asks for before it starts",
        dict[str, Any],
        query=(Parameter("writeKey", "The key in the page."),),
        error=Failed,
    ),
    Operation("GET", "/healthz", "Operations", "Whether the process lives", str, media=TEXT),
    Operation(
        "GET",
        "/readyz",
        "Operations",
        "Whether requests can be taken",
        Readiness,
        errors={503: "Not at the moment."},
        error=Readiness,
    ),
    Operation("GET", "/metrics", "Operations", "Counters in Prometheus' text format", str, media=TEXT),
]
