"""Mailboxes and likeness: cheats.md 2, and the honest people who look like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodword.core.likeness import likeness, look_alike, skeleton, stem
from goodword.core.mailbox import domain_of, domains_of, emails_of, is_valid, normalize
from goodword.core.profile import IdentityKey, Parameter, Profile, ProfileId

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
ASCII = st.text("abmnrv01.+-_@ГoО", max_size=20)
EMAILS = st.one_of(
    st.builds(lambda name, domain: f"{name}@{domain}", ASCII, st.sampled_from(["gmail.com", "googlemail.com", "pm.me", "x.example"])),
    st.emails(),
    TEXT,
)


@pytest.mark.parametrize(
    ("written", "mailbox"),
    [
        (" Jo.E+Shop@GMail.com ", "joe@gmail.com"),
        ("joe@googlemail.com", "joe@gmail.com"),
        ("jo.e+1@shop.example", "jo.e@shop.example"),
        ("j_o-e@protonmail.com", "joe@proton.me"),
        ("joe@mac.com", "joe@icloud.com"),
        ("+1@x.example", "+1@x.example"),
        ("...@gmail.com", "...@gmail.com"),
        ("ＪＯＥ＠x.example", "joe@x.example"),
        ("no address", "no address"),
    ],
)
def test_an_address_stands_for_its_mailbox(written: str, mailbox: str) -> None:
    assert normalize(written) == mailbox


@given(EMAILS)
def test_normalizing_twice_is_normalizing_once(email: str) -> None:
    assert normalize(normalize(email)) == normalize(email)


@given(TEXT | ASCII)
def test_a_skeleton_looks_like_itself(text: str) -> None:
    assert skeleton(skeleton(text)) == skeleton(text)


@given(EMAILS, EMAILS)
def test_likeness_is_symmetric_and_everything_is_like_itself(one: str, other: str) -> None:
    assert likeness(one, other) == likeness(other, one)
    assert look_alike(one, other) == look_alike(other, one)
    assert likeness(one, one) == look_alike(one, one) == "same"
    if look_alike(one, other) == "same":
        assert likeness(one, other) == "same"


SAME = [
    ("joe@gmail.com", "jo.e+1@gmail.com"),
    ("joe@gmail.com", "J.O.E@googlemail.com"),
    ("joe@shop.example", "joe+friend@shop.example"),
]
ALIKE = [
    ("joe@shop.example", "joe2@shop.example"),
    ("joe1@shop.example", "joe17@shop.example"),
    ("jo.e@shop.example", "joe@shop.example"),
    ("jane_smith@shop.example", "jane-smith3@shop.example"),
    ("jane@shop.example", "jаne@shop.example"),
    ("jane@shop.example", "jane@shоp.example"),
    ("john@shop.example", "j0hn@shop.example"),
    ("martin@shop.example", "rnartin@shop.example"),
    ("jané@shop.example", "jane@shop.example"),
    ("jane.smith@shop.example", "jane.smith@mail.example"),
    ("janesmith@shop.example", "janesmith@mail.example"),
    ("jsmith85@shop.example", "jsmith85@mail.example"),
]
STRANGERS = [
    ("j.smith@mail.example", "jane.smith@mail.example"),
    ("jane.smith@mail.example", "john.smith@mail.example"),
    ("jane.smith@mail.example", "jane.smyth@mail.example"),
    ("user1@mail.example", "user2@mail.example"),
    ("friend-00017@mail.example", "friend-00018@mail.example"),
    ("u1@mail.example", "u2@mail.example"),
    ("jane1985@mail.example", "jane1986@mail.example"),
    ("info@one.example", "info@two.example"),
    ("customer.service@one.example", "customers@two.example"),
    ("anna@one.example", "anna@two.example"),
    ("j.doe@one.example", "j.doe@two.example"),
    ("joe@one.example", "jane@two.example"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_mailbox_is_certain(one: str, other: str) -> None:
    assert likeness(one, other) == look_alike(one, other) == "same"


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_what_people_change_to_get_a_second_address_is_alike(one: str, other: str) -> None:
    assert likeness(one, other) == "alike"


@pytest.mark.parametrize(("one", "other"), STRANGERS)
def test_strangers_with_something_in_common_are_strangers(one: str, other: str) -> None:
    assert likeness(one, other) == ""


def test_numbers_tell_friends_of_one_advocate_apart() -> None:
    assert look_alike("mia1@x.example", "mia2@x.example") == ""
    assert look_alike("mi.a@x.example", "mia@x.example") == "alike"
    assert look_alike("mia@x.example", "mia@y.example") == ""
    assert (stem("joe2"), stem("user2"), stem("jo2"), stem("joe222")) == ("joe", "user2", "jo2", "joe222")


@pytest.mark.parametrize(
    "email",
    ["jane@shop.example", "jane+1@a.b.example", "jane@shop.test", "é@shop.example", "jane@münchen.example", "a@xn--mnchen-3ya.example"],
)
def test_an_address_that_may_be_somebodys_is_valid(email: str) -> None:
    assert is_valid(email)


@pytest.mark.parametrize(
    "email",
    [
        "jane@localhost",
        "jane@x.invalid",
        "jo..e@x.example",
        "jane@-x.example",
        "jane@x",
        ".joe@x.example",
        "a b@x.example",
    ],
)
def test_an_address_that_can_be_nobodys_is_not(email: str) -> None:
    assert not is_valid(email)


def test_domains_of_an_address() -> None:
    assert domain_of("jane@A.B.Example ") == "a.b.example"
    assert domains_of("a.b.example") == ["a.b.example", "b.example"]
    assert domains_of("example") == ["example"]


def test_the_addresses_of_a_person_include_the_one_it_says_to_have() -> None:
    keys = (IdentityKey("u1"), IdentityKey("ejane@x.example"), IdentityKey("aX"))
    profile = Profile(ProfileId(1), 0, keys, {"email": Parameter("John@x.example", 1, 0, "PUBLIC", 1)})
    assert emails_of(profile) == ["jane@x.example", "john@x.example"]
    assert emails_of(Profile(ProfileId(1), 0, keys, {"email": Parameter(5, 1, 0, "PUBLIC", 1)})) == ["jane@x.example"]
    assert emails_of(Profile(ProfileId(1), 0, keys, {"email": Parameter("jane@x.example", 1, 0, "PUBLIC", 1)})) == ["jane@x.example"]
