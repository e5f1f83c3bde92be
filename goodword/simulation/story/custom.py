"""Ordinary custom: advocates and their friends, in every way an advocate can be recognised, and shoppers nobody sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from goodword.simulation.actor import Actor
from goodword.simulation.play import BREATH_S, Play, story


async def advocate_of(play: Play, place: int = 0, *, in_browser: bool | None = None) -> Actor:
    """Someone with a share link, who joined just now."""
    advocate = Actor.cast(play, place)
    await advocate.join(in_browser=play.dice.random() < 0.5 if in_browser is None else in_browser)
    await advocate.link()
    return advocate


def rewarded(advocate: Actor, friend: Actor, reason: str = "SHARE_ID") -> None:
    """The truth of a referral that worked: both are owed the usual."""
    friend.was_referred_by(advocate, reason)
    friend.is_owed()
    advocate.is_owed()


async def by_link(play: Play, advocate: Actor, friend: Actor) -> None:
    """Follows the link, looks around, signs up, buys."""
    click = await friend.click(advocate.code)
    friend.page(click, via="browser" if play.dice.random() < 0.2 else "segment")
    await play.pause(BREATH_S / 3)
    friend.page()
    await play.pause()
    await friend.register()
    await play.pause()
    friend.buy(play.dice.randint(21, 180))
    if play.dice.random() < 0.2:
        await play.pause(1)
        friend.buy(play.dice.randint(5, 90))
    rewarded(advocate, friend)


async def by_link_elsewhere(play: Play, advocate: Actor, friend: Actor) -> None:
    """Follows the link on a phone and leaves an e-mail address there; buys on a laptop, as a guest with that address."""
    friend.role.is_guest = True
    click = await friend.click(advocate.code)
    friend.page(click)
    await play.pause()
    friend.leave_address()
    await play.pause()
    friend.buy(play.dice.randint(21, 140), as_guest=True)
    rewarded(advocate, friend)


async def by_late_link(play: Play, advocate: Actor, friend: Actor) -> None:
    """The browser's message of the landing is held up on its way, and comes after the purchase."""
    click = await friend.click(advocate.code)
    landed_at = play.sender.now()
    await play.pause()
    await friend.register()
    await play.pause()
    await friend.buy(play.dice.randint(21, 140), calm=True)
    await play.pause(2)
    friend.page(click, at=landed_at)
    rewarded(advocate, friend)


async def by_code(play: Play, advocate: Actor, friend: Actor) -> None:
    """Heard the code from a friend, and types it at the checkout."""
    await friend.register()
    await play.pause()
    code = advocate.code if play.dice.random() < 0.7 else advocate.code.upper()
    friend.buy(play.dice.randint(21, 140), advocate_code=code)
    rewarded(advocate, friend, "ADVOCATE_CODE")


async def by_coupon(play: Play, advocate: Actor, friend: Actor) -> None:
    """Was handed a coupon over coffee, and uses it; another advocate's link, or none, is no matter."""
    coupon = await advocate.coupon()
    await play.pause()
    await friend.register()
    await play.pause()
    friend.buy(play.dice.randint(25, 140), coupon_code=coupon)
    rewarded(advocate, friend, "COUPON_CODE")


async def by_order(play: Play, advocate: Actor, friend: Actor) -> None:
    """Types the number of the order that a friend showed them."""
    order = advocate.order()
    await advocate.buy(play.dice.randint(25, 80), order)
    await play.pause()
    friend.sign_up(advocate_order_id=order)
    friend.identify()
    await play.pause()
    friend.buy(play.dice.randint(25, 140))
    rewarded(advocate, friend, "ADVOCATE_ORDER_ID")


async def by_address(play: Play, advocate: Actor, friend: Actor) -> None:
    """Says who sent them, by e-mail address or customer number, in the sign-up form."""
    await play.pause(1)
    if play.dice.random() < 0.5:
        friend.sign_up(advocate_email=advocate.person.email)
        reason = "ADVOCATE_EMAIL"
    else:
        friend.sign_up(advocate_partner_user_id=advocate.person.user_id)
        reason = "ADVOCATE_PARTNER_USER_ID"
    friend.identify()
    await play.pause()
    friend.buy(play.dice.randint(21, 140))
    rewarded(advocate, friend, reason)


async def by_mail(play: Play, advocate: Actor, friend: Actor) -> None:
    """Was written to, never touched the link, and comes with the address that was written to."""
    await advocate.share_by_mail([friend.person.email])
    await play.pause()
    await friend.register()
    await play.pause()
    friend.buy(play.dice.randint(21, 140))
    rewarded(advocate, friend, "SHARE_RECIPIENT")


async def looks_only(play: Play, advocate: Actor, friend: Actor) -> None:
    """Follows the link, and leaves."""
    click = await friend.click(advocate.code)
    friend.page(click)
    await play.pause(1)
    friend.page()


Way = Callable[[Play, Actor, Actor], Awaitable[None]]
WAYS: tuple[tuple[Way, int], ...] = (
    (by_link, 52),
    (by_link_elsewhere, 8),
    (by_late_link, 4),
    (by_code, 9),
    (by_coupon, 6),
    (by_order, 2),
    (by_address, 5),
    (by_mail, 6),
    (looks_only, 16),
)


async def _family(play: Play, friends: int) -> None:
    advocate = await advocate_of(play)
    advocate.was_referred_by_nobody()
    await play.pause()

    async def come(place: int) -> None:
        friend = Actor.cast(play, place)
        (way,) = play.world.dice("way", play.number, place).choices([way for way, _ in WAYS], [weight for _, weight in WAYS])
        await play.pause(play.dice.uniform(0.0, 4.0))
        await way(play, advocate, friend)

    await asyncio.gather(*(come(place) for place in range(1, friends + 1)))


@story(0, "honest", "an advocate and a friend", people=2)
async def one_friend(play: Play) -> None:
    """One friend comes."""
    await _family(play, 1)


@story(0, "honest", "an advocate and two friends", people=3)
async def two_friends(play: Play) -> None:
    """Two come."""
    await _family(play, 2)


@story(0, "honest", "an advocate and five friends", people=6)
async def five_friends(play: Play) -> None:
    """Five come."""
    await _family(play, 5)


@story(0, "honest", "shoppers nobody sent", people=2)
async def shoppers(play: Play) -> None:
    """A customer and a guest; one of them of old standing."""
    customer, guest = Actor.cast(play, 0), Actor.cast(play, 1)
    guest.role.is_guest = True
    for actor in (customer, guest):
        actor.was_referred_by_nobody()
    customer.page()
    await customer.register()
    guest.page()
    await play.pause(2)
    customer.buy(play.dice.randint(5, 200))
    guest.buy(play.dice.randint(5, 200), as_guest=True)
    await play.pause(1)
    customer.page(known=True)
