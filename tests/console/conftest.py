"""A server with a small world in it, full of hostile text, and people of each role who are signed in to its console."""

from __future__ import annotations

import json
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from goodword.api.auth import hash_secret
from goodword.cli.connection import account_number, engine_of
from goodword.console.session import csrf_of, new_token
from goodword.core.account import Scope
from goodword.core.command import Audited, PutUser, SignIn
from goodword.core.console import Role, Session, User
from goodword.engine import wall_clock_ms
from tests.console.fresh import Fresh
from tests.running import Answer, Server, make_key

expect.set_options(timeout=60_000)
"""A busy machine takes its time; what never comes is noticed all the same."""
RTL = "\u202eשלום مرحبا\u202c"
HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "'\" autofocus onfocus=document.title='owned' x='",
    "<div hx-post=/console/sign-out hx-trigger=load></div>",
    "{{ 7 * 7 }}{% raw %}",
    RTL,
    "x" * 10_000,
    "</code></pre><b>out</b>",
)
"""What people outside may write: none of it may act, break a page or widen it."""


class Visitor:
    """Somebody who is signed in, as far as HTTP goes: a cookie, and the token of changes."""

    def __init__(self, server: Server, token: str, user: User) -> None:
        self.server, self.token, self.user = server, token, user

    @property
    def csrf(self) -> str:
        return csrf_of(self.token)

    def get(self, path: str, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.server.request("GET", f"/console{path}", None, {"Cookie": f"goodword_session={self.token}", **named})

    def post(self, path: str, said: Mapping[str, str] | None = None, *, csrf: str | None = None, **headers: str) -> Answer:
        """A form, as a page of ours would send it; `csrf` and headers change what it says of itself."""
        body = urllib.parse.urlencode({**(said or {}), "csrf": self.csrf if csrf is None else csrf}).encode()
        named = {
            "Cookie": f"goodword_session={self.token}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.server.request("POST", f"/console{path}", body, {name: value for name, value in named.items() if value})


class World:
    """A server, its keys, and the people of its console."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = f"http://127.0.0.1:{server.port}"
        self.key = make_key(server.data, Scope.ADMIN)
        self.others_key = make_key(server.data, Scope.ADMIN, account="other")

    def call(self, method: str, path: str, said: Any = None, key: str = "") -> Any:
        body = None if said is None else json.dumps(said).encode()
        answer = self.server.request(method, path, body, {"Authorization": f"Bearer {key or self.key}"})
        assert answer.status == 200, (path, answer.status, answer.body)
        return answer.json

    def send(self, *messages: Mapping[str, Any], key: str = "") -> Any:
        return self.call("POST", "/v1/batch", {"batch": list(messages)}, key)

    def visitor(self, role: Role = "admin", account: str = "default", **said: Any) -> Visitor:
        """A new user of this role, signed in."""
        token, now = new_token(), wall_clock_ms()
        with engine_of(self.server.data) as engine:
            number = account_number(engine, account)
            user = User(uuid.uuid4().hex, number, f"{uuid.uuid4().hex}@example.com", role, now, **{"name": f"A {role}", **said})
            session = Session(hash_secret(token), number, user.id, now, now, HOSTILE[0])
            made = engine.execute([Audited(number, PutUser(number, user), "", "user.created", user.id), SignIn(number, session)])
        assert {outcome.verdict for outcome in made} == {"done"}
        return Visitor(self.server, token, user)


def fill(world: World) -> None:
    """People, events, a campaign with a referral that was rewarded and one that was not, refusals, and hostile text wherever text goes."""
    world.call("POST", "/v2/campaigns?publish=true", {
        "campaign": "raf", "program": "refer-a-friend", "name": HOSTILE[0],
        "share": {"destination": "https://shop.example.com/welcome"},
        "rewards": [{"name": "advocate", "to": "advocate", "value": {"amount": 20, "unit": "EUR"}, "supplier": "credit"}],
    })  # fmt: skip
    draft = world.call("GET", "/v2/campaigns/raf")["document"]
    pages = {"texts": {"en": {"headline": HOSTILE[1], "terms": HOSTILE[2]}}}
    world.call("PUT", "/v2/campaigns/raf", {**draft, "share": {**draft["share"], "landing": "hosted"}, "pages": pages})
    world.call("POST", "/v2/campaigns", {
        "campaign": "long", "program": "long", "name": "A campaign whose name is of the longest kind there is " * 3,
        "share": {"destination": "https://shop.example.com/welcome"},
        "rewards": [{"name": "advocate", "to": "advocate", "value": {"amount": 20, "unit": "EUR"}, "supplier": "credit"}],
    })  # fmt: skip
    for number, text in enumerate(HOSTILE):
        traits = {"email": f"p{number}@example.com", "firstName": text[:2_000], "lastName": RTL, f"trait-{number}": text[:5_000]}
        order = {"partner_conversion_id": f"o-{number}", "cart_value": "99.90", "coupon": text[:100]}
        world.send(
            {"type": "identify", "userId": f"u-{number}", "traits": traits},
            {"type": "track", "userId": f"u-{number}", "event": text[:200], "properties": {"note": text}},
            {"type": "track", "userId": f"u-{number}", "event": "conversion", "properties": order},
        )
    again = {"type": "track", "userId": "u-1", "event": "conversion", "properties": {"partner_conversion_id": "o-1", "cart_value": "99.90"}}
    world.send(again, {"type": "track", "event": HOSTILE[0]}, {"type": HOSTILE[1], "userId": "u-1"})
    world.send({"type": "identify", "userId": "theirs", "traits": {"email": "theirs@example.com"}}, key=world.others_key)
    world.call("POST", "/v6/webhooks", {"url": "https://hooks.example.com/in", "name": HOSTILE[1]})
    world.call("POST", "/v6/reward-suppliers", {"reward_supplier_id": "codes", "type": "COUPON_POOL", "name": HOSTILE[0]})
    world.call("POST", "/v6/reward-suppliers/manual-coupons/codes/coupons", {"coupons": ["A-1", "A-2"]})
    audience = {"computation_class": "audience", "computation_key": HOSTILE[0]}
    world.send({"type": "identify", "userId": "u-1", "traits": {HOSTILE[0]: True}, "context": {"personas": audience}})
    person = world.call("GET", "/v5/persons?person_keys=partner_user_id:u-1")[0]["id"]
    world.call("POST", "/v2/rewards", {"person_id": person, "note": HOSTILE[1], "reward_supplier_id": "points", "face_value": 5})


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    data: Path = tmp_path_factory.mktemp("console") / "data"
    with Server(data) as server:
        world = World(server)
        fill(world)
        yield world


@pytest.fixture(scope="session")
def people(world: World) -> dict[str, Visitor]:
    """One of each role, and the admin of another account."""
    roles: tuple[Role, ...] = ("support", "marketer", "admin")
    return {**{role: world.visitor(role) for role in roles}, "stranger": world.visitor("admin", "other")}


@pytest.fixture
def browsing(chromium: Browser, world: World) -> Iterator[Callable[..., BrowserContext]]:
    """Opens a browser in which somebody is signed in, or nobody; `options` are Playwright's."""
    opened: list[BrowserContext] = []

    def open_for(visitor: Visitor | None = None, **options: Any) -> BrowserContext:
        context = chromium.new_context(base_url=world.url, **options)
        if visitor is not None:
            context.add_cookies([{"name": "goodword_session", "value": visitor.token, "url": world.url}])
        opened.append(context)
        return context

    yield open_for
    for context in opened:
        context.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Fresh]:
    """A server that nobody has signed in to."""
    server = Fresh(tmp_path / "data")
    yield server
    server.stop()


@pytest.fixture
def chromium_context(chromium: Browser, fresh: Fresh) -> Iterator[BrowserContext]:
    """A browser at the fresh server."""
    context = chromium.new_context(base_url=fresh.url)
    yield context
    context.close()


@pytest.fixture(scope="session")
def axe(node_modules: Path) -> str:
    """The script that looks for what keeps people out (axe-core)."""
    return (node_modules / "axe-core" / "axe.min.js").read_text()
