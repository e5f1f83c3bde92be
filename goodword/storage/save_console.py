"""Writes and reads the rows of the console's users. Whatever names them is sealed with the installation's secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from goodword.core.console import SESSION_LIVES_MS, AuditEntry, Session, SignInLink, User
from goodword.core.decision import SessionSeen, SessionsEnded
from goodword.storage.driver import Row

if TYPE_CHECKING:
    from goodword.storage.rows import Sealer
    from goodword.storage.store import Store

_encode = msgspec.json.Encoder().encode
_read_user = msgspec.json.Decoder(User).decode
_read_place = msgspec.json.Decoder(tuple[str, str]).decode


def email_hash(sealer: Sealer, email: str) -> bytes:
    """What a user is looked up by, in all accounts."""
    return sealer.hash(0, "console:" + email)


def open_user(sealer: Sealer, doc: bytes) -> User:
    """A sealed user. Errors: cipher.Unreadable."""
    return _read_user(sealer.open_secret(doc))


def open_session(sealer: Sealer, row: Row) -> Session:
    """A row of `console_session`."""
    hash, account, user_id, created_at, seen_at, doc = row
    return Session(hash, account, user_id, created_at, seen_at, *_read_place(sealer.open_secret(doc)))


def load_users(store: Store) -> dict[str, User]:
    """All users of all accounts: there are few, and an address is to be nobody else's in any of them."""
    return {id: open_user(store.sealer, doc) for id, doc in store.database.load("SELECT id, doc FROM console_user")}


def load_links(store: Store, hashes: set[bytes]) -> dict[bytes, SignInLink]:
    """Sign-in links by their hashes; a command names one at most."""
    found: dict[bytes, SignInLink] = {}
    for wanted in hashes:
        rows = store.database.load("SELECT hash, account_id, user_id, expires_at, used_at FROM console_link WHERE hash = ?", (wanted,))
        found.update((row[0], SignInLink(*row)) for row in rows)
    return found


class ConsoleSaving:
    """The rows of one group, written in the order they were decided."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._statements: list[tuple[str, tuple[Any, ...]]] = []

    def take(self, record: Any) -> None:
        """Add one record."""
        say, sealer = self._statements.append, self.store.sealer
        match record:
            case User():
                doc = sealer.seal_secret(_encode(record).decode())
                say((
                    "INSERT INTO console_user VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (id) DO UPDATE SET email = excluded.email, doc = excluded.doc",
                    (record.id, record.account, email_hash(sealer, record.email), doc),
                ))  # fmt: skip
            case SignInLink():
                if record.used_at is None:
                    say(("DELETE FROM console_link WHERE user_id = ?", (record.user_id,)))
                say((
                    "INSERT INTO console_link VALUES (?, ?, ?, ?, ?) ON CONFLICT (hash) DO UPDATE SET used_at = excluded.used_at",
                    (record.hash, record.account, record.user_id, record.expires_at, record.used_at),
                ))  # fmt: skip
            case Session():
                say(("DELETE FROM console_session WHERE created_at < ?", (record.created_at - SESSION_LIVES_MS,)))
                place = sealer.seal_secret(_encode((record.agent, record.address)).decode())
                at = (record.created_at, record.seen_at)
                say(("INSERT INTO console_session VALUES (?, ?, ?, ?, ?, ?)", (record.hash, record.account, record.user_id, *at, place)))
            case SessionSeen():
                say(("UPDATE console_session SET seen_at = ? WHERE hash = ?", (record.at, record.hash)))
            case SessionsEnded(hash=None):
                say(("DELETE FROM console_session WHERE user_id = ? AND hash <> ?", (record.user_id, record.kept)))
            case SessionsEnded():
                say(("DELETE FROM console_session WHERE user_id = ? AND hash = ?", (record.user_id, record.hash)))
            case AuditEntry():
                what = (record.user_id, record.action, record.subject, _encode(record.detail).decode())
                say(("INSERT INTO console_audit VALUES (?, ?, ?, ?, ?, ?, ?)", (record.account, record.id, record.at, *what)))
            case _:
                raise TypeError(type(record).__name__)

    def write(self) -> None:
        """Write everything, inside the caller's transaction."""
        for sql, values in self._statements:
            self.store.database.write(sql, values)
