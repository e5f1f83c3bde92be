"""The key store in PostgreSQL: a destroyed key is in no file of the database, not in its log once that is recycled; master keys."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from goodword.core import command as c
from goodword.core.profile import IdentityKey
from goodword.engine import Engine
from goodword.storage import keytable
from goodword.storage.cipher import NO_HASH
from goodword.storage.failure import ConnectionLost
from goodword.storage.keyblock import BLOCK_MIN, KEYS_A_PARTITION
from goodword.storage.keyfile import WrongMasterKey
from goodword.storage.keytable import KeyTable
from goodword.storage.postgres import WAIT_S
from goodword.storage.query import person
from goodword.storage.store import OldKeyStore, Store
from goodword.storage.verify import verify
from tests.postgres import Postgres
from tests.running import problems, received
from tests.stores import Pool

MASTER = bytes(range(32))
NOW = 1_790_000_000_000


def opened(url: str, master: bytes | None = MASTER, folder: Path = Path("/nowhere")) -> KeyTable:
    return KeyTable.open(url, master=master, folder=folder)


def test_two_nodes_hand_out_different_numbers_and_read_each_others_keys(url: str) -> None:
    one, other = opened(url), opened(url)
    numbers = [keys.next_profile_id() for keys in (one, other, one, other) for _ in range(50)]
    assert len(set(numbers)) == len(numbers)
    keys = {number: one.key(number) for number in numbers}
    assert None not in keys.values()
    assert len(set(keys.values())) == len(numbers)
    other.fetch(numbers)
    assert {number: other.key(number) for number in numbers} == keys
    assert one.key(one.allocated + 1) is None
    assert (one.store_id, one.pepper, one.verify()) == (other.store_id, other.pepper, [])
    one.close()
    other.close()


def test_the_next_block_of_numbers_is_made_while_the_last_is_used_up(url: str) -> None:
    keys = opened(url)
    first = [keys.next_profile_id() for _ in range(BLOCK_MIN)]
    assert keys._blocks._making is not None
    keys._blocks._making.result(60)
    trips = keys.waits.trips
    second = [keys.next_profile_id() for _ in range(BLOCK_MIN)]
    assert keys.waits.trips == trips, "nobody waited for the second block"
    keys.close()
    again = opened(url)
    again.fetch([*first, *second])
    assert len({again.key(number) for number in (*first, *second)} - {None}) == 2 * BLOCK_MIN
    again.close()


def test_a_block_that_could_not_be_made_ahead_is_made_when_it_is_needed(url: str) -> None:
    keys = opened(url)
    first = [keys.next_profile_id() for _ in range(BLOCK_MIN // 4)]
    keys._blocks.url = "postgresql://nobody@127.0.0.1:1/none"
    first += [keys.next_profile_id() for _ in range(BLOCK_MIN - len(first))]
    assert keys._blocks._making is not None
    assert isinstance(keys._blocks._making.exception(60), ConnectionLost)
    second = [keys.next_profile_id() for _ in range(BLOCK_MIN)]
    assert len({keys.key(number) for number in (*first, *second)} - {None}) == 2 * BLOCK_MIN
    keys.close()


def test_a_cache_that_ends_within_a_group_costs_it_no_question_a_person(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keytable, "GROUP_S", 600.0)
    one, other = opened(url), opened(url)
    numbers = [one.next_profile_id() for _ in range(20)]
    other.fetch(numbers)
    other._cached_until = time.monotonic()
    assert other.missing([one.allocated]) == [one.allocated], "the next question of the group finds the cache at its end"
    trips = other.waits.trips
    assert [other.key(number) for number in numbers] == [one.key(number) for number in numbers]
    assert other.waits.trips == trips
    one.destroy(numbers[:1], [(1, NO_HASH, numbers[0], NOW, False)])
    other.refresh()
    assert other.key(numbers[0]) is None
    other._left_at = 0.0
    trips = other.waits.trips
    assert other.key(numbers[1]) is not None
    assert other.waits.trips > trips, "after the group's time it is asked for"
    one.close()
    other.close()


def test_what_one_node_destroyed_another_forgets(url: str) -> None:
    one, other = opened(url), opened(url)
    number = one.next_profile_id()
    assert other.key(number) == one.key(number)
    assert one.destroy([number], [(1, NO_HASH, number, NOW, False)]) == (0, 1)
    assert one.key(number) is None
    other.refresh()
    assert (other.key(number), other.destroyed_at(number)) == (None, NOW)
    assert [tombstone.profile_id for tombstone in other.journal()] == [number]
    assert one.destroy([number], [(1, NO_HASH, number, NOW - 5, False)]) == (1, 2)
    assert other.destroyed_at(number) == NOW
    assert one.verify() == []
    one.close()
    other.close()


def test_another_master_key_opens_nothing(url: str, tmp_path: Path) -> None:
    opened(url).close()
    with pytest.raises(WrongMasterKey):
        opened(url, bytes(32))
    with pytest.raises(WrongMasterKey, match="GOODWORD_MASTER_KEY"):
        opened(url, None, tmp_path)


def test_a_new_master_key_wraps_every_key_anew(url: str) -> None:
    store = opened(url)
    numbers = [store.next_profile_id() for _ in range(5)]
    store.destroy(numbers[:1], [(1, NO_HASH, numbers[0], NOW, False)])
    before = [store.key(number) for number in numbers]
    store.rotate_master(bytes(32))
    store.close()
    with pytest.raises(WrongMasterKey):
        opened(url)
    after = opened(url, bytes(32))
    assert [after.key(number) for number in numbers] == before
    assert after.verify() == []
    after.close()


def test_a_database_of_another_key_store_is_refused(postgres_pool: Pool, url: str, tmp_path: Path) -> None:
    Store(tmp_path, url=url, master=MASTER).close()
    other = postgres_pool.take()
    try:
        with pytest.raises(OldKeyStore):
            Store(tmp_path, url=url, keys_url=other, master=MASTER)
    finally:
        postgres_pool.give_back(other)


def holds(folder: Path, needle: bytes) -> list[str]:
    """The files that hold these bytes."""
    found = []
    for directory, _, names in os.walk(folder):
        for name in names:
            try:
                if needle in Path(directory, name).read_bytes():
                    found.append(f"{Path(directory).name}/{name}")
            except FileNotFoundError:
                continue
    return found


KEYS_FORGET = ("wal_recycle=off", "min_wal_size=32MB", "checkpoint_timeout=30s")
"""What docs/how-to/many-nodes.md has the keys' server set."""
SECRETS = (b"user-4711", b"jane.doe@example.com", b"Wonderland")
TRAITS = {"email": "jane.doe@example.com", "plan": "Wonderland"}
JANE = IdentityKey("uuser-4711")
FORGOTTEN_S = 60


