"""An installation spread over machines by account: what `goodword cluster init` does, and what statements may be.

Citus cannot be installed here. In its place stand functions of its names that note what they are asked (`STAND_IN`), and refuse what
Citus would refuse of a table: so this shows that the right tables are distributed, not that Citus is content. `test_dialect.py` makes the
same schema with PostgreSQL's own partitions by hash of the account, which refuses the same keys.
"""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from goodword.storage import cluster
from goodword.storage.store import Store
from tests.running import run
from tests.statement import EMBEDDED, EMBEDDED_TOO, PACKAGE, SPREAD, WHOLE, complaints, texts
from tests.stores import Pool

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
            if "{}" not in sql and sql not in EMBEDDED_TOO:
                assert complaints(sql, is_whole=module in WHOLE) == [], f"{module}:{line}: {sql}"
    assert found > 200
