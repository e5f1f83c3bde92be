"""An installation spread over machines by account, on PostgreSQL with the extension Citus.

Every table of accounts is distributed by `account_id`, all together, so that an account's rows are on one machine and a group is one
machine's. What is small and asked for by every account is a reference table, whole on each machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import psycopg

from goodword.storage.postgres import Connection, connect, translated

REFERENCE = ("account", "console_link", "console_session", "console_user", "dictionary", "meta")
"""Small tables that are the same everywhere: their keys do not hold an account, or they belong to the installation."""
LOCAL = ("fold", "message_partition", "message_filter")
"""Tables of the embedded database, which are empty here."""
FIRST = "place"
"""The distributed table that the others are kept beside."""
_PARTITION = re.compile(r"\w+_p\d+")


class NoCitus(Exception):
    """This PostgreSQL has no Citus: `CREATE EXTENSION citus` makes it there where it is installed. Nothing was changed."""


def spread(tables: Iterable[str]) -> list[str]:
    """Of these tables those that are distributed by account, in the order in which that is done."""
    found = {table for table in tables if table not in (*REFERENCE, *LOCAL) and not _PARTITION.fullmatch(table)}
    return sorted(found, key=lambda table: (table != FIRST, table))


def check(url: str) -> None:
    """Errors: NoCitus, DatabaseFailure."""
    connection = connect(url)
    try:
        with translated():
            if connection.execute("SELECT to_regproc('create_distributed_table')").fetchone() == (None,):
                raise NoCitus
    finally:
        connection.close()


def distribute(url: str, tables: Iterable[str], done: Callable[[str], None]) -> int:
    """Distribute what is not distributed yet, a table a transaction; `done` is told each. How many. Errors: NoCitus, DatabaseFailure."""
    check(url)
    tables = list(tables)
    connection = connect(url, wait_s=None)
    try:
        with translated():
            there = {table for (table,) in connection.execute("SELECT logicalrelid::regclass::text FROM pg_dist_partition")}
            wanted = [table for table in (*REFERENCE, *spread(tables)) if table in tables and table not in there]
            for table in wanted:
                _distribute(connection, table)
                done(table)
    finally:
        connection.close()
    return len(wanted)


def _distribute(connection: Connection, table: str) -> psycopg.Cursor[tuple[object, ...]]:
    if table in REFERENCE:
        return connection.execute("SELECT create_reference_table($1)", (table,))
    beside = "default" if table == FIRST else FIRST
    return connection.execute("SELECT create_distributed_table($1, 'account_id', colocate_with => $2)", (table, beside))
