"""What seldom happens to a referral and must come out right all the same: orders taken back by others, campaigns that follow one another,
more of something than one command takes, and things that only those see who are told by webhook."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.attribution import TOUCHES_MAX
from goodword.core.delivery import Endpoint
from goodword.core.profile import IdentityKey, ProfileId
from goodword.core.referral import Click, Evidence, Standing
from goodword.core.reward import Supplier
from goodword.storage.query import person as people
from goodword.storage.query.referral import journey_of
from tests.referral.test_terms import PAID, come, town_of
from tests.referral.town import BROWSER_KEY, MINUTE, REFER_A_FRIEND, Town


def brought(town: Town, friend: str = "ben") -> ProfileId:
    """A friend who came by Ada's link."""
    ada = town.person("ada", "ada@mail.example")
    click = town.click(ada)
    town.passes(MINUTE)
    come(town, click, friend)
    return ada


def taken_back(town: Town, by: str, **properties: Any) -> None:
    town.passes(MINUTE)
    town.say("track", event="returned", userId=by, properties=properties)


# -- orders taken back -------------------------------------------------------------------------------------------------------------


def test_whoever_says_that_an_order_came_back_it_is_the_buyers(town: Town) -> None:
    brought(town)
    town.buy("o1", userId="ben")
    taken_back(town, "clerk")
    assert town.live() == PAID
    taken_back(town, "clerk", order_id="o1")
    assert town.live() == []


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_return_that_somebody_else_said_before_the_order_was_told_counts(town: Town, is_deleted: bool) -> None:
    brought(town)
    taken_back(town, "clerk", order_id="o1")
    if is_deleted:
        town.engine.execute([c.Erase(1, (IdentityKey("uclerk"),))])
    town.buy("o1", userId="ben")
    assert town.live() == []
    town.buy("o2", userId="ben")
    assert town.live() == PAID


def test_what_a_browser_says_twice_still_waits_and_what_a_deleted_person_said_first_is_nobodys(town: Town) -> None:
    brought(town)
    for _ in range(2):
        town.buy("o1", userId="ben", by=BROWSER_KEY)
    assert {state for *_, state in town.live()} <= {"EARNED"}
    town.engine.execute([c.Erase(1, (IdentityKey("uben"),))])
    town.person("dan", "dan@net.example")
    town.buy("o1", userId="dan")
    assert "FULFILLED" not in {state for *_, state in town.live()}


@pytest.mark.parametrize("is_first_known", [True, False])
def test_an_order_that_only_a_browser_claims_does_not_hold_up_one_that_a_server_said(town: Town, is_first_known: bool) -> None:
    brought(town)
    claimed, said = town.now + 1, town.now + MINUTE + 1
    town.passes(2 * MINUTE)
    orders: list[dict[str, Any]] = [{"order": "o1", "by": BROWSER_KEY, "at": claimed}, {"order": "o2", "at": said}]
    for order in orders if is_first_known else reversed(orders):
        town.buy(userId="ben", **order)
    assert town.live() == PAID


@pytest.mark.parametrize("is_used", [False, True])
def test_what_was_given_for_an_order_that_came_back_waits_again_for_what_only_a_browser_claims(town: Town, is_used: bool) -> None:
    brought(town)
    claimed, said = town.now + 1, town.now + MINUTE + 1
    town.passes(2 * MINUTE)
    town.buy("o2", userId="ben", at=said)
    town.buy("o1", userId="ben", by=BROWSER_KEY, at=claimed)
    assert town.live() == PAID
    if is_used:
        for reward in town.rewards():
            town.engine.execute([c.MoveReward(1, reward.id, ("REDEEMED",), "used")])
    taken_back(town, "ben", order_id="o2")
    left = "REDEEMED" if is_used else "EARNED"
    assert town.live() == [("ada", 1000, left), ("ben", 1000, left)]


@pytest.mark.parametrize("is_visited_first", [False, True])
def test_the_click_that_an_order_names_goes_first_also_where_the_visit_was_known(town: Town, is_visited_first: bool) -> None:
    ada, cyd = town.person("ada", "ada@mail.example"), town.person("cyd", "cyd@web.example")
    click = town.click(ada)
    town.passes(MINUTE)
    if is_visited_first:
        town.visit(click, anonymousId="device-ben")
    come(town, town.click(cyd), "ben")
    town.buy("o1", userId="ben", properties={"share_id": click})
    assert [name for name, *_ in town.live()] == ["ada", "ben"]


