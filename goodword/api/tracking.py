"""The tracking door, `/v1/...`: what stock Segment and RudderStack SDKs post, browsers too.

Success is exactly 200. Errors carry `code` and `message`, and CORS headers are on every answer: some SDKs retry a permanent
error for ever where either is missing. A bad message of a batch never fails its neighbours.
"""

from __future__ import annotations

import msgspec

from goodword.api.auth import query_value
from goodword.api.http import JSON, Answer, Headers, Refusal, Reply, Request, encode
from goodword.api.intake import Intake, Result, key_of, key_or_refuse, needs, status_of, then
from goodword.core.account import Key, Right
from goodword.core.message import BATCH_BYTES_MAX, BATCH_MESSAGES_MAX, Batch, Rejection, clean_text, read_batch, read_object
from goodword.core.times import read_time

DOOR = "tracking"
TYPES = {
    **{name: name for name in ("identify", "track", "page", "screen", "group", "alias")},
    "i": "identify",
    "t": "track",
    "p": "page",
    "s": "screen",
    "g": "group",
    "a": "alias",
}
SINGLES = {f"/v1/{name}": kind for name, kind in TYPES.items()}
BATCHES = frozenset(("/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch"))
ENVELOPE_BYTES_MAX = 16 * 1024
DONE = b'{"success":true}'


def corrected(headers: dict[bytes, bytes]) -> Headers:
    """CORS headers for a caller: its origin, what it asked for, and Retry-After where it can read it."""
    origin = headers.get(b"origin")
    cors: Headers = [
        (b"access-control-allow-origin", origin or b"*"),
        (b"access-control-expose-headers", b"Retry-After"),
    ]
    if origin:
        cors.append((b"vary", b"Origin"))
    return cors


