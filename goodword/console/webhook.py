"""Webhooks: who is told, what each was sent and answered, what waits or is given up, and sending it again."""

from __future__ import annotations

import asyncio
from typing import get_args

import msgspec
from msgspec.structs import replace
from starlette.responses import Response

from goodword.api.intake import new_id
from goodword.api.server.webhook import new_signing_secret, takes_http
from goodword.console.listing import Chunks, Listing, as_file, columns
from goodword.console.navigation import Entry
from goodword.console.page import Page, PageRefused, changes, shows
from goodword.core import command as c
from goodword.core.delivery import EVENT_TYPES, DeliveryState, Endpoint, Health, Kind
from goodword.core.source import batch_url
from goodword.storage.query import delivery as outbox

ENTRIES = (Entry("Webhooks", "/webhooks", "marketer", "Connect", "w", "webhooks"),)
SHOWN = 50
FILE_ROWS = 500
COLUMNS = columns(
    *("id", "webhook_id", "type", "event_id", "state", "attempt_count", "event_time", "next_attempt_at", "ended_at", "person_id"),
    attempt_count="count", event_time="time", next_attempt_at="time", ended_at="time",
)  # fmt: skip
RESENT_MAX = 500
TESTED_WITHIN_S = 5.0
POLL_S = 0.05
KINDS: tuple[tuple[Kind, str], ...] = (
    ("webhook", "A webhook: signed events"),
    ("segment", "Segment: identify and track calls, by a write key"),
    ("rudderstack", "RudderStack: the same"),
)
STATE_KINDS = {"active": "good", "paused": "warn", "disabled": "", "waiting": "info", "delivered": "good", "dead": "bad"}


def _endpoints(page: Page) -> dict[str, Endpoint]:
    return page.store.endpoints.get(page.account, {})


async def index(page: Page) -> Response:
    """`GET /webhooks`."""
    return _shown(page)


def _shown(page: Page, status: int = 200) -> Response:
    found = sorted(_endpoints(page).values(), key=lambda each: (each.created_at, each.id))
    health = page.store.health.get(page.account, {})
    lines = [(each, health.get(each.id, Health(each.id)), outbox.counts(page.store, page.account, each.id)) for each in found]
    return page.render("webhook/index.html", status, lines=lines, kinds=KINDS, states=STATE_KINDS, may_change=page.viewer.may("admin"))


async def create(page: Page) -> Response:
    """`POST /webhooks`: the secret is in this answer and nowhere else."""
    form = page.form
    url = form.text("url", needs="Say where to: an address that begins with https://.", chars_max=2_000)
    kind = form.choice("kind", get_args(Kind))
    secret = form.text("write_key")
    if kind != "webhook" and not secret:
        form.wrong("write_key", "A CDP needs its write key.")
    if form.is_good:
        secret = new_signing_secret("standard") if kind == "webhook" else secret
        each = Endpoint(new_id(), batch_url(kind, url), secret, kind, form.text("name"))
        outcome = await page.attempt(c.PutEndpoint(page.account, each, takes_http=takes_http(each.url)), "webhook.created", each.id)
        if outcome.verdict != "refused":
            return _one(page, _endpoints(page)[each.id], secret=secret if kind == "webhook" else "")
        form.wrong("url", outcome.reason)
    return _shown(page, 422)


def _found(page: Page) -> Endpoint:
    each = _endpoints(page).get(page.param("id"))
    if each is None:
        raise PageRefused(404, "There is no such webhook.")
    return each


async def show(page: Page) -> Response:
    """`GET /webhooks/{id}`: its deliveries, newest first."""
    return _one(page, _found(page))


def _one(page: Page, each: Endpoint, secret: str = "") -> Response:
    state = page.choice("state", get_args(DeliveryState))
    before = page.number("before", 0) or None
    found = outbox.deliveries(page.store, page.account, endpoint=each.id, state=state or None, before=before, limit=SHOWN)
    health = page.store.health.get(page.account, {}).get(each.id, Health(each.id))
    return page.render(
        "webhook/show.html",
        endpoint=each,
        health=health,
        counts=outbox.counts(page.store, page.account, each.id),
        deliveries=found,
        delivery_states=get_args(DeliveryState),
        older=page.at(f"/webhooks/{each.id}", state=state, before=found[-1].id) if len(found) == SHOWN else "",
        states=STATE_KINDS,
        event_types=EVENT_TYPES,
        secret=secret,
        may_change=page.viewer.may("admin"),
    )


async def file(page: Page) -> Response:
    """`GET /webhooks/{id}/file`: its deliveries. Whom they are about is a number."""
    return await as_file(page, Listing("deliveries", COLUMNS, _chunks(page, _found(page)), names_people=False))


