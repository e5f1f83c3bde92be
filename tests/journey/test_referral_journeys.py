"""Referral journeys that go otherwise than planned: three advocates, deletions, wrong clocks, circles, late news, claims."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any

import pytest

from tests.journey.conftest import Launch
from tests.journey.program import CHROME, DOORS, IPHONE, PAID, Program, moment, refer_a_friend, stamp

HOUR = 3_600_000


# -- who brought the friend --------------------------------------------------------------------------------------------------------------


def test_a_friend_who_clicked_three_advocates_is_the_last_ones(launch: Launch) -> None:
    brand = launch(refer_a_friend())
    for name in ("ada", "bea", "cat"):
        brand.brings(brand.advocate(name), "dan", device="device-dan")
    brand.buys("dan", "order-1")
    assert brand.referrers("dan") == {
        "ada@ada.example": ("SHARE_ID", True),
        "bea@bea.example": ("SHARE_ID", True),
        "cat@cat.example": ("SHARE_ID", False),
    }
    assert [brand.rewards(name) for name in ("ada", "bea", "cat", "dan")] == [[], [], PAID, PAID]
    told = brand.why("order-1")["summary"]
    assert "credited to c…@cat.example" in told
    for name in ("a…@ada.example", "b…@bea.example"):
        assert f"{name} had sent them too, and was not credited: a later referral goes first." in told
    for name in ("ada", "bea"):
        assert "It was displaced by a later one" in brand.command("why", "--person", name)


def test_first_touch_is_a_campaigns_choice(launch: Launch) -> None:
    brand = launch(refer_a_friend("attribution.model=first_touch"))
    for name in ("ada", "bea", "cat"):
        brand.brings(brand.advocate(name), "dan", device="device-dan")
    brand.buys("dan", "order-1")
    assert [brand.rewards(name) for name in ("ada", "bea", "cat", "dan")] == [PAID, [], [], PAID]
    assert {name: displaced for name, (_, displaced) in brand.referrers("dan").items()} == {
        "ada@ada.example": False, "bea@bea.example": True, "cat@cat.example": True,
    }  # fmt: skip


def test_click_on_the_phone_and_order_on_the_laptop_are_one_friends(launch: Launch) -> None:
    """Ben follows the link on his phone and leaves his address there. On the laptop he only ever says that address."""
    brand = launch(refer_a_friend())
    address, _ = brand.follow(brand.advocate("ada"), agent=IPHONE)
    brand.page("ben-phone", address)
    brand.in_browser(type="identify", anonymousId="ben-phone", traits={"email": "Ben@ben.example"})
    order = {"partner_conversion_id": "order-1", "cart_value": 20}
    traits = {"email": "ben@ben.example"}
    brand.segment(type="track", event="conversion", userId="ben", anonymousId="ben-laptop", properties=order, context={"traits": traits})
    assert (brand.rewards("ada"), brand.rewards("ben")) == (PAID, PAID)
    assert brand.referrers("ben") == {"ada@ada.example": ("SHARE_ID", False)}


@pytest.mark.parametrize("who", ["segment", "an order to delete"])
def test_an_advocate_deleted_between_click_and_purchase_is_not_paid_and_not_shown(launch: Launch, who: str) -> None:
    brand = launch(refer_a_friend())
    link = brand.advocate("ada", code=f"ada-lovelace-{len(who)}")
    number = brand.id("ada")
    address, _ = brand.follow(link)
    brand.page("device-ben", address)
    if who == "segment":
        assert brand.server.post("/segment", {"userId": "ada"}, brand.key).status == 200
    else:
        brand.done("/v4/erasures", {"partner_user_id": "ada"})
    brand.joins("ben", device="device-ben")
    for door in DOORS:
        brand.buys("ben", "order-1", door)
    (mine,) = brand.get(f"/v5/persons/{brand.id('ben')}/relationships")
    assert (mine["other_person_id"], mine["other_person"]) == (number, {"id": number, "identity_key": {"name": "email"}})
    assert brand.get("/v2/rewards", person_id=brand.id("ben")) == brand.get("/v2/rewards"), "nothing was earned by the deleted"
    shown = [
        brand.why("order-1"), brand.get("/v2/rewards"), mine, brand.get(f"/v5/persons/{brand.id('ben')}/steps"),
        brand.get(f"/v5/persons/{brand.id('ben')}/journeys"), brand.command("why", "--order", "order-1"),
    ]  # fmt: skip
    assert "ada" not in json.dumps(shown).replace('"data"', "").lower().replace("metadata", "")
    assert "someone who was deleted since" in json.dumps(shown)
    gone = brand.server.request("GET", f"/s/{link['code']}", headers={"User-Agent": CHROME})
    assert (gone.status, b"lovelace" in gone.body.lower()) == (200, False)


def test_what_a_deleted_advocate_left_names_nobody(launch: Launch) -> None:
    """Ada is deleted. Her link, code and ids still go round, on orders, in pages and in old mail."""
    brand = launch(refer_a_friend())
    link = brand.advocate("ada", code="ada-byron-left")
    address, click = brand.follow(link)
    brand.buys("ada", "order-ada")
    shared = {"channel": "EMAIL", "label": "refer-a-friend", "recipients": ["dan@dan.example"]}
    brand.done(f"/v5/persons/{brand.id('ada')}/shares", shared)
    brand.joins("ben")
    brand.buys("ben", "order-ben", advocate_code=link["code"])
    assert brand.rewards("ada") == PAID
    assert brand.server.post("/segment", {"userId": "ada"}, brand.key).status == 200
    said = {
        "coupon_code": link["code"], "share_id": click, "shareable_id": link["code"], "advocate_code": link["code"],
        "advocate_partner_user_id": "ada", "advocate_email": "ada@ada.example", "advocate_order_id": "order-ada",
    }  # fmt: skip
    brand.joins("dan")
    for number, (name, value) in enumerate(said.items()):
        one: dict[str, Any] = {name: value}
        brand.buys("dan", f"order-{name}", DOORS[number % 3], **one)
    brand.page("device-eli", address)
    brand.joins("eli", device="device-eli")
    brand.buys("eli", "order-eli")
    for name in ("ben", "dan", "eli"):
        found = brand.get(f"/v5/persons/{brand.id(name)}/relationships")
        assert all("identity_key_value" not in each["other_person"] for each in found), name
        assert "ada@" not in json.dumps(brand.get(f"/v5/persons/{brand.id(name)}/why"))
    assert {each["person_id"] for each in brand.get("/v2/rewards") if each["state"] != "CANCELED"} >= {brand.id("ben")}
    brand.says("canceled", "ben", partner_conversion_id="order-ben")
    assert [state for state, _, _ in brand.rewards("ben")] == ["REVOKED"]
    brand.joins("ada")
    assert brand.rewards("ada") == []
    assert brand.get(f"/v5/persons/{brand.id('ada')}/shareables") == []
    assert brand.link("ada")["code"] != link["code"], "whoever comes back is new, and gets a link of their own"


# -- when it happened --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", DOORS)
def test_a_purchase_dated_before_the_click_is_not_the_advocates(launch: Launch, door: str) -> None:
    brand = launch(refer_a_friend())
    link = brand.advocate("ada")
    before = moment()
    brand.brings(link, "ben")
    brand.buys("ben", "order-1", door, at=before)
    assert (brand.rewards("ada"), brand.rewards("ben")) == ([], [])
    assert "only what comes before it counts" in brand.why("order-1")["summary"]
    brand.buys("ben", "order-2", door, at=moment())
    assert brand.rewards("ada") == []
    assert "existing_customer" in brand.why_not("order-2"), "somebody who had bought before is no new friend"


@pytest.mark.parametrize("door", DOORS)
def test_whole_seconds_right_after_the_click_are_not_before_it(launch: Launch, door: str) -> None:
    """A shop that keeps whole seconds says 12:00:05 of an order placed at 12:00:05.9, half a second after the click."""
    brand = launch(refer_a_friend())
    link = brand.advocate("ada")
    while moment() % 1000 > 300:
        time.sleep(0.02)
    brand.brings(link, "ben")
    brand.buys("ben", "order-1", door, at=moment() // 1000 * 1000)
    assert (brand.rewards("ada"), brand.rewards("ben")) == (PAID, PAID)


@pytest.mark.parametrize("hours", [-2, 2])
def test_an_sdk_whose_clock_is_two_hours_wrong_is_set_right(launch: Launch, hours: int) -> None:
    """The phone says ten past eight when it is ten past ten. What it sends says when it was sent, by the same wrong clock."""
    brand = launch(refer_a_friend("quality.browser_outcomes.action=allow", "quality.too_quick.action=off"))
    address, _ = brand.follow(brand.advocate("ada"))
    wrong = hours * HOUR
    seen, bought = moment() + wrong, moment() + wrong
    messages = [
        {"type": "page", "messageId": "p", "anonymousId": "phone", "timestamp": stamp(seen), "context": {"page": {"url": address}}},
        {"type": "identify", "messageId": "i", "anonymousId": "phone", "userId": "ben", "timestamp": stamp(seen)},
        {
            "type": "track", "messageId": "t", "anonymousId": "phone", "userId": "ben", "event": "conversion", "timestamp": stamp(bought),
            "properties": {"partner_conversion_id": "order-1", "cart_value": 9},
        },
    ]  # fmt: skip
    said = {"batch": messages, "sentAt": stamp(moment() + wrong)}
    assert brand.server.post("/v1/batch", said, brand.browser).status == 200
    assert (brand.rewards("ada"), brand.rewards("ben")) == (PAID, PAID)
    (step,) = brand.get(f"/v5/persons/{brand.id('ben')}/steps", names="conversion")
    assert abs(time.time() - _seconds(step["event_date"])) < 120


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_an_order_that_arrives_late_is_judged_by_the_terms_of_its_time(launch: Launch) -> None:
    brand = launch(refer_a_friend())
    brand.brings(brand.advocate("ada"), "ben")
    brand.brings(brand.link("ada"), "cyd")
    ordered = moment()
    brand.launch(refer_a_friend("rewards[0].value.amount=25", "rewards[1].value.amount=25"))
    brand.buys("ben", "order-late", at=ordered)
    assert (brand.rewards("ada"), brand.rewards("ben")) == (PAID, PAID)
    assert "(version 1)" in brand.why("order-late")["summary"]
    brand.buys("cyd", "order-new", at=moment())
    assert brand.rewards("cyd") == [("FULFILLED", 25.0, "POINTS")]
    assert "(version 2)" in brand.why("order-new")["summary"]


def test_a_link_up_that_arrives_after_the_order_still_counts(launch: Launch) -> None:
    """The page's call was stuck in the phone. When it comes, the order was there first, but not before the click."""
    brand = launch(refer_a_friend())
    address, _ = brand.follow(brand.advocate("ada"))
    seen = moment()
    brand.joins("ben", device="device-ben")
    brand.buys("ben", "order-1")
    assert brand.rewards("ben") == []
    brand.page("device-ben", address, at=seen)
    assert (brand.rewards("ada"), brand.rewards("ben")) == (PAID, PAID)


