"""Pages: `python -m bench.pages --keep DIR`. How long the server takes for each page of the console, on a year of a shop's messages.

The year is made in one process, day by day by a clock of its own: people and what they look at and buy, advocates with links, friends who
follow them. Then a real server is asked for every page that links lead to, one after the other over one connection, for the overview and
every report, and for what an advocate and a friend see. The floor is /readyz, which looks at nothing. On a busy machine look at the CPU.
"""

from __future__ import annotations

import argparse
import html
import http.client
import json
import random
import re
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace
from starlette.routing import compile_path

from bench.conversions import CAMPAIGN, PROGRAM
from bench.driver import percentile
from bench.server import HOST, Server, drop_page_cache
from goodword.api.auth import Keyring, hash_secret
from goodword.api.http import Refusal
from goodword.api.intake import Intake
from goodword.api.link import FRIEND_PATH, SHARE_PAGE_PATH
from goodword.cli.connection import engine_of, reader_of
from goodword.console.app import entries, page_routes
from goodword.console.session import NAME, new_token
from goodword.core import command as c
from goodword.core.account import Key, Scope
from goodword.core.campaign import Document
from goodword.core.console import Session, User
from goodword.core.message import Rejection
from goodword.core.profile import ProfileId
from goodword.core.referral import Click, Evidence
from goodword.core.report import REPORTS
from goodword.core.share_token import Pass, issue
from goodword.engine import Engine, wall_clock_ms
from goodword.storage.query import share as links
from goodword.storage.store import Store

DAYS, GROUP = 365, 500
DAY_MS = 24 * 3_600_000
GOAL_MS = 100
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
LINK = re.compile(r'href="(/console/[^"#]*)"')
SITES = ("", "l.facebook.com", "t.co", "mail.google.com", "instagram.com", "web.whatsapp.com", "blog.example.org")
KEYS = [Key(scope, 1, scope, scope.encode(), scope, (scope,), 0) for scope in (Scope.SERVER, Scope.INGEST)]


