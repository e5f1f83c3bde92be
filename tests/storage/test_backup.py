"""Backups: consistent under load, whole or not at all; restored, nobody who was deleted since is shown."""

from __future__ import annotations

import threading
from pathlib import Path

import apsw
import pytest

from goodword.core.account import Settings
from goodword.core.command import Command, Erase, Receive, Unsuppress
from goodword.core.event import Understood, understand
from goodword.core.message import Message, parse
from goodword.core.profile import IdentityKey
from goodword.engine import Engine
from goodword.storage.backup import AlreadyThere, Unfit, copy_database, restore
from goodword.storage.keys import KeyStoreMissing
from goodword.storage.lock import Busy
from goodword.storage.query.history import find_person
from goodword.storage.schema import NewerSchema, NotGoodword
from goodword.storage.store import DATABASE_FILE, Missing, OldKeyStore, Store
from goodword.storage.verify import verify

NOW = 1_750_000_000_000


def message(number: int, user: str, at: int = NOW) -> Command:
    raw = f'{{"type":"identify","messageId":"m{number}","userId":"{user}","traits":{{"email":"{user}@example.com"}}}}'.encode()
    read = parse(raw, received_at=at, fallback_id="")
    assert isinstance(read, Message)
    understood = understand(read, Settings())
    assert isinstance(understood, Understood)
    return Receive(1, understood, "test")


def silent(done: int, total: int) -> None:
    pass


def is_known(folder: Path, user: str) -> bool:
    with Store(folder) as store:
        return find_person(store, 1, (IdentityKey("u" + user),)) is not None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    with Store(folder) as store:
        Engine(store, lambda: NOW).execute([message(n, f"u-{n}") for n in range(300)])
    return folder


def test_a_backup_under_load_is_consistent(folder: Path, tmp_path: Path) -> None:
    with Store(folder) as store:
        engine = Engine(store, lambda: NOW)
        copied = threading.Event()
        failures: list[BaseException] = []

        def copy() -> None:
            try:
                for number in range(8):
                    copy_database(folder, tmp_path / f"{number}.db", silent)
            except BaseException as error:
                failures.append(error)
            copied.set()

        thread = threading.Thread(target=copy)
        thread.start()
        number = 1_000
        while not copied.is_set():
            engine.execute([message(number + n, f"u-{(number + n) % 700}") for n in range(50)])
            number += 50
        thread.join()
        assert failures == []
    counts = []
    for place in range(8):
        restored = tmp_path / f"restored-{place}"
        restore(tmp_path / f"{place}.db", restored, folder, silent)
        with Store(restored, keys_in=folder) as store:
            counts.append(store.last_arrival)
        with Store(restored, keys_in=folder, readonly=True) as store:
            assert verify(store) == []
    assert counts == sorted(counts)
    assert counts[-1] > 300


def test_who_was_deleted_since_stays_deleted_though_the_backup_is_old(folder: Path, tmp_path: Path) -> None:
    copy_database(folder, tmp_path / "old.db", silent)
    with Store(folder) as store:
        engine = Engine(store, lambda: NOW + 1000)
        engine.execute([Erase(1, (IdentityKey("uu-1"),), erasure_id="e")])
        engine.execute([message(5_000, "late")])
    restore(tmp_path / "old.db", folder, folder, silent, force=True)
    assert not is_known(folder, "u-1")
    assert is_known(folder, "u-2")
    assert not is_known(folder, "late")  # what came after the backup is gone
    with Store(folder) as store:
        outcome = Engine(store, lambda: NOW + 2000).execute([message(9_000, "u-1")])[0]
        assert outcome.verdict == "dropped"  # older than the deletion of its user
        assert b"u-1@" not in (folder / DATABASE_FILE).read_bytes()
    with Store(folder, readonly=True) as store:
        assert verify(store) == []


@pytest.mark.parametrize("again", [False, True], ids=["lifted", "lifted and suppressed anew"])
def test_a_suppression_that_was_lifted_since_stays_lifted_though_the_backup_is_old(folder: Path, tmp_path: Path, again: bool) -> None:
    key, keys = IdentityKey("uu-7"), (IdentityKey("uu-7"), IdentityKey("eu-7@example.com"))
    with Store(folder) as store:
        engine = Engine(store, lambda: NOW + 10)
        copy_database(folder, tmp_path / "unsuppressed.db", silent)
        engine.execute([Erase(1, (key,), erasure_id="e", suppress=True)])
        copy_database(folder, tmp_path / "suppressed.db", silent)
        (lifted,) = engine.execute([Unsuppress(1, keys)])
        assert lifted.value == 2
        if again:
            engine.execute([Erase(1, (key,), erasure_id="f", suppress=True)])
        assert list(verify(store)) == []
    for backup in ("unsuppressed.db", "suppressed.db"):
        restore(tmp_path / backup, folder, folder, silent, force=True)
        with Store(folder) as store:
            outcomes = Engine(store, lambda: NOW + 10).execute([message(1_007, "u-7")])  # from before the deletion
            outcomes += Engine(store, lambda: NOW + 20).execute([message(1_008, "u-7", at=NOW + 20)])
            assert [outcome.verdict for outcome in outcomes] == ["dropped", "dropped" if again else "stored"]
            assert list(verify(store)) == []


