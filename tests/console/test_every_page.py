"""Every page that links lead to: by day and by night, on a phone and on a desk. A new feature's pages join by being linked.

Each is opened in a browser with the world's hostile text on it; axe finds nothing, nothing is refused by the security policy, nothing acts,
and nothing has to be scrolled sideways.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext
from starlette.routing import compile_path

from goodword.console.app import entries, page_routes
from goodword.console.page import PageRoute
from goodword.core.console import may
from tests.console.conftest import Visitor, World

PATTERNS = sorted(route.path for route in page_routes() if not route.is_change)
NOT_LINKED = {
    "/": "leads elsewhere",
    "/sign-in": "for people who are not signed in",
    "/welcome/{token}": "for people who are not signed in",
    "/people/{id:int}/file": "a file to keep",
    "/reports/{name}/file": "a file to keep",
    **dict.fromkeys((f"/{name}/file" for name in ("people", "rewards", "review", "messages", "audiences/members")), "a file to keep"),
    **dict.fromkeys(("/privacy/file", "/webhooks/{id}/file", "/settings/audit/file"), "a file to keep"),
    "/reports/{name}/picture.svg": "a picture",
    "/start/first": "a part of the start page",
    "/campaigns/{id}/example/progress": "a part of the page to try a campaign",
    "/campaigns/{id}/pages/share": "stands in a frame",
    "/campaigns/{id}/pages/friend": "stands in a frame",
    "/campaigns/{id}/dry-run/{trial}": "is there once a run was begun",
}
"""Pages that no page leads a signed-in viewer to, and why."""
LOOKS: dict[str, dict[str, Any]] = {
    "phone at night": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"},
    "desk by day": {"viewport": {"width": 1280, "height": 860}, "color_scheme": "light"},
}
LINK = re.compile(r'(?:href|src)="(/console/[^"#]*)"')
PAGES_MAX = 400
EACH_FOLLOWED = 6


def pattern_of(path: str) -> str | None:
    """The route that serves a path below /console."""
    for route in page_routes():
        if not route.is_change and compile_path(route.path)[0].match(path):
            return route.path
    return None


def named(route: PageRoute) -> str:
    """A route as a test's name."""
    return f"{'POST' if route.is_change else 'GET'} {route.path}"


@pytest.fixture(scope="module")
def linked(people: dict[str, Visitor]) -> dict[str, str]:
    """Of each route an address that some page links to, found by following links from the start as an admin."""
    found: dict[str, str] = {}
    waiting = ["/", *(entry.path for entry in entries())]
    looked_at: set[str] = set()
    followed: Counter[str] = Counter()
    while waiting and len(looked_at) < PAGES_MAX:
        path = waiting.pop(0)
        if path in looked_at:
            continue
        looked_at.add(path)
        answer = people["admin"].get(path)
        assert answer.status in (200, 303), (path, answer.status)
        for link in map(html.unescape, LINK.findall(answer.body.decode())):
            address = link.removeprefix("/console")
            if address.startswith("/static/"):
                continue
            pattern = pattern_of(address.partition("?")[0])
            assert pattern is not None, f"{path} links to {address}, where there is nothing"
            found.setdefault(pattern, address)
            if followed[pattern] < EACH_FOLLOWED and address not in looked_at:
                followed[pattern] += 1
                waiting.append(address)
    return found


def test_every_page_is_linked_from_some_page(linked: dict[str, str]) -> None:
    assert [pattern for pattern in PATTERNS if pattern not in linked and pattern not in NOT_LINKED] == []


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("pattern", [pattern for pattern in PATTERNS if pattern not in NOT_LINKED])
def test_a_page_is_whole_safe_and_open_to_everyone(
    browsing: Callable[..., BrowserContext], people: dict[str, Visitor], linked: dict[str, str], axe: str, pattern: str, look: str
) -> None:
    asked = people["admin"].get(linked[pattern])
    assert asked.status == 200
    assert asked.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    if not asked.headers["content-type"].startswith("text/html"):
        assert asked.headers["x-content-type-options"] == "nosniff"  # a file or a picture, no page
        return
    page = browsing(people["admin"], **LOOKS[look]).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    outside: list[str] = []
    page.on(
        "request", lambda request: None if "//127.0.0.1:" in request.url or request.url.startswith("data:") else outside.append(request.url)
    )
    response = page.goto(f"/console{linked[pattern]}")
    assert response is not None
    assert response.status == 200
    assert response.headers["cache-control"] == "no-store"
    page.wait_for_load_state("load")
    page.evaluate(axe)
    found = page.evaluate("async () => (await axe.run()).violations.map(each => each.id + ': ' + each.nodes.map(n => n.target).join(' '))")
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("document.documentElement.clientWidth")
    assert page.locator("h1").count() == 1
    assert not page.title().startswith("owned")
    assert page.locator("[onerror], [onfocus], [hx-trigger=load]:not([data-own])").count() == 0
    assert "7 * 7" not in page.title()
    assert said == []
    assert outside == []


