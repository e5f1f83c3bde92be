"""Patterns of checks: found or not in time that grows with the text, whatever they are."""

from __future__ import annotations

import pytest

from goodword.core.pattern import finds, is_pattern
from goodword.core.reward_rule import TEXT_CHARS_MAX


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "^(.*a){12}$", "^a*a*a*a*a*a*$"])
@pytest.mark.timeout(20)
def test_what_takes_a_backtracking_engine_for_ever_is_answered(pattern: str) -> None:
    assert finds(pattern, "a" * (TEXT_CHARS_MAX - 1) + "!") is False
    assert finds(pattern, "a" * 50) is True
    assert is_pattern(pattern)


@pytest.mark.parametrize("text", ["(", "[a", r"(a)\1", "(?=a)", "x{1000}{1000}", "\ud800"])
def test_what_is_no_pattern_is_found_nowhere(text: str) -> None:
    assert not is_pattern(text)
    assert finds(text, "aa") is None


def test_letters_are_letters_in_any_script_and_half_a_character_is_none() -> None:
    assert finds("(?i)^größe$", "GRÖSSE".replace("SS", "ß")) is True
    assert finds("a", "a\ud800") is None
