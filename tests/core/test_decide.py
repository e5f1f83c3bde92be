"""Every command and every refusal, deletion and suppression, through decide and the rows it gives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from goodword.core import command as c
from goodword.core.account import Account, EventMapping, Key, Scope, Settings
from goodword.core.archive import Archived
from goodword.core.decide import decide
from goodword.core.decision import KeysUsed, Outcome
from goodword.core.event import FROM_BROWSER, IS_EVENT
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.profile import Profile, ProfileId
from goodword.core.times import FOREVER
from tests.core.test_identity import about, keys, registration
from tests.core.world import NOW, World, key


def do(world: World, command: c.Command) -> Outcome:
    (outcome,) = world.do(command)
    world.check()
    return outcome


def code(world: World, command: c.Command) -> str:
    world.of(command.account)
    before = str(world.facts)
    outcome = do(world, command)
    assert outcome.verdict == "refused"
    assert outcome.reason.endswith(".")
    assert str(world.facts) == before, "a refusal changed something"
    return outcome.code


def person(*ids: Any, **traits: Any) -> World:
    world = World()
    world.say(about(*ids, **traits))
    return world


ONE, TWO, NOBODY = ProfileId(1), ProfileId(2), ProfileId(99)

# -- messages --------------------------------------------------------------------------------------------------------


def test_the_same_message_again_is_answered_like_the_original_and_leaves_a_receipt() -> None:
    world = World()
    said = about("u", plan="gold")
    first, second = world.say(said, said)
    (third,) = world.say(said)
    assert (first.verdict, second.verdict, third.verdict) == ("stored", "duplicate", "duplicate")
    assert (second.arrival, second.profile_id, second.message_id) == (first.arrival, first.profile_id, first.message_id)
    assert (third.arrival, third.profile_id) == (first.arrival, first.profile_id)
    assert [(r.verdict, r.refers) for r in world.receipts] == [("duplicate", 1), ("duplicate", 1)]
    assert len(world.events[1]) == 1


def test_a_refused_message_leaves_a_receipt_that_names_nobody() -> None:
    world = World()
    outcome = do(world, c.Refuse(1, "m", "track", "missing_id", "why", "segment", '{"a":"text"}'))
    assert (outcome.verdict, outcome.code, outcome.reason, outcome.arrival) == ("rejected", "missing_id", "why", 1)
    assert (world.receipts[0].shape, world.receipts[0].door) == ('{"a":"text"}', "segment")


def test_a_page_leaves_no_body_unless_the_account_keeps_pages() -> None:
    world = World()
    world.say({"type": "page", "userId": "u", "messageId": "1"}, {"type": "screen", "userId": "u", "messageId": "2", "timestamp": "junk"})
    world.say({"type": "page", "userId": "u", "messageId": "3"}, settings=Settings(stores_pages=True))
    assert [bool(event.body) for event in world.events[1].values()] == [False, False, True]
    assert [event.flags for event in world.events[1].values()] == [0, 0, IS_EVENT]


def test_an_event_keeps_what_arrived_with_notes_before_it() -> None:
    world = World()
    said = {"type": "track", "event": "viewed", "userId": "u", "messageId": "1", "timestamp": "junk", "channel": "browser"}
    world.say(said)
    notes, _, raw = world.events[1][1].body.partition(b"\n")
    assert json.loads(notes) == ["timestamp unreadable; time of receipt used"]
    assert json.loads(raw) == said
    assert world.events[1][1].flags == IS_EVENT | FROM_BROWSER


def conversion(order: str | None, **more: Any) -> dict[str, Any]:
    properties = {"partner_conversion_id": order, "cart_value": "9.99", **more.pop("properties", {})}
    return {"type": "track", "event": "conversion", "properties": properties, **more}


def test_an_order_counts_once_however_it_is_sent() -> None:
    world = World()
    purchase = Settings(events={"purchase": EventMapping("conversion")})
    (first,) = world.say(conversion("O-1", userId="u", messageId="1"))
    again = {**conversion(" o-1 ", userId="other", messageId="2"), "event": "purchase"}
    second, third = world.say(again, {**again, "messageId": "3"}, settings=purchase)
    assert [o.verdict for o in (first, second, third)] == ["stored", "duplicate", "duplicate"]
    assert second.arrival == third.arrival == first.arrival
    assert second.value == b"id1"  # the event id of the first, as stored
    assert [event.duplicate_of for event in world.events[1].values()] == [None, 1, 1]


def test_an_order_counts_once_inside_one_group() -> None:
    world = World()
    outcomes = world.say(conversion("1", userId="u", messageId="1"), conversion("1", userId="u", messageId="2"))
    assert [(o.verdict, o.arrival, o.message_id) for o in outcomes] == [("stored", 1, "1"), ("duplicate", 1, "1")]


def test_law_2_the_repeat_of_a_repeat_is_answered_as_the_repeat_was() -> None:
    world = World()
    (first,) = world.say(conversion("1", userId="u", messageId="1"))
    said = conversion("1", userId="other", messageId="2")
    repeat, again = world.say(said, said)
    (later,) = world.say(said)
    assert first.verdict == "stored"
    for answer in (repeat, again, later):
        assert (answer.verdict, answer.arrival, answer.profile_id) == ("duplicate", first.arrival, first.profile_id)


def test_law_2_a_second_registration_sent_again_is_answered_with_the_first() -> None:
    world = World()
    (first,) = world.say(registration(userId="u", messageId="1"))
    said = registration(userId="u", messageId="2")
    second, again = world.say(said, said)
    assert [second.arrival, again.arrival] == [first.arrival, first.arrival]


def test_a_repeated_order_still_tells_about_its_person() -> None:
    world = World()
    world.say(conversion("1", userId="u", messageId="1"))
    world.say(conversion("1", userId="u", messageId="2", properties={"email": "j@x.com", "first_name": "Jane"}))
    assert world.the("uu").parameters["first_name"].value == "Jane"
    assert world.the("ej@x.com").user_id == "u"


def test_orders_without_an_id_all_count() -> None:
    world = World()
    assert [o.verdict for o in world.say(conversion(None, userId="u", messageId="1"), conversion(None, userId="u", messageId="2"))] == [
        "stored"
    ] * 2


def test_an_order_that_names_nobody_counts() -> None:
    world = World()
    assert [o.verdict for o in world.say(conversion("1", messageId="1"), conversion("1", messageId="2"))] == ["stored", "duplicate"]
    world.check()


def test_a_person_registers_once() -> None:
    world = World()
    registration = {"type": "track", "event": "registration", "userId": "u"}
    first, second = world.say({**registration, "messageId": "1"}, {**registration, "messageId": "2", "properties": {"first_name": "J"}})
    assert (first.verdict, second.verdict, second.arrival) == ("stored", "duplicate", first.arrival)
    assert world.the("uu").parameters["first_name"].value == "J"
    assert world.say({**registration, "messageId": "bare"})[0].verdict == "duplicate"  # though it tells nothing new of a known person
    world.say({"type": "page", "name": "registration", "userId": "v", "messageId": "3"})
    assert world.the("uv").registration is None


def test_the_usual_track_of_a_known_person_asks_for_no_profile_and_writes_one_row() -> None:
    world = person("u", None, "d")
    facts = Facts(owners=dict(world.of().owners))
    command = world.receive({"type": "track", "event": "viewed", "userId": "u", "anonymousId": "d", "messageId": "1"})
    decision = decide(command, facts, NOW, Fresh(2, TWO))
    assert (len(decision.records), decision.outcome.profile_id) == (1, 1)


# -- deletion --------------------------------------------------------------------------------------------------------


def test_a_deletion_reaches_every_key_and_number_and_membership() -> None:
    world = World()
    for said in (about(device="d"), about(email="j@x.com"), about("u"), about("u", "j@x.com", "d")):
        world.say(said)
    world.say({"type": "track", "event": "Audience Entered", "properties": {"audience_key": "vip"}, "userId": "u", "messageId": "a"})
    outcome = do(world, c.Erase(1, (key("uu"),), erasure_id="e"))
    assert (outcome.verdict, outcome.value) == ("done", 1)
    erased = world.erased[0]
    assert (set(erased.profile_ids), set(erased.keys)) == ({1, 2, 3}, {"uu", "ej@x.com", "ad"})
    assert (erased.audiences, erased.erasure_id, erased.at, erased.barrier_at) == ((("vip", 3),), "e", NOW, NOW)
    assert (world.of().profiles, world.members[1], world.of().merged) == ({}, set(), {})
    assert all(owner is not None and owner.profile_id is None for owner in world.of().owners.values())


def test_a_deletion_comes_again_and_for_strangers_and_creates_nobody() -> None:
    world = person("u")
    for who, found in (("u", 1), ("u", 0), ("stranger", 0)):
        assert do(world, c.Erase(1, (key("u" + who),))).value == found
    assert world.of().profiles == {}
    assert do(world, c.Erase(1, (), profile_id=NOBODY)).value == 0


def test_a_deletion_by_number_finds_the_merged_and_takes_several_people_at_once() -> None:
    world = World()
    world.say(about(device="d"), about("u"), about("u", device="d"), about("v"))
    assert do(world, c.Erase(1, (key("uv"),), profile_id=ONE)).value == 2
    assert world.of().profiles == {}


def test_after_a_deletion_older_messages_are_dropped_and_newer_ones_start_anew() -> None:
    world = person("u", "j@x.com", "d", plan="gold")
    do(world, c.Erase(1, (key("uu"),)))
    world.now += 100
    for ids in (("u",), (None, "j@x.com"), (None, None, "d"), ("u2", "j@x.com")):
        (outcome,) = world.say(about(*ids, at=NOW))
        assert (outcome.verdict, outcome.reason) == ("dropped", "older than the deletion of its user")
    assert world.receipts[-1].verdict == "dropped"
    (outcome,) = world.say(about("u", at=NOW + 1))
    assert outcome.verdict == "stored"
    assert (world.the("uu").parameters, world.the("uu").keys, world.the("uu").sources) == ({}, ("uu",), ())
    assert world.find("ej@x.com") is None
    (outcome,) = world.say(about("v", None, "d", at=NOW - 5))  # a device alone bars nobody else who uses it
    assert outcome.verdict == "stored"


def test_a_deletion_in_a_group_is_seen_by_the_rest_of_it() -> None:
    world = person("u", plan="gold")
    erase, old, new = c.Erase(1, (key("uu"),)), world.receive(about("u", at=NOW)), None
    world.now += 5
    new = world.receive(about("u", at=NOW + 6))
    outcomes = world.do(world.receive(about("u", x=1)), erase, old, new)
    world.check()
    assert [o.verdict for o in outcomes] == ["stored", "done", "dropped", "dropped"]
    world.now += 5
    assert world.do(erase, world.receive(about("u", at=NOW)))[1].verdict == "dropped"


def test_barriers_outlive_every_merge() -> None:
    world = person("u", "j@x.com", "d")
    do(world, c.Erase(1, (key("uu"),)))
    world.now += 100
    for ids in ((None, "j@x.com", "d"), ("u",), ("u", "j@x.com")):
        world.say(about(*ids, at=NOW + 50))
    assert keys(world) == [("uu", "ej@x.com", "ad")]
    assert [world.say(about(None, None, "d", at=NOW - 5))[0].verdict, world.say(about(None, "j@x.com", at=NOW - 5))[0].verdict] == [
        "dropped"
    ] * 2
    world.say(about("v", "v@x.com"))
    assert do(world, c.Forward(1, world.the("uu").id, world.the("uv").id)).verdict == "done"
    assert world.say(about(None, None, "d", at=NOW - 5))[0].verdict == "dropped"


def test_a_suppressed_user_is_dropped_until_it_is_lifted() -> None:
    world = person("u", "j@x.com", "d")
    do(world, c.Erase(1, (key("uu"),), suppress=True))
    world.now += 100
    (outcome,) = world.say(about("u", at=NOW + 100))
    assert (outcome.verdict, outcome.reason) == ("dropped", "suppressed user")
    assert code(world, c.CreateProfile(1, "j@x.com")) == "person_suppressed"
    world.say(about("w"))
    assert code(world, c.SetEmail(1, world.the("uw").id, "j@x.com", "m")) == "person_suppressed"
    assert do(world, c.Erase(1, (key("uu"),))).verdict == "done"
    assert world.say(about("u", at=NOW + 100))[0].verdict == "dropped", "a deletion must not lift a suppression"
    world.say(about("w", None, "d", at=NOW + 90))  # the device of a suppressed person, used by another
    assert world.say(about(None, None, "d", at=NOW + 100))[0].verdict == "dropped"
    assert do(world, c.Unsuppress(1, tuple(map(key, ("uu", "ej@x.com", "ad", "astranger", "uw"))))).value == 3
    world.now += 100
    assert [world.say(about("u", at=NOW + at))[0].verdict for at in (100, 101)] == ["dropped", "stored"]
    assert [world.say(about(None, None, "d", at=NOW + at))[0].verdict for at in (100, 101)] == ["dropped", "stored"]
    world.say(about("u", None, None, at=NOW + 150))
    do(world, c.Forward(1, world.the("uw").id, world.the("uu").id))
    assert world.say(about(None, None, "d", at=NOW + 102))[0].verdict == "stored", "what was lifted must not come back with a merge"


def test_a_deletion_keeps_the_suppression_of_a_key_it_did_not_ask_for() -> None:
    world = person("u", None, "d")
    do(world, c.Erase(1, (key("uu"),), suppress=True))
    world.say(about("w", None, "d"))
    do(world, c.Erase(1, (key("uw"),)))
    owner = world.of().owners[key("ad")]
    assert owner is not None
    assert owner.barrier_at == FOREVER


# -- accounts and keys -----------------------------------------------------------------------------------------------

SECRET = Key("k1", 1, "web", b"h", "abcd", (Scope.INGEST,), NOW)


def test_accounts_get_numbers_of_their_own_even_in_one_group() -> None:
    world = World()
    assert [o.value for o in world.do(c.CreateAccount("a"), c.CreateAccount("b"), c.CreateAccount("a"))] == [1, 2, 1]
    assert [o.value for o in world.do(c.CreateAccount("b"), c.CreateAccount("c"))] == [2, 3]
    assert world.accounts["c"] == Account(3, "c", NOW, Settings())


def test_an_account_is_configured() -> None:
    world = World()
    world.do(c.CreateAccount("a"))
    assert do(world, c.Configure(1, Settings(currency="EUR"))).verdict == "done"
    assert world.accounts["a"].settings.currency == "EUR"
    assert code(world, c.Configure(9, Settings())) == "account_not_found"


def test_events_are_kept_as_long_as_message_ids_at_least() -> None:
    world = World()
    world.do(c.CreateAccount("a"))
    for days in (-1, 1, 30):
        assert code(world, c.Configure(1, Settings(events_kept_days=days))) == "events_kept_too_short"
    assert do(world, c.Configure(1, Settings(events_kept_days=31))).verdict == "done"


def test_that_a_month_is_archived_is_remembered() -> None:
    archived = Archived("2026-01", 0, 9, "default/2026-01.parquet", 9, 1_000, b"digest", NOW)
    decision = decide(c.RecordArchive(1, archived), Facts(), NOW, Fresh(1, ProfileId(1)))
    assert decision.records == (archived,)


def test_keys_are_made_and_revoked_by_id_or_name() -> None:
    world = World()
    assert do(world, c.CreateKey(1, SECRET)).verdict == "done"
    assert code(world, c.RevokeKey(1, "nope")) == "key_not_found"
    assert code(world, c.RevokeKey(2, "web")) == "key_not_found"
    assert do(world, c.RevokeKey(1, "web")).value == 1
    assert world.keys["k1"].revoked_at == NOW
    assert code(world, c.RevokeKey(1, "k1")) == "key_not_found"


def test_the_use_of_keys_is_remembered() -> None:
    decision = decide(c.TouchKeys(((b"h", NOW),)), Facts(), NOW, Fresh(1, ONE))
    assert decision.records == (KeysUsed(((b"h", NOW),)),)


def test_what_is_no_command_is_a_defect() -> None:
    nothing_to_do: Any = Profile(ONE, 0)
    with pytest.raises(TypeError):
        decide(nothing_to_do, Facts(), NOW, Fresh(1, ONE))
