"""Law 3 on the core alone: any permutation, repetition and batching of the same messages ends in the same profiles."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.world import NOW, World

TIMES = st.integers(0, 3).map(lambda n: NOW - 10_000 + n)
NAMES = st.sampled_from(["a", "b", "first_name", "group_id"])
VALUES = st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.sampled_from(["x", "y", ""]))


def own_ids(person: int, devices: int) -> st.SearchStrategy[dict[str, Any]]:
    """A random subset of one person's own ids, at least one."""
    return st.fixed_dictionaries(
        {},
        optional={
            "userId": st.just(f"u{person}"),
            "email": st.just(f"p{person}@example.com"),
            "anonymousId": st.integers(1, devices).map(lambda n: f"d{person}-{n}"),
        },
    ).filter(bool)


def content() -> st.SearchStrategy[dict[str, Any]]:
    """What a message says, apart from who says it. `traits` and `properties` may take an e-mail where the type lets them."""
    flags = st.booleans()
    return st.one_of(
        st.builds(lambda traits: {"type": "identify", "traits": traits}, st.dictionaries(NAMES, VALUES, max_size=3)),
        st.builds(lambda name: {"type": "track", "event": name}, st.sampled_from(["viewed", "shared"])),
        st.just({"type": "track", "event": "registration", "properties": {"first_name": "R"}}),
        st.builds(
            lambda n: {"type": "track", "event": "conversion", "properties": {"partner_conversion_id": n, "cart_value": "9.99"}},
            st.integers(1, 3),
        ),
        st.builds(lambda flag: {"type": "identify", "traits": {"vip": flag}, "context": {"personas": {"computation_key": "vip"}}}, flags),
        st.builds(
            lambda flag: {
                "type": "track",
                "event": "Audience Entered" if flag else "Audience Exited",
                "properties": {"audience_key": "fans"},
            },
            flags,
        ),
        st.builds(lambda group: {"type": "group", "groupId": group}, st.sampled_from(["g1", "g2"])),
        st.builds(lambda device: {"type": "alias", "previousId": device}, st.integers(1, 2)),
        st.just({"type": "page"}),
    )


@st.composite
def messages(draw: st.DrawFn, people: int = 2, devices: int = 3) -> list[dict[str, Any]]:
    """Messages of people with one user id, one e-mail and several devices each, nobody using another's."""
    said = []
    for number in range(draw(st.integers(1, 9))):
        person = draw(st.integers(1, people))
        ids, one = draw(own_ids(person, devices)), json.loads(json.dumps(draw(content())))
        email = ids.pop("email", None)
        if one["type"] == "alias":
            one["previousId"] = f"d{person}-{one['previousId']}"
            ids["userId"] = f"u{person}"
        if (properties := one.get("properties")) and "partner_conversion_id" in properties:
            number_of_order = properties["partner_conversion_id"]
            properties["partner_conversion_id"] = f"order-{person}-{number_of_order}"
            ids["userId"] = f"u{person}"  # a repeated key has the same content everywhere, its person included
            one["timestamp"] = NOW - 20_000
        if email is not None:
            place = "properties" if one.get("event") == "registration" else "traits"
            if place == "traits" and one["type"] != "identify":
                one.setdefault("context", {})["traits"] = {"email": email}
            else:
                one.setdefault(place, {})["email"] = email
        elif not ids:
            ids["userId"] = f"u{person}"
        said.append({"timestamp": draw(TIMES), **one, **ids, "messageId": f"m{number}"})
    return said


@st.composite
def arrivals(draw: st.DrawFn, said: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The messages in some order, some of them again, cut into groups."""
    again = draw(st.lists(st.sampled_from(said), max_size=4))
    order = draw(st.permutations([*said, *again]))
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=4)))
    return [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True) if start < end]


@st.composite
def two_arrivals(draw: st.DrawFn) -> tuple[list[list[dict[str, Any]]], list[list[dict[str, Any]]]]:
    said = draw(messages())
    return draw(arrivals(said)), draw(arrivals(said))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(two_arrivals())
def test_any_order_repetition_and_batching_ends_in_the_same_profiles(
    both: tuple[list[list[dict[str, Any]]], list[list[dict[str, Any]]]],
) -> None:
    ends = []
    for groups in both:
        world = World()
        for group in groups:
            assert {outcome.verdict for outcome in world.say(*group)} <= {"stored", "duplicate"}
            world.check()
        ends.append(world.summary())
    assert ends[0] == ends[1]
