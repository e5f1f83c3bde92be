"""The admin API, `/admin/...`: the message log, settings, previews of mappings, keys, deletions and counts of the key's own account.

Reading takes the server scope, changing the admin scope. Errors carry `code` and `message`.
"""

from __future__ import annotations

import asyncio
import zoneinfo
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field
from starlette.requests import Request as Asked
from starlette.responses import Response
from starlette.routing import Route

from goodword.api.auth import hash_secret, new_secret
from goodword.api.http import JSON, Refusal, read_body, read_head
from goodword.api.intake import RETRY_AFTER, Intake, key_of, key_or_refuse, needs, new_id
from goodword.api.openapi import BASIC, BEARER, Operation, Parameter
from goodword.core import command as c
from goodword.core.account import EVENTS_KEPT_DAYS_MIN, PRESETS, EventMapping, Key, Right, Scope, Settings
from goodword.core.audit import by_key
from goodword.core.decision import Outcome
from goodword.core.message import clean_name
from goodword.core.money import read_currency
from goodword.core.times import write_time
from goodword.engine import Overloaded, Unavailable
from goodword.storage import zone
from goodword.storage.query import erasure as deletions
from goodword.storage.query import message as log
from goodword.storage.query import preview as previews
from goodword.storage.query import stats as counts

BODY_BYTES_MAX = 256 * 1024
LIMIT_DEFAULT, LIMIT_MAX = 50, 1_000
LAST_MAX = 1_000
NAME_CHARS_MAX = 200

T = TypeVar("T")


class Messages(Struct):
    """Lines of the message log, newest first. `last_arrival`: follow the log with `after` set to it."""

    messages: list[dict[str, Any]]
    last_arrival: int


class MessageAnswer(Struct):
    """A line of the log, and how its message reads under the settings of today; null without its text."""

    message: dict[str, Any]
    understood: dict[str, Any] | None


class PreviewRequest(Struct, forbid_unknown_fields=True):
    """Mappings to try, by the name as sent, and a preset, laid over `settings` (the account's own when left out)."""

    mappings: dict[str, EventMapping] = field(default_factory=dict)
    preset: str | None = None
    settings: Settings | None = None
    last: int = LAST_MAX


class KeyRequest(Struct, forbid_unknown_fields=True):
    """A key to make."""

    name: str
    scopes: list[Scope] = field(default_factory=lambda: [Scope.DESTINATION])
    signing_secret: str = ""


class KeyAnswer(Struct, omit_defaults=True):
    """A key. `key` is there once, when it is made; `hint` is its end."""

    id: str
    name: str
    scopes: list[Scope]
    hint: str
    created_at: str
    last_used_at: str | None = None
    revoked_at: str | None = None
    is_signed: bool = False
    key: str = ""


class Call(Struct):
    """A request whose key has the right."""

    intake: Intake
    key: Key
    asked: Asked
    body: bytes = b""

    @property
    def settings(self) -> Settings:
        """The settings of the key's account."""
        return self.intake.settings_of(self.key)

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        """A whole number of the query. Errors: Refusal 400."""
        text = self.asked.query_params.get(name)
        if text is None or text == "":
            return default
        if not (text.isascii() and text.isdigit()) or len(text) > 19 or not lowest <= int(text) <= highest:
            raise Refusal(400, "invalid_parameter", f"{name} must be a whole number from {lowest} to {highest}.")
        return int(text)

    async def ask(self, command: c.Command) -> Outcome:
        """Have the engine do it. Errors: Refusal."""
        try:
            outcome = (await self.intake.engine.ask([by_key(self.key, command)]))[0]
        except Overloaded:
            raise Refusal(503, "overloaded", "Too much is waiting at the moment. Try again shortly.", [RETRY_AFTER]) from None
        except Unavailable:
            raise Refusal(503, "unavailable", "Nothing can be stored at the moment. Try again later.", [RETRY_AFTER]) from None
        if outcome.verdict == "refused":
            raise Refusal(404 if outcome.code.endswith("not_found") else 400, outcome.code, outcome.reason)
        return outcome


