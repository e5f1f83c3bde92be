"""Blocks hold for what is pending and for what comes, not for what was settled before (domain 2.8)."""

from __future__ import annotations

import pytest

from goodword.core import command as c
from goodword.core.block import BlockEntry
from tests.referral.test_ending import WAITING, refer, states, tend
from tests.referral.test_terms import town_of
from tests.referral.town import BROWSER_KEY, DAY, MINUTE, Town

WAYS = ["address of the friend", "address of the advocate", "domain", "person", "person, from rewards"]


def block(town: Town, way: str) -> None:
    """Block the friend or the advocate of `refer`, one way or another."""
    town.passes(MINUTE)
    if way.startswith("person"):
        ben = next(reward.profile_id for reward in town.rewards() if town.name(reward.profile_id) == "ben")
        command: c.Command = c.SetBlock(1, ben, "REWARDS" if way.endswith("rewards") else "EVENTS", "chargebacks")
    elif way == "domain":
        command = c.PutBlock(1, BlockEntry("EMAIL_DOMAIN", "BLACK", "post.example"))
    else:
        email = "ben@post.example" if way.endswith("friend") else "ada@mail.example"
        command = c.PutBlock(1, BlockEntry("NORMALIZED_EMAIL", "BLACK", email))
    assert [outcome.verdict for outcome in town.engine.execute([command])] == ["done"]


def quality(town: Town) -> list[str]:
    return [judged[3] for judged in town.judgements()]


@pytest.mark.parametrize("way", WAYS)
def test_what_was_given_before_a_block_stays(way: str) -> None:
    with town_of() as town:
        refer(town)
        assert states(town) == ["FULFILLED", "FULFILLED"]
        block(town, way)
        town.passes(DAY)
        town.buy("o2", userId="ben")
        assert states(town) == ["FULFILLED", "FULFILLED"]
        assert quality(town) == (["HIGH", "HIGH"] if way.endswith("rewards") else ["HIGH", "LOW"])
        town.engine.execute([c.Rejudge(1, reward.profile_id) for reward in town.rewards()])
        assert states(town) == ["FULFILLED", "FULFILLED"]


@pytest.mark.parametrize("way", WAYS[:-1])
def test_what_is_pending_when_somebody_is_blocked_is_not_given(way: str) -> None:
    with town_of(rewards=WAITING) as town:
        refer(town)
        assert states(town) == ["EARNED", "EARNED"]
        block(town, way)
        town.passes(3 * DAY)
        tend(town)
        assert states(town) == ["CANCELED", "CANCELED"]


def test_what_waited_before_a_block_and_waits_no_longer_stays() -> None:
    with town_of(rewards=WAITING) as town:
        refer(town)
        town.passes(3 * DAY)
        tend(town)
        block(town, "domain")
        town.buy("o2", userId="ben")
        assert states(town) == ["FULFILLED", "FULFILLED"]


@pytest.mark.parametrize(("blocked_after_days", "left"), [(3, "CANCELED"), (8, "FULFILLED")])
def test_an_order_that_a_browser_says_is_pending_while_it_waits_for_a_server(blocked_after_days: int, left: str) -> None:
    with town_of() as town:
        refer(town, by=BROWSER_KEY)
        town.passes(blocked_after_days * DAY)
        tend(town)
        block(town, "domain")
        town.passes(10 * DAY)
        tend(town)
        town.buy("o2", userId="ben", by=BROWSER_KEY)
        assert set(states(town)) == {left}


def test_what_waits_for_a_person_is_refused_when_somebody_is_blocked() -> None:
    with town_of() as town:
        refer(town, value="2000000.00")
        assert town.judgements()[0][4] == "open"
        block(town, "domain")
        town.passes(DAY)
        town.buy("o2", userId="ben")
        assert quality(town) == ["LOW", "LOW"]
        assert states(town) == []


def test_a_friend_who_becomes_known_after_the_block_is_refused_for_what_they_did_before() -> None:
    """The order came first, the page that says who had sent them after the block."""
    with town_of() as town:
        ada = town.person("ada", "ada@mail.example")
        click = town.click(ada)
        town.passes(MINUTE)
        town.say("identify", userId="ben", anonymousId="d1", traits={"email": "ben@post.example"})
        town.buy("o1", userId="ben")
        town.passes(MINUTE)
        town.engine.execute([c.PutBlock(1, BlockEntry("EMAIL_DOMAIN", "BLACK", "post.example"))])
        town.passes(MINUTE)
        town.visit(click, anonymousId="d1")
        assert quality(town) == ["LOW"]


def test_an_entry_that_turns_from_white_to_black_blocks_from_then_on() -> None:
    with town_of() as town:
        town.engine.execute([c.PutBlock(1, BlockEntry("EMAIL_DOMAIN", "WHITE", "post.example"))])
        refer(town)
        block(town, "domain")
        town.buy("o2", userId="ben")
        assert (states(town), quality(town)) == (["FULFILLED", "FULFILLED"], ["HIGH", "LOW"])
