"""A real HTTP server that receives webhooks, on a thread of its own, and misbehaves on purpose, by path."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

GIGABYTE = 1 << 30
PART = b"x" * 65_536


class Got(NamedTuple):
    """A request that came whole."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Listens on 127.0.0.1. `/ok` takes; `/hang`, `/gigabyte`, `/drip`, `/drip-head`, `/cut`, `/close`, `/garbage`, `/redirect` do not, or
    oddly; `/status/503` answers with that status, `/flaky/2` with 500 twice for each event, then 200. `statuses` overrides by path."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.got: list[Got] = []
        self.statuses: dict[str, int] = {}
        self.delay_s = 0.0
        self.sent_bytes = 0
        self.connections = 0
        self.open_requests: Counter[str] = Counter()
        self.most_at_once: Counter[str] = Counter()
        self._tries: Counter[str] = Counter()
        self._ready = threading.Event()
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def url(self, path: str) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Got]:
        return [got for got in self.got if got.path == path]

    def wait(self, count: int, path: str = "/ok", timeout_s: float = 20.0) -> list[Got]:
        """What came to a path, once it is so many."""
        until(lambda: len(self.at(path)) >= count, timeout_s, lambda: f"{len(self.at(path))} of {count} came to {path}")
        return self.at(path)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._converse, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._tasks: set[Any] = set()
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        self.connections += 1
        path = ""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                path = head[0].split(" ")[1]
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.open_requests[path] += 1
                self.most_at_once[path] = max(self.most_at_once[path], self.open_requests[path])
                self.got.append(Got(path, headers, body))
                try:
                    if not await self._answer(path, headers, writer):
                        break
                finally:
                    self.open_requests[path] -= 1
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _answer(self, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        """Answer; whether the connection may go on."""
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        kind, _, number = path.strip("/").partition("/")
        status = self.statuses.get(path)
        if status is None and kind == "flaky":
            event = headers["webhook-id"]
            self._tries[event] += 1
            status = 500 if self._tries[event] <= int(number) else 200
        if status is None and kind == "status":
            status = int(number)
        if status is not None:
            more = "retry-after: 4\r\n" if status == 429 else ""
            body = "" if status == 204 else "content-length: 4\r\n\r\nsaid"
            writer.write(f"HTTP/1.1 {status} Said\r\n{more}{body or chr(13) + chr(10)}".encode())
        elif kind == "hang":
            await asyncio.sleep(3600)
        elif kind == "gigabyte":
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {GIGABYTE}\r\n\r\n".encode())
            while self.sent_bytes < GIGABYTE:
                writer.write(PART)
                await writer.drain()
                self.sent_bytes += len(PART)
        elif kind == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            await self._drip(writer, b"x" * 1_000)
        elif kind == "drip-head":
            await self._drip(writer, b"HTTP/1.1 200 OK\r\nx-slow: " + b"x" * 1_000)
        elif kind == "cut":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly this")
            await writer.drain()
            return False
        elif kind == "close":
            return False
        elif kind == "garbage":
            writer.write(b"\x00\xff this is no HTTP\r\n\r\n")
        elif kind == "redirect":
            writer.write(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest/meta-data/\r\ncontent-length: 0\r\n\r\n")
        elif kind == "redirect-home":
            writer.write(f"HTTP/1.1 307 Moved\r\nlocation: {self.url('/ok')}\r\ncontent-length: 0\r\n\r\n".encode())
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()
        return True

    @staticmethod
    async def _drip(writer: asyncio.StreamWriter, data: bytes) -> None:
        for place in range(len(data)):
            writer.write(data[place : place + 1])
            await writer.drain()
            await asyncio.sleep(0.2)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def until(holds: Callable[[], bool], timeout_s: float = 20.0, said: Callable[[], str] = lambda: "it never came to be") -> None:
    """Wait for something."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, said()
        time.sleep(0.01)


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS with a certificate for 127.0.0.1 that its own key signed, and the certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "receiver.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file
