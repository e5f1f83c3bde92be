"""The key store's files: how they are made, read, overwritten and replaced. `keys.py` says what is in them, `cipher.py` how it looks."""

import base64
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from goodword.storage.cipher import (
    KEY_BYTES,
    LIFTED,
    NO_HASH,
    RECORD_BYTES,
    SLOT_BYTES,
    Header,
    NewerFormat,
    Tombstone,
    Unreadable,
    gone_slot,
    unpack_tombstones,
)

HEADER_BYTES = 4096
BLOCK_SLOTS = 16384  # read and written at once: 1 MiB


class KeyStoreError(Exception):
    """The key store cannot be used."""

    def __init__(self, detail: object = "") -> None:
        super().__init__(f"{type(self).__doc__} {detail}".strip())


class WrongMasterKey(KeyStoreError):
    """The master key does not fit this key store, or is not base64 of 32 bytes."""


class KeyStoreDamaged(KeyStoreError):
    """The key store is damaged: restore the keys.* files together from a backup."""


class KeyStoreMissing(KeyStoreError):
    """There is no key store here, or one of its files is missing:"""


class NewerKeyStore(KeyStoreError):
    """The key store was written by a newer version of Goodword: install that version."""


class InsecureMasterFile(KeyStoreError):
    """Other users of this machine can read the master key file. Make it yours alone:"""


class KeyStoreBusy(KeyStoreError):
    """Another process uses the key store: stop it first."""


class KeyStoreReadOnly(KeyStoreError):
    """The key store was opened for reading."""


def parse_master(text: str) -> bytes:
    """The 32-byte master key from its base64 text. Errors: WrongMasterKey."""
    try:
        master = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        master = b""
    if len(master) != KEY_BYTES:
        raise WrongMasterKey
    return master


def complete(profile_ids: Sequence[int], records: list[Tombstone]) -> list[Tombstone]:
    """Tombstones of one destruction, checked, with one for every profile. Errors: ValueError."""
    if any(len(t.hash16) != 16 or t.deleted_at < 0 or not 0 <= t.account_no < 1 << 32 for t in records):
        raise ValueError("a tombstone has a 32-bit account number, a 16-byte hash and a time since 1970")
    wanted, named = set(profile_ids), {t.profile_id for t in records} - {0, LIFTED}
    if not named <= wanted:
        raise ValueError("a tombstone names a profile that is to be destroyed, or 0")
    if wanted - named:
        if len({t.account_no for t in records}) != 1:
            raise ValueError("profiles without a tombstone need the tombstones of one account beside them")
        latest = max(t.deleted_at for t in records)
        records += [Tombstone(records[0].account_no, NO_HASH, n, latest, False) for n in sorted(wanted - named)]
    return records


def offset_of(profile_id: int) -> int:
    """Where a profile's slot begins in keys.bin."""
    return HEADER_BYTES + (profile_id - 1) * SLOT_BYTES


def read_slot(fd: int, profile_id: int) -> bytes:
    """The 64 bytes of a profile's slot; fewer past the end of the file."""
    return os.pread(fd, SLOT_BYTES, offset_of(profile_id))


def blocks(fd: int, first: int, last: int) -> Iterator[tuple[int, list[bytes]]]:
    """The slots from `first` to `last`, in lists with the number of their first. Errors: KeyStoreDamaged."""
    for start in range(first, last + 1, BLOCK_SLOTS):
        end = min(start + BLOCK_SLOTS, last + 1)
        data = os.pread(fd, (end - start) * SLOT_BYTES, offset_of(start))
        if len(data) != (end - start) * SLOT_BYTES:
            raise KeyStoreDamaged("keys.bin is cut.")
        yield start, [data[i : i + SLOT_BYTES] for i in range(0, len(data), SLOT_BYTES)]


def read_journal(fd: int, start: int, end: int) -> Iterator[Tombstone]:
    """The records of keys.journal from index `start` to before `end`. Errors: KeyStoreDamaged."""
    for first in range(start, end, BLOCK_SLOTS):
        size = min(BLOCK_SLOTS, end - first) * RECORD_BYTES
        records = list(unpack_tombstones(os.pread(fd, size, (first + 1) * RECORD_BYTES)))
        yield from records
        if len(records) * RECORD_BYTES != size:
            raise KeyStoreDamaged(f"Record {first + len(records)} of keys.journal is unreadable.")


def overwrite(fd: int, records: Iterable[Tombstone], last: int) -> None:
    """Destroy the keys of these tombstones' profiles, up to the number `last`; the caller syncs."""
    for t in records:
        if 0 < t.profile_id <= last:  # written also when it is gone already: an fsync may have failed in between
            write_at(fd, gone_slot(t.deleted_at, read_slot(fd, t.profile_id)), offset_of(t.profile_id))


def read_header(fd: int) -> Header:
    """What keys.bin begins with. Errors: NewerKeyStore, KeyStoreDamaged."""
    try:
        return Header.unpack(os.pread(fd, HEADER_BYTES, 0))
    except NewerFormat:
        raise NewerKeyStore from None
    except Unreadable:
        raise KeyStoreDamaged("The header of keys.bin is unreadable.") from None


def header_page(header: Header) -> bytes:
    """The first page of keys.bin."""
    return header.pack().ljust(HEADER_BYTES, b"\0")


def write_header(fd: int, header: Header) -> None:
    """Write the whole first page; the caller syncs. What ever changes in it is in one disk sector: never torn."""
    write_at(fd, header_page(header), 0)


def new_path(path: Path) -> Path:
    """Where the successor of a file is written before it takes its place."""
    return path.with_name(path.name + ".new")


def read_master(path: Path) -> bytes:
    """The master key in a file. Errors: InsecureMasterFile, WrongMasterKey, OSError."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise InsecureMasterFile(f"chmod 600 {path}")
        return parse_master(file.read().decode("ascii", "replace"))


def create_master(path: Path, master: bytes) -> None:
    """Write a master key to a new file, durably."""
    create_file(path, base64.b64encode(master) + b"\n")
    fsync_directory(path.parent)


def create(path: Path) -> int:
    """Open a new file that only its owner may read. Errors: FileExistsError."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)


def create_file(path: Path, data: bytes) -> None:
    """A new private file with these bytes, synced; its folder is not."""
    fd = create(path)
    try:
        write_at(fd, data, 0)
        os.fsync(fd)
    finally:
        os.close(fd)


def write_at(fd: int, data: bytes, offset: int) -> None:
    """Write all of the bytes at this place. Errors: OSError, and then a part may be written."""
    while data:  # a nearly full disk takes a part
        done = os.pwrite(fd, data, offset)
        data, offset = data[done:], offset + done


def zero(fd: int) -> None:
    """Overwrite an open file with zeros, sync it and close it."""
    size = os.fstat(fd).st_size
    for offset in range(0, size, HEADER_BYTES):
        write_at(fd, bytes(min(HEADER_BYTES, size - offset)), offset)
    os.fsync(fd)
    os.close(fd)


def scrub(path: Path) -> None:
    """Overwrite a left-over file with zeros and remove it."""
    if path.exists():
        zero(os.open(path, os.O_RDWR))
        path.unlink()


def replace_durably(new: Path, path: Path) -> None:
    """Rename `new` to `path` durably, then overwrite with zeros what `path` was."""
    old = os.open(path, os.O_RDWR) if path.exists() else -1
    os.replace(new, path)
    fsync_directory(path.parent)
    if old >= 0:
        zero(old)


def fsync_directory(path: Path) -> None:
    """Make what was created, renamed or removed in a folder durable."""
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
