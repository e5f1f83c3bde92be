"""Who is who: people who are their own friends, or customers already, or somebody else (rows 1 to 7, 22, 23 and 28)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from goodword.simulation.actor import Actor
from goodword.simulation.play import DAY_MS, Play, story
from goodword.simulation.story.custom import advocate_of, rewarded
from goodword.simulation.world import AGENTS, COMPANIES, PHONE, TABLET, Device

DISPOSABLE = ("mailinator.com", "guerrillamail.com", "10minutemail.com", "yopmail.com", "sharklasers.com")
YEAR_MS = 365 * DAY_MS


async def come_by_link(play: Play, advocate: Actor, friend: Actor, *, device: Device | None = None) -> None:
    """The usual way in, unhurried: click, landing, sign-up."""
    click = await friend.click(advocate.code, device=device)
    friend.page(click, device=device)
    await play.pause()
    await friend.register(device=device)
    await play.pause()


async def come_and_buy(play: Play, advocate: Actor, friend: Actor, *, device: Device | None = None) -> None:
    """The usual way in, and a purchase that the shop's server reports."""
    await come_by_link(play, advocate, friend, device=device)
    await friend.buy(play.dice.randint(25, 140))


def _split(email: str) -> tuple[str, str]:
    local, _, domain = email.partition("@")
    return local, domain


# -- 1: the same e-mail ------------------------------------------------------------------------------------------------


@story(1, "cheat", "refers himself with the same e-mail", people=1)
async def same_email(play: Play) -> None:
    """Opens his own link elsewhere, and buys there as a guest or under a new account, with the address he has."""
    advocate = await advocate_of(play)
    elsewhere = Actor.cast(play, 1, email=advocate.person.email)
    await play.pause()
    if play.dice.random() < 0.5:
        elsewhere.role.is_guest = True
        click = await elsewhere.click(advocate.code)
        elsewhere.page(click)
        await play.pause()
        elsewhere.leave_address()
        await play.pause()
        await elsewhere.buy(play.dice.randint(25, 90), as_guest=True)
    else:
        await come_and_buy(play, advocate, elsewhere)


@story(1, "twin", "buys again on his own account", people=1)
async def buys_again(play: Play) -> None:
    """An advocate who shops, and nobody sent him."""
    advocate = await advocate_of(play)
    advocate.was_referred_by_nobody()
    await play.pause()
    advocate.page(known=True)
    await advocate.buy(play.dice.randint(25, 90))
    await play.pause(1)
    await advocate.buy(play.dice.randint(25, 90))


# -- 2: nearly the same e-mail -----------------------------------------------------------------------------------------


@story(2, "cheat", "refers himself with plus, dots, case or digits", people=2)
async def similar_email(play: Play) -> None:
    """Another device, another address of the same mailbox."""
    advocate = await advocate_of(play)
    local, domain = _split(advocate.person.email)
    doubles = (
        f"{local}+shop@{domain}",
        f"{local}2@{domain}",
        f"{local[:2]}.{local[2:]}@{domain}",
        f"{local.upper()}+1@{domain.upper()}",
        f"{local.replace('.', '')}7@{domain}",
    )
    double = Actor.cast(play, 1, email=play.dice.choice(doubles), last_name=advocate.person.last_name)
    await play.pause()
    await come_and_buy(play, advocate, double)


@story(2, "twin", "father and son at one provider", people=2)
async def father_and_son(play: Play) -> None:
    """One surname, one provider, two people."""
    last = play.world.person(play.number, 0).last_name
    older, younger = play.world.person(play.number, 0), play.world.person(play.number, 1)
    tail = _split(older.email)[0].rpartition(".")[2]
    father = Actor.cast(play, 0, email=f"{older.first_name[0]}.{last}.{tail}@post.example".lower())
    await father.join()
    await father.link()
    son = Actor.cast(play, 1, email=f"{younger.first_name}.{last}.{tail}@post.example".lower(), last_name=last)
    await play.pause()
    await come_and_buy(play, father, son)
    rewarded(father, son)


# -- 3: the same browser -----------------------------------------------------------------------------------------------


@story(3, "cheat", "refers himself from the same browser", people=2)
async def same_browser(play: Play) -> None:
    """His own browser, which still has its id; a new address and a new account."""
    advocate = await advocate_of(play, in_browser=True)
    advocate.page(known=True)
    double = Actor.cast(play, 1, device=advocate.device)
    await play.pause()
    await come_and_buy(play, advocate, double)


@story(3, "twin", "a couple on one tablet", people=2, may_wait=True)
async def one_tablet(play: Play) -> None:
    """She shares, he buys, on the tablet they have in common."""
    tablet = play.world.device(play.number, 0, 1)
    tablet.agent = TABLET.format(b=3)
    she = Actor.cast(play, 0, device=tablet)
    await she.join(in_browser=True)
    await she.link()
    he = Actor.cast(play, 1, device=tablet, last_name=she.person.last_name)
    await play.pause()
    await come_and_buy(play, she, he)
    rewarded(she, he)


