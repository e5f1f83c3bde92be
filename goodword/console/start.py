"""The first run, in three steps: connect a source, see the first message come, choose a campaign.

The second step never just waits: after a while it says which requests were turned away, and why.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from goodword.api.auth import hash_secret, new_secret
from goodword.api.intake import TurnedAway, new_id
from goodword.api.link import origin_of
from goodword.console.campaign.edit import cards
from goodword.console.message import line_of
from goodword.console.navigation import Entry
from goodword.console.page import Page, changes, shows
from goodword.core import command as c
from goodword.core.account import Key, Scope
from goodword.core.event import Understood, understand
from goodword.core.message import Message, parse
from goodword.core.times import Millis
from goodword.storage.query import message as log

ENTRIES = (Entry("Start", "/start", "marketer", "Connect", "h", "start"),)

KEYS: dict[str, tuple[str, tuple[Scope, ...]]] = {
    "server": ("segment", (Scope.DESTINATION,)),
    "browser": ("website", (Scope.INGEST,)),
}
"""What keys a source may need: for servers, which may also delete; and for web pages, which anyone can read."""
NEWS_MS = 15 * 60_000
HINTS_AFTER_POLLS = 10
SAMPLE = (
    b'{"type":"track","userId":"sample-person","event":"conversion","properties":{"partner_conversion_id":"sample-order",'
    b'"cart_value":"49.90","currency":"EUR"},"context":{"sample":true}}'
)


async def show(page: Page) -> Response:
    """`GET /start`."""
    return _shown(page, {})


def _shown(page: Page, secrets: dict[str, str]) -> Response:
    keys = [key for key in page.store.keys_by_id.values() if key.account == page.account and key.revoked_at is None]
    return page.render(
        "start/show.html",
        origin=origin_of(page.head.scheme, page.head.headers, page.pages.intake.edge.is_proxied(page.head.peer)),
        secrets=secrets,
        keys=keys,
        templates=cards(page.settings.currency),
        campaigns=_campaigns(page),
        **_first(page, 0),
    )


async def make_keys(page: Page) -> Response:
    """`POST /start/keys`: a key for servers and one for web pages; their secrets are in this answer and nowhere else."""
    secrets = {}
    for kind, (name, scopes) in KEYS.items():
        secret = new_secret(scopes)
        key = Key(new_id(), page.account, name, hash_secret(secret), secret[-4:], scopes, page.now)
        await page.do(c.CreateKey(page.account, key), "key.created", key.id, name=name, scopes=list(scopes))
        secrets[kind] = secret
    return _shown(page, secrets)


async def first_message(page: Page) -> Response:
    """`GET /start/first`: the live box. Once there is a message it stays as it is."""
    return page.render("start/first.html", **_first(page, page.number("polls", 0, 0, 10_000) + 1))


def _first(page: Page, polls: int) -> dict[str, Any]:
    """What the live box shows: the newest message taken, what was refused of late, and whether it is time for hints."""
    found = log.messages(page.store, page.account, 1, verdict="stored")
    refused = [line_of(page, each) for each in log.messages(page.store, page.account, 3, verdict="rejected")]
    return {
        "first": line_of(page, found[0]) if found else None,
        "said": log.reread(found[0], page.settings) if found else None,
        "refused": refused,
        "turned_away": _of_late(list(page.pages.intake.turned_away), page.now),
        "hints": polls >= HINTS_AFTER_POLLS,
        "polls": polls,
    }


def _of_late(turned_away: list[TurnedAway], now: Millis) -> list[TurnedAway]:
    """The newest few, a cause each."""
    found: dict[tuple[str, str], TurnedAway] = {}
    for each in reversed(turned_away):
        if now - each.at < NEWS_MS:
            found.setdefault((each.path, each.why), each)
    return list(found.values())[:5]


async def send_sample(page: Page) -> Response:
    """`POST /start/sample`: a conversion of a made-up person, as a server would send it."""
    message = parse(SAMPLE, received_at=page.now, fallback_id=new_id())
    assert isinstance(message, Message)
    understood = understand(message, page.settings)
    assert isinstance(understood, Understood)
    await page.do(c.Receive(page.account, understood, "console"), "sample.sent")
    return page.redirect("/start", "A sample arrived: a conversion of “sample-person”, whom you can delete again.")


def _campaigns(page: Page) -> int:
    programs = page.store.programs.get(page.account)
    return len(programs.campaigns) if programs is not None else 0


ROUTES = (
    shows("/start", show, "marketer"),
    changes("/start/keys", make_keys, "admin"),
    shows("/start/first", first_message, "marketer"),
    changes("/start/sample", send_sample, "admin"),
)
