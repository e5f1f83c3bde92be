"""What holds whatever is sent, in whatever order: nothing crashes, users stay apart, accounts stay apart, the deleted stay away."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from goodword.core import command as c
from goodword.core.account import EventMapping, Settings
from goodword.core.decision import Outcome
from goodword.core.event import Understood, understand
from goodword.core.message import BATCH_MESSAGES_MAX, Batch, Message, Rejection, parse, read_batch
from goodword.core.profile import ProfileId
from tests.core.world import NOW, World, key

IDS = st.sampled_from([None, "", "u1", "u2", "u3", 7, "null"])
EMAILS = st.sampled_from([None, "a@example.com", "B@example.com ", "c@example.com", "junk"])
DEVICES: st.SearchStrategy[Any] = st.sampled_from([None, "d1", "d2", "d3", {}, []])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["true", "u2", "99.99"]))
JSONISH = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)), max_leaves=6
)
FIELDS = [
    "type", "messageId", "userId", "anonymousId", "previousId", "groupId", "event", "name", "timestamp", "originalTimestamp", "sentAt",
    "channel", "traits", "properties", "context", "integrations", "version", "writeKey",
]  # fmt: skip
INNER = ["email", "Email", "userId", "firstName", "partner_conversion_id", "cart_value", "currency", "audience_key", "trait_key", "k",
         "partner_event_id", "library", "traits", "personas", "computation_class", "computation_key", "name"]  # fmt: skip
TYPES = ["identify", "track", "page", "screen", "group", "alias", "delete", "Track", "x"]
EVENTS = ["registration", "Conversion", "returned", "Audience Entered", "audience exited", "Trait Computed", "viewed", ""]
MAPPED = Settings(events={"returned": EventMapping("returned", {"cart_value": ["k", "cart_value"]})}, stores_pages=True)


def oddly(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(inner, JSONISH)


ODD_MESSAGES = st.one_of(
    JSONISH,
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(FIELDS, JSONISH),
            "type": oddly(st.sampled_from(TYPES)),
            "event": oddly(st.sampled_from(EVENTS)),
            "userId": oddly(IDS),
            "timestamp": oddly(st.sampled_from(["2024-02-30T00:00:00Z", "2024-01-01", "9999-12-31T23:59:59-23:59", "0001-01-01", 5, 1e13])),
            "sentAt": oddly(st.sampled_from(["2024-01-01T00:00:00Z", NOW, -1])),
            **{
                place: oddly(
                    st.dictionaries(
                        st.sampled_from(INNER),
                        oddly(
                            st.dictionaries(st.sampled_from(INNER), oddly(st.sampled_from(["k", "trait", True, "9.99", "a@example.com"])))
                        ),
                    )
                )
                for place in ("traits", "properties", "context")
            },
        },
    ),
)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.lists(ODD_MESSAGES, max_size=5), st.booleans())
def test_no_message_crashes_the_core(said: list[Any], mapped: bool) -> None:
    world = World()
    for one in said:
        raw = json.dumps(one).encode()
        assert isinstance(
            parse(raw, received_at=NOW, fallback_id="f", sent_at=5, corrects_skew=True, type_hint="track"), (Message, Rejection)
        )
        world.do(world.receive(raw, settings=MAPPED if mapped else None))
        world.check()
    batch = read_batch(json.dumps(said).encode())
    assert isinstance(batch, Batch)
    assert len(batch.batch) == len(said)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=60), st.sampled_from([b"", b'{"type":"track","event":"conversion","userId":"1","properties":']))
def test_no_bytes_crash_the_core(raw: bytes, before: bytes) -> None:
    for body in (raw, before + raw, before + b'{"a":"' + raw + b'"}}', before + b'{"a":' + raw + b"}}"):
        found = parse(body, received_at=NOW, fallback_id="f")
        if isinstance(found, Message):
            assert isinstance(understand(found, Settings()), (Understood, Rejection))
        assert isinstance(read_batch(body), (Batch, Rejection))
        assert isinstance(read_batch(b"[" + body + b"]"), (Batch, Rejection))
    assert BATCH_MESSAGES_MAX == 2_500


class Deed(Struct, frozen=True):
    """Something done to an account: `kind`, and the ids it is about."""

    kind: str
    user: Any
    email: Any
    device: Any
    at: int
    number: int
    flag: bool


DEEDS = st.builds(
    Deed,
    st.sampled_from(
        ["identify", "identify", "identify", "track", "registration", "conversion", "audience", "alias", "group", "erase", "suppress",
         "unsuppress", "erase_by_id", "block", "parameter", "set_email", "member", "create"]
    ),
    IDS,
    EMAILS,
    DEVICES,
    st.integers(0, 4).map(lambda n: NOW - 2 + n),
    st.integers(1, 6),
    st.booleans(),
)  # fmt: skip


def command_of(world: World, deed: Deed, account: int) -> c.Command:
    number = ProfileId(deed.number)
    keys = tuple(key(k) for k in (f"u{deed.user}" if deed.user else "", f"e{deed.email}" if deed.email == "a@example.com" else "") if k)
    match deed.kind:
        case "erase" | "suppress":
            return c.Erase(account, keys, suppress=deed.kind == "suppress")
        case "erase_by_id":
            return c.Erase(account, keys, profile_id=number)
        case "unsuppress":
            return c.Unsuppress(account, keys)
        case "block":
            return c.SetBlock(account, number, "EVENTS", "why")
        case "parameter":
            return c.SetParameter(account, number, "p", deed.at, None, "create" if deed.flag else "update", str(deed.at))
        case "set_email":
            return c.SetEmail(account, number, "a@example.com", str(deed.at))
        case "member":
            return c.SetMembership(account, number, "vip", deed.flag, str(deed.at))
        case "create":
            return c.CreateProfile(account, "c@example.com")
    said: dict[str, Any] = {"type": deed.kind, "userId": deed.user, "anonymousId": deed.device, "timestamp": deed.at}
    said["messageId"] = f"{deed.kind}{deed.user}{deed.email}{deed.device}{deed.at}{deed.number}"
    said["context"] = {"traits": {"email": deed.email, "n": deed.number}}
    if deed.kind in ("registration", "conversion"):
        said.update(type="track", event=deed.kind, properties={"email": deed.email, "partner_conversion_id": f"o{deed.number}"})
    elif deed.kind == "audience":
        said.update(type="track", event="Audience Entered" if deed.flag else "Audience Exited", properties={"audience_key": "vip"})
    elif deed.kind == "track":
        said.update(event="viewed")
    elif deed.kind == "alias":
        said.update(previousId=f"d{deed.number % 3 + 1}")
    elif deed.kind == "group":
        said.update(groupId=deed.number)
    return world.receive(json.dumps(said).encode(), account)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(st.lists(DEEDS, min_size=1, max_size=4), max_size=8))
def test_whatever_is_done_the_rows_agree_and_two_users_are_never_one(groups: list[list[Deed]]) -> None:
    world = World()
    for group in groups:
        world.now += 1
        world.do(*(command_of(world, deed, 1) for deed in group))
        world.check()
        for profile in world.of().profiles.values():
            assert sum(k[0] == "u" for k in profile.keys) <= 1


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(DEEDS, max_size=12), st.lists(DEEDS, max_size=12))
def test_what_another_account_does_with_the_same_ids_changes_nothing(mine: list[Deed], theirs: list[Deed]) -> None:
    alone, beside = World(), World()
    # The other account's profiles take numbers too, so numbers are named by hand only where they cannot be this account's.
    mine = [deed for deed in mine if deed.kind not in ("erase_by_id", "block", "parameter", "set_email", "member")]
    verdicts: list[list[str]] = [[], []]
    for number, deed in enumerate(mine):
        verdicts[0] += [outcome.verdict for outcome in alone.do(command_of(alone, deed, 1))]
        group = [command_of(beside, other, 2) for other in theirs[number : number + 1]]
        verdicts[1] += [outcome.verdict for outcome in beside.do(*group, command_of(beside, deed, 1))][-1:]
    assert verdicts[0] == verdicts[1]
    assert alone.summary(1) == beside.summary(1)


PEOPLE = {"u1": "a@example.com", "u2": "c@example.com"}


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["u1", "u2"]), st.sampled_from(["u", "e", "d", "ue", "ud", "ed", "ued"]), st.integers(0, 30), st.integers(1, 2)
        ),
        max_size=16,
    ),
    st.lists(st.tuples(st.integers(0, 15), st.sampled_from(["u1", "u2"])), max_size=3),
)
def test_after_a_deletion_nothing_older_comes_back_and_what_is_newer_starts_anew(
    said: list[tuple[str, str, int, int]], deletions: list[tuple[int, str]]
) -> None:
    """Each person uses only their own ids. A message says its own time in a parameter, so that what came back can be seen.

    A deletion reaches every key known to belong to the person then; an id never seen with them before is nobody's yet.
    """
    world = World()
    reached: dict[str, int] = {}
    for number, (user, ids, age, device) in enumerate(said):
        world.now = NOW + 10 * number
        for _, whose in (deletion for deletion in deletions if deletion[0] == number):
            profile = world.find("u" + whose)
            for k in ("u" + whose, *(profile.keys if profile else ())):
                reached[k] = world.now
            before = {p.id for p in world.of().profiles.values()}
            world.do(c.Erase(1, (key("u" + whose),)))
            assert world.find("u" + whose) is None
            assert profile is None or profile.id not in world.of().profiles
            assert {p.id for p in world.of().profiles.values()} == before - {profile.id if profile else None}
        at = world.now - 10 * age + 5 * (age > 0)
        one: dict[str, Any] = {"type": "identify", "messageId": f"m{number}", "timestamp": at, "traits": {f"t{number}": at}}
        keys = []
        if "u" in ids:
            one["userId"] = user
            keys.append("u" + user)
        if "e" in ids:
            one["traits"]["email"] = PEOPLE[user]
            keys.append("e" + PEOPLE[user])
        if "d" in ids:
            one["anonymousId"] = f"{user}-d{device}"
            keys.append("a" + one["anonymousId"])
        (outcome,) = world.say(one)
        named = [k for k in keys if k[0] != "a"] or keys
        too_old = any(at <= reached.get(k, 0) for k in named)
        assert outcome.verdict == ("dropped" if too_old else "stored")
        world.check()
        for k, barrier in reached.items():
            owner = world.of().owners[key(k)]
            assert owner is not None
            assert owner.barrier_at >= barrier, f"{k} lost its barrier"


def test_the_outcome_of_a_refusal_is_a_value() -> None:
    (outcome,) = World().say(b"[")
    assert outcome == Outcome("rejected", 1, code="invalid_json", reason="The body is not valid JSON.")
