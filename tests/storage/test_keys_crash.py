"""The key store, whatever is killed, torn, damaged or opened twice."""

import base64
import os
import random
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from goodword.storage.keys import (
    InsecureMasterFile,
    KeyStore,
    KeyStoreBusy,
    KeyStoreDamaged,
    KeyStoreMissing,
    KeyStoreReadOnly,
    NewerKeyStore,
    WrongMasterKey,
    parse_master,
)
from tests.storage.keystore import MASTER, OTHER, ROOT, destroy, hand_out, open_store, run, tombstone

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
        store._cache.clear()  # what was just handed out is known without the file
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
