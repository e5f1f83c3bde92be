"""What opens a share page: a signed token of ours, or a JSON Web Token that a brand signed. Both expire; neither is a link's public code.

A token is `body.signature` in base64url: the body names account, person, program and the last moment, the signature is an HMAC-SHA-256
under a key that only the key store makes. Web tokens are RFC 7519 by HS256 alone, the algorithm that a shared secret is for.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Literal

import msgspec
from msgspec import Struct

from goodword.core.profile import ProfileId
from goodword.core.times import Millis

TOKEN_CHARS_MAX = 4_096
SKEW_S = 60
"""A brand's clock may be off by so much."""
Failure = Literal["bad", "expired"]


class Pass(Struct, frozen=True, array_like=True):
    """Who may open which share page, and until when."""

    account: int
    person: ProfileId
    program: str
    expires_at: Millis


class Header(Struct, frozen=True):
    """The head of a web token: `kid` is the id of the key whose signing secret it was signed with."""

    alg: str
    kid: str = ""


class Claims(Struct, frozen=True):
    """Whom a web token is about: by user id or e-mail, until `exp` and not before `nbf`, in seconds."""

    exp: float
    email: str = ""
    partner_user_id: str = ""
    nbf: float = 0


class WebToken(Struct, frozen=True):
    """A web token taken apart; nothing of it is proven yet."""

    header: Header
    claims: Claims
    signed: bytes
    signature: bytes


_read_pass = msgspec.json.Decoder(Pass).decode
_read_header = msgspec.json.Decoder(Header).decode
_read_claims = msgspec.json.Decoder(Claims).decode


def issue(secret: bytes, granted: Pass) -> str:
    """The token of a pass."""
    body = _packed(msgspec.json.encode(granted))
    return f"{body}.{_packed(_signature(secret, body.encode()))}"


def read(secret: bytes, token: str, now: Millis) -> Pass | Failure:
    """The pass of a token that we signed and whose time has not come."""
    body, _, signature = token.partition(".")
    given = _unpacked(signature)
    if len(token) > TOKEN_CHARS_MAX or given is None or not hmac.compare_digest(given, _signature(secret, body.encode())):
        return "bad"
    granted = _read_pass(_unpacked(body) or b"")
    return granted if granted.expires_at > now else "expired"


def take_apart(token: str) -> WebToken | None:
    """A web token's parts, or None where it is none that is taken here: only HS256 is, and only a token that ends."""
    parts = token.split(".")
    pieces = [_unpacked(part) for part in parts]
    if len(token) > TOKEN_CHARS_MAX or len(pieces) != 3 or None in pieces:
        return None
    try:
        header, claims = _read_header(pieces[0] or b""), _read_claims(pieces[1] or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if header.alg != "HS256" or not (claims.email or claims.partner_user_id):
        return None
    return WebToken(header, claims, f"{parts[0]}.{parts[1]}".encode(), pieces[2] or b"")


def prove(token: WebToken, secret: str, now: Millis) -> Claims | Failure:
    """The claims of a web token, if the secret signed them and they hold now. An empty secret signs nothing."""
    if not secret or not hmac.compare_digest(token.signature, _signature(secret.encode(), token.signed)):
        return "bad"
    seconds = now / 1000
    if token.claims.nbf > seconds + SKEW_S:
        return "bad"
    return token.claims if token.claims.exp + SKEW_S > seconds else "expired"


def _signature(secret: bytes, signed: bytes) -> bytes:
    return hmac.new(secret, signed, sha256).digest()


def _packed(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _unpacked(text: str) -> bytes | None:
    try:
        return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return None
