"""Whose key a request carries. A secret is compared by its SHA-256; the secret itself is kept nowhere."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from functools import lru_cache
from hashlib import sha1, sha256
from urllib.parse import unquote_plus

from goodword.core.account import RIGHTS, Key, Right, Scope
from goodword.engine import wall_clock_ms
from goodword.storage.store import Store

CACHED_MAX = 10_000
SECRET_BYTES = 24


def new_secret(scopes: tuple[Scope, ...]) -> str:
    """A new random key: `gw_`, its strongest scope's letter, and 192 bits."""
    strongest = max(scopes, key=list(Scope).index)
    return f"gw_{strongest.value[0]}_{secrets.token_urlsafe(SECRET_BYTES)}"


def hash_secret(secret: str) -> bytes:
    """What is stored of a secret."""
    return sha256(secret.encode("utf-8", "replace")).digest()


def may(key: Key, right: Right) -> bool:
    """Whether a key has a right."""
    return right in _rights_of(key.scopes)


@lru_cache(maxsize=64)
def _rights_of(scopes: tuple[Scope, ...]) -> frozenset[Right]:
    return frozenset(right for scope in scopes for right in RIGHTS[scope])


def is_over(key: Key) -> bool:
    """Whether a key has ended by itself."""
    return key.expires_at is not None and key.expires_at <= wall_clock_ms()


def is_browser_key(key: Key) -> bool:
    """Whether a key may stand in a public page, so that what it says is a claim anyone can make."""
    return key.scopes[0] is Scope.INGEST and all(scope is Scope.INGEST for scope in key.scopes)


def read_authorization(header: bytes) -> str | None:
    """The secret of `Basic base64(KEY:)`, colon and password optional, or of `Bearer KEY`; any case of the word."""
    word, _, rest = header.decode("latin-1").strip().partition(" ")
    rest = rest.strip()
    if word.lower() == "bearer":
        return rest or None
    if word.lower() != "basic":
        return None
    try:
        user = base64.b64decode(rest + "=" * (-len(rest) % 4), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return None
    return user.partition(":")[0] or None


def query_value(query: bytes, *names: str) -> str | None:
    """The first of these parameters that a query string holds."""
    if not query:
        return None
    for part in query.decode("latin-1").split("&"):
        name, _, value = part.partition("=")
        if name in names and value:
            return unquote_plus(value)
    return None


def signature_matches(key: Key, signed: bytes, signature: bytes | None) -> bool:
    """Whether `X-Signature` is the hex HMAC-SHA1 of the signed bytes; true for a key without a signing secret."""
    if not key.signing_secret:
        return True
    expected = hmac.new(key.signing_secret.encode(), signed, sha1).hexdigest().encode()
    return hmac.compare_digest(expected, (signature or b"").strip().lower().removeprefix(b"sha1="))


class Keyring:
    """Finds keys by what requests carry, and remembers when each was last used."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_header: dict[bytes, Key] = {}
        self._version: dict[bytes, Key] = {}
        self._used: dict[bytes, int] = {}

    def by_header(self, header: bytes) -> Key | None:
        """The live key of an Authorization header."""
        if self._version is not self._store.keys_by_hash:
            self._version = self._store.keys_by_hash
            self._by_header.clear()
        key = self._by_header.get(header)
        if key is None:
            secret = read_authorization(header)
            key = self.by_secret(secret) if secret else None
            if key is not None and len(self._by_header) < CACHED_MAX:
                self._by_header[header] = key
        elif key.expires_at is not None and is_over(key):
            return None
        else:
            self._used[key.hash] = 0
        return key

    def by_secret(self, secret: str) -> Key | None:
        """The live key with this secret."""
        key = self._store.keys_by_hash.get(hash_secret(secret))
        if key is None or key.revoked_at is not None or is_over(key):
            return None
        self._used[key.hash] = 0
        return key

    def has_expired(self, secret: str) -> bool:
        """Whether there was a key with this secret, until it ended by itself."""
        key = self._store.keys_by_hash.get(hash_secret(secret))
        return key is not None and key.revoked_at is None and is_over(key)

    def take_used(self) -> tuple[tuple[bytes, int], ...]:
        """The keys used since this was last asked, as of now."""
        used, self._used = self._used, {}
        now = wall_clock_ms()
        return tuple((hash, now) for hash in used)
