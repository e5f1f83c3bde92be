"""Block lists: entries put on and taken off."""

from __future__ import annotations

from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.block import NOTE_CHARS_MAX, BlockEntry, marks_of, read_value
from goodword.core.decision import BlockListed, Decision, Outcome
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.profile import Profile
from goodword.core.times import Millis

_KINDS = {
    "NORMALIZED_EMAIL": "an e-mail address",
    "EMAIL_DOMAIN": "a mail domain such as example.com",
    "CIDR": "an address or a network, of 8 bits (IPv6: 16) at least, such as 192.0.2.0/24",
    "USER_AGENT": "a part of a user agent, of 4 characters at least, that tells browsers apart",
}


def decide(command: c.PutBlock, facts: Facts, now: Millis, fresh: Fresh) -> Decision:  # noqa: ARG001
    """An entry as it is kept is the outcome's value. Putting what is there, or taking off what is not, is done as well."""
    entry = command.entry
    if entry.list_type == "BLOCKED_PERSON":
        return Decision(Outcome("refused", code="invalid_value", reason="People are blocked by themselves: PUT /v5/persons/{id}/block."))
    value = entry.value if entry.is_stored else read_value(entry.list_type, entry.value)
    if value is None:
        return Decision(Outcome("refused", code="invalid_value", reason=f"The value must be {_KINDS[entry.list_type]}."))
    kept = replace(entry, value=value, note=entry.note.strip()[:NOTE_CHARS_MAX], created_at=now)
    return Decision(Outcome("done", value=kept), (BlockListed(kept, command.is_listed),))


def person_blocked(profile: Profile, is_blocked: bool, now: Millis) -> list[BlockListed]:
    """What a blocked person is to be known again by, put on the lists; or, when the block is lifted, taken off."""
    entries = (BlockEntry("BLOCKED_PERSON", "BLACK", mark, created_at=now) for mark in marks_of(profile))
    return [BlockListed(entry, is_blocked) for entry in entries]
