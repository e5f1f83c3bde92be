"""Several nodes on one PostgreSQL: turns, settings, deletions, commits whose answer is lost, a database that goes away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from goodword.core import command as c
from goodword.core.account import Settings
from goodword.core.decision import Outcome
from goodword.core.profile import IdentityKey
from goodword.engine import Engine, Unavailable
from goodword.storage import tombstone
from goodword.storage.failure import CommitUnknown, ConnectionLost, DatabaseFailure
from goodword.storage.keytable import KeyTable
from goodword.storage.postgres import Database
from goodword.storage.query import person
from goodword.storage.query.message import messages
from goodword.storage.schema import NewerSchema, NotGoodword
from goodword.storage.store import Store
from goodword.storage.verify import verify
from goodword.worker.lease import Leases
from tests.postgres import Postgres
from tests.referral.town import Town
from tests.running import COMMAND, Server, make_key, problems, received, rows
from tests.stores import URLS, Pool

NOW = 1_790_000_000_000


def order(number: str, message: str, user: str = "u") -> dict[str, Any]:
    properties = {"partner_conversion_id": number, "cart_value": "9.99"}
    return {"type": "track", "event": "conversion", "userId": user, "messageId": message, "properties": properties}


@pytest.fixture
def engines(postgres_pool: Pool, tmp_path: Path) -> Iterator[list[Engine]]:
    """Four nodes on one database."""
    url = postgres_pool.take()
    with ExitStack() as opened:
        opened.callback(postgres_pool.give_back, url)
        made: list[Engine] = []
        for number in range(4):
            folder = tmp_path / f"node{number}"
            folder.mkdir()
            if made:  # all nodes have one master key
                (folder / "keys.master").write_bytes((tmp_path / "node0" / "keys.master").read_bytes())
                (folder / "keys.master").chmod(0o600)
            engine = Engine(Store(folder, url=url), clock=lambda: NOW)
            opened.callback(engine.close)
            made.append(engine)
        yield made


def test_the_same_conversion_at_four_nodes_at_once_counts_once(engines: list[Engine]) -> None:
    said = [received(order("o-1", "m-1"), NOW), received(order("O-1 ", "m-2"), NOW)]
    with ThreadPoolExecutor(4) as pool:
        answers: list[list[Outcome]] = list(pool.map(lambda engine: engine.execute(said), engines))
    assert {(outcomes[0].arrival, outcomes[0].message_id) for outcomes in answers} == {(1, "m-1")}
    assert sorted(outcome.verdict for outcomes in answers for outcome in outcomes) == ["duplicate"] * 7 + ["stored"]
    store = engines[0].store
    assert store.database.read("SELECT count, duplicates, amount FROM tally") == [(1, 1, 999)]
    assert (problems(store), verify(store)) == ([], [])


def test_four_nodes_writing_at_once_lose_and_double_nothing(engines: list[Engine]) -> None:
    """Laws 1 to 3 with four writers: the same people and orders, each node in an order of its own."""

    def write(place: int) -> None:
        engine = engines[place]
        for turn in range(12):
            numbers = [(turn * (place + 1) + step) % 12 for step in range(3)]
            said: list[dict[str, Any]] = []
            for number in numbers:
                user, device = f"u{number}", f"d{number}"
                said.append({"type": "identify", "userId": user, "messageId": f"i{number}", "traits": {"email": f"{number}@x.com"}})
                said.append({"type": "identify", "anonymousId": device, "messageId": device, "traits": {"seen": number}})
                said.append({**order(f"o{number}", f"c{number}", user), "anonymousId": device})
            engine.execute([received(one, NOW) for one in said])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    store = engines[0].store
    assert (problems(store), verify(store)) == ([], [])
    assert store.database.read("SELECT count(*) FROM event WHERE name = 'conversion' AND duplicate_of IS NULL") == [(12,)]
    found = person.find_by_keys(store, 1, [IdentityKey(f"uu{number}") for number in range(12)])
    assert len({profile.id for profile in found.values()}) == 12
    assert {profile.email for profile in found.values()} == {f"{number}@x.com" for number in range(12)}


def test_a_key_that_was_written_although_its_account_is_held_is_found_when_the_group_is_decided_anew(
    engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group puts in keys that it found to be nobody's without looking again; what is there after all is a conflict, not an error."""
    engine = engines[0]
    database, hash16 = engine.store.database, engine.store.sealer.hash(1, IdentityKey("uu"))
    assert isinstance(database, Database)
    url, save, turns = database.url, engine.store.save, iter([True, False])

    def written_meanwhile(*decided: Any) -> None:
        if next(turns):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("INSERT INTO identity VALUES (1, %s, NULL, 0)", (hash16,))
        save(*decided)

    monkeypatch.setattr(engine.store, "save", written_meanwhile)
    assert engine.execute([received(order("a", "a"), NOW)])[0].verdict == "stored"
    assert (list(turns), engine.measures.conflicts) == ([], 1)
    assert (problems(engine.store), verify(engine.store)) == ([], [])


