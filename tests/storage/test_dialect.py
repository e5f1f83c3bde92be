"""Statements and schema in PostgreSQL's words, and the rule that a table may be spread over machines by account."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest

from goodword.core import command as c
from goodword.core.profile import IdentityKey
from goodword.engine import Engine
from goodword.storage import cluster, dialect, schema
from goodword.storage.array import Blobs, Ints, Texts
from goodword.storage.store import Store
from goodword.storage.verify import verify
from tests.running import problems, received
from tests.stores import Pool

NOW = 1_790_000_000_000
TABLES = {
    "thing": dialect.Table({"account_id": "bigint", "id": "bigint", "name": "text", "body": "bytea"}, ("account_id", "id")),
}
UNSHARDED = {*cluster.REFERENCE, *cluster.LOCAL}


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT 1 FROM thing WHERE id = ? AND name = ?", "SELECT 1 FROM thing WHERE id = $1 AND name = $2"),
        ("SELECT ?2, ?1, '?', 'it''s ?'", "SELECT $2, $1, '?', 'it''s ?'"),
        ("SELECT 1 WHERE 5 IN (SELECT value FROM carray(?))", "SELECT 1 WHERE 5 IN (SELECT value FROM unnest($1) AS carray(value))"),
        (
            "SELECT t.name FROM carray(?) k CROSS JOIN thing t ON t.account_id = ? AND t.id = k.value ORDER BY t.id",
            "SELECT t.name FROM unnest($1) AS k(value) JOIN LATERAL"
            " (SELECT * FROM thing t WHERE t.account_id = $2 AND t.id = k.value OFFSET 0) t ON true ORDER BY t.id",
        ),
        ("SELECT id FROM thing INDEXED BY thing_name WHERE account_id = ?", "SELECT id FROM thing WHERE account_id = $1"),
        ("UPDATE thing SET body = x'' WHERE id = ?", "UPDATE thing SET body = ''::bytea WHERE id = $1"),
        ("SELECT sum(max(n, 1)), max(n) FROM thing", "SELECT sum(greatest(n, 1)), max(n) FROM thing"),
        (
            "INSERT INTO thing VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
            "INSERT INTO thing VALUES ($1, $2, $3, $4) ON CONFLICT (account_id, id) DO UPDATE SET body = excluded.body",
        ),
    ],
)
def test_a_statement_in_postgresqls_words(sql: str, words: str) -> None:
    assert dialect.statement(sql, TABLES) == words


def test_many_rows_are_one_statement_over_arrays() -> None:
    sql = "INSERT INTO thing (account_id, id, name) VALUES (?, ?, 'new') ON CONFLICT DO UPDATE SET name = excluded.name"
    bulk = dialect.bulk(sql, TABLES)
    assert bulk is not None
    assert bulk.sql == (
        "INSERT INTO thing (account_id, id, name) SELECT unnest($1::bigint[]), unnest($2::bigint[]), 'new'"
        " ON CONFLICT (account_id, id) DO UPDATE SET name = excluded.name"
    )
    assert (bulk.types, bulk.unique) == (("bigint", "bigint"), (0, 1))
    bulk = dialect.bulk("DELETE FROM thing WHERE account_id = ? AND id = ?", TABLES)
    assert bulk is not None
    assert bulk.sql == (
        "DELETE FROM thing t USING unnest($1::bigint[], $2::bigint[]) AS u(account_id, id)"
        " WHERE t.account_id = u.account_id AND t.id = u.id"
    )
    assert bulk.types == ("bigint", "bigint")
    assert dialect.bulk("DELETE FROM thing WHERE id = ? OR name = ?", TABLES) is None


def test_rows_of_one_key_take_turns_in_their_order() -> None:
    rows = [(1, "a"), (2, "b"), (1, "c"), (1, "d")]
    assert dialect.waves(rows, (0,)) == [[(1, "a"), (2, "b")], [(1, "c")], [(1, "d")]]


def test_a_number_that_is_a_key_alone_becomes_one_of_its_account() -> None:
    made = dialect.schema("CREATE TABLE t (n INTEGER PRIMARY KEY, account_id INTEGER NOT NULL, b BLOB) WITHOUT ROWID; -- INTEGER, BLOB")
    assert made == ["CREATE TABLE t (n bigint NOT NULL, account_id bigint NOT NULL, b bytea, PRIMARY KEY (account_id, n))"]
    moved = "ALTER TABLE t ADD COLUMN a TEXT; INSERT INTO t SELECT 1"
    assert dialect.schema(moved, moves_data=False) == ['ALTER TABLE t ADD COLUMN a text COLLATE "C"']


def test_packed_lists_arrive_as_they_were(in_postgres: Pool, tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        read = store.database.read
        ints, blobs, texts = [1, -(1 << 62), 7], [b"", b"\0\xff"], ["", "ä\x00b", "x"]
        assert [value for (value,) in read("SELECT value FROM carray(?)", (Ints(ints),))] == ints
        assert [value for (value,) in read("SELECT value FROM carray(?)", (Blobs(blobs),))] == blobs
        assert [value for (value,) in read("SELECT value FROM carray(?)", (Texts(texts),))] == ["", "ä\u2400b", "x"]
        for empty in (Ints([]), Blobs([]), Texts([])):
            assert read("SELECT value FROM carray(?)", (empty,)) == []
        assert read("SELECT u.a, u.b, u.c FROM carray(?) k CROSS JOIN LATERAL (SELECT 1 AS a, 2 AS b, 3 AS c) u", (Ints([5]),)) == [
            (1, 2, 3)
        ]
        nothing: list[list[object]] = [[None, 1], [None, b"x"], [None, "y"]]
        for kind, values in zip((Ints, Blobs, Texts), nothing, strict=True):
            assert [value for (value,) in read("SELECT value FROM carray(?)", (kind(values),))] == values


in_words = dialect.schema


def partitioned(sql: str, **how: bool) -> list[str]:
    """The schema, each table of accounts spread by account: PostgreSQL then refuses the unique keys that Citus would."""
    made = []
    for one in in_words(sql, **how):
        found = re.match(r"CREATE TABLE (\w+)", one)
        if found is None or found[1] in UNSHARDED or "PARTITION BY" in one:
            made.append(one)
            continue
        made.append(f"{one} PARTITION BY HASH (account_id)")
        made += [
            f"CREATE TABLE {found[1]}_part_{rest} PARTITION OF {found[1]} FOR VALUES WITH (MODULUS 2, REMAINDER {rest})" for rest in (0, 1)
        ]
    return made


def test_every_table_of_accounts_may_be_spread_by_account(postgres_pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unique keys and conflict targets hold the account; messages, merges, keys, deletion go through such a schema."""
    url = postgres_pool.postgres.database("spread")
    with monkeypatch.context() as broken:
        broken.setattr("goodword.storage.schema_nodes.dialect.schema", partitioned)
        Store(tmp_path, url=url).close()
    with psycopg.connect(url) as connection:
        kinds: dict[str, Any] = dict(
            connection.execute("SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchall()
        )
    made = {name for _, sql in schema.migrations() for name in re.findall(r"CREATE TABLE (\w+)", sql)}
    assert {name for name in made if kinds[name] in ("r", b"r")} == UNSHARDED
    with Store(tmp_path, url=url) as store:
        engine = Engine(store, clock=lambda: NOW)
        other = engine.execute([c.CreateAccount("other")])[0].value
        for account in (1, other):
            for said in (
                {"type": "identify", "userId": "u", "messageId": "m1", "traits": {"email": "j@x.com", "plan": "gold"}},
                {"type": "track", "event": "conversion", "userId": "u", "messageId": "m2", "properties": {"partner_conversion_id": "o"}},
                {"type": "track", "event": "conversion", "userId": "u", "messageId": "m2", "properties": {"partner_conversion_id": "o"}},
                {"type": "identify", "anonymousId": "d", "messageId": "m3"},
                {"type": "alias", "previousId": "d", "userId": "u", "messageId": "m4"},
            ):
                engine.execute([received(said, NOW, account)])
        engine.execute([c.Erase(1, (IdentityKey("uu"),), erasure_id="e")])
        assert (problems(store), verify(store)) == ([], [])
