"""Where clicks come from, and clicks nobody made (rows 15 to 19, 21 and 27)."""

from __future__ import annotations

import asyncio

from goodword.simulation.actor import Actor
from goodword.simulation.play import DAY_MS, Play, story
from goodword.simulation.story.custom import advocate_of, rewarded
from goodword.simulation.story.identity import come_and_buy
from goodword.simulation.world import CAST_MAX

COUPON_SITES = ("https://www.retailmenot.com/", "https://www.coupons.com/", "https://couponfollow.com/", "https://slickdeals.net/")
PREVIEWS = (
    "WhatsApp/2.24.10.74 A",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "TelegramBot (like TwitterBot)",
)
HEADLESS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
    "python-requests/2.32.3",
    "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
)
FARM = 24
CLICKS_EACH = 3
GUESSES = 120
STRANGERS = 260
WEDDING = 60
INVENTED = 24


async def _arrive(play: Play, advocate: Actor, friend: Actor, *, referrer: str = "", query: str = "") -> None:
    """The usual way in, with what the browser says of where it comes from."""
    click = await friend.click(advocate.code, query=query, more={"Referer": referrer})
    friend.page(click, query=query.removeprefix("?"), referrer=referrer)
    await play.pause()
    await friend.register()
    await play.pause()
    await friend.buy(play.dice.randint(25, 90))


@story(15, "cheat", "posts the link on a coupon site", people=5)
async def coupon_site(play: Play) -> None:
    """Strangers looking for a discount come by the dozen."""
    advocate = await advocate_of(play)
    site = play.dice.choice(COUPON_SITES)
    await play.pause()
    await asyncio.gather(*(_arrive(play, advocate, Actor.cast(play, place), referrer=site) for place in range(1, 5)))


@story(15, "twin", "an influencer's own blog", people=5)
async def blog(play: Play) -> None:
    """She writes about what she bought; her readers come."""
    advocate = await advocate_of(play)
    await play.pause()
    readers = [Actor.cast(play, place) for place in range(1, 5)]
    await asyncio.gather(*(_arrive(play, advocate, reader, referrer="https://kitchen-notes.example/") for reader in readers))
    for reader in readers:
        rewarded(advocate, reader)


@story(16, "cheat", "buys ads on the brand's name", people=4)
async def brand_ads(play: Play) -> None:
    """The link is the ad's target; the ad network adds its click id to it."""
    advocate = await advocate_of(play)
    await play.pause()
    ads = (
        ("?gclid=EAIaIQobChMI8sim&utm_source=google&utm_medium=cpc", "https://www.google.com/"),
        ("?gclid=Cj0KCQjw2sim", "https://www.google.com/"),
        ("?msclkid=0a1b2c3d4e&utm_medium=ppc", "https://www.bing.com/"),
    )
    visitors = zip(range(1, 4), ads, strict=True)
    await asyncio.gather(
        *(_arrive(play, advocate, Actor.cast(play, place), query=query, referrer=site) for place, (query, site) in visitors)
    )


@story(16, "twin", "came by link, and searched for the shop later", people=2)
async def searched_later(play: Play) -> None:
    """Her second visit is by an ad; the link was first, and is the only link."""
    advocate, friend = await advocate_of(play), Actor.cast(play, 1)
    await play.pause()
    click = await friend.click(advocate.code)
    friend.page(click)
    await play.pause()
    friend.page(query="gclid=EAIaIQobChMIsim&utm_source=google&utm_medium=cpc", referrer="https://www.google.com/")
    await play.pause(2)
    await friend.register()
    await play.pause()
    await friend.buy(55)
    rewarded(advocate, friend)


@story(17, "cheat", "a click farm with headless browsers", people=FARM + 1)
async def click_farm(play: Play) -> None:
    """One machine: a flood of clicks that look at nothing; then made-up people, all within seconds, with the smallest order that counts."""
    advocate = await advocate_of(play)
    machine = play.world.address(play.number, 1)
    await play.pause(1)

    async def robot(place: int) -> None:
        fake = Actor.cast(play, place)
        fake.device.ip = machine
        if place % 2:
            fake.device.agent = HEADLESS[place % len(HEADLESS)]
        click = ""
        for _ in range(CLICKS_EACH):
            click = await fake.click(advocate.code, drop=("Accept-Language", "Sec-Fetch-User") if place % 2 else ())
            await play.pause(0.2)
        fake.page(click)
        await fake.register()
        await fake.buy(21)

    await asyncio.gather(*(robot(place) for place in range(1, FARM + 1)))


@story(17, "twin", "a messenger's preview, and a fast typist", people=2)
async def preview(play: Play) -> None:
    """The messenger looks the link up before she does; she signs up in seconds, with all fields filled in by the browser."""
    advocate, friend = await advocate_of(play), Actor.cast(play, 1)
    await play.pause()
    for agent in play.dice.sample(PREVIEWS, 2):
        await play.sender.visit(f"/s/{advocate.code}", {"User-Agent": agent, "X-Forwarded-For": play.world.address(play.number, 40)})
    click = await friend.click(advocate.code)
    friend.page(click)
    await play.pause(3)
    await friend.register()
    await play.pause(4)
    await friend.buy(48)
    rewarded(advocate, friend)


