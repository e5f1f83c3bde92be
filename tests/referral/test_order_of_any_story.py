"""Laws 2 and 3 with rewards, for stories nobody thought of: whatever friends do, and however the messages about it arrive, the same people
are referred by the same advocates and earn the same, each once.

A story is drawn at random: friends with one or two devices, clicks on several advocates' links, codes and ids said on orders, orders told
by browser, server or both, under one message id or several, taken back in part or as a whole, before they were told or after. It is told
once in its own order, and once in any other, with repeats, in groups, with time passing between them. What no order may change is what
each person has in the end. Left out is what the law leaves out: devices and addresses that two known people claim, and rules that count
what others did.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.referral.town import BROWSER_KEY, MINUTE, START, Town

EXAMPLES = int(os.environ.get("GOODWORD_EXAMPLES", "15"))
ADVOCATES = ("ada", "cyd", "eve")
FRIENDS = ("ben", "dan")
HINTS = ("", "", "advocate_code", "coupon_code", "advocate_partner_user_id", "advocate_email", "share_id")
Said = tuple[str, dict[str, Any]]


def at(minute: int) -> int:
    """A time of the story. Never a whole second, which would mean all of it."""
    return START + minute * MINUTE + 1


@st.composite
def orders(draw: st.DrawFn, friend: str, number: int) -> list[Said]:
    """One order, told by whom and how often, perhaps taken back."""
    id, minute = f"{friend}-{number}", draw(st.integers(1, 58))
    hint = draw(st.sampled_from(HINTS))
    order = {"partner_conversion_id": id, "cart_value": "50.00", **({hint: (hint, draw(st.sampled_from(ADVOCATES)))} if hint else {})}
    who: dict[str, Any] = draw(st.sampled_from(({"userId": friend}, {"userId": friend, "anonymousId": f"{friend}-d1"})))
    told = []
    for teller in draw(st.sampled_from((("server",), ("browser",), ("browser", "server"), ("server", "server")))):
        by = {"by": BROWSER_KEY} if teller == "browser" else {}
        told.append(("track", {**by, **who, "event": "conversion", "properties": order, "at": at(minute)}))
    taken_back = draw(st.sampled_from(("", "", "", "canceled", "returned", "partly")))
    if taken_back:
        about = {"order_id": id.upper(), **({"cart_value": "20.00"} if taken_back == "partly" else {})}
        event = "returned" if taken_back == "partly" else taken_back
        told.append(("track", {"userId": friend, "event": event, "properties": about, "at": at(minute + 1)}))
    return told


@st.composite
def stories(draw: st.DrawFn) -> list[Said]:
    """What some friends do, in order of time where one cares; addresses of clicks are filled in when they are made."""
    said: list[Said] = []
    for friend in FRIENDS[: draw(st.integers(1, 2))]:
        devices = [f"{friend}-d1", f"{friend}-d2"][: draw(st.integers(1, 2))]
        for device in devices:
            for advocate in draw(st.lists(st.sampled_from(ADVOCATES), max_size=2)):
                minute = draw(st.integers(0, 59))
                said.append(("page", {"by": BROWSER_KEY, "anonymousId": device, "click": (advocate, minute), "at": at(minute) + 2_000}))
        for device in devices:
            email = {"traits": {"email": f"{friend}@post.example"}} if draw(st.booleans()) else {}
            said.append(("identify", {"userId": friend, "anonymousId": device, **email, "at": at(draw(st.integers(0, 59)))}))
        if draw(st.booleans()):
            said.append(("track", {"userId": friend, "event": "registration", "at": at(draw(st.integers(0, 59)))}))
        for number in range(draw(st.integers(1, 3))):
            said += draw(orders(friend, number))
    return said


def told(story: list[Said], order: list[int], groups: list[int], pause: int, left: Callable[[Town], Any] | None = None) -> Any:
    """What is left after the story was told in this order, in groups of these sizes: what everyone has, or what `left` says."""
    with tempfile.TemporaryDirectory() as folder:
        town = Town(Path(folder))
        people = {name: town.person(name, f"{name}@{name}.example") for name in ADVOCATES}
        codes = {name: town.link(people[name], f"{name.upper()}-10") for name in ADVOCATES}
        clicks: dict[tuple[str, int], str] = {}
        for _, each in story:
            if (click := each.get("click")) is not None and click not in clicks:
                town.now = at(click[1])
                clicks[click] = town.click(people[click[0]], id=f"click-{click[0]}-{click[1]:04d}")
        town.now = at(60)
        waiting = [town.message(story[index][0], message_id=f"s{index}", **_filled(story[index][1], codes, clicks)) for index in order]
        sizes = iter(groups)
        while waiting:
            size = next(sizes, len(waiting))
            town.say_all(waiting[:size])
            waiting = waiting[size:]
            town.passes(pause)
        found = (left or _left)(town)
        town.close()
        return found


def _left(town: Town) -> dict[str, Any]:
    """What everyone has in the end, people by their names."""
    read = town.store.database.read
    merged: dict[int, int] = dict(read("SELECT source, target FROM merged WHERE account_id = 1"))

    def name(number: int) -> str:
        return town.name(merged.get(number, number))

    rewards = [reward for reward in town.rewards() if not reward.is_gone and reward.waiting != "review"]
    balances = read("SELECT profile_id, unit, amount FROM balance WHERE account_id = 1 AND amount <> 0")
    credited = read("SELECT advocate_id, sum(count) FROM credited WHERE account_id = 1 GROUP BY advocate_id HAVING sum(count) <> 0")
    related = read("SELECT friend_id, advocate_id FROM relationship WHERE account_id = 1 AND displaced_at IS NULL")
    judged = read(
        "SELECT DISTINCT friend_id, advocate_id, reason, quality, review FROM judgement"
        " WHERE account_id = 1 AND quality <> 'NONE' AND advocate_id IS NOT NULL"
    )
    return {
        "rewards": sorted((name(reward.profile_id), reward.name, reward.value, reward.state) for reward in rewards),
        "balances": sorted((name(who), unit, amount) for who, unit, amount in balances),
        "credited": sorted((name(who), count) for who, count in credited),
        "friends": sorted({(name(friend), name(advocate)) for friend, advocate in related}),
        "judged": sorted({(name(friend), name(advocate), *verdict) for friend, advocate, *verdict in judged}),
    }


def _filled(said: dict[str, Any], codes: dict[str, str], clicks: dict[tuple[str, int], str]) -> dict[str, Any]:
    """A message with the codes, ids and click ids that are known by now."""
    said = dict(said)
    if (click := said.pop("click", None)) is not None:
        said["context"] = {"page": {"url": f"https://shop.example.com/?gw={clicks[click]}"}}
    if isinstance(said.get("properties"), dict):
        named = {
            "advocate_code": codes,
            "coupon_code": codes,
            "advocate_partner_user_id": {name: name for name in ADVOCATES},
            "advocate_email": {name: f"{name}@{name}.example" for name in ADVOCATES},
            "share_id": {name: next((id for (who, _), id in clicks.items() if who == name), "none-such-click") for name in ADVOCATES},
        }
        said["properties"] = {
            name: named[value[0]][value[1]] if isinstance(value, tuple) else value for name, value in said["properties"].items()
        }
    return said


@pytest.mark.timeout(300 + 5 * EXAMPLES)  # a time-out in the middle of an example would look like a story that fails only once
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(story=stories(), data=st.data())
def test_any_story_in_any_order_earns_the_same(story: list[Said], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(story))))
    for index in data.draw(st.lists(st.integers(0, len(story) - 1), max_size=4)):
        order.insert(data.draw(st.integers(0, len(order))), index)
    groups = data.draw(st.lists(st.integers(1, 6), max_size=20))
    in_order = sorted(range(len(story)), key=lambda index: story[index][1]["at"])
    assert told(story, order, groups, data.draw(st.sampled_from((0, 1, 997)))) == told(story, in_order, [1] * len(story), 0)