class Year:
    """A shop's year, told to an engine."""

    def __init__(self, folder: Path, events: int, people: int, friends: int, advocates: int) -> None:
        self.now = wall_clock_ms() - DAYS * DAY_MS
        self.engine = Engine(Store(folder), clock=lambda: self.now)
        list(self.engine.store.database.load("PRAGMA synchronous = OFF"))  # a made-up year may be lost; the server that is measured syncs
        self.intake = Intake(self.engine, Keyring(self.engine.store))
        self.events, self.people, self.friends, self.advocates = events, people, friends, advocates
        self.dice = random.Random(1)
        self.links: list[tuple[ProfileId, str]] = []

    def tell(self) -> None:
        """All of it."""
        document = msgspec.convert(CAMPAIGN, Document)
        self.engine.execute([c.SaveCampaign(1, document, publish=True)])
        for day in range(DAYS):
            self._share(max(1, self.advocates // DAYS))
            self._all(self._day(day))
            self.now += DAY_MS - self.now % DAY_MS if day % 7 else DAY_MS
            if day % 30 == 0:
                print(f"  day {day} of {DAYS}", file=sys.stderr, flush=True)
        self.engine.close()

    def _all(self, commands: Iterator[c.Asked]) -> None:
        group: list[c.Asked] = []
        for command in commands:
            group.append(command)
            if len(group) == GROUP:
                self.engine.execute(group)
                group = []
        if group:
            self.engine.execute(group)

    def _share(self, count: int) -> None:
        """New advocates, each with a link."""
        numbers = range(len(self.links), len(self.links) + count)
        made = self.engine.execute([c.CreateProfile(1, f"advocate{number * 7919}@mail{number % 97}.example") for number in numbers])
        people = [ProfileId(outcome.profile_id or 0) for outcome in made]
        new = [(person, f"ADV-{number}") for person, number in zip(people, numbers, strict=True)]
        self.engine.execute([c.PutShareable(1, person, code, PROGRAM, "main") for person, code in new])
        self.links += new

    def _day(self, day: int) -> Iterator[c.Asked]:
        for number in range(self.people // DAYS):
            new = day * (self.people // DAYS) + number
            yield self._message("identify", userId=f"user-{new}", traits={"email": f"user{new}@home{new % 53}.example"})
        known = (day + 1) * (self.people // DAYS)
        for _ in range((self.events - 2 * self.friends) // DAYS):
            user, bought = f"user-{self.dice.randrange(known)}", self.dice.random() < 0.02
            order = {"partner_conversion_id": uuid.uuid4().hex, "cart_value": "40.00", "currency": "USD"}
            yield self._message(
                "track", userId=user, event="conversion" if bought else "Product Viewed", properties=order if bought else {}
            )
        for number in range(self.friends // DAYS):
            yield from self._friend(f"{day}-{number}")

    def _friend(self, name: str) -> Iterator[c.Asked]:
        """Somebody follows a link; half of them sign up and buy."""
        _, code = self.dice.choice(self.links)
        id = f"click-{name}"
        evidence = Evidence(ip=name, net=name, agent=name, site=self.dice.choice(SITES))
        yield c.RecordClick(1, Click(id, self.now, ProfileId(0), "", "", code, evidence))
        address = {"page": {"url": f"https://shop.example/?gw={id}"}}
        yield self._message("page", KEYS[1], anonymousId=f"d-{name}", context=address)
        if self.dice.random() < 0.5:
            self.now += 30_000
            yield self._message("identify", userId=f"f-{name}", anonymousId=f"d-{name}", traits={"email": f"f{name}@post.example"})
            yield self._message("track", userId=f"f-{name}", event="registration")
            self.now += 30_000
            order = {"partner_conversion_id": f"o-{name}", "cart_value": "55.00", "currency": "USD"}
            yield self._message("track", userId=f"f-{name}", event="conversion", properties=order)

    def _message(self, kind: str, key: Key = KEYS[0], **said: Any) -> c.Asked:
        self.now += 1
        raw = json.dumps({"type": kind, "messageId": uuid.uuid4().hex, "timestamp": self.now, **said}).encode()
        command = self.intake.command(raw, key, self.engine.store.accounts[1].settings, "bench", now=self.now)
        assert not isinstance(command, Rejection | Refusal), command
        return command


def signed_in(data: Path) -> str:
    """The cookie of an admin who is signed in."""
    token, now = new_token(), wall_clock_ms()
    with engine_of(data) as engine:
        user = User(uuid.uuid4().hex, 1, f"{uuid.uuid4().hex}@example.com", "admin", now)
        engine.execute([c.PutUser(1, user), c.SignIn(1, Session(hash_secret(token), 1, user.id, now, now))])
    return f"{NAME}={token}"


def hosted_pages(data: Path) -> list[str]:
    """An advocate's share page, and the page where a friend of hers lands, whose campaign is made to have one."""
    document = msgspec.convert(CAMPAIGN, Document)
    assert document.share is not None
    with engine_of(data) as engine:
        hosted = replace(document, share=replace(document.share, landing="hosted"))
        engine.execute([c.SaveCampaign(1, hosted, publish=True)])
    with reader_of(data) as store:
        link = links.find(store, "ADV-0", 1)
        assert link is not None
        assert link.advocate is not None
        token = issue(store.sealer.page_secret, Pass(1, link.advocate.id, PROGRAM, wall_clock_ms() + DAY_MS))
    return [f"{SHARE_PAGE_PATH}{PROGRAM}?t={token}", f"{FRIEND_PATH}ADV-0?gw={'0' * 26}"]


def every_page(ask: Any) -> list[str]:
    """An address for each page that links lead to, and the overview and every report besides."""
    routes = [route.path for route in page_routes() if not route.is_change]
    found: dict[str, str] = {}
    waiting = [entry.path for entry in entries()]
    while waiting:
        path = waiting.pop(0)
        pattern = next((route for route in routes if compile_path(route)[0].match(path.partition("?")[0])), None)
        if pattern is None or pattern in found or pattern.endswith(("/file", ".svg")):
            continue
        found[pattern] = path
        _, body = ask(path)
        waiting += [html.unescape(link).removeprefix("/console") for link in LINK.findall(body.decode("utf-8", "replace"))]
    more = [f"/overview?days={days}" for days in (7, 90, 365)] + [f"/reports/{name}" for name in REPORTS]
    return [*sorted(found.values()), *(path for path in more if path not in found.values())]


def main() -> None:
    """Make the year unless it is there, then ask for every page."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--keep", type=Path, required=True, metavar="DIR", help="the year's folder; one that is there is used again")
    parser.add_argument("--events", type=float, default=5e6, help="tracks in the year (default: 5e6; with these, an hour to make)")
    parser.add_argument("--people", type=float, default=1e6, help="people (default: 1e6)")
    parser.add_argument("--advocates", type=float, default=2e4, help="people with a link (default: 2e4)")
    parser.add_argument("--friends", type=float, default=2e5, help="clicks of friends, half of whom buy (default: 2e5)")
    parser.add_argument("--asked", type=int, default=20, help="how often each page is asked for (default: 20)")
    options = parser.parse_args()
    data = options.keep / "data"
    if not data.exists():
        began = time.monotonic()
        Year(data, *(int(each) for each in (options.events, options.people, options.friends, options.advocates))).tell()
        print(f"made in {(time.monotonic() - began) / 60:.0f} min")
    drop_page_cache(data)
    server = Server(Path(sys.executable).with_name("goodword"), data).start()
    try:
        _measure(server, signed_in(data), options.asked, hosted_pages(data))
    finally:
        server.stop()


def _measure(server: Server, cookie: str, asked: int, hosted: list[str]) -> None:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=60)

    def ask(path: str, root: str = "/console") -> tuple[float, bytes]:
        began = time.perf_counter()
        connection.request("GET", root + path, headers={"Cookie": cookie, "User-Agent": BROWSER})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status not in (200, 303):
            raise SystemExit(f"{path} answers {answer.status}")
        return (time.perf_counter() - began) * 1000, body

    pages = [("/console", path) for path in every_page(ask)] + [("", path) for path in hosted]
    floor = percentile([ask("/readyz", "")[0] for _ in range(100)], 50)
    head = f"{'page':<44}{'p50 ms':>8}{'p95 ms':>8}{'CPU ms':>8}{'of floor':>10}{'KB':>8}  goal {GOAL_MS} ms"
    print(f"floor (/readyz) {floor:.1f} ms\n{head}")
    for root, path in pages:
        before = server.cpu_s()
        found = [ask(path, root) for _ in range(asked)]
        cpu = (server.cpu_s() - before) * 1000 / asked
        p50, p95 = (percentile([taken for taken, _ in found], percent) for percent in (50, 95))
        verdict = "met" if p95 <= GOAL_MS else "MISSED"
        print(f"{path[:43]:<44}{p50:>8.1f}{p95:>8.1f}{cpu:>8.1f}{p50 / floor:>10.0f}{len(found[-1][1]) / 1000:>8.1f}  {verdict}")
    connection.close()


if __name__ == "__main__":
    main()
