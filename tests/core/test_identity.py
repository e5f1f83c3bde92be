"""The identity rules of design.md section 3, case by case."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from goodword.core import profile as profiles
from goodword.core.audience import AUDIENCES_MAX, set_member
from goodword.core.profile import (
    Block,
    Change,
    Member,
    Parameter,
    Profile,
    ProfileId,
    is_barred,
    later,
    merge,
    read_email,
    tie_of,
    with_parameters,
)
from goodword.core.times import FOREVER
from tests.core.world import NOW, World, key

_numbers = iter(range(10**9))


def about(user: object = None, email: object = None, device: object = None, *, at: int = NOW - 100, **traits: Any) -> dict[str, Any]:
    """An identify about these ids."""
    if email is not None:
        traits["email"] = email
    return {
        "type": "identify", "messageId": f"i{next(_numbers)}", "userId": user, "anonymousId": device, "traits": traits, "timestamp": at,
    }  # fmt: skip


def said(*messages: dict[str, Any]) -> World:
    """Each message a group of its own."""
    world = World()
    for one in messages:
        (outcome,) = world.say(one)
        assert outcome.verdict == "stored"
        world.check()
    return world


def keys(world: World) -> list[tuple[str, ...]]:
    return sorted(profile.keys for profile in world.of().profiles.values())


def kinds(profile: Profile) -> list[str]:
    return [change.kind for change in profile.changes]


# -- attach ----------------------------------------------------------------------------------------------------------


def test_keys_nobody_owns_are_attached_strongest_first() -> None:
    world = said(
        about(device="d"), about(email="j@x.com", device="d"), about("u", device="d"), about("u", device="d2"), about("u", "k@x.com")
    )
    assert keys(world) == [("uu", "ej@x.com", "ek@x.com", "ad", "ad2")]
    assert kinds(world.the("uu")) == ["email_added", "user_id_added", "email_added"]
    assert world.the("uu").user_id == "u"


def test_the_address_shown_is_the_latest_said_if_it_is_an_own_one() -> None:
    world = said(about("u", "j@x.com", at=NOW - 50), about("u", "k@x.com", at=NOW - 60))
    assert world.the("uu").email == "j@x.com"
    assert world.the("uu").emails == ("j@x.com", "k@x.com")
    world.say(about("u", "k@x.com", at=NOW - 40))
    assert world.the("uu").email == "k@x.com"
    assert said(about("u")).the("uu").email is None
    assert said(about("u", "junk")).the("uu").email is None


def test_email_is_trimmed_and_lower_cased() -> None:
    assert keys(said(about(email=" J@X.com "), about(email="j@x.COM"))) == [("ej@x.com",)]
    assert read_email(None) is None
    assert read_email("null@") is None


def test_junk_ids_join_nobody() -> None:
    world = said(*(about(junk, device=f"d{n}") for n, junk in enumerate(["", None, "null", "GUEST", "0", "[object Object]", "-1"])))
    assert len(keys(world)) == 7
    assert all(len(k) == 1 for k in keys(world))


def test_a_profile_holds_a_bounded_number_of_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "KEYS_MAX", 3)
    world = said(about("u", device="d1"), about("u", device="d2"), about("u", device="d3"))
    assert keys(world) == [("uu", "ad1", "ad2")]
    assert b"not attached" in world.events[1][3].body


# -- merge -----------------------------------------------------------------------------------------------------------


def test_an_email_profile_and_a_user_id_seen_with_it_become_one() -> None:
    world = said(about(email="j@x.com", a=1), about("u", b=2), about("u", "j@x.com", c=3))
    assert keys(world) == [("uu", "ej@x.com")]
    profile = world.the("uu")
    assert {name: p.value for name, p in profile.parameters.items()} == {"a": 1, "b": 2, "c": 3, "email": "j@x.com"}
    assert (kinds(profile), profile.sources) == (["merged"], (1,))
    assert profile.changes[0] == Change("merged", NOW, "ej@x.com", 1)
    assert world.of().merged == {1: 2}


def test_an_anonymous_profile_becomes_the_users() -> None:
    world = said(about(device="d", a=1), about("u"), about("u", device="d"))
    assert keys(world) == [("uu", "ad")]


def test_three_profiles_become_one_at_once_and_numbers_of_all_find_it() -> None:
    world = said(about(device="d"), about(email="j@x.com"), about("u"), about(email="j@x.com", device="d"), about("u", "j@x.com"))
    assert keys(world) == [("uu", "ej@x.com", "ad")]
    assert world.of().merged == {1: 3, 2: 3}
    assert world.the("uu").sources == (2, 1)
    world = said(about(device="d"), about(email="j@x.com"), about("u"), about("u", "j@x.com", "d"))
    assert keys(world) == [("uu", "ej@x.com", "ad")]
    assert world.of().merged == {1: 3, 2: 3}


def registration(**ids: Any) -> dict[str, Any]:
    return {"type": "track", "event": "registration", "messageId": f"r{next(_numbers)}", **ids}


def test_of_the_registrations_of_profiles_that_become_one_the_first_stands() -> None:
    email = {"properties": {"email": "j@x.com"}}
    for last in (about("u", "j@x.com", "d"), registration(userId="u", anonymousId="d", **email)):
        for first in ([about("u")], [], [registration(userId="u")]):
            world = said(*first)
            assert [o.verdict for o in world.say(registration(anonymousId="d"), registration(**email))] == ["stored", "stored"]
            world.say(last)
            assert keys(world) == [("uu", "ej@x.com", "ad")]
            standing = [e.arrival for e in world.events[1].values() if e.name == "registration" and e.duplicate_of is None]
            assert (
                standing == [world.the("uu").registration] == [min(e.arrival for e in world.events[1].values() if e.name == "registration")]
            )


def test_merging_is_alike_from_both_sides() -> None:
    one = Profile(
        ProfileId(1), 5, (key("ej@x.com"), key("ad1")), {"a": Parameter(1, 10, 0, "PUBLIC", 10), "b": Parameter(1, 30, 0, "PUBLIC", 3)},
        audiences={"vip": Member(True, 10, 0, 10), "x": Member(True, 1, 0, 1)}, block=Block("NONE", "r", 9), version=3,
        barriers={key("ad1"): 7},
    )  # fmt: skip
    two = Profile(
        ProfileId(2), 3, (key("uu"), key("ad2")), {"a": Parameter(2, 20, 0, "PRIVATE", 20), "b": Parameter(2, 20, 0, "PUBLIC", 20)},
        registration=4, sources=(ProfileId(9),), audiences={"vip": Member(False, 20, 0, 20)}, block=Block("EVENTS", "r", 1),
        barriers={key("ad2"): 8},
    )  # fmt: skip
    left, right = merge(one, two), merge(two, one)
    assert left.parameters == right.parameters == {"a": Parameter(2, 20, 0, "PRIVATE", 10), "b": Parameter(1, 30, 0, "PUBLIC", 3)}
    assert left.audiences == right.audiences == {"vip": Member(False, 20, 0, 20), "x": Member(True, 1, 0, 1)}
    assert set(left.keys) == set(right.keys)
    assert left.keys[:2] == right.keys[:2] == (key("uu"), key("ej@x.com"))
    assert (left.registration, left.created_at, left.version) == (right.registration, right.created_at, right.version) == (4, 3, 4)
    assert left.block == right.block == Block("EVENTS", "r", 1)
    assert (left.sources, right.sources) == ((2, 9), (9, 1))
    assert left.barriers == right.barriers == {key("ad1"): 7, key("ad2"): 8}
    assert merge(one, replace(two, block=None)).block == one.block
    assert merge(replace(one, block=None), replace(two, block=None, registration=None)).block is None
    older = replace(two, registration=2)
    assert merge(replace(one, registration=3), older).registration == 2


# -- two known users -------------------------------------------------------------------------------------------------


def test_the_user_id_wins_the_email_stays_and_the_conflict_is_recorded_once() -> None:
    world = said(about("u1", "j@x.com"), about("u2"), about("u2", "j@x.com", plan="gold"), about("u2", "j@x.com"))
    assert keys(world) == [("uu1", "ej@x.com"), ("uu2",)]
    second = world.the("uu2")
    assert second.changes == (Change("conflict", NOW, "ej@x.com", 1),)
    assert (second.parameters["email"].value, second.parameters["plan"].value, second.email) == ("j@x.com", "gold", None)
    assert "conflict" not in kinds(world.the("uu1"))
    assert b"email belongs to another known user" in world.events[1][3].body
    assert world.the("ej@x.com").user_id == "u1"


def test_a_new_user_id_with_a_known_users_email_starts_a_profile_of_its_own() -> None:
    world = said(about("u1", "j@x.com"), about("u2", "j@x.com"))
    assert keys(world) == [("uu1", "ej@x.com"), ("uu2",)]


def test_a_shared_device_moves_and_histories_stay_apart() -> None:
    world = said(about("u1", device="d", a=1), about("u2", device="d", b=2))
    assert keys(world) == [("uu1",), ("uu2", "ad")]
    assert world.the("uu1").changes == (Change("device_moved", NOW, "ad", 2),)
    assert set(world.the("uu1").parameters) == {"a"}
    assert set(world.the("uu2").parameters) == {"b"}
    world.say(about("u1", device="d"))
    world.check()
    assert keys(world) == [("uu1", "ad"), ("uu2",)]


def test_a_device_of_a_person_with_another_email_moves_too() -> None:
    assert keys(said(about(email="j@x.com", device="d"), about(email="k@x.com", device="d"))) == [("ej@x.com",), ("ek@x.com", "ad")]
    assert keys(said(about("u1", "j@x.com", "d"), about(email="k@x.com", device="d"))) == [("ek@x.com", "ad"), ("uu1", "ej@x.com")]


def test_conflict_and_device_of_the_same_other_user_in_one_message() -> None:
    world = said(about("u1", "j@x.com", "d"), about("u2"), about("u2", "j@x.com", "d"))
    assert keys(world) == [("uu1", "ej@x.com"), ("uu2", "ad")]


def test_an_alias_of_two_known_users_merges_nobody() -> None:
    world = said(about("u1"), about("u2"))
    world.say({"type": "alias", "userId": "u2", "previousId": "u1"})
    assert keys(world) == [("uu1",), ("uu2", "au1")]


def test_two_users_in_one_group_stay_two() -> None:
    world = World()
    world.say(about("u1", device="d"), about("u2", "j@x.com", "d"), about("u1", "j@x.com", "d"), about(email="j@x.com", device="d"))
    world.check()
    assert keys(world) == [("uu1",), ("uu2", "ej@x.com", "ad")]


def test_a_merge_in_a_group_is_seen_by_the_rest_of_it() -> None:
    world = said(about("u"), about(email="j@x.com"), about(device="d"))
    viewed = {"type": "track", "event": "viewed"}
    outcomes = world.say(
        about("u", "j@x.com"), {**viewed, "messageId": "t1", "context": {"traits": {"email": "j@x.com"}}},
        about(email="j@x.com", device="d"), {**viewed, "messageId": "t2", "anonymousId": "d"},
        {**viewed, "messageId": "t2", "anonymousId": "d"},
    )  # fmt: skip
    world.check()
    assert [(o.verdict, o.profile_id) for o in outcomes] == [("stored", 1)] * 4 + [("duplicate", 1)]


# -- parameters ------------------------------------------------------------------------------------------------------


def test_the_latest_message_sets_a_parameter_whenever_it_comes() -> None:
    world = said(about("u", plan="new", at=NOW - 10), about("u", plan="old", at=NOW - 20))
    assert world.the("uu").parameters["plan"] == Parameter("new", NOW - 10, world.the("uu").parameters["plan"].tie, "PUBLIC", NOW - 20)


def test_null_removes_and_an_older_value_does_not_come_back() -> None:
    world = said(about("u", plan="a", at=NOW - 30), about("u", plan=None, at=NOW - 10), about("u", plan="b", at=NOW - 20))
    assert world.the("uu").parameters["plan"].value is None
    world.say(about("u", plan="c", at=NOW - 5))
    assert world.the("uu").parameters["plan"].value == "c"


def test_of_one_millisecond_the_same_message_wins_in_every_order() -> None:
    one, two = Parameter(1, 5, tie_of("a"), "PUBLIC", 5), Parameter(2, 5, tie_of("b"), "PUBLIC", 5)
    assert tie_of("a") != tie_of("b")
    assert later(one, two) == later(two, one)
    assert later(None, one) is one
    assert later(one, one) is one
    assert tie_of("\ud800") >= 0


def test_parameters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "PARAMETERS_MAX", 2)
    empty = Profile(ProfileId(1), 0)
    full, notes = with_parameters(empty, {"a": 1, "b": 2, "c": 3, "d": 4}, 5, 0, "PUBLIC")
    assert (set(full.parameters), len(notes)) == ({"a", "b"}, 1)
    changed, notes = with_parameters(full, {"a": 9, "x" * 501: 1}, 6, 0, "PUBLIC")
    assert (changed.parameters["a"].value, len(notes)) == (9, 1)
    changed, notes = with_parameters(empty, {"x" * 500: 1, "x" * 501: 1}, 6, 0, "PUBLIC")
    assert (list(changed.parameters), len(notes)) == (["x" * 500], 1)


def test_identity_history_is_bounded() -> None:
    world = said(about("u"), *(about("u", f"p{n}@x.com") for n in range(105)))
    assert len(world.the("uu").changes) == 100
    assert world.the("uu").changes[-1].key == "ep104@x.com"


# -- audiences -------------------------------------------------------------------------------------------------------


def member(profile: Profile, is_member: bool, at: int) -> tuple[Profile, list[str]]:
    profile, records = set_member(profile, "vip", is_member, at, 0, NOW)
    return profile, [type(record).__name__ for record in records]


def test_joining_staying_and_leaving() -> None:
    profile, records = member(Profile(ProfileId(1), 0), True, 10)
    assert (profile.audiences["vip"], records) == (Member(True, 10, 0, 10), ["Audience", "Membership"])
    profile, records = member(profile, True, 20)  # a full sync again: a member since the first one
    assert (profile.audiences["vip"], records) == (Member(True, 20, 0, 10), ["Audience"])
    profile, records = member(profile, False, 15)
    assert (profile.audiences["vip"].is_member, records) == (True, [])
    profile, records = member(profile, False, 30)
    assert (profile.audiences["vip"], records) == (Member(False, 30, 0, 30), ["Membership"])
    profile, records = member(profile, False, 40)
    assert (profile.audiences["vip"], records) == (Member(False, 40, 0, 30), [])
    profile, records = member(profile, True, 35)
    assert (profile.audiences["vip"].is_member, records) == (False, ["Audience"])


def test_leaving_before_the_joining_arrives_is_leaving_all_the_same() -> None:
    profile, records = member(Profile(ProfileId(1), 0), False, 30)
    assert records == []
    profile, records = member(profile, True, 20)
    assert (profile.audiences["vip"].is_member, records) == (False, ["Audience"])
    profile, records = member(profile, True, 40)
    assert (profile.audiences["vip"], records) == (Member(True, 40, 0, 40), ["Audience", "Membership"])


def test_of_joining_and_leaving_in_one_millisecond_the_same_wins_in_every_order() -> None:
    empty = Profile(ProfileId(1), 0)
    ends = []
    for order in ([(True, 1), (False, 2)], [(False, 2), (True, 1)], [(True, 1), (False, 2), (True, 1)]):
        profile = empty
        for is_member, tie in order:
            profile, _ = set_member(profile, "vip", is_member, 10, tie, NOW)
        ends.append(profile.audiences["vip"].is_member)
    assert ends == [False] * 3


def test_a_profile_is_in_a_bounded_number_of_audiences() -> None:
    full = Profile(ProfileId(1), 0, audiences={str(n): Member(True, 1, 0, 1) for n in range(AUDIENCES_MAX)})
    assert set_member(full, "one more", True, 5, 0, NOW) == (full, [])
    assert set_member(full, "1", False, 5, 0, NOW)[0].audiences["1"].is_member is False


def test_members_move_with_a_merge() -> None:
    world = said(about(device="d"), about("u"))
    entered = {"type": "track", "event": "Audience Entered", "properties": {"audience_key": "vip"}}
    world.say({**entered, "messageId": "e", "anonymousId": "d"})
    assert world.members[1] == {("vip", 1)}
    world.say(about("u", device="d"))
    world.check()
    assert world.members[1] == {("vip", 2)}
    world.say(about("u2"), {**entered, "event": "Audience Exited", "messageId": "x", "anonymousId": "d2", "timestamp": NOW})
    world.say({**entered, "messageId": "e2", "userId": "u2", "timestamp": NOW - 5}, about("u2", device="d2"))
    world.check()
    assert world.members[1] == {("vip", 2)}


# -- barriers --------------------------------------------------------------------------------------------------------


def test_a_device_is_barred_only_where_no_person_is_named() -> None:
    owners: dict[Any, Any] = {key("ad"): profiles.Owner(None, 10), key("uu"): None, key("us"): profiles.Owner(None, FOREVER)}
    assert is_barred((key("ad"),), owners, 10) == "older than the deletion of its user"
    assert is_barred((key("ad"),), owners, 11) is None
    assert is_barred((key("uu"), key("ad")), owners, 10) is None
    assert is_barred((key("us"), key("ad")), owners, 99) == "suppressed user"
    assert is_barred((key("uother"),), owners, 0) is None
