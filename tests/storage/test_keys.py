"""The key store: a number is handed out once, a destroyed key stays destroyed, rotated or copied."""

import os
import resource
import threading
import time
from pathlib import Path

import pytest

from goodword.storage import keys as keys_module
from goodword.storage.keys import (
    NO_HASH,
    KeyStore,
    KeyStoreDamaged,
    Tombstone,
    WrongMasterKey,
    parse_master,
)
from tests.storage.keystore import OTHER, all_bytes, destroy, hand_out, open_store, tombstone

# Numbers and keys


def test_a_number_is_handed_out_once_and_has_its_own_key(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        numbers = [store.next_profile_id() for _ in range(1000)]
        assert numbers == list(range(1, 1001))
        keys = {n: store.key(n) for n in numbers}
        assert len(set(keys.values())) == 1000
        assert {len(key or b"") for key in keys.values()} == {32}
        pepper, store_id = store.pepper, store.store_id
    with open_store(tmp_path) as store:
        assert {n: store.key(n) for n in numbers} == keys
        assert (store.pepper, store.store_id, len(pepper)) == (pepper, store_id, 32)
        assert store.next_profile_id() == 256 + 512 + 1024 + 1  # the rest of the last chunk is skipped
        assert store.verify() == []


def test_who_was_never_allocated_has_no_key(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        assert [store.key(n) for n in (-1, 0, 1, 10**15)] == [None] * 4
        store.next_profile_id()
        assert store.key(store.allocated) is not None
        assert store.key(store.allocated + 1) is None
        assert [store.destroyed_at(n) for n in (-1, 0, 1, 10**15)] == [None] * 4


def test_the_cache_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "CACHE_MAX", 10)
    with open_store(tmp_path) as store:
        store.next_profile_id()
        keys = {n: store.key(n) for n in range(1, 101)}
        assert len(store._cache) <= 10
        assert all(store.key(n) == key for n, key in keys.items())


def test_a_full_disk_refuses_a_number_and_leaves_the_store_usable(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        last = [store.next_profile_id() for _ in range(256)][-1]
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096 + 64 * 300 + 13, hard))  # a part of the next chunk fits
        try:
            for _ in range(2):
                with pytest.raises(OSError, match="File too large"):
                    store.next_profile_id()
            assert store.key(last) is not None
            assert store.key(last + 1) is None
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert store.next_profile_id() == last + 1
        assert store.verify() == []