def test_places_in_the_log_are_in_order_of_commit(engines: list[Engine]) -> None:
    first = engines[0].execute([received(order("a", "a"), NOW)])[0]
    second = engines[1].execute([received(order("b", "b"), NOW)])[0]
    third = engines[0].execute([received(order("c", "c"), NOW)])[0]
    assert first.arrival < second.arrival < third.arrival


def test_settings_of_one_node_hold_for_the_next_group_of_another(engines: list[Engine]) -> None:
    one, other = engines[0], engines[1]
    assert other.store.nodes is not None
    other.store.nodes.have_settings_changed()
    assert not other.store.nodes.have_settings_changed()
    one.execute([c.Configure(1, Settings(default_scope="CLIENT"))])
    before = other.store.accounts[1].settings.default_scope
    other.execute([received(order("a", "a"), NOW)])
    assert (before, other.store.accounts[1].settings.default_scope) == ("PUBLIC", "CLIENT")
    assert engines[2].store.nodes is not None
    assert engines[2].store.nodes.have_settings_changed()


def test_accounts_made_at_two_nodes_have_two_numbers(engines: list[Engine]) -> None:
    numbers = [engine.execute([c.CreateAccount(f"a{place}")])[0].value for place, engine in enumerate(engines)]
    assert len(set(numbers)) == 4
    assert engines[3].execute([c.CreateAccount("a0")])[0].value == numbers[0]
    assert engines[0].execute([received(order("o", "m"), NOW, numbers[3])])[0].verdict == "stored"


def test_whom_one_node_deleted_no_other_shows_or_writes_for(engines: list[Engine]) -> None:
    one, other = engines[0], engines[1]
    for engine in (one, other):  # both have the key at hand
        engine.execute([received({"type": "identify", "userId": "u", "messageId": f"m{engine is one}", "traits": {"plan": "gold"}}, NOW)])
    before = person.find_by_keys(other.store, 1, [IdentityKey("uu")])[IdentityKey("uu")]
    one.execute([c.Erase(1, (IdentityKey("uu"),), erasure_id="e")])
    assert person.find_by_keys(other.store, 1, [IdentityKey("uu")]) == {}
    assert [line.is_deleted for line in messages(other.store, 1, 10)] == [True, True]
    assert other.store.keys.key(before.id) is None
    again = other.execute([received({"type": "identify", "userId": "u", "messageId": "late"}, NOW + 10_000)])[0]
    assert again.profile_id not in (None, before.id)
    assert (problems(one.store), verify(one.store)) == ([], [])


