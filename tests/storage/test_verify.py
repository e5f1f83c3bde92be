"""verify finds each kind of fault that is planted, and nothing else; it says nothing personal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from goodword.core.account import Settings
from goodword.core.command import Command, Erase, Forward, Receive
from goodword.core.event import Understood, understand
from goodword.core.message import Message, parse
from goodword.core.profile import IdentityKey, ProfileId
from goodword.engine import Engine
from goodword.storage import fold
from goodword.storage.store import DATABASE_FILE, Store
from goodword.storage.verify import verify

NOW = 1_750_000_000_000
AUDIENCE = {"personas": {"computation_class": "audience", "computation_key": "vip"}}
MESSAGES: list[dict[str, Any]] = [
    {"type": "identify", "userId": "u-1", "traits": {"email": "jane@example.com", "plan": "gold"}},
    {"type": "identify", "userId": "u-1", "traits": {"vip": True}, "context": AUDIENCE},
    {"type": "track", "userId": "u-1", "event": "conversion", "properties": {"partner_conversion_id": "c1", "cart_value": 5}},
    {"type": "track", "userId": "u-1", "event": "conversion", "properties": {"partner_conversion_id": "c1", "cart_value": 5}},
    {"type": "track", "anonymousId": "a-1", "event": "registration", "properties": {"email": "zoe@example.com"}},
    {"type": "identify", "anonymousId": "a-2", "userId": "u-3", "traits": {"vip": True}, "context": AUDIENCE},
    {"type": "identify", "anonymousId": "a-1", "userId": "u-3"},
    {"type": "identify", "userId": "u-4", "traits": {"email": "gone@example.com"}},
    {"type": "track", "userId": "u-4", "event": "Viewed"},
    {"type": "identify", "userId": "u-5"},
    {"type": "identify", "userId": "u-6"},
]


def received(number: int, message: dict[str, Any], account: int = 1) -> Command:
    raw = json.dumps({"messageId": f"m{number}", **message}).encode()
    read = parse(raw, received_at=NOW, fallback_id="")
    assert isinstance(read, Message)
    understood = understand(read, Settings())
    assert isinstance(understood, Understood)
    return Receive(account, understood, "test")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Data with every kind of row: merges, an audience, repeats, a registration, a deletion, folded and waiting indexes."""
    with Store(tmp_path) as store:
        engine = Engine(store, lambda: NOW)
        for number, message in enumerate(MESSAGES):
            engine.execute([received(number, message)])
        engine.execute([Forward(1, ProfileId(owner(store, "uu-5")), ProfileId(owner(store, "uu-6")))])
        engine.execute([Erase(1, (IdentityKey("uu-4"),), erasure_id="e")])
        database = store.database
        for _ in range(fold.BUCKETS // 8 - 4):  # some buckets stay in memory
            database.begin()
            store.messages.waiting = store.people.waiting = fold.WAITING_MAX * 2
            store.messages.fold(store.last_arrival, NOW)
            store.people.fold(store.last_arrival)
            database.commit()
            store.messages.committed()
            store.people.committed()
    return tmp_path


def owner(store: Store, key: str) -> int:
    rows = store.database.read("SELECT profile_id FROM identity WHERE key = ?", (store.sealer.hash(1, key),))
    return int(rows[0][0])


def deleted(store: Store) -> int:
    return next(number for number in range(1, 100) if store.keys.destroyed_at(number) is not None)


def problems(folder: Path) -> list[str]:
    with Store(folder, readonly=True) as store:
        return verify(store)


def test_nothing_is_wrong_with_what_was_written(folder: Path) -> None:
    assert problems(folder) == []


Plant = Callable[[apsw.Connection, Store], object]
FAULTS: dict[str, tuple[Plant, str]] = {
    "a look-up key without its profile": (
        lambda c, s: c.execute("UPDATE identity SET profile_id = 200 WHERE key = ?", (s.sealer.hash(1, "uu-1"),)), "which does not exist"
    ),
    "a look-up key of another profile": (
        lambda c, s: c.execute("UPDATE identity SET profile_id = ? WHERE key = ?", (owner(s, "uu-3"), s.sealer.hash(1, "uu-1"))),
        "which does not have it",
    ),
    "a look-up key that is missing": (
        lambda c, s: c.execute("DELETE FROM identity WHERE key = ?", (s.sealer.hash(1, "ejane@example.com"),)), "which finds nobody"
    ),
    "a profile that is missing": (lambda c, s: c.execute("DELETE FROM profile WHERE id = ?", (owner(s, "uu-1"),)), "which does not exist"),
    "a document that was changed": (
        lambda c, s: c.execute("UPDATE profile SET doc = zeroblob(60) WHERE id = ?", (owner(s, "uu-1"),)), "document cannot be opened"
    ),
    "a deleted person's document": (
        lambda c, s: c.execute("INSERT INTO profile SELECT ?, 1, doc FROM profile LIMIT 1", (deleted(s),)),
        "was deleted, but its row is there",
    ),
    "an event of a profile that never was": (
        lambda c, s: c.execute("UPDATE event SET profile_id = 9999 WHERE arrival = 1"), "never had a key"
    ),
    "a body that was changed": (lambda c, s: c.execute("UPDATE event SET body = zeroblob(50) WHERE arrival = 1"), "body cannot be opened"),
    "another message's body": (
        lambda c, s: c.execute("UPDATE event SET body = (SELECT body FROM event WHERE arrival = 4) WHERE arrival = 3"), "another message id"
    ),
    "an event of another type": (lambda c, s: c.execute("UPDATE event SET type = 5 WHERE arrival = 1"), "of another type"),
    "a person's event that is not listed": (lambda c, s: c.execute("DELETE FROM person_event WHERE arrival = 1"), "not among those"),
    "a person's event that is not there": (lambda c, s: c.execute("INSERT INTO person_event VALUES (1, 1, 500)"), "listed"),
    "a message id that is not found": (lambda c, s: c.execute("DELETE FROM message_1"), "not found by its message id"),
    "two events with one message id": (
        lambda c, s: c.execute("UPDATE event SET hash = (SELECT hash FROM event WHERE arrival = 2) WHERE arrival = 1"),
        "has the message id of event 2",
    ),
    "a claim on no event": (lambda c, s: c.execute("UPDATE claim SET arrival = 500"), "dedup key"),
    "a repeat of a later event": (lambda c, s: c.execute("UPDATE event SET duplicate_of = 9 WHERE duplicate_of = 3"), "not an earlier one"),
    "a repeat of no event": (lambda c, s: c.execute("UPDATE event SET duplicate_of = 0 WHERE duplicate_of = 3"), "not an earlier one"),
    "a registration that is missing": (
        lambda c, s: c.execute("UPDATE event SET arrival = 500 WHERE arrival = 5"), "registered with event 5"
    ),
    "a tally that counts wrong": (
        lambda c, s: c.execute("UPDATE tally SET count = count + 1 WHERE name = 'conversion'"), "tally: `conversion`"
    ),
    "a tally with a wrong amount": (lambda c, s: c.execute("UPDATE tally SET amount = 1 WHERE name = 'conversion'"), "tally:"),
    "a tally that is missing": (lambda c, s: c.execute("DELETE FROM tally WHERE name = 'registration'"), "`registration` on day"),
    "a merged profile's document": (
        lambda c, s: c.execute("INSERT INTO profile SELECT source, 1, x'00' FROM merged LIMIT 1"), "but its row is there"
    ),
    "a merge into itself": (lambda c, s: c.execute("UPDATE merged SET target = source"), "merged into itself"),
    "a merge in two steps": (
        lambda c, s: c.execute("INSERT INTO merged SELECT 1, 200, source, 1 FROM merged LIMIT 1"), "which is merged into"
    ),
    "a merge into nobody": (lambda c, s: c.execute("UPDATE merged SET target = 201"), "which does not exist"),
    "a membership its document does not know": (
        lambda c, s: c.execute("INSERT INTO membership VALUES (1, 'vip', ?, 1)", (owner(s, "uu-6"),)), "does not know"
    ),
    "a membership that is missing": (lambda c, s: c.execute("DELETE FROM membership"), "not what its document says"),
    "a membership since another time": (lambda c, s: c.execute("UPDATE membership SET since = 1"), "not what its document says"),
    "a membership of no audience": (lambda c, s: c.execute("DELETE FROM audience"), "audience that does not exist"),
    "a membership of nobody": (lambda c, s: c.execute("INSERT INTO membership VALUES (1, 'vip', 202, 1)"), "profile 202 does not exist"),
    "rows of no account": (lambda c, s: c.execute("UPDATE tally SET account_id = 7"), "tally: rows of account 7"),
    "an index folded past the log": (lambda c, s: c.execute("UPDATE fold SET upto = 5000 WHERE bucket = 0"), "the log ends at"),
    "a bucket that is none": (lambda c, s: c.execute("INSERT INTO fold VALUES (0, 300, 0)"), "no bucket"),
    "a bucket of an unknown kind": (lambda c, s: c.execute("INSERT INTO fold VALUES (7, 3, 0)"), "no bucket 3 of kind 7"),
    "more message ids than on record": (lambda c, s: c.execute("UPDATE message_partition SET rows = 0"), "on record"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(folder: Path, name: str) -> None:
    plant, words = FAULTS[name]
    with Store(folder, readonly=True) as store:
        connection = apsw.Connection(str(folder / DATABASE_FILE))
        before = connection.total_changes()
        plant(connection, store)
        assert connection.total_changes() > before, "nothing was planted"
        connection.close()
    found = problems(folder)
    assert any(words in problem for problem in found), found
    assert "jane" not in " ".join(found)


def test_damage_of_the_file_is_found(folder: Path) -> None:
    file = folder / DATABASE_FILE
    with apsw_of(file) as connection:
        (page,) = next(connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'person_event'"))
        connection.pragma("wal_checkpoint", "TRUNCATE")
    with file.open("r+b") as opened:
        opened.seek((page - 1) * 4096)
        opened.write(b"\xff" * 400)
    assert problems(folder)


def test_damage_of_the_key_store_is_found(folder: Path) -> None:
    with (folder / "keys.bin").open("r+b") as opened:
        opened.seek(4096 + 64 * 100)
        opened.write(bytes(64))
    assert any("Key store:" in problem for problem in problems(folder))


def test_a_folded_index_is_checked_in_its_tables(folder: Path) -> None:
    with apsw_of(folder / DATABASE_FILE) as connection:
        assert next(connection.execute("SELECT count(*) FROM message_1"))[0] > 0
        assert next(connection.execute("SELECT count(*) FROM person_event"))[0] > 0


def test_an_old_database_with_todays_keys_is_no_fault(folder: Path, tmp_path: Path) -> None:
    copy = (folder / DATABASE_FILE).read_bytes()
    with Store(folder) as store:
        Engine(store, lambda: NOW).execute([Erase(1, (IdentityKey("uu-1"),), erasure_id="e2")])
    for name in (DATABASE_FILE + "-wal", DATABASE_FILE + "-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / DATABASE_FILE).write_bytes(copy)
    assert problems(folder) == []
    with Store(folder):
        pass
    assert problems(folder) == []


class apsw_of:  # noqa: N801 (reads as a function)
    """A connection of our own, closed at the end."""

    def __init__(self, file: Path) -> None:
        self.connection = apsw.Connection(str(file))

    def __enter__(self) -> apsw.Connection:
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.connection.close()
