"""Where an installation is moved to: a PostgreSQL database that is empty, or holds what an interrupted move brought there.

Until the move is complete, `meta` says whose it is under the name `moving`, nodes refuse to start, and no key store is there: nobody's
data can be read from the copy. The schema `goodword_move` remembers which chunks of which table were written, and what they come to.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from goodword.core.block import INSTALLATION
from goodword.storage import dialect, schema_nodes
from goodword.storage.array import Array, Ints
from goodword.storage.driver import Row
from goodword.storage.failure import DatabaseFailure
from goodword.storage.move_source import Table
from goodword.storage.partition import Periods
from goodword.storage.postgres import LOOK_UP, Database, connect, packed, translated
from goodword.storage.schema_nodes import MOVING

_RECORDS = """
CREATE SCHEMA IF NOT EXISTS goodword_move;
CREATE TABLE IF NOT EXISTS goodword_move.chunk (
  table_name text NOT NULL, number bigint NOT NULL, last bytea NOT NULL, digest bytea NOT NULL, rows bigint NOT NULL,
  PRIMARY KEY (table_name, number));
"""
_ALONE = 0x676F6F66  # the advisory lock of a move
_UNWRITTEN = b""
ALONE_S = 10.0
"""How long PostgreSQL may take to notice that a move was killed, before the next is refused."""
_PAUSE_S = 0.2


class NotEmpty(Exception):
    """The database is not empty: a move needs one that nothing was ever stored in. Nothing was changed."""


class AnotherMove(Exception):
    """Another move into this database is under way."""


class NotTheSame(Exception):
    """PostgreSQL gave back other rows than it was given. Nothing of them was kept."""


class Chunk(NamedTuple):
    """Neighbouring rows of a table: up to which key, what they come to, how many there are."""

    number: int
    last: Row
    digest: bytes
    rows: int


class Target:
    """A PostgreSQL database that a move writes to.

    Errors of opening it: NotEmpty, AnotherMove, NotGoodword, NewerSchema, DatabaseFailure."""

    def __init__(self, url: str, store_id: bytes) -> None:
        self.store_id = store_id
        self.is_complete = False
        self._database = Database(url)
        try:
            self._connection = connect(url, wait_s=None)
            try:
                self._begin()
            except BaseException:
                self._connection.close()
                raise
        except BaseException:
            self._database.close()
            raise

    def _begin(self) -> None:
        with translated():
            self._be_alone()
            if (encoding := self._ask("SHOW server_encoding")[0][0]) != "UTF8":
                raise DatabaseFailure(
                    f"The database's encoding is {encoding}; make it with `createdb --encoding UTF8 --template template0`."
                )
            schema_nodes.check(self._database)
            if self._is_complete():
                self.is_complete = True
                return
            schema_nodes.migrate(self._database, Periods(self._database))
            self._database.describe()
            with self._connection.transaction():
                self._ask("INSERT INTO meta VALUES ($1, $2) ON CONFLICT DO NOTHING", (MOVING, self.store_id.hex()))
            self._connection.execute(_RECORDS, prepare=False)
            # a chunk that a crash of PostgreSQL takes back is written again: its record went with it
            self._connection.execute(f"SET synchronous_commit = off; {LOOK_UP}", prepare=False)

    def _be_alone(self) -> None:
        """Errors: AnotherMove."""
        deadline = time.monotonic() + ALONE_S
        while not self._ask("SELECT pg_try_advisory_lock($1)", (_ALONE,))[0][0]:
            if time.monotonic() >= deadline:
                raise AnotherMove
            time.sleep(_PAUSE_S)

    def _is_complete(self) -> bool:
        """Whether this very installation has arrived here before. Errors: NotEmpty, where something else is here."""
        if not self._database.tables:
            return False
        said: dict[str, str] = dict(self._ask("SELECT name, value FROM meta"))
        if said.get(MOVING, self.store_id.hex()) != self.store_id.hex():
            raise NotEmpty("An unfinished move of another installation is in this database. Give an empty one.")
        if said.get("key_store") == self.store_id.hex():
            return True
        if "key_store" in said or (MOVING not in said and self._ask("SELECT 1 FROM account LIMIT 1")):
            raise NotEmpty
        return False

    def _ask(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        cursor = self._connection.execute(sql, params, binary=True)
        return cursor.fetchall() if cursor.description is not None else []

    def chunks(self, table: Table) -> list[Chunk]:
        """What was written of a table, in order."""
        sql = "SELECT number, last, digest, rows FROM goodword_move.chunk WHERE table_name = $1 ORDER BY number"
        with translated():
            rows = self._ask(sql, (table.name,))
        return [Chunk(number, tuple(msgspec.msgpack.decode(last)), digest, count) for number, last, digest, count in rows]

    def clear(self, table: Table, after: Row | None, chunk: Chunk, accounts: Sequence[int]) -> None:
        """Remove the rows of a chunk that changed."""
        condition, params = self._of(table, after, chunk.last, accounts)
        with translated(), self._connection.transaction():
            if table.name == "event":
                self._forget(self._ask(f"SELECT account_id, hash, profile_id, arrival FROM event WHERE {condition}", params))
            self._ask(f"DELETE FROM {table.name} WHERE {condition}", params)
            self._record(table, chunk._replace(digest=_UNWRITTEN, rows=0))

    def fill(self, table: Table, after: Row | None, chunk: Chunk, rows: Sequence[Row], accounts: Sequence[int]) -> None:
        """Write a chunk's rows where none are, read them back, and remember it. Errors: NotTheSame, and then nothing was written."""
        with translated(), self._connection.transaction():
            if rows:
                self._insert(table.name, table.columns, rows)
                if table.name == "event":
                    self._index(table, rows)
            condition, params = self._of(table, after, chunk.last, accounts)
            order = ", ".join(table.key)
            if self._ask(f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {condition} ORDER BY {order}", params) != list(rows):
                raise NotTheSame(f"{NotTheSame.__doc__} It was in `{table.name}`, up to the key {chunk.last}.")
            self._record(table, chunk)

    def _of(self, table: Table, after: Row | None, upto: Row, accounts: Sequence[int]) -> tuple[str, list[Any]]:
        """The condition of a chunk. Where the embedded key does not begin with the account, the key here does."""
        condition, params = table.between(after, upto)
        if "account_id" in table.columns and table.key[0] != "account_id":
            condition, params = f"account_id = ANY(?) AND {condition}", [Ints(list(accounts)), *params]
        return dialect.statement(condition, self._database.tables), params

    def _insert(self, table: str, columns: Sequence[str], rows: Sequence[Row], rest: str = "") -> None:
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}){rest}"
        bulk = dialect.bulk(sql, self._database.tables)
        assert bulk is not None
        values: list[Array] = packed(rows, bulk.types)
        self._connection.execute(bulk.sql, values)

    def _index(self, table: Table, rows: Sequence[Row]) -> None:
        """What the embedded database folds. An id that came again after its retention is found at its newest event."""
        place = table.columns.index
        account, hash16, arrival, profile = place("account_id"), place("hash"), place("arrival"), place("profile_id")
        newest: dict[tuple[int, bytes], int] = {}
        asked = packed([(row[account], row[hash16]) for row in rows], ("bigint", "bytea"))
        known = self._ask(
            "DELETE FROM message m USING unnest($1::bigint[], $2::bytea[]) AS u(account, hash)"
            " WHERE m.account_id = u.account AND m.hash = u.hash RETURNING m.account_id, m.hash, m.arrival",
            asked,
        )
        for number, found, at in [*known, *((row[account], row[hash16], row[arrival]) for row in rows)]:
            newest[number, found] = max(at, newest.get((number, found), 0))
        self._insert("message", ("account_id", "hash", "arrival"), [(*key, last) for key, last in newest.items()])
        self._insert("person_event", ("account_id", "profile_id", "arrival"), [(row[account], row[profile], row[arrival]) for row in rows])

    def _forget(self, events: Sequence[Row]) -> None:
        if not events:
            return
        accounts, hashes, people, arrivals = packed(events, ("bigint", "bytea", "bigint", "bigint"))
        self._ask(
            "DELETE FROM message m USING unnest($1::bigint[], $2::bytea[], $3::bigint[]) AS u(account, hash, arrival)"
            " WHERE m.account_id = u.account AND m.hash = u.hash AND m.arrival = u.arrival",
            (accounts, hashes, arrivals),
        )
        self._ask(
            "DELETE FROM person_event p USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS u(account, person, arrival)"
            " WHERE p.account_id = u.account AND p.profile_id = u.person AND p.arrival = u.arrival",
            (accounts, people, arrivals),
        )

    def _record(self, table: Table, chunk: Chunk) -> None:
        self._ask(
            "INSERT INTO goodword_move.chunk VALUES ($1, $2, $3, $4, $5)"
            " ON CONFLICT (table_name, number) DO UPDATE SET digest = excluded.digest, rows = excluded.rows",
            (table.name, chunk.number, msgspec.msgpack.encode(chunk.last), chunk.digest, chunk.rows),
        )

    def count(self, table: str) -> int:
        """How many rows a table has."""
        with translated(), self._connection.transaction():
            self._connection.execute("SET LOCAL enable_seqscan = on", prepare=False)
            return int(self._ask(f"SELECT count(*) FROM {table}")[0][0])

    def complete(self, accounts: Sequence[int], last_arrival: int, tombstones: int) -> None:
        """All has arrived, the keys too: from now on nodes may start here."""
        places = [(account, last_arrival, 1, 0) for account in (INSTALLATION, *accounts)]
        with translated():
            self._connection.execute("SET synchronous_commit = on", prepare=False)
            with self._connection.transaction():
                columns = ("account_id", "arrival", "settings", "erased")
                self._insert("place", columns, places, " ON CONFLICT DO UPDATE SET arrival = excluded.arrival")
                self._insert("meta", ("name", "value"), [("key_store", self.store_id.hex()), ("tombstones", str(tombstones))])
                self._ask("DELETE FROM meta WHERE name = $1", (MOVING,))
                self._connection.execute("DROP SCHEMA goodword_move CASCADE", prepare=False)
            self._connection.execute("ANALYZE", prepare=False)
        self.is_complete = True

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
        self._database.close()
