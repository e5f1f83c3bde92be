"""Rows sealed and opened: look-up keys to keyed hashes, bodies and documents to bytes only the profile's key reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec

from goodword.core.account import Account, Key, Scope, Settings
from goodword.core.profile import Profile
from goodword.storage.cipher import NONCE_BYTES, seal, unseal
from goodword.storage.dictionary import BODY_BYTES_MAX, Bodies
from goodword.storage.driver import Keys

NONCES_AHEAD = 1024

Text = TypeVar("Text", bound=str)

_encode_profile = msgspec.json.Encoder().encode
_decode_profile = msgspec.json.Decoder(Profile).decode
_decode_any = msgspec.json.Decoder().decode
_NO_HASHES: dict[str, bytes] = {}


class Sealer:
    """Hashes and seals under one key store."""

    def __init__(self, keys: Keys) -> None:
        self._hash = blake2b(key=keys.pepper, digest_size=16)
        self._begun: dict[int, blake2b] = {}
        self.group_hashes: dict[int, dict[str, bytes]] = {}
        """By account, what `hashes` found for the group of commands being decided."""
        self.account_secret = blake2b(b"account secrets", key=keys.pepper, digest_size=32).digest()
        self.page_secret = blake2b(b"share pages", key=keys.pepper, digest_size=32).digest()
        self.bodies = Bodies()
        self._nonces = b""
        self._used = NONCES_AHEAD

    def hash(self, account: int, text: str) -> bytes:
        """The 16 bytes that stand for a look-up text (a key, a claim, a message id with its kind letter) of one account."""
        hashed = (self._begun.get(account) or self._begin(account)).copy()
        hashed.update(text.encode())
        return hashed.digest()

    def _begin(self, account: int) -> blake2b:
        begun = self._begun[account] = self._hash.copy()
        begun.update(b"%d:" % account)
        return begun

    def hashes(self, account: int, kind: str, texts: Iterable[Text]) -> dict[bytes, Text]:
        """Texts by the hashes they are stored under, each with its kind letter put before it; remembered until the next group begins."""
        begin = (self._begun.get(account) or self._begin(account)).copy
        remembered = self.group_hashes.setdefault(account, {})
        found = {}
        for text in texts:
            hashed = begin()
            whole = kind + text
            hashed.update(whole.encode())
            remembered[whole] = hash16 = hashed.digest()
            found[hash16] = text
        return found

    def hash_again(self, account: int, text: str) -> bytes:
        """The hash of a text that the group's look-ups have probably asked for."""
        return self.group_hashes.get(account, _NO_HASHES).get(text) or self.hash(account, text)

    def _nonce(self) -> bytes:
        used = self._used
        if used >= NONCES_AHEAD:
            self._nonces = os.urandom(NONCE_BYTES * NONCES_AHEAD)
            used = 0
        self._used = used + 1
        return self._nonces[used * NONCE_BYTES : (used + 1) * NONCE_BYTES]

    def seal_body(self, key: bytes, body: bytes) -> bytes:
        """A message's body, compressed and sealed. An empty body stays empty."""
        return seal(key, self.bodies.pack(body), self._nonce()) if body else b""

    def seal_code(self, code: str) -> bytes:
        """A coupon's code that nobody has yet: too short to compress, and there may be a million."""
        return seal(self.account_secret, code.encode(), self._nonce())

    def open_code(self, sealed: bytes) -> str:
        """What `seal_code` sealed."""
        return unseal(self.account_secret, sealed).decode()

    def open_body(self, key: bytes, sealed: bytes) -> bytes:
        """What `seal_body` was given. Errors: cipher.Unreadable."""
        return self.bodies.unpack(unseal(key, sealed)) if sealed else b""

    def seal_profile(self, key: bytes, profile: Profile) -> bytes:
        """A profile's document; compressed when it is long."""
        doc = _encode_profile(profile)
        if len(doc) > 2_000:
            doc = b"z" + self.bodies.pack_plainly(doc)
        return seal(key, doc, self._nonce())

    def open_profile(self, key: bytes, sealed: bytes) -> Profile:
        """What `seal_profile` was given. Errors: cipher.Unreadable."""
        doc = unseal(key, sealed)
        if doc[:1] == b"z":
            doc = self.bodies.unpack(doc[1:], 64 * BODY_BYTES_MAX)
        return _decode_profile(doc)

    def seal_dictionary(self, dictionary: bytes) -> bytes:
        """A learned dictionary, as kept."""
        return seal(self.account_secret, dictionary, self._nonce())

    def open_dictionary(self, sealed: bytes) -> bytes:
        """What `seal_dictionary` was given. Errors: cipher.Unreadable."""
        return unseal(self.account_secret, sealed)

    def seal_secret(self, secret: str) -> bytes | None:
        """A key's signing secret, as kept."""
        return seal(self.account_secret, secret.encode(), self._nonce()) if secret else None

    def open_secret(self, sealed: bytes | None) -> str:
        """What `seal_secret` was given."""
        return unseal(self.account_secret, sealed).decode() if sealed else ""


def split_body(body: bytes) -> tuple[tuple[str, ...], bytes]:
    """A stored body as its notes and the message as it arrived."""
    if body.startswith(b"["):
        notes, _, raw = body.partition(b"\n")
        return tuple(_decode_any(notes)), raw
    return (), body


def account_row(account: Account) -> tuple[Any, ...]:
    """An account as a row: of its settings those that are not as they are by themselves, so that older nodes can read it, too."""
    usual = msgspec.to_builtins(Settings())
    said = {name: value for name, value in msgspec.to_builtins(account.settings).items() if value != usual[name]}
    return account.number, account.id, account.created_at, msgspec.json.encode(said).decode()


def calendar_rows(account: Account) -> list[tuple[Any, ...]]:
    """An account's days as a row of `calendar`; none where they are those of UTC, and always were."""
    return [(account.number, msgspec.json.encode(account.calendar).decode())] if account.calendar.turns else []


def key_row(key: Key, sealer: Sealer) -> tuple[Any, ...]:
    """A key as a row of `api_key`."""
    scopes = " ".join(key.scopes)
    return (
        key.account, key.id, key.name, key.hash, key.hint, scopes, key.created_at, key.revoked_at, key.last_used_at,
        sealer.seal_secret(key.signing_secret), key.expires_at,
    )  # fmt: skip


KEY_COLUMNS = "account_id, id, name, hash, hint, scopes, created_at, revoked_at, last_used_at, signing_secret, expires_at"


def read_key(row: tuple[Any, ...], sealer: Sealer) -> Key:
    """A row of `api_key`, its KEY_COLUMNS, as a key."""
    account, id, name, hash, hint, scopes, created_at, revoked_at, last_used_at, secret, expires_at = row
    return Key(
        id,
        account,
        name,
        hash,
        hint,
        tuple(map(Scope, scopes.split())),
        created_at,
        revoked_at,
        last_used_at,
        sealer.open_secret(secret),
        expires_at,
    )
