"""Somebody who never saw Goodword: from the link that `make run` prints to a live campaign, a friend who earns, and one who does not,
with the reason in plain words. Everything is done in the browser but the messages, which are pasted into a terminal as the copy buttons
give them.

What it takes a person is counted: clicks, fields, lines pasted. `pytest -s` prints it.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.console.fresh import PASSWORD, Fresh

CLICK_S, FIELD_S, PASTE_S, READ_S = 3, 12, 8, 10
"""How long a person may take for each, generously: to find and click, to think of and type, to change to the terminal and back, and to
read a page that is new."""
PERSON_S_MAX = 600


class Newcomer:
    """A person with a browser and a terminal; counts what they do."""

    def __init__(self, context: BrowserContext) -> None:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.context, self.page = context, context.new_page()
        self.terminal: list[str] = []
        self.clicks = self.fields = self.pastes = self.pages = 0

    def open(self, url: str) -> None:
        self.pages += 1
        self.page.goto(url)

    def click(self, target: Locator, *, leads_on: bool = False) -> None:
        self.clicks += 1
        self.pages += leads_on
        target.click()

    def press(self, name: str) -> None:
        self.click(self.page.get_by_role("button", name=name, exact=True), leads_on=True)

    def fill(self, label: str, text: str) -> None:
        self.fields += 1
        self.page.get_by_label(label).fill(text)

    def paste(self, id: str) -> None:
        """Copy a line by its button, and paste it into the terminal, where what was pasted before still holds."""
        self.click(self.page.locator(f"[data-copy-from='#{id}']"))
        expect(self.page.locator("#status")).to_have_text("Copied")
        line = self.page.evaluate("navigator.clipboard.readText()")
        assert line == self.page.locator(f"#{id}").inner_text()
        self.pastes += 1
        settings = "\n".join(each for each in self.terminal if each.startswith("export "))
        self.terminal.append(line)
        done = subprocess.run(["bash", "-c", f"{settings}\n{line}"], check=True, capture_output=True, text=True, timeout=60)
        assert "error" not in done.stdout

    def arrive(self, fresh: Fresh) -> None:
        """By the link of the terminal, with a password from then on."""
        self.open(fresh.link)
        self.fill("Your name", "Ann")
        self.fill("E-mail", "ann@example.com")
        self.fill("Password", PASSWORD)
        self.press("Start")

    @property
    def seconds(self) -> int:
        return self.clicks * CLICK_S + self.fields * FIELD_S + self.pastes * PASTE_S + self.pages * READ_S


def main_text(page: Page) -> Locator:
    return page.locator("main")


def test_a_newcomer_sees_a_friend_rewarded_and_why_another_was_not_within_ten_minutes(
    chromium_context: BrowserContext, fresh: Fresh
) -> None:
    person = Newcomer(chromium_context)
    page = person.page
    person.arrive(fresh)
    expect(page.get_by_role("heading", level=1)).to_have_text("Start")
    person.press("Make new keys" if page.get_by_role("button", name="Make new keys").count() else "Make keys")
    expect(main_text(page)).to_contain_text("Copy these keys now.")
    person.click(page.get_by_text("HTTP, in a terminal"))
    expect(page.locator("#first")).to_contain_text("Waiting for your first message")
    person.paste("snippet-http")
    expect(page.locator("#first")).to_contain_text("It works.", timeout=60_000)

    person.click(page.get_by_role("link", name="Use this template: Refer a friend", exact=True), leads_on=True)
    person.fill("Where links lead", "https://shop.example.com/welcome")
    person.press("Save and publish…")
    person.press("Publish version 1")
    expect(main_text(page)).to_contain_text("the campaign is live")

    person.click(page.get_by_role("link", name="Try it", exact=True).last, leads_on=True)
    person.press("Make a key of a day")
    person.paste("line-key")
    person.paste("line-ada")
    opens = page.get_by_role("link", name="Open Ada’s share page")
    expect(opens).to_be_visible(timeout=60_000)
    with chromium_context.expect_page() as opened:
        person.click(opens, leads_on=True)
    share = opened.value
    expect(share.get_by_role("heading", level=1)).to_have_text("Give 10 points, get 10 points")
    link = share.get_by_label("Your link").input_value()
    share.close()
    expect(main_text(page)).to_contain_text(link, timeout=60_000)
    person.paste("line-sam")
    expect(main_text(page)).to_contain_text("Sam was given 10 points.", timeout=60_000)
    expect(main_text(page)).to_contain_text("Ada was given 10 points.")
    person.paste("line-twin")
    expect(main_text(page)).to_contain_text("Ada again was given nothing.", timeout=60_000)
    expect(page.locator("#example .step.done")).to_have_count(4)

    person.click(page.get_by_role("link", name="Why: Sam’s page"), leads_on=True)
    expect(page.get_by_role("heading", level=1)).to_have_text("Sam")
    expect(page.locator("section", has_text="Rewards").last).to_be_visible()
    given = page.get_by_role("region", name="Table of rewards").get_by_role("row").filter(has_text="10 points")
    expect(given).to_contain_text("Fulfilled")
    page.go_back()
    person.click(page.get_by_role("link", name="Why: Ada again’s page"), leads_on=True)
    why = page.locator("section.answer")
    expect(why).to_contain_text("The order does not count: the e-mails of the friend and the advocate reach the same mailbox.")
    expect(main_text(page)).to_contain_text(re.compile(r"27 rules looked at, \d+ against it"))
    took = f"{person.clicks} clicks, {person.fields} fields, {person.pastes} lines pasted, {person.pages} pages"
    print(f"\n{took}: {person.seconds} s for a person")
    assert person.seconds < PERSON_S_MAX
    assert person.clicks <= 20
    assert person.fields <= 5


def test_lines_to_try_a_campaign_are_quoted_for_the_shell(chromium_context: BrowserContext, fresh: Fresh, tmp_path: Path) -> None:
    person = Newcomer(chromium_context)
    page = person.page
    person.arrive(fresh)
    page.goto("/console/campaigns/new/refer-a-friend")
    mark = tmp_path / "owned"
    document = page.get_by_label("The document")
    hostile = document.input_value().replace("outcome: [conversion]", f"outcome: [\"it's'; touch {mark}; '$(touch {mark})\"]")
    document.fill(hostile.replace("https://example.com/", "https://shop.example.com/"))
    expect(page.get_by_label("Where links lead")).to_have_value("https://shop.example.com/")
    person.press("Save and publish…")
    person.press("Publish version 1")
    page.goto("/console/campaigns/refer-a-friend/example")
    person.press("Make a key of a day")
    person.paste("line-key")
    person.paste("line-ada")
    with chromium_context.expect_page() as opened:
        page.get_by_role("link", name="Open Ada’s share page").click(timeout=60_000)
    opened.value.close()
    expect(page.locator("#line-sam")).to_be_visible(timeout=60_000)
    person.paste("line-sam")
    expect(main_text(page)).to_contain_text("Sam was given 10 points.", timeout=60_000)
    assert not os.path.exists(mark)
