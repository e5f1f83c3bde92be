"""Nodes are brought to a new version one by one: the previous release's code, and this one, on one schema; and this code on a later schema.

`tests/upgrade/previous.tar.xz` is the package as it was released last. With each release it is made anew, from its commit:
`git archive COMMIT goodword | xz -9e > tests/upgrade/previous.tar.xz`
"""

from __future__ import annotations

import re
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from goodword.core.account import Scope
from goodword.storage import dialect, schema_nodes
from goodword.storage.partition import Periods
from goodword.storage.postgres import Database
from goodword.storage.schema import BREAKS, NewerSchema, migrations
from goodword.storage.store import Store
from goodword.storage.verify import verify
from tests.running import Server, make_key, problems, refusal_to_start, run, stored_hashes
from tests.stores import URLS, Pool

ARCHIVE = Path(__file__).parent.parent / "upgrade" / "previous.tar.xz"
PATIENCE_S = 60
ADDITIVE_FROM = {"goodword.storage.migrations": 9, "goodword.storage.migrations.nodes": 3}
"""The first migrations after the rule that they only add, or say that they break older nodes."""


@pytest.fixture
def url(postgres_pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new database, which the folders `old` and `new` are nodes of."""
    made = postgres_pool.postgres.database(f"upgrade-{tmp_path.name}")
    for name in ("old", "new"):
        monkeypatch.setitem(URLS, tmp_path / name, made)
        (tmp_path / name).mkdir()
    monkeypatch.setenv("GOODWORD_DATABASE_URL", made)
    monkeypatch.setenv("GOODWORD_MASTER_KEY", "A" * 43 + "=")
    return made


CAMPAIGN = b"""
campaign: c
program: p
share: {destination: 'https://shop.example.com/'}
rewards:
  - {name: a, to: advocate, value: {amount: '10'}}
"""
MASTER = {"GOODWORD_MASTER_KEY": "A" * 43 + "="}


def sent(server: Server, key: str, said: dict[str, Any]) -> None:
    """A message that is sent until it is answered: while the schema is changed a node may say 503."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := server.post("/segment", said, key)).status != 200:
        assert answer.status == 503, answer.body
        assert time.monotonic() < deadline
        time.sleep(0.2)


def order(number: int) -> dict[str, Any]:
    properties = {"partner_conversion_id": f"o{number}", "cart_value": "9.99"}
    return {"type": "track", "event": "conversion", "userId": f"u{number % 5}", "messageId": f"m{number}", "properties": properties}


def person_said(number: int, **traits: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": f"u{number}", "messageId": f"i{number}", "traits": {"email": f"{number}@x.com", **traits}}


def test_the_previous_release_and_this_one_work_on_one_schema(url: str, tmp_path: Path) -> None:
    with psycopg.connect(url) as asked:
        if asked.info.server_version < 160_000:
            pytest.skip("the previous release needs PostgreSQL 16")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path / "previous", filter="data")
    previous = f"import sys\nsys.path.insert(0, {str(tmp_path / 'previous')!r})\nimport goodword\nsys.stderr.write(goodword.__file__)"
    with Server(tmp_path / "old", before=previous, env=MASTER) as old:
        assert str(tmp_path / "previous") in old.said()
        key = make_key_at(old, previous)
        for number in range(5):
            sent(old, key, person_said(number, plan="gold"))
        for number in range(20):
            sent(old, key, order(number))
        with Server(tmp_path / "new", env=MASTER) as new, ThreadPoolExecutor(4) as pool:  # it migrates, while the old one is asked
            list(pool.map(lambda number: sent((old, new)[number % 2], key, order(number % 60)), range(240)))
            sent(old, key, {"type": "delete", "userId": "u0", "messageId": "gone"})
            found = new.request("GET", "/v5/persons?person_keys=partner_user_id:u0", headers={"Authorization": f"Bearer {key}"})
            assert found.json == []
            later = make_key_at(new)
            deadline = time.monotonic() + PATIENCE_S
            while old.post("/segment", order(1), later).status != 200:  # the old node learns of it within a second
                assert time.monotonic() < deadline
                time.sleep(0.2)
            sent(old, later, person_said(7, plan="silver"))
            sent(new, key, person_said(7, plan="silver"))
    with Store(tmp_path / "new", url=url, master=bytes(32)) as store:
        assert set(stored_hashes(store, 1, [f"m{number}" for number in range(60)] + ["i7"]).values()) == {1}
        assert (problems(store), verify(store)) == ([], [])


def make_key_at(server: Server, before: str = "") -> str:
    """A key that `goodword key create` makes at a node: of its own version."""
    made = run("key", "create", "test", "--scope", "admin", "--data", str(server.data), env=MASTER, before=before)
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout.strip()


def later_schema(url: str, floor: int) -> None:
    """What a later program may have made of the schema: more tables, and more columns in each."""
    with psycopg.connect(url, autocommit=True) as owner:
        tables = owner.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
        ).fetchall()
        for (table,) in tables:
            owner.execute(f"ALTER TABLE {table} ADD COLUMN later_number bigint, ADD COLUMN later_text text NOT NULL DEFAULT ''")
        owner.execute("CREATE TABLE later_thing (account_id bigint, number bigint, PRIMARY KEY (account_id, number))")
        owner.execute("UPDATE meta SET value = '9999' WHERE name IN ('schema', 'schema_nodes')")
        owner.execute("UPDATE meta SET value = %s WHERE name IN ('schema_floor', 'schema_nodes_floor')", (str(floor),))


