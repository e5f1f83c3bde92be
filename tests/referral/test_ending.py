"""What becomes of rewards when their campaign ends or stops, or when an event turns out to be doubtful after it was paid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.campaign import Mark, State
from goodword.core.profile import ProfileId
from goodword.core.reward import Supplier
from goodword.storage.query.why import why_person
from tests.referral.test_terms import PAID, come, town_of
from tests.referral.town import DAY, MINUTE, REFER_A_FRIEND, Town

WAITING = [{**reward, "pending_days": 2} for reward in REFER_A_FRIEND["rewards"]]


def put_in(town: Town, state: State) -> None:
    """The campaign, moved by hand."""
    campaign = town.store.programs[1].campaigns["refer-a-friend"]
    town.passes(MINUTE)
    town.put(replace(campaign, history=(*campaign.history, Mark(town.now, state, campaign.latest))))


def tend(town: Town) -> None:
    town.engine.execute([c.TendReward(1, reward.id) for reward in town.rewards()])


def states(town: Town) -> list[str]:
    return [reward.state for reward in town.rewards()]


def refer(town: Town, friend: str = "ben", order: str = "o1", **said: Any) -> ProfileId:
    """Ada's friend follows her link, signs up and buys."""
    ada = town.person("ada", "ada@mail.example")
    click = town.click(ada)
    town.passes(MINUTE)
    come(town, click, friend)
    town.buy(order, userId=friend, **said)
    return ada


@pytest.mark.parametrize(
    ("state", "left"), [("PAUSED", "FULFILLED"), ("ENDED", "FULFILLED"), ("STOPPED", "CANCELED"), ("ARCHIVED", "CANCELED")]
)
def test_what_waits_is_given_after_the_end_and_not_after_the_stop(state: State, left: str) -> None:
    with town_of(rewards=WAITING) as town:
        ada = refer(town)
        put_in(town, state)
        town.passes(DAY)
        tend(town)
        assert states(town) == ["EARNED", "EARNED"]
        town.passes(2 * DAY)
        tend(town)
        assert states(town) == [left, left]
        told = " ".join(moment.why for moment in why_person(town.store, 1, str(ada), town.now).moments)
        assert ("the campaign was stopped before it was given" in told) is (left == "CANCELED")
        put_in(town, "LIVE")
        town.engine.execute([c.Rejudge(1, ProfileId(ada))])
        tend(town)
        assert states(town) == [left, left]


def test_what_comes_to_be_known_after_the_stop_earns_nothing() -> None:
    """The order was placed while the campaign was live, and is told of when it gives nothing any more."""
    with town_of() as town:
        click = town.click(town.person("ada", "ada@mail.example"))
        town.passes(MINUTE)
        come(town, click, "ben")
        at = town.now
        put_in(town, "STOPPED")
        town.buy("o1", userId="ben", at=at)
        assert town.rewards() == []
        assert "was not earned: the campaign was stopped since." in why_person(town.store, 1, "ben", town.now).summary
        put_in(town, "LIVE")
        town.buy("o2", userId="ben")
        assert town.live() == PAID


def test_what_was_earned_before_the_stop_stays_and_no_bonus_comes_after_it() -> None:
    bonus = {"name": "second", "to": "advocate", "value": {"amount": "50"}, "rules": {"nth": 2}}
    with town_of(rewards=[*WAITING, bonus]) as town:
        refer(town)
        click = town.click(town.person("ada", "ada@mail.example"))
        town.passes(MINUTE)
        come(town, click, "dan")
        at = town.now
        put_in(town, "STOPPED")
        town.buy("o2", userId="dan", at=at)
        town.buy("o3", userId="ben", at=at)
        assert [(reward.name, reward.state) for reward in town.rewards()] == [("advocate-reward", "EARNED"), ("friend-reward", "EARNED")]
        assert town.rewards()[0].due_at is not None


def test_a_failed_reward_of_a_stopped_campaign_is_not_tried_again() -> None:
    pool = [{"name": "code", "to": "advocate", "value": {"amount": "10"}, "supplier": "pool"}]
    with town_of(rewards=pool) as town:
        town.engine.execute([c.PutSupplier(1, Supplier("pool", "COUPON_POOL"))])
        refer(town)
        assert states(town) == ["FAILED"]
        put_in(town, "STOPPED")
        town.engine.execute([c.AddCoupons(1, "pool", 1, ("A",))])
        tend(town)
        assert states(town) == ["CANCELED"]
        assert town.store.database.read("SELECT count(*) FROM coupon WHERE reward_id IS NOT NULL") == [(0,)]


# -- doubt that comes later --------------------------------------------------------------------------------------------------------


def late_doubt(town: Town) -> None:
    """The friend's address becomes known after the order, and looks like the advocate's."""
    town.passes(MINUTE)
    town.say("identify", userId="ben", traits={"email": "ada2@mail.example"})


def told_without_an_address(town: Town) -> None:
    click = town.click(town.person("ada", "ada@mail.example"))
    town.passes(MINUTE)
    town.visit(click, anonymousId="d1")
    town.say("identify", userId="ben", anonymousId="d1")
    town.passes(MINUTE)
    town.buy("o1", userId="ben", message_id="order")


@pytest.mark.parametrize(
    ("supplier", "pending_days", "before", "after", "approved"),
    [
        ("points", 0, [("FULFILLED", "")], [("REVOKED", "")], [("REVOKED", ""), ("FULFILLED", "")]),
        ("points", 2, [("EARNED", "pending")], [("EARNED", "review")], [("EARNED", "pending")]),
        ("own", 0, [("EARNED", "supplier")], [("EARNED", "review")], [("EARNED", "supplier")]),
        ("empty", 0, [("FAILED", "")], [("CANCELED", "")], [("CANCELED", ""), ("FAILED", "")]),
        ("pool", 0, [("FULFILLED", "")], [("FULFILLED", "")], [("FULFILLED", "")]),
    ],
)
def test_doubt_that_comes_after_the_reward_takes_back_what_can_come_back_until_a_person_decides(
    supplier: str, pending_days: int, before: list[Any], after: list[Any], approved: list[Any]
) -> None:
    terms = {"name": "thanks", "to": "advocate", "value": {"amount": "10"}, "supplier": supplier, "pending_days": pending_days}
    with town_of(rewards=[terms]) as town:
        for each in (Supplier("own", "CUSTOM_REWARD"), Supplier("empty", "COUPON_POOL"), Supplier("pool", "COUPON_POOL")):
            town.engine.execute([c.PutSupplier(1, each)])
        town.engine.execute([c.AddCoupons(1, "pool", 1, ("A", "B"))])
        told_without_an_address(town)

        def stand() -> list[tuple[str, str]]:
            return [(reward.state, reward.waiting) for reward in town.rewards()]

        assert stand() == before
        late_doubt(town)
        assert stand() == after
        town.say("track", event="registration", userId="ben")
        assert stand() == after
        ben = town.person("ben")
        town.engine.execute([c.Review(1, ben, "order", "refer-a-friend", "approved", "Sue", "two people")])
        assert stand() == approved


def test_the_address_may_come_before_the_order_or_after_it_a_look_alike_is_not_paid(tmp_path: Path) -> None:
    town = Town(tmp_path)
    told_without_an_address(town)
    late_doubt(town)
    assert town.live() == []
    assert town.store.database.read("SELECT sum(amount) FROM balance") == [(0,)]
    town.close()
