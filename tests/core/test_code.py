"""Codes of share links: whatever is asked for, what is made can be used, and what cannot be is refused with its reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodword.core import code as codes

RANDOM = st.binary(min_size=codes.RANDOM_BYTES, max_size=codes.RANDOM_BYTES)


@given(RANDOM, st.lists(st.text(max_size=60), max_size=4))
def test_a_generated_code_is_always_a_code_that_is_not_refused(randomness: bytes, prefixes: list[str]) -> None:
    made = codes.generate(randomness, tuple(prefixes))
    assert codes.check(made) is None
    assert codes.is_code(made)
    assert made == made.casefold()


@given(RANDOM, RANDOM, st.sampled_from(["", "ada", "Grace Hopper"]))
def test_different_randomness_makes_different_codes(one: bytes, other: bytes, prefix: str) -> None:
    length = codes.SUFFIX_CHARS if prefix else codes.BARE_CHARS
    low = [int.from_bytes(each, "big") % len(codes.ALPHABET) ** length for each in (one, other)]
    same = codes.generate(one, (prefix,)) == codes.generate(other, (prefix,))
    assert same == (low[0] == low[1])


def test_a_code_has_at_least_forty_bits() -> None:
    assert len(codes.ALPHABET) ** min(codes.SUFFIX_CHARS, codes.BARE_CHARS) > 1 << 40
    assert len(set(codes.ALPHABET)) == len(codes.ALPHABET)


@given(st.text(max_size=60))
def test_what_is_refused_and_what_is_not(text: str) -> None:
    wrong = codes.check(text)
    legal = all(char.isascii() and (char.isalnum() or char in "-_") for char in text)
    if not legal:
        assert wrong is not None
        assert wrong.code == "code_illegal_character"
    elif not codes.CODE_CHARS_MIN <= len(text) <= codes.CODE_CHARS_MAX:
        assert wrong is not None
        assert wrong.code == "code_out_of_range"
    else:
        assert (wrong is not None) == codes.has_reserved_word(text)
    assert codes.is_code(text) == (wrong is None or wrong.code == "code_contains_reserved_word")


@pytest.mark.parametrize(
    ("code", "refusal"),
    [
        ("abc", "code_out_of_range"),
        ("", "code_out_of_range"),
        ("a" * 51, "code_out_of_range"),
        ("a" * 50, None),
        ("abcd", None),
        ("jane doe", "code_illegal_character"),
        ("jane.doe", "code_illegal_character"),
        ("jäne-doe", "code_illegal_character"),
        ("аbcd", "code_illegal_character"),  # the first letter is Cyrillic
        ("ａｂｃｄ", "code_illegal_character"),  # full width
        ("١٢٣٤", "code_illegal_character"),  # Arabic digits
        ("code\n", "code_illegal_character"),
        ("code\0", "code_illegal_character"),
        ("admin", "code_contains_reserved_word"),
        ("Jane-ADMIN", "code_contains_reserved_word"),
        ("jane_Adm1n_x", "code_contains_reserved_word"),
        ("administratrix", None),
        ("admin1", "code_contains_reserved_word"),
        ("2024-root66", "code_contains_reserved_word"),
        ("shit99", "code_contains_reserved_word"),
        ("jane1990", None),
        ("1234", None),
        ("xxFUCKxx", "code_contains_reserved_word"),
        ("f-u-c-k", "code_contains_reserved_word"),
        ("5h1t", "code_contains_reserved_word"),
        ("Yoshitaka", None),
        ("Nazir-10", None),
        ("Scunthorpe", None),
        ("ADA-10", None),
    ],
)
def test_codes_and_their_refusals(code: str, refusal: str | None) -> None:
    wrong = codes.check(code)
    assert (wrong.code if wrong is not None else None) == refusal


@pytest.mark.parametrize(
    ("text", "prefix"),
    [("Ada", "ada"), (" Mary  Ann ", "mary-ann"), ("---", ""), ("admin", ""), ("x" * 40, "x" * 20), ("a" * 19 + "--b", "a" * 19)],
)
def test_prefixes(text: str, prefix: str) -> None:
    assert codes.as_prefix(text) == prefix


def test_the_first_usable_prefix_is_taken() -> None:
    assert codes.generate(bytes(16), ("!!", "admin", "Ada", "Grace")).startswith("ada-")
    assert "-" not in codes.generate(bytes(16), ("", "!!"))
