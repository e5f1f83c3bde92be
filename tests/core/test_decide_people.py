"""What is decided about people by the API."""

from __future__ import annotations

from typing import Any

import pytest

from goodword.core import audience as audiences
from goodword.core import command as c
from goodword.core import decide as deciding
from goodword.core.profile import Block, Member, ProfileId
from tests.core.test_decide import NOBODY, ONE, TWO, code, conversion, do, person
from tests.core.test_identity import about
from tests.core.world import NOW, World, key

# -- people by the API -----------------------------------------------------------------------------------------------


def test_a_person_is_made_of_an_email() -> None:
    world = World()
    assert do(world, c.CreateProfile(1, "j@x.com")).profile_id == 1
    assert world.the("ej@x.com").keys == ("ej@x.com",)
    assert code(world, c.CreateProfile(1, "j@x.com")) == "identity_key_value_already_taken"
    do(world, c.Erase(1, (key("ej@x.com"),)))
    assert code(world, c.CreateProfile(1, "j@x.com")) == "person_suppressed"  # in the same millisecond
    world.now += 1
    assert do(world, c.CreateProfile(1, "j@x.com")).profile_id == 2
    assert world.say(about(None, "j@x.com", at=NOW))[0].verdict == "dropped"


NEEDS_A_PERSON: list[c.Command] = [
    c.SetEmail(1, NOBODY, "a@x.com", "m"),
    c.SetParameter(1, NOBODY, "a", 1, None, "create", "m"),
    c.SetBlock(1, NOBODY, "EVENTS", "why"),
    c.SetMembership(1, NOBODY, "vip", True, "m"),
    c.Forward(1, NOBODY, ONE),
    c.Forward(1, ONE, NOBODY),
]


@pytest.mark.parametrize("command", NEEDS_A_PERSON)
def test_a_person_that_is_not_there(command: c.Command) -> None:
    assert code(person("u"), command) == "person_not_found"


def test_an_email_is_set_beside_the_old_one() -> None:
    world = person("u", "j@x.com", plan="gold")
    for address in ("k@x.com", "k@x.com", "j@x.com"):
        world.now += 1
        assert do(world, c.SetEmail(1, ONE, address, "m" + str(world.now))).verdict == "done"
        assert world.the("uu").email == address
    assert world.the("uu").keys == ("uu", "ej@x.com", "ek@x.com")
    assert world.the("uu").parameters["plan"].value == "gold"
    world.say(about("v", "v@x.com"))
    assert code(world, c.SetEmail(1, ONE, "v@x.com", "m")) == "identity_key_value_already_taken"


def test_an_email_set_on_a_person_without_any_key_loses_nothing() -> None:
    world = World()
    world.say(conversion("1", messageId="1", properties={"first_name": "Jane"}))
    assert do(world, c.SetEmail(1, ONE, "j@x.com", "m")).verdict == "done"
    assert world.the("ej@x.com").parameters["first_name"].value == "Jane"


def test_an_email_set_again_after_a_deletion_keeps_its_barrier() -> None:
    world = person("u", "j@x.com")
    do(world, c.Erase(1, (key("uu"),)))
    world.now += 10
    world.say(about("w", at=NOW + 5))
    assert do(world, c.SetEmail(1, world.the("uw").id, "j@x.com", "m")).verdict == "done"
    assert world.say(about(None, "j@x.com", at=NOW))[0].verdict == "dropped"
    assert world.the("uw").barriers == {"ej@x.com": NOW}


def test_an_email_past_the_bound_of_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "KEYS_MAX", 1)
    assert code(person("u"), c.SetEmail(1, ONE, "j@x.com", "m")) == "too_much_data"


def parameter(mode: Any, value: Any = 1, name: str = "p", scope: Any = None) -> c.SetParameter:
    return c.SetParameter(1, ONE, name, value, scope, mode, "m")


def test_parameters_by_the_api() -> None:
    world = person("u", plan="gold")
    for name in ("partner_user_id", "email", "person_id", "id"):
        assert code(world, parameter("create", name=name)) == "read_only_name"
    assert code(world, parameter("update")) == code(world, parameter("delete")) == "data_not_found"
    assert code(world, parameter("create", None)) == "invalid_value"
    assert do(world, parameter("create", [1])).verdict == "done"
    assert (world.the("uu").parameters["p"].value, world.the("uu").parameters["p"].scope) == ([1], "PRIVATE")
    assert code(world, parameter("create")) == "data_already_exists"
    do(world, parameter("update", 2, scope="CLIENT"))
    do(world, parameter("update", 3))  # in the same millisecond: the later wins, and keeps the scope
    assert (world.the("uu").parameters["p"].value, world.the("uu").parameters["p"].scope) == (3, "CLIENT")
    do(world, parameter("update", None, scope="PUBLIC"))  # no value: only the scope changes
    assert (world.the("uu").parameters["p"].value, world.the("uu").parameters["p"].scope) == (3, "PUBLIC")
    do(world, parameter("delete"))
    assert world.the("uu").parameters["p"].value is None
    assert code(world, parameter("update")) == "data_not_found"
    assert do(world, parameter("create", 4)).verdict == "done"
    assert world.the("uu").parameters["p"].scope == "PRIVATE"
    assert do(world, parameter("update", "silver", "plan")).verdict == "done"
    assert world.the("uu").parameters["plan"].scope == "PUBLIC"
    too_long = do(world, parameter("create", name="x" * 501))
    assert (too_long.verdict, too_long.code) == ("refused", "too_much_data")


