"""What the edge knows of the device a request comes from: its address behind trusted proxies, its kind, its country, block lists.

Addresses and user agents leave here as short keyed hashes, so that what is stored can be compared and says nothing by itself. What
is not known stays empty: a rule then says UNKNOWN and does not fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import crawleruseragents

from goodword import config
from goodword.core.referral import Evidence
from goodword.core.site import ad_mark
from goodword.storage.store import Store

TOKEN_BYTES = 8
AGENT_CHARS_MAX = 512
SITE_CHARS_MAX = 200
HOPS_MAX = 20
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Kind = Literal["person", "crawler", "headless"]

_TOOL = re.compile(
    r"^(curl|wget|httpie|python|aiohttp|httpx|axios|node|undici|got |go-http-client|okhttp|java/|apache-httpclient|libwww|ruby|php|perl"
    r"|postmanruntime|insomnia|dart|cfnetwork)",
    re.IGNORECASE,
)
"""Programs that follow a link because somebody told them to, apps and scripts: the list of crawlers has them, and they are let through."""
_HEADLESS = re.compile(r"headless|phantomjs|slimerjs|playwright|puppeteer|selenium|webdriver|cypress", re.IGNORECASE)
_PREVIEW = re.compile(r"preview|linkexpand|embed(?:ly|bot)|unfurl|facebookexternalhit|whatsapp/|telegrambot|viber|signal-", re.IGNORECASE)
_FRAMES = frozenset((b"iframe", b"frame", b"fencedframe", b"embed", b"object"))


class GeoipUnreadable(Exception):
    """The file that GOODWORD_GEOIP names is no country database that can be read. Give it a .mmdb file, or leave the setting empty."""


class BadNetwork(Exception):
    """GOODWORD_TRUSTED_PROXIES must be addresses or networks with commas between them, such as 10.0.0.0/8, ::1."""


class Edge:
    """Makes evidence for one installation."""

    def __init__(self, store: Store, proxies: Sequence[Network], country: Callable[[str], str]) -> None:
        self.store = store
        self.proxies = proxies
        self.country = lru_cache(maxsize=16_384)(country)
        self._address_of = lru_cache(maxsize=16_384)(self._find_address)

    @classmethod
    def of_settings(cls, store: Store) -> Edge:
        """As the environment says. Errors: GeoipUnreadable, BadNetwork."""
        return cls(store, read_networks(config.read("GOODWORD_TRUSTED_PROXIES")), read_countries(config.read("GOODWORD_GEOIP")))

    def address_of(self, peer: str, headers: Mapping[bytes, bytes]) -> str:
        """The client's address: the peer's, or behind trusted proxies the last one in X-Forwarded-For that is none of theirs.

        Empty when it is unknown. A loopback address is of this machine and says nothing of who asks.
        """
        return self._address_of(peer, headers.get(b"x-forwarded-for"))

    def _find_address(self, peer: str, forwarded: bytes | None) -> str:
        address = read_address(peer)
        if forwarded is not None and (address is None or self._is_trusted(address)):
            for hop in reversed(forwarded.decode("latin-1").split(",")[-HOPS_MAX:]):
                before = read_address(hop)
                if before is None:
                    break
                address = before
                if not self._is_trusted(before):
                    break
        return "" if address is None or address.is_loopback else str(address)

    def is_proxied(self, peer: str) -> bool:
        """Whether a request comes through a trusted proxy, so that its X-Forwarded headers are believed."""
        address = read_address(peer)
        return address is not None and self._is_trusted(address)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self.proxies)

    def evidence(
        self, account: int, *, ip: str = "", agent: str = "", referrer: str = "", device: str = "", hint: str = "", page: str = ""
    ) -> Evidence:
        """Evidence of what is known; `ip` in any spelling, `device` an anonymous id, `page` an address that an ad may have marked."""
        address, net = _place_of(ip)
        kind = kind_of(agent)
        lists = self.store.block_lists.get(account)
        return Evidence(
            self._token(account, "i", address),
            self._token(account, "n", net),
            self._token(account, "g", agent[:AGENT_CHARS_MAX]),
            self.country(address) if address else "",
            site_of(referrer),
            self._token(account, "d", device),
            kind != "person",
            lists.of_device(address, agent) if lists is not None else "",
            hint or ("headless" if kind == "headless" else ""),
            ad_mark(page) if page else "",
        )

    def _token(self, account: int, kind: str, text: str) -> str:
        return self.store.sealer.hash(account, kind + text)[:TOKEN_BYTES].hex() if text else ""


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks written with commas between them. Errors: BadNetwork."""
    try:
        return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError:
        raise BadNetwork from None