# -- campaigns that follow one another ---------------------------------------------------------------------------------------------


def test_an_event_that_another_campaign_of_the_program_takes_is_forgotten_by_the_first(town: Town) -> None:
    """A visit that becomes known late was by a link of the campaign that came after: its terms count, and only they."""
    town.launch({**REFER_A_FRIEND, "campaign": "autumn"})
    ada, cyd = town.person("ada", "ada@mail.example"), town.person("cyd", "cyd@web.example")
    first = town.click(ada)
    town.passes(MINUTE)
    town.put(Click("click-of-autumn", town.now, cyd, "refer-a-friend", "autumn", "code"))
    town.passes(MINUTE)
    come(town, first, "ben")
    town.say("track", event="registration", userId="ben")
    town.buy("o1", userId="ben")
    assert town.live() == PAID
    town.visit("click-of-autumn", userId="ben")
    assert [(name, state) for name, _, state in town.live()] == [("ben", "FULFILLED"), ("cyd", "FULFILLED")]
    assert [(entry[1], entry[3]) for entry in town.judgements()] == [("autumn", "HIGH"), ("refer-a-friend", "NONE")] * 2
    town.say("track", event="registration", userId="ben")
    assert sorted(town.store.database.read("SELECT advocate_id, sum(count) FROM credited GROUP BY advocate_id")) == [(ada, 0), (cyd, 1)]


def test_what_was_settled_about_an_event_that_is_not_kept_any_more_is_let_go(town: Town) -> None:
    brought(town)
    town.buy("o1", userId="ben")
    ben = people.find(town.store, 1, town.person("ben"))
    assert ben is not None
    journey = journey_of(town.store, 1, ben)
    assert journey is not None
    town.put(replace(journey, standings={**journey.standings, "999999 refer-a-friend": Standing(digest=5)}))
    town.say("track", event="registration", userId="ben")
    assert town.live() == PAID


def test_of_two_advocates_of_a_device_the_displaced_one_stays_so_when_it_becomes_somebodys(town: Town) -> None:
    ada, cyd = town.person("ada", "ada@mail.example"), town.person("cyd", "cyd@web.example")
    for advocate in (ada, cyd):
        town.passes(MINUTE)
        town.visit(town.click(advocate), anonymousId="d1")
    town.person("ben", "ben@post.example")
    town.say("identify", userId="ben", anonymousId="d1")
    town.passes(MINUTE)
    town.buy("o1", userId="ben")
    assert [name for name, *_ in town.live()] == ["ben", "cyd"]
    standing = town.store.database.read("SELECT DISTINCT advocate_id FROM relationship WHERE displaced_at IS NULL")
    assert standing == [(cyd,)]


def test_a_chain_of_friends_is_followed_so_far_and_no_further(town: Town) -> None:
    chain = [town.person(name, f"{name}@{name}.example") for name in ("ann", "bob", "cat", "dee", "eli", "fay", "gus", "hal")]
    for number, advocate in enumerate(chain[:-1]):
        click = town.click(advocate)
        town.passes(MINUTE)
        name = town.name(chain[number + 1])
        town.visit(click, userId=name)
        town.buy(f"o-{name}", userId=name)
    assert len([reward for reward in town.live() if reward[2] == "FULFILLED"]) == 14


# -- more than there is room for ---------------------------------------------------------------------------------------------------


def test_of_very_many_referrals_the_first_and_the_latest_are_kept(town: Town) -> None:
    advocates = [town.person(name, f"{name}@{name}.example") for name in ("ada", "cyd")]
    for number in range(TOUCHES_MAX + 5):
        town.passes(1001)
        town.visit(town.click(advocates[number > 0]), userId="ben")
    town.person("ben", "ben@post.example")
    town.buy("o1", userId="ben")
    assert [name for name, *_ in town.live()] == ["ben", "cyd"]


def test_more_rewards_than_one_command_gives_come_with_the_next() -> None:
    many = [{**REFER_A_FRIEND["rewards"][0], "name": f"r{number}", "rules": {"once": "event"}} for number in range(45)]
    with town_of(rewards=many) as town:
        click = town.click(town.person("ada", "ada@mail.example"))
        town.passes(MINUTE)
        town.person("ben", "ben@post.example")
        for order in ("o1", "o2"):
            town.buy(order, userId="ben")
        town.visit(click, userId="ben")
        assert len(town.live()) < 90
        town.say("track", event="registration", userId="ben")
        assert len(town.live()) == 90
        town.say("identify", userId="ben", traits={"email": "ada+1@mail.example"})
        assert 0 < len(town.live()) < 45
        town.say("track", event="registration", userId="ben")
        assert town.live() == []


