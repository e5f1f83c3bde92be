"""Why: the story told of people and orders, as support reads it; and people's decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.campaign import Document, Mark, Version
from goodword.core.profile import IdentityKey, ProfileId
from goodword.core.referral import Share
from goodword.storage.query import person as people
from goodword.storage.query import referral, review, why
from goodword.storage.query.why import Story
from tests.referral.town import BROWSER_KEY, DAY, MINUTE, REFER_A_FRIEND, Town


def of_order(town: Town, order: str) -> Story:
    return why.why_order(town.store, 1, order, town.now)


def of_person(town: Town, named: str) -> Story:
    return why.why_person(town.store, 1, named, town.now)


def kinds(story: Story) -> list[str]:
    return [moment.what for moment in story.moments]


def said(story: Story, what: str) -> str:
    return " ".join(moment.why for moment in story.moments if moment.what == what)


def refer(town: Town, advocate: str = "ada", friend: str = "ben", **buyer: Any) -> ProfileId:
    """The advocate's link brings the friend, who becomes known and buys `order-1`."""
    ada = town.person(advocate, f"{advocate}@mail.example")
    click = town.click(ada)
    town.passes(MINUTE)
    town.visit(click, anonymousId=f"device-{friend}")
    town.person(friend, f"{friend}@post.example", anonymousId=f"device-{friend}")
    town.passes(MINUTE)
    town.buy("order-1", userId=friend, **buyer)
    return ada


# -- the story -----------------------------------------------------------------------------------------------------------------------


def test_the_story_of_an_order_goes_from_the_click_to_the_rewards(town: Town) -> None:
    refer(town)
    story = of_order(town, " ORDER-1 ")
    assert story.found == "person"
    assert story.order == " ORDER-1 "
    assert kinds(story) == ["click", "link_up", "outcome", "attribution", "judged", *["reward"] * 4]
    assert [moment.at for moment in story.moments] == sorted(moment.at for moment in story.moments)
    assert "50.00 USD (order order-1). A server said so." in said(story, "outcome")
    assert (
        "credited to a…@mail.example in the campaign `refer-a-friend` (version 1), because their share link was followed" in story.summary
    )
    assert "They earned 10 points, which was given." in story.summary
    judged = next(moment for moment in story.moments if moment.what == "judged")
    assert {rule["result"] for rule in judged.data["rules"]} <= {"PASS", "UNKNOWN"}
    assert all(rule["rule"] for rule in judged.data["rules"])


def test_the_other_side_is_not_given_away(town: Town) -> None:
    refer(town)
    for named, other in (("ben", "ada@mail.example"), ("ada", "ben@post.example")):
        text = str(why.as_json(of_person(town, named)))
        assert other not in text
        assert f"{other[0]}…@{other.partition('@')[2]}" in text


def test_who_else_had_sent_them_is_told_with_the_reason_why_not(town: Town) -> None:
    eve = town.person("eve", "eve@mail.example")
    town.visit(town.click(eve), anonymousId="device-ben")
    town.passes(MINUTE)
    refer(town)
    story = of_order(town, "order-1")
    assert "e…@mail.example had sent them too, and was not credited: a later referral goes first." in said(story, "attribution")
    others = next(moment.data["others"] for moment in story.moments if moment.what == "attribution")
    assert [(other["advocate_id"], other["reason"]) for other in others] == [(str(eve), "SHARE_ID")]


def test_a_code_on_the_order_goes_before_a_link(town: Town) -> None:
    eve = town.person("eve", "eve@mail.example")
    town.link(eve, "eve-code")
    refer(town, properties={"advocate_code": "eve-code"})
    story = of_order(town, "order-1")
    assert "credited to e…@mail.example" in story.summary
    assert "their code was given on it" in story.summary
    assert (
        "a…@mail.example had sent them too, and was not credited: the order itself named somebody else, which goes first." in story.summary
    )


def test_a_share_to_the_address_is_told_as_one(town: Town) -> None:
    ada = town.person("ada", "ada@mail.example")
    town.put(Share(7, ada, town.now, "EMAIL", "", "refer-a-friend", "refer-a-friend", ("ben@post.example",)))
    town.passes(MINUTE)
    town.person("ben", "ben@post.example")
    town.buy("order-1", userId="ben")
    story = of_order(town, "order-1")
    assert said(story, "share") == "a…@mail.example shared with their e-mail address."
    assert "because they had shared with this address" in story.summary


