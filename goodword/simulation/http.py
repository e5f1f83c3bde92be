"""A small HTTP/1.1 client: kept-alive connections, no redirects followed, headers as given."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

BROKEN = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
TRIES = 4
TIMEOUT_S = 60.0
RETRY_PAUSE_S = 0.3
Body = bytes | Callable[[], bytes]


class Unreachable(Exception):
    """The server does not answer."""


class Answer(NamedTuple):
    """A response. `headers` are as text, in lower case up to the colon."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


class Client:
    """At most `connections` requests at once; the rest wait for a free connection."""

    def __init__(self, url: str, connections: int = 48) -> None:
        parts = urlsplit(url)
        self._host, self._tls = parts.hostname or "127.0.0.1", parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._name = parts.netloc
        self._path = parts.path.rstrip("/")
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._slots = asyncio.Semaphore(connections)
        self.waiting = 0
        """Requests that wait for a connection."""

    async def request(self, method: str, path: str, body: Body = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """One request. Sent again when the connection breaks or the server says 503. Errors: Unreachable.

        A body that says when it is sent is made anew for each try, once there is a connection for it.
        """
        answer = None
        self.waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self.waiting -= 1
        try:
            for trial in range(TRIES * 20):
                try:
                    answer = await asyncio.wait_for(self._exchange(self._raw(method, path, body, headers)), TIMEOUT_S)
                except (*BROKEN, TimeoutError):
                    if trial >= TRIES:
                        break
                else:
                    if answer.status != 503:
                        return answer
                await asyncio.sleep(RETRY_PAUSE_S)
        finally:
            self._slots.release()
        if answer is not None:
            return answer
        raise Unreachable(f"{self._name} does not answer.")

    def _raw(self, method: str, path: str, body: Body, headers: Mapping[str, str] | None) -> bytes:
        made = body if isinstance(body, bytes) else body()
        lines = [f"{method} {self._path}{path} HTTP/1.1", f"Host: {self._name}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if made or method in ("POST", "PUT"):
            lines.append(f"Content-Length: {len(made)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + made

    async def _exchange(self, raw: bytes) -> Answer:
        if self._free:
            reader, writer = self._free.pop()
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls or None)
        try:
            writer.write(raw)
            status, headers = _read_head(await reader.readuntil(b"\r\n\r\n"))
            body = await _read_body(reader, status, headers)
        except BaseException:
            writer.close()
            raise
        if headers.get("connection", "").lower() == "close":
            writer.close()
        else:
            self._free.append((reader, writer))
        return Answer(status, headers, body)

    async def close(self) -> None:
        """Hang up."""
        for _, writer in self._free:
            writer.close()
        self._free.clear()
        await asyncio.sleep(0)


def _read_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return int(first.split(" ", 2)[1]), headers


async def _read_body(reader: asyncio.StreamReader, status: int, headers: Mapping[str, str]) -> bytes:
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    if headers.get("transfer-encoding", "").lower() == "chunked":
        parts = []
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append((await reader.readexactly(size + 2))[:-2])
        await reader.readuntil(b"\r\n")
        return b"".join(parts)
    return b"" if status in (204, 304) else await reader.read()
