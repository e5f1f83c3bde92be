"""The key store: one data key a person; deleting a person destroys it (laws 4 and 5). One process writes.

1. A number is handed out once: from a chunk whose keys and high-water mark were fsynced; on open, only after the mark.
2. A destroyed key is in no file: its slot is overwritten in place and fsynced before `destroy` returns. (ext4 and xfs
   overwrite in place; on btrfs, ZFS or under snapshots, rotating the master key makes old copies worthless.)
3. The journal is fsynced before the slots are touched: a destruction that was begun is finished on the next open.

keys.bin      4096 bytes of header, then 64-byte slots, slot n for profile n. `cipher.py` has the formats:
                live  nonce 12 | AES-256-GCM(master, data key, aad = store id + n) 48 | LIVE
                gone  deleted_at 8 | zeros 52 | GONE
keys.journal  a 40-byte header, then 40-byte tombstones. The writer holds its flock while open.
keys.master   base64 of the master key, only where the caller gives none.
keys.lock     flock: exclusive around every change, shared around what must not see half of one.

Whoever has the store open holds a shared flock on keys.bin: rotation, which replaces that file, must be alone.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Self

from goodword.storage import keyfile
from goodword.storage.cipher import (
    KEY_BYTES,
    LIFTED,
    NO_HASH,
    RECORD_BYTES,
    Header,
    KeyWrap,
    Tombstone,
    Unreadable,
    destroyed_at,
    journal_header,
    unpack_tombstones,
)
from goodword.storage.keyfile import (
    InsecureMasterFile,
    KeyStoreBusy,
    KeyStoreDamaged,
    KeyStoreError,
    KeyStoreMissing,
    KeyStoreReadOnly,
    NewerKeyStore,
    WrongMasterKey,
    parse_master,
)

__all__ = [
    "LIFTED", "NO_HASH", "InsecureMasterFile", "KeyStore", "KeyStoreBusy", "KeyStoreDamaged", "KeyStoreError", "KeyStoreMissing",
    "KeyStoreReadOnly", "NewerKeyStore", "Tombstone", "WrongMasterKey", "parse_master",
]  # fmt: skip

CHUNK_MIN, CHUNK_MAX = 256, 4096  # numbers allocated at once: the last takes 13 ms, in which the writer waits
CACHE_MAX = 300_000
PROBLEMS_MAX = 1000

_blocks, _write_header = keyfile.blocks, keyfile.write_header  # what the tests interrupt


class KeyStore:
    """Any thread may call `key`, `destroyed_at`, `journal`, `backup` and `verify`; the rest only the one writing."""

    pepper: bytes  # 32 bytes, the key of the look-up hashes
    _fd: int = -1
    _journal_fd: int = -1
    _header: Header
    _next: int
    _wrap: KeyWrap
    _uses_file: bool

    def __init__(self, directory: Path, readonly: bool) -> None:
        self._dir, self._readonly = directory, readonly
        self._bin, self._journal, self._master = (directory / f"keys.{name}" for name in ("bin", "journal", "master"))
        self._cache: dict[int, bytes] = {}
        self._mutex = threading.Lock()  # a key read before its destruction must not enter the cache after it
        self._chunk = CHUNK_MIN

    @classmethod
    def open(cls, directory: Path, *, master: bytes | None, readonly: bool = False) -> Self:
        """Open the store, or create it unless `readonly`; finish what a crash interrupted.

        `master`: 32 bytes, or None to use the file keys.master. Errors: KeyStoreError, ValueError, OSError."""
        if master is not None and len(master) != KEY_BYTES:
            raise ValueError("a master key has 32 bytes")
        self = cls(directory, readonly)
        if readonly and not self._bin.exists():
            raise KeyStoreMissing(self._bin)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with self._locked(fcntl.LOCK_SH if readonly else fcntl.LOCK_EX):
                self._open_files(master)
        except BaseException:
            self.close()
            raise
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up files and locks. Twice is once."""
        for fd in (self._fd, self._journal_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._journal_fd = -1
        self._cache.clear()

    @property
    def store_id(self) -> bytes:
        """16 random bytes, the store's for life."""
        return self._header.store_id

    @property
    def allocated(self) -> int:
        """The high-water mark of profile numbers. A database that knows a higher one has an outdated key store."""
        return self._header.allocated

    def next_profile_id(self) -> int:
        """A number never handed out before, with a key. Errors: OSError (the store stays usable), KeyStoreReadOnly."""
        if self._readonly or self._next > self._header.allocated:
            self._allocate()
        self._next += 1
        return self._next - 1

    def key(self, profile_id: int) -> bytes | None:
        """The 32-byte data key; None when destroyed or never allocated. Errors: KeyStoreDamaged."""
        key = self._cache.get(profile_id)
        if key is not None or not 0 < profile_id <= self._header.allocated:
            return key
        try:
            with self._mutex:
                key = self._wrap.open_slot(profile_id, keyfile.read_slot(self._fd, profile_id))
                if key is not None:
                    self._remember({profile_id: key})
                return key
        except Unreadable:
            return self._key_for_certain(profile_id)

    def fetch(self, profile_ids: Iterable[int]) -> None:
        """Keys in files are always at hand."""

    def rewrite(self) -> int:
        """Nothing is left of destroyed keys: `destroy` overwrites them."""
        return 0

    def destroyed_at(self, profile_id: int) -> int | None:
        """When the profile was deleted, in epoch ms; None when it was not."""
        return destroyed_at(keyfile.read_slot(self._fd, profile_id)) if 0 < profile_id <= self._header.allocated else None

    def destroy(self, profile_ids: Sequence[int], tombstones: Sequence[tuple[int, bytes, int, int, bool]]) -> tuple[int, int]:
        """Destroy keys for ever, and journal tombstones: (account_no, hash16, profile_id, deleted_at ms, suppressed). How many there were
        before, and are now.

        A tombstone names one of `profile_ids`, 0 or `LIFTED`. A profile without one gets one with `NO_HASH` and the latest time.
        Again is harmless. Errors: ValueError and KeyStoreReadOnly (nothing was done); OSError: on a full disk nothing
        was done, else the store is closed, and opening it finishes what was begun."""
        self._need_writer()
        if not all(0 < n < self._next for n in profile_ids):
            raise ValueError("a profile number was never handed out")
        records = keyfile.complete(profile_ids, [Tombstone(*t) for t in tombstones])
        before = self._header.journal_len
        end = (before + 1) * RECORD_BYTES
        with self._locked(fcntl.LOCK_EX):
            try:
                keyfile.write_at(self._journal_fd, b"".join(record.pack() for record in records), end)
                os.fsync(self._journal_fd)
            except OSError:
                os.ftruncate(self._journal_fd, end)
                raise
            try:
                self._apply(records)
            except OSError:
                self.close()
                raise
        return before, self._header.journal_len

    def journal_len(self) -> int:
        """How many records `journal` has."""
        return self._header.journal_len

    def journal(self, start: int = 0) -> Iterator[Tombstone]:
        """The tombstones from index `start` on, in the order of their destruction. Errors: KeyStoreDamaged."""
        yield from keyfile.read_journal(self._journal_fd, start, self._header.journal_len)

    def refresh(self) -> None:
        """Let a reader see what was allocated and destroyed since: call it before each answer."""
        if self._readonly:
            with self._locked(fcntl.LOCK_SH), self._mutex:
                before, self._header = self._header, keyfile.read_header(self._fd)
                if self._header.journal_len != before.journal_len:
                    self._cache.clear()

    def rotate_master(self, new_master: bytes, progress: Callable[[int, int], None] | None = None) -> None:
        """Wrap every key anew, and replace keys.master if that was used. `progress(done, total)` counts slots.

        A crash leaves the old store or the new one. Errors: KeyStoreBusy (somebody reads or backs up), ValueError and
        KeyStoreReadOnly (nothing was done); KeyStoreDamaged and OSError (the store is closed: open it again)."""
        self._need_writer()
        if len(new_master) != KEY_BYTES:
            raise ValueError("a master key has 32 bytes")
        new, fd = KeyWrap(new_master, self.store_id), -1
        with self._locked(fcntl.LOCK_EX), self._mutex:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fcntl.flock(self._fd, fcntl.LOCK_SH)
                raise KeyStoreBusy from None
            try:
                if self._uses_file:
                    keyfile.create_master(keyfile.new_path(self._master), new_master)
                fd = keyfile.create(keyfile.new_path(self._bin))
                fcntl.flock(fd, fcntl.LOCK_SH)
                for first, slots in _blocks(self._fd, 1, self.allocated):
                    keys = enumerate((self._wrap.open_slot(n, slot) for n, slot in enumerate(slots, first)), first)
                    moved = (slots[n - first] if key is None else new.slot(n, key) for n, key in keys)
                    keyfile.write_at(fd, b"".join(moved), keyfile.offset_of(first))
                    if progress:
                        progress(first + len(slots) - 1, self.allocated)
                self._header = self._header._replace(wrapped_pepper=new.wrap(0, self.pepper))
                _write_header(fd, self._header)
                os.fsync(fd)
                keyfile.replace_durably(keyfile.new_path(self._bin), self._bin)
                if self._uses_file:
                    keyfile.replace_durably(keyfile.new_path(self._master), self._master)
            except BaseException as error:
                if fd >= 0:
                    os.close(fd)
                self.close()
                raise KeyStoreDamaged if isinstance(error, Unreadable) else error from None
            os.close(self._fd)
            self._fd, self._wrap = fd, new

    def backup(self, dest: Path) -> None:
        """A consistent copy in the directory `dest`, while the writer goes on. Errors: FileExistsError, OSError."""
        dest.mkdir(mode=0o700, parents=True, exist_ok=True)
        dest.chmod(0o700)
        fds = []
        try:
            with self._locked(fcntl.LOCK_SH):
                fds.append(source := os.open(self._bin, os.O_RDONLY))
                fcntl.flock(source, fcntl.LOCK_SH)  # no rotation meanwhile
                before = keyfile.read_header(source)
                if self._uses_file:
                    keyfile.create_file(dest / self._master.name, self._master.read_bytes())
            fds.append(copy := keyfile.create(dest / self._bin.name))
            for first, slots in _blocks(source, 1, before.allocated):
                keyfile.write_at(copy, b"".join(slots), keyfile.offset_of(first))
            with self._locked(fcntl.LOCK_SH):  # then what changed meanwhile, while the writer waits
                after = keyfile.read_header(source)
                for first, slots in _blocks(source, before.allocated + 1, after.allocated):
                    keyfile.write_at(copy, b"".join(slots), keyfile.offset_of(first))
                journal = os.pread(self._journal_fd, (after.journal_len + 1) * RECORD_BYTES, 0)
            keyfile.overwrite(copy, unpack_tombstones(journal[(before.journal_len + 1) * RECORD_BYTES :]), after.allocated)
            keyfile.create_file(dest / self._journal.name, journal)
            _write_header(copy, after)  # last: without it the copy does not pass for a store
            os.fsync(copy)
            keyfile.fsync_directory(dest)
        finally:
            for fd in fds:
                os.close(fd)

    def verify(self) -> list[str]:
        """What is wrong with the store, at most 1000 sentences; empty when all is well. Reads everything."""
        return list(islice(self._problems(), PROBLEMS_MAX))

    def _problems(self) -> Iterator[str]:
        try:
            with self._locked(fcntl.LOCK_SH):
                allocated = keyfile.read_header(self._fd).allocated
            for first, slots in _blocks(self._fd, 1, allocated):
                for profile_id, slot in enumerate(slots, first):
                    try:
                        self._wrap.open_slot(profile_id, slot)
                    except Unreadable:
                        try:
                            self._key_for_certain(profile_id)
                        except KeyStoreDamaged as error:
                            yield str(error)
            for index, record in enumerate(self.journal()):
                if 0 < record.profile_id <= allocated and self.destroyed_at(record.profile_id) is None:
                    yield f"Record {index} of the journal destroyed profile {record.profile_id}, but its slot is not."
        except KeyStoreDamaged as error:
            yield str(error)

    def _key_for_certain(self, profile_id: int) -> bytes | None:
        """What a reader cannot read may be half of a destruction: look again under the lock."""
        with self._locked(fcntl.LOCK_SH):
            try:
                return self._wrap.open_slot(profile_id, keyfile.read_slot(self._fd, profile_id))
            except Unreadable:
                raise KeyStoreDamaged(f"Slot {profile_id} of {self._bin} is unreadable.") from None

    @contextmanager
    def _locked(self, mode: int) -> Iterator[None]:
        fd = os.open(self._dir / "keys.lock", (os.O_RDONLY if self._readonly else os.O_RDWR) | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, mode)
            yield
        finally:
            os.close(fd)

    def _need_writer(self) -> None:
        if self._readonly:
            raise KeyStoreReadOnly

    def _open_files(self, master: bytes | None) -> None:
        access = os.O_RDONLY if self._readonly else os.O_RDWR
        try:
            self._journal_fd = os.open(self._journal, access if self._readonly else access | os.O_CREAT, 0o600)
        except FileNotFoundError:
            raise KeyStoreMissing(self._journal) from None
        if not self._readonly:
            try:
                fcntl.flock(self._journal_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise KeyStoreBusy from None
            keyfile.scrub(keyfile.new_path(self._bin))
            if not self._bin.exists():
                self._create_store(master)
        self._fd = os.open(self._bin, access)
        fcntl.flock(self._fd, fcntl.LOCK_SH)
        self._header, self._uses_file = keyfile.read_header(self._fd), master is None
        self._next = self.allocated + 1
        if os.fstat(self._fd).st_size < keyfile.offset_of(self.allocated + 1):
            raise KeyStoreDamaged(f"{self._bin} is cut.")
        self._unlock(master)
        self._open_journal()

    def _create_store(self, master: bytes | None) -> None:
        if os.fstat(self._journal_fd).st_size:
            raise KeyStoreMissing(f"{self._bin} (its keys.journal is here)")
        if master is None:
            if not self._master.exists():
                keyfile.scrub(keyfile.new_path(self._master))
                keyfile.create_master(keyfile.new_path(self._master), os.urandom(KEY_BYTES))
                keyfile.replace_durably(keyfile.new_path(self._master), self._master)
            master = keyfile.read_master(self._master)
        store_id = os.urandom(16)
        header = Header(store_id, 0, 0, KeyWrap(master, store_id).wrap(0, os.urandom(KEY_BYTES)))
        keyfile.create_file(keyfile.new_path(self._bin), keyfile.header_page(header))
        keyfile.replace_durably(keyfile.new_path(self._bin), self._bin)

    def _unlock(self, master: bytes | None) -> None:
        """A rotation that a crash interrupted leaves two master files: the one that fits is kept."""
        new = keyfile.new_path(self._master)
        paths = [path for path in (new, self._master) if path.exists()] if master is None else [self._dir]
        if not paths:
            raise KeyStoreMissing(self._master)
        for path in paths:
            try:
                self._wrap = KeyWrap(master or keyfile.read_master(path), self.store_id)
                self.pepper = self._wrap.unwrap(0, self._header.wrapped_pepper)
            except (Unreadable, WrongMasterKey):
                continue
            if path == new and not self._readonly:
                keyfile.replace_durably(new, self._master)
            elif new in paths and not self._readonly:
                keyfile.scrub(new)
            return
        raise WrongMasterKey(paths[-1])

    def _open_journal(self) -> None:
        header, journal_len = journal_header(self.store_id), self.journal_len()
        if journal_len == 0 and not self._readonly and os.fstat(self._journal_fd).st_size < RECORD_BYTES:
            keyfile.write_at(self._journal_fd, header, 0)
            os.fsync(self._journal_fd)
            keyfile.fsync_directory(self._dir)
        end, size = (journal_len + 1) * RECORD_BYTES, os.fstat(self._journal_fd).st_size
        if size < end or os.pread(self._journal_fd, RECORD_BYTES, 0) != header:
            raise KeyStoreDamaged(f"{self._journal} is cut or belongs to another store.")
        if size > end and not self._readonly:  # a crash tore the last record, or came before its slot was overwritten
            records = list(unpack_tombstones(os.pread(self._journal_fd, size - end, end)))
            os.ftruncate(self._journal_fd, end + len(records) * RECORD_BYTES)
            os.fsync(self._journal_fd)
            self._apply(records)

    def _apply(self, records: list[Tombstone]) -> None:
        """Overwrite the slots of records that are on disk. The header is not synced: an old one repeats this."""
        with self._mutex:
            keyfile.overwrite(self._fd, records, self.allocated)
            for record in records:
                self._cache.pop(record.profile_id, None)
        os.fsync(self._fd)
        self._header = self._header._replace(journal_len=self._header.journal_len + len(records))
        _write_header(self._fd, self._header)

    def _allocate(self) -> None:
        self._need_writer()
        first, size = self._next, self._chunk
        keys = {number: os.urandom(KEY_BYTES) for number in range(first, first + size)}
        slots = b"".join([self._wrap.slot(number, key) for number, key in keys.items()])
        header = self._header._replace(allocated=first + size - 1)
        with self._locked(fcntl.LOCK_EX):  # what an error leaves past the high-water mark, the next try overwrites
            keyfile.write_at(self._fd, slots, keyfile.offset_of(first))
            os.fsync(self._fd)
            _write_header(self._fd, header)
            os.fsync(self._fd)
        self._header, self._chunk = header, min(size * 2, CHUNK_MAX)
        self._remember(keys)  # each is needed as soon as its number is used

    def _remember(self, keys: dict[int, bytes]) -> None:
        for number, key in keys.items():
            if len(self._cache) >= CACHE_MAX:
                self._cache.clear()
            self._cache[number] = key
