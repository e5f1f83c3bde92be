"""Addresses of share links: what they begin with, where they lead, and how a click's id gets into the address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, unquote_plus, urlsplit, urlunsplit

import uuid_utils

from goodword import config
from goodword.core.campaign import Share
from goodword.core.signal import CLICK_PARAMETER

PATH = "/s/"
FRIEND_PATH = "/f/"
SHARE_PAGE_PATH = "/share/"
_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?").fullmatch
_PLAIN = "%/:?#[]@!$&'()*+,;=~-._"
_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_PAIRS = [first + second for first in _DIGITS for second in _DIGITS]
_UTM = ("source", "medium", "campaign", "term", "content", "id")


def new_click_id() -> str:
    """26 characters that grow with time and are random otherwise: 74 bits nobody can guess, and nothing about anybody."""
    number = uuid_utils.uuid7().int << 2
    return "".join([_PAIRS[number >> place & 1023] for place in range(120, -1, -10)])


def origin_of(scheme: str, headers: Mapping[bytes, bytes], is_proxied: bool) -> str:
    """What links begin with: as set, else where the request came to, as a trusted proxy says or as the client does."""
    public = config.read("GOODWORD_PUBLIC_URL").rstrip("/")
    if public:
        return public
    host = headers.get(b"host", b"")
    if is_proxied:
        host = headers.get(b"x-forwarded-host", host)
        said = headers.get(b"x-forwarded-proto", b"").decode("latin-1").split(",")[0].strip().lower()
        scheme = said if said in ("http", "https") else scheme
    name = host.decode("latin-1").split(",")[0].strip()
    return f"{scheme}://{name}" if _HOST(name) else f"{scheme}://localhost"


def link_to(origin: str, code: str) -> str:
    """A share link."""
    return f"{origin}{PATH}{code}"


def destination_of(share: Share, content_url: str, is_phone: bool) -> str:
    """Where a link leads: the campaign's page (the one for phones), or a page of the same site that the link itself names."""
    page = (share.mobile_destination if is_phone else "") or share.destination
    return content_url if content_url and is_same_site(content_url, share.destination) else page


def is_same_site(url: str, of: str) -> bool:
    """Whether an address is of the site of another, or of a part of that site. A link must not lead elsewhere: it would redirect for
    anyone who can write one."""
    try:
        here, there = urlsplit(url), urlsplit(of)
        host, home = (here.hostname or "").rstrip("."), (there.hostname or "").rstrip(".").removeprefix("www.")
    except ValueError:
        return False
    return here.scheme in ("http", "https") and bool(home) and (host == home or host.endswith("." + home)) and "\\" not in url


@lru_cache(maxsize=4_096)
def _parts(destination: str, utm: tuple[tuple[str, str], ...], with_click: bool) -> tuple[str, str] | None:
    """What stands before and after the click id, or (without a click) a whole address and nothing. None: no address to redirect to."""
    try:
        parts = urlsplit("".join(char for char in destination.strip() if char >= " "))
        host = parts.hostname or ""
        netloc = parts.netloc if parts.netloc.isascii() else parts.netloc.replace(host, host.encode("idna").decode())
    except (ValueError, UnicodeError):
        return None
    if parts.scheme not in ("http", "https") or not host or not netloc.isascii():
        return None
    added = [(name if name.startswith("utm_") or name not in _UTM else f"utm_{name}", value) for name, value in utm]
    replaced = {CLICK_PARAMETER, *(name for name, _ in added)}
    kept = [pair for pair in parts.query.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in replaced]
    query = "&".join(quote(pair, safe=_PLAIN) for pair in kept)
    more = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in added)
    path, fragment = quote(parts.path, safe=_PLAIN) or "/", quote(parts.fragment, safe=_PLAIN)
    if not with_click:
        return urlunsplit((parts.scheme, netloc, path, "&".join(filter(None, (query, more))), fragment)), ""
    before = urlunsplit((parts.scheme, netloc, path, "&".join(filter(None, (query, CLICK_PARAMETER + "="))), ""))
    return before, (f"&{more}" if more else "") + (f"#{fragment}" if fragment else "")


def address_with(destination: str, utm: Mapping[str, str], click_id: str = "") -> str | None:
    """A destination with the click's id and the campaign's parameters among its own. None when it is no web address."""
    found = _parts(destination, tuple(utm.items()), bool(click_id))
    return None if found is None else f"{found[0]}{click_id}{found[1]}"
