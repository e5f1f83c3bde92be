"""Rewards given by hand: make-goods, and what a campaign promises."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.campaign import Campaign, Document, Mark
from goodword.core.decision import Outcome
from goodword.core.profile import Block, ProfileId
from goodword.core.reward import (
    DAY_MS,
    RewardTerms,
    Value,
)
from tests.core.test_reward import NOW, PEOPLE, SUPPLIERS, Shop


def document(**more: Any) -> Document:
    terms = RewardTerms("bonus", "advocate", Value("5"), expires_days=2)
    percent = RewardTerms("cash", "advocate", Value(unit="USD", percent="10"), supplier="credit")
    return Document("raf", "raf", rewards=[terms, percent], **more)


@pytest.mark.parametrize("state", ["LIVE", "STOPPED"])
def test_what_a_campaign_promises_is_given_by_hand_while_it_is_not_stopped(state: Any) -> None:
    shop = Shop()
    shop.keep([Campaign("raf", "raf", NOW, NOW, 1, (Mark(0, state, 1),), {1: document()})])

    def asked(**more: Any) -> Outcome:
        return shop.do(c.GrantReward(1, PEOPLE[0], "ada", "sorry", campaign="raf", **more))

    if state == "STOPPED":
        assert asked(name="bonus").code == "campaign_stopped"
        return
    reward = shop.reward(asked(name="bonus").value)
    assert (reward.value, reward.program, reward.version, reward.expires_at) == (500, "raf", 1, NOW + 2 * DAY_MS)
    assert asked(name="none").code == "reward_not_promised"
    assert asked(name="cash").code == "invalid_value"
    assert shop.reward(asked(name="cash", value=5, unit="USD").value).value == 5


def test_make_goods_are_refused_without_a_reason_a_person_or_a_value() -> None:
    shop = Shop()

    def code(who: int = 1, by: str = "ada", note: str = "sorry", **more: Any) -> str:
        return shop.do(c.GrantReward(1, ProfileId(who), by, note, **more)).code

    assert code(9, supplier="points") == "person_not_found"
    assert (
        code(by=" ", supplier="points") == code(note="", supplier="points") == code(note="x" * 2_001, supplier="points") == "missing_note"
    )
    assert code(campaign="none") == "campaign_not_found"
    assert code() == "reward_supplier_not_found"
    assert code(supplier="points") == code(supplier="points", value=-1) == "invalid_value"
    shop.do(c.PutSupplier(1, replace(SUPPLIERS[1], face_value="12.5", face_value_type="PERCENT_OFF")))
    assert shop.do(c.GrantReward(1, PEOPLE[0], "ada", "sorry", supplier="static")).verdict == "done"
    shop.facts.profiles[PEOPLE[0]] = replace(shop.facts.profiles[PEOPLE[0]], block=Block("EVENTS", "x", NOW))
    assert code(supplier="points", value=1) == "person_not_rewardable"


@pytest.mark.parametrize(("supplier", "unit"), [("points", "USD"), ("credit", "POINTS"), ("custom", "gold"), ("credit", "usd")])
def test_what_the_ledger_counts_is_of_its_own_unit_and_any_value_of_one_there_is(supplier: str, unit: str) -> None:
    shop = Shop()
    given = shop.do(c.GrantReward(1, PEOPLE[0], "ada", "sorry", supplier=supplier, value=100, unit=unit))
    assert (given.verdict, given.code) == ("refused", "invalid_value")
    reward = shop.grant("custom")
    fulfilled = shop.do(c.MoveReward(1, reward.id, ("FULFILLED",), detail={"value": 5, "unit": "gold"}))
    assert (fulfilled.code, shop.reward(reward.id).state) == ("invalid_value", "EARNED")
