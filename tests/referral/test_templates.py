"""Every template, published as it comes, does what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from goodword.core import command as c
from goodword.document.template import template
from goodword.document.text import examine
from tests.referral.town import BROWSER_KEY, DAY, MINUTE, Town


class Launched(Town):
    """A town with one template in force."""

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__(folder, None)
        document = examine(template(name) or "").document
        assert document is not None
        for changed in (True, False):
            (outcome,) = self.engine.execute([c.SaveCampaign(1, document, publish=True)])
            assert (outcome.value["state"], outcome.value["changed"]) == ("LIVE", changed)
        self.document = document
        self.passes(MINUTE)

    def befriend(self, *names: str) -> None:
        """Ada's friends follow her link, sign up, and buy."""
        ada = self.person("ada", "ada@mail.example")
        for name in names:
            click = self.click(ada, campaign=self.document.program)
            self.person(name, f"{name}@post{name}.example", anonymousId=f"device-{name}")
            self.visit(click, userId=name, anonymousId=f"device-{name}")
            self.passes(10 * MINUTE)
            self.say("track", event="registration", userId=name)
            self.passes(10 * MINUTE)
            self.buy(f"order-{name}", userId=name)
            self.passes(10 * MINUTE)


@pytest.fixture
def town(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Launched]:
    launched = Launched(tmp_path, request.param)
    yield launched
    launched.close()


@pytest.mark.parametrize("town", ["refer-a-friend"], indirect=True)
def test_refer_a_friend_gives_ten_points_to_each_on_the_first_purchase(town: Launched) -> None:
    town.befriend("ben")
    assert town.live() == [("ada", 1000, "FULFILLED"), ("ben", 1000, "FULFILLED")]
    town.buy("second", userId="ben")
    assert len(town.live()) == 2


@pytest.mark.parametrize("town", ["refer-a-friend"], indirect=True)
def test_refer_a_friend_waits_a_week_for_what_only_a_browser_says(town: Launched) -> None:
    ada = town.person("ada", "ada@mail.example")
    town.person("ben", "ben@post.example")
    town.visit(town.click(ada), userId="ben")
    town.passes(10 * MINUTE)
    at = town.now
    town.buy("order", userId="ben", by=BROWSER_KEY)
    assert [(reward.state, reward.waiting, reward.due_at) for reward in town.rewards()] == [("EARNED", "pending", at + 7 * DAY)] * 2


@pytest.mark.parametrize("town", ["refer-nth"], indirect=True)
def test_refer_nth_gives_a_bonus_for_every_fifth_friend(town: Launched) -> None:
    town.befriend("ben", "cyd", "dan", "eve")
    assert [value for name, value, _ in town.live() if name == "ada"] == [1000] * 4
    town.befriend("fay")
    assert [value for name, value, _ in town.live() if name == "ada"] == [1000] * 5 + [5000]


@pytest.mark.parametrize("town", ["welcome-offer"], indirect=True)
def test_the_welcome_offer_gives_a_code_to_whoever_signs_up_once(town: Launched) -> None:
    town.person("ben", "ben@post.example")
    town.say("track", event="registration", userId="ben")
    town.passes(MINUTE)
    town.say("track", event="registration", userId="ben")
    (reward,) = town.rewards()
    assert (reward.name, reward.role, reward.unit, reward.value, reward.state) == (
        "welcome",
        "participant",
        "PERCENT_OFF",
        1000,
        "FULFILLED",
    )
    assert reward.secret["code"] == "WELCOME10"
    assert reward.expires_at == reward.created_at + 30 * DAY


@pytest.mark.parametrize("town", ["reward-for-action"], indirect=True)
def test_reward_for_action_gives_points_once_in_thirty_days(town: Launched) -> None:
    town.person("ben", "ben@post.example")
    for days in (0, 5, 31):
        town.passes(days * DAY)
        town.say("track", event="Review_Written", userId="ben")
    assert [value for _, value, _ in town.live()] == [2000, 2000]
