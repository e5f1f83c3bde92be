"""The reference of campaigns says what the code does: every field with its default, every state and move."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from goodword.core.campaign import ENDED_DAYS, MOVES, State
from goodword.core.campaign_check import REWARDS_MAX
from goodword.core.campaign_diff import diff
from goodword.core.campaign_schema import resolve, schema
from goodword.core.deciding.campaign import CAMPAIGNS_MAX, VERSIONS_MAX
from goodword.document import template
from goodword.document.text import BYTES_MAX, examine, write

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
TEXT = (REFERENCE / "campaign.md").read_text()


def fields(said: Mapping[str, Any], here: str = "") -> Iterator[tuple[str, str]]:
    """Every field of the document and its default as the reference writes it; quality rules have a page of their own."""
    for each in (resolve(part) for part in resolve(said).get("anyOf", [said])):
        for name, inner in each.get("properties", {}).items():
            path = f"{here}.{name}" if here else name
            is_part = resolve(inner).get("type") == "object" and "properties" in resolve(inner)
            default = "*required*" if name in each["required"] else "`{}`" if is_part else f"`{json.dumps(inner['default'])}`"
            yield path, default
            if path != "quality":
                yield from fields(inner, path)
        if each.get("type") == "array":
            yield from fields(each["items"], f"{here}[]")


def rows() -> list[tuple[str, str]]:
    """The fields that the reference lists, each with its default."""
    return re.findall(r"^\| `([a-z_.\[\]]+)` \| (.+?) \| .+ \|$", TEXT.partition("## States")[0], re.MULTILINE)


def test_every_field_is_in_the_reference_with_its_default_and_no_other() -> None:
    assert dict(rows()) == dict(fields(schema()))
    assert len(rows()) == len(dict(rows()))


def test_every_quality_rule_is_on_the_page_of_quality_rules() -> None:
    page = (REFERENCE / "quality-rules.md").read_text()
    assert [name for name in schema()["$defs"]["Quality"]["properties"] if f"`{name}`" not in page] == []


def test_every_state_and_move_is_in_the_reference() -> None:
    table = dict(re.findall(r"^\| `([A-Z_]+)` \| ((?:`[A-Z]+`(?:, )?)*) ?\|$", TEXT, re.MULTILINE))
    assert {state: tuple(re.findall(r"`(\w+)`", after)) for state, after in table.items()} == MOVES
    assert re.findall(r"^\| `([A-Z_]+)` \| \w", TEXT, re.MULTILINE) == list(get_args(State))


@pytest.mark.parametrize(
    "said",
    [
        f"{ENDED_DAYS} days",
        f"at most {VERSIONS_MAX:,}",
        f"at most {CAMPAIGNS_MAX} campaigns",
        f"{REWARDS_MAX} rewards",
        f"{BYTES_MAX // 1024} KiB",
    ],
)
def test_bounds_are_in_the_reference(said: str) -> None:
    assert said in TEXT


@pytest.mark.parametrize("name", template.names())
def test_every_template_is_good_and_named_in_the_reference_of_commands(name: str) -> None:
    text = template.template(name) or ""
    checked = examine(text)
    assert checked.document is not None
    assert {problem.path for problem in checked.problems} <= {"share.destination"}
    assert all(problem.is_warning for problem in checked.problems)
    assert checked.document.campaign == name
    assert f"`{name}`" in (REFERENCE / "cli.md").read_text()
    assert template.about(name).endswith(".")
    written = examine(write(checked.document)).document
    assert written is not None
    assert diff(written, checked.document) == []


def test_refer_a_friend_as_it_comes() -> None:
    """10 points to the advocate and 10 to the friend on the friend's first conversion; no pending period for what a server said."""
    document = examine(template.template("refer-a-friend") or "").document
    assert document is not None
    said = {(each.to, each.on, each.value.amount, each.value.unit, each.supplier, each.pending_days) for each in document.rewards}
    assert said == {("advocate", "outcome", "10", "POINTS", "points", 0), ("friend", "outcome", "10", "POINTS", "points", 0)}
    assert document.events.outcome == ["conversion"]
    assert (document.quality.browser_outcomes.action, document.quality.browser_outcomes.days) == ("wait", 7)
