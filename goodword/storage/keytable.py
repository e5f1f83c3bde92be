"""The key store of an installation with many nodes: what `keys.py` keeps in files, in a small PostgreSQL database of its own.

1. A number is handed out once, to one node, in blocks whose keys were committed before (`keyblock.py`).
2. A destroyed key leaves its row before `destroy` returns, and the files of the database when `rewrite` next runs: the partition of
   KEYS_A_PARTITION keys it was in is written anew. Its log, standbys and backups are that small database's own, and kept briefly.
3. Nodes keep keys in memory for CACHE_S and a group's time at most, and a destroyed one not beyond the next query: `refresh`.

store      one row: id, the wrapped pepper, the highest number handed out, how many tombstones there are
slot       a profile's data key, wrapped as in `cipher.py`; empty, with the time, once destroyed. Partitioned by number
tombstone  the journal of deletions, in order
rewriting  partitions that still hold a destroyed key's bytes
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psycopg

from goodword.storage import keyfile
from goodword.storage.array import Blobs, Ints
from goodword.storage.cipher import KEY_BYTES, LIFTED, KeyWrap, Tombstone, Unreadable
from goodword.storage.failure import ConnectionLost
from goodword.storage.keyblock import BLOCK_MAX, KEYS_A_PARTITION, SCHEMA, Blocks, one, opened
from goodword.storage.keyfile import KeyStoreDamaged, KeyStoreError, NewerKeyStore, WrongMasterKey, complete
from goodword.storage.postgres import Connection, connect, packed, pulse_of, translated
from goodword.storage.pulse import Pulse, Waits

FORMAT = 1
CACHE_S, GROUP_S = 4.0, 1.0
BATCH = 10_000
REWRITE_TRIES, REWRITE_WAIT_MS, REWRITE_PAUSE_S = 20, 300, 0.2
WRAPPED = (
    f"SELECT s.number, s.wrapped FROM carray(?) k JOIN LATERAL (SELECT * FROM {SCHEMA}.slot x WHERE x.number = k.value OFFSET 0) s ON true"
)
"""Wrapped keys, asked of the database of the data where that has both."""
_OPENING = 0x676F6F64  # the advisory lock of whoever makes the tables, or rewrites a partition

TABLES = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {SCHEMA}.store (
  number bigint PRIMARY KEY, format bigint NOT NULL, id bytea NOT NULL, pepper bytea NOT NULL, allocated bigint NOT NULL,
  tombstones bigint NOT NULL);
CREATE TABLE IF NOT EXISTS {SCHEMA}.slot (
  number bigint PRIMARY KEY, wrapped bytea NOT NULL, destroyed_at bigint) PARTITION BY RANGE (number);
CREATE TABLE IF NOT EXISTS {SCHEMA}.tombstone (
  number bigint PRIMARY KEY, account_id bigint NOT NULL, hash bytea NOT NULL, profile_id bigint NOT NULL, at bigint NOT NULL,
  suppressed bigint NOT NULL);
CREATE TABLE IF NOT EXISTS {SCHEMA}.rewriting (part bigint PRIMARY KEY);
"""

_LOG = """
SELECT current_setting('wal_recycle')::bool,
  pg_size_bytes(current_setting('wal_keep_size')) > 0,
  current_setting('archive_mode') <> 'off',
  EXISTS (SELECT FROM pg_replication_slots WHERE NOT active),
  NOT has_function_privilege('pg_switch_wal()', 'EXECUTE'),
  NOT pg_has_role('pg_checkpoint', 'USAGE')
"""
_LINGERING = (
    "wal_recycle is on: segments of the log are used again with old bytes in them",
    "wal_keep_size keeps old segments of the log",
    "archive_mode keeps the log: delete archived segments within the time that deletions are promised in",
    "a replication slot that nobody reads keeps the log",
    "this role may not end a segment: GRANT EXECUTE ON FUNCTION pg_switch_wal() TO it",
    "this role may not ask for a checkpoint: GRANT pg_checkpoint TO it",
)


