"""A journey for every way that an advocate is recognised: what was said, by which door, who is credited, and what support is told."""

from __future__ import annotations

import json
from itertools import count
from typing import Any, get_args

import pytest

from goodword.core.referral import Reason
from tests.journey.conftest import Launch
from tests.journey.program import DOORS, IPHONE, PAID, SHOP, Program, refer_a_friend

COUPONS = """
campaign: refer-a-friend
program: refer-a-friend
share: {destination: "https://shop.example.com/"}
suppliers:
  - {id: pool, type: COUPON_POOL, name: Pool, face_value: 5, face_value_type: USD}
rewards:
  - {name: advocate, to: advocate, value: {amount: 10, unit: POINTS}, rules: {email: false}}
  - {name: friend, to: friend, value: {amount: 5, unit: USD}, supplier: pool}
"""
_numbers = count(1)
WORDS = {
    "COUPON_CODE": "coupon",
    "SHARE_ID": "share link was followed",
    "SHAREABLE_ID": "share link",
    "SHARE_RECIPIENT": "shared with this address",
    "ADVOCATE_CODE": "code was given",
    "ADVOCATE_PARTNER_USER_ID": "named",
    "ADVOCATE_EMAIL": "named",
    "ADVOCATE_ORDER_ID": "order",
}


def vanity() -> str:
    """A code of an advocate's own. No two accounts of a server have one code."""
    return f"ADA-TEN-{next(_numbers)}"


def _said(name: str, value: str) -> dict[str, Any]:
    return {name: value}


def told(brand: Program, friend: str, order: str, reason: str, advocate: str = "ada") -> None:
    """Both are paid, the relationship has its reason, the step counts, and the story says why in words."""
    assert (brand.rewards(advocate), brand.rewards(friend)) == (PAID, PAID)
    assert brand.referrers(friend)[f"{advocate}@{advocate}.example"] == (reason, False)
    assert "HIGH" in brand.qualities(friend)
    story = brand.why(order)
    (credited,) = [each for each in story["moments"] if each["what"] == "attribution"]
    assert credited["data"]["reason"] == reason
    assert WORDS[reason] in credited["why"], credited["why"]
    assert f"{advocate}@{advocate}.example" not in json.dumps(story), "support sees no more of the other side than it needs"


# -- by a click ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", DOORS)
def test_share_id_by_the_address_of_the_page_that_the_link_led_to(launch: Launch, door: str) -> None:
    brand = launch(refer_a_friend())
    address, _ = brand.follow(brand.advocate("ada"))
    assert address.startswith(SHOP)
    assert "ada" not in address, "an address names nobody"
    brand.page("device-ben", address)
    brand.joins("ben", device="device-ben")
    brand.buys("ben", "order-1", door)
    told(brand, "ben", "order-1", "SHARE_ID")
    (click,) = brand.get(f"/v5/persons/{brand.id('ben')}/steps", names="share_clicked")
    assert click["name"] == "share_clicked"


def test_share_id_by_the_search_of_a_page_and_by_the_page_of_an_order(launch: Launch) -> None:
    brand = launch(refer_a_friend())
    link = brand.advocate("ada")
    _, click = brand.follow(link)
    brand.page("device-ben", context={"page": {"search": f"?utm_source=x&gw={click}", "url": SHOP}})
    brand.joins("ben", device="device-ben")
    brand.buys("ben", "order-1")
    told(brand, "ben", "order-1", "SHARE_ID")
    address, _ = brand.follow(link, agent=IPHONE)
    brand.joins("cyd")
    order = {"partner_conversion_id": "order-2", "cart_value": 5}
    brand.segment(type="track", event="conversion", userId="cyd", properties=order, context={"page": {"url": address}})
    assert brand.rewards("cyd") == PAID


