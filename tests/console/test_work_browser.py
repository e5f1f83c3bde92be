"""The daily work, in a browser: people found, merged, given something, erased; rewards moved and codes uploaded; the review queue by
keyboard alone; webhooks tested, watched and sent again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.console.conftest import World
from tests.running import Server
from tests.worker.receiver import Receiver

SOON_MS = 60_000
"""How long a busy machine may take for what comes by itself."""
REWARDS = [{"name": to, "to": to, "value": {"amount": 20, "unit": "EUR"}, "supplier": "credit"} for to in ("advocate", "friend")]


class Office(NamedTuple):
    """A server that may tell a receiver on this machine, and that receiver."""

    world: World
    receiver: Receiver

    def person(self, user_id: str, **traits: Any) -> str:
        """A new person's number."""
        self.world.send({"type": "identify", "userId": user_id, "traits": {"email": f"{user_id}@example.com", **traits}})
        return str(self.world.call("GET", f"/v5/persons?person_keys=partner_user_id:{user_id}")[0]["id"])

    def buys(self, user_id: str, order: str, **properties: str) -> None:
        said = {"partner_conversion_id": order, "cart_value": "80", "currency": "EUR", **properties}
        self.world.send({"type": "track", "userId": user_id, "event": "conversion", "properties": said})


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    data: Path = tmp_path_factory.mktemp("office") / "data"
    with Receiver() as receiver, Server(data, env={"GOODWORD_WEBHOOK_ALLOW": "127.0.0.1"}) as server:
        world = World(server)
        world.call("POST", "/v2/campaigns?publish=true", {
            "campaign": "raf", "program": "refer-a-friend", "name": "Bring a friend", "rewards": REWARDS,
            "share": {"destination": "https://shop.example.com/welcome"}, "quality": {"self_referral_email": "review"},
        })  # fmt: skip
        yield Office(world, receiver)


@pytest.fixture
def desk(chromium: Browser, office: Office) -> Iterator[Callable[..., Page]]:
    """Opens a page on which somebody of a role is signed in; nothing on it may go wrong unseen."""
    opened: list[BrowserContext] = []
    wrong: list[str] = []

    def sit_down(role: Any = "marketer") -> Page:
        context = chromium.new_context(base_url=office.world.url, viewport={"width": 1280, "height": 900})
        token = office.world.visitor(role).token
        context.add_cookies([{"name": "goodword_session", "value": token, "url": office.world.url}])
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        return page

    yield sit_down
    for context in opened:
        context.close()
    assert wrong == []


def find(page: Page, text: str) -> None:
    page.goto("/console/people")
    page.keyboard.press("/")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("role", ["support", "marketer", "admin"])
def test_a_person_is_found_by_whatever_names_them_from_the_keyboard(office: Office, desk: Callable[..., Page], role: str) -> None:
    number = office.person(f"found-{role}", firstName="Flora")
    office.buys(f"found-{role}", f"order-{role}")
    code = {"support": "FLORA-7X", "marketer": "FLORA-8X", "admin": "FLORA-9X"}[role]
    office.world.call("POST", f"/v5/persons/{number}/shareables", {"key": "main", "label": "refer-a-friend", "code": code})
    page = desk(role)
    for text in (f"Found-{role}@Example.com", f"found-{role}", f"order-{role}", code.lower(), number):
        find(page, text)
        expect(page.get_by_role("heading", level=1)).to_have_text("Flora")
        expect(page).to_have_url(re.compile(f"/console/people/{number}$"))
    find(page, "nobody-by-this-name")
    expect(page.locator("main")).to_contain_text("Nobody is found by that")
    buttons = ["Give a reward", "Merge", "Block", "Download everything", "Erase"]
    page.goto(f"/console/people/{number}")
    shown = [each for each in buttons if page.get_by_role("link", name=each, exact=True).count()]
    assert shown == {"support": [], "marketer": buttons[:3], "admin": buttons}[role]


def test_two_profiles_are_looked_at_side_by_side_and_become_one(office: Office, desk: Callable[..., Page]) -> None:
    one, other = office.person("double-1", firstName="Dora"), office.person("double-2", firstName="Dora II")
    page = desk()
    page.goto(f"/console/people/{one}")
    page.get_by_role("link", name="Merge", exact=True).click()
    page.get_by_label("Merge into").fill("double-2")
    page.get_by_role("button", name="Find").click()
    expect(page.locator("main")).to_contain_text("It cannot be undone.")
    expect(page.locator("section", has_text="This one becomes part of")).to_contain_text("double-1@example.com")
    expect(page.locator("section", has_text="this one, which stays")).to_contain_text("double-2@example.com")
    page.get_by_role("button", name="Merge them").click()
    expect(page).to_have_url(re.compile(f"/console/people/{other}$"))
    expect(page.locator("main")).to_contain_text("They are one person now.")
    find(page, "double-1@example.com")
    expect(page).to_have_url(re.compile(f"/console/people/{other}$"))


