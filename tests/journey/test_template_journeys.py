"""A journey for every campaign template, launched from the command line as a brand does it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from goodword.document.template import names
from tests.journey.conftest import Launch
from tests.journey.program import DOORS, PAID, SHOP, refer_a_friend, template

DATABASES = ("sqlite",)
"""What a template comes to depends on the database no more than the other journeys do, which are told on both."""


def test_refer_a_friend_pays_both_on_the_first_order_alone(launch: Launch, tmp_path: Path) -> None:
    """Ada shares, Ben comes by her link, signs up and buys: 10 points each. His second order earns nothing more, nor do repeats."""
    brand = launch()
    document = refer_a_friend()
    brand.apply(document, tmp_path)
    brand.apply(document, tmp_path)
    (campaign,) = brand.get("/v2/campaigns")
    assert (campaign["state"], campaign["version"]) == ("LIVE", 1), "applied twice, saved once"
    brand.brings(brand.advocate("ada"), "ben")
    brand.says("registration", "ben")
    assert brand.rewards("ben") == []
    for door in DOORS:
        brand.buys("ben", "order-1", door)
    assert (brand.rewards("ada"), brand.rewards("ben")) == (PAID, PAID)
    brand.buys("ben", "order-2", "tracking")
    assert (brand.rewards("ada"), brand.rewards("ben")) == (PAID, PAID)
    assert brand.qualities("ben") == ["HIGH", "HIGH"]
    assert brand.qualities("ben", "registration") == ["HIGH"]
    assert brand.referrers("ben") == {"ada@ada.example": ("SHARE_ID", False)}
    story = json.loads(brand.command("why", "--order", "order-1", "--json"))
    assert story["found"] == "person"
    assert "because their share link was followed" in story["summary"]
    assert "10 points" in brand.command("why", "--person", "ada")
    told = brand.command("reward", "list")
    assert told.count("FULFILLED") == 2


def test_refer_nth_gives_a_bonus_for_every_fifth_friend(launch: Launch, tmp_path: Path) -> None:
    """Nine friends of Ada's buy: nine times 10 points, and 50 for the fifth. The tenth brings the second bonus."""
    brand = launch()
    brand.apply(template("refer-nth", f"share.destination={SHOP}"), tmp_path)
    link = brand.advocate("ada")
    friends = ["ben", "cyd", "dan", "eli", "fay", "gus", "hal", "ivy", "jon", "kim"]
    for number, friend in enumerate(friends, 1):
        brand.brings(link, friend)
        brand.buys(friend, f"order-{friend}", DOORS[number % 3])
        bonuses = [each for each in brand.rewards("ada") if each[1] == 50.0]
        assert len(bonuses) == number // 5, number
        assert brand.rewards(friend) == PAID
    assert sorted(brand.rewards("ada")) == [*PAID * 10, *[("FULFILLED", 50.0, "POINTS")] * 2]
    assert brand.get(f"/v5/persons/{brand.id('ada')}/balances") == [{"unit": "POINTS", "amount": 200.0}]
    brand.says("canceled", "kim", partner_conversion_id="order-kim")
    assert ("REVOKED", 50.0, "POINTS") in brand.rewards("ada"), "nine friends have one bonus"
    assert brand.get(f"/v5/persons/{brand.id('ada')}/balances") == [{"unit": "POINTS", "amount": 140.0}]


@pytest.mark.parametrize("door", DOORS)
def test_welcome_offer_gives_whoever_signs_up_a_code(launch: Launch, tmp_path: Path, door: str) -> None:
    """Nobody has to be referred. Signing up again brings no second code; what a visitor without an address does brings none."""
    brand = launch()
    brand.apply(template("welcome-offer"), tmp_path)
    brand.joins("ben")
    brand.says("registration", "ben", door)
    brand.says("registration", "ben", door)
    assert brand.rewards("ben") == [("FULFILLED", 10.0, "PERCENT_OFF")]
    (reward,) = brand.get("/v2/rewards", person_id=brand.id("ben"))
    assert (reward["partner_reward_id"], reward["partner_reward_key_type"]) == ("WELCOME10", "COUPON")
    assert reward["expires_at"] is not None
    brand.says("registration", "nameless", door)
    assert brand.rewards("nameless") == []
    story = json.loads(brand.command("why", "--person", "nameless", "--json"))
    assert "no e-mail address" in story["summary"]
    assert brand.qualities("ben", "registration")[-1] == "HIGH"


@pytest.mark.parametrize("door", DOORS)
def test_reward_for_action_pays_a_review_once_a_month(launch: Launch, tmp_path: Path, door: str) -> None:
    brand = launch()
    brand.apply(template("reward-for-action"), tmp_path)
    brand.joins("ben")
    brand.says("review_written", "ben", door, stars=5)
    assert brand.rewards("ben") == [("FULFILLED", 20.0, "POINTS")]
    brand.says("review_written", "ben", door, stars=1)
    assert brand.rewards("ben") == [("FULFILLED", 20.0, "POINTS")]
    assert brand.qualities("ben", "review_written") == ["HIGH", "HIGH"]
    told = brand.command("why", "--person", "ben")
    assert "may have 1 in 30 days" in told
    brand.says("review_read", "ben", door)
    assert len(brand.rewards("ben")) == 1


def test_every_template_has_a_journey() -> None:
    told = {"refer-a-friend", "refer-nth", "welcome-offer", "reward-for-action"}
    assert set(names()) == told
