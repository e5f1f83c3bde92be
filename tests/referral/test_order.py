"""Laws 2 and 3 with rewards: any order, repetition and grouping of a story's messages earns the same rewards, each once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.referral.town import BROWSER_KEY, MINUTE, SERVER_KEY, START, Town

Said = tuple[str, dict[str, Any]]


def story(first: str, second: str) -> list[Said]:
    """Ben follows two links, signs up, buys twice and sends the first order back; Dan brings a code; Eve was named by mail."""
    page = {"context": {"page": {"url": "https://shop.example.com/?gw={}"}}}
    order = {"partner_conversion_id": "order-1", "cart_value": "50.00"}
    return [
        ("page", {"by": BROWSER_KEY, "anonymousId": "d1", "at": START + 62_000, **_filled(page, first)}),
        ("page", {"by": BROWSER_KEY, "anonymousId": "d1", "at": START + 2 * MINUTE + 2_000, **_filled(page, second)}),
        ("identify", {"userId": "ben", "anonymousId": "d1", "traits": {"email": "ben@post.example"}, "at": START + 5 * MINUTE}),
        ("track", {"event": "registration", "userId": "ben", "anonymousId": "d1", "at": START + 6 * MINUTE}),
        ("track", {"by": BROWSER_KEY, "event": "conversion", "userId": "ben", "properties": order, "at": START + 10 * MINUTE}),
        ("track", {"event": "conversion", "userId": "ben", "properties": order, "at": START + 10 * MINUTE}),
        (
            "track",
            {"event": "conversion", "userId": "ben", "properties": {**order, "partner_conversion_id": "o2"}, "at": START + 20 * MINUTE},
        ),
        ("track", {"event": "returned", "userId": "ben", "properties": {"order_id": "ORDER-1"}, "at": START + 30 * MINUTE}),
        ("identify", {"userId": "dan", "traits": {"email": "dan@net.example"}, "at": START + 7 * MINUTE}),
        (
            "track",
            {"event": "conversion", "userId": "dan", "properties": {"order_id": "o3", "coupon": "ada-10"}, "at": START + 8 * MINUTE},
        ),
    ]


def _filled(page: dict[str, Any], click: str) -> dict[str, Any]:
    return {"context": {"page": {"url": page["context"]["page"]["url"].format(click)}}}


def told(order: list[int], groups: list[int]) -> tuple[Any, ...]:
    """What is left after the story was told in this order (repeats included), in groups of these sizes."""
    with tempfile.TemporaryDirectory() as folder:
        town = Town(Path(folder))
        ada, cyd = town.person("ada", "ada@mail.example"), town.person("cyd", "cyd@web.example")
        town.link(ada, "ADA-10")
        town.passes(MINUTE)
        first = town.click(ada)
        town.passes(MINUTE)
        said = story(first, town.click(cyd))
        town.passes(60 * MINUTE)
        waiting = [town.message(said[index][0], message_id=f"s{index}", **said[index][1]) for index in order]
        sizes = iter(groups)
        while waiting:
            size = next(sizes, len(waiting))
            town.say_all(waiting[:size])
            waiting = waiting[size:]
        left = (
            town.live(),
            sorted(town.store.database.read("SELECT unit, amount FROM balance WHERE account_id = 1 AND amount <> 0")),
            sorted(town.store.database.read("SELECT program, sum(count) FROM credited WHERE account_id = 1 GROUP BY program")),
            {(town.name(a), town.name(f)) for a, f, d in _relationships(town) if d is None},
            town.tallies(),
        )
        town.close()
        return left


def _relationships(town: Town) -> list[tuple[Any, ...]]:
    rows = town.store.database.read("SELECT advocate_id, friend_id, displaced_at FROM relationship WHERE account_id = 1")
    merged: dict[int, int] = dict(town.store.database.read("SELECT source, target FROM merged WHERE account_id = 1"))
    return [(advocate, merged.get(friend, friend), displaced) for advocate, friend, displaced in rows]


COUNT = len(story("", ""))
IN_ORDER = told(list(range(COUNT)), [1] * COUNT)


def test_the_story_in_its_own_order_pays_who_should_be_paid() -> None:
    assert IN_ORDER[0] == [("ada", 1000, "FULFILLED"), ("ben", 1000, "FULFILLED"), ("cyd", 1000, "FULFILLED"), ("dan", 1000, "FULFILLED")]
    assert SERVER_KEY.scopes


@settings(max_examples=int(os.environ.get("GOODWORD_EXAMPLES", "15")), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    order=st.permutations(range(COUNT)),
    repeats=st.lists(st.integers(0, COUNT - 1), max_size=8),
    places=st.lists(st.integers(0, COUNT), min_size=8, max_size=8),
    groups=st.lists(st.integers(1, 6), max_size=20),
)
def test_any_order_repetition_and_grouping_earns_the_same(
    order: list[int], repeats: list[int], places: list[int], groups: list[int]
) -> None:
    sent = list(order)
    for index, place in zip(repeats, places, strict=False):
        sent.insert(place, index)
    assert told(sent, groups) == IN_ORDER
