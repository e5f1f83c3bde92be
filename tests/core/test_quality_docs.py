"""The reference of the quality rules names every rule and parameter there is, with its default, and none that is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from goodword.core.quality import Quality
from goodword.core.rulebook import RULES, STICKY

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "quality-rules.md").read_text()


def rows(text: str) -> dict[str, tuple[str, str]]:
    """Of each rule the column of its default, and the whole row."""
    found = re.findall(r"^(\| `(\w+)` \| (`\w+`[^|]*) \|.*)$", text, re.MULTILINE)
    return {name: (default, row) for row, name, default in found}


def default_of(value: Any) -> str:
    """A rule's default as the reference writes it; lists are told in words."""
    if isinstance(value, str):
        return f"`{value}`"
    terms = msgspec.structs.asdict(value)
    plain = [f"`{name}` {_shown(each)}" for name, each in terms.items() if name != "action" and not isinstance(each, list) and each != ""]
    return f"`{terms['action']}`" + (f"; {', '.join(plain)}" if plain else "")


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_rule_is_told_with_its_defaults_and_parameters() -> None:
    quality = Quality()
    told = rows(TEXT)
    assert {name: default for name, (default, _) in told.items()} == {
        name: default_of(getattr(quality, name)) for name in Quality.__struct_fields__
    }
    for name, (_, row) in told.items():
        terms = getattr(quality, name)
        parameters = () if isinstance(terms, str) else terms.__struct_fields__
        assert [each for each in parameters if each != "action" and f"`{each}`" not in row] == [], name


def test_rules_are_told_in_the_order_they_are_asked() -> None:
    told = list(rows(TEXT))
    assert [name for name in told if name in {rule.__name__ for rule in RULES}] == [rule.__name__ for rule in RULES]


def test_rules_that_keep_their_first_verdict_are_named() -> None:
    sentence = re.search(r"keep their first verdict.*", TEXT)
    assert sentence is not None
    assert set(re.findall(r"`(\w+)`", sentence[0])) == STICKY