class KeyTable:
    """Used like `KeyStore`. Any thread may call `key`; the rest only the one writing."""

    pepper: bytes
    store_id: bytes

    def __init__(self, url: str, master: bytes | None, folder: Path) -> None:
        self.url = url
        self._mutex = threading.RLock()
        self._connection: Connection | None = None
        self.waits = Waits()
        self._cache: dict[int, bytes | None] = {}
        self._cached_until = 0.0
        self._leaving: dict[int, bytes | None] = {}
        """What was cached until then, for the group that was under way."""
        self._left_at = 0.0
        self._own: dict[int, bytes] = {}
        """Keys of numbers handed out here that nobody has used yet."""
        self._free: list[int] = []
        self._last = 0
        """The number handed out last, which may be kept for a while before it is used."""
        self._blocks = Blocks(url)
        self._known = 0
        """How many tombstones this process knows of."""
        try:
            self._open(master, folder)
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, url: str, *, master: bytes | None, folder: Path) -> Self:
        """Open the store, or create it. `master`: 32 bytes, or None to use the file keys.master in `folder`, which is made at need.
        Errors: KeyStoreError, DatabaseFailure, OSError."""
        return cls(url, master, folder)

    def watched(self) -> Pulse:
        """The pulse of its database, which its waits heed."""
        pulse = self.waits.pulse = pulse_of(self.url)
        return pulse

    @contextmanager
    def _asking(self) -> Iterator[Connection]:
        with self._mutex:
            if self._connection is None or self._connection.closed:
                self._connection = opened(self.url, self.waits)
            try:
                with translated():
                    yield self._connection
            except ConnectionLost:
                self._connection.close()
                raise

    def _open(self, master: bytes | None, folder: Path) -> None:
        with self._asking() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock($1)", (_OPENING,))
            found = connection.execute("SELECT to_regclass($1)", (f"{SCHEMA}.store",)).fetchone()
            if found is None or found[0] is None:
                connection.execute(TABLES, prepare=False)
            row = connection.execute("SELECT format, id, pepper, tombstones FROM store", binary=True).fetchone()
            if row is None:
                master = master or _master_file(folder, create=True)
                store_id = os.urandom(16)
                row = (FORMAT, store_id, KeyWrap(master, store_id).wrap(0, os.urandom(KEY_BYTES)), 0)
                connection.execute("INSERT INTO store VALUES (1, $1, $2, $3, 0, 0)", row[:3])
        form, self.store_id, pepper, self._known = row
        if form > FORMAT:
            raise NewerKeyStore
        self._wrap = KeyWrap(master or _master_file(folder, create=False), self.store_id)
        try:
            self.pepper = self._wrap.unwrap(0, pepper)
        except Unreadable:
            raise WrongMasterKey("All nodes of an installation need the same one (GOODWORD_MASTER_KEY).") from None

    @property
    def allocated(self) -> int:
        """The highest profile number handed out to any node."""
        with self._asking() as connection:
            return int(one(connection.execute("SELECT allocated FROM store", binary=True)))

    def next_profile_id(self) -> int:
        """A number never handed out before, with a key. Errors: DatabaseFailure."""
        if not self._free:
            with self._asking() as connection:
                made = self._blocks.take(lambda: connection, self._wrap.wrap)
            self._own.update(made)
            self._free = list(reversed(made))
        number = self._last = self._free.pop()
        self._blocks.prepare(len(self._free), self._wrap.wrap, self.waits)
        return number

    def fetch(self, profile_ids: Iterable[int]) -> None:
        """Have the keys of these profiles at hand, in one question."""
        with self._mutex:
            if missing := self.missing(profile_ids):
                with self._asking() as connection:
                    sql = "SELECT s.number, s.wrapped FROM unnest($1) AS k(value) JOIN slot s ON s.number = k.value"
                    rows = connection.execute(sql, (Ints(missing),), binary=True).fetchall()
                self.keep(missing, rows)

    def missing(self, profile_ids: Iterable[int]) -> list[int]:
        """Those whose keys are not at hand."""
        with self._mutex:
            self._expire()
            return [number for number in profile_ids if number not in self._cache and number not in self._own]

    def keep(self, asked: list[int], rows: Iterable[tuple[int, bytes]]) -> None:
        """Keep what `WRAPPED` found of those asked for."""
        with self._mutex:
            found = {number: self._unwrapped(number, wrapped) for number, wrapped in rows}
            self._cache.update((number, found.get(number)) for number in asked)

    def key(self, profile_id: int) -> bytes | None:
        """The 32-byte data key; None when destroyed or never handed out. Errors: KeyStoreDamaged, DatabaseFailure."""
        key = self._own.get(profile_id)
        if key is not None:
            return key
        with self._mutex:
            # a group's keys are all at hand when it begins: that they grow old before its end must not cost a question each
            now = time.monotonic()
            if profile_id in self._cache and now <= self._cached_until + GROUP_S:
                return self._cache[profile_id]
            if profile_id in self._leaving and now <= self._left_at:
                return self._leaving[profile_id]
            self.fetch((profile_id,))
            return self._cache[profile_id]

    def _unwrapped(self, number: int, wrapped: bytes) -> bytes | None:
        try:
            return self._wrap.unwrap(number, wrapped) if wrapped else None
        except Unreadable:
            raise KeyStoreDamaged(f"The key of profile {number} is unreadable.") from None

    def _expire(self) -> None:
        now = time.monotonic()
        if now > self._cached_until:
            self._leaving, self._left_at, self._cache = self._cache, self._cached_until + GROUP_S, {}
            if len(self._own) > 2 * BLOCK_MAX:  # what was used long ago is looked up like any other
                self._leaving.update(self._own)
                self._own = {number: self._own[number] for number in (*self._free, self._last) if number in self._own}
            self._cached_until = now + CACHE_S

    def destroyed_at(self, profile_id: int) -> int | None:
        """When the profile was deleted, in epoch ms; None when it was not."""
        with self._asking() as connection:
            found = connection.execute("SELECT destroyed_at FROM slot WHERE number = $1", (profile_id,), binary=True).fetchone()
        return found[0] if found is not None else None

    def destroy(self, profile_ids: Sequence[int], tombstones: Sequence[tuple[int, bytes, int, int, bool]]) -> tuple[int, int]:
        """Destroy keys for ever, and journal tombstones, as `KeyStore.destroy` does. Again is harmless. Errors: DatabaseFailure."""
        records = complete(profile_ids, [Tombstone(*t) for t in tombstones])
        with self._asking() as connection, connection.transaction():
            last = int(
                one(connection.execute("UPDATE store SET tombstones = tombstones + $1 RETURNING tombstones", (len(records),), binary=True))
            )
            first = last - len(records) + 1
            with connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO tombstone VALUES ($1, $2, $3, $4, $5, $6)",
                    [(first + place, *record[:4], int(record.suppressed)) for place, record in enumerate(records)],
                )
                cursor.executemany(
                    "UPDATE slot SET wrapped = ''::bytea, destroyed_at = greatest(coalesce(destroyed_at, 0), $1) WHERE number = $2",
                    [(t.deleted_at, t.profile_id) for t in records if t.profile_id],
                )
                parts = sorted({(number - 1) // KEYS_A_PARTITION for number in profile_ids})
                cursor.executemany("INSERT INTO rewriting VALUES ($1) ON CONFLICT DO NOTHING", [(part,) for part in parts])
        self._forget(profile_ids)
        return first - 1, last

    def _forget(self, profile_ids: Iterable[int]) -> None:
        with self._mutex:
            for number in profile_ids:
                for held in (self._cache, self._leaving, self._own):
                    held.pop(number, None)

    def journal_len(self) -> int:
        """How many tombstones there are."""
        with self._asking() as connection:
            return int(one(connection.execute("SELECT tombstones FROM store", binary=True)))

    def journal(self, start: int = 0) -> Iterator[Tombstone]:
        """The tombstones after the first `start`, in the order of their destruction."""
        while True:
            with self._asking() as connection:
                sql = "SELECT account_id, hash, profile_id, at, suppressed FROM tombstone WHERE number > $1 ORDER BY number LIMIT $2"
                rows = connection.execute(sql, (start, BATCH), binary=True).fetchall()
            yield from (Tombstone(account, hash16, profile, at, bool(suppressed)) for account, hash16, profile, at, suppressed in rows)
            if len(rows) < BATCH:
                return
            start += BATCH

    def refresh(self) -> None:
        """Forget what other nodes destroyed since: called before each answer."""
        length = self.journal_len()
        if length != self._known:
            self._forget(tombstone.profile_id for tombstone in self.journal(self._known))
            self._known = length

    def rewrite(self) -> int:
        """Write partitions anew that had keys destroyed, so that no file of the database holds these; how many. On a connection of its
        own, from any thread, and one node at a time. Errors: DatabaseFailure."""
        with self._asking() as asking:
            if not asking.execute("SELECT 1 FROM rewriting LIMIT 1").fetchall():
                return 0
        connection = connect(self.url, wait_s=None)
        done = 0
        try:
            with translated():
                connection.execute(f"SET search_path = {SCHEMA}", prepare=False)
                if not one(connection.execute("SELECT pg_try_advisory_lock($1)", (_OPENING + 1,))):
                    return 0
                for (part,) in connection.execute("SELECT part FROM rewriting ORDER BY part", binary=True).fetchall():
                    # the note goes first and comes back if the rewriting fails: what is destroyed meanwhile makes a note of its own
                    connection.execute("DELETE FROM rewriting WHERE part = $1", (part,))
                    try:
                        self._write_anew(connection, part)
                    except psycopg.Error:
                        connection.execute("INSERT INTO rewriting VALUES ($1) ON CONFLICT DO NOTHING", (part,))
                        raise
                    done += 1
                self._checkpoint(connection)
        finally:
            connection.close()
        return done

    @staticmethod
    def _write_anew(connection: Connection, part: int) -> None:
        """Write a partition anew. While this waits for those who read it, others wait behind it, and one of the former may wait for one of
        the latter: two connections of one node. So it waits a moment only, and again."""
        connection.execute(f"SET lock_timeout = {REWRITE_WAIT_MS}", prepare=False)
        for is_last in (False,) * (REWRITE_TRIES - 1) + (True,):
            try:
                connection.execute(f"VACUUM (FULL) slot_{part}", prepare=False)
                return
            except psycopg.errors.LockNotAvailable:
                if is_last:
                    raise
                time.sleep(REWRITE_PAUSE_S)

    @staticmethod
    def _checkpoint(connection: Connection) -> None:
        """End the segment of the log that has the keys' bytes, and have it removed, with the file that was replaced: now, where the role
        may ask for that, else when PostgreSQL comes to it (`lingering`)."""
        for statement in ("SELECT pg_switch_wal()", "CHECKPOINT"):
            with suppress(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement, prepare=False)

    def lingering(self) -> list[str]:
        """Why destroyed keys, wrapped by the master key, may stay in the log of this server beyond a minute; a sentence each."""
        with self._asking() as connection:
            found = connection.execute(_LOG, prepare=False).fetchone()
        assert found is not None
        return [why for is_so, why in zip(found, _LINGERING, strict=True) if is_so]

    def backup(self, dest: Path) -> None:  # noqa: ARG002
        """Errors: KeyStoreError: copies of a database are PostgreSQL's to make."""
        raise KeyStoreError(
            "It is in PostgreSQL: make its backups with pg_dump or pg_basebackup, apart from the data's, and keep them briefly."
        )

    def rotate_master(self, new_master: bytes, progress: Callable[[int, int], None] | None = None) -> None:
        """Wrap every key anew, all or none. Nodes that run must be started again with the new master key. Errors: KeyStoreDamaged."""
        new = KeyWrap(new_master, self.store_id)
        with self._asking() as connection, connection.transaction():
            total, last = int(one(connection.execute("SELECT allocated FROM store FOR UPDATE", binary=True))), 0
            while rows := connection.execute(
                "SELECT number, wrapped FROM slot WHERE number > $1 ORDER BY number LIMIT $2", (last, BATCH), binary=True
            ).fetchall():
                last = rows[-1][0]
                moved = [(number, new.wrap(number, key)) for number, wrapped in rows if (key := self._unwrapped(number, wrapped))]
                connection.execute(
                    "UPDATE slot SET wrapped = u.w FROM unnest($1::bigint[], $2::bytea[]) AS u(n, w) WHERE slot.number = u.n",
                    packed(moved, ("bigint", "bytea")) if moved else (Ints([]), Blobs([])),
                )
                if progress:
                    progress(last, total)
            connection.execute("UPDATE store SET pepper = $1", (new.wrap(0, self.pepper),))
            parts = Ints(list(range(total // KEYS_A_PARTITION + 1)))
            connection.execute("INSERT INTO rewriting SELECT * FROM unnest($1) ON CONFLICT DO NOTHING", (parts,))
        self._wrap = new
        self.rewrite()

    def verify(self) -> list[str]:
        """What is wrong with the store, a sentence each; empty when all is well. Reads everything."""
        problems: list[str] = []
        last = 0
        while True:
            with self._asking() as connection:
                sql = "SELECT number, wrapped, destroyed_at FROM slot WHERE number > $1 ORDER BY number LIMIT $2"
                rows: list[tuple[Any, ...]] = connection.execute(sql, (last, BATCH), binary=True).fetchall()
            for number, wrapped, destroyed_at in rows:
                try:
                    key = self._unwrapped(number, wrapped)
                except KeyStoreDamaged as error:
                    problems.append(str(error))
                    continue
                if (key is None) != (destroyed_at is not None):
                    problems.append(f"The slot of profile {number} says neither that its key lives nor that it was destroyed.")
            if len(rows) < BATCH:
                break
            last = rows[-1][0]
        alive = {t.profile_id for t in self.journal() if t.profile_id not in (0, LIFTED) and self.destroyed_at(t.profile_id) is None}
        return problems + [f"The journal destroyed profile {number}, but its key lives." for number in sorted(alive)]

    def close(self) -> None:
        """Hang up, and forget all keys. Twice is once."""
        self._blocks.close()
        for held in (self._cache, self._leaving, self._own):
            held.clear()
        self._free.clear()
        if self._connection is not None:
            self._connection.close()


def _master_file(folder: Path, *, create: bool) -> bytes:
    """The master key in a node's own folder."""
    path = folder / "keys.master"
    if not path.exists():
        if not create:
            raise WrongMasterKey(
                f"This node has none: set GOODWORD_MASTER_KEY to the other nodes', or copy their {path.name} to {path.parent}."
            )
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keyfile.create_master(path, os.urandom(KEY_BYTES))
    return keyfile.read_master(path)