def _read(body: bytes, kind: type[T]) -> T:
    """A request's body. Errors: Refusal 400, which quotes nothing of it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        where = str(error) if isinstance(error, msgspec.ValidationError) else "The body is not valid JSON."
        raise Refusal(400, "invalid_body", where) from None


async def list_messages(call: Call) -> Messages:
    """`GET /admin/messages`."""
    store, account = call.intake.store, call.key.account
    said = call.asked.query_params.get("verdict") or None
    verdict = next((each for each in log.VERDICTS if each == said), None)
    if verdict != said:
        raise Refusal(400, "invalid_parameter", f"verdict is one of {', '.join(log.VERDICTS)}.")
    limit = call.number("limit", LIMIT_DEFAULT, 1, LIMIT_MAX)
    after, before = call.number("after", -1, 0, 1 << 62), call.number("before", 1 << 62, 0, 1 << 62)
    found = log.messages(store, account, limit, after=None if after < 0 else after, before=before, verdict=verdict)
    newest = found[0].arrival if found else max(after, 0)
    return Messages([_shown(call, line) for line in found], newest)


def _shown(call: Call, line: log.LoggedMessage) -> dict[str, Any]:
    said = log.as_json(line)
    if line.verdict == "rejected":
        text = call.intake.text_of(call.key.account, line.arrival)
        if text is not None:
            said["text"] = text.decode("utf-8", "replace")
    return said


async def get_message(call: Call) -> MessageAnswer:
    """`GET /admin/messages/{arrival}`."""
    arrival = call.asked.path_params["arrival"]
    line = log.message(call.intake.store, call.key.account, arrival) if arrival < 1 << 62 else None
    if line is None:
        raise Refusal(404, "message_not_found", "The log has no such message.")
    return MessageAnswer(_shown(call, line), log.reread(line, call.settings))


async def get_settings(call: Call) -> Settings:
    """`GET /admin/settings`."""
    return call.settings


async def put_settings(call: Call) -> Settings:
    """`PUT /admin/settings`: replaces them; names of events are kept in lower case."""
    settings = checked(_read(call.body, Settings))
    await call.ask(c.Configure(call.key.account, settings))
    counting = zone.follow(call.intake.store.accounts[call.key.account], call.intake.engine.clock())
    if counting is not None:
        await call.ask(counting)
    return call.settings


def checked(settings: Settings) -> Settings:
    """Settings that can be kept, tidied. Errors: Refusal 400, which says what cannot."""
    currency = read_currency(settings.currency)
    if currency is None:
        raise Refusal(400, "invalid_settings", "currency must be an ISO 4217 code such as USD.")
    if settings.time_zone and settings.time_zone not in zoneinfo.available_timezones():
        raise Refusal(400, "invalid_settings", "time_zone must be an IANA name such as Europe/Berlin, or empty.")
    if settings.events_kept_days and settings.events_kept_days < EVENTS_KEPT_DAYS_MIN:
        raise Refusal(400, "invalid_settings", f"events_kept_days must be {EVENTS_KEPT_DAYS_MIN} at least, or 0 for ever.")
    if not all(clean_name(sent) and clean_name(mapped.to) for sent, mapped in settings.events.items()):
        raise Refusal(400, "invalid_settings", "Each event needs a name as sent and a name it becomes.")
    bare = msgspec.structs.replace(settings, currency=currency, events={})
    return previews.drafted(bare, settings.events)


async def preview(call: Call) -> dict[str, Any]:
    """`POST /admin/events/preview`."""
    said = _read(call.body or b"{}", PreviewRequest)
    mappings = {sent: previews.mapping(mapped.to, mapped.fields) for sent, mapped in said.mappings.items()}
    if said.preset is not None:
        found = previews.preset(said.preset)
        if found is None:
            raise Refusal(400, "unknown_preset", f"There is no such preset; there are {', '.join(PRESETS)}.")
        mappings = {**found, **mappings}
    if not 1 <= said.last <= LAST_MAX:
        raise Refusal(400, "invalid_body", f"last must be from 1 to {LAST_MAX}.")
    settings = previews.drafted(said.settings or call.settings, mappings)
    return previews.as_json(previews.preview(call.intake.store, call.key.account, checked(settings), said.last))


def _key(key: Key, secret: str = "") -> KeyAnswer:
    return KeyAnswer(
        key.id,
        key.name,
        list(key.scopes),
        key.hint,
        write_time(key.created_at),
        write_time(key.last_used_at) if key.last_used_at else None,
        write_time(key.revoked_at) if key.revoked_at else None,
        bool(key.signing_secret),
        secret,
    )


async def list_keys(call: Call) -> list[KeyAnswer]:
    """`GET /admin/keys`: of the key's own account, oldest first."""
    keys = [key for key in call.intake.store.keys_by_id.values() if key.account == call.key.account]
    return [_key(key) for key in sorted(keys, key=lambda key: (key.created_at, key.id))]