def wrapped_key(url: str, number: int) -> bytes:
    """The bytes that a key is stored as."""
    with psycopg.connect(url) as reader:
        row = reader.execute("SELECT wrapped FROM goodword_keys.slot WHERE number = %s", (number,)).fetchone()
    assert row is not None
    return bytes(row[0])


def forgotten(needle: bytes, *folders: Path) -> float:
    """Wait until no file of these folders has the bytes; after how many seconds."""
    began = time.monotonic()
    while left := [holds(folder, needle) for folder in folders if holds(folder, needle)]:
        assert time.monotonic() - began < FORGOTTEN_S, left
        time.sleep(0.2)
    return time.monotonic() - began


def test_law_4_no_file_of_primary_standby_or_their_logs_holds_a_destroyed_key(tmp_path: Path) -> None:
    """Within a minute, with the settings of the how-to. The standby comes to its own checkpoint in 30 s; the test asks it to, unless
    GOODWORD_FULL=1."""
    with Postgres(options=KEYS_FORGET) as keys, Postgres() as data, ExitStack() as opened:
        keys_url, url = keys.database("keys"), data.database("data")
        copy = keys.copied(tmp_path)
        standby = opened.enter_context(Postgres(folder=copy, options=KEYS_FORGET, listens=True))
        store = opened.enter_context(Store(tmp_path / "node", url=url, keys_url=keys_url, master=MASTER))
        assert store.nodes is not None
        assert store.nodes.keys.lingering() == []
        engine = Engine(store, clock=lambda: NOW)
        engine.execute([received({"type": "identify", "userId": "user-4711", "messageId": "m", "traits": TRAITS}, NOW)])
        wrapped = wrapped_key(keys_url, person.find_by_keys(store, 1, [JANE])[JANE].id)
        deadline = time.monotonic() + FORGOTTEN_S
        while not any("pg_wal" in name for name in holds(standby.data, wrapped)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with psycopg.connect(standby.url("keys"), autocommit=True) as reader:
            reader.execute("CHECKPOINT")
            engine.execute([c.Erase(1, (JANE,), erasure_id="e")])
            assert store.keys.rewrite() >= 1
            assert holds(keys.data, wrapped) == []
            if os.environ.get("GOODWORD_FULL") != "1":
                ends = "SELECT pg_last_wal_replay_lsn() = pg_last_wal_receive_lsn(), count(*) FROM goodword_keys.rewriting"
                while reader.execute(ends).fetchone() != (True, 0):
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
                reader.execute("CHECKPOINT")
        print(f"\nthe standby had forgotten after {forgotten(wrapped, keys.data, standby.data):.1f} s")
        assert [holds(folder, secret) for folder in (keys.data, data.data, standby.data) for secret in SECRETS] == [[]] * 9


def test_law_4_an_old_base_backup_of_the_data_shows_nobody_who_was_deleted_since(tmp_path: Path) -> None:
    """And is read by no key that there is: its rows of the deleted are noise."""
    with Postgres() as keys, Postgres() as data:
        keys_url, url = keys.database("keys"), data.database("data")
        with Store(tmp_path / "node", url=url, keys_url=keys_url, master=MASTER) as store:
            engine = Engine(store, clock=lambda: NOW)
            for user, traits in (("user-4711", TRAITS), ("other", {"plan": "silver"})):
                engine.execute([received({"type": "identify", "userId": user, "messageId": user, "traits": traits}, NOW)])
            number = person.find_by_keys(store, 1, [JANE])[JANE].id
            old = data.copied(tmp_path, follows=False)
            engine.execute([c.Erase(1, (JANE,), erasure_id="e")])
        assert [holds(old, secret) for secret in SECRETS] == [[], [], []]
        with (
            Postgres(folder=old, listens=True) as restored,
            Store(tmp_path / "node", url=restored.url("data"), keys_url=keys_url, master=MASTER) as store,
        ):
            other = IdentityKey("uother")
            assert set(person.find_by_keys(store, 1, [JANE, other])) == {other}
            assert store.keys.key(number) is None
            assert (problems(store), verify(store)) == ([], [])


def test_why_keys_linger_is_said(postgres_pool: Pool, url: str) -> None:
    """A server as it comes, and a role with no rights of its own."""
    whole = opened(url)
    assert [why.split()[0] for why in whole.lingering()] == ["wal_recycle"]
    whole.close()
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS plain_one")
        owner.execute("CREATE ROLE plain_one LOGIN")
        owner.execute("GRANT USAGE ON SCHEMA goodword_keys TO plain_one")
        owner.execute("GRANT ALL ON ALL TABLES IN SCHEMA goodword_keys TO plain_one")
    plain = opened(url.replace("goodword@", "plain_one@"))
    assert [why for why in plain.lingering() if "GRANT" in why] == [
        "this role may not end a segment: GRANT EXECUTE ON FUNCTION pg_switch_wal() TO it",
        "this role may not ask for a checkpoint: GRANT pg_checkpoint TO it",
    ]
    plain.close()
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("DROP OWNED BY plain_one")
        owner.execute("DROP ROLE plain_one")


def test_a_group_that_reads_keys_and_begins_a_new_partition_does_not_wait_for_itself(in_postgres: Pool, tmp_path: Path) -> None:
    with Store(tmp_path / "node") as store:
        engine = Engine(store, clock=lambda: NOW)
        known = [
            received({"type": "identify", "userId": "known", "messageId": f"k{turn}", "traits": {"turn": turn}}, NOW) for turn in range(2)
        ]
        engine.execute(known[:1])
        keys = store.keys
        assert isinstance(keys, KeyTable)
        keys._forget(list(keys._own))
        keys._free.clear()
        store.use_profile_id()
        with keys._asking() as connection:
            last = (keys.allocated // KEYS_A_PARTITION + 1) * KEYS_A_PARTITION
            connection.execute("UPDATE store SET allocated = $1", (last - 1,))
        said = [received({"type": "identify", "userId": f"new{number}", "messageId": f"n{number}"}, NOW) for number in range(5)]
        began = time.monotonic()
        outcomes = engine.execute([known[1], *said])
        assert {outcome.verdict for outcome in outcomes} == {"stored"}
        assert time.monotonic() - began < WAIT_S * 0.8, "it waited for a lock of its own"
        assert keys.allocated > last
        assert (problems(store), verify(store)) == ([], [])


def test_a_partition_that_is_read_is_written_anew_without_holding_readers_up(url: str) -> None:
    """Whoever reads keys in a transaction may ask for more on another connection before it ends."""
    keys, other = opened(url), opened(url)
    number, kept = keys.next_profile_id(), keys.next_profile_id()
    keys.destroy([number], [(1, NO_HASH, number, NOW, False)])
    with ThreadPoolExecutor(1) as beside, psycopg.connect(url) as group:
        group.execute("SELECT count(*) FROM goodword_keys.slot")
        writing = beside.submit(keys.rewrite)
        began = time.monotonic()
        while time.monotonic() - began < 1.0:
            other._forget([kept])
            assert other.key(kept) is not None
        assert not writing.done()
        group.rollback()
        assert writing.result(60) == 1
    keys.close()
    other.close()
