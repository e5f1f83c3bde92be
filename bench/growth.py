"""A grown store on PostgreSQL within minutes: rows like those of real messages, made by the database itself.

They are as large and as random as real ones, and in the same tables and indexes; nobody can open their bodies. Whoever sends messages
afterwards is one of the people that were there before.
"""

from __future__ import annotations

import time

import psycopg

SLICE = 500_000
_ROWS = (
    "INSERT INTO event SELECT n, 1, substring(sha256(('m' || n)::bytea) FOR 16), 1 + n * 7919 % $3, 1, 'Product Viewed', $4, $4, 3, NULL,"
    " NULL, NULL, sha512(('a' || n)::bytea) || sha512(('b' || n)::bytea) || sha512(('c' || n)::bytea) || sha512(('d' || n)::bytea)"
    " FROM generate_series($1::bigint, $2::bigint) n",
    "INSERT INTO message SELECT 1, substring(sha256(('m' || n)::bytea) FOR 16), n FROM generate_series($1::bigint, $2::bigint) n",
    "INSERT INTO person_event SELECT 1, 1 + n * 7919 % $3, n FROM generate_series($1::bigint, $2::bigint) n",
    "INSERT INTO claim SELECT 1, substring(sha256(('c' || n)::bytea) FOR 16), n FROM generate_series($1::bigint, $2::bigint) n"
    " WHERE n % 10 = 0",
    "INSERT INTO identity SELECT 1, substring(sha256(('i' || n)::bytea) FOR 16), 1000000000 + n / 10, 0"
    " FROM generate_series($1::bigint, $2::bigint) n WHERE n % 5 = 0",
    "INSERT INTO profile SELECT 1000000000 + n, 1, sha512(('p' || n)::bytea) || sha512(('q' || n)::bytea) || sha512(('r' || n)::bytea)"
    " FROM generate_series($1::bigint, $2::bigint) n WHERE n % 10 = 0",
)  # fmt: skip


def grow(url: str, events: int) -> None:
    """Add rows until there are so many messages, then tidy up as autovacuum would have done meanwhile. No node may be running."""
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.RawCursor) as connection:
        stored, last, people = connection.execute(
            "SELECT (SELECT count(*) FROM event), (SELECT arrival FROM place WHERE account_id = 1), (SELECT count(*) FROM profile)"
        ).fetchone() or (0, 0, 0)
        now = int(time.time() * 1000)
        while stored < events:
            first, last = last + 1, last + min(SLICE, events - stored)
            for sql in _ROWS:
                used = (first, last, people, now)[: max(place for place in (1, 2, 3, 4) if f"${place}" in sql)]
                connection.execute(sql, used)
            stored += last - first + 1
        connection.execute("UPDATE place SET arrival = $1 WHERE account_id = 1", (last,))
        connection.execute("VACUUM (ANALYZE)", prepare=False)
        connection.execute("CHECKPOINT", prepare=False)