# -- 4: the same address ------------------------------------------------------------------------------------------------


@story(4, "cheat", "refers himself from the same IP within minutes", people=2)
async def same_address(play: Play) -> None:
    """A private window of the same machine, minutes later: the browser's id is new, its kind and the address are not."""
    advocate = await advocate_of(play, in_browser=True)
    window = replace(play.world.device(play.number, 0, 1), agent=advocate.device.agent, ip=advocate.device.ip)
    double = Actor.cast(play, 1, device=window)
    await play.pause()
    click = await double.click(advocate.code)
    double.page(click)
    await play.pause()
    await double.register()
    said = double.track("checkout_started", {"step": 1})
    await play.pause()
    await double.buy(play.dice.randint(25, 60))
    await said


@story(4, "twin", "colleagues behind one address", people=9)
async def office(play: Play) -> None:
    """A company of many behind one address. One of them shared days ago; two colleagues come, on machines of their own."""
    gate = play.world.address(play.number, 0)
    before = play.sender.now() - 3 * DAY_MS
    colleagues = [Actor.cast(play, place) for place in range(9)]
    for place, colleague in enumerate(colleagues):
        colleague.device.ip, colleague.device.agent = gate, AGENTS[place].format(a=137, b=4)
        if place not in (1, 2):
            await colleague.join(in_browser=True, at=before + place * 3_600_000)
    advocate = colleagues[0]
    await advocate.link()
    await play.pause()
    for friend in colleagues[1:3]:
        await come_and_buy(play, advocate, friend)
        rewarded(advocate, friend)


@story(4, "twin", "a mobile carrier's shared address", people=8)
async def carrier(play: Play) -> None:
    """Hundreds of phones behind one address, many of one make. Two who know each other have the same, and share within minutes; the
    rest were there before, and followed links of their own."""
    gate = play.world.address(play.number, 0)
    phones = [Actor.cast(play, place) for place in range(8)]
    minutes_ago = play.sender.now() - 15 * 60_000
    for place, phone in enumerate(phones):
        phone.device.ip = gate
        phone.device.agent = PHONE.format(b=4 if place < 2 else place % 4)
        if place != 1:
            await phone.join(in_browser=True, at=minutes_ago + place * 60_000)
    advocate, friend, other = phones[:3]
    await asyncio.gather(advocate.link(), other.link())
    await play.pause()
    await asyncio.gather(*(phone.click(other.code) for phone in phones[3:]))
    await play.pause()
    await come_and_buy(play, advocate, friend)
    rewarded(advocate, friend)


# -- 5: throw-away mail -------------------------------------------------------------------------------------------------


@story(5, "cheat", "a disposable mailbox for the friend", people=2)
async def disposable(play: Play) -> None:
    """A mailbox that lives ten minutes."""
    advocate = await advocate_of(play)
    local = f"{play.dice.choice(('blue', 'fast', 'odd'))}{play.number}x{play.world.seed}"
    friend = Actor.cast(play, 1, email=f"{local}@{play.dice.choice(DISPOSABLE)}")
    await play.pause()
    await come_and_buy(play, advocate, friend)


@story(5, "twin", "an unknown but real company's mail domain", people=2)
async def company(play: Play) -> None:
    """A domain nobody has heard of."""
    advocate = await advocate_of(play)
    person = play.world.person(play.number, 1)
    friend = Actor.cast(play, 1, email=f"{_split(person.email)[0]}@{play.dice.choice(COMPANIES)}")
    await play.pause()
    await come_and_buy(play, advocate, friend)
    rewarded(advocate, friend)


# -- 6: a customer already ----------------------------------------------------------------------------------------------


@story(6, "cheat", "a friend who is a customer already", people=2)
async def existing(play: Play) -> None:
    """Bought two months ago, under the customer number or as a guest with the same address."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    bought_at = play.sender.now() - 60 * DAY_MS
    await friend.buy(40, at=bought_at, as_guest=play.dice.random() < 0.5, calm=True)
    await play.pause()
    await come_and_buy(play, advocate, friend)


@story(6, "twin", "a customer of three years ago", people=2)
async def long_ago(play: Play) -> None:
    """So long ago that the shop calls them new again."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await friend.buy(40, at=play.sender.now() - 3 * YEAR_MS, calm=True)
    await play.pause()
    await come_and_buy(play, advocate, friend)
    rewarded(advocate, friend)


# -- 7: two customer numbers, one address -------------------------------------------------------------------------------


