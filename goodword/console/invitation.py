"""New users and their sign-in links. Apart from the pages, so that the command line need not load them."""

from __future__ import annotations

import secrets

from goodword.api.auth import hash_secret
from goodword.api.intake import new_id
from goodword.core.command import PutSignInLink
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