def test_a_full_disk_refuses_a_deletion_whole(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        hand_out(store)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            with pytest.raises(OSError, match="File too large"):
                destroy(store, 1, 2, 3)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert store.journal_len() == 0
        assert store.key(1) is not None
        assert (tmp_path / "keys.journal").stat().st_size == 40
        destroy(store, 1, 2, 3)
        assert store.key(1) is None


def test_files_are_private(tmp_path: Path) -> None:
    with KeyStore.open(tmp_path / "a" / "b", master=None) as store:
        store.next_profile_id()
        store.backup(tmp_path / "copy")
    for directory in (tmp_path / "a" / "b", tmp_path / "copy"):
        assert directory.stat().st_mode & 0o777 == 0o700
        names = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
        assert set(names) - {"keys.lock"} == {"keys.bin", "keys.journal", "keys.master"}
        assert set(names.values()) == {0o600}


# Deletion


def test_law_4_neither_the_key_nor_its_wrapped_form_is_left_in_any_file(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        hand_out(store)
        key = store.key(5)
        wrapped = (tmp_path / "keys.bin").read_bytes()[4096 + 4 * 64 :][:60]
        assert key is not None
        assert wrapped in all_bytes(tmp_path)
        destroy(store, 5, deleted_at=1234)
        assert store.key(5) is None
        assert store.destroyed_at(5) == 1234
        assert store.key(4) is not None
        assert store.key(6) is not None
        store.backup(tmp_path / "copy")
        for directory in (tmp_path, tmp_path / "copy"):
            data = b"".join(path.read_bytes() for path in directory.glob("keys*"))
            assert key not in data
            assert all(wrapped[i : i + 8] not in data for i in range(52))
    with open_store(tmp_path) as store:
        assert store.key(5) is None
        assert store.verify() == []


def test_destroying_again_is_harmless_and_the_later_time_counts(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        hand_out(store)
        for deleted_at in (2000, 3000, 1000):
            destroy(store, 1, deleted_at=deleted_at)
        assert store.destroyed_at(1) == 3000
    with open_store(tmp_path) as store:
        assert store.destroyed_at(1) == 3000


def test_the_journal_tells_an_old_database_what_it_missed(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        hand_out(store)
        unknown = Tombstone(8, b"u" * 16, 0, 5, True)
        store.destroy([], [unknown])
        destroy(store, 3, 4)
        assert list(store.journal(0)) == [unknown, tombstone(3), tombstone(4)]
        assert list(store.journal(2)) == [tombstone(4)]
        assert list(store.journal(3)) == []
        assert store.journal_len() == 3
    with open_store(tmp_path, readonly=True) as store:
        assert list(store.journal(1)) == [tombstone(3), tombstone(4)]


def test_a_profile_without_a_look_up_key_gets_a_tombstone_too(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        hand_out(store)
        store.destroy([1, 2], [tombstone(1, 10), tombstone(1, 20)])
        assert list(store.journal(2)) == [Tombstone(7, NO_HASH, 2, 20, False)]
        assert (store.destroyed_at(1), store.destroyed_at(2)) == (20, 20)


@pytest.mark.parametrize(
    ("profile_ids", "tombstones"),
    [
        ([1], []),
        ([300], [tombstone(300)]),
        ([4], [tombstone(4)]),
        ([0], [tombstone(0)]),
        ([-1], [tombstone(1)._replace(profile_id=-1)]),
        ([1], [tombstone(2)]),
        ([1], [tombstone(1)._replace(hash16=b"short")]),
        ([1], [tombstone(1)._replace(deleted_at=-1)]),
        ([1], [tombstone(1)._replace(account_no=1 << 32)]),
        ([1, 2, 3], [tombstone(1), tombstone(2)._replace(account_no=9)]),
    ],
)
def test_an_impossible_deletion_does_nothing(tmp_path: Path, profile_ids: list[int], tombstones: list[Tombstone]) -> None:
    with open_store(tmp_path) as store:
        hand_out(store, 3)
        with pytest.raises(ValueError, match=r"tombstone|never handed out"):
            store.destroy(profile_ids, tombstones)
        assert store.journal_len() == 0
        assert store.key(1) is not None


def test_a_reader_thread_never_brings_a_destroyed_key_back_into_the_cache(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        hand_out(store, 200)
        stop = threading.Event()

        def read() -> None:
            while not stop.is_set():
                for n in range(1, 201):
                    store.key(n)

        thread = threading.Thread(target=read)
        thread.start()
        try:
            for n in range(1, 201):
                destroy(store, n)
                assert store.key(n) is None
            time.sleep(0.01)
            assert all(store.key(n) is None for n in range(1, 201))
        finally:
            stop.set()
            thread.join()


def test_an_error_of_the_disk_while_overwriting_closes_the_store_and_opening_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path)
    hand_out(store)
    real = os.fsync

    def broken(fd: int) -> None:
        if os.readlink(f"/proc/self/fd/{fd}").endswith("keys.bin"):
            raise OSError("broken disk")
        real(fd)

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="broken disk"):
        destroy(store, 1)
    with pytest.raises(OSError, match="Bad file"):
        store.key(1)
    monkeypatch.undo()
    with open_store(tmp_path) as store:
        assert store.key(1) is None
        assert store.journal_len() == 1


# Rotation and backup


def test_rotation_keeps_every_key_and_retires_the_old_master(tmp_path: Path) -> None:
    with KeyStore.open(tmp_path, master=None) as store:
        old = parse_master((tmp_path / "keys.master").read_text())
        hand_out(store, 300)
        destroy(store, 7)
        keys = [store.key(n) for n in range(1, 301)]
        progress: list[tuple[int, int]] = []
        with (tmp_path / "keys.bin").open("rb") as before:
            store.rotate_master(OTHER, progress=lambda done, total: progress.append((done, total)))
            assert before.read().strip(b"\0") == b""  # the old file's bytes are overwritten
        assert progress == [(768, 768)]
        store._cache.clear()
        assert [store.key(n) for n in range(1, 301)] == keys
        destroy(store, 8)
        assert store.next_profile_id() == 301
    with KeyStore.open(tmp_path, master=None) as store:
        assert [store.key(n) for n in range(1, 301)] == [*keys[:7], None, *keys[8:]]
        assert store.verify() == []
    assert parse_master((tmp_path / "keys.master").read_text()) == OTHER
    with pytest.raises(WrongMasterKey):
        KeyStore.open(tmp_path, master=old)


def test_a_backup_during_deletions_is_consistent_and_whole(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with open_store(source) as store:
        hand_out(store, 20_000)
        done = threading.Event()
        failures: list[BaseException] = []

        def copy() -> None:
            try:
                for turn in range(8):
                    gone = [t.profile_id for t in store.journal(0)]
                    with open_store(source, readonly=True) as reader:
                        (store if turn % 2 else reader).backup(tmp_path / str(turn))
                    with open_store(tmp_path / str(turn), readonly=True) as copied:
                        assert copied.verify() == []  # and so nobody in its journal has a key
                        assert all(copied.key(n) is None for n in gone)
                        assert copied.allocated >= 20_000
                        assert copied.pepper == store.pepper
            except BaseException as error:
                failures.append(error)
            finally:
                done.set()

        thread = threading.Thread(target=copy)
        thread.start()
        n = 0
        while not done.is_set():
            n += 1
            destroy(store, 20_001 - n)
            hand_out(store, 20)
        thread.join()
        assert failures == []
        assert n > 20
        with pytest.raises(FileExistsError):
            store.backup(tmp_path / "0")
    with open_store(tmp_path / "7") as restored:
        assert restored.next_profile_id() > 20_000


def test_a_key_destroyed_while_the_backup_runs_is_not_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(tmp_path / "source") as store:
        hand_out(store)
        slot = (tmp_path / "source" / "keys.bin").read_bytes()[4096:][:60]
        real = keys_module._blocks
        late = iter([True])

        def blocks(fd: int, first: int, last: int):
            yield from real(fd, first, last)
            if next(late, False):
                destroy(store, 1)
                while store.next_profile_id() <= last:
                    pass

        monkeypatch.setattr(keys_module, "_blocks", blocks)
        store.backup(tmp_path / "copy")
    assert slot[:12] not in all_bytes(tmp_path / "copy")
    with open_store(tmp_path / "copy") as copied:
        assert copied.key(1) is None
        assert copied.journal_len() == 1
        assert copied.allocated == 768
        assert copied.verify() == []


def test_half_a_backup_does_not_pass_for_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(tmp_path / "source") as store:
        store.next_profile_id()
        monkeypatch.setattr(keys_module, "_write_header", lambda fd, header: os.close(-1))
        with pytest.raises(OSError, match="Bad file"):
            store.backup(tmp_path / "copy")
        monkeypatch.undo()
    with pytest.raises(KeyStoreDamaged):
        open_store(tmp_path / "copy")
