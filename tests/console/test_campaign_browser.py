"""Campaigns in a real browser: from a template to live to a paid reward, checked while one types, saved without JavaScript."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from typing import Any

from playwright.sync_api import BrowserContext, expect

from tests.console.conftest import Visitor, World
from tests.hosted.conftest import Brand

DESKTOP: Any = {"width": 1280, "height": 900}
Browsing = Callable[..., BrowserContext]


def test_from_a_template_to_live_to_a_paid_reward_within_two_minutes(browsing: Browsing, world: World, people: dict[str, Visitor]) -> None:
    brand, begun = Brand(world.server, world.key), time.monotonic()
    page = browsing(people["marketer"], viewport=DESKTOP).new_page()
    page.goto("/console/campaigns")
    page.get_by_role("link", name="New campaign").click()
    page.get_by_role("link", name="Begin with Refer a friend", exact=True).click()
    page.get_by_label("Where links lead").fill("https://shop.example.com/welcome")
    page.get_by_label("Program", exact=True).fill("our-own")
    page.get_by_label("Amount").first.fill("25")
    page.get_by_role("button", name="Save and publish").click()
    page.get_by_role("button", name="Publish version 1").click()
    assert page.get_by_text("the campaign is live").count() == 1
    assert time.monotonic() - begun < 120
    advocate = brand.person("Ada")
    brand.shown(brand.page(advocate, "our-own"))
    code, friend = brand.code(advocate), uuid.uuid4().hex
    click = brand.server.get(f"/s/{code}", **{"User-Agent": "Mozilla/5.0 (iPhone) Safari"}).headers["location"].partition("gw=")[2][:26]
    said: dict[str, Any] = {"type": "track", "messageId": friend, "userId": friend, "event": "conversion"}
    said |= {"properties": {"partner_conversion_id": friend, "cart_value": 80}}
    brand.done("POST", "/segment", {**said, "context": {"page": {"url": f"https://shop.example.com/?gw={click}"}}})
    (reward,) = brand.done("GET", f"/v5/persons/{advocate}/rewards")
    page.reload()
    figures = page.locator(".figures").inner_text()
    assert reward["state"] == "FULFILLED"
    assert "35 points" in figures, "25 for the advocate, 10 for the friend"


def test_problems_are_told_while_typing_and_both_sides_stay_one(browsing: Browsing, world: World, people: dict[str, Visitor]) -> None:
    page = browsing(people["marketer"], viewport=DESKTOP).new_page()
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
    assert wrong == []


def test_a_dry_run_shows_how_far_it_is_survives_a_reload_and_reads_well(browsing: Browsing, people: dict[str, Visitor], axe: str) -> None:
    page = browsing(people["marketer"], viewport={"width": 360, "height": 740}).new_page()
    page.goto("/console/campaigns/raf/dry-run")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/dry-run/*")
    page.reload()
    expect(page.get_by_role("heading", name="What it came to")).to_be_visible(timeout=60_000)
    page.evaluate(axe)
    assert page.evaluate("async () => (await axe.run()).violations.map(each => each.id)") == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_draft_is_saved_without_javascript(browsing: Browsing, world: World, people: dict[str, Visitor]) -> None:
    page = browsing(people["marketer"], java_script_enabled=False).new_page()
    page.goto("/console/campaigns/new/reward-for-action")
    page.get_by_label("Id", exact=True).fill("without-a-script")
    page.get_by_role("button", name="Add a budget").click()
    page.get_by_label("At most", exact=True).last.fill("777")
    page.get_by_role("button", name="Save as a draft").click()
    assert page.get_by_text("Version 1 is saved").count() == 1
    assert world.call("GET", "/v2/campaigns/without-a-script")["document"]["budgets"][1]["value_max"] == "777"
