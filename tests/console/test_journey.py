"""The first run, in a browser: from the link that the server prints to the first message on the screen."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from goodword.core.account import Scope
from tests.console.conftest import Visitor, World
from tests.console.fresh import PASSWORD, Fresh
from tests.running import make_key


def test_from_the_printed_link_to_the_first_message_and_its_meaning(chromium: Browser, fresh: Fresh) -> None:
    context = chromium.new_context(base_url=fresh.url)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(fresh.link)
    page.get_by_label("Your name").fill("Ann")
    page.get_by_label("E-mail").fill("Ann@Example.com")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("alert")).to_contain_text("at least 10 characters")
    expect(page.get_by_label("E-mail")).to_have_value("Ann@Example.com")
    assert page.title().startswith("Error: ")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Start").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Start")
    page.get_by_role("button", name="Make new keys").click()
    secret = page.locator("#key-server").inner_text()
    page.locator("[data-copy-from='#key-server']").click()
    expect(page.locator("#status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == secret
    page.get_by_text("HTTP, in a terminal").click()
    line = page.locator("#snippet-http").inner_text()
    assert secret in line

    expect(page.locator("#first")).to_contain_text("Waiting for your first message")
    subprocess.run(["bash", "-c", line.replace(secret, "wrong")], check=True, capture_output=True, timeout=30)
    expect(page.locator("#first")).to_contain_text("The API key is unknown or revoked", timeout=10_000)
    started = time.monotonic()
    subprocess.run(["bash", "-c", line], check=True, capture_output=True, timeout=30)
    expect(page.locator("#first")).to_contain_text("It works.", timeout=10_000)
    assert time.monotonic() - started < 8
    expect(page.locator("#understood")).to_contain_text("conversion")

    page.get_by_role("link", name="Look at it closely").click()
    expect(page.locator("main")).to_contain_text("It was taken, as the event conversion.")
    expect(page.locator("#raw")).to_contain_text("order-1")
    context.clear_cookies()
    page.goto(fresh.link)
    expect(page.get_by_role("heading")).to_have_text("This link no longer works")
    page.goto("/")
    page.get_by_label("E-mail").fill("ann@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Start")
    context.close()


@pytest.fixture
def desk(browsing: Callable[..., BrowserContext], people: dict[str, Visitor]) -> Page:
    """A page on which the admin is signed in."""
    return browsing(people["admin"], timezone_id="America/New_York", locale="en-US").new_page()


def test_messages_come_by_themselves_and_can_be_filtered_and_paused(desk: Page, world: World) -> None:
    desk.goto("/console/messages")
    world.send({"type": "track", "userId": "late", "event": "just now", "messageId": "late-1"})
    expect(desk.get_by_role("row").filter(has_text="just now").first).to_be_visible(timeout=8_000)
    desk.get_by_role("link", name="Pause").click()
    world.send({"type": "track", "userId": "late", "event": "while paused"})
    desk.wait_for_timeout(2_500)
    expect(desk.get_by_role("row").filter(has_text="while paused")).to_have_count(0)
    desk.get_by_role("link", name="Resume").click()
    expect(desk.get_by_role("row").filter(has_text="while paused")).to_have_count(1)
    desk.get_by_label("Became").select_option("Refused")
    expect(desk).to_have_url(re.compile("verdict=rejected"))
    expect(desk.locator("tbody tr").first).to_contain_text("Refused")
    expect(desk.locator("tbody tr").filter(has_text="Taken")).to_have_count(0)
    desk.goto("/console/messages?name=just+now")
    expect(desk.locator("tbody tr")).to_have_count(1)
    desk.goto("/console/messages?name=never")
    expect(desk.locator("main")).to_contain_text("No message fits")


def test_a_message_is_found_by_anything_in_it(desk: Page, world: World) -> None:
    note = {"note": "a Needle in the hay"}
    world.send(
        {"type": "track", "userId": "late", "event": "hidden", "properties": note}, {"type": "track", "event": "A NEEDLE nobody sent"}
    )
    desk.goto("/console/messages")
    desk.get_by_label("Text").fill("needle IN")
    desk.get_by_role("button", name="Filter").click()
    expect(desk.locator("tbody tr")).to_have_count(1)
    expect(desk.locator("tbody tr")).to_contain_text("hidden")
    expect(desk.locator("main")).to_contain_text("Refused messages, and those of deleted people, have no text to look in.")
    desk.get_by_label("Became").select_option("Repeat")
    expect(desk).to_have_url(re.compile("verdict=duplicate.*text=needle"))
    expect(desk.locator("main")).to_contain_text("No message fits")


def test_times_are_in_the_viewers_zone_with_utc_in_the_title(desk: Page) -> None:
    desk.goto("/console/messages")
    shown = desk.locator("tbody time").first
    said = shown.evaluate("each => [each.textContent, each.dateTime, each.title]")
    expected = desk.evaluate("at => new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'medium', timeZone: 'America/New_York'}).format(new Date(at))", said[1])  # fmt: skip # noqa: E501
    assert said[0] == expected
    assert said[2].endswith("UTC")


def test_event_names_are_previewed_as_they_are_typed_and_then_saved(desk: Page, world: World) -> None:
    world.send({"type": "track", "userId": "late", "event": "Checked Out", "properties": {"order_id": "co-1", "total": "12.00"}})
    desk.goto("/console/settings/events")
    row = desk.locator("tr").filter(has=desk.locator("input[name=sent][value='Checked Out']"))
    row.locator("input[name=to]").fill("conversion")
    changed = desk.locator("#preview tr").filter(has_text="Checked Out")
    expect(changed).to_contain_text("changes")
    expect(changed).to_contain_text("1 of 1")
    desk.get_by_role("button", name="Save").click()
    expect(desk.locator("main")).to_contain_text("Saved.")
    world.send({"type": "track", "userId": "late", "event": "checked out", "properties": {"order_id": "co-2", "total": "12.00"}})
    desk.goto("/console/messages?name=conversion")
    expect(desk.locator("tbody tr").first).to_contain_text("becomes conversion")
    desk.goto("/console/settings/audit")
    expect(desk.locator("tbody tr").filter(has_text="events mapped")).to_have_count(1)


def test_a_key_is_shown_once_works_and_is_ended(desk: Page, world: World) -> None:
    desk.goto("/console/settings/keys")
    desk.get_by_role("button", name="Make the key").click()
    expect(desk.get_by_role("alert")).to_contain_text("Say what the key is for")
    expect(desk.get_by_role("alert")).to_contain_text("Choose what it may do")
    desk.get_by_label("What it is for").fill("<b>shop</b>")
    desk.get_by_label("destination").check()
    desk.get_by_role("button", name="Make the key").click()
    secret = desk.locator("#new-key").inner_text()
    world.send({"type": "identify", "userId": "by-key"}, key=secret)
    desk.goto("/console/settings/keys")
    assert secret not in desk.content()
    desk.get_by_role("row").filter(has_text="<b>shop</b>").get_by_role("link", name="End").click()
    desk.get_by_role("button", name="End the key").click()
    expect(desk.locator("main")).to_contain_text("is ended")
    assert world.server.post("/v1/identify", {"userId": "x"}, secret).status == 401


def test_the_keyboard_goes_to_pages_and_finds_the_search(desk: Page) -> None:
    desk.goto("/console/you")
    desk.keyboard.press("g")
    desk.keyboard.press("m")
    expect(desk.get_by_role("heading", level=1)).to_have_text("Messages")
    desk.keyboard.press("/")
    expect(desk.locator("[data-search]")).to_be_focused()
    desk.keyboard.press("Escape")
    desk.locator("h1").click()
    desk.keyboard.press("?")
    expect(desk.get_by_role("dialog")).to_be_visible()


def test_on_a_phone_the_menu_opens_leads_on_and_closes(browsing: Callable[..., BrowserContext], people: dict[str, Visitor]) -> None:
    page = browsing(people["admin"], viewport={"width": 360, "height": 740}, has_touch=True).new_page()
    page.goto("/console/you")
    menu = page.get_by_role("navigation", name="Console")
    expect(menu).to_be_hidden()
    page.get_by_role("link", name="Menu").click()
    expect(menu).to_be_visible()
    page.mouse.click(350, 400)
    expect(menu).to_be_hidden()
    page.get_by_role("link", name="Menu").click()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    page.get_by_role("link", name="Menu").click()
    menu.get_by_role("link", name="Messages").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Messages")


def test_without_javascript_the_console_still_works(browsing: Callable[..., BrowserContext], people: dict[str, Visitor]) -> None:
    page = browsing(people["admin"], java_script_enabled=False, viewport={"width": 360, "height": 740}).new_page()
    page.goto("/console/settings/events")
    page.locator("input[name=sent]").last.fill("Paid")
    page.locator("input[name=to]").last.fill("conversion")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("main")).to_contain_text("Not saved yet.")
    page.get_by_role("link", name="Menu").click()
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Messages").click()
    page.get_by_label("Became").select_option("Refused")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr").first).to_contain_text("Refused")
    expect(page.locator("tbody time").first).to_contain_text("UTC")


def test_an_account_sees_nothing_of_another(world: World, people: dict[str, Visitor]) -> None:
    stranger, admin = people["stranger"], people["admin"]
    mine = re.findall(r"/console/messages/(\d+)", admin.get("/messages").body.decode())
    theirs = re.findall(r"/console/messages/(\d+)", stranger.get("/messages").body.decode())
    assert mine
    assert theirs
    assert not set(mine) & set(theirs)
    assert stranger.get(f"/messages/{mine[0]}").status == 404
    assert admin.get(f"/messages/{theirs[0]}").status == 404
    assert people["support"].user.email.encode() not in stranger.get("/settings/users").body
    assert stranger.post(f"/settings/users/{people['support'].user.id}", {"role": "admin"}).status == 404
    assert stranger.post(f"/settings/users/{people['support'].user.id}/reset").status == 404
    make_key(world.server.data, Scope.INGEST)
    key = re.findall(r"/settings/keys/([\w-]+)/end", admin.get("/settings/keys").body.decode())[0]
    assert stranger.get(f"/settings/keys/{key}/end").status == 404
    assert stranger.post(f"/settings/keys/{key}/end").status == 404
    assert people["admin"].user.id.encode() not in stranger.get("/settings/audit").body
