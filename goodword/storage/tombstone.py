"""Deletions that the key store remembers and the database does not: its commit failed, it was restored from a backup, or a node died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goodword.core.times import FOREVER
from goodword.storage.keys import LIFTED, NO_HASH
from goodword.storage.save_delivery import erase_deliveries
from goodword.storage.save_referral import erase_referrals

if TYPE_CHECKING:
    from goodword.storage.store import Store


def repeat(store: Store) -> int:
    """Repeat the deletions, and the ends of suppressions, from `store.tombstones_applied` on.

    Part of the caller's transaction, after which `tombstones_applied` is what this returns."""
    database = store.database
    applied = store.tombstones_applied
    for account, hash16, number, at, suppressed in store.keys.journal(applied):
        applied += 1
        if number == LIFTED:
            lifted = "UPDATE identity SET barrier_at = ? WHERE account_id = ? AND key = ? AND barrier_at = ?"
            database.write(lifted, (at, account, hash16, FOREVER))
            continue
        if number:
            database.write("DELETE FROM profile WHERE id = ? AND account_id = ?", (number, account))
            database.write("DELETE FROM membership WHERE account_id = ? AND profile_id = ?", (account, number))
            database.write("DELETE FROM merged WHERE account_id = ? AND (source = ? OR target = ?)", (account, number, number))
            erase_deliveries(database, account, number)
            erase_referrals(database, account, number, None, at)
        if hash16 == NO_HASH:
            continue
        erase_referrals(database, account, 0, hash16, at)
        owned = database.write("SELECT profile_id FROM identity WHERE account_id = ? AND key = ?", (account, hash16))
        owner = owned[0][0] if owned else None
        if owner is not None and store.keys.key(owner) is None:
            owner = None
        database.write(
            "INSERT INTO identity VALUES (?, ?, ?, ?) ON CONFLICT (account_id, key)"
            " DO UPDATE SET profile_id = excluded.profile_id, barrier_at = max(identity.barrier_at, excluded.barrier_at)",
            (account, hash16, owner, FOREVER if suppressed else at),
        )
    store.keep("tombstones", str(applied))
    return applied


def catch_up(store: Store) -> None:
    """Among nodes: repeat what a node destroyed whose commit did not come. Errors: OSError."""
    if store.nodes is None or int(store.kept("tombstones") or 0) == store.keys.journal_len():
        return
    with store.transaction():
        store.nodes.alone()
        store.tombstones_applied = int(store.kept("tombstones") or 0)
        store.nodes.hold_all(sorted({tombstone.account_no for tombstone in store.keys.journal(store.tombstones_applied)}))
        repeat(store)