def test_a_reward_is_given_by_hand_with_a_reason_and_a_person_is_kept_from_more(office: Office, desk: Callable[..., Page]) -> None:
    number = office.person("made-good", firstName="Greta")
    page = desk()
    page.goto(f"/console/people/{number}")
    page.get_by_role("link", name="Give a reward").click()
    page.get_by_label("What", exact=True).select_option(label="By hand: points, of the value below")
    page.get_by_label("How much").fill("lots")
    page.get_by_role("button", name="Give it").click()
    expect(page.get_by_role("alert")).to_contain_text("This is no amount")
    expect(page.get_by_role("alert")).to_contain_text("Say why")
    page.get_by_label("How much").fill("12.50")
    page.get_by_label("Why").fill("the link was broken")
    page.get_by_role("button", name="Give it").click()
    row = page.get_by_role("region", name="Table of rewards").get_by_role("row").filter(has_text="12.50 points")
    expect(row).to_contain_text("Fulfilled")
    row.get_by_role("link").click()
    expect(page.locator("main")).to_contain_text("the link was broken")
    page.goto(f"/console/people/{number}/block")
    page.get_by_label("What they may").select_option("REWARDS")
    page.get_by_label("Why").fill("two accounts")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("two accounts")


def test_everything_about_a_person_is_downloaded_then_erased_by_typing(office: Office, desk: Callable[..., Page]) -> None:
    number = office.person("leaving", firstName="Lena")
    page = desk("admin")
    page.goto(f"/console/people/{number}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download everything").click()
    said = json.loads(Path(download.value.path()).read_text())
    assert (download.value.suggested_filename, said["email"]) == (f"person-{number}.json", "leaving@example.com")
    page.get_by_role("link", name="Erase", exact=True).click()
    page.get_by_label("Type it here").fill("Lena")
    page.get_by_role("button", name="Erase this person").click()
    expect(page.get_by_role("alert")).to_contain_text("This is not what is asked for. Nothing was deleted.")
    page.get_by_label("Type it here").fill("leaving@example.com")
    page.get_by_role("button", name="Erase this person").click()
    notice = page.locator(".notice")
    expect(notice).to_contain_text("The proof is")
    proof = notice.inner_text().split("The proof is ")[1].strip(" .")
    page.goto("/console/privacy")
    expect(page.locator(f"[data-copy='{proof}']")).to_have_count(1)
    find(page, "leaving@example.com")
    expect(page.locator("main")).to_contain_text("Nobody is found by that")


def test_rewards_are_filtered_ticked_and_moved_many_at_once(office: Office, desk: Callable[..., Page]) -> None:
    number = office.person("many", firstName="Mona")
    for _ in range(3):
        office.world.call("POST", "/v2/rewards", {"person_id": number, "note": "x", "reward_supplier_id": "points", "face_value": 7})
    page = desk()
    page.goto("/console/rewards")
    mine = page.get_by_role("region", name="Rewards").get_by_role("row").filter(has_text="Mona")
    expect(mine).to_have_count(3)
    mine.nth(0).get_by_role("checkbox").check()
    mine.nth(1).get_by_role("checkbox").check()
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Take back: 2 rewards?")
    page.get_by_label("Why").fill("given twice")
    page.get_by_role("button", name="Take back: 2 rewards").click()
    expect(page.locator(".notice")).to_contain_text("2 done.")
    page.get_by_label("State").select_option("Revoked")
    expect(page).to_have_url(re.compile("state=REVOKED"))
    expect(mine).to_have_count(2)
    for row in mine.all():
        row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".notice")).to_contain_text("0 done. 2 stay as they are: their state does not allow it.")
    page.goto("/console/rewards?state=FULFILLED")
    expect(mine).to_have_count(1)
    page.get_by_text("Download what fits").click()
    with page.expect_download() as kept:
        page.get_by_role("link", name="CSV").click()
    rows = kept.value.path().read_text().splitlines()
    assert "Mona" in "".join(rows)
    assert all("FULFILLED" in row for row in rows[1:])


