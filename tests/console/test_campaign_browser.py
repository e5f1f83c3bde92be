"""Campaigns in a real browser: from a template to live to a paid reward, checked while one types, on a phone and a desktop, read by axe."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from goodword.core.account import Scope
from tests.clients.conftest import chromium, node, node_modules
from tests.console.campaigns import Desk, signed_in
from tests.hosted.conftest import Brand
from tests.running import Server, make_key

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["chromium", "node", "node_modules"]
PHONE: Any = {"width": 360, "height": 740}
DESKTOP: Any = {"width": 1280, "height": 900}
PATHS = ("", "/new", "/new/refer-a-friend", "/seen", "/seen/edit", "/seen/versions", "/seen/publish?version=2", "/seen/move?to=PAUSED")
AXE = "async () => (await axe.run({iframes: false})).violations.map(v => v.id + ' ' + v.nodes.map(n => n.target).join(' '))"
PATHS += ("/seen/dry-run", "/seen/pages")


@pytest.fixture(scope="module")
def brand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brand]:
    data: Path = tmp_path_factory.mktemp("campaigns-seen") / "data"
    with Server(data) as server:
        yield Brand(server, make_key(data, Scope.ADMIN))


@pytest.fixture(scope="module")
def seen(brand: Brand) -> Desk:
    """A campaign `seen` with two versions, the first in force."""
    brand.launch("seen", "seen", name="Seen")
    desk = Desk(brand.server, "marketer")
    document = brand.done("GET", "/v2/campaigns/seen")["document"]
    brand.done("PUT", "/v2/campaigns/seen", {**document, "name": "Seen again"})
    return desk


@pytest.fixture(scope="module")
def axe(node_modules: Path) -> str:
    return (node_modules / "axe-core" / "axe.min.js").read_text()


def test_from_a_template_to_live_to_a_paid_reward_within_two_minutes(chromium: Browser, brand: Brand) -> None:
    begun = time.monotonic()
    context, page = signed_in(chromium, brand.server, "marketer", viewport=DESKTOP)
    page.goto("/console/campaigns")
    page.get_by_role("link", name="Choose a template").or_(page.get_by_role("link", name="New campaign")).first.click()
    page.get_by_role("link", name="Begin with Refer a friend", exact=True).click()
    page.get_by_label("Where links lead").fill("https://shop.example.com/welcome")
    page.get_by_label("Amount").first.fill("25")
    page.get_by_role("button", name="Save and publish").click()
    page.get_by_role("button", name="Publish version 1").click()
    assert page.get_by_text("the campaign is live").count() == 1
    assert time.monotonic() - begun < 120
    advocate = brand.person("Ada")
    brand.shown(brand.page(advocate, "refer-a-friend"))
    code, friend = brand.code(advocate), uuid.uuid4().hex
    click = brand.server.get(f"/s/{code}", **{"User-Agent": "Mozilla/5.0 (iPhone) Safari"}).headers["location"].partition("gw=")[2][:26]
    said: dict[str, Any] = {"type": "track", "messageId": friend, "userId": friend, "event": "conversion"}
    said |= {"properties": {"partner_conversion_id": friend, "cart_value": 80}}
    brand.done("POST", "/segment", {**said, "context": {"page": {"url": f"https://shop.example.com/?gw={click}"}}})
    (reward,) = brand.done("GET", f"/v5/persons/{advocate}/rewards")
    page.reload()
    figures = page.locator(".figures").inner_text()
    context.close()
    assert reward["state"] == "FULFILLED"
    assert "35 points" in figures, "25 for the advocate, 10 for the friend"


def test_problems_are_told_while_typing_beside_the_field_and_both_sides_stay_one(chromium: Browser, brand: Brand) -> None:
    from playwright.sync_api import expect

    context, page = signed_in(chromium, brand.server, "marketer", viewport=DESKTOP)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto("/console/campaigns/new/refer-a-friend")
    page.get_by_label("Where links lead").fill("nowhere")
    error = page.locator("#error-share-destination")
    error.get_by_text("must be a web address").wait_for()
    page.get_by_label("Where links lead").fill("https://shop.example.com/a")
    error.get_by_text("must be a web address").wait_for(state="detached")
    document = page.get_by_label("The document")
    expect(document).to_have_value(re.compile("destination: https://shop.example.com/a"))
    document.fill(document.input_value().replace("window_days: 365", "window_days: 45"))
    expect(page.get_by_label("Days that a referral counts")).to_have_value("45")
    document.fill(document.input_value().replace("model: last_touch", "model: middle_touch"))
    page.locator("#checked").get_by_text("attribution.model").wait_for()
    assert page.get_by_label("Where links lead").input_value() == "https://shop.example.com/a"
    context.close()
    assert wrong == []


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(chromium: Browser, brand: Brand, seen: Desk, axe: str, size: Any, scheme: Any) -> None:
    context, page = signed_in(chromium, brand.server, "marketer", viewport=size, color_scheme=scheme)
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if "Content Security Policy" in message.text else None)
    found, wide = {}, {}
    for path in PATHS:
        page.goto(f"/console/campaigns{path}")
        for summary in page.query_selector_all("main details:not([open]) > summary"):
            summary.click()
        page.evaluate(axe)
        said = page.evaluate(AXE)
        found |= {path: said} if said else {}
        sideways = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        wide |= {path: sideways} if sideways > 0 else {}
    context.close()
    assert found == {}
    assert wide == {}
    assert refused == []


def test_a_draft_is_saved_without_javascript(chromium: Browser, brand: Brand) -> None:
    context, page = signed_in(chromium, brand.server, "marketer", java_script_enabled=False)
    page.goto("/console/campaigns/new/reward-for-action")
    page.get_by_label("Id", exact=True).fill("without-a-script")
    page.get_by_role("button", name="Add a budget").click()
    page.get_by_label("At most", exact=True).last.fill("777")
    page.get_by_role("button", name="Save as a draft").click()
    assert page.get_by_text("Version 1 is saved").count() == 1
    context.close()
    assert brand.done("GET", "/v2/campaigns/without-a-script")["document"]["budgets"][1]["value_max"] == "777"
