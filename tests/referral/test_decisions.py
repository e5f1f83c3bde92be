"""What people decide about events that wait for them, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.campaign import Mark
from goodword.core.decision import Outcome
from goodword.core.profile import IdentityKey, ProfileId
from goodword.storage.query import review
from tests.referral.test_why import of_order, of_person, refer, said
from tests.referral.town import BROWSER_KEY, DAY, MINUTE, START, Town

# -- people's decisions ----------------------------------------------------------------------------------------------------------------


def decide(town: Town, decision: Any, *, note: str = "looked at it", by: str = "mara", message_id: str = "", **changes: Any) -> Outcome:
    line = review.queue(town.store, 1, "open", None, 1) or review.queue(town.store, 1, "declined", None, 1)
    line = line or review.queue(town.store, 1, "approved", None, 1)
    friend, step = line[0].friend, line[0].step
    assert friend is not None
    assert step is not None
    command = c.Review(1, friend.id, message_id or step.message_id, line[0].judgement.campaign, decision, by, note)
    return town.engine.execute([replace(command, **changes)])[0]


def test_an_approved_event_earns_and_a_declined_one_gives_back(reviewed: Town) -> None:
    town = reviewed
    refer(town, by=BROWSER_KEY)
    assert town.live() == []
    assert "waits for a person to look at it" in of_order(town, "order-1").summary
    town.passes(DAY)
    assert decide(town, "approved").verdict == "done"
    assert [reward[2] for reward in town.live()] == ["FULFILLED", "FULFILLED"]
    story = of_order(town, "order-1")
    assert said(story, "review") == "mara approved the order: looked at it"
    assert "The order counts: a person approved it." in story.summary
    before = town.store.last_arrival
    assert decide(town, "approved").value == "unchanged"
    assert town.store.last_arrival == before
    assert decide(town, "declined", note="no").value == "declined"
    assert town.live() == []
    assert "mara declined the order: no" in said(of_order(town, "order-1"), "review")
    (line,) = review.queue(town.store, 1, "declined", "refer-a-friend", 10)
    assert review.as_json(line, town.now)["note"] == "no"
    assert review.queue(town.store, 1, "open", None, 10) == []


def test_a_decision_stands_whatever_comes_later(reviewed: Town) -> None:
    refer(reviewed, by=BROWSER_KEY)
    decide(reviewed, "declined")
    reviewed.buy("order-1", userId="ben")
    reviewed.engine.execute([c.Rejudge(1, review.queue(reviewed.store, 1, "declined", None, 1)[0].friend.id)])  # type: ignore[union-attr]
    assert reviewed.live() == []
    assert [line.judgement.review for line in review.queue(reviewed.store, 1, "declined", None, 5)] == ["declined"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"note": " "}, "missing_note"),
        ({"by": ""}, "missing_name"),
        ({"message_id": "nothing"}, "review_not_found"),
        ({"campaign": "other"}, "review_not_found"),
        ({"profile_id": ProfileId(999)}, "person_not_found"),
    ],
)
def test_decisions_that_are_refused(reviewed: Town, changes: dict[str, Any], code: str) -> None:
    refer(reviewed, by=BROWSER_KEY)
    outcome = decide(reviewed, "approved", **changes)
    assert (outcome.verdict, outcome.code) == ("refused", code)
    assert reviewed.live() == []


def test_nothing_is_decided_in_a_stopped_campaign(reviewed: Town) -> None:
    refer(reviewed, by=BROWSER_KEY)
    campaign = reviewed.store.programs[1].campaigns["refer-a-friend"]
    reviewed.passes(MINUTE)
    reviewed.put(replace(campaign, history=(*campaign.history, Mark(reviewed.now, "STOPPED", 1))))
    assert decide(reviewed, "approved").code == "campaign_stopped"


def test_what_a_deleted_friend_did_waits_for_nobody(reviewed: Town) -> None:
    refer(reviewed, by=BROWSER_KEY)
    (open_line,) = review.queue(reviewed.store, 1, "open", None, 10)
    reviewed.engine.execute([c.Erase(1, (IdentityKey("uben"),), erasure_id="e")])
    assert review.queue(reviewed.store, 1, "open", None, 10) == []
    item = (open_line.judgement.arrival, "refer-a-friend")
    assert review.targets(reviewed.store, 1, [item]) == {}
    line = review.line(reviewed.store, 1, item)
    assert line is not None
    shown = review.as_json(line, reviewed.now)
    assert shown["friend"]["is_deleted"]
    assert "deleted" in shown["why"]


def test_judging_anew_forgets_what_limits_said(town: Town) -> None:
    refer(town)
    number = ProfileId(int(of_person(town, "ben").person["person_id"]))  # type: ignore[index]
    paid = town.live()
    outcome = town.engine.execute([c.Rejudge(1, number)])[0]
    assert outcome.verdict == "done"
    assert town.live() == paid
    assert town.engine.execute([c.Rejudge(1, ProfileId(12345))])[0].code == "person_not_found"


def test_the_queue_is_oldest_first_and_in_pages(reviewed: Town) -> None:
    refer(reviewed, by=BROWSER_KEY)
    for number in range(2, 5):
        reviewed.passes(MINUTE)
        reviewed.buy(f"order-{number}", userId="ben", by=BROWSER_KEY)
    found = [line.step.key for line in review.queue(reviewed.store, 1, "open", None, 10) if line.step]
    assert found == ["order-1", "order-2", "order-3", "order-4"]
    assert [line.step.key for line in review.queue(reviewed.store, 1, "open", None, 2, 1) if line.step] == ["order-2", "order-3"]
    assert review.queue(reviewed.store, 1, "open", "other", 10) == []
    assert reviewed.now > START
