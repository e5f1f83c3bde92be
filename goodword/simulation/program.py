"""The campaign that is played: the stock refer-a-friend by its defaults, with a smallest order, and coupons to hand on."""

from __future__ import annotations

import copy
from typing import Any

from goodword.simulation.play import Terms
from goodword.simulation.sender import Sender

SMALLEST_ORDER = "20"
RAISED_POINTS = 15
SHOP = "https://shop.example"
COUPON_EVENT = "friend_coupon_requested"
COUPON_REWARD = "friend-coupon"
COUPONS = 200


class NotLaunched(Exception):
    """The campaign could not be set up."""


def document_of(template: dict[str, Any], program: str) -> dict[str, Any]:
    """The template as this shop has it: its page, and no rewards for orders below 20. All else is as it comes."""
    document = copy.deepcopy(template)
    document |= {"campaign": program, "program": program}
    document["share"] |= {"destination": f"{SHOP}/welcome", "unknown_destination": f"{SHOP}/"}
    for reward in document["rewards"]:
        reward.setdefault("rules", {})["value_min"] = SMALLEST_ORDER
    document.setdefault("events", {}).setdefault("actions", []).append(COUPON_EVENT)
    document.setdefault("suppliers", []).append({"id": pool_of(program), "type": "COUPON_POOL", "name": "Coupons for friends"})
    document["rewards"].append(
        {
            "name": COUPON_REWARD,
            "to": "participant",
            "on": COUPON_EVENT,
            "supplier": pool_of(program),
            "value": {"amount": "5", "unit": "PERCENT_OFF"},
            "rules": {"once": "event", "email": False},
        }
    )
    return document


def pool_of(program: str) -> str:
    """The pool of coupons that advocates hand on."""
    return f"{program}-coupons"


async def launch(sender: Sender, template: dict[str, Any], program: str, *, seed: int, people: int) -> Terms:
    """Make the campaign live. Errors: NotLaunched, http.Unreachable."""
    document = document_of(template, program)
    await publish(sender, document)
    await fill_pool(sender, pool_of(program), [f"{program}-{seed}-{number:05}".upper() for number in range(COUPONS + people // 20)])
    points = int(float(document["rewards"][0]["value"]["amount"]))
    return Terms(program, document, points)


async def raise_terms(sender: Sender, terms: Terms) -> None:
    """From now on the campaign gives more. What happened before stays under the old terms. Errors: NotLaunched."""
    document = copy.deepcopy(terms.document)
    for reward in document["rewards"]:
        if reward["name"] != COUPON_REWARD:
            reward["value"]["amount"] = RAISED_POINTS
    await publish(sender, document)


async def publish(sender: Sender, document: dict[str, Any]) -> None:
    """Save a document, as a new campaign or a new version, and put it in force. Errors: NotLaunched."""
    campaign = document["campaign"]
    known = await sender.ask("GET", f"/v2/campaigns/{campaign}", expect=(200, 400, 403, 404))
    method, path = ("PUT", f"/v2/campaigns/{campaign}") if known.status == 200 else ("POST", "/v2/campaigns")
    answer = await sender.ask(method, f"{path}?publish=true", document)
    if answer.status != 200:
        raise NotLaunched(f"{method} {path} was answered {answer.status}: {answer.body[:500].decode(errors='replace')}")


async def fill_pool(sender: Sender, pool: str, codes: list[str]) -> None:
    """Upload codes to a pool."""
    await sender.ask("POST", f"/v6/reward-suppliers/manual-coupons/{pool}/coupons", "\n".join(codes).encode())


async def browser_key(sender: Sender) -> str:
    """A new key that may stand in a web page. Errors: NotLaunched."""
    answer = await sender.ask("POST", "/admin/keys", {"name": "simulate", "scopes": ["ingest"]})
    if answer.status != 200:
        raise NotLaunched("The key may not make a key for browsers. Give --browser-key, or a --key with the scope admin.")
    return str(answer.json["key"])
