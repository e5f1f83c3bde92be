"""Block lists: what may be put on them, what they hold, which of two entries wins."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodword.core import command as c
from goodword.core.block import BlockEntry, Blocks, FilterType, Lists, ListType, kind_of, marks_of, read_value
from goodword.core.decide import decide
from goodword.core.decision import BlockListed
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.profile import IdentityKey, Profile, ProfileId
from tests.core.world import NOW

VALUES: list[tuple[ListType, str, str | None]] = [
    ("NORMALIZED_EMAIL", " Jo.E+1@Gmail.com ", "joe@gmail.com"),
    ("NORMALIZED_EMAIL", "jo..e@x.example", None),
    ("NORMALIZED_EMAIL", "nobody", None),
    ("EMAIL_DOMAIN", "@Shop.Example.", "shop.example"),
    ("EMAIL_DOMAIN", "*.shop.example", "shop.example"),
    ("EMAIL_DOMAIN", "münchen.example", "xn--mnchen-3ya.example"),
    ("EMAIL_DOMAIN", "example", None),
    ("EMAIL_DOMAIN", "a b.example", None),
    ("EMAIL_DOMAIN", "ü" * 70 + ".example", None),
    ("CIDR", "192.0.2.7", "192.0.2.7/32"),
    ("CIDR", "192.0.2.7/24", "192.0.2.0/24"),
    ("CIDR", "2001:db8::1/48", "2001:db8::/48"),
    ("CIDR", "0.0.0.0/0", None),
    ("CIDR", "::/8", None),
    ("CIDR", "192.0.2", None),
    ("USER_AGENT", " EvilBot/1.0  (x) ", "evilbot/1.0 (x)"),
    ("USER_AGENT", "x", None),
    ("USER_AGENT", "Mozilla/5.0", None),
    ("USER_AGENT", "x" * 301, None),
]


@pytest.mark.parametrize(("kind", "text", "value"), VALUES)
def test_values_are_read_or_refused(kind: ListType, text: str, value: str | None) -> None:
    assert read_value(kind, text) == value


@given(
    st.sampled_from(["NORMALIZED_EMAIL", "EMAIL_DOMAIN", "CIDR", "USER_AGENT"]),
    st.text(max_size=40) | st.emails() | st.ip_addresses().map(str),
)
def test_a_value_that_was_read_reads_as_itself(kind: ListType, text: str) -> None:
    value = read_value(kind, text)
    if value is not None:
        assert read_value(kind, value) == value


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("jane@x.example", "NORMALIZED_EMAIL"),
        ("@x.example", "EMAIL_DOMAIN"),
        ("x.example", "EMAIL_DOMAIN"),
        ("192.0.2.0/24", "CIDR"),
        ("0.0.0.0/0", "CIDR"),
        ("2001:db8::1", "CIDR"),
        ("300.1.1.1", "CIDR"),
        ("192.0.2.0/99", "CIDR"),
        ("2001:db8::/200", "CIDR"),
        ("EvilBot", "USER_AGENT"),
        ("evil.bot/1.0", "USER_AGENT"),
        ("Evil Bot 1.0", "USER_AGENT"),
    ],
)
def test_what_a_value_is_follows_from_how_it_is_written(text: str, kind: ListType) -> None:
    assert kind_of(text) == kind


def lists(*entries: tuple[ListType, FilterType, str]) -> Lists:
    return Lists.of(BlockEntry(kind, way, value) for kind, way, value in entries)


def test_white_beats_black_and_entries_hold_for_what_is_below_them() -> None:
    found = lists(
        ("EMAIL_DOMAIN", "BLACK", "x.example"), ("EMAIL_DOMAIN", "WHITE", "good.x.example"),
        ("CIDR", "BLACK", "192.0.2.0/24"), ("CIDR", "WHITE", "192.0.2.7/32"), ("CIDR", "BLACK", "2001:db8::/48"),
        ("USER_AGENT", "BLACK", "evilbot"), ("USER_AGENT", "BLACK", "evil*browser"), ("USER_AGENT", "WHITE", "kind evilbot"),
        ("NORMALIZED_EMAIL", "BLACK", "aa"), ("NORMALIZED_EMAIL", "WHITE", "bb"),
    )  # fmt: skip
    assert [found.of_domain(each) for each in ("x.example", "a.x.example", "good.x.example", "y.example")] == [
        "BLACKLISTED", "BLACKLISTED", "WHITELISTED", "NOT_LISTED",
    ]  # fmt: skip
    assert [found.of_address(each) for each in ("192.0.2.1", "192.0.2.7", "::ffff:192.0.2.1", "198.51.100.1", "2001:db8::5", "x", "")] == [
        "BLACKLISTED", "WHITELISTED", "BLACKLISTED", "NOT_LISTED", "BLACKLISTED", "NOT_LISTED", "NOT_LISTED",
    ]  # fmt: skip
    assert [found.of_agent(each) for each in ("The EvilBot/2", "kind  evilbot", "Evil good browser", "evil browser 2", "")] == [
        "BLACKLISTED", "WHITELISTED", "BLACKLISTED", "NOT_LISTED", "NOT_LISTED",
    ]  # fmt: skip
    assert [found.of_email(each) for each in ("aa", "bb", "cc")] == ["BLACKLISTED", "WHITELISTED", "NOT_LISTED"]


def test_marks_of_blocked_people_are_apart() -> None:
    found = Lists.of([BlockEntry("BLOCKED_PERSON", "BLACK", "00ff")])
    assert found == Lists(people=frozenset(("00ff",)), since={"00ff": 0})


def test_nothing_is_on_an_empty_list() -> None:
    empty = Blocks()
    assert empty.is_empty
    assert (empty.of_domain("x.example"), empty.of_address("192.0.2.1"), empty.of_agent("x")) == ("NOT_LISTED",) * 3
    assert empty.of_device("192.0.2.1", "x") == ""


def test_an_own_entry_beats_the_installations() -> None:
    own = lists(("EMAIL_DOMAIN", "WHITE", "x.example"), ("USER_AGENT", "BLACK", "evilbot"))
    installation = lists(("EMAIL_DOMAIN", "BLACK", "x.example"), ("CIDR", "BLACK", "192.0.2.0/24"), ("NORMALIZED_EMAIL", "BLACK", "aa"))
    blocks = Blocks(own, installation)
    assert not blocks.is_empty
    assert blocks.of_domain("jane@X.example") == "WHITELISTED"
    assert Blocks(Lists(), installation).of_domain("x.example") == "BLACKLISTED"
    assert blocks.of_device("192.0.2.1", "good") == "CIDR"
    assert blocks.of_device("198.51.100.1", "EvilBot") == "USER_AGENT"
    assert Blocks(lists(("CIDR", "WHITE", "192.0.2.1/32")), Lists()).of_device("192.0.2.1", "x") == ""


def put(entry: BlockEntry, is_listed: bool = True) -> tuple[str, str, list[BlockListed]]:
    decision = decide(c.PutBlock(1, entry, is_listed), Facts(), NOW, Fresh(1, ProfileId(1)))
    listed = [record for record in decision.records if isinstance(record, BlockListed)]
    assert listed == list(decision.records)
    return decision.outcome.verdict, decision.outcome.code, listed


def test_an_entry_is_kept_as_it_is_compared() -> None:
    verdict, _, records = put(BlockEntry("NORMALIZED_EMAIL", "BLACK", "Jo.E+1@gmail.com", " chargebacks "))
    assert verdict == "done"
    assert records == [BlockListed(BlockEntry("NORMALIZED_EMAIL", "BLACK", "joe@gmail.com", "chargebacks", NOW), True)]
    assert put(BlockEntry("CIDR", "BLACK", "192.0.2.7"), False)[2][0].is_listed is False
    stored = BlockEntry("NORMALIZED_EMAIL", "WHITE", "00ff", is_stored=True)
    assert put(stored)[2][0].entry.value == "00ff"


@pytest.mark.parametrize(
    "entry",
    [BlockEntry("CIDR", "BLACK", "0.0.0.0/0"), BlockEntry("EMAIL_DOMAIN", "BLACK", ""), BlockEntry("BLOCKED_PERSON", "BLACK", "adev")],
)
def test_an_entry_that_means_nothing_is_refused(entry: BlockEntry) -> None:
    assert put(entry) == ("refused", "invalid_value", [])


def test_a_blocked_person_is_known_again_until_the_block_is_lifted() -> None:
    keys = tuple(map(IdentityKey, ("u1", "ejo.e@gmail.com", "ejoe@gmail.com", "adev")))
    profile = Profile(ProfileId(1), 0, keys)
    assert marks_of(profile, (IdentityKey("aother"),)) == ["adev", "aother", "njoe@gmail.com"]
    facts = Facts(profiles={profile.id: profile})

    def set_block(kind: Literal["NONE", "EVENTS", "REWARDS"]) -> list[bool]:
        decision = decide(c.SetBlock(1, profile.id, kind, "fraud"), facts, NOW, Fresh(1, ProfileId(2)))
        facts.lay(decision.records)
        return [record.is_listed for record in decision.records if isinstance(record, BlockListed)]

    assert set_block("NONE") == []
    assert set_block("REWARDS") == [True, True]
    assert set_block("EVENTS") == [True, True]
    assert facts.referrals.reference.marks == {"adev", "njoe@gmail.com"}
    assert set_block("NONE") == [False, False]
    assert set_block("NONE") == []
    assert facts.referrals.reference.marks == frozenset()
