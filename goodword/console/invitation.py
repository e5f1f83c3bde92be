"""New users and their sign-in links. Apart from the pages, so that the command line need not load them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from goodword.api.auth import hash_secret
from goodword.api.intake import new_id
from goodword.core.command import Command, PutSignInLink, PutUser
from goodword.core.console import LINK_LIVES_MS, Role, SignInLink, User
from goodword.core.times import Millis

PATH = "/console/welcome/"
TOKEN_BYTES = 24


def new_user(account: int, email: str, role: Role, now: Millis, name: str = "") -> User:
    """A user who has no password yet."""
    return User(new_id(), account, email, role, now, name)


def invite(user: User, now: Millis) -> tuple[str, PutSignInLink]:
    """The path of a new link of a user's, and the command that makes it work."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return PATH + token, PutSignInLink(user.account, SignInLink(hash_secret(token), user.account, user.id, now + LINK_LIVES_MS))


def first_invitation(users: Sequence[User], now: Millis) -> tuple[str, tuple[Command, ...]]:
    """The path of a link for the first admin, and the commands that make it work; nothing once anybody has a password."""
    if any(user.password for user in users):
        return "", ()
    user = users[0] if users else new_user(1, "", "admin", now)
    path, command = invite(user, now)
    return path, (PutUser(user.account, user), command)
