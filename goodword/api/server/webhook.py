"""Webhooks by the server API: receivers, what each is owed and was sent. Reading takes the server scope, the rest admin."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from goodword import config
from goodword.api.intake import new_id
from goodword.api.openapi import Parameter
from goodword.api.server.call import PAGE, Call, endpoint
from goodword.api.server.call import Endpoint as Route
from goodword.api.server.errors import ServerRefusal
from goodword.core import command as c
from goodword.core.account import Right
from goodword.core.delivery import EVENT_TYPES, RETRY_S, DeliveryState, Endpoint, Health, Kind, Signature
from goodword.core.source import batch_url
from goodword.core.times import Millis, read_time, write_time
from goodword.core.webhook import write_secret
from goodword.storage.query import delivery as outbox
from goodword.storage.store import Store

SECRET_BYTES = 32
RESENT_A_COMMAND = 500
TESTED_WITHIN_S = 20.0
TEST_POLL_S = 0.02


class WebhookRequest(Struct, forbid_unknown_fields=True):
    """A webhook to make, or what to change of one. `type` REWARD means all events of rewards, where `event_types` names none."""

    url: str | UnsetType = UNSET
    type: Literal["GENERIC", "REWARD"] | UnsetType = UNSET
    kind: Kind | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    signature: Signature | UnsetType = UNSET
    secret: str | UnsetType = UNSET
    event_types: list[str] | UnsetType = UNSET
    states: list[str] | UnsetType = UNSET
    suppliers: list[str] | UnsetType = UNSET
    supplier_tags: list[str] | UnsetType = UNSET
    campaigns: list[str] | UnsetType = UNSET
    retry_intervals: list[int] | UnsetType = UNSET


class WebhookAnswer(Struct):
    """A webhook. `secret` is there once, when it is made. `waiting`, `dead`: how many deliveries; `failing_since`: while all tries fail."""

    id: str
    type: str
    kind: str
    url: str
    name: str
    description: str
    state: str
    signature: str
    retry_intervals: list[int]
    created_date: str
    updated_date: str
    enabled: bool
    default_method: str
    tags: list[str]
    event_types: list[str]
    states: list[str]
    suppliers: list[str]
    supplier_tags: list[str]
    campaigns: list[str]
    paused_at: str | None
    paused_why: str
    failing_since: str | None
    last_success_at: str | None
    last_failure_at: str | None
    waiting: int
    dead: int
    secret: str | UnsetType = UNSET


class SendRequest(Struct, forbid_unknown_fields=True):
    """What to send again: deliveries or events by id, or all of a webhook that are in a state, since a time. At most 10,000 at once."""

    delivery_ids: list[str] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)
    webhook_id: str | None = None
    state: DeliveryState | None = None
    since: str | None = None


class SendAnswer(Struct):
    """How many are sent again."""

    count: int


class TestAnswer(Struct):
    """A test, and what came of its first try; `state` is `waiting` when no answer came while this call waited."""

    event_id: str
    delivery_id: str
    state: str
    attempts: list[dict[str, Any]]


def new_signing_secret(signature: Signature) -> str:
    """A secret to sign with."""
    return write_secret(os.urandom(SECRET_BYTES)) if signature == "standard" else os.urandom(SECRET_BYTES).hex()


def takes_http(url: str) -> bool:
    """Whether the allow-list names a URL's host."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    return bool(host) and config.webhook_allow().names(host or "")


def shown(store: Store, account: int, each: Endpoint, secret: str = "") -> WebhookAnswer:
    """An endpoint as answered."""
    health = store.health.get(account, {}).get(each.id, Health(each.id))
    waiting, dead = outbox.counts(store, account, each.id)
    is_reward = bool(each.event_types) and all(name.startswith("reward.") for name in each.event_types)
    return WebhookAnswer(
        each.id, "REWARD" if is_reward else "GENERIC", each.kind, each.url, each.name, each.description, each.state, each.signature,
        each.retry_s, write_time(each.created_at), write_time(each.updated_at), each.enabled, "POST", each.tags, each.event_types,
        each.states, each.suppliers, each.supplier_tags, each.campaigns, _time(each.paused_at), each.paused_why,
        _time(health.failing_since), _time(health.succeeded_at), _time(health.failed_at), waiting, dead, secret or UNSET,
    )  # fmt: skip