def test_a_cancellation_and_what_it_took_back(town: Town) -> None:
    refer(town)
    town.passes(DAY)
    town.say("track", event="canceled", userId="ben", properties={"partner_conversion_id": "order-1"})
    story = of_order(town, "order-1")
    assert said(story, "cancellation") == "Order order-1 was canceled or returned."
    assert "The order does not count: the order was canceled or returned." in story.summary
    assert said(story, "reward").count("was taken back") == 2
    assert story.moments[-1].at == town.now


def test_a_partial_return_is_told_with_its_amount(town: Town) -> None:
    refer(town)
    town.say("track", event="returned", userId="ben", properties={"partner_conversion_id": "order-1", "cart_value": "20.00"})
    assert said(of_order(town, "order-1"), "cancellation") == "A part of order order-1 was returned: 20.00 USD."


def test_a_browser_s_word_waits_and_the_story_says_until_when(town: Town) -> None:
    refer(town, by=BROWSER_KEY)
    story = of_order(town, "order-1")
    assert "A browser claimed it" in said(story, "outcome")
    assert "It waits until 2026-09-28" in story.summary
    waiting = [moment.data for moment in story.moments if moment.what == "reward"]
    assert {(data["waiting"], data["state"]) for data in waiting} == {("pending", "EARNED")}
    assert all("due_at" in data for data in waiting)


def test_a_reward_s_own_rule_says_why_it_was_not_earned(town: Town) -> None:
    rules = {"email": False, "value_min": "100"}
    rewards = [{"name": "big", "to": "friend", "value": {"amount": "5", "unit": "USD"}, "rules": rules}]
    town.launch({**REFER_A_FRIEND, "rewards": rewards})
    refer(town)
    story = of_order(town, "order-1")
    assert "The reward `big` was not earned:" in said(story, "reward_refused")
    assert "version 2" in story.summary


def test_what_a_person_wrote_when_taking_a_reward_back_is_told(town: Town) -> None:
    refer(town)
    reward = next(each for each in town.rewards() if each.role == "friend")
    town.engine.execute([c.MoveReward(1, reward.id, ("REVOKED",), "paid twice by mistake", "mara")])
    assert "was taken back by mara: paid twice by mistake." in said(of_person(town, "ben"), "reward")


# -- why nothing happened --------------------------------------------------------------------------------------------------------------


def test_nobody_had_sent_them(town: Town) -> None:
    town.buy("order-1", userId="kim")
    story = of_order(town, "order-1")
    assert kinds(story) == ["outcome", "unattributed"]
    assert "Nobody is known to have sent them" in story.summary


def test_the_click_came_after_the_order(town: Town) -> None:
    ada = town.person("ada", "ada@mail.example")
    town.buy("order-1", userId="kim")
    town.passes(2 * 60 * MINUTE)
    town.visit(town.click(ada), userId="kim")
    story = of_order(town, "order-1")
    assert "that was 2 hours after the order, and only what comes before it counts" in story.summary
    assert kinds(story)[:2] == ["outcome", "unattributed"]


@pytest.mark.parametrize(
    ("attribution", "days", "why_not"),
    [
        ({"window_days": 5}, 9, "that was 9 days before the order, and the campaign looks back 5 days"),
        ({"reasons": ["COUPON_CODE"]}, 1, "the campaign does not count that their share link was followed"),
    ],
)
def test_what_the_campaign_does_not_take(town: Town, attribution: dict[str, Any], days: int, why_not: str) -> None:
    town.launch({**REFER_A_FRIEND, "attribution": attribution})
    ada = town.person("ada", "ada@mail.example")
    town.visit(town.click(ada), userId="kim")
    town.passes(days * DAY)
    town.buy("order-1", userId="kim")
    assert why_not in of_order(town, "order-1").summary