# -- what speaks against it --------------------------------------------------------------------------------------------------------------


def test_a_couple_who_refer_each_other_are_paid_for_the_first_referral_alone(launch: Launch) -> None:
    brand = launch(refer_a_friend())
    brand.brings(brand.advocate("ada"), "ben")
    brand.buys("ben", "order-ben")
    paid = (brand.rewards("ada"), brand.rewards("ben"))
    assert paid == (PAID, PAID)
    brand.brings(brand.link("ben"), "ada")
    brand.buys("ada", "order-ada")
    assert (brand.rewards("ada"), brand.rewards("ben")) == paid
    assert brand.referrers("ada") == {"ben@ben.example": ("SHARE_ID", False)}
    assert "referred" in brand.why("order-ada")["summary"]


def test_a_circle_of_three_is_not_paid_for_its_last_link(launch: Launch) -> None:
    """Ada brings Ben, Ben brings Cyd, Cyd brings Ada."""
    brand = launch(refer_a_friend())
    link = brand.advocate("ada")
    for name in ("ben", "cyd"):
        brand.brings(link, name)
        brand.buys(name, f"order-{name}")
        link = brand.link(name)
    before = {name: brand.rewards(name) for name in ("ada", "ben", "cyd")}
    assert [len(each) for each in before.values()] == [1, 2, 1]
    brand.brings(link, "ada")
    brand.buys("ada", "order-ada")
    assert {name: brand.rewards(name) for name in ("ada", "ben", "cyd")} == before
    assert brand.qualities("ada") == ["LOW"]
    assert brand.why_not("order-ada")