def _time(at: Millis | None) -> str | None:
    return write_time(at) if at is not None else None


def _found(call: Call) -> Endpoint:
    each = call.store.endpoints.get(call.account, {}).get(call.path["webhook_id"])
    if each is None:
        raise ServerRefusal("webhook_not_found", "There is no such webhook.")
    return each


async def list_all(call: Call) -> list[WebhookAnswer]:
    """`GET /v6/webhooks`: oldest first."""
    offset, limit = call.page()
    endpoints = sorted(call.store.endpoints.get(call.account, {}).values(), key=lambda each: (each.created_at, each.id))
    return [shown(call.store, call.account, each) for each in endpoints[offset : offset + limit]]


async def show(call: Call) -> WebhookAnswer:
    """`GET /v6/webhooks/{webhook_id}`."""
    return shown(call.store, call.account, _found(call))


async def create(call: Call) -> WebhookAnswer:
    """`POST /v6/webhooks`."""
    said = call.read(WebhookRequest)
    each = _changed(Endpoint(new_id(), ""), said)
    if not each.secret and each.kind == "webhook":
        each = replace(each, secret=new_signing_secret(each.signature))
    secret = each.secret if each.kind == "webhook" else ""
    return await _put(call, each, secret)


async def change(call: Call) -> WebhookAnswer:
    """`PUT /v6/webhooks/{webhook_id}`: what is not named stays. A new secret takes over; the old one signs too for a day."""
    before = _found(call)
    after = _changed(before, call.read(WebhookRequest))
    secret = ""
    if after.signature != before.signature and after.secret == before.secret and after.kind == "webhook":
        secret = new_signing_secret(after.signature)
        after = replace(after, secret=secret)
    return await _put(call, after, secret)


def _changed(each: Endpoint, said: WebhookRequest) -> Endpoint:
    names = {"retry_intervals": "retry_s"}
    changes = {names.get(name, name): value for name in said.__struct_fields__ if (value := getattr(said, name)) is not UNSET}
    kind = changes.pop("type", None)
    if kind == "REWARD" and not changes.get("event_types"):
        changes["event_types"] = [name for name in EVENT_TYPES if name.startswith("reward.")]
    each = replace(each, **changes)
    return replace(each, url=batch_url(each.kind, each.url))


async def _put(call: Call, each: Endpoint, secret: str = "") -> WebhookAnswer:
    await call.ask(c.PutEndpoint(call.account, each, takes_http=takes_http(each.url)))
    return shown(call.store, call.account, call.store.endpoints[call.account][each.id], secret)


async def remove(call: Call) -> WebhookAnswer:
    """`DELETE /v6/webhooks/{webhook_id}`: with what it was still owed."""
    each = _found(call)
    said = shown(call.store, call.account, each)
    await call.ask(c.PutEndpoint(call.account, each, is_deleted=True))
    return said


async def pause(call: Call) -> WebhookAnswer:
    """`POST /v6/webhooks/{webhook_id}/pause`: what happens meanwhile is owed."""
    each = _found(call)
    if each.paused_at is None:
        each = replace(each, paused_at=call.intake.engine.clock(), paused_why="Paused by hand.")
    return await _put(call, each)


async def resume(call: Call) -> WebhookAnswer:
    """`POST /v6/webhooks/{webhook_id}/resume`: what it is owed is sent."""
    return await _put(call, replace(_found(call), paused_at=None, paused_why="", enabled=True))


