"""Audiences and who is in them, for reading."""

from __future__ import annotations

from msgspec import Struct

from goodword.core.profile import Profile
from goodword.core.times import Millis
from goodword.storage.driver import Row
from goodword.storage.query import person as people
from goodword.storage.store import Store

COUNT_MAX = 100_000
"""Members are counted up to here, so that a large audience is shown as fast as any."""


class Counted(Struct, frozen=True):
    """An audience and how many are in it, at most COUNT_MAX."""

    name: str
    created_at: Millis
    members: int


def audiences(store: Store, account: int) -> list[Counted]:
    """All audiences by name."""
    rows = store.database.read("SELECT name, created_at FROM audience WHERE account_id = ? ORDER BY name", (account,))
    return [Counted(name, created_at, _count(store, account, name)) for name, created_at in rows]


def _count(store: Store, account: int, name: str) -> int:
    sql = "SELECT count(*) FROM (SELECT 1 FROM membership WHERE account_id = ? AND audience = ? LIMIT ?) few"
    return int(store.database.read(sql, (account, name, COUNT_MAX))[0][0])


def audience(store: Store, account: int, name: str) -> Counted | None:
    """One audience."""
    rows = store.database.read("SELECT created_at FROM audience WHERE account_id = ? AND name = ?", (account, name))
    return Counted(name, rows[0][0], _count(store, account, name)) if rows else None


def members(store: Store, account: int, name: str, after: int, limit: int) -> list[tuple[Profile, Millis]]:
    """People in an audience and since when, by number, from one on. Who was deleted meanwhile is none of them."""
    rows = places(store, account, name, after, limit)
    found = people.find_many(store, account, [number for number, _ in rows])
    return [(found[number], since) for number, since in rows if number in found]


def places(store: Store, account: int, name: str, after: int, limit: int) -> list[Row]:
    """Numbers in an audience and since when, from one number on."""
    return store.database.read(
        "SELECT profile_id, since FROM membership WHERE account_id = ? AND audience = ? AND profile_id > ? ORDER BY profile_id LIMIT ?",
        (account, name, after, limit),
    )
