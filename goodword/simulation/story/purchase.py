"""What was bought, by whom, when, and how often (rows 8 to 14, 20, 24 and 26)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

from goodword.simulation.actor import Actor
from goodword.simulation.play import BREATH_S, DAY_MS, Play, story
from goodword.simulation.story.custom import advocate_of, rewarded
from goodword.simulation.story.identity import come_and_buy, come_by_link

HOUR_MS = 3_600_000
STEADY_S = 130.0
"""Between the last link and the purchase of someone who is in no hurry."""


# -- 8, 9: one purchase, told more than once ----------------------------------------------------------------------------


@story(8, "cheat", "the same purchase sent again", people=3)
async def told_again(play: Play) -> None:
    """The same order: again, in other case, with spaces, and as another friend's."""
    advocate = await advocate_of(play)
    friend, other = Actor.cast(play, 1), Actor.cast(play, 2)
    await play.pause()
    await asyncio.gather(come_by_link(play, advocate, friend), come_by_link(play, advocate, other))
    order = friend.order()
    await friend.buy(70, order, calm=True)
    rewarded(advocate, friend)
    for again in (order, order.lower(), f"  {order} "):
        await friend.buy(70, again, calm=True)
    await other.buy(70, order if play.dice.random() < 0.5 else order.lower(), calm=True)


@story(8, "twin", "two purchases a minute apart", people=2)
async def two_orders(play: Play) -> None:
    """Forgot something, and ordered again."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await play.pause()
    await come_by_link(play, advocate, friend)
    await friend.buy(70)
    await play.pause(2)
    await friend.buy(70)
    rewarded(advocate, friend)


@story(9, "cheat", "the same purchase through two doors", people=3)
async def two_doors(play: Play) -> None:
    """The browser and the shop's server tell of one order, and the browser tells it once more for another account."""
    advocate = await advocate_of(play)
    friend, other = Actor.cast(play, 1), Actor.cast(play, 2)
    await play.pause()
    await asyncio.gather(come_by_link(play, advocate, friend), come_by_link(play, advocate, other))
    cart = friend.cart(60)
    if play.dice.random() < 0.5:
        await friend.track("conversion", cart, "browser", calm=True)
        await friend.buy(60, cart["partner_conversion_id"], calm=True)
    else:
        await friend.buy(60, cart["partner_conversion_id"], calm=True)
        await friend.track("conversion", cart, "browser", calm=True)
    rewarded(advocate, friend)
    await other.track("conversion", cart, "browser", calm=True)


# -- 10, 11: purchases that are not what they seem -----------------------------------------------------------------------


@story(10, "cheat", "a purchase made up in a browser", people=2)
async def made_up(play: Play) -> None:
    """Calls the tag by hand. No server ever confirms the order."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await play.pause()
    await come_by_link(play, advocate, friend)
    await friend.track("conversion", friend.cart(80), play.dice.choice(("browser", "segment")))


@story(10, "twin", "a shop that tracks in the browser alone", people=2, may_wait=True)
async def browser_shop(play: Play) -> None:
    """The same, and true."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await play.pause()
    await come_by_link(play, advocate, friend)
    await friend.track("conversion", friend.cart(64), "segment")
    rewarded(advocate, friend)


@story(11, "cheat", "an absurd, negative or rewritten value to reach a threshold", people=2)
async def wrong_value(play: Play) -> None:
    """The campaign asks for an order of some size."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await play.pause()
    await come_by_link(play, advocate, friend)
    values = play.dice.choice((("-80.00",), ("99999999",), ("4.00", "95.00"), ("9", "1e9")))
    order = friend.order()
    for value in values:
        await friend.buy(value, order, calm=True)


@story(11, "twin", "a large honest order", people=2)
async def large_order(play: Play) -> None:
    """Furnishes a house."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await play.pause()
    await come_by_link(play, advocate, friend)
    await friend.buy("4830.00")
    rewarded(advocate, friend)


# -- 12, 13: bought and sent back; one order in slices -------------------------------------------------------------------


@story(12, "cheat", "buys, earns, cancels or returns", people=2)
async def sent_back(play: Play) -> None:
    """Everything goes back, at once or in parts, under the same order id."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await play.pause()
    await come_by_link(play, advocate, friend)
    order = friend.order()
    await friend.buy(90, order)
    await play.pause(1)
    match play.dice.randrange(3):
        case 0:
            await friend.take_back(order)
        case 1:
            await friend.take_back(order.lower(), "returned")
        case _:
            await friend.take_back(order, "returned", cart_value="50.00")
            await friend.take_back(order, "returned", cart_value="40.00")


@story(12, "twin", "a partial return that stays above the threshold", people=2)
async def partly_returned(play: Play) -> None:
    """Keeps the shoes, sends the belt back."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await play.pause()
    await come_by_link(play, advocate, friend)
    order = friend.order()
    await friend.buy(120, order)
    await play.pause(1)
    await friend.take_back(order, "returned", cart_value="25.00")
    rewarded(advocate, friend)