async def create_key(call: Call) -> KeyAnswer:
    """`POST /admin/keys`: the secret is in this answer and nowhere else."""
    said = _read(call.body, KeyRequest)
    name = said.name.replace("\0", "").strip()[:NAME_CHARS_MAX]
    if not name or not said.scopes:
        raise Refusal(400, "invalid_body", "A key needs a name and a scope.")
    scopes = tuple(dict.fromkeys(said.scopes))
    secret = new_secret(scopes)
    account = call.key.account
    key = Key(
        new_id(), account, name, hash_secret(secret), secret[-4:], scopes, call.intake.engine.clock(), signing_secret=said.signing_secret
    )
    await call.ask(c.CreateKey(account, key))
    return _key(key, secret)


async def revoke_key(call: Call) -> KeyAnswer:
    """`DELETE /admin/keys/{id}`: at once."""
    id = call.asked.path_params["id"]
    key = call.intake.store.keys_by_id.get(id)
    if key is None or key.account != call.key.account or key.revoked_at is not None:
        raise Refusal(404, "key_not_found", "No live key has this id.")
    await call.ask(c.RevokeKey(call.key.account, id))
    return _key(call.intake.store.keys_by_id[id])


async def get_stats(call: Call) -> dict[str, Any]:
    """`GET /admin/stats`: counted beside the server's other work."""
    store, account = call.intake.store, call.key.account
    days = call.number("days", 0, 1, 36_500)
    now = call.intake.engine.clock()
    counted = await asyncio.to_thread(counts.stats, store, days=days or None, now=now, account=account)
    answer: dict[str, Any] = counts.as_json(counted)["accounts"][0]
    return answer


async def list_erasures(call: Call) -> list[dict[str, Any]]:
    """`GET /admin/erasures`: read beside the server's other work."""
    limit, offset = call.number("limit", LIMIT_DEFAULT, 1, LIMIT_MAX), call.number("offset", 0, 0, 1 << 62)
    found = await asyncio.to_thread(deletions.erasures, call.intake.store, call.key.account, limit, offset)
    return [deletions.as_json(erasure) for erasure in found]


class Endpoint(Struct):
    """A row of the table: what it is, what it takes, and who answers."""

    operation: Operation
    right: Right
    answer: Callable[[Call], Awaitable[Any]]


def _endpoint(
    method: str, path: str, right: Right, answer: Callable[[Call], Awaitable[Any]], kind: Any, summary: str, **more: Any
) -> Endpoint:
    scope = "server or admin" if right is Right.READ else "admin"
    errors = {
        400: "What was sent cannot be read.",
        401: "No key, or an unknown one.",
        403: f"The key's scope is not {scope}.",
        **({404: "There is none."} if "{" in path else {}),
        503: "Try again later.",
    }
    return Endpoint(Operation(method, path, "Admin", summary, kind, errors=errors, security=(BEARER, BASIC), **more), right, answer)


