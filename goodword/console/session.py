"""Who is asking: the session behind a cookie, the token that every change must carry, and where a change may come from.

A cookie holds 192 random bits; the database holds their SHA-256. The token of changes (CSRF) is a keyed hash of the cookie, so that it
needs no place of its own and ends with the session. Somebody who is not signed in has a guest cookie for the same purpose.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response

from goodword import config
from goodword.api.auth import hash_secret
from goodword.api.evidence import Edge
from goodword.api.http import Request as Head
from goodword.api.http import read_head
from goodword.core.console import SESSION_LIVES_MS, Session, User, is_live
from goodword.core.times import Millis
from goodword.storage.query import console as query
from goodword.storage.store import Store

NAME, GUEST = "goodword_session", "goodword_guest"
TOKEN_BYTES = 24
SEEN_EVERY_MS = 5 * 60_000
AGENT_CHARS_MAX = 200
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"


def new_token() -> str:
    """A new secret for a cookie or a link."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def csrf_of(token: str) -> str:
    """The token that changes made with this cookie carry."""
    return blake2b(b"csrf", key=token.encode()[:64], digest_size=18).hexdigest()


def is_secure(head: Head, edge: Edge) -> bool:
    """Whether the browser's end of the connection has TLS, as far as a trusted proxy or the connection itself says."""
    said = head.headers.get(b"x-forwarded-proto", b"").split(b",")[0].strip().lower()
    return (said if said and edge.is_proxied(head.peer) else head.scheme.encode()) == b"https"


def cookie_name(name: str, is_secure: bool) -> str:
    """A cookie's name: behind TLS browsers hold `__Host-` ones to be secure and of this host alone."""
    return f"__Host-{name}" if is_secure else name


def set_cookie(response: Response, name: str, value: str, *, is_secure: bool, max_age_s: int | None) -> None:
    """Give a browser a cookie that scripts cannot read and other sites cannot send along with a change."""
    response.set_cookie(cookie_name(name, is_secure), value, max_age=max_age_s, path="/", secure=is_secure, httponly=True, samesite="lax")


def sign_in(response: Response, token: str, is_secure: bool) -> None:
    """Hand out a session's cookie."""
    set_cookie(response, NAME, token, is_secure=is_secure, max_age_s=SESSION_LIVES_MS // 1000)


def new_session(token: str, user: User, now: Millis, head: Head, edge: Edge) -> Session:
    """A session to be opened with this cookie, from where the request came."""
    agent = head.headers.get(b"user-agent", b"").decode("latin-1")[:AGENT_CHARS_MAX]
    return Session(hash_secret(token), user.account, user.id, now, now, agent, edge.address_of(head.peer, head.headers))


def find_session(store: Store, token: str | None, now: Millis) -> tuple[Session, User] | None:
    """The live session of a cookie, and its user, who is not disabled."""
    found = query.session(store, hash_secret(token)) if token else None
    if found is None or not is_live(found[0], now) or found[1].disabled_at is not None:
        return None
    return found


def comes_from_here(request: Request, edge: Edge) -> bool:
    """Whether a change was asked for by a page of this server: by what the browser says of the fetch, else by the page's origin.

    A request that says neither is no browser's of the last years, and refused."""
    head = read_head(request.scope)
    site = head.headers.get(b"sec-fetch-site", b"").decode("latin-1")
    if site:
        return site in ("same-origin", "none")
    origin = head.headers.get(b"origin", b"").decode("latin-1")
    host = head.headers.get(b"host", b"")
    if edge.is_proxied(head.peer):
        host = head.headers.get(b"x-forwarded-host", host).split(b",")[0].strip()
    here = f"{'https' if is_secure(head, edge) else 'http'}://{host.decode('latin-1')}"
    return origin in (here, config.read("GOODWORD_PUBLIC_URL").rstrip("/")) and origin != ""


def has_token(expected: str, given: str) -> bool:
    """Whether a change carries its session's token."""
    return bool(given) and hmac.compare_digest(expected.encode(), given.encode())
