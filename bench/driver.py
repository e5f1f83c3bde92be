"""The slower drivers, in Python: filling a store, a set pace, and a probe beside a flood.

wrk asks as fast as it is answered and cannot tell a 503's latency from a 200's. Here every answer is counted by its
status, so a fill knows exactly what is stored, and a paced run measures from the moment a request was due, not from
when a busy connection got round to sending it.
"""

from __future__ import annotations

import asyncio
import base64
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bench.server import HOST, Server
from bench.traffic import Traffic, batch_body, single_body, single_path

Found = TypeVar("Found")


class DriverFailed(Exception):
    """The server answered what no client could work with."""


@dataclass(frozen=True)
class Answer:
    """One answer: its HTTP status, and the milliseconds from when the request was due to its last byte."""

    status: int
    ms: float


class Connection:
    """One kept-alive HTTP/1.1 connection; raises OSError or asyncio.IncompleteReadError when the server goes away."""

    def __init__(self, server: Server, key: str) -> None:
        self._port = server.port
        token = base64.b64encode(f"{key}:".encode()).decode()
        self._head = (
            f" HTTP/1.1\r\nHost: {HOST}:{server.port}\r\nAuthorization: Basic {token}\r\nContent-Type: application/json\r\nContent-Length: "
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send one POST; its status and the body of its answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self._port)
        reader, writer = self._streams
        writer.write(f"POST {path}{self._head}{len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        answer = await self._read_body(reader, head)
        if b"connection: close" in head:
            self.close()
        return int(head.split(b" ", 2)[1]), answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    @staticmethod
    async def _read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
        for line in head.split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return await reader.readexactly(int(line[15:]))
        if b"transfer-encoding: chunked" not in head:
            return b""
        parts = []
        while size := int(await reader.readuntil(b"\r\n"), 16):
            parts.append((await reader.readexactly(size + 2))[:-2])
        await reader.readuntil(b"\r\n")
        return b"".join(parts)


@dataclass
class Fill:
    """Grow a store by `events` stored events, in batches of 100 on 16 connections.

    Message times are spread evenly from `from_ms` to `to_ms` (Unix time), as in a store that grew over days.
    """

    server: Server
    key: str
    traffic: Traffic
    events: int
    from_ms: int
    to_ms: int
    on_progress: Callable[[int], None]
    """Called with the number of events acknowledged so far."""
    connections: int = 16
    batch: int = 100
    messages_stored: int = field(default=0, init=False)
    events_stored: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)

    def run(self) -> None:
        """Fill; every batch is sent until it is answered 200.

        Raises:
            DriverFailed: a batch was refused for another reason than overload.
        """
        began = time.perf_counter()
        _run(self._run())
        self.seconds = time.perf_counter() - began

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self.connections):
                group.create_task(self._one_connection())

    async def _one_connection(self) -> None:
        connection = Connection(self.server, self.key)
        while self.events_stored < self.events:
            part = min(1.0, self.events_stored / self.events)
            at_ms = int(self.from_ms + (self.to_ms - self.from_ms) * part)
            messages, events = self.traffic.messages_made, self.traffic.events_made
            body = batch_body([self.traffic.message(at_ms + ms) for ms in range(self.batch)], self.key)
            messages, events = self.traffic.messages_made - messages, self.traffic.events_made - events
            while (answer := await connection.post("/v1/batch", body))[0] == 503:
                await asyncio.sleep(0.2)
            if answer[0] != 200:
                raise DriverFailed(f"a batch was answered {answer[0]}: {answer[1][:500]!r}")
            self.messages_stored += messages
            self.events_stored += events
            self.on_progress(self.events_stored)
        connection.close()


def paced(server: Server, key: str, traffic: Traffic, *, rate: float, seconds: float, lag_s: int) -> list[Answer]:
    """Post batches of 100 on 16 connections at `rate` batches a second, evenly spaced, for `seconds`.

    The milliseconds of an answer count from when its batch was due, waiting for a free connection included.
    """
    return _run(_paced(server, key, traffic, rate, seconds, lag_s))


async def _paced(server: Server, key: str, traffic: Traffic, rate: float, seconds: float, lag_s: int) -> list[Answer]:
    due: asyncio.Queue[float | None] = asyncio.Queue()
    answers: list[Answer] = []

    async def connection_loop() -> None:
        connection = Connection(server, key)
        while (at := await due.get()) is not None:
            at_ms = int((time.time() - lag_s) * 1000)
            body = batch_body([traffic.message(at_ms) for _ in range(100)], key)
            status, _ = await connection.post("/v1/batch", body)
            answers.append(Answer(status, (time.perf_counter() - at) * 1000))
        connection.close()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(connection_loop()) for _ in range(16)]
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            at = began + number / rate
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            due.put_nowait(at)
        for _ in tasks:
            due.put_nowait(None)
    return answers


def _run(job: Coroutine[Any, Any, Found]) -> Found:
    """Run `job`; the first failure of its connections is raised as DriverFailed."""
    try:
        return asyncio.run(job)
    except ExceptionGroup as group:
        failure = group.exceptions[0]
        if isinstance(failure, OSError | EOFError):
            raise DriverFailed(f"the server closed a connection without an answer: {failure!r}") from failure
        raise failure from None


async def _while_running(job: Awaitable[None], stop: asyncio.Event) -> None:
    try:
        await job
    finally:
        stop.set()


def probe(server: Server, key: str, traffic: Traffic, *, flood: Callable[[], None], lag_s: int) -> list[Answer]:
    """Ask gently, with single messages on 16 connections 20 times a second each, while `flood` runs in a thread."""
    return _run(_probe(server, key, traffic, flood, lag_s))


async def _probe(server: Server, key: str, traffic: Traffic, flood: Callable[[], None], lag_s: int) -> list[Answer]:
    answers: list[Answer] = []
    stop, ready = asyncio.Event(), asyncio.Semaphore(0)

    async def ask(connection: Connection) -> Answer:
        message = traffic.message(int((time.time() - lag_s) * 1000))
        body = single_body(message, key)
        began = time.perf_counter()
        status, _ = await connection.post(single_path(message), body)
        return Answer(status, (time.perf_counter() - began) * 1000)

    async def connection_loop(number: int) -> None:
        connection = Connection(server, key)
        await ask(connection)  # Connected before the flood comes: what is timed is answers, not the queue of new clients.
        ready.release()
        await asyncio.sleep(0.5 + number / 320)  # The flood needs a moment to open its connections.
        while not stop.is_set():
            answers.append(await ask(connection))
            await asyncio.sleep(0.05)
        connection.close()

    async with asyncio.TaskGroup() as group:
        for number in range(16):
            group.create_task(connection_loop(number))
        for _ in range(16):
            await ready.acquire()
        group.create_task(_while_running(asyncio.to_thread(flood), stop))
    return answers


def percentile(values: list[float], percent: float) -> float:
    """The smallest value that `percent` of the values do not exceed; 0 without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0