def test_codes_are_chosen_and_dropped_with_progress_and_bad_rows_are_named(
    office: Office, desk: Callable[..., Page], tmp_path: Path
) -> None:
    page = desk()
    page.goto("/console/coupons")
    page.get_by_label("Id", exact=True).fill("spring")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("main")).to_contain_text("0 left")
    file = tmp_path / "codes.csv"
    file.write_text("".join(f"SPRING-{number}\n" for number in range(20_000)) + "SPRING-7\n")
    page.set_input_files("#file", file)
    expect(page.locator("main")).to_contain_text("20,000 codes were added, 1 rows were not.", timeout=SOON_MS)
    expect(page.locator("main")).to_contain_text("Row 20001")
    drop = page.evaluate_handle(
        "() => { const data = new DataTransfer(); data.items.add(new File(['DROPPED-1\\nDROPPED-2\\n'], 'more.csv')); return data }"
    )
    page.dispatch_event("[data-upload]", "drop", {"dataTransfer": drop})
    expect(page.locator("main")).to_contain_text("20,002 left", timeout=SOON_MS)
    assert office.world.call("GET", "/v6/reward-suppliers/manual-coupons/spring/stats")["available_count"] == 20_002


def test_the_queue_is_worked_by_keyboard_alone(office: Office, desk: Callable[..., Page]) -> None:
    numbers = []
    for count in range(3):
        number, code = office.person(f"doubted-{count}"), f"DOUBTED-{count}X"
        office.world.call("POST", f"/v5/persons/{number}/shareables", {"key": "main", "label": "refer-a-friend", "code": code})
        twin = {"type": "identify", "userId": f"twin-{count}", "traits": {"email": f"doubted-{count}+2@example.com"}}
        office.world.send(twin)
        office.buys(f"twin-{count}", f"doubted-{count}", advocate_code=code)
        numbers.append(number)
    page = desk()
    page.goto("/console/overview")
    page.keyboard.press("g")
    page.keyboard.press("v")
    items = page.locator("[data-item]")
    expect(items).to_have_count(3)
    expect(items.first).to_contain_text("the e-mails of the friend and the advocate reach the same mailbox")
    page.keyboard.press("j")
    expect(items.nth(0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("d")
    expect(page.get_by_label("Why")).to_be_focused()
    page.keyboard.type("the same person")
    items.nth(0).focus()
    page.keyboard.press("d")
    expect(page.locator(".notice")).to_contain_text("1 declined.")
    expect(items).to_have_count(2)
    page.get_by_label("Why").fill("a family with one mailbox")
    items.nth(0).focus()
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("a")
    expect(page.locator(".notice")).to_contain_text("2 approved.")
    expect(page.locator("main")).to_contain_text("Nothing waits")
    page.get_by_role("link", name="Declined").click()
    expect(items).to_have_count(1)
    expect(items.first).to_contain_text("the same person")
    states = [[each["state"] for each in office.world.call("GET", f"/v5/persons/{number}/rewards")] for number in numbers]
    assert states == [[], ["FULFILLED"], ["FULFILLED"]]


def test_an_endpoint_is_tested_fails_is_sent_again_and_taken(office: Office, desk: Callable[..., Page]) -> None:
    receiver, page = office.receiver, desk("admin")
    receiver.statuses["/shop"] = 503
    page.goto("/console/webhooks")
    page.get_by_label("Address").fill(receiver.url("/shop"))
    page.get_by_role("button", name="Add it").click()
    secret = page.locator("#secret").inner_text()
    assert secret.startswith("whsec_")
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("main")).to_contain_text("Given up", timeout=SOON_MS)
    expect(page.get_by_role("heading", name="Try 1")).to_contain_text("503")
    page.get_by_text("Request", exact=True).click()
    expect(page.locator("#request-1")).to_contain_text("webhook-signature")
    page.get_by_text("Answer", exact=True).click()
    expect(page.locator("#response-1")).to_contain_text("said")
    page.get_by_label("Breadcrumb").get_by_role("link").last.click()
    page.get_by_role("link", name="Given up").click()
    expect(page.get_by_role("region", name="Table of deliveries").locator("tbody tr")).to_have_count(1)
    receiver.statuses["/shop"] = 200
    page.get_by_role("button", name="Send all again that were given up").click()
    expect(page.locator(".notice")).to_contain_text("1 sent again.")
    receiver.wait(2, "/shop", 60)
    page.get_by_role("link", name="Taken").click()
    row = page.get_by_role("region", name="Table of deliveries").locator("tbody tr")
    for _ in range(60):  # what comes back is stored by a command of its own
        if row.count():
            break
        page.wait_for_timeout(1_000)
        page.reload()
    expect(row).to_have_count(1)
    reader = desk("marketer")
    reader.goto(page.url)
    expect(reader.get_by_role("button", name="Send a test")).to_have_count(0)
    expect(reader.locator("#secret")).to_have_count(0)
