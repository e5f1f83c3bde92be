"""Opening a store, beside a busy server and after failures; what a reader sees of what came after it opened."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import apsw
import pytest

from goodword.core.command import Erase
from goodword.core.profile import IdentityKey
from goodword.engine import Engine
from goodword.storage import fold
from goodword.storage.keys import CHUNK_MIN, KeyStore
from goodword.storage.query.history import export_events, find_person
from goodword.storage.query.message import messages
from goodword.storage.sqlite import Database
from goodword.storage.store import OldKeyStore, Store
from tests.running import received

NOW = 1_790_000_000_000


def meet(engine: Engine, numbers: Iterable[int]) -> None:
    """Have people u0, u1 .. known, and see each do something."""
    for number in numbers:
        said = {"type": "track", "event": "seen", "userId": f"u{number}", "messageId": f"m{number}"}
        engine.execute([received(said, NOW)])


def test_empty_arrays_find_no_rows(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        for empty, full in ((Database.ints([]), Database.ints([7])), (Database.blobs([]), Database.blobs([b"x"]))):
            assert store.database.read("SELECT value FROM carray(?)", (empty,)) == []
            assert len(store.database.read("SELECT value FROM carray(?)", (full,))) == 1
            assert store.database.read("SELECT 1 WHERE 5 NOT IN (SELECT value FROM carray(?))", (empty,)) == [(1,)]


def test_a_reader_opens_while_the_server_hands_out_a_chunk_of_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path) as store:
        engine = Engine(store)
        meet(engine, range(3))
        original = KeyStore.open

        def overtaken(*given: Any, **named: Any) -> KeyStore:
            opened = original(*given, **named)
            meet(engine, range(3, CHUNK_MIN + 10))
            return opened

        monkeypatch.setattr(KeyStore, "open", overtaken)
        with Store(tmp_path, readonly=True) as reader:
            assert reader.keys.allocated > CHUNK_MIN


def test_a_reader_refuses_keys_that_are_really_too_old(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.database.write("INSERT INTO profile VALUES (1000000, 1, x'')")
    for readonly in (True, False):
        with pytest.raises(OldKeyStore):
            Store(tmp_path, readonly=readonly)


def test_a_reader_finds_whom_it_did_not_know_of_and_forgets_the_deleted(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        engine = Engine(store)
        meet(engine, range(3))
        newest = IdentityKey(f"uu{CHUNK_MIN + 9}")
        with Store(tmp_path, readonly=True) as reader:
            assert find_person(reader, 1, (IdentityKey("uu0"),)) is not None
            meet(engine, range(3, CHUNK_MIN + 10))
            assert find_person(reader, 1, (newest,)) is not None
        with Store(tmp_path, readonly=True) as reader:
            assert [line.is_deleted for line in messages(reader, 1, 2)] == [False, False]
            engine.execute([Erase(1, (newest,), erasure_id="e")])
            assert [line.is_deleted for line in messages(reader, 1, 2)] == [True, False]
            assert find_person(reader, 1, (newest,)) is None
            exported = [row["deleted"] for _, rows in export_events(reader, 1) for row in rows]
            assert exported.count(True) == 1


def test_an_unknown_kind_of_index_is_passed_over(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        meet(Engine(store), range(3))
        store.database.write("INSERT INTO fold VALUES (7, 3, 1)")
    for readonly in (True, False):
        with Store(tmp_path, readonly=readonly) as store:
            assert store.messages.waiting == 3


def fail(*_: Any, **__: Any) -> None:
    raise RuntimeError("in the middle")


def break_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goodword.storage.schema.migrate", fail)


def break_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "replay", fail)


def break_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "load_accounts", fail)


def break_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyStore, "_unlock", fail)


def break_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of the two connections for writing cannot be had."""
    original = apsw.Connection
    opened: list[apsw.Connection] = []

    def connect(*given: Any, **named: Any) -> apsw.Connection:
        if named.get("statementcachesize") == 100 and opened:
            raise RuntimeError("in the middle")
        connection = original(*given, **named)
        opened.append(connection)
        return connection

    monkeypatch.setattr("goodword.storage.sqlite.apsw.Connection", connect)


def descriptors(folder: Path) -> list[str]:
    """The files of a folder that this process has open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue
    return sorted(path for path in found if path.startswith(str(folder)))


@pytest.mark.parametrize("break_it", [break_migration, break_replay, break_accounts, break_keys, break_reader])
@pytest.mark.parametrize("is_new", [True, False])
def test_a_failed_start_lets_go_of_everything_and_the_next_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_it: Callable[[pytest.MonkeyPatch], None], is_new: bool
) -> None:
    if not is_new:
        with Store(tmp_path) as store:
            meet(Engine(store), range(3))
    with monkeypatch.context() as patched:
        break_it(patched)
        with pytest.raises(RuntimeError, match="in the middle") as failure:
            Store(tmp_path)
    assert descriptors(tmp_path) == []
    with Store(tmp_path) as store:
        meet(Engine(store), range(3, 6))
        assert store.last_arrival == (3 if is_new else 6)
    assert failure.value is not None  # its traceback held on to what was open
    assert descriptors(tmp_path) == []


def test_a_start_reads_what_it_needs_before_the_rest_of_the_file_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for ahead fills the disk's queue: a start that waits in it takes seconds."""
    with Store(tmp_path) as store:
        meet(Engine(store), range(3))
    asked: list[str] = []
    is_asked = threading.Event()

    def replay(*_: object) -> None:
        is_asked.wait(0.2)  # nothing is asked for meanwhile
        asked.append("replay")

    def read_ahead(*_: object) -> None:
        asked.append("ahead")
        is_asked.set()

    monkeypatch.setattr(fold, "replay", replay)
    monkeypatch.setattr(Database, "_read_ahead", read_ahead)
    with Store(tmp_path) as store:
        assert asked == ["replay"]
        assert store.read_ahead is not None
        store.read_ahead()
        assert is_asked.wait(60)
    assert asked == ["replay", "ahead"]