def test_a_person_is_blocked_with_a_reason() -> None:
    world = person("u")
    assert do(world, c.SetBlock(1, ONE, "REWARDS", "fraud")).verdict == "done"
    assert world.the("uu").block == Block("REWARDS", "fraud", NOW)


def test_membership_by_the_api() -> None:
    world = person("u")
    world.say(about(None, None, "d"))
    join, leave = c.SetMembership(1, ONE, "vip", True, "m"), c.SetMembership(1, ONE, "vip", False, "m")
    assert code(world, c.SetMembership(1, TWO, "vip", True, "m")) == "person_not_identified"
    assert code(world, join) == "audience_not_found"
    entered = {"type": "track", "event": "Audience Entered", "properties": {"audience_key": "vip"}, "userId": "v", "messageId": "1"}
    assert [o.verdict for o in world.do(world.receive(entered), join)] == ["stored", "done"], "an audience made in the same group"
    assert world.members[1] == {("vip", 3), ("vip", 1)}
    world.now += 1
    assert do(world, leave).verdict == "done"
    assert code(world, leave) == "membership_not_found"
    assert world.the("uu").audiences["vip"] == Member(False, NOW + 1, world.the("uu").audiences["vip"].tie, NOW + 1)


def test_membership_past_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world = person("u")
    world.of().audiences.add("vip")
    monkeypatch.setattr(audiences, "AUDIENCES_MAX", 0)
    assert code(world, c.SetMembership(1, ONE, "vip", True, "m")) == "too_much_data"


def test_forward_moves_everything_and_numbers_find_the_target() -> None:
    world = World()
    world.say(about("u", "j@x.com", "d", plan="gold"), about("v", "v@x.com"), about(None, None, "e"))
    assert code(world, c.Forward(1, ONE, ONE)) == "forward_to_self"
    assert code(world, c.Forward(1, ProfileId(3), ONE)) == "forwarding_profile_is_device"
    assert code(world, c.Forward(1, ONE, ProfileId(3))) == "forward_to_profile_is_device"
    assert do(world, c.Forward(1, ONE, TWO)).profile_id == 2
    assert world.the("uu") is world.the("uv") is world.the("ad")
    assert world.the("uv").user_id == "v"
    assert world.the("uv").keys == ("uv", "uu", "ev@x.com", "ej@x.com", "ad")
    assert world.the("uv").changes[-1].kind == "forwarded"
    assert code(world, c.Forward(1, TWO, ONE)) == "forward_to_self"  # no cycle
    assert do(world, c.SetBlock(1, ONE, "EVENTS", "why")).profile_id == 2
    world.say(about("x"))
    assert do(world, c.Forward(1, TWO, world.the("ux").id)).verdict == "done"
    assert world.of().merged == {1: 4, 2: 4}
    world.say({"type": "track", "event": "registration", "userId": "u", "messageId": "r1"})
    assert world.the("uu").user_id == "x"


def test_a_forwarded_persons_address_comes_after_the_targets_own() -> None:
    world = World()
    emails = [f"{letter}@x.com" for letter in "jbzmaq"]  # of a set's order one of these would be found out
    numbers = [do(world, c.CreateProfile(1, email)).profile_id or NOBODY for email in emails]
    for source in reversed(numbers[1:]):
        do(world, c.Forward(1, source, numbers[0]))
    assert world.the("ej@x.com").email == "j@x.com"
    assert world.the("ej@x.com").emails == ("j@x.com", "q@x.com", "a@x.com", "m@x.com", "z@x.com", "b@x.com")


def test_a_forwarded_user_id_does_not_join_a_third() -> None:
    world = World()
    world.say(about("u", "j@x.com"), about("v"))
    do(world, c.Forward(1, ONE, TWO))
    world.say(about("w", "j@x.com"))
    world.check()
    assert world.the("uw").keys == ("uw",)


def test_forwarding_a_person_without_keys_cannot_be() -> None:
    world = World()
    world.say(conversion("1", messageId="1"), about("u"))
    assert code(world, c.Forward(1, ONE, TWO)) == "forwarding_profile_is_device"
