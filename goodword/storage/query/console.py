"""Users of the console, their sessions and the audit log, to look at."""

from __future__ import annotations

import msgspec

from goodword.core.console import AuditEntry, Session, SignInLink, User
from goodword.storage.save_console import email_hash, open_session, open_user
from goodword.storage.store import Store

_SESSION = "hash, account_id, user_id, created_at, seen_at, doc"


def users(store: Store, account: int) -> list[User]:
    """An account's users, the oldest first."""
    rows = store.database.read("SELECT doc FROM console_user WHERE account_id = ?", (account,))
    return sorted((open_user(store.sealer, doc) for (doc,) in rows), key=lambda user: (user.created_at, user.id))


def everyone(store: Store) -> list[User]:
    """The users of all accounts."""
    return [found for account in store.accounts for found in users(store, account)]


def user(store: Store, account: int, id: str) -> User | None:
    """A user of an account."""
    rows = store.database.read("SELECT doc FROM console_user WHERE account_id = ? AND id = ?", (account, id))
    return open_user(store.sealer, rows[0][0]) if rows else None


def user_by_email(store: Store, email: str) -> User | None:
    """The user with this address (trimmed, lower-case), of whichever account."""
    rows = store.database.read("SELECT doc FROM console_user WHERE email = ?", (email_hash(store.sealer, email),))
    return open_user(store.sealer, rows[0][0]) if rows else None


def is_empty(store: Store) -> bool:
    """Whether the installation has no user yet."""
    return not store.database.read("SELECT 1 FROM console_user LIMIT 1")


def session(store: Store, hash: bytes) -> tuple[Session, User] | None:
    """A session by the hash of its cookie, and whose it is. Whether it still counts is the caller's to ask."""
    rows = store.database.read(
        "SELECT s.hash, s.account_id, s.user_id, s.created_at, s.seen_at, s.doc, u.doc FROM console_session s"
        " JOIN console_user u ON u.id = s.user_id WHERE s.hash = ?",
        (hash,),
    )
    return (open_session(store.sealer, rows[0][:6]), open_user(store.sealer, rows[0][6])) if rows else None


def sessions(store: Store, user_id: str) -> list[Session]:
    """A user's sessions, the last used first."""
    rows = store.database.read(f"SELECT {_SESSION} FROM console_session WHERE user_id = ? ORDER BY seen_at DESC", (user_id,))
    return [open_session(store.sealer, row) for row in rows]


def link(store: Store, hash: bytes) -> SignInLink | None:
    """A sign-in link by its hash."""
    rows = store.database.read("SELECT hash, account_id, user_id, expires_at, used_at FROM console_link WHERE hash = ?", (hash,))
    return SignInLink(*rows[0]) if rows else None


def audit(store: Store, account: int, limit: int, before: int | None = None) -> list[AuditEntry]:
    """At most `limit` changes of an account, the newest first, older than `before` (an id)."""
    rows = store.database.read(
        "SELECT account_id, id, at, user_id, action, subject, detail FROM console_audit"
        " WHERE account_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
        (account, 1 << 62 if before is None else before, limit),
    )
    return [
        AuditEntry(owner, id, at, by, action, subject, msgspec.json.decode(detail)) for owner, id, at, by, action, subject, detail in rows
    ]
