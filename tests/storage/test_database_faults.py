"""What can be wrong with a database that is another process: each is said in a sentence, waits for it end, and data stays as it was.

Rows are counted by `messages`: what was answered 503 is sent again, as a sender does, and is stored once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from goodword.core.account import Scope
from goodword.storage import schema_nodes
from goodword.storage.partition import Periods
from goodword.storage.postgres import Database
from goodword.storage.schema import migrations
from goodword.storage.store import Store
from goodword.storage.verify import verify
from tests.conftest import MARK
from tests.line import Line, Network
from tests.postgres import USER, NoPostgres, Postgres
from tests.running import Answer, Server, make_key, refusal_to_start, stored_hashes

ANSWERED_S = 3.0
"""A request is answered within about this, and on a machine that is busy within SLACK times it."""
SLACK = 3
BACK_S = 60
REFUSED_S = 30


def order(message: str) -> dict[str, Any]:
    properties = {"partner_conversion_id": message, "cart_value": "9.99"}
    return {"type": "track", "event": "conversion", "userId": "u", "messageId": message, "properties": properties}


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A server of this module's own, on a socket and a port."""
    try:
        server = Postgres(listens=True)
    except NoPostgres as error:
        pytest.skip(f"{MARK}{error.__doc__}")
    with server:
        yield server


def made(postgres: Postgres) -> str:
    """A new database's name."""
    made.number += 1  # type: ignore[attr-defined]
    name = f"fault{made.number}"  # type: ignore[attr-defined]
    postgres.database(name)
    return name


made.number = 0  # type: ignore[attr-defined]


class Node:
    """A node under test: `say` posts a message, `again` posts it until it is taken."""

    def __init__(self, data: Path, url: str, patch: pytest.MonkeyPatch, key_url: str = "") -> None:
        self.data, self.url = data, url
        patch.setenv("GOODWORD_DATABASE_URL", key_url or url)
        self.key = make_key(data, Scope.ADMIN)
        self.server = Server(data, env={"GOODWORD_DATABASE_URL": url})
        self.beats: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat)
        self._thread.start()

    def _beat(self) -> None:
        """Ask all the time whether it is alive."""
        while not self._stop.wait(0.05):
            began = time.monotonic()
            with_status = self.server.get("/healthz").status
            assert with_status == 200
            self.beats.append(time.monotonic() - began)

    def say(self, message: str) -> Answer:
        """Post once; the answer has to come in time."""
        began = time.monotonic()
        answer = self.server.post("/v1/track", order(message), self.key)
        took = time.monotonic() - began
        assert took < SLACK * ANSWERED_S, f"answered {answer.status} after {took:.1f} s"
        return answer

    def again(self, message: str) -> None:
        """Post until it is taken."""
        deadline = time.monotonic() + BACK_S
        while (answer := self.say(message)).status != 200:
            assert answer.status == 503, answer
            assert time.monotonic() < deadline, self.trouble()
            time.sleep(0.2)

    def trouble(self) -> str:
        """What /readyz says is wrong."""
        return json.dumps(self.server.get("/readyz").json["problems"])

    def says(self, words: str) -> None:
        """Wait until /readyz says it. Not ready is 503."""
        deadline = time.monotonic() + BACK_S
        while words not in self.trouble():
            assert time.monotonic() < deadline, self.trouble()
            time.sleep(0.1)

    def close(self) -> None:
        """Stop it; it was alive all the time."""
        self._stop.set()
        self._thread.join(30)
        self.server.stop()
        assert max(self.beats, default=0) < SLACK * ANSWERED_S, f"/healthz took {max(self.beats):.1f} s"


@contextmanager
def running(data: Path, url: str, key_url: str = "") -> Iterator[Node]:
    with pytest.MonkeyPatch.context() as patch:
        node = Node(data, url, patch, key_url)
        try:
            yield node
        finally:
            node.close()


def check(data: Path, url: str, *messages: str) -> None:
    """Each message once, and all is well."""
    with Store(data, url=url) as store:
        assert stored_hashes(store, 1, list(messages)) == dict.fromkeys(messages, 1)
        assert verify(store) == []


def refused(data: Path, url: str) -> str:
    """What a node says that must not start with this URL; it does not take long to say it."""
    began = time.monotonic()
    said = refusal_to_start(data, env={"GOODWORD_DATABASE_URL": url})
    assert time.monotonic() - began < REFUSED_S
    return said