def test_what_a_page_claims_waits_and_a_server_confirms_it(launch: Launch) -> None:
    brand = launch(refer_a_friend("quality.too_quick.action=off"))
    brand.brings(brand.advocate("ada"), "ben")
    claim = {"partner_conversion_id": "order-1", "cart_value": "49.90"}
    brand.in_browser(type="track", event="conversion", userId="ben", anonymousId="device-ben", properties=claim)
    assert {state for state, _, _ in (*brand.rewards("ada"), *brand.rewards("ben"))} == {"EARNED"}
    assert "browser" in brand.why_not("order-1")["browser_outcomes"]
    assert "It waits until" in brand.why("order-1")["summary"]
    brand.buys("ben", "ORDER-1")
    assert (brand.rewards("ada"), brand.rewards("ben")) == (PAID, PAID)
    assert brand.why_not("order-1") == {}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("first", ["order", "cancellation"])
def test_a_canceled_order_earns_nothing_whichever_comes_first(launch: Launch, door: str, first: str) -> None:
    brand = launch(refer_a_friend())
    brand.brings(brand.advocate("ada"), "ben")
    parts: list[tuple[str, dict[str, Any]]] = [("conversion", {"cart_value": "20.00"}), ("canceled", {})]
    for event, more in parts if first == "order" else reversed(parts):
        brand.says(event, "ben", door, partner_conversion_id="order-1", **more)
    for name in ("ada", "ben"):
        assert [state for state, _, _ in brand.rewards(name)] == (["REVOKED"] if first == "order" else []), name
        assert all(each["amount"] == 0 for each in brand.get(f"/v5/persons/{brand.id(name)}/balances"))
    assert "the order was canceled or returned" in brand.why("order-1")["summary"]
    brand.buys("ben", "order-2", door)
    assert [brand.rewards(name)[-1] for name in ("ada", "ben")] == [*PAID, *PAID], "the next order is the first that counts"


