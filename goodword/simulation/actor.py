"""What people do at the shop, and what the shop's systems report of it: nothing a real shop would not send."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

from goodword.core.times import write_time
from goodword.simulation.play import Play, Role
from goodword.simulation.program import COUPON_EVENT, COUPON_REWARD, SHOP
from goodword.simulation.sender import Door
from goodword.simulation.world import Device, Person

PAGES = ("/", "/new", "/shoes", "/shoes/runner-2", "/bags", "/bags/day-tripper", "/sale")
NAVIGATION = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.8",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-User": "?1",
    "Upgrade-Insecure-Requests": "1",
}
"""What a browser sends when someone follows a link from another site."""
Via = Literal["browser", "segment"]


class Actor:
    """Someone in a play."""

    def __init__(self, play: Play, person: Person) -> None:
        self.play, self.person, self.sender = play, person, play.sender
        self.device = person.device
        self.code = ""
        self._orders = 0

    @classmethod
    def cast(cls, play: Play, place: int, **known: Any) -> Actor:
        """The play's n-th person, in it with nothing owed so far. `known` overrides what the world made of them."""
        person = play.world.person(play.number, place)
        for name, value in known.items():
            setattr(person, name, value)
        actor = cls(play, person)
        play.roles[person.user_id] = Role(person.user_id, person.email)
        return actor

    # -- the truth ----------------------------------------------------------------------------------------------------

    @property
    def role(self) -> Role:
        """The truth about them."""
        return self.play.roles[self.person.user_id]

    def is_owed(self, points: int | None = None) -> None:
        """They have earned a reward, of the usual points unless told."""
        self.role.owed += self.play.terms.points if points is None else points

    def may_get(self, points: int | None = None) -> None:
        """A reward would not be wrong, and would not be missed."""
        self.role.allowed += self.play.terms.points if points is None else points

    def was_referred_by(self, advocate: Actor, reason: str) -> None:
        """This is who referred them."""
        self.role.referred_by, self.role.reason, self.role.is_judged = advocate.person.user_id, reason, True

    def was_referred_by_nobody(self) -> None:
        """They came by themselves."""
        self.role.is_judged = True

    # -- as an advocate -----------------------------------------------------------------------------------------------

    async def person_id(self) -> str:
        """The server's number for them, asked for once; by e-mail for a guest."""
        if not self.person.person_id:
            self.person.person_id = await find_person(self.play, self.role) or ""
        return self.person.person_id

    async def join(self, *, at: int | None = None, in_browser: bool = False) -> None:
        """Become known to the shop: its server registers them, or (`in_browser`) their browser, which also shows where they are."""
        if in_browser:
            properties = {"email": self.person.email, "first_name": self.person.first_name, "partner_user_id": self.person.user_id}
            told = [self.page(at=at), self.identify(at=at), self.track("registration", properties, at=at)]
        else:
            told = [self.sign_up(at=at)]
        await asyncio.gather(*told)

    async def link(self, program: str = "") -> str:
        """Their share link's code, made by the shop's server; of the campaign that is played unless told."""
        number = await self.person_id()
        body = {"label": program or self.play.terms.program, "key": "main"}
        answer = await self.sender.ask("POST", f"/v5/persons/{number}/shareables", body)
        self.code = str(answer.json["code"]) if answer.status == 200 else ""
        if not self.code:
            raise AssertionError(f"no share link: {answer.status} {answer.body[:200]!r}")
        return self.code

    async def coupon(self) -> str:
        """A coupon to hand on to a friend, as the campaign gives them to whoever asks."""
        await self._report(COUPON_EVENT, {"place": "account page"}, calm=True)
        number = await self.person_id()
        answer = await self.sender.ask("GET", f"/v5/persons/{number}/rewards")
        codes = [reward.get("partner_reward_id") for reward in answer.json if reward["name"] == COUPON_REWARD]
        if not codes or not codes[0]:
            raise AssertionError("no coupon to hand on")
        return str(codes[0])

    async def share_by_mail(self, recipients: list[str]) -> None:
        """Share the link by e-mail through the shop, which tells Goodword to whom."""
        number = await self.person_id()
        for start in range(0, len(recipients), 50):
            body = {"channel": "EMAIL", "shareable_code": self.code, "recipients": recipients[start : start + 50]}
            await self.sender.ask("POST", f"/v5/persons/{number}/shares", body, expect=(200, 400, 403, 429))

    # -- on the site --------------------------------------------------------------------------------------------------

    async def click(
        self,
        code: str,
        *,
        device: Device | None = None,
        query: str = "",
        drop: tuple[str, ...] = (),
        more: Mapping[str, str] | None = None,
    ) -> str:
        """Follow a share link; the click id that the landing page's address then carries ("" when there is none).

        `more` are further headers, `drop` usual ones that this browser does not send.
        """
        seen = device or self.device
        headers = {name: value for name, value in NAVIGATION.items() if name not in drop}
        headers |= {"User-Agent": seen.agent, "X-Forwarded-For": seen.ip, **(more or {})}
        answer = await self.sender.visit(f"/s/{quote(code)}{query}", {name: value for name, value in headers.items() if value})
        landing = answer.headers.get("location", "")
        return parse_qs(urlsplit(landing).query).get("gw", [""])[0]

    def page(
        self,
        click: str = "",
        *,
        device: Device | None = None,
        via: Via = "segment",
        query: str = "",
        referrer: str = "",
        at: int | None = None,
        known: bool = False,
        calm: bool = False,
    ) -> asyncio.Future[int]:
        """Look at a page; with a click id, the landing page. `known` browsers are logged in."""
        search = "&".join(filter(None, (f"gw={click}&utm_source=referral" if click else "", query)))
        path = "/welcome" if click else self.play.dice.choice(PAGES)
        page = {"path": path, "url": f"{SHOP}{path}?{search}" if search else SHOP + path, "search": f"?{search}" if search else ""}
        page |= {"title": "Shop", "referrer": referrer}
        said = {"type": "page", "properties": page, **({"userId": self.person.user_id} if known else {})}
        return self._say_in_browser(said, page, device, via, at, calm=calm)

    def identify(
        self,
        *,
        device: Device | None = None,
        via: Via = "segment",
        email: str | None = None,
        at: int | None = None,
        calm: bool = False,
        **traits: Any,
    ) -> asyncio.Future[int]:
        """The browser learns who they are: after a sign-up or a log-in."""
        traits = {"email": email or self.person.email, "firstName": self.person.first_name, "lastName": self.person.last_name, **traits}
        said = {"type": "identify", "userId": self.person.user_id, "traits": traits}
        return self._say_in_browser(said, _page("/account"), device, via, at, calm=calm)

    def leave_address(self, *, device: Device | None = None) -> asyncio.Future[int]:
        """Type an e-mail address into a form without signing up: the browser knows the address, and no customer number."""
        said = {"type": "identify", "traits": {"email": self.person.email, "firstName": self.person.first_name}}
        return self._say_in_browser(said, _page("/newsletter"), device, "segment", None)

    def track(
        self,
        event: str,
        properties: Mapping[str, Any],
        via: Via = "segment",
        *,
        device: Device | None = None,
        known: bool = True,
        at: int | None = None,
        calm: bool = False,
    ) -> asyncio.Future[int]:
        """Something the browser reports."""
        said: dict[str, Any] = {"type": "track", "event": event, "properties": dict(properties)}
        if known:
            said["userId"] = self.person.user_id
        return self._say_in_browser(said, _page("/account"), device, via, at, calm=calm)

    # -- at the shop's server -----------------------------------------------------------------------------------------

    def sign_up(self, *, at: int | None = None, email: str | None = None, calm: bool = False, **more: Any) -> asyncio.Future[int]:
        """The shop's server registers them."""
        properties = {"email": email or self.person.email, "first_name": self.person.first_name, "last_name": self.person.last_name}
        return self._report("registration", {**properties, "partner_user_id": self.person.user_id, **more}, at=at, calm=calm)

    async def register(self, *, device: Device | None = None, calm: bool = False, via: Via = "segment") -> None:
        """Sign up on the site: the server reports it, and the browser learns who they are, in whatever order that arrives."""
        await asyncio.gather(self.sign_up(calm=calm), self.identify(device=device, calm=calm, via=via))

    def buy(
        self,
        value: str | float,
        order: str | None = None,
        *,
        at: int | None = None,
        as_guest: bool = False,
        calm: bool = False,
        **more: Any,
    ) -> asyncio.Future[int]:
        """The shop's server reports a purchase; of a guest it knows the e-mail address alone."""
        return self._report("conversion", self.cart(value, order, **more), at=at, as_guest=as_guest, calm=calm)

    def take_back(self, order: str, event: str = "canceled", **more: Any) -> asyncio.Future[int]:
        """The shop's server reports a cancellation or a return."""
        return self._report(event, {"partner_conversion_id": order, **more})

    def cart(self, value: str | float, order: str | None = None, **more: Any) -> dict[str, Any]:
        """The properties of a purchase."""
        return {"partner_conversion_id": order or self.order(), "cart_value": str(value), "currency": "USD", **more}

    def order(self) -> str:
        """The next order id."""
        self._orders += 1
        return f"O-{self.play.world.seed}-{self.person.number}-{self._orders}"

    def _report(
        self, event: str, properties: dict[str, Any], *, at: int | None = None, as_guest: bool = False, calm: bool = False
    ) -> asyncio.Future[int]:
        said = {"type": "track", "event": event, "properties": properties}
        if as_guest:
            properties["email"] = self.person.email
            said["context"] = {"library": _library("analytics-node"), "traits": {"email": self.person.email}}
            said["anonymousId"] = self.play.world.token("guest", self.person.user_id)
        else:
            said |= {"userId": self.person.user_id, "context": {"library": _library("analytics-node")}}
        return self._say(said, "server", at, calm=calm)

    def _say_in_browser(
        self, said: dict[str, Any], page: dict[str, Any], device: Device | None, via: Via, at: int | None, *, calm: bool = False
    ) -> asyncio.Future[int]:
        seen = device or self.device
        context = {"library": _library("analytics.js"), "locale": "en-GB", "userAgent": seen.agent, "page": page}
        said |= {"anonymousId": seen.anonymous_id, "context": context}
        if via == "browser":
            if seen.clock_off:
                local = (at or self.sender.now()) + seen.clock_off
                said |= {"originalTimestamp": write_time(local), "sentAt": write_time(local + 5)}
            return self._say(said, "browser", at, {"User-Agent": seen.agent, "X-Forwarded-For": seen.ip, "Origin": SHOP}, calm=calm)
        context["ip"] = seen.ip
        said["channel"] = "client"
        return self._say(said, "segment", at, calm=calm)

    def _say(
        self, said: dict[str, Any], door: Door, at: int | None, headers: Mapping[str, str] | None = None, *, calm: bool = False
    ) -> asyncio.Future[int]:
        self.play.messages += 1
        said["messageId"] = f"sim-{self.play.world.seed}-{self.play.number}-{self.play.messages}"
        if door == "browser":
            said.setdefault("originalTimestamp", write_time(at or self.sender.now()))
        else:
            said.setdefault("timestamp", write_time(at or self.sender.now()))
        return self.sender.say(said, door, headers=headers, calm=calm)


def _library(name: str) -> dict[str, str]:
    return {"name": name, "version": "2.1.0"}


def _page(path: str) -> dict[str, Any]:
    return {"path": path, "url": SHOP + path, "search": "", "title": "Shop", "referrer": ""}


async def find_person(play: Play, role: Role) -> str | None:
    """Ask the server for a person's number."""
    query = f"identity_key_value={quote(role.email)}" if role.is_guest else f"person_keys={quote(f'partner_user_id:{role.user_id}')}"
    answer = await play.sender.ask("GET", f"/v5/persons?{query}")
    found = answer.json if answer.status == 200 else []
    return str(found[0]["id"]) if found else None
