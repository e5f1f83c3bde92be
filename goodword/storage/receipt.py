"""Bounds the part of the message log that holds what left no event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goodword.storage.sqlite import DatabaseError

if TYPE_CHECKING:
    from goodword.storage.store import Store


def trim_receipts(store: Store, kept: int) -> None:
    """Of each account only the last `kept` refused, dropped and repeated messages stay. Errors: OSError."""
    for account in store.accounts:
        newest = "SELECT arrival FROM receipt WHERE account_id = ? ORDER BY arrival DESC LIMIT 1 OFFSET ?"
        cut = store.database.read(newest, (account, kept))
        if cut:
            try:
                store.database.write("DELETE FROM receipt WHERE account_id = ? AND arrival <= ?", (account, cut[0][0]))
            except DatabaseError as error:
                raise OSError(str(error)) from error