_LIMIT = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}
_ARRIVAL = {"type": "integer", "minimum": 0}
ENDPOINTS = [
    _endpoint(
        "GET", "/admin/messages", Right.READ, list_messages, Messages, "The message log, newest first",
        description="`message` is what arrived; `text` is a refused one's, for as long as the server remembers it. What a deleted"
        " person sent is not shown.",
        query=(
            Parameter("limit", "How many.", _LIMIT),
            Parameter("after", "The oldest after this arrival, to follow the log.", _ARRIVAL),
            Parameter("before", "The newest before this arrival, to page back.", _ARRIVAL),
            Parameter("verdict", "Only these.", {"type": "string", "enum": list(log.VERDICTS)}),
        ),
    ),
    _endpoint(
        "GET", "/admin/messages/{arrival:int}", Right.READ, get_message, MessageAnswer, "One message, and how it reads today",
        path_words={"arrival": "Its place in the log."},
    ),
    _endpoint("GET", "/admin/settings", Right.MANAGE, get_settings, Settings, "The account's settings"),
    _endpoint("PUT", "/admin/settings", Right.MANAGE, put_settings, Settings, "Replace the account's settings", body=Settings),
    _endpoint(
        "POST", "/admin/events/preview", Right.READ, preview, dict[str, Any], "What the newest events would become under draft settings",
        body=PreviewRequest, is_body_required=False,
    ),
    _endpoint("GET", "/admin/keys", Right.MANAGE, list_keys, list[KeyAnswer], "The account's keys"),
    _endpoint("POST", "/admin/keys", Right.MANAGE, create_key, KeyAnswer, "Make a key; it is shown once", body=KeyRequest),
    _endpoint(
        "DELETE", "/admin/keys/{id}", Right.MANAGE, revoke_key, KeyAnswer, "End a key at once", path_words={"id": "The key's id."}
    ),
    _endpoint(
        "GET", "/admin/erasures", Right.READ, list_erasures, list[dict[str, Any]], "The log of deletions, newest first",
        description="Of each its id, time, how many profiles and look-up keys, and whether they are suppressed. Whether the profiles' data"
        " keys are destroyed is what `goodword verify` checks.",
        query=(
            Parameter("limit", "How many.", _LIMIT),
            Parameter("offset", "How many of the newest to pass over.", {"type": "integer", "minimum": 0, "default": 0}),
        ),
    ),
    _endpoint(
        "GET", "/admin/stats", Right.READ, get_stats, dict[str, Any], "Counts of the account",
        query=(Parameter("days", "Only events of the last so many days.", {"type": "integer", "minimum": 1, "maximum": 36_500}),),
    ),
]  # fmt: skip
OPERATIONS = [each.operation for each in ENDPOINTS]


def routes(intake: Intake) -> list[Route]:
    """The routes of the admin API."""
    return [_route(intake, each) for each in ENDPOINTS]


def _route(intake: Intake, each: Endpoint) -> Route:
    async def serve(asked: Asked) -> Response:
        head = read_head(asked.scope)
        try:
            key = key_or_refuse(*key_of(head, intake.keyring))
            needs(key, each.right)
            body = await read_body(head, asked.receive, BODY_BYTES_MAX) if each.operation.body is not None else b""
            answer = await each.answer(Call(intake, key, asked, body))
        except Refusal as refusal:
            said = msgspec.json.encode({"code": refusal.code, "message": refusal.message})
            response = Response(said, refusal.status)
            response.raw_headers.extend([JSON, *refusal.headers])
            return response
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return Route(each.operation.path, serve, methods=[each.operation.method])
