"""The key store: a number is handed out once, a destroyed key stays destroyed, whatever is killed, torn or copied."""

import base64
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodword.storage import keys as keys_module
from goodword.storage.cipher import KeyWrap, Unreadable, seal, unseal
from goodword.storage.keys import (
    NO_HASH,
    InsecureMasterFile,
    KeyStore,
    KeyStoreBusy,
    KeyStoreDamaged,
    KeyStoreMissing,
    KeyStoreReadOnly,
    NewerKeyStore,
    Tombstone,
    WrongMasterKey,
    parse_master,
)

MASTER, OTHER = bytes(range(32)), bytes(range(1, 33))
ROOT = Path(__file__).parents[2]


def open_store(directory: Path, readonly: bool = False) -> KeyStore:
    return KeyStore.open(directory, master=MASTER, readonly=readonly)


def tombstone(profile_id: int, deleted_at: int = 1000) -> Tombstone:
    return Tombstone(7, profile_id.to_bytes(16), profile_id, deleted_at, False)


def destroy(store: KeyStore, *profile_ids: int, deleted_at: int = 1000) -> None:
    store.destroy(profile_ids, [tombstone(n, deleted_at) for n in profile_ids])


def hand_out(store: KeyStore, count: int = 10) -> int:
    return [store.next_profile_id() for _ in range(count)][-1]


def all_bytes(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir())