@lru_cache(maxsize=16_384)
def read_address(text: str) -> Address | None:
    """An address, with or without a port, brackets or a zone; an IPv4 one that is written as IPv6 is IPv4. None when it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=16_384)
def _place_of(ip: str) -> tuple[str, str]:
    """An address as it is always written, and its network; nothing of a loopback address, which is of this machine."""
    address = read_address(ip) if ip else None
    return ("", "") if address is None or address.is_loopback else (str(address), net_of(address))


def net_of(address: Address) -> str:
    """The network that an address's neighbours share: /24, or /48 of IPv6."""
    if isinstance(address, IPv4Address):
        return str(address).rpartition(".")[0] + ".0/24"
    return f"{IPv6Address(int(address) >> 80 << 80)}/48"


@lru_cache(maxsize=16_384)
def kind_of(agent: str) -> Kind:
    """What a user agent says it is. A program that somebody uses to follow a link is let through as a person is."""
    agent = agent[:AGENT_CHARS_MAX]
    if _HEADLESS.search(agent):
        return "headless"
    if _TOOL.match(agent):
        return "person"
    return "crawler" if _PREVIEW.search(agent) or crawleruseragents.is_crawler(agent) else "person"


def is_prefetch(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser or a messenger asks ahead of anybody: prefetch, prerender, preview."""
    for name in (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz"):
        said = headers.get(name)
        if said is not None and any(word in said.lower() for word in (b"prefetch", b"preview", b"prerender")):
            return True
    return False


def hint_of(headers: Mapping[bytes, bytes]) -> str:
    """What a browser says of how a page is opened, where that is no ordinary visit: `frame`, `subresource`."""
    said = headers.get(b"sec-fetch-dest", b"").lower()
    if said in _FRAMES:
        return "frame"
    return "subresource" if said in (b"image", b"script", b"style", b"font", b"audio", b"video", b"track", b"manifest") else ""


def is_mobile(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a phone asks."""
    said = headers.get(b"sec-ch-ua-mobile")
    return said == b"?1" if said in (b"?0", b"?1") else b"Mobi" in headers.get(b"user-agent", b"")


@lru_cache(maxsize=4_096)
def site_of(referrer: str) -> str:
    """Host and path of a referring page; the path is left out where it may name somebody."""
    try:
        parts = urlsplit(referrer)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https", "android-app") or not host:
        return ""
    path = parts.path.rstrip("/")
    return (host + ("" if "@" in path or "%40" in path else path))[:SITE_CHARS_MAX]


def read_countries(file: str) -> Callable[[str], str]:
    """Finds countries in a database in MaxMind's format; without a file none is known. Errors: GeoipUnreadable."""
    if not file:
        return lambda _: ""
    import maxminddb  # a fifth of a second to load, for those who have a file

    try:
        reader = maxminddb.open_database(Path(file))
    except (OSError, ValueError, maxminddb.InvalidDatabaseError):
        raise GeoipUnreadable from None

    def country(ip: str) -> str:
        try:
            found = reader.get(ip)
        except (ValueError, maxminddb.InvalidDatabaseError):
            return ""
        place = found.get("country") if isinstance(found, dict) else None
        code = place.get("iso_code") if isinstance(place, dict) else None
        if code is None and isinstance(found, dict):
            code = found.get("country_code")
        return code.upper() if isinstance(code, str) and len(code) == 2 else ""

    return country
