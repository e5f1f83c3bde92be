"""A brand's referral program on a server, in the words of journeys: shares, clicks, sign-ups, orders, and what everyone is told of them.

Everything goes through the doors: the command line and the server API for the brand, share links for visitors, the browser's key for what
a page says, Segment's door, the tracking door and `/v6/events` for what the brand's servers say.
"""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from goodword.core.account import Scope
from tests.api.sharing import CHROME, IPHONE, click_id
from tests.running import Server, make_key, run

Said = dict[str, Any]
DOORS = ("destination", "tracking", "events")
SHOP = "https://shop.example.com/"


@cache
def template(name: str, *settings: str) -> str:
    """A campaign as the command line writes it."""
    done = run("campaign", "template", name, *(word for setting in settings for word in ("--set", setting)))
    assert done.returncode == 0, done.stderr
    return done.stdout


def refer_a_friend(*settings: str) -> str:
    """The template with the brand's own page."""
    return template("refer-a-friend", f"share.destination={SHOP}", *settings)


def moment() -> int:
    """Now, to the millisecond and never at a whole second, which would mean the whole of it."""
    now = time.time_ns() // 1_000_000
    time.sleep(0.003)
    return now if now % 1000 else now + 1


def stamp(millis: int) -> str:
    """A time as it is sent."""
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Program:
    """A brand's account, with a campaign or without."""

    def __init__(self, server: Server, account: str, campaign: str | None = None) -> None:
        self.server = server
        self.account = account
        self.key = make_key(server.data, Scope.ADMIN, account=account)
        self.browser = make_key(server.data, Scope.INGEST, account=account)
        self._sent = 0
        if campaign is not None:
            self.launch(campaign)

    # -- the brand ---------------------------------------------------------------------------------------------------------------------

    def launch(self, document: str) -> None:
        """Publish a campaign, or its next version."""
        answer = self.call("POST", "/v2/campaigns?publish=true", document.encode(), Content_Type="application/yaml")
        if answer.status == 400 and answer.json["code"] == "campaign_id_taken":
            (id,) = re.findall(r"^campaign: *([\w-]+)", document, re.MULTILINE)
            answer = self.call("PUT", f"/v2/campaigns/{id}?publish=true", document.encode(), Content_Type="application/yaml")
        assert answer.status == 200, answer.body

    def command(self, *words: str) -> str:
        """A command of the command line, for this account."""
        done = run(*words, "--account", self.account, "--data", str(self.server.data))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def apply(self, document: str, folder: Path) -> str:
        """`goodword campaign apply --publish`."""
        path = folder / f"{self.account}.yaml"
        path.write_text(document)
        return self.command("campaign", "apply", str(path), "--publish")

    def call(self, method: str, path: str, said: Any = None, *, key: str | None = None, **headers: str) -> Any:
        body = said if isinstance(said, bytes) or said is None else json.dumps(said).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.server.request(method, path, body, {"Authorization": f"Bearer {key or self.key}", **named})

    def get(self, path: str, **query: str) -> Any:
        answer = self.call("GET", f"{path}?{urlencode(query)}" if query else path)
        assert answer.status == 200, (path, answer.body)
        return answer.json

    def done(self, path: str, said: Any = None, method: str = "POST") -> Any:
        answer = self.call(method, path, {} if said is None else said)
        assert answer.status == 200, (path, answer.body)
        return answer.json

    # -- what is said ------------------------------------------------------------------------------------------------------------------

    def _stamped(self, said: Said) -> Said:
        self._sent += 1
        said = {"messageId": f"{self.account}-{self._sent}", **said}
        return {name: stamp(value) if name in ("timestamp", "sentAt") and isinstance(value, int) else value for name, value in said.items()}

    def segment(self, **said: Any) -> Any:
        """A message by the destination door."""
        answer = self.server.post("/segment", self._stamped(said), self.key)
        assert answer.status == 200, answer.body
        return answer.json

    def page(self, device: str, address: str = SHOP, *, at: int | None = None, context: Said | None = None, **said: Any) -> None:
        """What analytics in the browser says of a page, with the key that stands in the page."""
        seen = {"page": {"url": address}} if context is None else context
        when = {} if at is None else {"timestamp": at}
        self.in_browser(type="page", anonymousId=device, context={"userAgent": CHROME, **seen}, **when, **said)

    def in_browser(self, **said: Any) -> None:
        """A message of a page, by the tracking door."""
        kind = said["type"]
        answer = self.server.post(f"/v1/{kind}", self._stamped(said), self.browser)
        assert answer.status == 200, answer.body

    def says(self, event: str, user: str = "", door: str = "destination", at: int | None = None, **properties: Any) -> None:
        """An event that the brand's server says, by one of the three doors."""
        when = {} if at is None else {"timestamp": at}
        if door == "events":
            body: Said = {"event_name": event, "data": {"partner_user_id": user, **properties}}
            self.done("/v6/events", body | ({} if at is None else {"event_time": stamp(at)}))
        elif door == "tracking":
            said = self._stamped({"type": "track", "event": event, "userId": user, "properties": properties, **when})
            assert self.server.post("/v1/track", said, self.key).status == 200
        else:
            self.segment(type="track", event=event, userId=user, properties=properties, **when)

    def buys(self, user: str, order: str, door: str = "destination", at: int | None = None, **properties: Any) -> None:
        """An order, said by the brand's server."""
        self.says("conversion", user, door, at, **{"partner_conversion_id": order, "cart_value": "49.90", **properties})

    def joins(self, user: str, email: str = "", device: str = "", **said: Any) -> str:
        """Somebody signs up and is known; their id here."""
        ids = {"anonymousId": device} if device else {}
        self.segment(type="identify", userId=user, traits={"email": email or f"{user}@{user}.example"}, **ids, **said)
        return self.id(user)

    def id(self, user: str) -> str:
        (found,) = self.get("/v5/persons", person_keys=f"partner_user_id:{user}")
        return str(found["id"])

    # -- sharing and following ---------------------------------------------------------------------------------------------------------

    def link(self, user: str, label: str = "refer-a-friend", **said: Any) -> Any:
        """The person's share link."""
        return self.done(f"/v5/persons/{self.id(user)}/shareables", {"label": label, "key": "main", **said})

    def advocate(self, user: str, **said: Any) -> Any:
        """A customer with a share link."""
        self.joins(user)
        return self.link(user, **said)

    def follow(self, link: Any, *, agent: str = CHROME) -> tuple[str, str]:
        """A visitor follows a link: where they land, and the click's id."""
        answer = self.server.request("GET", urlsplit(link["link"]).path, headers={"User-Agent": agent})
        return answer.headers["location"], click_id(answer)

    def brings(self, link: Any, user: str, *, agent: str = CHROME, device: str = "") -> str:
        """A friend follows the link, lands on the shop's page, and becomes known there; the click's id."""
        address, click = self.follow(link, agent=agent)
        self.page(device or f"device-{user}", address)
        self.joins(user, device=device or f"device-{user}")
        return click

    # -- what is told ------------------------------------------------------------------------------------------------------------------

    def rewards(self, user: str) -> list[tuple[str, float, str]]:
        """State, value and unit of what somebody has, oldest first."""
        found = self.get("/v2/rewards", person_id=self.id(user))
        return [(each["state"], each["face_value"], each["face_value_type"]) for each in reversed(found)]

    def referrers(self, user: str) -> dict[str, tuple[str, bool]]:
        """Who referred somebody: the other's address, the reason, and whether it was displaced; of several referrals the newest."""
        found = self.get(f"/v5/persons/{self.id(user)}/relationships", my_roles="FRIEND", include_duplicate_identities="true")
        return {each["other_person"].get("identity_key_value", "gone"): (each["reason"], each["displaced"]) for each in reversed(found)}

    def qualities(self, user: str, name: str = "conversion") -> list[str]:
        """How a person's events of a name were judged, newest first."""
        return [each["quality"] for each in self.get(f"/v5/persons/{self.id(user)}/steps", names=name)]

    def why(self, order: str) -> Any:
        return self.get("/v2/why", order=order)

    def why_not(self, order: str) -> dict[str, str]:
        """The rules that objected to an order, each with why."""
        judged = [each for each in self.why(order)["moments"] if each["what"] == "judged"]
        return {rule["rule"]: rule["why"] for each in judged for rule in each["data"]["rules"] if rule["result"] not in ("PASS", "UNKNOWN")}


PAID = [("FULFILLED", 10.0, "POINTS")]

__all__ = ["CHROME", "DOORS", "IPHONE", "PAID", "SHOP", "Program", "moment", "refer_a_friend", "stamp", "template"]
