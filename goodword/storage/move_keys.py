"""The key store's part of a move: slots and tombstones as they are in the files, to the tables of `keytable.py`.

Wrapped keys stay wrapped: both stores have one id, one pepper and one master key. It is the last step, while nothing else writes, so that
no key is in two places before, and no destruction can miss one of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from goodword.storage import keyfile
from goodword.storage.cipher import Header, destroyed_at
from goodword.storage.driver import Row
from goodword.storage.keyblock import KEYS_A_PARTITION, SCHEMA, partition
from goodword.storage.keys import KeyStore
from goodword.storage.keytable import FORMAT, TABLES
from goodword.storage.move_target import NotEmpty, NotTheSame
from goodword.storage.postgres import Connection, connect, packed, translated

_SLOT_TYPES = ("bigint", "bytea", "bigint")
_TOMBSTONE_TYPES = ("bigint", "bigint", "bytea", "bigint", "bigint", "bigint")
_ROWS = 10_000


def check(url: str, store_id: bytes) -> None:
    """Errors: NotEmpty, where another installation's keys are; DatabaseFailure."""
    connection = connect(url)
    try:
        with translated():
            _check(connection, store_id)
    finally:
        connection.close()


def _check(connection: Connection, store_id: bytes) -> None:
    found = connection.execute("SELECT to_regclass($1)", (f"{SCHEMA}.store",)).fetchone()
    if found is None or found[0] is None:
        return
    for (other,) in connection.execute(f"SELECT id FROM {SCHEMA}.store", binary=True):
        if other != store_id:
            raise NotEmpty("Another installation's keys are in the database of the key store. Give an empty one. Nothing was changed.")


def copy_keys(keys: KeyStore, folder: Path, url: str, progress: Callable[[int, int], None]) -> int:
    """All of it or nothing; again is harmless while no node uses the copy. How many slots there are. `keys` is open for writing, so that
    nobody else changes the files in `folder`. Errors: NotEmpty, NotTheSame, KeyStoreDamaged, DatabaseFailure."""
    file = os.open(folder / "keys.bin", os.O_RDONLY)
    connection = connect(url, wait_s=None)
    try:
        header = keyfile.read_header(file)
        with translated(), connection.transaction():
            _check(connection, header.store_id)
            connection.execute(f"{TABLES}; SET LOCAL search_path = {SCHEMA}", prepare=False)
            for table in ("store", "tombstone", "rewriting", "slot"):
                connection.execute(f"TRUNCATE {table}", prepare=False)
            sql = "INSERT INTO store VALUES (1, $1, $2, $3, $4, $5)"
            connection.execute(sql, (FORMAT, header.store_id, header.wrapped_pepper, header.allocated, header.journal_len))
            _copy_slots(connection, file, header, progress)
            _copy_tombstones(connection, keys)
        return header.allocated
    finally:
        connection.close()
        os.close(file)


def _copy_slots(connection: Connection, file: int, header: Header, progress: Callable[[int, int], None]) -> None:
    for part in range((header.allocated + KEYS_A_PARTITION - 1) // KEYS_A_PARTITION):
        connection.execute(partition(part), prepare=False)
    for first, slots in keyfile.blocks(file, 1, header.allocated):
        rows: list[Row] = []
        for number, slot in enumerate(slots, first):
            at = destroyed_at(slot)
            rows.append((number, slot[:60] if at is None else b"", at))
        sql = "INSERT INTO slot SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[])"
        connection.execute(sql, packed(rows, _SLOT_TYPES))
        sql = "SELECT number, wrapped, destroyed_at FROM slot WHERE number BETWEEN $1 AND $2 ORDER BY number"
        if connection.execute(sql, (first, first + len(slots) - 1), binary=True).fetchall() != rows:
            raise NotTheSame(f"{NotTheSame.__doc__} It was in the key store, from profile {first}.")
        progress(first + len(slots) - 1, header.allocated)


def _copy_tombstones(connection: Connection, keys: KeyStore) -> None:
    for rows in _batches(keys):
        sql = (
            "INSERT INTO tombstone SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[])"
        )
        connection.execute(sql, packed(rows, _TOMBSTONE_TYPES))
        sql = "SELECT * FROM tombstone WHERE number BETWEEN $1 AND $2 ORDER BY number"
        if connection.execute(sql, (rows[0][0], rows[-1][0]), binary=True).fetchall() != rows:
            raise NotTheSame(f"{NotTheSame.__doc__} It was in the journal of deletions.")


def _batches(keys: KeyStore) -> Iterator[list[Row]]:
    rows: list[Row] = []
    for number, record in enumerate(keys.journal(), 1):
        rows.append((number, *record[:4], int(record.suppressed)))
        if len(rows) == _ROWS:
            yield rows
            rows = []
    if rows:
        yield rows