@story(7, "cheat", "a friend known under another userId with the same e-mail", people=2)
async def second_account(play: Play) -> None:
    """A customer makes a second account with the address of the first."""
    advocate = await advocate_of(play)
    first = Actor.cast(play, 1)
    long_before = play.sender.now() - 40 * DAY_MS
    await first.sign_up(at=long_before, calm=True)
    await first.buy(55, at=long_before + 1_000, calm=True)
    second = Actor.cast(play, 2, email=first.person.email, first_name=first.person.first_name, last_name=first.person.last_name)
    await play.pause()
    await come_and_buy(play, advocate, second)


@story(7, "twin", "typed another's address by mistake, then corrected it", people=3)
async def mistyped(play: Play) -> None:
    """The address typed first belongs to a stranger, who is a customer."""
    advocate = await advocate_of(play)
    stranger, friend = Actor.cast(play, 1), Actor.cast(play, 2)
    long_before = play.sender.now() - 40 * DAY_MS
    await stranger.sign_up(at=long_before, calm=True)
    await stranger.buy(55, at=long_before + 1_000, calm=True)
    await play.pause()
    click = await friend.click(advocate.code)
    friend.page(click)
    await play.pause()
    await friend.sign_up(email=stranger.person.email, calm=True)
    await friend.identify(email=stranger.person.email, calm=True)
    await play.pause(2)
    await friend.identify(calm=True)
    await play.pause()
    await friend.buy(play.dice.randint(25, 140))
    rewarded(advocate, friend)
    stranger.was_referred_by_nobody()


# -- 22: back after a block ----------------------------------------------------------------------------------------------


@story(22, "cheat", "a blocked person returns with a new e-mail from the same device", people=3)
async def blocked_returns(play: Play) -> None:
    """The shop blocks someone; the same browser comes back under another name."""
    advocate = await advocate_of(play)
    first = Actor.cast(play, 1)
    await first.join(in_browser=True)
    number = await first.person_id()
    await play.sender.ask("PUT", f"/v5/persons/{number}/block", {"type": "REWARDS", "reason": "made up friends"})
    local, domain = _split(first.person.email)
    again = Actor.cast(play, 2, device=first.device, email=f"{local}1@{domain}" if play.dice.random() < 0.5 else f"new.{local}@{domain}")
    await play.pause()
    await come_and_buy(play, advocate, again)


@story(22, "twin", "a sibling of a blocked person", people=3)
async def sibling(play: Play) -> None:
    """The same home and surname, a device and an address of their own."""
    advocate = await advocate_of(play)
    first = Actor.cast(play, 1)
    await first.join(in_browser=True)
    number = await first.person_id()
    await play.sender.ask("PUT", f"/v5/persons/{number}/block", {"type": "REWARDS", "reason": "made up friends"})
    friend = Actor.cast(play, 2, last_name=first.person.last_name)
    friend.device.ip = first.device.ip
    await play.pause()
    await come_and_buy(play, advocate, friend)
    rewarded(advocate, friend)


# -- 23: back after a deletion -------------------------------------------------------------------------------------------


@story(23, "cheat", "deleted, then comes back as a new customer", people=2)
async def deleted_returns(play: Play) -> None:
    """A customer has everything deleted, and is somebody's friend a moment later."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await friend.sign_up(at=play.sender.now() - 60 * DAY_MS, calm=True)
    await friend.buy(45, at=play.sender.now() - 50 * DAY_MS, calm=True)
    erasure = {"email": friend.person.email, "partner_user_id": friend.person.user_id, "note": "asked by letter"}
    await play.sender.ask("POST", "/v4/erasures", erasure)
    await play.pause()
    await come_and_buy(play, advocate, friend)


# -- 28: somebody else's referral ---------------------------------------------------------------------------------------


@story(28, "cheat", "identifies with the victim's e-mail to inherit the referral", people=3)
async def inherits(play: Play) -> None:
    """A victim was written to, and signed up. Somebody says in his own browser that he is the victim, and buys."""
    advocate = await advocate_of(play)
    victim, thief = Actor.cast(play, 1), Actor.cast(play, 2)
    await advocate.share_by_mail([victim.person.email])
    await play.pause()
    click = await victim.click(advocate.code)
    victim.page(click)
    await victim.register(calm=True)
    await thief.sign_up(calm=True)
    await play.pause(2)
    await thief.identify(email=victim.person.email, calm=True, via="browser")
    await play.pause()
    await thief.buy(play.dice.randint(25, 90))


@story(28, "twin", "a customer changes the e-mail address", people=2)
async def new_address(play: Play) -> None:
    """Signs up with one address, buys with another."""
    advocate = await advocate_of(play)
    friend = Actor.cast(play, 1)
    await play.pause()
    click = await friend.click(advocate.code)
    friend.page(click)
    await play.pause()
    await friend.register(calm=True)
    await play.pause(2)
    local, domain = _split(friend.person.email)
    await asyncio.gather(friend.identify(email=f"{friend.person.last_name.lower()}.home.{local[-2:]}@{domain}", calm=True))
    await play.pause()
    await friend.buy(play.dice.randint(25, 140))
    rewarded(advocate, friend)