def test_the_click_was_told_too_late(town: Town) -> None:
    ada = town.person("ada", "ada@mail.example")
    click = town.click(ada)
    town.passes(MINUTE)
    town.buy("order-1", userId="kim")
    town.passes(9 * DAY)
    town.visit(click, userId="kim")
    story = of_order(town, "order-1")
    assert "Goodword learned of it 9 days after the order, and the campaign waits 7 days for that" in story.summary


def test_the_campaign_was_not_live_then(tmp_path: Path) -> None:
    town = Town(tmp_path, None)
    town.buy("order-1", userId="kim")
    assert "No campaign listens to `conversion`." in of_order(town, "order-1").summary
    town.passes(DAY)
    town.launch(REFER_A_FRIEND, at=town.now)
    assert "was not live at the time of the order: it is live since 2026-09-22" in of_order(town, "order-1").summary
    campaign = town.store.programs[1].campaigns["refer-a-friend"]
    town.passes(MINUTE)
    town.put(replace(campaign, history=(*campaign.history, Mark(town.now, "STOPPED", 1))))
    town.buy("order-2", userId="kim")
    assert "it was STOPPED since 2026-09-22" in of_order(town, "order-2").summary
    draft = replace(campaign, history=())
    town.put(draft)
    assert "it was never published" in of_order(town, "order-2").summary
    town.close()


def test_a_newer_draft_does_not_say_what_an_event_was(town: Town) -> None:
    """Nobody sent them, so nothing was judged: what the order was to the campaign is read from the version in force then."""
    town.buy("order-1", userId="kim")
    campaign = town.store.programs[1].campaigns["refer-a-friend"]
    draft = msgspec.convert({**REFER_A_FRIEND, "events": {"outcome": ["bought"], "actions": ["conversion"]}}, Document)
    town.put(Version("refer-a-friend", 2, town.now, "", "", draft), replace(campaign, latest=2, documents={**campaign.documents, 2: draft}))
    assert [moment.what for moment in of_order(town, "order-1").moments] == ["outcome", "unattributed"]


def test_who_is_unknown_and_who_was_deleted(town: Town) -> None:
    refer(town)
    assert of_person(town, "nobody").found == "nobody"
    assert of_person(town, "9999").found == "nobody"
    assert of_order(town, "order-9").summary == "No order with the id order-9 is known: it was never sent as a conversion with its id."
    town.say("track", event="canceled", userId="ben", properties={"partner_conversion_id": "order-9"})
    assert "A cancellation of it came" in of_order(town, "order-9").summary
    town.engine.execute([c.Erase(1, (IdentityKey("uben"),), erasure_id="e")])
    for story in (of_person(town, "ben"), of_person(town, "ben@post.example"), of_order(town, "order-1")):
        assert story.found == "deleted"
        assert story.moments == []
        assert story.person is None
        assert "deleted" in story.summary
    advocate = of_person(town, "ada")
    assert "They referred someone who was deleted since" in said(advocate, "friend")
    town.engine.execute([c.Erase(1, (IdentityKey("ukim"),), erasure_id="f", suppress=True)])
    assert of_person(town, "kim").summary == "This person was deleted. Nothing is known of them any more."


def test_another_account_sees_nobody(town: Town) -> None:
    refer(town)
    assert why.why_person(town.store, 2, "ben", town.now).found == "nobody"
    assert why.why_order(town.store, 2, "order-1", town.now).found == "nobody"
    assert list(referral.relationships(town.store, 2, people.find(town.store, 1, 1), referral.RelationshipFilter())) == []  # type: ignore[arg-type]


def test_people_are_found_by_address_number_and_device(town: Town) -> None:
    refer(town)
    ben = of_person(town, "ben").person
    assert ben is not None
    for named in ("BEN@post.example ", ben["person_id"], "device-ben"):
        assert of_person(town, named).person == ben


def test_someone_blocked_is_told_to_be(town: Town) -> None:
    refer(town)
    number = of_person(town, "ben").person["person_id"]  # type: ignore[index]
    town.engine.execute([c.SetBlock(1, ProfileId(int(number)), "REWARDS", "chargebacks")])
    assert said(of_person(town, "ben"), "block") == "They are kept from rewards: chargebacks."


# -- an advocate's story ---------------------------------------------------------------------------------------------------------------


