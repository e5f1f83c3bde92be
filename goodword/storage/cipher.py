"""Encryption of personal data, and how the key store's bytes look. Pure but for random nonces; `keys.py` has the files.

A row is sealed with its person's data key: without the key nobody reads it, wherever a copy of it lies.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 12, 16
SLOT_BYTES, RECORD_BYTES = 64, 40
FORMAT_VERSION = 1
NO_HASH = bytes(16)  # in the tombstone of a profile that had no look-up key
LIFTED = (1 << 63) - 1  # the profile number of a tombstone that takes a suppression back

_MAGIC, _JOURNAL_MAGIC, _LIVE, _GONE = b"GWKEYS\r\n", b"GWKJRNL1", b"LIVE", b"GONE"
_HEADER = struct.Struct(">8sII16sQQ60s")  # magic, version, 0, then the fields of Header; a CRC32 follows
_RECORD = struct.Struct(">I16sQQ")  # account, hash, profile, deleted_at * 2 + suppressed; a CRC32 follows


class Unreadable(Exception):
    """The bytes were changed, cut, or encrypted with another key."""


class NewerFormat(Exception):
    """The bytes were written by a newer version."""


def seal(key: bytes, plain: bytes, nonce: bytes) -> bytes:
    """`nonce` (12 bytes, never twice with one key), then AES-256-GCM of `plain` and its 16-byte tag. `key`: 32 bytes.

    The cipher object is made anew: kept for a person's next row it would outlive the key's destruction, and as it takes 2.5 KB, a group's
    worth of them made the rest slower than it saved."""
    return nonce + AESGCM(key).encrypt(nonce, plain, None)


def unseal(key: bytes, sealed: bytes) -> bytes:
    """The plain bytes of what `seal` returned. Errors: Unreadable."""
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        raise Unreadable
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
    except InvalidTag:
        raise Unreadable from None


class KeyWrap:
    """Wraps one store's keys under its master key (32 bytes). A wrapped key opens only in its own store and place.

    Nonces are random: far fewer than 2**32 keys are ever wrapped with one master key."""

    def __init__(self, master: bytes, store_id: bytes) -> None:
        self._cipher, self._store_id = AESGCM(master), store_id

    def wrap(self, number: int, key: bytes) -> bytes:
        """60 bytes: nonce, encrypted key, tag. Number 0 is the pepper's."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, self._store_id + number.to_bytes(8))

    def unwrap(self, number: int, wrapped: bytes) -> bytes:
        """The key that was wrapped as this number. Errors: Unreadable."""
        try:
            place = self._store_id + number.to_bytes(8)
            return self._cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], place)
        except InvalidTag:
            raise Unreadable from None

    def slot(self, number: int, key: bytes) -> bytes:
        """The 64 bytes of a living profile."""
        return self.wrap(number, key) + _LIVE

    def open_slot(self, number: int, slot: bytes) -> bytes | None:
        """The data key, None when it was destroyed. Errors: Unreadable."""
        if slot[60:] == _LIVE:
            return self.unwrap(number, slot[:60])
        if destroyed_at(slot) is None or slot[8:60] != bytes(52):
            raise Unreadable
        return None


def gone_slot(deleted_at: int, before: bytes) -> bytes:
    """The 64 bytes of a destroyed profile (epoch ms), in place of `before`: of two destructions the later counts."""
    return max(deleted_at, destroyed_at(before) or 0).to_bytes(8) + bytes(52) + _GONE


def destroyed_at(slot: bytes) -> int | None:
    """The time in a destroyed slot, in epoch ms."""
    return int.from_bytes(slot[:8]) if slot[60:] == _GONE else None


class Header(NamedTuple):
    """What keys.bin begins with."""

    store_id: bytes
    allocated: int
    journal_len: int  # records whose slots are overwritten
    wrapped_pepper: bytes

    def pack(self) -> bytes:
        return _with_crc(_HEADER.pack(_MAGIC, FORMAT_VERSION, 0, *self))

    @classmethod
    def unpack(cls, data: bytes) -> "Header":
        """Errors: Unreadable, NewerFormat."""
        data = data[: _HEADER.size + 4]
        if len(data) != _HEADER.size + 4 or data[:8] != _MAGIC:
            raise Unreadable
        _, version, _, *fields = _HEADER.unpack(data[:-4])
        if version > FORMAT_VERSION:
            raise NewerFormat
        if _with_crc(data[:-4]) != data:
            raise Unreadable
        return cls(*fields)


class Tombstone(NamedTuple):
    """A deleted look-up key. `profile_id`: 0 when nobody was known by it. `deleted_at`: epoch ms, the later counts.

    With `LIFTED` for a profile it says that the key's suppression ended then; messages older than that stay dropped."""

    account_no: int
    hash16: bytes
    profile_id: int
    deleted_at: int
    suppressed: bool

    def pack(self) -> bytes:
        """40 bytes. Errors: struct.error."""
        when = self.deleted_at << 1 | self.suppressed
        return _with_crc(_RECORD.pack(self.account_no, self.hash16, self.profile_id, when))


def unpack_tombstones(data: bytes) -> Iterator[Tombstone]:
    """The records of the journal up to the first that is torn."""
    for i in range(0, len(data) - RECORD_BYTES + 1, RECORD_BYTES):
        record = data[i : i + RECORD_BYTES]
        if _with_crc(record[:-4]) != record:
            return
        account_no, hash16, profile_id, when = _RECORD.unpack(record[:-4])
        yield Tombstone(account_no, hash16, profile_id, when >> 1, bool(when & 1))


def journal_header(store_id: bytes) -> bytes:
    """The first 40 bytes of keys.journal."""
    return _with_crc(_JOURNAL_MAGIC + store_id + bytes(12))


def _with_crc(data: bytes) -> bytes:
    return data + zlib.crc32(data).to_bytes(4)
