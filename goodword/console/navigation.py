"""What the navigation shows: an entry for each feature, in four groups. A role sees the entries it may open."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from goodword.core.console import Role, User, may

Group = Literal["See", "Run", "Connect", "Keep"]
GROUPS: tuple[Group, ...] = ("See", "Run", "Connect", "Keep")


class Entry(Struct, frozen=True):
    """An entry: its words, where it leads (below /console), who may open it, and the key that opens it after `g`."""

    label: str
    path: str
    role: Role
    group: Group
    key: str
    icon: str


def groups_for(user: User, entries: tuple[Entry, ...]) -> list[tuple[Group, list[Entry]]]:
    """The groups with something in them for a user, in order."""
    found = [(group, [entry for entry in entries if entry.group == group and may(user.role, entry.role)]) for group in GROUPS]
    return [(group, shown) for group, shown in found if shown]


def current(entries: tuple[Entry, ...], path: str) -> Entry | None:
    """The entry a path belongs to: the one with the longest path that it begins with."""
    fitting = [entry for entry in entries if path == entry.path or path.startswith(entry.path.rstrip("/") + "/")]
    return max(fitting, key=lambda entry: len(entry.path), default=None)