def test_a_bonus_that_a_person_canceled_stays_so_when_a_friend_is_lost() -> None:
    bonus = {"name": "first", "to": "advocate", "value": {"amount": "50"}, "supplier": "own", "rules": {"milestones": [1]}}
    with town_of(rewards=[bonus], suppliers=[{"id": "own", "type": "CUSTOM_REWARD"}]) as town:
        town.engine.execute([c.PutSupplier(1, Supplier("own", "CUSTOM_REWARD"))])
        brought(town)
        town.buy("o1", userId="ben")
        (given,) = town.rewards()
        town.engine.execute([c.MoveReward(1, given.id, ("CANCELED",), "no", by="Sue")])
        taken_back(town, "ben", order_id="o1")
        assert [(reward.state, reward.is_final) for reward in town.rewards()] == [("CANCELED", True)]


# -- what commands of one group know of each other -----------------------------------------------------------------------------------


def test_links_clicks_addresses_and_rewards_by_hand_in_one_group(town: Town) -> None:
    ada, ben = town.person("ada", "ada@mail.example"), town.person("ben")
    places = ("here", "here", "")
    visits = [Click(f"visit-00{n}", town.now, ProfileId(0), "", "", "ADA-main", Evidence(ip=ip)) for n, ip in enumerate(places)]
    thanks = c.GrantReward(1, ada, "Sue", "sorry", campaign="refer-a-friend", name="advocate-reward", role="advocate", other_id=ben)
    made = town.engine.execute([
        c.PutShareable(1, ada, "Ada-Main", "refer-a-friend", "main"),
        *(c.RecordClick(1, visit) for visit in visits),
        c.SetEmail(1, ben, "ben@post.example", "set-1"),
        thanks,
        c.PutSupplier(1, Supplier("pool", "COUPON_POOL")),
        c.AddCoupons(1, "pool", 1, ("A",)),
        c.RemoveCoupons(1, "pool", 2),
    ])  # fmt: skip
    assert [outcome.verdict for outcome in made] == ["done"] * 9
    assert [made[number].value[0].recent for number in (1, 2, 3)] == [0, 1, 0]
    town.visit("visit-001", userId="ben")
    town.passes(MINUTE)
    town.buy("o1", userId="ben")
    assert town.live() == [("ada", 1000, "FULFILLED"), *PAID]


def test_what_names_nobody_and_nothing_is_no_referral(town: Town) -> None:
    brought(town)
    click = town.click(town.person("cyd", "cyd@web.example"))
    town.say("track", event="Share opened", userId="ben", properties={"advocate_email": "not an address", "share": 1})
    town.say("track", event="Viewed", userId="ben", properties={"advocate_order_id": "null"})
    town.passes(MINUTE)
    town.say("page", by=BROWSER_KEY, userId="ben", context={"goodword": {"click_id": click}})
    town.buy("o1", userId="ben", properties={"advocate_email": "nobody", "advocate_order_id": "n" * 300})
    assert [name for name, *_ in town.live()] == ["ben", "cyd"]


# -- who is told ---------------------------------------------------------------------------------------------------------------------


def test_who_listens_is_told_of_orders_with_names_values_and_coupons(town: Town) -> None:
    secret = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="
    assert town.engine.execute([c.PutEndpoint(1, Endpoint("e1", "https://shop.example/hook", secret))])[0].verdict == "done"
    brought(town)
    town.say("identify", userId="ben", traits={"firstName": "Ben", "lastName": ""})
    town.say("track", event="Viewed", userId="ben")
    town.say("track", event="registration", userId="ben")
    town.buy("o1", userId="ben", properties={"coupon": "SPRING"})
    town.say("track", event="conversion", userId="ben")
    kinds = [kind for (kind,) in town.store.database.read("SELECT event_type FROM delivery ORDER BY id")]
    assert kinds.count("conversion.recorded") == 2
    assert {"registration.recorded", "referral.attributed", "reward.earned"} <= set(kinds)