# -- the campaign's own state ------------------------------------------------------------------------------------------------------------


def test_a_paused_campaign_keeps_its_word_to_those_who_came_before(launch: Launch) -> None:
    brand = launch(refer_a_friend())
    link = brand.advocate("ada")
    brand.brings(link, "ben")
    brand.command("campaign", "pause", "refer-a-friend")
    brand.buys("ben", "order-1")
    assert (brand.rewards("ada"), brand.rewards("ben")) == (PAID, PAID)
    late = brand.server.request("GET", f"/s/{link['code']}", headers={"User-Agent": CHROME})
    assert late.status in (200, 302)
    assert "gw=" not in late.headers.get("location", ""), "no campaign takes new friends"
    brand.joins("cyd")
    brand.buys("cyd", "order-2", advocate_code=link["code"])
    assert brand.rewards("cyd") == []
    assert "paused" in brand.why("order-2")["summary"]


def test_a_stopped_campaign_pays_nobody(launch: Launch) -> None:
    brand = launch(refer_a_friend())
    brand.brings(brand.advocate("ada"), "ben")
    brand.command("campaign", "stop", "refer-a-friend")
    brand.buys("ben", "order-1", at=moment())
    assert (brand.rewards("ada"), brand.rewards("ben")) == ([], [])
    assert "it was STOPPED since" in brand.why("order-1")["summary"]


def test_people_of_one_account_are_strangers_in_another(launch: Launch) -> None:
    """Both brands know an Ada and a Ben, and sell the order 1."""
    one = launch(refer_a_friend())
    two = Program(one.server, f"{one.account}-2", refer_a_friend())
    address, click = one.follow(one.advocate("ada"))
    two.advocate("ada")
    two.page("device-ben", address)
    two.joins("ben", device="device-ben")
    two.buys("ben", "order-1", share_id=click)
    assert (two.rewards("ada"), two.rewards("ben"), two.referrers("ben")) == ([], [], {})
    one.brings(one.link("ada"), "ben")
    one.buys("ben", "order-1")
    assert (one.rewards("ada"), one.rewards("ben")) == (PAID, PAID)
    assert two.get("/v2/rewards") == []