def test_share_id_by_the_tag_which_remembers_the_click(launch: Launch) -> None:
    """The tag sends the click it keeps with every event, long after the page it came by."""
    brand = launch(refer_a_friend())
    _, click = brand.follow(brand.advocate("ada"))
    brand.in_browser(type="track", event="cart_viewed", anonymousId="device-ben", context={"goodword": {"click_id": click}})
    brand.joins("ben", device="device-ben")
    brand.buys("ben", "order-1")
    told(brand, "ben", "order-1", "SHARE_ID")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", ["share_id", "click_id", "gw"])
def test_share_id_said_on_the_order(launch: Launch, door: str, name: str) -> None:
    brand = launch(refer_a_friend())
    _, click = brand.follow(brand.advocate("ada"))
    brand.joins("ben")
    brand.buys("ben", "order-1", door, **_said(name, click))
    told(brand, "ben", "order-1", "SHARE_ID")


@pytest.mark.parametrize("door", DOORS)
def test_shareable_id_said_on_the_order(launch: Launch, door: str) -> None:
    brand = launch(refer_a_friend())
    link = brand.advocate("ada")
    brand.joins("ben")
    brand.buys("ben", "order-1", door, shareable_id=link["code"])
    told(brand, "ben", "order-1", "SHAREABLE_ID")


# -- by what was shared, and with whom -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", DOORS)
def test_share_recipient_by_the_address_that_was_written_to(launch: Launch, door: str) -> None:
    """Ada writes to Ben. He never clicks, but buys with that address."""
    brand = launch(refer_a_friend())
    brand.advocate("ada")
    said = {"channel": "EMAIL", "label": "refer-a-friend", "recipients": ["Ben@Ben.example"], "message": "Look at this shop"}
    shared = brand.done(f"/v5/persons/{brand.id('ada')}/shares", said)
    assert (shared["recipients"], "ben@ben" in json.dumps(shared).lower()) == (1, False)
    brand.joins("ben")
    brand.buys("ben", "order-1", door)
    told(brand, "ben", "order-1", "SHARE_RECIPIENT")


def test_share_recipient_yields_to_a_link_of_somebody_else(launch: Launch) -> None:
    brand = launch(refer_a_friend())
    brand.advocate("eve")
    brand.brings(brand.advocate("ada"), "ben")
    brand.done(f"/v5/persons/{brand.id('eve')}/shares", {"channel": "EMAIL", "label": "refer-a-friend", "recipients": ["ben@ben.example"]})
    brand.buys("ben", "order-1")
    assert brand.referrers("ben")["ada@ada.example"] == ("SHARE_ID", False)
    assert brand.referrers("ben")["eve@eve.example"] == ("SHARE_RECIPIENT", True)
    assert (brand.rewards("ada"), brand.rewards("eve")) == (PAID, [])


# -- by a code or an id on the order ---------------------------------------------------------------------------------------------------


def with_pool(launch: Launch, *codes: str) -> Program:
    brand = launch(COUPONS)
    path = "/v6/reward-suppliers/manual-coupons/pool/coupons"
    assert brand.call("POST", path, "\n".join(codes).encode(), Content_Type="text/csv").status == 200
    return brand


@pytest.mark.parametrize("door", DOORS)
def test_coupon_code_that_a_referral_handed_out(launch: Launch, door: str) -> None:
    """Ben earned a coupon as Ada's friend and gives it to Cyd, who orders with it: Ada is credited with Cyd too."""
    brand = with_pool(launch, "FIVE-1", "FIVE-2")
    brand.brings(brand.advocate("ada"), "ben")
    brand.buys("ben", "order-1")
    (reward,) = brand.get("/v2/rewards", person_id=brand.id("ben"))
    code = reward["partner_reward_id"]
    assert code in ("FIVE-1", "FIVE-2")
    brand.joins("cyd")
    brand.buys("cyd", "order-2", door, coupon_code=f" {code.lower()}")
    assert brand.referrers("cyd") == {"ada@ada.example": ("COUPON_CODE", False)}
    assert brand.rewards("ada") == PAID * 2
    assert brand.rewards("cyd") == [("FULFILLED", 5.0, "USD")]
    assert WORDS["COUPON_CODE"] in brand.why("order-2")["summary"]


