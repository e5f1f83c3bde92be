"""Orders that a browser claims, or takes back, and a server says of somebody else. The next order's number can be guessed, so anyone may
claim it first: the claim earns nothing, and whoever placed the order loses nothing by it."""

from __future__ import annotations

from typing import Any

import pytest

from goodword.core import command as c
from goodword.core.decision import Outcome
from goodword.core.event import conversion_claim
from goodword.core.profile import IdentityKey
from goodword.storage.query import person as people
from goodword.storage.verify import verify
from tests.referral.town import BROWSER_KEY, DAY, MINUTE, REFER_A_FRIEND, Town

pytestmark = pytest.mark.usefixtures("on_both")


def bring(town: Town, advocate: str, friend: str) -> None:
    """A friend who came by an advocate's link, on a device of their own; no user id yet where the name is empty."""
    click = town.click(town.person(advocate, f"{advocate}@{advocate}.example"))
    town.passes(MINUTE)
    town.visit(click, anonymousId=f"device-of-{advocate}")
    if friend:
        town.person(friend, f"{friend}@{friend}.example", anonymousId=f"device-of-{advocate}")
    town.passes(MINUTE)


def claim(town: Town, order: str, **who: Any) -> Outcome:
    """An order that only a browser says."""
    return town.buy(order, by=BROWSER_KEY, **who)


def returned(town: Town, order: str, **said: Any) -> None:
    town.passes(MINUTE)
    town.say("track", event="returned", properties={"order_id": order}, **said)


def paid(*names: str) -> list[tuple[str, int, str]]:
    return sorted((name, 1000, "FULFILLED") for name in names)


def buyer_of(town: Town, order: str) -> str | None:
    asked = conversion_claim(order) or ""
    return people.find_by_claims(town.store, 1, [asked])[asked].user_id


def counted(town: Town) -> tuple[int, int, int]:
    """Conversions, repeats and value, as dashboards have them."""
    sql = "SELECT sum(count), sum(duplicates), sum(amount) FROM tally WHERE account_id = 1 AND name = 'conversion'"
    return town.store.database.read(sql)[0]


def objections(town: Town) -> list[tuple[str, str]]:
    """Quality and review of what was judged of claims."""
    found = [(row[3], row[4]) for row in town.judgements() if "same_buyer" in str(row[5])]
    return sorted(found)


@pytest.mark.parametrize("is_claimed_first", [True, False])
def test_an_order_is_its_buyers_whoever_claimed_it_in_a_browser(town: Town, is_claimed_first: bool) -> None:
    bring(town, "mallory", "mal")
    bring(town, "ada", "ben")
    if is_claimed_first:
        claim(town, "1002", userId="mal")
    town.buy("1002", userId="ben")
    if not is_claimed_first:
        claim(town, "1002", userId="mal")
    assert town.live() == paid("ada", "ben")
    assert buyer_of(town, "1002") == "ben"
    assert counted(town) == (1, 1, 5000)
    town.buy("1002", userId="ben", properties={"note": "again"})
    claim(town, "1002", userId="mal")
    town.passes(30 * DAY)
    assert town.live() == paid("ada", "ben")
    assert counted(town) == (1, 3, 5000)
    assert verify(town.store) == []


def test_claim_and_order_may_come_at_the_same_moment(town: Town) -> None:
    bring(town, "mallory", "mal")
    bring(town, "ada", "ben")
    properties = {"partner_conversion_id": "1002", "cart_value": "50.00"}
    town.say_all(
        [
            town.message("track", event="conversion", properties=properties, userId="mal", by=BROWSER_KEY),
            town.message("track", event="conversion", properties=properties, userId="ben"),
            town.message("track", event="conversion", properties=properties, userId="ben"),
        ]
    )
    assert town.live() == paid("ada", "ben")
    assert counted(town) == (1, 2, 5000)
    assert verify(town.store) == []


