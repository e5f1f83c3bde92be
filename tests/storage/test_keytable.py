"""The key store in PostgreSQL: a destroyed key is in no file of the database, not in its log once that is recycled; master keys."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from goodword.core import command as c
from goodword.core.profile import IdentityKey
from goodword.engine import Engine
from goodword.storage.cipher import NO_HASH
from goodword.storage.keyfile import WrongMasterKey
from goodword.storage.keytable import KeyTable
from goodword.storage.query import person
from goodword.storage.store import OldKeyStore, Store
from tests.postgres import Postgres
from tests.running import received
from tests.stores import Pool

MASTER = bytes(range(32))
NOW = 1_790_000_000_000


@pytest.fixture
def url(postgres_pool: Pool) -> Iterator[str]:
    taken = postgres_pool.take()
    yield taken
    postgres_pool.give_back(taken)


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


def test_law_4_no_file_of_the_database_or_its_log_holds_a_destroyed_key(tmp_path: Path) -> None:
    """Not in data files within a minute, nor in the log once it is recycled; an old copy of the data alone reads nobody."""
    secrets = [b"user-4711", b"jane.doe@example.com", b"Wonderland"]
    with Postgres(options=("wal_recycle=off", "min_wal_size=32MB")) as postgres:
        url = postgres.database("law4")
        with Store(tmp_path, url=url, master=MASTER) as store:
            engine = Engine(store, clock=lambda: NOW)
            traits = {"email": "jane.doe@example.com", "plan": "Wonderland"}
            engine.execute([received({"type": "identify", "userId": "user-4711", "messageId": "m", "traits": traits}, NOW)])
            found = person.find_by_keys(store, 1, [IdentityKey("uuser-4711")])[IdentityKey("uuser-4711")]
            with psycopg.connect(url, autocommit=True) as reader:
                row = reader.execute("SELECT wrapped FROM goodword_keys.slot WHERE number = %s", (found.id,)).fetchone()
                assert row is not None
                wrapped = bytes(row[0])
                reader.execute("CHECKPOINT")
                assert holds(postgres.data, wrapped)
                engine.execute([c.Erase(1, (IdentityKey("uuser-4711"),), erasure_id="e")])
                assert store.keys.rewrite() >= 1
                assert store.keys.rewrite() == 0
                for _ in range(3):
                    reader.execute("SELECT pg_switch_wal()")
                    reader.execute("CHECKPOINT")
                deadline = time.monotonic() + 30
                while (left := holds(postgres.data, wrapped)) and time.monotonic() < deadline:
                    time.sleep(0.2)
                assert left == []
        assert [holds(postgres.data, secret) for secret in secrets] == [[], [], []]
