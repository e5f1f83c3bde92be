"""docs/reference/webhooks.md says what the code sends: every event type with every field of its payload."""

from __future__ import annotations

import re
from pathlib import Path

from goodword.core.source import calls_of
from goodword.core.webhook import FIELDS, SHARED, is_optional

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference" / "webhooks.md"
WAY_BACK = ROOT / "docs" / "how-to" / "send-back-to-segment.md"
REWARD = "those of a reward"


def documented(text: str) -> dict[str, set[str]]:
    """The fields of each type by the document's table, optional ones in parentheses."""
    found = re.search(r"^Those of a reward: (.*?)\. ", text, re.MULTILINE | re.DOTALL)
    assert found
    of_reward = _named(found[1])
    fields: dict[str, set[str]] = {}
    for name, said in re.findall(r"^\| `([\w.]+\.[\w.]+)` \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE):
        fields[name] = _named(said) | (of_reward if REWARD in said else set())
    return fields


def _named(said: str) -> set[str]:
    return {f"({name})" if is_open else name for is_open, name in re.findall(r"(\(?)`(\w+)`", said)}


def test_every_event_type_and_field_is_documented() -> None:
    text = REFERENCE.read_text()
    coded = {name: {f"({field})" if is_optional(name, field) else field for field in fields} for name, fields in FIELDS.items()}
    assert documented(text) == coded
    assert all(f"`{name}`" in text for name in SHARED)
    assert documented("Those of a reward: `a`. \n| `x.y` | when | those of a reward, (`b`) |\n") == {"x.y": {"a", "(b)"}}


def test_the_way_back_is_documented_call_by_call() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| track `(\w+)` \|", WAY_BACK.read_text(), re.MULTILINE)
    assert len(rows) == 4
    assert [(name, calls_of(name, "x", 0, {"person_id": "1"}, "1")[-1]["event"]) for name, _ in rows] == rows
