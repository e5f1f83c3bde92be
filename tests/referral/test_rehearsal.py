"""A dry run: what stored events would have earned and cost under a draft, and that nothing is kept of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from goodword.core import command as c
from goodword.core.campaign import Document
from goodword.core.profile import keys_of
from goodword.core.rehearsal import as_json
from goodword.storage.query.rehearsal import rehearse
from goodword.storage.store import Store
from tests.referral.town import DAY, MINUTE, REFER_A_FRIEND, Town

NOBODY_REFERRED: dict[str, Any] = {
    "campaign": "hello",
    "program": "hello",
    "events": {"actions": ["reviewed"]},
    "rewards": [
        {"name": "hello", "to": "participant", "on": "sign_up", "value": {"amount": "5"}, "rules": {"once": "person"}},
        {"name": "review", "to": "participant", "on": "reviewed", "value": {"amount": "2"}, "rules": {"once": "event"}},
    ],
}


def friends(town: Town, *names: str) -> None:
    """Ada's friends, who follow her link and buy, one after the other."""
    ada = town.person("ada", "ada@mail.example")
    for name in names:
        town.passes(20 * MINUTE)
        click = town.click(ada)
        town.person(name, f"{name}@post{name}.example", anonymousId=f"device-{name}")
        town.visit(click, userId=name, anonymousId=f"device-{name}")
        town.passes(10 * MINUTE)
        town.buy(f"order-{name}", userId=name)


def dry_run(town: Town, document: dict[str, Any], days: int = 30) -> dict[str, Any]:
    """What a draft comes to, beside the running engine."""
    told: list[tuple[int, int]] = []
    read = msgspec.convert(document, Document)
    before = town.rewards(), town.judgements(), town.store.last_arrival
    with Store(town.store.directory, readonly=True) as store:
        said = rehearse(store, 1, read, days, town.now, lambda done, total: told.append((done, total)))
    assert before == (town.rewards(), town.judgements(), town.store.last_arrival)
    assert not told or told[-1][0] == told[-1][1] >= len(said.people)
    return as_json(said, read, days)


def rewards(said: dict[str, Any]) -> list[tuple[str, int, int, int]]:
    return [(each["name"], each["count"], each["people"], each["value"]) for each in said["rewards"]]


def refused(said: dict[str, Any]) -> dict[str, int]:
    return {each["rule"]: each["events"] for each in said["refused"]}


def draft(**changes: Any) -> dict[str, Any]:
    return {**REFER_A_FRIEND, **changes}


def test_a_dry_run_of_what_is_in_force_says_what_was_earned(town: Town) -> None:
    friends(town, "ben", "cyd", "dan")
    said = dry_run(town, REFER_A_FRIEND)
    assert rewards(said) == [("advocate-reward", 3, 1, 3000), ("friend-reward", 3, 3, 3000)]
    assert (said["events"], said["people"], said["credited"], said["advocates"], said["good"]) == (3, 3, 3, 1, 3)
    assert len(town.rewards()) == 6


def test_a_draft_with_another_id_and_other_terms_judges_the_same_events(town: Town) -> None:
    friends(town, "ben", "cyd")
    terms = [{"name": "cash", "to": "advocate", "supplier": "credit", "value": {"percent": "10", "unit": "USD", "max": "100"}}]
    said = dry_run(town, draft(campaign="another", rewards=terms))
    assert said["campaign_id"] == "another"
    assert rewards(said) == [("cash", 2, 1, 1000)]
    assert said["rewards"][0]["unit"] == "USD"


def test_nth_rewards_limits_and_budgets_are_counted_across_people(town: Town) -> None:
    friends(town, "ben", "cyd", "dan", "eve")
    second = {"name": "second", "to": "advocate", "value": {"amount": "50"}, "rules": {"nth": 2}}
    limited = {"name": "limited", "to": "advocate", "value": {"amount": "1"}, "rules": {"limits": [{"count": 3}]}}
    capped = {"name": "capped", "to": "friend", "value": {"amount": "1000"}}
    said = dry_run(town, draft(rewards=[second, limited, capped], budgets=[{"unit": "POINTS", "value_max": "2500"}]))
    assert rewards(said) == [("second", 2, 1, 10_000), ("limited", 3, 1, 300), ("capped", 2, 2, 200_000)]
    assert refused(said) == {"reward:capped:budget": 2, "reward:limited:limit": 1}
    assert "budget" in next(each["why"] for each in said["refused"] if each["rule"] == "reward:capped:budget")


def test_only_events_of_the_last_days_are_counted_and_those_before_still_happened(town: Town) -> None:
    friends(town, "ben")
    town.passes(40 * DAY)
    friends(town, "cyd")
    town.buy("order-ben-again", userId="ben")
    said = dry_run(town, REFER_A_FRIEND)
    assert (said["people"], said["events"]) == (2, 2)
    assert rewards(said) == [("advocate-reward", 1, 1, 1000), ("friend-reward", 1, 1, 1000)], "ben's first purchase was before"
    assert dry_run(town, REFER_A_FRIEND, 90)["events"] == 3


def test_what_is_refused_or_waits_is_said(town: Town) -> None:
    friends(town, "ben")
    ada = town.person("ada", "ada@mail.example")
    town.visit(town.click(ada), userId="ada", anonymousId="device-ada")
    town.passes(10 * MINUTE)
    town.buy("own", userId="ada")
    said = dry_run(town, draft(rewards=[{**REFER_A_FRIEND["rewards"][1], "pending_days": 3}]))
    assert said["rewards"][0]["waiting"] == 1
    assert "self_referral_email" in refused(said)
    assert said["good"] == 1


def test_events_from_before_there_was_any_campaign_count(tmp_path: Path) -> None:
    town = Town(tmp_path, None)
    for name in ("ben", "cyd"):
        town.person(name, f"{name}@post.example")
        town.say("track", event="registration", userId=name)
        town.passes(MINUTE)
    town.say("track", event="Reviewed", userId="ben")
    town.passes(MINUTE)
    town.say("track", event="reviewed", userId="ben")
    said = dry_run(town, NOBODY_REFERRED)
    assert rewards(said) == [("hello", 2, 2, 1000), ("review", 2, 1, 400)]
    assert dry_run(town, draft(events={"outcome": ["unheard"], "sign_up": []}))["people"] == 0
    town.close()


def test_deleted_people_are_left_out_and_merged_ones_are_one(town: Town) -> None:
    town.say("track", event="registration", anonymousId="a1")
    town.passes(MINUTE)
    town.say("identify", anonymousId="a1", userId="ben", traits={"email": "ben@post.example"})
    town.person("cyd", "cyd@post.example")
    town.say("track", event="registration", userId="cyd")
    town.say_all([c.Erase(1, keys_of("cyd", None, None))])
    said = dry_run(town, NOBODY_REFERRED)
    assert (said["people"], rewards(said)) == (1, [("hello", 1, 1, 500)])