def run(script: str, *args: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.run(command, cwd=ROOT, check=check, capture_output=True, text=True, timeout=60)


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


# Crashes

WORK = """
import random, sys
from pathlib import Path
from goodword.storage.keys import KeyStore
store = KeyStore.open(Path(sys.argv[1]), master=bytes(range(32)))
chance = random.Random(sys.argv[2])
alive = []
while True:
    for _ in range(chance.randrange(200)):
        alive.append(store.next_profile_id())
    sys.stdout.write(f"+{alive[-1]} {store.key(alive[-1]).hex()}\\n" if alive else "")
    sys.stdout.flush()
    if alive:
        gone = alive.pop(chance.randrange(len(alive)))
        store.destroy([gone], [(1, gone.to_bytes(16), gone, 99, False)])
        sys.stdout.write(f"-{gone} {99}\\n")
        sys.stdout.flush()
"""


def test_kill_9_at_any_moment_repeats_no_number_and_revives_no_key(tmp_path: Path) -> None:
    chance = random.Random(1)
    highest, gone, living = 0, set[int](), dict[int, str]()
    for turn in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", WORK, str(tmp_path), str(turn)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            lines = [process.stdout.readline()]
            time.sleep(chance.random() * 0.08)
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.readlines()
        numbers = [(line[0], *line[1:].split()) for line in lines if line.endswith("\n")]
        handed_out = [int(n) for sign, n, _ in numbers if sign == "+"]
        assert min(handed_out) > highest
        highest = max(handed_out)
        living |= {int(n): key for sign, n, key in numbers if sign == "+"}
        gone |= {int(n) for sign, n, _ in numbers if sign == "-"}
        with open_store(tmp_path) as store:
            assert store.allocated >= highest
            assert all(store.key(n) is None for n in gone)
            journaled = {t.profile_id for t in store.journal(0)}
            assert gone <= journaled
            assert all(store.key(n) is None for n in journaled)
            assert all((store.key(n) or b"").hex() == key for n, key in living.items() if n not in journaled)
            assert store.verify() == []
            highest = max(highest, store.next_profile_id())
    assert len(gone) > 12


CRASH = """
import os, sys
from pathlib import Path
from goodword.storage.keys import KeyStore
directory, master = Path(sys.argv[1]), bytes.fromhex(sys.argv[2]) or None
prepare, action = sys.argv[3], sys.argv[4]
step = 0
while True:
    step += 1
    here = directory / str(step)
    here.mkdir()
    if prepare:
        with KeyStore.open(here, master=master) as store:
            exec(prepare)
    if os.fork() == 0:
        left = step
        def dying(function):
            def call(*args):
                global left
                left -= 1
                if left == 0:
                    os._exit(9)
                return function(*args)
            return call
        real = os.open
        for name in ("pwrite", "fsync", "replace", "ftruncate", "unlink"):
            setattr(os, name, dying(getattr(os, name)))
        with KeyStore.open(here, master=master) as store:
            exec(action)
        os._exit(0)
    if os.wait()[1] == 0:
        print(step)
        break
"""
PREPARE = "[store.next_profile_id() for _ in range(9)]; store.destroy([9], [(1, bytes(16), 9, 50, False)])"
KEYS = "(here.parent / f'{here.name}.txt').write_text(store.key(1).hex() + store.pepper.hex());"


def crash_at_each_step(directory: Path, master: bytes, prepare: str, action: str) -> list[Path]:
    """The store's directory after a death before the first, second .. last system call of `action`."""
    steps = int(run(CRASH, directory, master.hex(), prepare, action).stdout)
    assert steps > 3
    return [directory / str(step) for step in range(1, steps + 1)]


@pytest.mark.parametrize("with_file", [True, False])
def test_a_crash_at_each_step_of_rotation_leaves_a_usable_store(tmp_path: Path, with_file: bool) -> None:
    action = f"store.rotate_master({OTHER!r})"
    for here in crash_at_each_step(tmp_path, b"" if with_file else MASTER, PREPARE + ";" + KEYS, action):
        before = here.with_name(here.name + ".txt").read_text()
        if with_file:
            with KeyStore.open(here, master=None, readonly=True) as reader:  # changes nothing, yet finds the pair
                assert reader.key(9) is None
            store = KeyStore.open(here, master=None)
        else:
            try:
                store = KeyStore.open(here, master=MASTER)
            except WrongMasterKey:
                store = KeyStore.open(here, master=OTHER)
        with store:
            assert (store.key(1) or b"").hex() + store.pepper.hex() == before
            assert store.destroyed_at(9) == 50
            assert store.verify() == []
            assert store.next_profile_id() == 257
        assert not list(here.glob("*.new"))


def test_a_crash_at_each_step_of_the_first_use_is_mended_by_the_next(tmp_path: Path) -> None:
    for here in crash_at_each_step(tmp_path, b"", "", "store.next_profile_id()"):
        with KeyStore.open(here, master=None) as store:
            assert store.next_profile_id() in (1, 257)
            assert store.verify() == []
        assert not list(here.glob("*.new"))


def test_a_crash_at_each_step_of_a_deletion_is_all_or_nothing_after_opening(tmp_path: Path) -> None:
    action = "store.destroy([1, 2], [(1, b'a' * 16, 1, 60, False), (1, b'b' * 16, 2, 60, False)])"
    seen = set()
    for here in crash_at_each_step(tmp_path, MASTER, PREPARE, action):
        with open_store(here) as store:
            assert store.verify() == []
            assert (store.key(1) is None) == (store.key(2) is None) == (store.journal_len() == 3)
            seen.add(store.journal_len())
    assert seen == {1, 3}


@pytest.mark.parametrize("cut", [1, 39, 40, 41])
def test_a_torn_record_is_cut_off_and_whole_ones_are_applied(tmp_path: Path, cut: int) -> None:
    with open_store(tmp_path) as store:
        hand_out(store)
        destroy(store, 1)
    journal = tmp_path / "keys.journal"
    with journal.open("ab") as file:  # as if killed between writing the journal and the slots
        file.write((tombstone(2).pack() + tombstone(3).pack())[:-cut])
    with open_store(tmp_path) as store:
        survivors = [tombstone(1), tombstone(2)] if cut <= 40 else [tombstone(1)]
        assert list(store.journal(0)) == survivors
        assert (store.key(2) is None) == (cut <= 40)
        assert store.key(3) is not None
        destroy(store, 3)
        assert list(store.journal(0)) == [*survivors, tombstone(3)]
    assert journal.stat().st_size == 40 * (2 + len(survivors))


# Damage and refusal


def test_the_wrong_master_key_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with pytest.raises(WrongMasterKey, match="does not fit"):
        KeyStore.open(tmp_path, master=OTHER)
    with pytest.raises(ValueError, match="32 bytes"):
        KeyStore.open(tmp_path, master=b"short")
    with pytest.raises(KeyStoreMissing, match=r"keys\.master"):
        KeyStore.open(tmp_path, master=None)
    assert parse_master(base64.b64encode(MASTER).decode() + "\n") == MASTER
    for text in ("", "rubbish", base64.b64encode(b"short").decode(), "ü" * 44):
        with pytest.raises(WrongMasterKey, match="base64 of 32 bytes"):
            parse_master(text)


def test_a_master_file_others_can_read_is_refused_with_the_cure(tmp_path: Path) -> None:
    KeyStore.open(tmp_path, master=None).close()
    path = tmp_path / "keys.master"
    assert len(parse_master(path.read_text())) == 32
    for mode in (0o640, 0o604):
        path.chmod(mode)
        with pytest.raises(InsecureMasterFile, match=f"chmod 600 {path}"):
            KeyStore.open(tmp_path, master=None)
    path.chmod(0o600)
    KeyStore.open(tmp_path, master=None).close()
    path.write_text("rubbish")
    with pytest.raises(WrongMasterKey):
        KeyStore.open(tmp_path, master=None)


def test_a_store_that_lost_a_file_is_not_begun_anew(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreMissing):
        open_store(tmp_path / "nowhere", readonly=True)
    assert not (tmp_path / "nowhere").exists()
    with open_store(tmp_path) as store:
        hand_out(store)
        destroy(store, 1)
    journal, slots = tmp_path / "keys.journal", tmp_path / "keys.bin"
    kept = journal.read_bytes(), slots.read_bytes()
    journal.unlink()
    with pytest.raises(KeyStoreMissing):
        open_store(tmp_path, readonly=True)
    with pytest.raises(KeyStoreDamaged, match="cut"):
        open_store(tmp_path)
    journal.write_bytes(kept[0])
    slots.unlink()
    with pytest.raises(KeyStoreMissing, match=r"keys\.bin"):
        open_store(tmp_path)
    slots.write_bytes(kept[1][:-1])
    with pytest.raises(KeyStoreDamaged, match="cut"):
        open_store(tmp_path)


def test_a_damaged_or_newer_header_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    path = tmp_path / "keys.bin"
    good = path.read_bytes()
    for at in (0, 20, 40, 60, 110):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(KeyStoreDamaged):
            open_store(tmp_path)
    newer = good[:8] + struct.pack(">I", 2) + good[12:108]
    path.write_bytes(newer + zlib.crc32(newer).to_bytes(4) + good[112:])
    with pytest.raises(NewerKeyStore, match="newer version"):
        open_store(tmp_path)


def test_verify_finds_what_is_damaged(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        hand_out(store)
        destroy(store, 3, 4)
        fd = os.open(tmp_path / "keys.bin", os.O_RDWR)
        slot = os.pread(fd, 64, 4096)
        os.pwrite(fd, b"x", 4096 + 64 + 20)  # slot 2: does not decrypt
        os.pwrite(fd, slot, 4096 + 64 * 2)  # slot 3: another's, and not destroyed any more
        os.pwrite(fd, b"WHAT", 4096 + 64 * 4 + 60)  # slot 5: unknown mark
        os.close(fd)
        for n in (2, 3, 5):
            with pytest.raises(KeyStoreDamaged, match=f"Slot {n} "):
                store.key(n)
        problems = store.verify()
        assert [n for n in range(1, 257) if any(f"Slot {n} " in problem for problem in problems)] == [2, 3, 5]
        assert any("destroyed profile 3" in problem for problem in problems)
        with (tmp_path / "keys.journal").open("r+b") as file:
            file.seek(45)
            file.write(b"x")
        assert any("Record 0" in problem for problem in store.verify())
        with pytest.raises(KeyStoreDamaged, match="Record 0"):
            list(store.journal(0))
        with pytest.raises(KeyStoreDamaged):
            store.rotate_master(OTHER)
    with open_store(tmp_path) as store:
        assert store.key(1) is not None


def test_there_is_one_writer_and_readers_only_read(tmp_path: Path) -> None:
    with open_store(tmp_path) as writer:
        first = hand_out(writer)
        with pytest.raises(KeyStoreBusy):
            open_store(tmp_path)
        with open_store(tmp_path, readonly=True) as reader:
            assert reader.key(first) == writer.key(first)
            assert reader.key(first + 1) is not None
            last = [writer.next_profile_id() for _ in range(256)][-1]
            destroy(writer, first)
            reader.refresh()
            assert reader.key(first) is None
            assert reader.key(last) == writer.key(last)
            assert reader.journal_len() == 1
            with pytest.raises(KeyStoreReadOnly):
                reader.next_profile_id()
            with pytest.raises(KeyStoreReadOnly):
                destroy(reader, last)
            with pytest.raises(KeyStoreReadOnly):
                reader.rotate_master(OTHER)
            with pytest.raises(KeyStoreBusy):
                writer.rotate_master(OTHER)
            assert reader.verify() == []
        writer.rotate_master(OTHER)


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


# Sealing


@given(key=st.binary(min_size=32, max_size=32), plain=st.binary(max_size=300), nonce=st.binary(min_size=12, max_size=12))
def test_what_is_sealed_opens_with_its_key_alone(key: bytes, plain: bytes, nonce: bytes) -> None:
    sealed = seal(key, plain, nonce)
    assert sealed[:12] == nonce
    assert len(sealed) == len(plain) + 28
    assert unseal(key, sealed) == plain
    other = bytes([key[0] ^ 1]) + key[1:]
    for wrong_key, wrong in (
        (other, sealed),
        (key, sealed[:-1]),
        (key, sealed[:10]),
        (key, sealed[:-1] + b"%c" % (sealed[-1] ^ 1)),
    ):
        with pytest.raises(Unreadable):
            unseal(wrong_key, wrong)


def test_a_wrapped_key_opens_only_in_its_own_store_and_place() -> None:
    wrapped = KeyWrap(MASTER, b"a" * 16).wrap(1, OTHER)
    assert KeyWrap(MASTER, b"a" * 16).unwrap(1, wrapped) == OTHER
    for wrap, number in (
        (KeyWrap(MASTER, b"a" * 16), 2),
        (KeyWrap(MASTER, b"b" * 16), 1),
        (KeyWrap(OTHER, b"a" * 16), 1),
    ):
        with pytest.raises(Unreadable):
            wrap.unwrap(number, wrapped)
