"""What storage asks of a database. `sqlite.py` and `postgres.py` answer it; statements are in the words of both (`dialect.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from goodword.storage.cipher import Tombstone

Row = tuple[Any, ...]
LEASE_S = 30
"""How long a piece of work stays with the node that took it, unless it renews that."""


class Keys(Protocol):
    """A key store: files (`keys.py`), or a small database (`keytable.py`)."""

    @property
    def pepper(self) -> bytes:
        """32 bytes, the key of the look-up hashes."""

    @property
    def store_id(self) -> bytes:
        """16 random bytes, the store's for life."""

    @property
    def allocated(self) -> int:
        """The highest profile number handed out."""

    def next_profile_id(self) -> int:
        """A number never handed out before, with a key."""

    def key(self, profile_id: int) -> bytes | None:
        """The 32-byte data key; None when destroyed or never handed out."""

    def fetch(self, profile_ids: Iterable[int]) -> None:
        """Have the keys of these profiles at hand."""

    def destroyed_at(self, profile_id: int) -> int | None:
        """When the profile was deleted, in epoch ms; None when it was not."""

    def destroy(self, profile_ids: Sequence[int], tombstones: Sequence[tuple[int, bytes, int, int, bool]]) -> tuple[int, int]:
        """Destroy keys for ever, and journal tombstones: (account_no, hash16, profile_id, deleted_at ms, suppressed). How many there were
        before, and are now."""

    def journal_len(self) -> int:
        """How many tombstones there are."""

    def journal(self, start: int = 0) -> Iterator[Tombstone]:
        """The tombstones after the first `start`, in the order of their destruction."""

    def refresh(self) -> None:
        """Learn what others handed out and destroyed since."""

    def rewrite(self) -> int:
        """Remove what is left of destroyed keys; how many places were written anew."""

    def backup(self, dest: Path) -> None:
        """A consistent copy in a folder."""

    def rotate_master(self, new_master: bytes, progress: Callable[[int, int], None] | None = None) -> None:
        """Wrap every key anew. `progress(done, total)` counts keys."""

    def verify(self) -> list[str]:
        """What is wrong, a sentence each."""

    def close(self) -> None:
        """Let go of it."""


class Database(Protocol):
    """Plain calls. What fails is an OSError or an apsw.Error."""

    def begin(self) -> None:
        """Start a transaction that writes, if none is open."""

    def commit(self) -> None:
        """Make the transaction durable: returns when it is."""

    def rollback(self) -> None:
        """Undo the transaction, if one is open."""

    def write(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Run one statement on the writing connection."""

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row."""

    def load(self, sql: str, params: Sequence[Any] = ()) -> Iterable[Row]:
        """Rows as the writer sees them. May be asked now and waited for when they are looked at."""

    def read(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Committed rows, for queries."""

    def snapshot(self) -> AbstractContextManager[None]:
        """For as long as this lasts, `load` and `stream` see the data of one moment."""

    def stream(self, sql: str) -> Iterator[Row]:
        """The rows of a statement that are too many to hold, in a snapshot."""

    def damages(self) -> list[str]:
        """What the database itself finds wrong with its file."""

    def scan(self, sql: str, params: Sequence[Any] = ()) -> Iterator[Row]:
        """Committed rows one by one, on a connection of its own."""

    def tidy(self) -> None:
        """Between two groups."""

    def blobs(self, values: Sequence[bytes]) -> Any:
        """Byte strings to bind where a statement says `carray(?)`."""

    def texts(self, values: Sequence[str]) -> Any:
        """Texts to bind where a statement says `carray(?)`."""

    def ints(self, values: Iterable[int]) -> Any:
        """Integers to bind where a statement says `carray(?)`."""

    def close(self) -> None:
        """Let go of it."""
