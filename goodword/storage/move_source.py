"""What is moved: the tables of an embedded database, read in chunks of neighbouring keys, beside a running server or without one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from goodword.storage import fold, schema
from goodword.storage.array import NUL, NUL_WRITTEN
from goodword.storage.driver import Row
from goodword.storage.sqlite import Database

NOT_COPIED = {"meta", "fold", "message_partition", "message_filter", "person_event"}
"""What is said anew on the other side, or made there of the log's rows."""
DIGEST_BYTES = 16
_FOLDED = re.compile(r"message_\d+")


class OlderSchema(Exception):
    """The data was written by an older Goodword. Start this version's server on it once, then move it."""


class Table(NamedTuple):
    """A table that is copied; `key` is its primary key there, by which it is cut into chunks."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    texts: tuple[int, ...]
    """The places of its texts among a row's values."""

    def key_of(self, row: Row) -> Row:
        """A row's key."""
        return tuple(row[self.columns.index(name)] for name in self.key)

    def between(self, after: Row | None, upto: Row | None) -> tuple[str, list[Any]]:
        """The condition that a key comes after one and not after another; None has no bound. With its parameters."""
        names, marks = f"({', '.join(self.key)})", f"({', '.join('?' * len(self.key))})"
        bounds = [(f"{names} {sign} {marks}", key) for sign, key in ((">", after), ("<=", upto)) if key is not None]
        return " AND ".join(text for text, _ in bounds) or "1 = 1", [value for _, key in bounds for value in key]


class Source:
    """An embedded database, and nothing of it is changed. Errors of opening it: NewerSchema, OlderSchema, NotGoodword."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path, readonly=True)
        try:
            if schema.check(self.database) < schema.migrations()[-1][0]:
                raise OlderSchema
            self.tables = self._find_tables()
        except BaseException:
            self.close()
            raise

    def _find_tables(self) -> list[Table]:
        names = self.database.read("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        copied = [name for (name,) in names if name not in NOT_COPIED and not _FOLDED.fullmatch(name)]
        copied.sort(key=lambda name: name != "account")  # which says whose rows the others hold
        return [self._describe(name) for name in copied]

    def _describe(self, name: str) -> Table:
        columns = self.database.read(f"SELECT name, type, pk FROM pragma_table_info('{name}') ORDER BY cid")
        key = tuple(column for _, column in sorted((place, column) for column, _, place in columns if place))
        texts = tuple(place for place, (_, kind, _) in enumerate(columns) if kind == "TEXT")
        return Table(name, tuple(column for column, _, _ in columns), key, texts)

    @contextmanager
    def still(self) -> Iterator[None]:
        """For as long as this lasts, what is read is of one moment."""
        with self.database.snapshot():
            yield

    def rows(self, table: Table, after: Row | None, upto: Row | None, rows_max: int = -1) -> list[Row]:
        """Rows in order of their keys, as PostgreSQL will hold them."""
        condition, params = table.between(after, upto)
        sql = f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {condition} ORDER BY {', '.join(table.key)} LIMIT ?"
        return _without_nul(list(self.database.load(sql, [*params, rows_max])), table.texts)

    def count(self, table: Table) -> int:
        """How many rows a table has."""
        return int(next(iter(self.database.load(f"SELECT count(*) FROM {table.name}")))[0])

    def accounts(self) -> list[int]:
        """The numbers of all accounts."""
        return [number for (number,) in self.database.load("SELECT number FROM account ORDER BY number")]

    def last_arrival(self) -> int:
        """The last place in the log that was given out."""
        return fold.last_arrival(self.database)

    def close(self) -> None:
        """Let go of it."""
        self.database.close()


def _without_nul(rows: list[Row], texts: Sequence[int]) -> list[Row]:
    """Texts without the character that PostgreSQL does not hold."""
    if not any(NUL in "".join(row[place] or "" for row in rows) for place in texts):
        return rows
    return [tuple(value.replace(NUL, NUL_WRITTEN) if isinstance(value, str) else value for value in row) for row in rows]


def digest(rows: Sequence[Row]) -> bytes:
    """What rows come to: equal for equal rows in equal order, and else not."""
    return blake2b(msgspec.msgpack.encode(rows), digest_size=DIGEST_BYTES).digest()
