"""A campaign tried out with made-up people: an advocate, her share page, a friend who earns, and the advocate who refers herself.

The messages are sent from outside, by the lines that stand on the page; what became of each is shown as it comes. The lines name the key
by a variable of the terminal, so that the page may be opened again without it. `round` tells one try from the next.
"""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct
from starlette.responses import Response

from goodword.api.auth import hash_secret, new_secret
from goodword.api.intake import new_id
from goodword.api.link import SHARE_PAGE_PATH, link_to, origin_of
from goodword.console.campaign.edit import campaign_of
from goodword.console.campaign.overview import document_shown, offer_of
from goodword.console.page import Page, PageRefused, changes, shows
from goodword.core import command as c
from goodword.core.account import Key, Scope
from goodword.core.campaign import DAY_MS, Campaign, Document
from goodword.core.profile import Profile, keys_of
from goodword.core.referral import Shareable
from goodword.core.share_token import Pass, issue
from goodword.storage.query import person as people
from goodword.storage.query import referral as referrals
from goodword.storage.query import reward as rewards
from goodword.storage.query.moment import worth
from goodword.storage.query.why import why_profile

ROUNDS_MAX = 10_000
ORDER_VALUE = "80"
"""What the friend's order is worth, unless the campaign asks for more."""
REWARDS_MAX = 20
GIVEN = ("FULFILLED", "SENT", "REDEEMED")
NAMES = {"ada": "Ada", "sam": "Sam", "twin": "Ada again"}


class Actor(Struct, frozen=True):
    """One of the made-up people: how messages name them, and who they are once a message came. `summary` is the story of their page in
    short; `given` is the worth of what they were given, `waiting` of what they earned and is not given yet."""

    user_id: str
    email: str
    name: str
    profile: Profile | None
    summary: str = ""
    given: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