def sql(postgres: Postgres, name: str, *statements: str) -> None:
    with psycopg.connect(postgres.url(name), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


# At the start


def test_a_wrong_url_is_said(postgres: Postgres, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    assert "refused" in refused(tmp_path / "a", f"postgresql://{USER}@127.0.0.1:{closed}/x")
    assert "does not exist" in refused(tmp_path / "b", postgres.url("nowhere"))
    assert "no-such-host.invalid" in refused(tmp_path / "c", f"postgresql://{USER}@no-such-host.invalid/x")
    assert refused(tmp_path / "d", "postgresql://[::broken/x")


def test_a_server_that_takes_the_call_and_says_nothing_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "does not answer" in refused(tmp_path / "a", f"postgresql://{USER}@127.0.0.1:{silent.getsockname()[1]}/x")


def test_a_wrong_password_is_said_and_not_repeated(postgres: Postgres, tmp_path: Path) -> None:
    name = made(postgres)
    sql(postgres, name, "CREATE ROLE careful LOGIN PASSWORD 'right-one'")
    rules = postgres.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text("host all careful 127.0.0.1/32 scram-sha-256\n" + before)
    sql(postgres, name, "SELECT pg_reload_conf()")
    try:
        said = refused(tmp_path / "a", f"postgresql://careful:wrong-one@127.0.0.1:{postgres.port}/{name}")
    finally:
        rules.write_text(before)
        sql(postgres, name, "SELECT pg_reload_conf()")
    assert "password authentication failed" in said
    assert "wrong-one" not in said


def test_no_right_to_make_tables_is_said(postgres: Postgres, tmp_path: Path) -> None:
    name = made(postgres)
    sql(postgres, name, "CREATE ROLE powerless LOGIN", "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    assert "permission denied" in refused(tmp_path / "a", f"postgresql://powerless@127.0.0.1:{postgres.port}/{name}")


def test_another_programs_database_and_a_newer_schema_are_left_alone(postgres: Postgres, tmp_path: Path) -> None:
    other, newer = made(postgres), made(postgres)
    sql(postgres, other, "CREATE TABLE thing (n int)", "INSERT INTO thing VALUES (1)")
    assert "another program" in refused(tmp_path / "a", postgres.url(other))
    Store(tmp_path / "b", url=postgres.url(newer)).close()
    sql(postgres, newer, "UPDATE meta SET value = '9999' WHERE name IN ('schema', 'schema_floor')")
    assert "newer Goodword" in refused(tmp_path / "b", postgres.url(newer))
    with psycopg.connect(postgres.url(other)) as reader:
        tables = reader.execute("SELECT relname FROM pg_stat_user_tables").fetchall()
        schemas = reader.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'goodword%'").fetchall()
    assert (tables, schemas) == ([("thing",)], [])


def test_an_older_schema_is_brought_up_to_date(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database as an older program left it, with all but its last migrations."""
    name = made(postgres)
    with monkeypatch.context() as older:
        older.setattr(schema_nodes, "migrations", lambda package: migrations(package)[: -1 if package.endswith("migrations") else None])
        database = Database(postgres.url(name))
        schema_nodes.migrate(database, Periods(database))
        before = schema_nodes.version(database, "schema")
        database.close()
    with Store(tmp_path / "a", url=postgres.url(name), master=bytes(32)) as store:
        assert store.kept("schema") == str(before + 1)
        assert verify(store) == []


def test_a_standby_is_no_place_to_write(postgres: Postgres, tmp_path: Path) -> None:
    """A real one, which replays what the primary writes."""
    name = made(postgres)
    Store(tmp_path / "a", url=postgres.url(name)).close()
    with Postgres(folder=postgres.copied(tmp_path), listens=True) as standby:
        assert "read-only" in refused(tmp_path / "b", standby.url(name))
        both = f"postgresql://{USER}@127.0.0.1:{standby.port},127.0.0.1:{postgres.port}/{name}"
        with running(tmp_path / "a", both, postgres.url(name)) as node:
            node.again("m1")


# While it runs


def test_rights_that_are_taken_away_are_missed_and_given_back(postgres: Postgres, tmp_path: Path) -> None:
    name = made(postgres)
    sql(
        postgres,
        name,
        f"CREATE ROLE weak{name} LOGIN",
        f"GRANT ALL ON SCHEMA public TO weak{name}",
        f'GRANT CREATE ON DATABASE "{name}" TO weak{name}',
    )
    url = f"postgresql://weak{name}@127.0.0.1:{postgres.port}/{name}"
    with running(tmp_path / "a", url) as node:
        node.again("m1")
        sql(postgres, name, "ALTER TABLE event OWNER TO goodword", f"REVOKE ALL ON event FROM weak{name}")
        assert node.say("m2").status == 503
        node.says("permission denied")
        sql(postgres, name, f"ALTER TABLE event OWNER TO weak{name}")
        node.again("m2")
    check(tmp_path / "a", url, "m1", "m2")


def test_no_connection_left_is_said_and_waited_for(postgres: Postgres, tmp_path: Path) -> None:
    name = made(postgres)
    role = f"many{name}"
    sql(postgres, name, f"CREATE ROLE {role} LOGIN", f'ALTER DATABASE "{name}" OWNER TO {role}')
    url = f"postgresql://{role}@127.0.0.1:{postgres.port}/{name}"
    with running(tmp_path / "a", url) as node:
        node.again("m1")
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
        sql(postgres, name, f"ALTER ROLE {role} CONNECTION LIMIT 0", end)
        node.says("too many connections")
        assert node.say("m2").status == 503
        assert "too many connections" in refused(tmp_path / "b", url)
        sql(postgres, name, f"ALTER ROLE {role} CONNECTION LIMIT 20")
        node.again("m2")
    check(tmp_path / "a", url, "m1", "m2")


def test_a_full_disk_is_503_until_there_is_space(postgres: Postgres, tmp_path: Path) -> None:
    """The tables are on a file system of their own, which is filled up."""
    small = postgres.folder / "small"
    small.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "goodword-test", small], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{MARK}mounting is not permitted here: {done.stderr.strip()}")
    try:
        shutil.chown(small, "nobody")
        name = "filled"
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as owner:
            owner.execute(f"CREATE TABLESPACE small LOCATION '{small}'")
            owner.execute(f"CREATE DATABASE {name} TEMPLATE template0 TABLESPACE small")
        url = postgres.url(name)
        with running(tmp_path / "a", url) as node:
            node.again("m0")
            filler = small / "filler"
            fill(filler)
            sent = 1
            body = "x" * 20_000
            while (
                node.server.post("/v1/track", {**order(f"m{sent}"), "context": {"what": os.urandom(10_000).hex() + body}}, node.key).status
                == 200
            ):
                sent += 1
                assert sent < 5_000
            node.says("No space left")
            filler.unlink()
            node.again(f"m{sent}")
        check(tmp_path / "a", url, *(f"m{number}" for number in range(sent + 1)))
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as owner:
            owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
            owner.execute("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def fill(path: Path) -> None:
    """Write until nothing more can be written."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass


def away_and_back(node: Node, away: Callable[[], object], back: Callable[[], object], words: str) -> None:
    """The database goes, under messages and queries, and comes back."""
    node.again("m1")
    away()
    assert node.say("m2").status == 503
    node.says(words)
    began = time.monotonic()
    assert node.say("m3").status == 503
    query = node.server.get("/v5/persons?person_keys=partner_user_id:u", Authorization=f"Bearer {node.key}")
    assert (query.status, query.headers["retry-after"]) == (503, "1")
    assert time.monotonic() - began < SLACK * ANSWERED_S
    back()
    for message in ("m2", "m3", "m4"):
        node.again(message)


def test_a_network_that_is_cut_is_503_until_it_is_mended(postgres: Postgres, tmp_path: Path) -> None:
    """Packets are dropped without a word."""
    name = made(postgres)
    with Line(postgres.folder / f".s.PGSQL.{postgres.port}") as line:
        url = f"postgresql://{USER}@127.0.0.1:{line.port}/{name}"
        with running(tmp_path / "a", url, postgres.url(name)) as node:
            away_and_back(node, line.cut, line.mend, "does not answer")
    check(tmp_path / "a", postgres.url(name), "m1", "m2", "m3", "m4")


def test_a_cable_that_is_unplugged_is_503_until_it_is_plugged_in(tmp_path: Path) -> None:
    """The same on a real network: a namespace of the kernel's, with a cable that is unplugged."""
    with Network() as network, Postgres(listens=True, network=network) as far:
        far.database("far")
        with running(tmp_path / "a", far.url("far")) as node:
            away_and_back(node, network.unplug, network.plug, "the database")
        check(tmp_path / "a", far.url("far"), "m1", "m2", "m3", "m4")


def test_a_database_that_hangs_is_503_until_it_goes_on(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.url(made(postgres))
    with running(tmp_path / "a", url) as node:
        try:
            hang = lambda: postgres.send_signal(signal.SIGSTOP)  # noqa: E731
            away_and_back(node, hang, lambda: postgres.send_signal(signal.SIGCONT), "does not answer")
        finally:
            postgres.send_signal(signal.SIGCONT)
    check(tmp_path / "a", url, "m1", "m2", "m3", "m4")


def test_a_commit_that_answers_late_is_given_up_on_and_counts_once(postgres: Postgres, tmp_path: Path) -> None:
    """Commits wait for a standby that is not there; queries go on. When it comes, what was answered 503 is found stored, once."""
    url = postgres.url(made(postgres))
    with running(tmp_path / "a", url) as node:
        node.again("m1")
        wait_for = "ALTER SYSTEM SET synchronous_standby_names = {}"
        try:
            sql(postgres, "postgres", wait_for.format("'nobody'"), "SELECT pg_reload_conf()")
            deadline = time.monotonic() + BACK_S
            number = 2
            while node.say(f"m{number}").status == 200:  # until the server has read its settings
                assert time.monotonic() < deadline
                number += 1
            node.says("does not answer")
            query = node.server.get("/v5/persons?person_keys=partner_user_id:u", Authorization=f"Bearer {node.key}")
            assert query.status == 200
            assert node.say(f"m{number}").status == 503
        finally:
            sql(postgres, "postgres", wait_for.format("''"), "SELECT pg_reload_conf()")
        node.again(f"m{number}")
    check(tmp_path / "a", url, *(f"m{each}" for each in range(1, number + 1)))
