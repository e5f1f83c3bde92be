"""What is sealed with a key opens with that key alone, and in its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodword.storage.cipher import KeyWrap, Unreadable, seal, unseal
from tests.storage.keystore import MASTER, OTHER


@given(key=st.binary(min_size=32, max_size=32), plain=st.binary(max_size=300), nonce=st.binary(min_size=12, max_size=12))
def test_what_is_sealed_opens_with_its_key_alone(key: bytes, plain: bytes, nonce: bytes) -> None:
    sealed = seal(key, plain, nonce)
    assert sealed[:12] == nonce
    assert len(sealed) == len(plain) + 28
    assert unseal(key, sealed) == plain
    other = bytes([key[0] ^ 1]) + key[1:]
    for wrong_key, wrong in (
        (other, sealed),
        (key, sealed[:-1]),
        (key, sealed[:10]),
        (key, sealed[:-1] + b"%c" % (sealed[-1] ^ 1)),
    ):
        with pytest.raises(Unreadable):
            unseal(wrong_key, wrong)


def test_a_wrapped_key_opens_only_in_its_own_store_and_place() -> None:
    wrapped = KeyWrap(MASTER, b"a" * 16).wrap(1, OTHER)
    assert KeyWrap(MASTER, b"a" * 16).unwrap(1, wrapped) == OTHER
    for wrap, number in (
        (KeyWrap(MASTER, b"a" * 16), 2),
        (KeyWrap(MASTER, b"b" * 16), 1),
        (KeyWrap(OTHER, b"a" * 16), 1),
    ):
        with pytest.raises(Unreadable):
            wrap.unwrap(number, wrapped)