@story(13, "cheat", "splits one purchase into many", people=2)
async def sliced(play: Play) -> None:
    """Six orders where one would do. One reward each is right."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await play.pause()
    await come_by_link(play, advocate, friend)
    await asyncio.gather(*(friend.buy(25) for _ in range(6)))
    rewarded(advocate, friend)


@story(13, "twin", "ten friends on launch day", people=11)
async def launch_day(play: Play) -> None:
    """Everybody she told comes at once."""
    advocate = await advocate_of(play)
    await play.pause()
    friends = [Actor.cast(play, place) for place in range(1, 11)]
    await asyncio.gather(*(come_and_buy(play, advocate, friend) for friend in friends))
    for friend in friends:
        rewarded(advocate, friend)


# -- 14: circles ---------------------------------------------------------------------------------------------------------


@story(14, "cheat", "two refer each other; a ring", people=4)
async def circle(play: Play) -> None:
    """A refers B, (B refers C,) and the last refers A. What closes the circle earns nothing."""
    size = play.dice.choice((2, 3, 4))
    ring = [await advocate_of(play, place) for place in range(size)]
    await play.pause()
    for advocate, friend in pairwise(ring):
        click = await friend.click(advocate.code)
        friend.page(click, known=True)
        await play.pause()
        await friend.buy(play.dice.randint(25, 60))
        rewarded(advocate, friend)
        await play.pause(1)
    closing = await ring[0].click(ring[-1].code)
    ring[0].page(closing, known=True)
    await play.pause()
    await ring[0].buy(play.dice.randint(25, 60))


@story(14, "twin", "a friend who later becomes an advocate", people=3)
async def chain(play: Play) -> None:
    """A refers B, who likes it and refers C."""
    advocate, friend, third = await advocate_of(play), Actor.cast(play, 1), Actor.cast(play, 2)
    await play.pause()
    await come_and_buy(play, advocate, friend)
    rewarded(advocate, friend)
    await friend.link()
    await play.pause()
    await come_and_buy(play, friend, third)
    rewarded(friend, third)


# -- 20: the last link ---------------------------------------------------------------------------------------------------


@story(20, "cheat", "a second link at the checkout, to take the credit", people=3)
async def hijack(play: Play) -> None:
    """Brought by one advocate the day before, the friend stands at the checkout; an extension opens another's link in that second."""
    first, second = await asyncio.gather(advocate_of(play, 0), advocate_of(play, 1))
    friend = Actor.cast(play, 2)
    await friend.sign_up(at=play.sender.now() - DAY_MS, advocate_code=first.code, calm=True)
    await friend.identify(calm=True)
    await play.pause()
    await friend.track("checkout_started", {"value": 60}, calm=True)
    click = await friend.click(second.code, more={"Referer": "https://shop.example/"})
    await friend.page(click, known=True, calm=True)
    await play.pause()
    await friend.buy(60, calm=True)
    first.may_get()
    friend.may_get()


@story(20, "twin", "a friend who really got two links", people=3)
async def two_links(play: Play) -> None:
    """Two friends recommend the shop; the second one's words did it. With time to play, the first did so the day before."""
    first, second = await asyncio.gather(advocate_of(play, 0), advocate_of(play, 1))
    friend = Actor.cast(play, 2)
    if play.is_unhurried:
        await friend.sign_up(at=play.sender.now() - DAY_MS, advocate_code=first.code, calm=True)
    await play.pause()
    if not play.is_unhurried:
        click = await friend.click(first.code)
        friend.page(click)
    await play.pause()
    click = await friend.click(second.code)
    friend.page(click)
    await play.pause()
    await friend.register()
    await play.pause(STEADY_S if play.is_unhurried else BREATH_S)
    await friend.buy(60)
    rewarded(second, friend)


# -- 24, 26: other times ---------------------------------------------------------------------------------------------------


@story(24, "cheat", "old messages replayed after the terms have changed", people=2, finale=True)
async def replayed(play: Play) -> None:
    """Paid under the old terms. Now the same orders come again, with new message ids, and a new time."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await play.pause()
    await come_by_link(play, advocate, friend)
    order, bought_at = friend.order(), play.sender.now()
    await friend.buy(75, order, calm=True)
    rewarded(advocate, friend)
    await play.terms_changed.wait()
    await friend.buy(75, order, at=bought_at, calm=True)
    await friend.buy(75, order, calm=True)
    friend.sign_up(calm=True)


@story(24, "twin", "a late batch after an outage", people=2, finale=True)
async def late_batch(play: Play) -> None:
    """Bought under the old terms, told after they changed: the old ones count."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await play.pause()
    await come_by_link(play, advocate, friend)
    bought_at = play.sender.now()
    await play.terms_changed.wait()
    await friend.buy(75, at=bought_at, calm=True)
    rewarded(advocate, friend)


@story(26, "cheat", "a purchase dated before the click, or into an old campaign", people=2)
async def backdated(play: Play) -> None:
    """An earlier purchase is pushed after the link; or one from before there was a campaign."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await play.pause()
    before_click = play.sender.now() - (60_000 if play.dice.random() < 0.5 else 2 * HOUR_MS)
    await come_by_link(play, advocate, friend)
    at = before_click if play.dice.random() < 0.6 else play.sender.now() - 400 * DAY_MS
    await friend.buy(70, at=at, calm=True)


@story(26, "twin", "a device with a wrong clock", people=2)
async def wrong_clock(play: Play) -> None:
    """The browser is a day behind or hours ahead, and says so of its own messages; the server's clock is right."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await play.pause()
    off = play.dice.choice((-26, -3, 5)) * HOUR_MS
    friend.device = replace(friend.device, clock_off=off)
    click = await friend.click(advocate.code)
    friend.page(click, via="browser")
    await play.pause()
    await friend.register(via="browser")
    await play.pause()
    await friend.buy(70)
    rewarded(advocate, friend)
