"""The tracking door, `/v1/...`: what stock Segment and RudderStack SDKs post, browsers too.

Success is exactly 200. Errors carry `code` and `message`, and CORS headers are on every answer: some SDKs retry a permanent
error for ever where either is missing. A bad message of a batch never fails its neighbours.
"""

from __future__ import annotations

import msgspec

from goodword.api.auth import query_value
from goodword.api.http import JSON, Headers, Receive, Refusal, Request, Scope, Send, answer, encode, read_body, read_head
from goodword.api.intake import Intake, key_of, key_or_refuse, needs
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


class Tracking:
    """The ASGI app of the door."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a path is this door's."""
        return path.startswith(("/v1/", "/beacon/v1/", "/sourceConfig"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = read_head(scope)
        cors = corrected(request.headers)
        if request.method == "OPTIONS":
            await answer(send, 200, b"", preflight(request.headers))
            return
        try:
            body = await self._take(request, receive, scope)
        except Refusal as refusal:
            said = encode({"success": False, "code": refusal.code, "message": refusal.message})
            await answer(send, refusal.status, said, [JSON, *cors, *refusal.headers])
            return
        await answer(send, 200, body, [JSON, *cors])

    async def _take(self, request: Request, receive: Receive, scope: Scope) -> bytes:
        path = request.path.rstrip("/")
        if request.method == "GET":
            return self._settings(path, request, scope)
        if request.method != "POST":
            raise Refusal(405, "method_not_allowed", "Send messages by POST.")
        if path == "/v1/m":
            return DONE
        type_hint = TYPES.get(path.removeprefix("/v1/"))
        if type_hint is None and path not in BATCHES:
            raise Refusal(404, "not_found", "There is no such door. Send messages to /v1/batch or /v1/track.")
        body = await read_body(request, receive, BATCH_BYTES_MAX + ENVELOPE_BYTES_MAX)
        if type_hint is None:
            return await self._batch(request, body)
        return await self._single(request, body, type_hint)

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

    async def _single(self, request: Request, body: bytes, type_hint: str) -> bytes:
        intake = self.intake
        in_body = None
        if b"authorization" not in request.headers and b'"writeKey"' in body:
            in_body = _write_key(body)
        key = self._key(request, in_body)
        command = intake.command(
            body, key, intake.settings_of(key), DOOR, now=intake.engine.clock(), type_hint=type_hint, corrects_skew=True
        )
        if isinstance(command, Refusal):
            raise command
        for failed in await intake.take((command,), (body,), key, DOOR, with_ids=False):
            raise Refusal(413 if failed.status == 413 else 400, failed.code, failed.message)
        return DONE

    async def _batch(self, request: Request, body: bytes) -> bytes:
        intake = self.intake
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
        commands = [make(raw, key, settings, DOOR, now=now, sent_at=sent_at, corrects_skew=True) for raw in raws]
        failed = await intake.take(commands, raws, key, DOOR, with_ids=False)
        if not failed:
            return DONE
        rejected = [{"index": r.index, "messageId": r.message_id, "code": r.code, "message": r.message} for r in failed]
        return encode({"success": True, "rejected": rejected})

    def _settings(self, path: str, request: Request, scope: Scope) -> bytes:
        """What the browser SDKs fetch before they start."""
        forwarded = request.headers.get(b"x-forwarded-proto", b"").decode("latin-1").split(",")[0].strip().lower()
        scheme = forwarded if forwarded in ("http", "https") else scope.get("scheme", "http")
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
