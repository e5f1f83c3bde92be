"""A move: an installation on the embedded database comes to PostgreSQL, without losing or doubling a message.

1. **While the server runs** (`copy`): each table is copied in chunks of neighbouring keys. A chunk is written, read back and compared in
   one transaction with its record, so the move may be killed at any moment. Copying again compares what the source's chunks come to with
   the records, and writes anew those that changed: added, altered and deleted rows alike.
2. **While it does not** (`finish`): the same once more, with the folder locked, takes as long as reading the source. Rows are counted on
   both sides. The folder is marked as moved, and no server starts on it any more. Then the keys are copied, and nodes may start.

Until the last step the target has no keys, so that a person who is deleted meanwhile is unreadable there as here, and no node starts on it.
A move that is killed after the folder was marked is finished by running it again: the source cannot have changed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from goodword.storage import move_keys, moved
from goodword.storage.driver import Row
from goodword.storage.keys import KeyStore
from goodword.storage.move_source import DIGEST_BYTES, Source, Table, digest
from goodword.storage.move_target import Chunk, NotTheSame, Target
from goodword.storage.store import Store
from goodword.storage.verify import Progress

CHUNK_ROWS = 1_000
PASSES_MAX = 5
PASS_S = 5.0
"""While the server runs, copying is repeated until it takes no longer: so long will the last time take at least."""


class Copied(NamedTuple):
    """A table after a move: its rows, and what they come to."""

    table: str
    rows: int
    digest: str


class Move:
    """One installation on its way. `progress` is told of rows."""

    def __init__(self, source: Source, target: Target, progress: Progress) -> None:
        self.source, self.target, self.progress = source, target, progress
        self.written = 0
        """Rows written by the last `copy`."""
        self._done = self._total = 0

    def copy(self) -> None:
        """Bring the target up to the source, once. Errors: NotTheSame, DatabaseFailure, DatabaseError."""
        self.written = self._done = 0
        self._total = sum(self.source.count(table) for table in self.source.tables)
        for table in self.source.tables:
            with self.source.still():  # one moment a table: so long do the server's checkpoints wait
                self._copy_table(table, self.source.accounts())

    def copy_until_close(self) -> None:
        """Copy beside a server that goes on writing, until little is left to do."""
        for _ in range(PASSES_MAX):
            started = time.monotonic()
            self.copy()
            if time.monotonic() - started < PASS_S:
                return

    def _copy_table(self, table: Table, accounts: Sequence[int]) -> None:
        chunks = self.target.chunks(table)
        changed: list[tuple[Row | None, Chunk]] = []
        after: Row | None = None
        for chunk in chunks:
            rows = self.source.rows(table, after, chunk.last)
            if digest(rows) != chunk.digest:
                changed.append((after, chunk))
            after = chunk.last
            self._step(table, len(rows))
        for before, chunk in changed:  # all of them first: a value that must be unique may have moved from one to another
            self.target.clear(table, before, chunk, accounts)
        for before, chunk in changed:
            self._fill(table, before, chunk, self.source.rows(table, before, chunk.last), accounts)
        number = len(chunks)
        while rows := self.source.rows(table, after, None, CHUNK_ROWS):
            chunk = Chunk(number, table.key_of(rows[-1]), b"", 0)
            self._fill(table, after, chunk, rows, accounts)
            number, after = number + 1, chunk.last
            self._step(table, len(rows))

    def _fill(self, table: Table, after: Row | None, chunk: Chunk, rows: list[Row], accounts: Sequence[int]) -> None:
        self.target.fill(table, after, chunk._replace(digest=digest(rows), rows=len(rows)), rows, accounts)
        self.written += len(rows)

    def _step(self, table: Table, rows: int) -> None:
        self._done += rows
        self.progress(self._done, max(self._done, self._total), table.name)

    def finish(self, store: Store, folder: Path, keys_folder: Path, keys_url: str, where: str) -> list[Copied]:
        """Copy what is left of a source that `store` holds alone, mark its folder as moved to `where`, bring the keys, and let nodes start.
        Errors: NotTheSame, NotEmpty, KeyStoreDamaged, OSError, DatabaseError."""
        assert isinstance(store.keys, KeyStore)
        self.copy()
        copied = [self._counted(table) for table in self.source.tables]
        events = next(one.rows for one in copied if one.table == "event")
        if self.target.count("person_event") != events:
            raise NotTheSame(f"{NotTheSame.__doc__} Of {events} events not all are listed among their people's.")
        moved.mark(folder, where)
        keys = move_keys.copy_keys(store.keys, keys_folder, keys_url, lambda done, total: self.progress(done, total, "keys"))
        self.target.complete(self.source.accounts(), self.source.last_arrival(), store.keys.journal_len())
        return [*copied, Copied("keys", keys, "")]

    def _counted(self, table: Table) -> Copied:
        chunks = self.target.chunks(table)
        here, there = self.source.count(table), self.target.count(table.name)
        if not here == there == sum(chunk.rows for chunk in chunks):
            raise NotTheSame(f"{NotTheSame.__doc__} `{table.name}` has {here} rows in SQLite and {there} in PostgreSQL.")
        return Copied(table.name, here, blake2b(b"".join(chunk.digest for chunk in chunks), digest_size=DIGEST_BYTES).hexdigest())
