"""Blocks of profile numbers with their keys, as the key store in PostgreSQL hands them out: each to one node, committed before it is used.

The next block is made while the last is being used up, on a thread and a connection of its own, so that no group waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg

from goodword.storage.array import Blobs, Ints
from goodword.storage.cipher import KEY_BYTES
from goodword.storage.failure import DatabaseFailure
from goodword.storage.postgres import Connection, connect, translated
from goodword.storage.pulse import Waits

SCHEMA = "goodword_keys"
BLOCK_MIN, BLOCK_MAX = 64, 2048
KEYS_A_PARTITION = 1 << 15
"""2 MiB and more: written anew in tens of milliseconds when one of its keys is destroyed."""

Block = dict[int, bytes]
"""Keys by their numbers, which ascend."""
Wrap = Callable[[int, bytes], bytes]


def partition(part: int) -> str:
    """The statements that make a partition of keys: apart, and then attached, which does not wait for whoever reads the others, as this
    node's own group may. Where it is there already, nothing."""
    first, name = part * KEYS_A_PARTITION + 1, f"{SCHEMA}.slot_{part}"
    bounds = f"FROM ({first}) TO ({first + KEYS_A_PARTITION})"
    return (
        f"DO $$ BEGIN IF to_regclass('{name}') IS NULL THEN CREATE TABLE {name} (LIKE {SCHEMA}.slot INCLUDING ALL);"
        f" ALTER TABLE {SCHEMA}.slot ATTACH PARTITION {name} FOR VALUES {bounds}; END IF; END $$"
    )


def opened(url: str, waits: Waits) -> Connection:
    """A connection to the key store's database. Errors: DatabaseFailure."""
    connection = connect(url, waits=waits)
    with translated():
        connection.execute(f"SET search_path = {SCHEMA}", prepare=False)
    return connection


def one(cursor: psycopg.Cursor[Any]) -> Any:
    """The first value of the store's row. Errors: DatabaseFailure."""
    row = cursor.fetchone()
    if row is None:
        raise DatabaseFailure(f"The key store's database has lost its row in {SCHEMA}.store; restore it from its backup.")
    return row[0]


def make(connection: Connection, wrap: Wrap, count: int) -> Block:
    """A block of so many; committed when this returns. Errors: DatabaseFailure."""
    with translated(), connection.transaction():
        last = int(one(connection.execute("UPDATE store SET allocated = allocated + $1 RETURNING allocated", (count,), binary=True)))
        numbers = range(last - count + 1, last + 1)
        random = os.urandom(KEY_BYTES * count)
        keys = [random[start : start + KEY_BYTES] for start in range(0, len(random), KEY_BYTES)]
        for part in range((numbers[0] - 1) // KEYS_A_PARTITION, (last - 1) // KEYS_A_PARTITION + 1):
            if part * KEYS_A_PARTITION + 1 >= numbers[0]:
                connection.execute(partition(part), prepare=False)
        wrapped = Blobs([wrap(number, key) for number, key in zip(numbers, keys, strict=True)])
        sql = "INSERT INTO slot (number, wrapped) SELECT unnest($1::bigint[]), unnest($2::bytea[])"
        connection.execute(sql, (Ints(list(numbers)), wrapped))
    return dict(zip(numbers, keys, strict=True))


class Blocks:
    """One node's blocks, each twice as large as the one before. Used by one thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._size = BLOCK_MIN
        self._thread: ThreadPoolExecutor | None = None
        self._making: Future[Block] | None = None
        self._connection: Connection | None = None

    def prepare(self, left: int, wrap: Wrap, waits: Waits) -> None:
        """Begin to make the next block, where only so few numbers are left that it is time for it."""
        if self._making is None and left < self._size // 4:
            self._thread = self._thread or ThreadPoolExecutor(1, "keys")
            own = Waits()  # nobody waits for this one, and it is no round trip of a group's
            own.pulse = waits.pulse
            self._making = self._thread.submit(self._make, self._next_size(), wrap, own)

    def take(self, connection: Callable[[], Connection], wrap: Wrap) -> Block:
        """The next block: the one on its way, or, where that failed or there is none, one made now on the caller's connection.
        Errors: DatabaseFailure."""
        making, self._making = self._making, None
        if making is not None:
            with suppress(OSError):
                return making.result()
        return make(connection(), wrap, self._next_size())

    def _next_size(self) -> int:
        size, self._size = self._size, min(self._size * 2, BLOCK_MAX)
        return size

    def _make(self, size: int, wrap: Wrap, waits: Waits) -> Block:
        if self._connection is None or self._connection.closed:
            self._connection = opened(self.url, waits)
        return make(self._connection, wrap, size)

    def close(self) -> None:
        """Hang up. Twice is once."""
        if self._thread is not None:
            self._thread.shutdown()
        if self._connection is not None:
            self._connection.close()
