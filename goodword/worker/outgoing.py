"""The client that calls receivers: it trusts neither the name it is given nor the server that answers.

- A name is resolved here, and only addresses that may be called are connected to, the very ones that were looked at: a name that
  changes its address in between gains nothing. A socket is made for no other address, whoever asks for it.
- No redirects, no cookies, no proxies of the environment; certificates are verified.
- Time-outs for connecting and for the whole; of an answer 64 KB are read, as they come, never unpacked.
"""

from __future__ import annotations

import asyncio
import socket
import time
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from goodword.core.address import Allowed, read_address
from goodword.worker.exchange import Exchange

CONNECT_S = 5.0
TOTAL_S = 15.0
ANSWER_BYTES_MAX = 64 * 1024
HEADERS_KEPT_MAX = 50
KEEP_ALIVE_S = 30.0
NAMES_KEPT_S = 10


class Refused(OSError):
    """The address is none that may be called: private, loopback, link-local, shared, multicast, reserved."""


class _Resolver(AbstractResolver):
    """Resolves names to addresses that may be called."""

    def __init__(self, allowed: Allowed) -> None:
        self.allowed = allowed
        self.named: set[str] = set()
        """Addresses of names on the allow-list."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG)
        addresses = list(dict.fromkeys(str(place[0]) for _, _, _, _, place in found))
        if self.allowed.names(host):
            self.named.update(addresses)
        else:
            addresses = [address for address in addresses if self.allowed.permits(ip_address(address))]
        if not addresses:
            raise Refused(f"{host} has no address that may be called")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""

    def make_socket(self, place: tuple[Any, ...]) -> socket.socket:
        """A socket to connect with: the last gate. Errors: Refused."""
        family, kind, protocol, _, target = place
        if target[0] not in self.named and not self.allowed.permits(ip_address(target[0])):
            raise Refused(f"{target[0]} is no address that may be called")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


class Outgoing:
    """Calls receivers. Made and used on one event loop."""

    def __init__(self, allowed: Allowed, *, connect_s: float = CONNECT_S, total_s: float = TOTAL_S) -> None:
        self.allowed = allowed
        self._resolver = _Resolver(allowed)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # how many calls there are at once is decided an endpoint, in delivery.py
                resolver=self._resolver,
                socket_factory=self._resolver.make_socket,
                ttl_dns_cache=NAMES_KEPT_S,
                keepalive_timeout=KEEP_ALIVE_S,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=total_s, sock_connect=connect_s),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("Accept-Encoding", "User-Agent"),
        )

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Exchange:
        """One POST. Whatever goes wrong is in the exchange; nothing is raised but cancellation."""
        started = time.perf_counter()
        status, kept, said, error, is_cut = None, {}, bytearray(), "", False
        try:
            self._check(url)
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                status = response.status
                kept = {name: value[:1_000] for name, value in list(response.headers.items())[:HEADERS_KEPT_MAX]}
                async for part in response.content.iter_any():
                    said += part
                    if len(said) > ANSWER_BYTES_MAX:
                        is_cut = True
                        response.close()
                        break
        except Exception as failure:  # no receiver, and no defect in talking to one, may stop the others' deliveries
            error = _named(failure)
            is_cut = status is not None
        if status is not None and 300 <= status < 400:
            error = "redirect_refused"
        millis = int((time.perf_counter() - started) * 1_000)
        return Exchange(millis, status, error, kept, bytes(said[:ANSWER_BYTES_MAX]).decode("utf-8", "replace"), is_cut)

    def _check(self, url: str) -> None:
        """An address in the URL itself asks no resolver. Errors: Refused."""
        host = URL(url).host or ""
        address = read_address(host)
        if address is not None and not self.allowed.permits(address):
            raise Refused(f"{host} is no address that may be called")

    async def close(self) -> None:
        """Hang up."""
        await self._session.close()


_NAMES: tuple[tuple[type[BaseException], str], ...] = (
    (Refused, "address_refused"),
    (aiohttp.ClientConnectorCertificateError, "bad_certificate"),
    (aiohttp.ClientSSLError, "tls_failed"),
    (aiohttp.ClientConnectorDNSError, "name_not_found"),
    (socket.gaierror, "name_not_found"),
    (TimeoutError, "timeout"),
    (ConnectionRefusedError, "connection_refused"),
    (aiohttp.ServerDisconnectedError, "connection_closed"),
    (aiohttp.ClientPayloadError, "connection_closed"),
    (ConnectionError, "connection_closed"),
    (aiohttp.ClientResponseError, "not_http"),
    (aiohttp.InvalidURL, "invalid_url"),
    (OSError, "unreachable"),
)


def _named(failure: BaseException) -> str:
    """A word for what went wrong; a cause inside it says more than what it is wrapped in."""
    seen: BaseException | None = failure
    while seen is not None:
        if isinstance(seen, Refused):
            return "address_refused"
        seen = getattr(seen, "os_error", None) or seen.__cause__ or seen.__context__
    inner = getattr(failure, "os_error", None)
    for each in (failure, inner):
        for kind, name in _NAMES:
            if isinstance(each, kind) and not (kind is OSError and each is failure and inner is not None):
                return name
    return "failed"