@pytest.mark.parametrize("role", ["support", "marketer", "admin"])
def test_a_role_finds_in_the_navigation_what_it_may_open_and_nothing_else(people: dict[str, Visitor], role: Any) -> None:
    shown = people[role].get("/you").body.decode()
    menu = shown[shown.index('aria-label="Console"') : shown.index("</nav>")]
    assert re.findall(r'href="/console([^"]*)"', menu) == [
        entry.path for group in ("See", "Run", "Connect", "Keep") for entry in entries() if entry.group == group and may(role, entry.role)
    ]


@pytest.mark.parametrize("role", ["support", "marketer"])
@pytest.mark.parametrize(
    "route", [route for route in page_routes() if route.role], ids=lambda route: ("POST " if route.is_change else "") + route.path
)
def test_a_role_is_refused_by_address_what_is_not_for_it(people: dict[str, Visitor], linked: dict[str, str], route: Any, role: Any) -> None:
    if may(role, route.role):
        return
    path = linked.get(route.path) or re.sub(r"\{\w+:int\}", "1", re.sub(r"\{\w+\}", "x", route.path))
    answer = people[role].post(path) if route.is_change else people[role].get(path)
    assert answer.status == 403, path
    assert b"Not for your role" in answer.body


@pytest.mark.parametrize("route", page_routes(), ids=named)
def test_a_guest_sees_nothing_and_a_change_without_a_token_is_refused(world: World, people: dict[str, Visitor], route: Any) -> None:
    path = "/console" + re.sub(r"\{\w+:int\}", "1", re.sub(r"\{\w+\}", "x", route.path))
    headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    if route.is_change:
        assert world.server.request("POST", path, b"", headers).status == 403
        admin = people["admin"]
        for refused in (
            admin.post(path.removeprefix("/console"), csrf=""),
            admin.post(path.removeprefix("/console"), csrf=people["marketer"].csrf),
            admin.post(path.removeprefix("/console"), Sec_Fetch_Site="cross-site"),
            admin.post(path.removeprefix("/console"), Sec_Fetch_Site="same-site"),
            admin.post(path.removeprefix("/console"), Sec_Fetch_Site="", Origin="https://evil.example"),
            admin.post(path.removeprefix("/console"), Sec_Fetch_Site=""),
        ):
            assert refused.status == 403
    elif route.role:
        answer = world.server.request("GET", path, None, {})
        assert (answer.status, answer.headers["location"].partition("?")[0]) == (303, "/console/sign-in")


NOBODYS = ("/campaigns/new/{template}", "/reports/{name}", "/welcome/{token}")
"""Paths whose parameter is no id of an account's."""


@pytest.mark.parametrize("route", [route for route in page_routes() if "{" in route.path and not route.path.startswith(NOBODYS)], ids=named)
def test_another_accounts_admin_opens_and_changes_nothing_by_any_id(people: dict[str, Visitor], linked: dict[str, str], route: Any) -> None:
    """Law 8: what one account's pages link to is not there for another's, by its own id."""
    ids = {"/settings/users": people["support"].user.id}
    for pattern, address in linked.items():
        stem, _, rest = pattern.partition("/{")
        if rest:
            ids.setdefault(stem, address.partition("?")[0].removeprefix(stem + "/").partition("/")[0])
    stem = route.path.partition("/{")[0]
    path = re.sub(r"\{\w+\}", "x", re.sub(r"\{[\w:]+\}", ids[stem], route.path, count=1))
    answer = people["stranger"].post(path) if route.is_change else people["stranger"].get(path)
    assert answer.status == 404, path
    assert b"There is nothing here" in answer.body