def test_coupon_code_that_no_referral_handed_out_names_nobody(launch: Launch) -> None:
    """Ada has a coupon of the pool by hand, a make-good; others are still in the pool, or were never in it."""
    brand = with_pool(launch, "MADE-1", "MADE-2")
    brand.advocate("ada")
    said: dict[str, Any] = {"person_id": brand.id("ada"), "note": "sorry", "campaign_id": "refer-a-friend", "name": "friend"}
    given = brand.done("/v2/rewards", said)
    (left,) = {"MADE-1", "MADE-2"} - {given["partner_reward_id"]}
    brand.joins("ben")
    brand.buys("ben", "order-1", coupon_code=left)
    assert brand.referrers("ben") == {}, "nobody was given that one"
    brand.joins("cyd")
    brand.buys("cyd", "order-2", coupon="no-such-coupon")
    assert brand.referrers("cyd") == {}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("name", "reason"), [("coupon_code", "COUPON_CODE"), ("advocate_code", "ADVOCATE_CODE"), ("advocateCode", "ADVOCATE_CODE")]
)
def test_an_advocates_code_typed_at_the_checkout(launch: Launch, door: str, name: str, reason: str) -> None:
    """Shops let friends type the advocate's code where coupons go, in any case."""
    brand = launch(refer_a_friend())
    code = vanity()
    brand.advocate("ada", code=code)
    brand.joins("ben")
    brand.buys("ben", "order-1", door, **_said(name, f"{code.lower()} "))
    told(brand, "ben", "order-1", reason)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("advocate_partner_user_id", "ada", "ADVOCATE_PARTNER_USER_ID"),
        ("advocate_email", " ADA@ada.example", "ADVOCATE_EMAIL"),
        ("advocate_order_id", "order-0 ", "ADVOCATE_ORDER_ID"),
    ],
)
def test_an_advocate_named_by_the_brands_own_id(launch: Launch, door: str, name: str, value: str, reason: str) -> None:
    brand = launch(refer_a_friend())
    brand.joins("ada")
    brand.buys("ada", "ORDER-0")
    brand.joins("ben")
    brand.buys("ben", "order-1", door, **_said(name, value))
    told(brand, "ben", "order-1", reason)


def test_what_the_order_says_goes_before_the_link_and_the_code_before_the_id(launch: Launch) -> None:
    brand = launch(refer_a_friend())
    brand.brings(brand.advocate("eve"), "ben")
    code = vanity()
    brand.advocate("ada", code=code)
    brand.advocate("fay")
    brand.buys("ben", "order-1", advocate_code=code, advocate_partner_user_id="fay")
    told(brand, "ben", "order-1", "ADVOCATE_CODE")
    assert (brand.rewards("eve"), brand.rewards("fay")) == ([], [])
    found = brand.referrers("ben")
    assert found["eve@eve.example"] == ("SHARE_ID", True)
    assert found["fay@fay.example"] == ("ADVOCATE_PARTNER_USER_ID", True)
    assert "goes first" in brand.why("order-1")["summary"]


def test_what_names_nobody_is_an_ordinary_order(launch: Launch) -> None:
    brand = launch(refer_a_friend())
    names = ("coupon_code", "share_id", "advocate_code", "advocate_email", "advocate_order_id", "shareable_id")
    values: list[Any] = ["nobody@no.example", "x" * 300, "", None, 7, ["ada"], {"a": 1}, "ada'; DROP TABLE reward"]
    for number, value in enumerate(values):
        user = f"u{number}"
        brand.joins(user)
        brand.buys(user, f"order-{user}", DOORS[number % 3], **dict.fromkeys(names, value))
        assert brand.referrers(user) == {}
        assert "Nobody is known to have sent them" in brand.why(f"order-{user}")["summary"]
    assert brand.get("/v2/rewards") == []


def test_every_reason_has_a_journey() -> None:
    assert set(WORDS) == set(get_args(Reason))