def preflight(headers: dict[bytes, bytes]) -> Headers:
    """The answer to OPTIONS: any header that was asked for may be sent."""
    asked = headers.get(b"access-control-request-headers", b"authorization, anonymousid, content-type, sentat, x-retry-count")
    return [
        *corrected(headers),
        (b"access-control-allow-headers", asked),
        (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
        (b"access-control-max-age", b"86400"),
    ]


_ANY_ORIGIN: Headers = [JSON, *corrected({})]


class Tracking:
    """The door."""

    body_bytes_max = BATCH_BYTES_MAX + ENVELOPE_BYTES_MAX

    def __init__(self, intake: Intake) -> None:
        self.intake = intake

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a path is this door's."""
        return path.startswith(("/v1/", "/beacon/v1/", "/sourceConfig"))

    def look(self, request: Request) -> bytes | None:
        """What needs no body: OPTIONS, the browser SDKs' settings, their metrics. Errors: Refusal."""
        if request.method == "OPTIONS":
            return b""
        path = request.path.rstrip("/")
        if request.method == "GET":
            return _settings(path, request)
        if request.method != "POST":
            raise Refusal(405, "method_not_allowed", "Send messages by POST.")
        if path == "/v1/m":
            return DONE
        if path not in SINGLES and path not in BATCHES:
            raise Refusal(404, "not_found", "There is no such door. Send messages to /v1/batch or /v1/track.")
        return None

    def take(self, request: Request, reply: Reply) -> None:
        """One message, or a batch of them. Errors: Refusal."""
        type_hint = SINGLES.get(request.path.rstrip("/"))
        if type_hint is None:
            self._batch(request, reply)
        else:
            self._single(request, type_hint, reply)

    def answer(self, request: Request, found: bytes | Refusal) -> Answer:
        """An answer any page's scripts can read."""
        if request.method == "OPTIONS":
            return Answer(200, b"", preflight(request.headers))
        cors = _ANY_ORIGIN if b"origin" not in request.headers else [JSON, *corrected(request.headers)]
        if isinstance(found, Refusal):
            self.intake.turn_away(request.path, found.status, found.message)
            said = encode({"success": False, "code": found.code, "message": found.message})
            return Answer(found.status, said, [*cors, *found.headers])
        return Answer(200, found, cors)

    def _key(self, request: Request, in_body: object) -> Key:
        """The key: Basic user, else writeKey in the body, else in the query."""
        key, was_given = key_of(request, self.intake.keyring)
        if key is None:
            for secret in (in_body, query_value(request.query, "writeKey", "write_key")):
                if isinstance(secret, str) and secret:
                    was_given = True
                    key = self.intake.keyring.by_secret(secret)
                    if key is not None:
                        break
        key = key_or_refuse(key, was_given)
        needs(key, Right.WRITE)
        return key

    def _single(self, request: Request, type_hint: str, reply: Reply) -> None:
        intake, body = self.intake, request.body
        in_body = None
        if b"authorization" not in request.headers and b'"writeKey"' in body:
            in_body = _write_key(body)
        key = self._key(request, in_body)
        command = intake.command(
            body, key, intake.settings_of(key), DOOR, now=intake.engine.clock(), type_hint=type_hint, corrects_skew=True, request=request
        )
        if isinstance(command, Refusal):
            raise command
        if isinstance(command, Rejection):
            intake.refuse(command, body, key, DOOR)
            status = 413 if status_of(command) == 413 else 400
            raise Refusal(status, command.code, command.reason)
        intake.submit((command,), then(reply, _done))

    def _batch(self, request: Request, reply: Reply) -> None:
        intake, body = self.intake, request.body
        batch = read_batch(body)
        if isinstance(batch, Rejection):
            key = self._key(request, None)
            intake.refuse(batch, body, key, DOOR)
            raise Refusal(400, batch.code, batch.reason)
        key = self._key(request, batch.write_key)
        if len(batch.batch) > BATCH_MESSAGES_MAX:
            raise Refusal(413, "too_large", f"The batch holds more than {BATCH_MESSAGES_MAX} messages.")
        raws = _items(batch)
        settings, now = intake.settings_of(key), intake.engine.clock()
        make, sent_at = intake.command, read_time(batch.sent_at)
        commands = [make(raw, key, settings, DOOR, now=now, sent_at=sent_at, corrects_skew=True, request=request) for raw in raws]
        intake.take(commands, raws, key, DOOR, then(reply, _failed), with_ids=False)


def _done(_: object) -> bytes:
    return DONE


def _failed(failed: list[Result]) -> bytes:
    """The answer to a batch of which these failed."""
    if not failed:
        return DONE
    rejected = [{"index": r.index, "messageId": r.message_id, "code": r.code, "message": r.message} for r in failed]
    return encode({"success": True, "rejected": rejected})


def _settings(path: str, request: Request) -> bytes:
    """What the browser SDKs fetch before they start."""
    forwarded = request.headers.get(b"x-forwarded-proto", b"").decode("latin-1").split(",")[0].strip().lower()
    scheme = forwarded if forwarded in ("http", "https") else request.scheme
    host = request.headers.get(b"host", b"").decode("latin-1")
    parts = path.split("/")
    if len(parts) == 5 and parts[1:3] == ["v1", "projects"] and parts[4] == "settings":
        source = {"apiKey": parts[3], "apiHost": f"{host}/v1", "protocol": scheme}
        return encode({"integrations": {"Segment.io": source}, "plan": {}, "analyticsNextEnabled": True})
    if path.startswith("/sourceConfig"):
        write_key = query_value(request.query, "writeKey") or ""
        source_config = {
            "id": "goodword",
            "name": "goodword",
            "writeKey": write_key,
            "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
            "enabled": True,
            "workspaceId": "goodword",
            "destinations": [],
            "updatedAt": "2026-01-01T00:00:00.000Z",
            "dataplanes": {},
        }
        return encode({"source": source_config})
    raise Refusal(404, "not_found", "There is no such page.")


def _write_key(body: bytes) -> object:
    try:
        return (read_object(body.lstrip()) or {}).get("writeKey")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        cleaned = clean_text(body)
        return None if isinstance(cleaned, Rejection) else (read_object(cleaned) or {}).get("writeKey")


def _items(batch: Batch) -> list[bytes]:
    """The items' bytes, with the batch's own context laid under each item's."""
    raws = [bytes(raw) for raw in batch.batch]
    shared = {
        name: found
        for name, raw in (("context", batch.context), ("integrations", batch.integrations))
        if (found := read_object(bytes(raw)))
    }
    if not shared:
        return raws
    return [_with_shared(raw, shared) for raw in raws]


def _with_shared(raw: bytes, shared: dict[str, dict[str, object]]) -> bytes:
    item = read_object(raw)
    if item is None:
        return raw
    for name, found in shared.items():
        own = item.get(name)
        item[name] = {**found, **own} if isinstance(own, dict) else found
    return encode(item)
