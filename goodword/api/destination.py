"""The destination door, `POST /segment`: one message, or an array of them, from Segment and what speaks like it.

Answers follow Segment's contract for destinations: 200 processed, 400 malformed, 401 key, 403 right, 501 type, 503 later; never
a 4xx for what could succeed later. An array is answered 200 with a result for each message in order.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from goodword.api.auth import signature_matches
from goodword.api.http import JSON, Answer, Headers, Refusal, Reply, Request, encode
from goodword.api.intake import Intake, Result, key_of, key_or_refuse, needs, status_of, then
from goodword.core.account import Key, Right, Settings
from goodword.core.event import header_settings
from goodword.core.message import BATCH_BYTES_MAX, BATCH_MESSAGES_MAX, Rejection, read_batch

DOOR = "segment"
METHODS = ("POST", "PUT", "PATCH")
SETTINGS_CACHED_MAX = 1_000
_JSON: Headers = [JSON]
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class Destination:
    """The door."""

    body_bytes_max = BATCH_BYTES_MAX

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self._settings: dict[tuple[bytes, int], tuple[Settings, Settings]] = {}

    def look(self, request: Request) -> bytes | None:
        """Whose key it is, before the body is read. Errors: Refusal."""
        if request.method not in METHODS:
            raise Refusal(405, "method_not_allowed", "Send messages by POST.", [(b"allow", b"POST, PUT, PATCH")])
        self._key(request)
        return None

    def take(self, request: Request, reply: Reply) -> None:
        """One message, or an array of them. Errors: Refusal."""
        intake, body = self.intake, request.body
        key = self._key(request)
        settings = self._settings_of(request, key)
        start = body.lstrip()[:1]
        if start != b"[":
            if not signature_matches(key, body, request.headers.get(b"x-signature")):
                raise _bad_signature()
            self._one(body, key, settings, reply)
            return
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
        intake.take(commands, raws, key, DOOR, then(reply, _said_of_all))

    def answer(self, request: Request, found: bytes | Refusal) -> Answer:
        """An answer as Segment reads it."""
        if isinstance(found, Refusal):
            self.intake.turn_away(request.path, found.status, found.message)
            return Answer(found.status, encode({"code": found.code, "message": found.message}), [JSON, *found.headers])
        return Answer(200, found, _JSON)

    def _key(self, request: Request) -> Key:
        key = key_or_refuse(*key_of(request, self.intake.keyring))
        needs(key, Right.WRITE)
        return key

    def _one(self, body: bytes, key: Key, settings: Settings, reply: Reply) -> None:
        intake = self.intake
        command = intake.command(body, key, settings, DOOR, now=intake.engine.clock(), takes_bare_delete=True)
        if isinstance(command, Refusal):
            raise command
        intake.take((command,), (body,), key, DOOR, then(reply, _said_of_one))

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
            plain = header.strip().translate(_URL_SAFE)
            said = msgspec.json.decode(base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True))
        except (binascii.Error, ValueError, RecursionError):
            raise Refusal(400, "invalid_settings", "X-Segment-Settings is not base64 of JSON.") from None
        laid = header_settings(settings, said)
        if isinstance(laid, str):
            raise Refusal(400, "invalid_settings", laid)
        if len(self._settings) >= SETTINGS_CACHED_MAX:
            self._settings.clear()
        self._settings[header, key.account] = (settings, laid)
        return laid


def _said_of_one(results: list[Result]) -> bytes:
    """Errors: Refusal, where the message was not taken."""
    (result,) = results
    if result.status != 200:
        raise Refusal(result.status, result.code, result.message)
    return encode({"success": True, "messageId": result.message_id, "eventId": result.event_id})


def _said_of_all(results: list[Result]) -> bytes:
    return encode({"results": [{"messageId": r.message_id, "status": r.status, "message": r.message} for r in results]})


def _bad_signature() -> Refusal:
    return Refusal(401, "invalid_signature", "X-Signature does not match. Set the same shared secret here and at the sender.")