def test_an_advocate_s_story_has_links_clicks_friends_and_what_became_of_them(town: Town) -> None:
    ada = refer(town)
    town.link(ada, "ada-code")
    story = of_person(town, "ada")
    assert story.advocate is not None
    assert [link["code"] for link in story.advocate["links"]] == ["ada-code"]
    assert story.advocate["clicks"]["count"] == 1
    friends = story.advocate["friends"]
    assert (friends["count"], friends["displaced"], len(friends["latest"])) == (1, 0, 1)
    assert friends["latest"][0]["who"] == "b…@post.example"
    assert said(story, "link") == "They got the share link `ada-code` of refer-a-friend."
    assert said(story, "friend") == "They referred b…@post.example: their share link was followed."
    assert "b…@post.example (2026-09-21 14:15 UTC): The order counts" in said(story, "judged")
    assert story.summary == "They referred 1 friend. They earned 10 points, which was given."


def test_a_friend_taken_by_another_link_is_shown_as_displaced(town: Town) -> None:
    eve = town.person("eve", "eve@mail.example")
    town.visit(town.click(eve), anonymousId="device-ben")
    town.passes(MINUTE)
    refer(town)
    story = of_person(town, "eve")
    assert story.advocate is not None
    assert story.advocate["friends"]["displaced"] == 1
    assert "It was displaced by a later one" in said(story, "friend")


def test_a_friend_s_device_that_became_theirs_is_not_counted_as_another(town: Town) -> None:
    ada = town.person("ada", "ada@mail.example")
    town.person("ben", "ben@post.example")
    town.visit(town.click(ada), anonymousId="device-ben")
    town.say("identify", userId="ben", anonymousId="device-ben")
    story = of_person(town, "ada")
    assert story.advocate is not None
    assert (story.advocate["friends"]["count"], story.advocate["friends"]["displaced"]) == (1, 0)
    assert kinds(story) == ["friend"]


def test_a_busy_person_s_story_is_cut(town: Town) -> None:
    refer(town)
    for number in range(why.STEPS_MAX + 5):
        town.passes(MINUTE)
        town.buy(f"more-{number}", userId="ben")
    story = of_person(town, "ben")
    assert story.is_cut
    assert kinds(story).count("outcome") == why.STEPS_MAX


def test_an_advocate_of_many_friends_is_read_by_pages(town: Town) -> None:
    ada = town.person("ada", "ada@mail.example")
    click = town.click(ada)
    town.say_all([town.message("track", by=BROWSER_KEY, event="hello", anonymousId=f"d{n}", properties={"gw": click}) for n in range(450)])
    profile = people.find(town.store, 1, ada)
    assert profile is not None
    everyone = list(referral.relationships(town.store, 1, profile, referral.RelationshipFilter()))
    assert len({each.other_id for each in everyone}) == 450
    assert list(referral.relationships(town.store, 1, profile, referral.RelationshipFilter(excludes_anonymous=True))) == []
    story = of_person(town, "ada")
    assert story.advocate is not None
    assert len(story.advocate["friends"]["latest"]) == why.FRIENDS_MAX
    assert story.advocate["friends"]["count"] == 450
    assert "at least 20 friends" in story.summary


def _is_within(plan: str, sql: str) -> bool:
    """Whether what is scanned is no table, but a list of keys or a query within the query."""
    return "VIRTUAL TABLE" in plan or "subquery" in plan or f") {plan.split()[1]}" in sql


def test_no_story_reads_a_table_through(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.link(refer(town), "ada-code")
    read = town.store.database.read
    plans: list[tuple[str, str]] = []

    def explained(sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        plans.extend((row[3], sql) for row in read("EXPLAIN QUERY PLAN " + sql, params))
        return read(sql, params)

    monkeypatch.setattr(town.store.database, "read", explained)
    for named in ("ada", "ben@post.example", "device-ben"):
        assert of_person(town, named).found == "person"
    assert of_order(town, "order-1").found == "person"
    review.queue(town.store, 1, "open", None, 10)
    review.queue(town.store, 1, "declined", "refer-a-friend", 10)
    assert len(plans) > 20
    assert [plan for plan in plans if plan[0].startswith("SCAN") and not _is_within(*plan)] == []
    assert [plan for plan in plans if plan[0].endswith("(account_id=?)")] == [], "an account is read through"
