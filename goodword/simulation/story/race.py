"""Many at one moment (row 25): the last coupons of a pool, and the last of a budget."""

from __future__ import annotations

import asyncio
from typing import Any

from goodword.core.times import write_time
from goodword.simulation.actor import Actor
from goodword.simulation.play import Play, story
from goodword.simulation.program import SHOP, fill_pool, publish
from goodword.simulation.score import PAID

RUNNERS = 12
PRIZES = 5


async def _run(play: Play, rewards: list[dict[str, Any]], **more: object) -> list[Actor]:
    """A campaign of its own, one advocate, and friends who all buy in the same moment, each on a connection of their own."""
    program = f"race-{play.world.seed}-{play.number}"
    terms = {"share": {"destination": f"{SHOP}/race"}, "attribution": {"reasons": ["SHARE_ID"]}}
    await publish(play.sender, {"campaign": program, "program": program, **terms, "rewards": rewards, **more})
    if more.get("suppliers"):
        await fill_pool(play.sender, program, [f"RACE-{play.world.seed}-{play.number}-{n}" for n in range(PRIZES)])
    advocate = Actor.cast(play, 0)
    await advocate.join()
    await advocate.link(program)
    friends = [Actor.cast(play, place) for place in range(1, RUNNERS + 1)]
    await play.pause()

    async def arrive(friend: Actor) -> None:
        click = await friend.click(advocate.code)
        await friend.page(click)
        await play.pause()
        await friend.register(calm=True)

    await asyncio.gather(*(arrive(friend) for friend in friends))
    await play.pause()

    async def buy(friend: Actor) -> None:
        data = {**friend.cart(50), "partner_user_id": friend.person.user_id, "email": friend.person.email}
        await play.sender.ask("POST", "/v6/events", {"event_name": "conversion", "event_time": write_time(play.sender.now()), "data": data})

    await asyncio.gather(*(buy(friend) for friend in friends))
    return friends


async def _paid(play: Play, friends: list[Actor]) -> list[dict[str, Any]]:
    found = []
    for friend in friends:
        answer = await play.sender.ask("GET", f"/v5/persons/{await friend.person_id()}/rewards")
        found += [reward for reward in answer.json if reward["state"] in PAID] if answer.status == 200 else []
    return found


@story(25, "cheat", "races for the last coupons", people=RUNNERS + 1)
async def last_coupons(play: Play) -> None:
    """Twelve friends, five coupons: five different ones are given, and no sixth."""
    pool = f"race-{play.world.seed}-{play.number}"
    reward = {
        "name": "friend",
        "to": "friend",
        "value": {"amount": "10", "unit": "PERCENT_OFF"},
        "supplier": pool,
        "rules": {"email": False},
    }
    supplier = {"id": pool, "type": "COUPON_POOL", "name": "Race"}
    given = await _paid(play, await _run(play, [reward], suppliers=[supplier]))
    codes = [reward.get("partner_reward_id") for reward in given]
    if len(codes) != PRIZES or len(set(codes)) != PRIZES:
        play.complain(f"{len(codes)} coupons given ({len(set(codes))} different) of {PRIZES}")


@story(25, "cheat", "races for the last of the budget", people=RUNNERS + 1)
async def last_of_budget(play: Play) -> None:
    """Twelve friends, money for five."""
    reward = {"name": "friend", "to": "friend", "value": {"amount": "10", "unit": "POINTS"}, "rules": {"email": False}}
    friends = await _run(play, [reward], budgets=[{"unit": "POINTS", "value_max": str(10 * PRIZES)}])
    for friend in friends:
        friend.may_get()
    given = await _paid(play, friends)
    if len(given) != PRIZES:
        play.complain(f"{len(given)} rewards given of a budget for {PRIZES}")
