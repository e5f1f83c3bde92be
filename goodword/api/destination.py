"""The destination door, `POST /segment`: one message, or an array of them, from Segment and what speaks like it.

Answers follow Segment's contract for destinations: 200 processed, 400 malformed, 401 key, 403 right, 501 type, 503 later; never
a 4xx for what could succeed later. An array is answered 200 with a result for each message in order.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from goodword.api.auth import signature_matches
from goodword.api.http import JSON, Receive, Refusal, Request, Scope, Send, answer, encode, read_body, read_head
from goodword.api.intake import Intake, Result, key_of, key_or_refuse, needs, status_of
from goodword.core.account import Key, Right, Settings
from goodword.core.event import header_settings
from goodword.core.message import BATCH_BYTES_MAX, BATCH_MESSAGES_MAX, Rejection, read_batch

DOOR = "segment"
METHODS = ("POST", "PUT", "PATCH")
SETTINGS_CACHED_MAX = 1_000


class Destination:
    """The ASGI app of the door."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self._settings: dict[tuple[bytes, int], tuple[Settings, Settings]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = read_head(scope)
        try:
            body = await self._take(request, receive)
        except Refusal as refusal:
            said = encode({"code": refusal.code, "message": refusal.message})
            await answer(send, refusal.status, said, [JSON, *refusal.headers])
            return
        await answer(send, 200, body, [JSON])

    async def _take(self, request: Request, receive: Receive) -> bytes:
        if request.method not in METHODS:
            raise Refusal(405, "method_not_allowed", "Send messages by POST.", [(b"allow", b"POST, PUT, PATCH")])
        intake = self.intake
        key = key_or_refuse(*key_of(request, intake.keyring))
        needs(key, Right.WRITE)
        body = await read_body(request, receive, BATCH_BYTES_MAX)
        settings = self._settings_of(request, key)
        start = body.lstrip()[:1]
        if start != b"[":
            if not signature_matches(key, body, request.headers.get(b"x-signature")):
                raise _bad_signature()
            return await self._one(body, key, settings)
        batch = read_batch(body)
        if isinstance(batch, Rejection):
            intake.refuse(batch, body, key, DOOR)
            raise Refusal(status_of(batch), batch.code, batch.reason)
        raws = [bytes(raw) for raw in batch.batch]
        if len(raws) > BATCH_MESSAGES_MAX:
            raise Refusal(413, "too_large", f"The array holds {len(raws)} messages; at most {BATCH_MESSAGES_MAX} are taken at once.")
        if raws and not signature_matches(key, raws[0], request.headers.get(b"x-signature")):
            raise _bad_signature()
        now = intake.engine.clock()
        commands = [intake.command(raw, key, settings, DOOR, now=now, takes_bare_delete=True) for raw in raws]
        results = await intake.take(commands, raws, key, DOOR)
        return encode({"results": [{"messageId": r.message_id, "status": r.status, "message": r.message} for r in results]})

    async def _one(self, body: bytes, key: Key, settings: Settings) -> bytes:
        intake = self.intake
        command = intake.command(body, key, settings, DOOR, now=intake.engine.clock(), takes_bare_delete=True)
        if isinstance(command, Refusal):
            raise command
        result: Result = (await intake.take((command,), (body,), key, DOOR))[0]
        if result.status != 200:
            raise Refusal(result.status, result.code, result.message)
        return encode({"success": True, "messageId": result.message_id, "eventId": result.event_id})

    def _settings_of(self, request: Request, key: Key) -> Settings:
        """The account's settings, with those of Segment's settings page laid over them."""
        settings = self.intake.settings_of(key)
        header = request.headers.get(b"x-segment-settings")
        if not header:
            return settings
        cached = self._settings.get((header, key.account))
        if cached is not None and cached[0] is settings:
            return cached[1]
        try:
            said = msgspec.json.decode(base64.b64decode(header + b"=" * (-len(header) % 4), validate=True))
        except (binascii.Error, ValueError, RecursionError):
            raise Refusal(400, "invalid_settings", "X-Segment-Settings is not base64 of JSON.") from None
        laid = header_settings(settings, said)
        if isinstance(laid, str):
            raise Refusal(400, "invalid_settings", laid)
        if len(self._settings) >= SETTINGS_CACHED_MAX:
            self._settings.clear()
        self._settings[header, key.account] = (settings, laid)
        return laid


def _bad_signature() -> Refusal:
    return Refusal(401, "invalid_signature", "X-Signature does not match. Set the same shared secret here and at the sender.")
