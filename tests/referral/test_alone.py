"""A step that comes alone is judged alone, and everything is as if all had been judged anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from goodword.core import basis, verdict
from goodword.core import command as c
from goodword.core.block import BlockEntry
from goodword.core.campaign import Mark
from goodword.core.referral import NO_EVIDENCE, Journey
from goodword.core.rulebook import judge_quality
from goodword.storage.query import person as people
from goodword.storage.query import referral
from tests.referral.test_order_of_any_story import EXAMPLES, Said, orders, stories, told
from tests.referral.test_terms import come
from tests.referral.town import BROWSER_KEY, DAY, MINUTE, REFER_A_FRIEND, Town

NEVER = 1 << 30


@st.composite
def loyal(draw: st.DrawFn) -> list[Said]:
    """A story in which a friend goes on buying."""
    story: list[Said] = draw(stories())
    for number in range(draw(st.integers(2, 6))):
        story += draw(orders("ben", 10 + number))
    return story


_RELATIONSHIP = "friend_id, program, advocate_id, campaign_id, reason, at, updated_at, cause, coalesce(displaced_at, 0)"
"""All columns but a hash that is made with an installation's own key."""


def _everything(town: Town) -> dict[str, Any]:
    """All rows that judging writes."""
    tables = ("judgement", "credited", "balance", "posting", "people_tally", "referral_tally", "reward_tally", "earned")
    journeys = (people.find(town.store, 1, number) for (number,) in town.store.database.read("SELECT profile_id FROM journey"))
    found = [referral.journey_of(town.store, 1, profile) for profile in journeys if profile is not None]
    return {
        **{table: sorted(town.store.database.read(f"SELECT * FROM {table}"), key=repr) for table in tables},
        "relationships": sorted(town.store.database.read(f"SELECT {_RELATIONSHIP} FROM relationship")),
        "rewards": town.rewards(),
        "journeys": [_plain(journey) for journey in found if journey is not None],
    }


def _plain(journey: Journey) -> Journey:
    """Without the basis, and without what is hashed with an installation's own key."""
    steps = tuple(replace(step, evidence=NO_EVIDENCE) for step in journey.steps)
    return replace(journey, basis=0, steps=steps, sightings=())


@pytest.mark.timeout(300 + 5 * EXAMPLES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=loyal(), data=st.data())
def test_whether_steps_are_judged_alone_makes_no_difference(story: list[Said], data: st.DataObject) -> None:
    order = sorted(range(len(story)), key=lambda index: story[index][1]["at"])
    for index in data.draw(st.lists(st.integers(0, len(story) - 1), max_size=3)):  # some come at another time, or once more
        order.insert(data.draw(st.integers(0, len(order))), index)
    groups = data.draw(st.lists(st.integers(1, 4), max_size=30))
    pause = data.draw(st.sampled_from((0, MINUTE, 3 * DAY)))
    found = []
    for least in (1, NEVER):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(basis, "STEPS_MIN", least)
            found.append(told(story, order, groups, pause, _everything))
    assert found[0] == found[1]


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps that were judged, as they are."""
    found: list[int] = []

    def noted(quality: Any, case: Any, reference: Any) -> Any:
        found.append(case.step.arrival)
        return judge_quality(quality, case, reference)

    monkeypatch.setattr(verdict, "judge_quality", noted)
    return found


def _loyal_friend(town: Town, orders: int = 6) -> None:
    come(town, town.click(town.person("ada", "ada@mail.example")), "ben")
    for number in range(orders):
        town.passes(DAY)
        town.buy(f"o{number}", userId="ben")


def test_an_order_of_a_loyal_friend_is_judged_alone(tmp_path: Path, judged: list[int]) -> None:
    town = Town(tmp_path)
    _loyal_friend(town)
    judged.clear()
    town.passes(MINUTE)
    town.buy("next", userId="ben")
    assert len(judged) == 1
    assert town.live() == [("ada", 1000, "FULFILLED"), ("ben", 1000, "FULFILLED")]
    town.close()


WHY_ALL = {
    "an order dated before the others": lambda town: town.buy("early", userId="ben", at=town.now - 3 * DAY),
    "another link": lambda town: town.visit(town.click(town.person("cyd", "cyd@web.example")), userId="ben"),
    "an order that was returned": lambda town: town.say("track", event="returned", userId="ben", properties={"order_id": "o1"}),
    "the friend is known better": lambda town: town.person("ben", "benjamin@post.example"),
    "the advocate is known better": lambda town: town.person("ada", "ada.ray@mail.example"),
    "the campaign was paused": lambda town: _paused(town),
    "a domain was blocked": lambda town: town.engine.execute([c.PutBlock(1, BlockEntry("EMAIL_DOMAIN", "BLACK", "x.example"))]),
    "the address was listed": lambda town: town.engine.execute(
        [c.PutBlock(1, BlockEntry("NORMALIZED_EMAIL", "BLACK", "ben@post.example"))]
    ),
    "an order waits": lambda town: town.buy("claimed", userId="ben", by=BROWSER_KEY),
}


def _paused(town: Town) -> None:
    campaign = town.store.programs[1].campaigns["refer-a-friend"]
    town.put(replace(campaign, history=(*campaign.history, Mark(town.now, "PAUSED", campaign.latest))))


@pytest.mark.parametrize("what", WHY_ALL)
def test_what_earlier_orders_were_judged_by_has_changed_so_all_are_judged(tmp_path: Path, judged: list[int], what: str) -> None:
    town = Town(tmp_path)
    _loyal_friend(town)
    town.passes(MINUTE)
    judged.clear()
    WHY_ALL[what](town)
    town.passes(MINUTE)
    town.buy("next", userId="ben")
    assert len(set(judged)) >= 7
    town.close()


def test_a_reward_that_asks_what_was_done_has_all_judged(tmp_path: Path, judged: list[int]) -> None:
    rewards = [{**REFER_A_FRIEND["rewards"][0], "rules": {"has_done": ["conversion"]}}]
    town = Town(tmp_path, {**REFER_A_FRIEND, "rewards": rewards})
    _loyal_friend(town)
    judged.clear()
    town.passes(MINUTE)
    town.buy("next", userId="ben")
    assert len(judged) == 7
    town.close()
