"""The log of deletions, for whoever must show them. It names nobody."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from goodword.core.profile import IdentityKey
from goodword.core.times import Millis, write_time
from goodword.storage.store import Store

ALL = 1 << 62


class Erasure(Struct):
    """A deletion: how many profiles, those merged into them included, and how many look-up keys."""

    id: str
    at: Millis
    profiles: int
    keys: int
    is_suppressed: bool


def erasures(store: Store, account: int, limit: int | None = None, offset: int = 0) -> list[Erasure]:
    """An account's deletions, newest first; from any thread."""
    sql = "SELECT id, at, profiles, keys, suppressed FROM erasure WHERE account_id = ? ORDER BY at DESC, id DESC LIMIT ? OFFSET ?"
    rows = store.database.scan(sql, (account, ALL if limit is None else limit, offset))
    return [Erasure(id, at, profiles, keys, bool(suppressed)) for id, at, profiles, keys, suppressed in rows]


def as_json(erasure: Erasure) -> dict[str, Any]:
    """A deletion for programs."""
    return {
        "id": erasure.id,
        "time": write_time(erasure.at),
        "profiles": erasure.profiles,
        "keys": erasure.keys,
        "suppressed": erasure.is_suppressed,
    }


def barrier(store: Store, account: int, key: IdentityKey) -> Millis:
    """Up to when messages about a key are dropped: 0 for none, FOREVER (`core/times.py`) where it is suppressed."""
    sql = "SELECT barrier_at FROM identity WHERE account_id = ? AND key = ?"
    rows = store.database.read(sql, (account, store.sealer.hash(account, key)))
    return rows[0][0] if rows else 0
