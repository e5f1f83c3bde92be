"""People of the console for the tests of campaigns: signed in by a session of their own, in a browser or by HTTP alone."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from goodword.api.auth import hash_secret
from goodword.cli.connection import account_number, engine_of
from goodword.console.invitation import new_user
from goodword.core.command import PutUser, SignIn
from goodword.core.console import Role, Session
from goodword.engine import wall_clock_ms
from tests.running import Answer, Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

COOKIE = "goodword_session"


def session_of(server: Server, role: Role, account: str = "default") -> str:
    """The cookie of a new user with this role."""
    token, now = uuid.uuid4().hex, wall_clock_ms()
    with engine_of(server.data) as engine:
        number = account_number(engine, account)
        user = new_user(number, f"{uuid.uuid4().hex}@example.com", role, now, f"A {role}")
        done = engine.execute([PutUser(number, user), SignIn(number, Session(hash_secret(token), number, user.id, now, now))])
    assert [outcome.verdict for outcome in done] == ["done", "done"], done
    return token


def signed_in(browser: Browser, server: Server, role: Role, **options: Any) -> tuple[BrowserContext, Page]:
    """A browser in which somebody of a role is signed in."""
    url = f"http://127.0.0.1:{server.port}"
    context = browser.new_context(base_url=url, locale="en-GB", **options)
    context.add_cookies([{"name": COOKIE, "value": session_of(server, role), "url": url}])
    return context, context.new_page()


class Desk:
    """Somebody of a role, by HTTP alone."""

    def __init__(self, server: Server, role: Role, account: str = "default") -> None:
        self.server = server
        self.headers = {"Cookie": f"{COOKIE}={session_of(server, role, account)}", "Sec-Fetch-Site": "same-origin"}
        shown = self.get("/console/you").body.decode()
        self.csrf = re.findall(r'name="csrf" value="([^"]+)"', shown)[0]

    def get(self, path: str, **headers: str) -> Answer:
        return self.server.request("GET", path, None, {**self.headers, **headers})

    def post(self, path: str, csrf: str | None = None, **fields: str) -> Answer:
        """A form of ours."""
        said = urlencode({"csrf": self.csrf if csrf is None else csrf, **fields}).encode()
        return self.server.request("POST", path, said, {**self.headers, "Content-Type": "application/x-www-form-urlencoded"})