async def rotate(call: Call) -> WebhookAnswer:
    """`POST /v6/webhooks/{webhook_id}/secret`: a new secret, in this answer alone."""
    each = _found(call)
    if each.kind != "webhook":
        raise ServerRefusal("invalid_parameter", "A way back to a CDP signs nothing; change its write key with PUT.")
    secret = new_signing_secret(each.signature)
    return await _put(call, replace(each, secret=secret), secret)


async def test(call: Call) -> TestAnswer:
    """`POST /v6/webhooks/{webhook_id}/test`: waits for the answer."""
    each = _found(call)
    outcome = await call.ask(c.TestEndpoint(call.account, each.id))
    event_id = str(outcome.value)
    deadline = asyncio.get_running_loop().time() + TESTED_WITHIN_S
    while True:
        sent = outbox.deliveries(call.store, call.account, endpoint=each.id, event_id=event_id, limit=1)
        if not sent or sent[0].attempts or asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(TEST_POLL_S)
    if not sent:
        raise ServerRefusal("webhook_not_found", "The webhook was removed meanwhile.")
    tried = outbox.as_json_whole(call.store, call.account, sent[0], {}, each)["attempts"]
    return TestAnswer(event_id, str(sent[0].id), sent[0].state, tried)


async def list_deliveries(call: Call) -> list[dict[str, Any]]:
    """`GET /v6/webhooks/events`: newest first."""
    _, limit = call.page()
    state = call.query.get("state") or None
    if state is not None and state not in get_args(DeliveryState):
        raise ServerRefusal("invalid_parameter", f"state is one of {', '.join(get_args(DeliveryState))}.", parameter="state")
    before = call.query.get("before") or None
    if before is not None and _id(before) is None:
        raise ServerRefusal("invalid_parameter", "before is the id of a delivery.", parameter="before")
    found = await asyncio.to_thread(
        outbox.deliveries, call.store, call.account,
        endpoint=call.query.get("webhook_id") or None,
        state=state,
        event_type=call.query.get("event_type") or None,
        event_id=call.query.get("event_id") or None,
        since=_since(call.query.get("since")),
        before=_id(before) if before else None,
        limit=limit,
    )  # fmt: skip
    return [outbox.as_json(each) for each in found]


async def show_delivery(call: Call) -> dict[str, Any]:
    """`GET /v6/webhooks/events/{delivery_id}`: with body and tries."""
    number = _id(call.path["delivery_id"])
    found = outbox.delivery(call.store, call.account, number) if number is not None else None
    if found is None:
        raise ServerRefusal("delivery_not_found", "There is no such delivery. They are kept for seven days after they ended.")
    each = call.store.endpoints.get(call.account, {}).get(found[0].endpoint)
    return outbox.as_json_whole(call.store, call.account, *found, each)


async def send_again(call: Call) -> SendAnswer:
    """`POST /v6/webhooks/events/send`."""
    said = call.read(SendRequest)
    chosen = {id for text in said.delivery_ids if (id := _id(text)) is not None}
    if said.webhook_id is None and not said.delivery_ids and not said.event_ids:
        raise ServerRefusal("invalid_parameter", "Say what to send again: delivery_ids, event_ids, or webhook_id with state and since.")
    if max(len(said.delivery_ids), len(said.event_ids)) > outbox.IDS_MAX:
        raise ServerRefusal("invalid_parameter", f"At most {outbox.IDS_MAX} at once.")
    numbers = await asyncio.to_thread(_chosen, call.store, call.account, said, chosen)
    for start in range(0, len(numbers), RESENT_A_COMMAND):
        await call.ask(c.Redeliver(call.account, tuple(numbers[start : start + RESENT_A_COMMAND])))
    return SendAnswer(len(numbers))


def _chosen(store: Store, account: int, said: SendRequest, chosen: set[int]) -> list[int]:
    """The ids of what is there of what was asked for, oldest first."""
    found = {number for number in chosen if outbox.delivery(store, account, number) is not None}
    for event_id in said.event_ids:
        found |= {each.id for each in outbox.deliveries(store, account, endpoint=said.webhook_id, event_id=event_id, limit=100)}
    if said.webhook_id is not None and not (said.delivery_ids or said.event_ids):
        state = said.state or (None if said.since else "dead")
        since = _since(said.since)
        found |= {
            each.id for each in outbox.deliveries(store, account, endpoint=said.webhook_id, state=state, since=since, limit=outbox.IDS_MAX)
        }
    return sorted(found)


