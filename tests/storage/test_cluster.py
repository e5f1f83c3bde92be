"""An installation spread over machines by account: what `goodword cluster init` does, and what statements may be.

Citus cannot be installed here. In its place stand functions of its names that note what they are asked (`STAND_IN`), and refuse what
Citus would refuse of a table: so this shows that the right tables are distributed, not that Citus is content. `test_dialect.py` makes the
same schema with PostgreSQL's own partitions by hash of the account, which refuses the same keys.
"""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import psycopg
import pytest
from psycopg.pq import ExecStatus

from goodword.storage import cluster, dialect
from goodword.storage.postgres import Database
from goodword.storage.schema import migrations
from goodword.storage.schema_nodes import EMBEDDED_ONLY
from goodword.storage.store import Store
from tests.running import run
from tests.statement import EMBEDDED, EMBEDDED_TOO, PACKAGE, SPREAD, WHOLE, complaints, texts, unnamed
from tests.stores import URLS, Pool

NOT_THERE = (
    EMBEDDED
    | {"storage/cluster.py", "storage/dialect.py", "storage/keyblock.py", "storage/keytable.py", "storage/sqlite.py", "storage/schema.py"}
    | {"storage/period_expiry.py", "storage/pulse.py"}
    | {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.glob("storage/move*.py")}
)
"""Modules that speak to another database, or to this one in its own words."""
STAND_IN = """
CREATE SCHEMA citus_stand_in;
CREATE TABLE citus_stand_in.pg_dist_partition (logicalrelid regclass PRIMARY KEY, partkey text, beside text);
CREATE FUNCTION citus_stand_in.create_reference_table(name regclass) RETURNS void LANGUAGE sql AS
  $$ INSERT INTO citus_stand_in.pg_dist_partition VALUES (name, NULL, NULL) $$;
CREATE FUNCTION citus_stand_in.create_distributed_table(name regclass, part text, colocate_with text DEFAULT 'default') RETURNS void
LANGUAGE plpgsql AS $$ BEGIN
  IF EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = name) THEN RAISE 'triggers are not supported'; END IF;
  IF EXISTS (SELECT 1 FROM pg_attrdef WHERE adrelid = name AND pg_get_expr(adbin, adrelid) LIKE '%nextval%') THEN RAISE 'serial'; END IF;
  IF EXISTS (
    SELECT 1 FROM pg_index i WHERE i.indrelid = name AND i.indisunique AND NOT EXISTS (
      SELECT 1 FROM pg_attribute a WHERE a.attrelid = name AND a.attname = part AND a.attnum = ANY (i.indkey)))
  THEN RAISE 'a unique key without the distribution column'; END IF;
  INSERT INTO citus_stand_in.pg_dist_partition VALUES (name, part, colocate_with);
END $$
"""


@pytest.fixture
def url(postgres_pool: Pool, tmp_path: Path) -> str:
    return postgres_pool.postgres.database(f"cluster-{tmp_path.name}")


def test_without_citus_nothing_is_changed_and_that_is_said(url: str) -> None:
    done = run("cluster", "init", env={"GOODWORD_DATABASE_URL": url})
    assert (done.returncode, "has no Citus" in done.stderr, len(done.stderr.splitlines())) == (1, True, 1)
    with psycopg.connect(url) as reader:
        assert reader.execute("SELECT count(*) FROM pg_stat_user_tables").fetchone() == (0,)
    assert run("cluster", "init").returncode == 2


def test_every_table_of_accounts_is_distributed_by_account_once(url: str, tmp_path: Path) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(STAND_IN)
        owner.execute(f'ALTER DATABASE "{owner.info.dbname}" SET search_path = public, citus_stand_in')
    done = run("cluster", "init", env={"GOODWORD_DATABASE_URL": url})
    assert done.returncode == 0, done.stderr
    with psycopg.connect(url) as reader:
        asked = {
            table: rest for table, *rest in reader.execute("SELECT logicalrelid::text, partkey, beside FROM pg_dist_partition").fetchall()
        }
    assert {table for table, (column, _) in asked.items() if column is None} == set(cluster.REFERENCE)
    assert {table for table, (column, _) in asked.items() if column == "account_id"} == SPREAD
    assert {table: beside for table, (_, beside) in asked.items() if beside not in (None, "place")} == {"place": "default"}
    again = run("cluster", "init", env={"GOODWORD_DATABASE_URL": url})
    assert (again.returncode, "before" in again.stderr) == (0, True)
    with Store(tmp_path, url=url):  # a node starts on it
        pass


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT 1 FROM event WHERE arrival = ?", "names 0 accounts for 1 tables (event)"),
        ("SELECT 1 FROM event e JOIN profile p ON p.id = e.profile_id WHERE e.account_id = ?", "names 1 accounts for 2 tables"),
        ("SELECT arrival FROM place WHERE arrival = 1 FOR UPDATE", "names 0 accounts"),
        ("DELETE FROM claim WHERE key = ?", "names 0 accounts"),
        ("UPDATE place SET arrival = extract(epoch FROM now()) WHERE account_id = ?", "calls extract"),
        ("INSERT INTO lease VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET node = 1 WHERE lease.until < now()", "calls now"),
        ("INSERT INTO claim (key, arrival) VALUES (?, ?)", "inserts rows without an account"),
    ],
)
def test_a_statement_that_does_not_keep_to_an_account_is_found(sql: str, said: str) -> None:
    assert [said in each for each in complaints(sql)] == [True]