def test_what_a_server_said_first_stands_whatever_a_server_says_later(town: Town) -> None:
    bring(town, "ada", "ben")
    claim(town, "1002", userId="ben")
    town.buy("1002", userId="ben")
    town.buy("1002", userId="carl")
    assert town.live() == paid("ada", "ben")
    assert buyer_of(town, "1002") == "ben"


def test_a_claim_by_a_known_other_person_is_refused(town: Town) -> None:
    bring(town, "mallory", "mal")
    claim(town, "1002", userId="mal")
    town.buy("1002", userId="carl")
    assert objections(town) == [("LOW", "")]
    assert town.live() == []


def test_a_claim_by_a_device_that_may_be_the_buyers_is_looked_at(town: Town) -> None:
    bring(town, "ada", "")
    claim(town, "1002", anonymousId="device-of-ada")
    town.buy("1002", userId="ben")
    assert objections(town) == [("HIGH", "open")]
    town.passes(30 * DAY)
    town.engine.execute([c.TendReward(1, reward.id) for reward in town.rewards()])
    assert town.live() == [("ada", 1000, "EARNED")]


def test_where_the_two_turn_out_to_be_one_person_the_order_counts_once(town: Town) -> None:
    bring(town, "ada", "")
    claim(town, "1002", anonymousId="device-of-ada")
    town.buy("1002", userId="ben")
    town.person("ben", "ben@ben.example", anonymousId="device-of-ada")
    assert town.live() == paid("ada", "ben")
    assert objections(town) == [("LOW", "")]
    assert verify(town.store) == []


def test_a_message_that_names_both_says_that_they_are_one(town: Town) -> None:
    bring(town, "ada", "")
    claim(town, "1002", anonymousId="device-of-ada")
    town.buy("1002", userId="ben", anonymousId="device-of-ada", properties={"email": "ben@ben.example"})
    assert town.live() == paid("ada", "ben")
    assert objections(town) == []


def test_who_claimed_somebody_elses_order_did_not_buy(town: Town) -> None:
    """The claim makes nobody a customer: neither for the rule about existing ones nor for what a reward asks."""
    friend = REFER_A_FRIEND["rewards"][1]
    town.launch({**REFER_A_FRIEND, "rewards": [REFER_A_FRIEND["rewards"][0], {**friend, "rules": {"has_not_done": ["conversion"]}}]})
    claim(town, "1002", userId="ben")
    town.buy("1002", userId="carl")
    bring(town, "ada", "ben")
    town.buy("1003", userId="ben")
    assert town.live() == paid("ada", "ben")


def test_a_claimed_order_that_comes_back_is_the_buyers_too(town: Town) -> None:
    bring(town, "mallory", "mal")
    bring(town, "ada", "ben")
    claim(town, "1002", userId="mal")
    town.buy("1002", userId="ben")
    returned(town, "1002", userId="clerk")
    assert town.live() == []


def test_a_claim_of_somebody_deleted_stays_the_first(town: Town) -> None:
    """Nothing is known of them, and so not that only a browser said it."""
    claim(town, "1002", userId="mal")
    town.engine.execute([c.Erase(1, (IdentityKey("umal"),))])
    bring(town, "ada", "ben")
    assert town.buy("1002", userId="ben").verdict == "duplicate"


@pytest.mark.parametrize("who", ["mal", "ben"])
def test_a_browser_does_not_take_back_what_a_server_said(town: Town, who: str) -> None:
    bring(town, "ada", "ben")
    town.buy("1002", userId="ben")
    returned(town, "1002", userId=who, by=BROWSER_KEY)
    assert town.live() == paid("ada", "ben")
    returned(town, "1002", userId=who)
    assert town.live() == []


def test_a_browser_takes_back_its_own_persons_claim_alone(town: Town) -> None:
    bring(town, "ada", "ben")
    claim(town, "1002", userId="ben")
    waiting = [("ada", 1000, "EARNED"), ("ben", 1000, "EARNED")]
    returned(town, "1002", userId="mal", by=BROWSER_KEY)
    assert town.live() == waiting
    returned(town, "1002", userId="ben", by=BROWSER_KEY)
    assert town.live() == []
