"""The people who use the console: who they are, what they may do, how they are signed in, and what they did.

Passwords and tokens are made and compared outside the core; here they are hashes. What names a user is sealed by `storage`.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from goodword.core.times import Millis

Role = Literal["support", "marketer", "admin"]
ROLES: tuple[Role, ...] = ("support", "marketer", "admin")
"""From the least to the most. Support sees people and rewards; a marketer also runs campaigns; an admin also has keys, users, deletion."""

LINK_LIVES_MS = 24 * 3_600_000
SESSION_LIVES_MS = 14 * 24 * 3_600_000
SESSION_IDLE_MS = 24 * 3_600_000


class User(Struct, frozen=True):
    """A user of the console, of one account. `email` is trimmed and lower-case, and unique in the installation.

    `password` is an argon2 hash, "" until one was set; `totp` the base32 secret of the second factor, "" for none, and `totp_used` the
    last time step that was accepted, so that no code counts twice. `zone` is an IANA time zone, "" for the browser's; `theme` likewise.
    """

    id: str
    account: int
    email: str
    role: Role
    created_at: Millis
    name: str = ""
    password: str = ""
    totp: str = ""
    totp_used: int = 0
    disabled_at: Millis | None = None
    zone: str = ""
    theme: Literal["", "light", "dark"] = ""


class Session(Struct, frozen=True):
    """A signed-in browser, found by the hash of its cookie. `agent` is what the browser called itself, `address` where it was."""

    hash: bytes
    account: int
    user_id: str
    created_at: Millis
    seen_at: Millis
    agent: str = ""
    address: str = ""


class SignInLink(Struct, frozen=True):
    """A link that signs a user in once: the first run's, an invitation's, or a forgotten password's."""

    hash: bytes
    account: int
    user_id: str
    expires_at: Millis
    used_at: Millis | None = None


class AuditEntry(Struct, frozen=True):
    """One change: who did what to what. `subject` and `detail` hold ids and settings, never what names a person of the brand's.

    `user_id` is a console user's, `key:` and the id of an API key, or "" for the command line; `action` reads like `key.created`."""

    account: int
    id: int
    at: Millis
    user_id: str
    action: str
    subject: str = ""
    detail: dict[str, Any] = {}


def may(role: Role, needed: Role) -> bool:
    """Whether a role is enough where another is needed."""
    return ROLES.index(role) >= ROLES.index(needed)


def is_live(session: Session, now: Millis) -> bool:
    """Whether a session still counts: neither too old nor left alone for too long."""
    return now - session.created_at < SESSION_LIVES_MS and now - session.seen_at < SESSION_IDLE_MS