def _id(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _since(text: str | None) -> Millis | None:
    if not text:
        return None
    at = read_time(int(text) if text.isdigit() else text)
    if at is None:
        raise ServerRefusal("invalid_parameter", "since is no time. Write it as 2026-01-31T12:00:00Z.", parameter="since")
    return at


_ALL, _ONE = "/v6/webhooks", "/v6/webhooks/{webhook_id}"
_MISSING = "`webhook_not_found`: there is none with this id."
_ID = {"webhook_id": "The webhook's id."}
_WRONG = "`invalid_url`, `invalid_event_type`, `invalid_secret`, `invalid_retry_intervals`, `too_many_webhooks`: see `message`."


def _row(method: str, path: str, summary: str, handler: Any, answer: Any, *, right: Right = Right.MANAGE, **more: Any) -> Route:
    words = (_ID if "{webhook_id}" in path else {}) | ({"delivery_id": "The delivery's id."} if "{delivery_id}" in path else {})
    return endpoint(method, path, "Webhooks", summary, handler, right, answer, path_words=words, **more)


ENDPOINTS: list[Route] = [
    _row("GET", _ALL, "The account's webhooks, oldest first", list_all, list[WebhookAnswer], right=Right.READ, query=PAGE),
    _row(
        "POST", _ALL, "Make a webhook, or a way back to a CDP", create, WebhookAnswer, body=WebhookRequest,
        description="The answer holds the secret, once. " + _WRONG + f" Retries are {list(RETRY_S)} seconds unless told.",
    ),
    _row(
        "GET", _ALL + "/events", "Deliveries, newest first", list_deliveries, list[dict[str, Any]], right=Right.READ,
        query=(
            Parameter("webhook_id", "Only this webhook's."),
            Parameter("state", "Only these.", {"type": "string", "enum": list(get_args(DeliveryState))}),
            Parameter("event_type", "Only these."),
            Parameter("event_id", "Only this event's: the `webhook-id` that the receiver saw."),
            Parameter("since", "Only of events since this time."),
            Parameter("before", "Only those before this delivery, to page back."),
            PAGE[0],
        ),
    ),
    _row(
        "POST", _ALL + "/events/send", "Send deliveries again", send_again, SendAnswer, body=SendRequest,
        description="By id of delivery or event, or all of a webhook: its dead letters, or those in `state`, of events since `since`. "
        "A receiver tells repeats by `event_id`.",
    ),
    _row(
        "GET", _ALL + "/events/{delivery_id}", "A delivery with its body and every try", show_delivery, dict[str, Any], right=Right.READ,
        description="`delivery_not_found`. Body, request and response are null once a person they name was deleted.",
    ),
    _row("GET", _ONE, "A webhook", show, WebhookAnswer, right=Right.READ, description=_MISSING),
    _row("PUT", _ONE, "Change a webhook; what is not named stays", change, WebhookAnswer, body=WebhookRequest, description=_WRONG),
    _row("DELETE", _ONE, "Remove a webhook, with what it was still owed", remove, WebhookAnswer, description=_MISSING),
    _row("POST", _ONE + "/pause", "Pause: what happens meanwhile is owed", pause, WebhookAnswer, description=_MISSING),
    _row("POST", _ONE + "/resume", "Send on, beginning with what is owed", resume, WebhookAnswer, description=_MISSING),
    _row("POST", _ONE + "/secret", "A new signing secret; the old one signs too for a day", rotate, WebhookAnswer, description=_MISSING),
    _row(
        "POST", _ONE + "/test", "Send a test and wait for what comes of it", test, TestAnswer,
        description=_MISSING + " `webhook_paused`: resume it first.",
    ),
]  # fmt: skip