class Example(Struct, frozen=True):
    """How far a try is."""

    round: int
    ada: Actor
    sam: Actor
    twin: Actor
    link: Shareable | None
    is_shared: bool

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to come."""
        return self.sam.profile is not None and (self.twin.profile is not None or not self.is_shared)

    @property
    def mark(self) -> str:
        """Changes whenever what is shown would."""
        there = [each.profile.version if each.profile is not None else 0 for each in (self.ada, self.sam, self.twin)]
        rewards = [len(each) for actor in (self.ada, self.sam, self.twin) for each in (actor.given, actor.waiting)]
        return ".".join(map(str, (*there, *rewards, self.link.code if self.link is not None else "")))


def _actor(page: Page, campaign: Campaign, round: int, who: str) -> Actor:
    host = campaign.id.replace("_", "-").strip("-")
    local = f"ada.{round}+again" if who == "twin" else f"{who}.{round}"
    user_id, email = f"try-{campaign.id}-{who}-{round}", f"{local}@{host}.example"
    (key,) = keys_of(user_id, None, None)
    profile = people.find_by_keys(page.store, page.account, [key]).get(key)
    if profile is None:
        return Actor(user_id, email, NAMES[who], None)
    mine = rewards.RewardFilter(people=frozenset(referrals.numbers_of(profile)), campaigns=frozenset((campaign.id,)))
    found = [each.reward for each in rewards.list_of(page.store, page.account, mine, 0, REWARDS_MAX)]
    given, waiting = (
        tuple(worth(each.value, each.unit) for each in found if each.state in states) for states in (GIVEN, ("EARNED", "FAILED"))
    )
    return Actor(user_id, email, NAMES[who], profile, why_profile(page.store, page.account, profile, page.now).summary, given, waiting)


def example_of(page: Page, campaign: Campaign, document: Document, round: int) -> Example:
    """How far this try is, as the store has it now."""
    ada, sam, twin = (_actor(page, campaign, round, who) for who in NAMES)
    links = referrals.links_of(page.store, page.account, ada.profile) if ada.profile is not None else []
    link = next((each for each in links if each.program == document.program and each.is_enabled), None)
    return Example(round, ada, sam, twin, link, document.share is not None)


def events_of(document: Document, order: str, currency: str, advocate_code: str = "") -> list[dict[str, Any]]:
    """The events by which somebody earns what a document promises: the sign-up, then what its rewards are on, each with an order."""
    listens = document.events
    least = max((float(each.rules.value_min or 0) for each in document.rewards), default=0)
    value = ORDER_VALUE if least <= float(ORDER_VALUE) else f"{least:.2f}"
    others = [terms.on for terms in document.rewards if terms.on not in ("sign_up", "outcome")]
    bought = dict.fromkeys((*listens.outcome[:1], *others))
    referral = {"advocate_code": advocate_code} if advocate_code else {}
    said: list[tuple[str, dict[str, str]]] = [(name, {}) for name in listens.sign_up[:1] if name not in bought]
    for place, name in enumerate(bought):
        said.append((name, {"partner_conversion_id": f"{order}-{place + 1}", "cart_value": value, "currency": currency}))
    return [{"type": "track", "event": name, "properties": {**properties, **referral}} for name, properties in said]


def line_of(origin: str, actor: Actor, events: list[dict[str, Any]]) -> str:
    """A line for a terminal that sends somebody's messages; its key is the terminal's KEY. Everything in it is quoted for the shell."""
    traits = {"email": actor.email, "firstName": actor.name}
    batch = [{"type": "identify", "userId": actor.user_id, "traits": traits}, *({**each, "userId": actor.user_id} for each in events)]
    rows = ",\n  ".join(msgspec.json.encode(each).decode() for each in batch)
    said = shlex.quote('{"batch":[\n  ' + rows + "]}")
    return f"curl {shlex.quote(origin + '/v1/batch')} -u \"$KEY:\" -H 'Content-Type: application/json' -d {said}"


async def show(page: Page) -> Response:
    """`GET /campaigns/{id}/example`."""
    return _shown(page, "")


def _shown(page: Page, secret: str) -> Response:
    campaign = campaign_of(page)
    document = document_shown(campaign, page.now)
    values = _values(page, campaign, document)
    return page.render(
        "campaign/example.html",
        name=document.name or campaign.id,
        state=campaign.state_at(page.now),
        offer=offer_of(page, document),
        secret=secret,
        **values,
    )


def _values(page: Page, campaign: Campaign, document: Document) -> dict[str, Any]:
    found = example_of(page, campaign, document, page.number("round", 1, 1, ROUNDS_MAX))
    origin = origin_of(page.head.scheme, page.head.headers, page.pages.intake.edge.is_proxied(page.head.peer))
    code, currency = found.link.code if found.link is not None else "", page.settings.currency
    friends = {
        each.name: line_of(origin, each, events_of(document, f"{each.user_id}-order", currency, code)) for each in (found.sam, found.twin)
    }
    return {
        "campaign": campaign,
        "example": found,
        "ada_line": line_of(origin, found.ada, []),
        "sam_line": friends[found.sam.name],
        "twin_line": friends[found.twin.name],
        "link": link_to(origin, code) if code else "",
        "share_page": _share_page(page, document, found.ada.profile),
    }


def _share_page(page: Page, document: Document, advocate: Profile | None) -> str:
    """The address of the advocate's own page for a day; "" before she is there."""
    if advocate is None:
        return ""
    token = issue(page.store.sealer.page_secret, Pass(page.account, advocate.id, document.program, page.now + DAY_MS))
    return f"{SHARE_PAGE_PATH}{document.program}?{urlencode({'t': token})}"


async def progress(page: Page) -> Response:
    """`GET /campaigns/{id}/example/progress`: what is new since `mark`, nothing where nothing is."""
    campaign = campaign_of(page)
    values = _values(page, campaign, document_shown(campaign, page.now))
    if values["example"].mark == page.query("mark"):
        return Response(status_code=204)
    return page.render("campaign/example_part.html", **values)


async def make_key(page: Page) -> Response:
    """`POST /campaigns/{id}/example/key`: a key of a day; its secret is in this answer and nowhere else."""
    campaign = campaign_of(page)
    if campaign.state_at(page.now) != "LIVE":
        raise PageRefused(409, "Nobody earns anything by a campaign that is not live. Publish it first.")
    scopes, name = (Scope.DESTINATION,), f"trying {campaign.id}"[:60]
    secret = new_secret(scopes)
    key = Key(new_id(), page.account, name, hash_secret(secret), secret[-4:], scopes, page.now, expires_at=page.now + DAY_MS)
    await page.do(c.CreateKey(page.account, key), "key.created", key.id, name=name, scopes=list(scopes))
    return _shown(page, secret)


ROUTES = (
    shows("/campaigns/{id}/example", show, "marketer"),
    shows("/campaigns/{id}/example/progress", progress, "marketer"),
    changes("/campaigns/{id}/example/key", make_key, "admin"),
)