def _chunks(page: Page, each: Endpoint) -> Chunks:
    state, before = page.choice("state", get_args(DeliveryState)) or None, None
    while found := outbox.deliveries(page.store, page.account, endpoint=each.id, state=state, before=before, limit=FILE_ROWS):
        yield [[outbox.as_json(one)[column.name] for column in COLUMNS] for one in found]
        before = found[-1].id


async def change(page: Page) -> Response:
    """`POST /webhooks/{id}`: pause, resume, test, a new secret, what it is told of, or its end."""
    each, do = _found(page), page.form.choice("do", ("pause", "resume", "test", "secret", "types", "end"))
    if do == "test":
        return await _test(page, each)
    if do == "end":
        await page.do(c.PutEndpoint(page.account, each, is_deleted=True), "webhook.ended", each.id)
        return page.redirect("/webhooks", "It is told no more, and what it was owed is gone.")
    if do == "secret" and each.kind != "webhook":
        raise PageRefused(409, "A way back to a CDP signs nothing: make it anew with another write key.")
    secret = new_signing_secret(each.signature) if do == "secret" else ""
    chosen = [name for name in EVENT_TYPES if name in page.form.many("event_type")]
    changed = {
        "pause": lambda: replace(each, paused_at=page.now, paused_why="Paused by hand."),
        "resume": lambda: replace(each, paused_at=None, paused_why="", enabled=True),
        "secret": lambda: replace(each, secret=secret),
        "types": lambda: replace(each, event_types=chosen if len(chosen) < len(EVENT_TYPES) else []),
    }[do]()
    await page.do(c.PutEndpoint(page.account, changed, takes_http=takes_http(each.url)), f"webhook.{do}", each.id)
    if secret:
        return _one(page, _endpoints(page)[each.id], secret)
    return page.redirect(f"/webhooks/{each.id}", "Done.")


async def _test(page: Page, each: Endpoint) -> Response:
    """Sends a test, and waits a little for what comes back."""
    outcome = await page.do(c.TestEndpoint(page.account, each.id), "webhook.tested", each.id)
    deadline = asyncio.get_running_loop().time() + TESTED_WITHIN_S
    sent = outbox.deliveries(page.store, page.account, endpoint=each.id, event_id=str(outcome.value), limit=1)
    while sent and not sent[0].attempts and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(POLL_S)
        sent = outbox.deliveries(page.store, page.account, endpoint=each.id, event_id=str(outcome.value), limit=1)
    if not sent:
        raise PageRefused(404, "The webhook was removed meanwhile.")
    return page.redirect(f"/webhooks/deliveries/{sent[0].id}", "A test was sent.")


async def show_delivery(page: Page) -> Response:
    """`GET /webhooks/deliveries/{id}`: body, and every try with request and answer."""
    found = outbox.delivery(page.store, page.account, page.param("id"))
    if found is None:
        raise PageRefused(404, "There is no such delivery. They are kept for seven days after they ended.")
    each = _endpoints(page).get(found[0].endpoint)
    said = outbox.as_json_whole(page.store, page.account, *found, each)
    return page.render(
        "webhook/delivery.html",
        delivery=found[0],
        endpoint=each,
        body=None if said["body"] is None else msgspec.json.encode(said["body"]),
        tried=said["attempts"],
        states=STATE_KINDS,
        may_change=page.viewer.may("admin"),
    )


async def send_again(page: Page) -> Response:
    """`POST /webhooks/{id}/again`: one delivery, or all that were given up."""
    each = _found(page)
    text = page.form.text("delivery")
    if text.isascii() and text.isdigit() and len(text) < 19:
        numbers: tuple[int, ...] = (int(text),)
    else:
        numbers = tuple(d.id for d in outbox.deliveries(page.store, page.account, endpoint=each.id, state="dead", limit=RESENT_MAX))
    if numbers:
        await page.do(c.Redeliver(page.account, numbers), "webhook.resent", each.id, count=len(numbers))
    return page.redirect(f"/webhooks/{each.id}", f"{len(numbers)} sent again." if numbers else "Nothing was given up.")


ROUTES = (
    shows("/webhooks", index, "marketer"),
    changes("/webhooks", create, "admin"),
    shows("/webhooks/deliveries/{id:int}", show_delivery, "marketer"),
    shows("/webhooks/{id}", show, "marketer"),
    shows("/webhooks/{id}/file", file, "marketer"),
    changes("/webhooks/{id}", change, "admin"),
    changes("/webhooks/{id}/again", send_again, "admin"),
)