def test_a_statement_that_keeps_to_its_account_is_taken() -> None:
    for sql in (
        "SELECT 1 FROM event WHERE account_id = ? AND arrival = ?",
        "SELECT 1 FROM event e JOIN profile p ON p.account_id = e.account_id AND p.id = e.profile_id WHERE e.account_id = ?",
        "INSERT INTO claim VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        "SELECT value FROM meta WHERE name = ?",
    ):
        assert complaints(sql) == []


def test_every_statement_of_the_package_names_its_account() -> None:
    """As it is spelled out. What is put together while it runs is seen by the recorder that all tests on PostgreSQL carry (`stores.py`)."""
    found = 0
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        for line, sql in texts(path.read_text()) if module not in EMBEDDED else ():
            found += 1
            assert unnamed(sql) == [], f"{module}:{line}: {sql}"
            if "{}" not in sql and sql not in EMBEDDED_TOO:
                assert complaints(sql, is_whole=module in WHOLE) == [], f"{module}:{line}: {sql}"
    assert found > 200


def test_a_query_within_a_query_has_a_name() -> None:
    """PostgreSQL 15 asks for one; newer ones and SQLite do not."""
    assert unnamed("SELECT 1 FROM (SELECT 2) WHERE 1 = 1") == ["FROM (SELECT 2)"]
    assert unnamed("SELECT 1 FROM (SELECT 2 FROM (SELECT 3) AS a) b JOIN LATERAL (SELECT 1) c ON true") == []
    for package in ("goodword.storage.migrations", "goodword.storage.migrations.nodes"):
        for number, sql in migrations(package):
            for one in dialect.schema(sql, moves_data=number > EMBEDDED_ONLY):
                assert unnamed(one) == [], f"{package} {number}"


def test_postgresql_takes_every_statement_that_is_spelled_out(in_postgres: Pool, tmp_path: Path) -> None:
    """Its parser looks at each; so that a page nobody opened on PostgreSQL yet does not end in an error of grammar there."""
    refused = []
    with Store(tmp_path) as store, psycopg.connect(URLS[tmp_path], autocommit=True) as connection:
        assert isinstance(store.database, Database)
        tables, number = store.database.tables, 0
        for path in sorted(PACKAGE.glob("storage/**/*.py")):
            module = path.relative_to(PACKAGE).as_posix()
            for line, sql in texts(path.read_text()) if module not in NOT_THERE else ():
                if (
                    "{" not in sql
                    and sql not in EMBEDDED_TOO
                    and not any(name in sql for name in ("message_partition", "sqlite_", "fold", "pg_", "PRAGMA"))
                ):
                    number += 1
                    said = grammar(connection, dialect.statement(sql, tables), number)
                    refused += [f"{module}:{line}: {said}: {sql}"] if said else []
    assert number > 150
    assert refused == [], "\n".join(refused)


def grammar(connection: psycopg.Connection[tuple[object, ...]], sql: str, number: int) -> str:
    """What is wrong with a statement, whatever its lists are lists of; "" when nothing is."""
    lists = sorted(set(map(int, re.findall(r"unnest\(\$(\d+)\)", sql))))
    said = ""
    for kinds in product((1016, 1001, 1009), repeat=len(lists)):
        types = [0] * max(lists, default=0)
        for place, kind in zip(lists, kinds, strict=True):
            types[place - 1] = kind
        result = connection.pgconn.prepare(b"s%d" % number, sql.encode(), types)
        if result.status == ExecStatus.COMMAND_OK:
            return ""
        said = result.error_message.decode().splitlines()[0]
    return said