@pytest.mark.parametrize("is_running", [False, True])
def test_this_program_works_on_a_later_schema_that_only_adds(url: str, tmp_path: Path, is_running: bool) -> None:
    """Which a newer node made before this one was started, or while it runs."""
    with Store(tmp_path / "old", url=url, master=bytes(32)):
        pass
    if not is_running:
        later_schema(url, 1)
    with Server(tmp_path / "old", env=MASTER) as server:
        key = make_key(tmp_path / "old", Scope.ADMIN)
        sent(server, key, order(0))
        if is_running:
            later_schema(url, 1)
        answer = server.request("POST", "/v2/campaigns?publish=true", CAMPAIGN, {"Authorization": f"Bearer {key}"})
        assert answer.status == 200, answer.body
        later = make_key(tmp_path / "old", Scope.ADMIN)
        for number in range(5):
            sent(server, later, person_said(number, plan="gold"))
        for number in range(10):
            said = order(number)
            said["properties"]["advocate_partner_user_id"] = "u1"
            sent(server, later, said)
        sent(server, key, {"type": "delete", "userId": "u3", "messageId": "d"})
        with Server(tmp_path / "new", env=MASTER) as other:
            sent(other, later, order(11))
    with Store(tmp_path / "old", url=url, master=bytes(32)) as store:
        assert store.database.read("SELECT count(*) FROM event WHERE duplicate_of IS NULL AND name = 'conversion'") == [(11,)]
        assert store.database.read("SELECT count(*) > 0 FROM reward") == [(True,)]
        assert (problems(store), verify(store)) == ([], [])


def test_a_schema_that_an_older_program_cannot_work_with_ends_its_nodes(url: str, tmp_path: Path) -> None:
    with Server(tmp_path / "old", env=MASTER) as server:
        later_schema(url, 9999)
        assert server.wait() == 0
        assert "schema_outgrew_this_version" in server.said()
    assert "newer Goodword" in refusal_to_start(tmp_path / "old", env=MASTER)


def test_a_migration_that_breaks_older_nodes_raises_the_floor(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    floors = "SELECT name, value FROM meta WHERE name LIKE '%floor' ORDER BY name"
    with Store(tmp_path / "new", url=url, master=bytes(32)) as store:
        assert store.database.read(floors) == [("schema_floor", "1"), ("schema_nodes_floor", "1")]
    here = {package: migrations(package) for package in ADDITIVE_FROM}
    main = next(iter(here))
    number = here[main][-1][0] + 1
    added = [
        (number, f"{BREAKS}: it goes\nALTER TABLE api_key DROP COLUMN hint;"),
        (number + 1, "CREATE TABLE later (account_id INTEGER);"),
    ]
    with monkeypatch.context() as newer:
        newer.setattr(schema_nodes, "migrations", lambda package: here[package] + (added if package == main else []))
        database = Database(url)
        schema_nodes.migrate(database, Periods(database))
        database.close()
    with psycopg.connect(url) as reader:
        assert reader.execute(floors).fetchall() == [("schema_floor", str(number)), ("schema_nodes_floor", "1")]
    with pytest.raises(NewerSchema):
        Store(tmp_path / "old", url=url, master=bytes(32))


def breaking(sql: str) -> list[str]:
    """The statements of a migration that an older node may not bear."""
    made = set(re.findall(r"CREATE TABLE (\w+)", sql))
    plain = {name for package in ADDITIVE_FROM for _, each in migrations(package) for name in re.findall(r"CREATE INDEX (\w+)", each)}
    found = []
    for one in dialect.schema(sql):
        index = re.match(r"CREATE UNIQUE INDEX \w+ ON (\w+)", one)
        column = re.match(r"ALTER TABLE \w+ ADD COLUMN .*", one, re.DOTALL)
        gone = re.fullmatch(r"DROP INDEX (\w+)", one)  # only speed depended on it
        is_added = bool(column) and ("NOT NULL" not in one or "DEFAULT" in one)
        if not (
            one.startswith(("CREATE TABLE", "CREATE INDEX", "INSERT INTO"))
            or is_added
            or (index and index[1] in made)
            or (gone and gone[1] in plain)
        ):
            found.append(one)
    return found


def test_migrations_only_add_or_say_that_they_break_older_nodes() -> None:
    assert breaking("CREATE TABLE t (n INTEGER); CREATE UNIQUE INDEX i ON t (n); ALTER TABLE u ADD COLUMN c TEXT NOT NULL DEFAULT ''") == []
    for bad in (
        "ALTER TABLE t DROP COLUMN c",
        "ALTER TABLE t ADD COLUMN c TEXT NOT NULL",
        "CREATE UNIQUE INDEX i ON t (n)",
        "DROP TABLE t",
        "DROP INDEX event_id",
    ):
        assert len(breaking(bad)) == 1
    for package, first in ADDITIVE_FROM.items():
        for number, sql in migrations(package):
            assert number < first or sql.startswith(BREAKS) or breaking(sql) == [], f"{package} {number}"