def test_a_deletion_whose_node_died_before_its_commit_is_finished_by_another(
    engines: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = engines[0], engines[1]
    one.execute([received({"type": "identify", "userId": "u", "messageId": "m", "traits": {"plan": "gold"}}, NOW)])
    with monkeypatch.context() as broken:

        def die() -> None:
            raise OSError("killed")

        broken.setattr(one.store.database, "commit", die)
        with pytest.raises(Unavailable):
            one.execute([c.Erase(1, (IdentityKey("uu"),), erasure_id="e")])
    tombstone.catch_up(other.store)
    assert other.store.database.read("SELECT count(*) FROM profile") == [(0,)]
    assert verify(other.store) == []


@pytest.mark.parametrize("was_kept", [True, False])
def test_a_commit_whose_answer_is_lost_is_recognised(engines: list[Engine], monkeypatch: pytest.MonkeyPatch, was_kept: bool) -> None:
    """Found kept it is answered as decided; found lost it is done anew. Once in effect in both."""
    engine = engines[0]
    store = engine.store
    original = store.database.commit
    with monkeypatch.context() as broken:

        def lose() -> None:
            broken.setattr(store.database, "commit", original)
            if was_kept:
                original()
            store.database._writer.close()  # type: ignore[attr-defined]
            raise CommitUnknown("cut off")

        broken.setattr(store.database, "commit", lose)
        outcomes = engine.execute([received(order("o", "m"), NOW), c.CreateProfile(1, "j@x.com")])
    assert [outcome.verdict for outcome in outcomes] == ["stored", "done"]
    assert store.database.read("SELECT count(*) FROM event WHERE name = 'conversion'") == [(1,)]
    assert store.database.read("SELECT count(*) FROM profile") == [(2,)]
    assert (problems(store), verify(store)) == ([], [])


def test_a_connection_that_was_cut_is_made_anew(engines: list[Engine]) -> None:
    store = engines[0].store
    with psycopg.connect(store.database.url, autocommit=True) as killer:  # type: ignore[attr-defined]
        sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        killer.execute(sql)
    assert engines[0].execute([received(order("o", "m"), NOW)])[0].verdict == "stored"
    assert store.database.read("SELECT count(*) FROM event") == [(1,)]


def test_a_lease_is_one_nodes_until_it_lets_go(engines: list[Engine]) -> None:
    one, other = Leases(engines[0].store), Leases(engines[1].store)
    assert not one.holds(1, "w")
    assert not other.holds(1, "w")
    assert one.renew()
    assert not one.renew()
    assert not other.renew()
    assert (one.holds(1, "w", 20), one.holds(1, "w", 40), other.holds(1, "w")) == (True, False, False)
    assert engines[0].store.nodes is not None
    engines[0].store.nodes.release()
    assert other.renew()
    assert other.holds(1, "w")


def test_nodes_say_503_while_the_database_is_away_and_come_back_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    with Postgres() as postgres:
        monkeypatch.setitem(URLS, data, postgres.database("one"))
        monkeypatch.setenv("GOODWORD_DATABASE_URL", URLS[data])
        key = make_key(data)
        with Server(data) as server:
            assert server.post("/v1/track", order("o-1", "m-1"), key).status == 200
            postgres.kill()
            answer = server.post("/v1/track", order("o-2", "m-2"), key)
            assert (answer.status, answer.headers["retry-after"].isdigit()) == (503, True)
            ready = server.get("/readyz")
            assert ready.status == 503
            assert "database" in json.dumps(ready.json)
            assert server.get("/healthz").status == 200
            postgres.start()
            deadline = time.monotonic() + 30
            while server.post("/v1/track", order("o-2", "m-2"), key).status != 200:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        assert rows(data, "SELECT count(*) FROM event") == [(2,)]


def test_a_wrong_place_is_said_in_a_sentence(postgres_pool: Pool, tmp_path: Path) -> None:
    url = postgres_pool.postgres.url("nowhere")
    with pytest.raises(ConnectionLost, match="nowhere"):
        Store(tmp_path, url=url)


def test_workers_share_a_port_and_count_once(postgres_pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 2 through four server processes behind one port, one of which is killed and started again."""
    data = tmp_path / "data"
    url = postgres_pool.take()
    monkeypatch.setitem(URLS, data, url)
    monkeypatch.setenv("GOODWORD_DATABASE_URL", url)
    key = make_key(data)
    with Server(data, "--workers", "3") as server, ThreadPoolExecutor(6) as pool:

        def send(number: int) -> int:
            for _ in range(40):
                try:
                    return server.post("/v1/batch", {"batch": [order(f"o-{number % 10}", f"m-{number % 10}")] * 2}, key).status
                except OSError:  # it met the one that was killed
                    time.sleep(0.25)
            return 0

        statuses = list(pool.map(send, range(30)))
        children = subprocess.run(["pgrep", "-P", str(server.pid)], capture_output=True, text=True, check=True).stdout.split()
        assert len(children) == 3
        os.kill(int(children[1]), signal.SIGKILL)
        statuses += pool.map(send, range(30))
        assert set(statuses) == {200}
    assert rows(data, "SELECT count(*) FROM event WHERE duplicate_of IS NULL") == [(10,)]
    postgres_pool.give_back(url)


def test_workers_are_for_postgresql(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "serve", "--workers", "2", "--data", str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, "PostgreSQL" in done.stderr) == (2, True)


def test_a_role_without_rights_is_told(postgres_pool: Pool, tmp_path: Path) -> None:
    url = postgres_pool.postgres.database("closed")
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("CREATE ROLE nobody_here LOGIN")
        owner.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    with pytest.raises(DatabaseFailure, match="permission denied"):
        Store(tmp_path, url=url.replace("goodword@", "nobody_here@"))


def test_a_database_of_another_program_and_a_newer_schema_are_refused(postgres_pool: Pool, tmp_path: Path) -> None:
    other = postgres_pool.postgres.database("other")
    with psycopg.connect(other, autocommit=True) as owner:
        owner.execute("CREATE TABLE thing (n int)")
    with pytest.raises(NotGoodword):
        Store(tmp_path, url=other)
    newer = postgres_pool.postgres.database("newer")
    Store(tmp_path, url=newer).close()
    with psycopg.connect(newer, autocommit=True) as owner:
        owner.execute("UPDATE meta SET value = '9999' WHERE name IN ('schema', 'schema_floor')")
    with pytest.raises(NewerSchema):
        Store(tmp_path, url=newer)


def test_a_group_takes_three_round_trips_at_most_and_one_of_referrals_five(in_postgres: Pool, tmp_path: Path) -> None:
    """The first groups make keys, and learn settings; a cache of keys that ends in between adds none."""
    town = Town(tmp_path)
    engine = town.engine

    def trips(commands: list[c.Command]) -> int:
        before = engine.measures.trips
        assert {outcome.verdict for outcome in engine.execute(commands)} <= {"stored", "duplicate"}
        return engine.measures.trips - before

    def friends(name: str, advocates: str, copy: str = "") -> list[c.Command]:
        return [
            town.message("track", event="conversion", userId=f"{name}{n}", message_id=f"{name}{copy}{n}", properties={
                "partner_conversion_id": f"{name}{n}", "cart_value": "20", "advocate_partner_user_id": f"{advocates}{n}",
            })
            for n in range(20)
        ]  # fmt: skip

    def identify() -> list[c.Command]:
        return [town.message("identify", userId=f"u{number}", traits={"n": number}) for number in range(20)]

    def track() -> list[c.Command]:
        return [town.message("track", event="viewed", userId=f"u{number}") for number in range(20)]

    keys = engine.store.keys
    assert isinstance(keys, KeyTable)
    while len(keys._free) < 200:
        keys._free.clear()
        keys.next_profile_id()
    for commands in (identify(), friends("a", "u"), identify()):
        trips(commands)
    once = track()
    # an answer that is there at once was not waited for: fewer may be counted, never more
    for commands, most in ((identify(), 3), (track(), 2), (once, 2), (once, 2)):
        assert 0 < trips(commands) <= most
    keys._cached_until = 0.0
    keys._own = {number: keys._own[number] for number in (*keys._free, keys._last)}
    assert 0 < trips(identify()) <= 3
    assert trips(friends("b", "u")) <= 4
    assert trips(friends("b", "u", "again")) <= 4
    more = [town.message("track", event="conversion", userId=f"b{n}", properties={"partner_conversion_id": f"c{n}"}) for n in range(20)]
    assert trips(more) <= 5, "the advocates are named by the friends' journeys alone"
    town.close()