@story(18, "cheat", "clicks nobody made, in hidden frames", people=5)
async def stuffing(play: Play) -> None:
    """A site of his opens the link in a frame nobody sees, or as a picture. Visitors who buy later were never sent."""
    advocate = await advocate_of(play)
    await play.pause()

    async def victim(place: int) -> None:
        person = Actor.cast(play, place)
        kind = "iframe" if place % 2 else "image"
        hidden = {"Sec-Fetch-Dest": kind, "Sec-Fetch-Mode": "navigate" if kind == "iframe" else "no-cors"}
        click = await person.click(advocate.code, drop=("Sec-Fetch-User", "Upgrade-Insecure-Requests"), more=hidden)
        if kind == "iframe":
            person.page(click)
        await play.pause()
        person.page()
        await person.register()
        await play.pause()
        await person.buy(play.dice.randint(25, 90))

    await asyncio.gather(*(victim(place) for place in range(1, 5)))


@story(18, "twin", "a browser that hides where it comes from", people=2)
async def private_browser(play: Play) -> None:
    """No referring page, and none of the headers that newer browsers send."""
    advocate, friend = await advocate_of(play), Actor.cast(play, 1)
    await play.pause()
    silent = ("Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User", "Upgrade-Insecure-Requests")
    click = await friend.click(advocate.code, drop=silent)
    friend.page(click)
    await play.pause()
    await friend.register()
    await play.pause()
    await friend.buy(52)
    rewarded(advocate, friend)


@story(19, "cheat", "mass mailing to strangers", people=5)
async def mass_mail(play: Play) -> None:
    """Hundreds of bought addresses; the few who happen to buy were not referred by anyone they know."""
    advocate = await advocate_of(play)
    victims = [Actor.cast(play, place) for place in range(1, 5)]
    bought = [f"{play.world.token('stranger', play.number, n)[:10]}.x@example.org" for n in range(STRANGERS)]
    for victim in victims:
        bought.insert(play.dice.randrange(150, STRANGERS), victim.person.email)
    await advocate.share_by_mail(bought)
    await play.pause()
    for victim in victims:
        await victim.register()
    await play.pause()
    await asyncio.gather(*(victim.buy(play.dice.randint(25, 90)) for victim in victims))


@story(19, "twin", "a wedding invitation's list", people=3, may_wait=True)
async def wedding(play: Play) -> None:
    """Sixty addresses, all of people they know."""
    advocate = await advocate_of(play)
    guests = [Actor.cast(play, place) for place in (1, 2)]
    others = [f"{play.world.token('guest', play.number, n)[:10]}.y@example.org" for n in range(WEDDING - len(guests))]
    await advocate.share_by_mail([*others, *(guest.person.email for guest in guests)])
    await play.pause()
    for guest in guests:
        await guest.register()
    await play.pause()
    for guest in guests:
        await guest.buy(play.dice.randint(25, 90))
        rewarded(advocate, guest, "SHARE_RECIPIENT")


@story(21, "cheat", "guesses codes", people=2)
async def guesser(play: Play) -> None:
    """Tries codes from one address, a hundred at a time; when none fits, uses one that was posted somewhere."""
    advocate, guesser = await advocate_of(play), Actor.cast(play, 1)
    await play.pause()
    found = 0
    for _ in range(GUESSES // 8):
        tried = [play.dice.choice(("anna", "friend", "save", advocate.code[:3])) + format(play.dice.getrandbits(16), "x") for _ in range(8)]
        found += sum(bool(click) for click in await asyncio.gather(*(guesser.click(code) for code in tried)))
    if found:
        play.complain(f"{found} of {GUESSES} guessed codes belonged to someone")
    await come_and_buy(play, advocate, guesser)


@story(21, "twin", "a typo in a spoken code", people=2)
async def misheard(play: Play) -> None:
    """Heard it on the phone, and gets it right the third time."""
    advocate, friend = await advocate_of(play), Actor.cast(play, 1)
    await play.pause()
    for wrong in (advocate.code[:-1] + ("q" if advocate.code[-1] != "q" else "w"), advocate.code + "e"):
        await friend.click(wrong)
    await come_and_buy(play, advocate, friend)
    rewarded(advocate, friend)


@story(27, "cheat", "a stolen write key", people=INVENTED + 1)
async def stolen_key(play: Play) -> None:
    """The key from the page's source, and a script: people who do not exist identify, and buy with his code."""
    advocate = await advocate_of(play)
    machine = play.world.address(play.number, 1)

    async def invent(place: int) -> None:
        fake = Actor.cast(play, place)
        fake.device.ip = machine
        fake.identify(via="browser")
        await fake.track("conversion", fake.cart(60, advocate_code=advocate.code), "browser")

    await asyncio.gather(*(invent(1 + place % (CAST_MAX - 1)) for place in range(INVENTED)))


@story(27, "twin", "a brand's first import of its history", people=12)
async def first_import(play: Play) -> None:
    """Years of customers at once, by the shop's server. All of it is taken, and none of it was referred."""
    start = play.sender.now() - 700 * DAY_MS
    told = []
    for place in range(12):
        customer = Actor.cast(play, place)
        customer.was_referred_by_nobody()
        at = start + place * DAY_MS
        told += [customer.sign_up(at=at, calm=True), customer.buy(30 + place, at=at + 60_000, calm=True)]
    if any(status != 200 for status in await asyncio.gather(*told)):
        play.complain("a message of the import was refused")