def test_the_log_of_what_was_there_is_not_replayed_into_what_is_restored(folder: Path, tmp_path: Path) -> None:
    copy_database(folder, tmp_path / "old.db", silent)
    store = Store(folder)
    Engine(store, lambda: NOW).execute([message(5_000, "late")])
    log = (folder / "goodword.db-wal").read_bytes()
    store.close()
    (folder / "goodword.db-wal").write_bytes(log)  # as a crash leaves it
    restore(tmp_path / "old.db", folder, folder, silent, force=True)
    assert not (folder / "goodword.db-wal").exists()
    assert not is_known(folder, "late")


def test_nothing_is_overwritten_that_was_not_to_be(folder: Path, tmp_path: Path) -> None:
    copy_database(folder, tmp_path / "b.db", silent)
    before = (tmp_path / "b.db").read_bytes()
    with pytest.raises(AlreadyThere):
        copy_database(folder, tmp_path / "b.db", silent)
    with pytest.raises(AlreadyThere):
        restore(tmp_path / "b.db", folder, folder, silent)
    assert (tmp_path / "b.db").read_bytes() == before
    copy_database(folder, tmp_path / "b.db", silent, force=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["b.db", "data"]
    with pytest.raises(Missing):
        copy_database(tmp_path, tmp_path / "c.db", silent)


def test_a_backup_holds_nothing_readable(folder: Path, tmp_path: Path) -> None:
    copy_database(folder, tmp_path / "b.db", silent)
    held = (tmp_path / "b.db").read_bytes()
    assert b"example.com" not in held
    assert b"u-1" not in held
    assert (tmp_path / "b.db").stat().st_mode & 0o077 == 0


def test_a_backup_makes_its_folder(folder: Path, tmp_path: Path) -> None:
    copy_database(folder, tmp_path / "far" / "away" / "b.db", silent)
    restore(tmp_path / "far" / "away" / "b.db", tmp_path / "restored", folder, silent)


def test_a_failed_copy_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    def full(done: int, total: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        copy_database(folder, tmp_path / "b.db", full)
    assert [file.name for file in tmp_path.iterdir()] == ["data"]


def test_a_running_server_keeps_its_data(folder: Path, tmp_path: Path) -> None:
    copy_database(folder, tmp_path / "b.db", silent)
    with Store(folder), pytest.raises(Busy):
        restore(tmp_path / "b.db", folder, folder, silent, force=True)


def test_a_new_machine_takes_both(folder: Path, tmp_path: Path) -> None:
    copy_database(folder, tmp_path / "b.db", silent)
    with Store(folder, readonly=True) as store:
        store.keys.backup(tmp_path / "keys")
    new = tmp_path / "new"
    with pytest.raises(KeyStoreMissing):
        restore(tmp_path / "b.db", new, new, silent)
    restore(tmp_path / "b.db", new, new, silent, keys_from=tmp_path / "keys")
    assert is_known(new, "u-1")


def test_an_older_key_store_never_replaces_a_newer_one(folder: Path, tmp_path: Path) -> None:
    copy_database(folder, tmp_path / "b.db", silent)
    with Store(folder, readonly=True) as store:
        store.keys.backup(tmp_path / "keys")
    with Store(folder) as store:
        Engine(store, lambda: NOW).execute([Erase(1, (IdentityKey("uu-1"),), erasure_id="e")])
    with pytest.raises(Unfit, match="remembers more"):
        restore(tmp_path / "b.db", folder, folder, silent, keys_from=tmp_path / "keys", force=True)
    assert not is_known(folder, "u-1")


def test_what_does_not_fit_is_refused_before_anything_is_replaced(folder: Path, tmp_path: Path) -> None:
    before = (folder / DATABASE_FILE).read_bytes()
    with Store(tmp_path / "other"):
        pass
    copy_database(tmp_path / "other", tmp_path / "other.db", silent)
    with apsw_closed(tmp_path / "foreign.db") as connection:
        connection.execute("CREATE TABLE t (x)")
    copy_database(folder, tmp_path / "newer.db", silent)
    with apsw_closed(tmp_path / "newer.db") as connection:
        connection.execute("UPDATE meta SET value = '9999' WHERE name = 'schema'")
    copy_database(folder, tmp_path / "ahead.db", silent)
    with apsw_closed(tmp_path / "ahead.db") as connection:
        connection.execute("INSERT INTO profile VALUES (1000000, 1, x'00')")
    expected = {"other": Unfit, "foreign": NotGoodword, "newer": NewerSchema, "ahead": OldKeyStore, "missing": FileNotFoundError}
    for name, error in expected.items():
        with pytest.raises(error):
            restore(tmp_path / f"{name}.db", folder, folder, silent, force=True)
    assert (folder / DATABASE_FILE).read_bytes() == before
    assert is_known(folder, "u-1")


class apsw_closed:  # noqa: N801 (reads as a function)
    """A connection of our own, closed at the end."""

    def __init__(self, file: Path) -> None:
        self.connection = apsw.Connection(str(file))

    def __enter__(self) -> apsw.Connection:
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.connection.close()
