"""What the campaign's terms make of the same story: windows, models, Nth friends, participants, percentages, limits, states."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.account import Settings
from goodword.core.campaign import Document, Mark, Version
from goodword.core.profile import ProfileId
from goodword.core.referral import Share
from goodword.core.reward import Supplier
from goodword.storage.query import reward as rewards
from goodword.storage.query.budget import used
from tests.referral.town import BROWSER_KEY, DAY, MINUTE, REFER_A_FRIEND, Town

PAID = [("ada", 1000, "FULFILLED"), ("ben", 1000, "FULFILLED")]


@contextmanager
def town_of(**changed: Any) -> Iterator[Town]:
    """A town whose campaign differs from refer-a-friend in this."""
    with TemporaryDirectory() as folder:
        town = Town(Path(folder), {**REFER_A_FRIEND, **changed})
        yield town
        town.close()


@pytest.fixture
def town() -> Iterator[Town]:
    with town_of() as found:
        yield found


def come(town: Town, click: str, user: str) -> None:
    """A friend follows a link and says who they are."""
    town.visit(click, anonymousId=f"device-{user}")
    town.passes(MINUTE)
    town.person(user, f"{user}@post.example", anonymousId=f"device-{user}")


@pytest.mark.parametrize(("model", "credited"), [("last_touch", "cyd"), ("first_touch", "ada")])
def test_the_first_or_the_last_link_is_credited_as_the_campaign_says(model: str, credited: str) -> None:
    with town_of(attribution={"model": model}) as town:
        ada, cyd = town.person("ada", "ada@mail.example"), town.person("cyd", "cyd@web.example")
        first = town.click(ada)
        town.passes(MINUTE)
        second = town.click(cyd)
        come(town, first, "ben")
        town.visit(second, anonymousId="device-ben")
        town.buy("o1", userId="ben")
        assert {name for name, *_ in town.live()} == {credited, "ben"}


def test_a_referral_outside_the_window_earns_nothing() -> None:
    with town_of(attribution={"window_days": 30}) as town:
        ada = town.person("ada", "ada@mail.example")
        come(town, town.click(ada), "ben")
        town.passes(31 * DAY)
        town.buy("o1", userId="ben")
        assert town.live() == []


def test_a_link_up_learned_later_than_the_campaign_waits_earns_nothing(town: Town) -> None:
    ada = town.person("ada", "ada@mail.example")
    click = town.click(ada)
    town.passes(MINUTE)
    town.person("ben", "ben@post.example")
    town.buy("o1", userId="ben")
    town.passes(8 * DAY)
    town.visit(click, userId="ben", anonymousId="d")
    assert town.live() == []


def test_an_address_that_was_shared_to_is_matched_back_also_when_its_owner_bought_before_we_knew(town: Town) -> None:
    ada = town.person("ada", "ada@mail.example")
    town.link(ada, "ADA-10")
    outcome = town.engine.execute(
        [c.RecordShare(1, Share(0, ada, town.now, "EMAIL", "ADA-10", "", "", ("ben@post.example", "x@y.example")))]
    )
    assert outcome[0].verdict == "done"
    town.passes(MINUTE)
    town.buy("o1", userId="ben")
    assert town.live() == []
    town.person("ben", "ben@post.example")
    assert town.live() == PAID


def test_a_share_to_somebody_known_counts_for_what_they_do_next(town: Town) -> None:
    ada = town.person("ada", "ada@mail.example")
    town.link(ada, "ADA-10")
    come(town, town.click(town.person("cyd", "cyd@web.example")), "dan")
    town.person("ben", "ben@post.example")
    town.say("track", event="registration", userId="ben")
    recipients = ("ben@post.example", "dan@post.example")
    town.engine.execute([c.RecordShare(1, Share(0, ada, town.now, "EMAIL", "ADA-10", "", "", recipients))])
    town.passes(MINUTE)
    town.buy("o1", userId="ben")
    town.buy("o2", userId="dan")
    assert {name for name, *_ in town.live()} == {"ada", "ben", "cyd", "dan"}


def test_every_second_friend_earns_the_advocate_a_bonus_and_a_return_takes_it_back() -> None:
    bonus = {"name": "bonus", "to": "advocate", "value": {"amount": "50"}, "rules": {"nth": 2}}
    first = {"name": "milestone", "to": "advocate", "value": {"amount": "5"}, "rules": {"milestones": [1, 3]}}
    with town_of(rewards=[bonus, first]) as town:
        ada = town.person("ada", "ada@mail.example")
        for user in ("ben", "cyd", "dan", "eve"):
            come(town, town.click(ada), user)
            town.buy(f"o-{user}", userId=user)
            town.buy(f"again-{user}", userId=user)
        assert [(name, value) for name, value, _ in town.live()] == [("ada", 500), ("ada", 500), ("ada", 5000), ("ada", 5000)]
        for order in ("o-eve", "again-eve"):
            town.say("track", event="canceled", userId="eve", properties={"partner_conversion_id": order})
        assert [(name, value) for name, value, _ in town.live()] == [("ada", 500), ("ada", 500), ("ada", 5000)]
        come(town, town.click(ada), "fay")
        town.buy("o-fay", userId="fay")
        assert [value for _, value, _ in town.live()] == [500, 500, 5000, 5000]


def test_a_bonus_that_its_rules_refuse_is_not_earned_and_says_so() -> None:
    bonus = {"name": "bonus", "to": "advocate", "value": {"amount": "50"}, "rules": {"nth": 1, "value_min": "100"}}
    with town_of(rewards=[bonus]) as town:
        come(town, town.click(town.person("ada", "ada@mail.example")), "ben")
        town.buy("o1", userId="ben", value="50")
        assert town.live() == []
        assert "reward:bonus:event_value" in town.judgements()[-1][-1]


def test_a_welcome_offer_needs_no_advocate() -> None:
    offer = {"name": "welcome", "to": "participant", "on": "sign_up", "value": {"amount": "5"}, "rules": {"once": "person"}}
    action = {"name": "review", "to": "participant", "on": "product_reviewed", "value": {"amount": "1"}, "rules": {"once": "event"}}
    with town_of(rewards=[offer, action], events={"actions": ["product_reviewed"]}) as town:
        town.person("ben", "ben@post.example")
        town.say("track", event="registration", userId="ben")
        town.say("track", event="Product_Reviewed", userId="ben")
        town.say("track", event="product_reviewed", userId="ben")
        assert [value for _, value, _ in town.live()] == [100, 100, 500]


def test_a_percentage_of_an_order_without_a_value_is_nothing_and_says_so() -> None:
    back = {"name": "back", "to": "advocate", "value": {"percent": "10", "unit": "USD"}, "supplier": "credit"}
    with town_of(rewards=[back]) as town:
        come(town, town.click(town.person("ada", "ada@mail.example")), "ben")
        town.say("track", event="conversion", userId="ben", properties={"partner_conversion_id": "o1"})
        assert town.live() == []
        assert "reward:back" in town.judgements()[-1][-1]


def test_what_waits_is_judged_again_when_its_time_has_come() -> None:
    back = {"name": "later", "to": "advocate", "value": {"amount": "1"}, "pending_days": 3}
    with town_of(rewards=[back]) as town:
        come(town, town.click(town.person("ada", "ada@mail.example")), "ben")
        town.buy("o1", userId="ben")
        reward = town.rewards()[0]
        town.engine.execute([c.TendReward(1, reward.id)])
        assert town.live() == [("ada", 100, "EARNED")]
        town.passes(3 * DAY)
        town.engine.execute([c.TendReward(1, reward.id)])
        town.engine.execute([c.TendReward(1, reward.id)])
        assert town.live() == [("ada", 100, "FULFILLED")]


def test_a_limit_stays_as_it_was_judged_first_until_it_is_judged_afresh() -> None:
    reward = {"name": "one", "to": "advocate", "value": {"amount": "1"}, "rules": {"limits": [{"count": 1, "days": 7}]}}
    with town_of(rewards=[reward]) as town:
        ada = town.person("ada", "ada@mail.example")
        for user in ("ben", "cyd"):
            come(town, town.click(ada), user)
            town.buy(f"o-{user}", userId=user)
        assert town.live() == [("ada", 100, "FULFILLED")]
        town.passes(8 * DAY)
        town.buy("o-more", userId="cyd", value="1.00")
        assert len(town.live()) == 2, "the second order is another event: the limit of seven days is over"
        cyd = ProfileId(next(number for number in range(1, 9) if town.name(number) == "cyd"))
        town.engine.execute([c.Rejudge(1, cyd)])
        assert len(town.live()) == 2


def test_a_paused_campaign_keeps_its_friends_and_an_ended_one_hands_them_on(town: Town) -> None:
    ada = town.person("ada", "ada@mail.example")
    come(town, town.click(ada), "ben")
    campaign = town.store.programs[1].campaigns["refer-a-friend"]
    town.put(replace(campaign, history=(*campaign.history, Mark(town.now, "PAUSED", 1))))
    town.launch({**REFER_A_FRIEND, "campaign": "spring", "rewards": [{"name": "a", "to": "friend", "value": {"amount": "3"}}]}, at=town.now)
    town.passes(MINUTE)
    town.buy("o1", userId="ben")
    assert town.live() == PAID
    campaign = town.store.programs[1].campaigns["refer-a-friend"]
    come(town, town.click(ada), "cyd")
    town.put(replace(campaign, history=(*campaign.history, Mark(town.now, "ENDED", 1))))
    town.passes(MINUTE)
    town.buy("o2", userId="cyd")
    assert [entry for entry in town.live() if entry[0] == "cyd"] == [("cyd", 300, "FULFILLED")]


def test_an_order_credited_elsewhere_later_is_taken_back_here(town: Town) -> None:
    """Two programs' campaigns; the touch of the one arrives late and is another campaign's of the same program."""
    ada, cyd = town.person("ada", "ada@mail.example"), town.person("cyd", "cyd@web.example")
    town.launch({**REFER_A_FRIEND, "campaign": "spring", "rewards": []})
    come(town, town.click(ada), "ben")
    town.passes(MINUTE)
    late = town.click(cyd, campaign="refer-a-friend")
    town.put(replace(town_click(town, late), id="late-click-1", campaign="spring"))
    town.passes(MINUTE)
    town.buy("o1", userId="ben")
    assert town.live() == PAID
    town.visit("late-click-1", userId="ben", anonymousId="device-ben")
    assert town.live() == []


def town_click(town: Town, id: str) -> Any:
    from goodword.core.facts import Facts, Lookup
    from goodword.storage.load_referral import begin_referrals, load_referrals

    facts, lookup = Facts(), Lookup()
    lookup.referrals.clicks.add(id)
    load_referrals(begin_referrals(town.store, 1, lookup, [], facts), lookup, [])
    return facts.referrals.clicks[id]


def test_two_people_who_turn_out_to_be_one_are_rewarded_once(town: Town) -> None:
    ada = town.person("ada", "ada@mail.example")
    come(town, town.click(ada), "ben")
    town.buy("o1", userId="ben")
    come(town, town.click(ada), "bee")
    town.buy("o2", userId="bee")
    numbers = {town.name(number): ProfileId(number) for number in range(1, 9)}
    assert len(town.live()) == 4
    town.engine.execute([c.Forward(1, numbers["bee"], numbers["ben"])])
    assert town.live() == PAID


def test_an_advocate_deleted_before_the_purchase_is_not_paid(town: Town) -> None:
    ada = town.person("ada", "ada@mail.example")
    come(town, town.click(ada), "ben")
    town.engine.execute([c.Erase(1, (), ada, "e1")])
    town.passes(MINUTE)
    town.buy("o1", userId="ben")
    assert [name for name, *_ in town.live() if name != "ben"] == []


def test_customers_of_before_there_were_campaigns_are_known(tmp_path: Path) -> None:
    town = Town(tmp_path, None)
    ada = town.person("ada", "ada@mail.example")
    town.person("ben", "ben@post.example")
    town.buy("old", userId="ben")
    town.passes(DAY)
    town.launch(REFER_A_FRIEND)
    town.passes(MINUTE)
    town.visit(town.click(ada), userId="ben", anonymousId="d")
    town.passes(MINUTE)
    town.buy("new", userId="ben")
    assert town.live() == []
    assert "existing_customer" in town.judgements()[-1][-1]
    town.close()


def test_a_person_who_does_not_exist_is_not_judged(town: Town) -> None:
    assert town.engine.execute([c.Rejudge(1, ProfileId(99))])[0].verdict == "refused"
    assert Settings().currency == "USD"
    assert BROWSER_KEY.scopes


def test_a_doubtful_event_passes_by_itself_only_where_the_campaign_says_so_and_nobody_declined() -> None:
    for days, decline, left in ((None, False, []), (5, False, PAID), (5, True, [])):
        with town_of(review={"auto_approve_days": days}, quality={"browser_outcomes": {"action": "review"}}) as town:
            ada = town.person("ada", "ada@mail.example")
            click = town.click(ada)
            town.passes(MINUTE)
            town.visit(click, anonymousId="device-ben")
            ben = town.person("ben", "ben@post.example", anonymousId="device-ben")
            town.say("track", by=BROWSER_KEY, event="conversion", userId="ben", properties={"order_id": "o1"}, message_id="doubt")
            assert {reward.state for reward in town.rewards()} <= {"EARNED"}
            assert [entry[4] for entry in town.judgements()] == ["open"]
            if decline:
                town.engine.execute([c.Review(1, ben, "doubt", "refer-a-friend", "declined", "Sue", "no")])
            town.passes(6 * DAY)
            for reward in town.rewards():
                town.engine.execute([c.TendReward(1, reward.id)])
            assert town.live() == left


def test_a_check_of_the_events_properties_holds_however_often_it_is_judged() -> None:
    rules = {"checks": [{"name": "plan", "is": "equals", "value": "pro", "on": "event"}], "once": "event"}
    with town_of(rewards=[{"name": "pro", "to": "advocate", "value": {"amount": "1"}, "rules": rules}]) as town:
        come(town, town.click(town.person("ada", "ada@mail.example")), "ben")
        town.buy("o1", userId="ben", properties={"plan": "basic"})
        town.buy("o2", userId="ben", properties={"plan": "pro"})
        town.buy("o3", userId="ben")
        assert [value for _, value, _ in town.live()] == [100]


def test_an_act_of_sharing_may_be_named_by_its_id(town: Town) -> None:
    ada = town.person("ada", "ada@mail.example")
    town.link(ada, "ADA-10")
    share = town.engine.execute([c.RecordShare(1, Share(0, ada, town.now, "SMS", "ADA-10", "", ""))])[0].value
    town.passes(MINUTE)
    town.person("ben", "ben@post.example")
    town.buy("o1", userId="ben", properties={"share_id": str(share.id)})
    assert town.live() == PAID


def draft(town: Town, document: dict[str, Any]) -> None:
    """A version that is saved over what is in force, and not published."""
    campaign = town.store.programs[1].campaigns["refer-a-friend"]
    saved = msgspec.convert(document, Document)
    number = campaign.latest + 1
    town.put(
        Version(campaign.id, number, town.now, "", "", saved),
        replace(campaign, latest=number, documents={**campaign.documents, number: saved}),
    )


@pytest.mark.parametrize(
    "terms",
    [
        {"budgets": [{"count_max": 1}]},
        {"rewards": [{"name": "one", "to": "advocate", "value": {"amount": "1"}, "rules": {"limits": [{"count": 1}]}}]},
        {"rewards": [{"name": "first", "to": "advocate", "value": {"amount": "1"}, "rules": {"milestones": [1]}}]},
    ],
)
def test_what_is_in_force_is_counted_whatever_a_draft_says(terms: dict[str, Any]) -> None:
    with town_of(**terms) as town:
        draft(town, REFER_A_FRIEND)
        ada = town.person("ada", "ada@mail.example")
        for user in ("ben", "cyd", "dan"):
            come(town, town.click(ada), user)
            town.buy(f"o-{user}", userId=user)
        assert len(town.live()) == 1


def test_budgets_are_shown_as_they_are_in_force_whatever_a_draft_says() -> None:
    with town_of(budgets=[{"count_max": 3}]) as town:
        draft(town, {**REFER_A_FRIEND, "budgets": [{"count_max": 500}]})
        campaign = town.store.programs[1].campaigns["refer-a-friend"]
        come(town, town.click(town.person("ada", "ada@mail.example")), "ben")
        town.buy("o1", userId="ben")
        assert [(each.used, each.most) for each in used(town.store, 1, [campaign], town.now)] == [(2, 3)]
        never = replace(campaign, history=())
        assert used(town.store, 1, [never], town.now) == []


def test_a_bonus_for_the_third_good_purchase_and_no_other() -> None:
    twice_before = {"event": "conversion", "count_min": 2, "count_max": 2, "quality": "high", "scope": "campaign"}
    third = {"name": "third", "to": "friend", "value": {"amount": "3"}, "rules": {"has_done": [twice_before], "once": "event"}}
    with town_of(rewards=[third], quality={"event_value": {"max": "60"}}) as town:
        come(town, town.click(town.person("ada", "ada@mail.example")), "ben")
        town.buy("refused", userId="ben", value="90.00")
        for order in ("o1", "o2", "o3", "o4"):
            town.passes(MINUTE)
            town.buy(order, userId="ben")
        (reward,) = town.rewards()
        assert reward.state == "FULFILLED"
        ((order,),) = town.store.database.read("SELECT count(*) FROM event WHERE name = 'conversion' AND arrival <= ?", (reward.cause,))
        assert order == 4, "the one that was refused does not count"


@pytest.mark.parametrize("is_old", [False, True])
def test_a_friend_is_rewarded_if_the_advocate_bought_before_also_before_there_were_campaigns(is_old: bool) -> None:
    rules = {"other_has_done": ["conversion"]}
    with TemporaryDirectory() as folder:
        town = Town(Path(folder), None)
        ada = town.person("ada", "ada@mail.example")
        if is_old:
            town.buy("o-ada", userId="ada")
            town.passes(2 * DAY)
        both = {"name": "both", "to": "friend", "value": {"amount": "3"}, "rules": rules}
        town.launch({**REFER_A_FRIEND, "rewards": [both]})
        come(town, town.click(ada), "ben")
        town.buy("o-ben", userId="ben")
        assert town.live() == ([("ben", 300, "FULFILLED")] if is_old else [])
        town.close()


def test_a_friend_is_rewarded_once_the_advocate_bought() -> None:
    rules = {"other_has_done": ["conversion"]}
    with town_of(rewards=[{"name": "both", "to": "friend", "value": {"amount": "3"}, "rules": rules}]) as town:
        ada = town.person("ada", "ada@mail.example")
        come(town, town.click(ada), "ben")
        town.buy("o-ben", userId="ben")
        assert town.live() == []
        town.buy("o-ada", userId="ada")
        town.passes(MINUTE)
        come(town, town.click(ada), "cyd")
        town.buy("o-cyd", userId="cyd")
        assert town.live() == [("cyd", 300, "FULFILLED")]


def test_a_code_that_a_server_says_was_used_is_redeemed_once_and_a_browser_may_not_say_so() -> None:
    coupon = {"name": "coupon", "to": "friend", "value": {"amount": "5", "unit": "USD"}, "supplier": "pool"}
    with town_of(rewards=[coupon], events={"actions": ["checkout_started"]}) as town:
        town.engine.execute([c.PutSupplier(1, Supplier("pool", "COUPON_POOL")), c.AddCoupons(1, "pool", 1, ("A-1",))])
        come(town, town.click(town.person("ada", "ada@mail.example")), "ben")
        town.buy("o1", userId="ben")
        used = {"coupon_code": "a-1"}
        town.buy("claimed", userId="ben", by=BROWSER_KEY, properties=used)
        town.say("track", event="checkout_started", userId="ben", properties=used)
        town.buy("other", userId="ben", properties={"coupon_code": "A-2"})
        assert town.live() == [("ben", 500, "FULFILLED")]
        town.buy("Claimed", userId="ben", properties=used)
        assert town.live() == [("ben", 500, "REDEEMED")], "the server confirms what the browser said"
        town.buy("o3", userId="ben", properties=used)
        moves = [move for move in rewards.history(town.store, 1, town.rewards()[0]) if move.after == "REDEEMED"]
        ((detail, cause),) = [(move.detail, move.cause) for move in moves]
        assert detail == {"partner_event_id": "claimed", "event_name": "conversion"}
        assert list(rewards.causes_of(town.store, 1, [cause])) == [cause]
        town.say("track", event="canceled", userId="ben", properties={"partner_conversion_id": "o1"})
        assert town.live() == [("ben", 500, "REDEEMED")], "what was used is not taken back"
