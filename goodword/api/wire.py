"""The connection: HTTP/1.1 by uvicorn and httptools, with a short way for the usual message.

A POST to a message door with a length, all in the ordinary way, is taken from the parser straight to its door: no task, no
coroutine, one write for the answer. Whatever is unusual about a request (its method, HTTP/1.0, a chunked body, `Expect`, an
upgrade, an unusual path, too long a body, another request still being answered, a client that does not read) goes the ordinary
way, by ASGI, to the same door, which says the same.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

from goodword.api.app import Application
from goodword.api.http import Answer, Door, Headers, Request, take

HEAD_BYTES_MAX = 64 * 1024
STALLED_S = 60.0
_BY_ASGI = frozenset((b"expect", b"transfer-encoding", b"upgrade"))
_ODD_VALUE = re.compile(b"[\x00-\x08\x0a-\x1f\x7f]").search


class Exchange:
    """One request on the short way, and its answer. uvicorn's protocol sees it as the cycle it would have made itself."""

    __slots__ = ("body", "disconnected", "door", "keep_alive", "message_event", "more_body", "protocol", "request", "response_complete")

    def __init__(self, protocol: Protocol, door: Door, request: Request, keep_alive: bool) -> None:
        self.protocol = protocol
        self.door = door
        self.request = request
        self.keep_alive = keep_alive
        self.body: list[bytes] = []
        self.more_body = True
        self.response_complete = False
        self.disconnected = False
        self.message_event = _NOBODY_WAITS

    def reply(self, found: bytes | Exception) -> None:
        """Write the answer, if anybody is there to read it."""
        if self.response_complete:
            return
        answer = self.protocol.application.answer_to(self.door, self.request, found)
        self.response_complete = True
        transport = self.protocol.transport
        if not self.disconnected and not transport.is_closing():
            transport.write(packed(answer, self.keep_alive))
            if not self.keep_alive:
                transport.close()
        self.protocol.on_response_complete()


class _NobodyWaits:
    """Stands for the event of a cycle: nothing waits for what happens to an exchange."""

    def set(self) -> None:
        """Nothing."""


_NOBODY_WAITS = _NobodyWaits()


def packed(answer: Answer, keep_alive: bool) -> bytes:
    """An answer's bytes, as uvicorn would write them."""
    parts = [STATUS_LINE[answer.status], _packed_headers(answer.headers), b"content-length: %d\r\n" % len(answer.body)]
    if not keep_alive:
        parts.append(b"connection: close\r\n")
    parts += (b"\r\n", answer.body)
    return b"".join(parts)


def _packed_headers(headers: Headers) -> bytes:
    return b"".join([b"%s: %s\r\n" % header for header in headers])


class Protocol(HttpToolsProtocol):
    """One connection. A request's head is bounded: a client cannot fill the memory with it."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(config.app, Application)
        self.application = config.app
        self.exchange: Exchange | None = None
        self.is_in_head = False
        self.head_bytes = 0
        self.idle_since = 0.0

    def data_received(self, data: bytes) -> None:
        """Feed the parser; hang up on a head that does not end."""
        super().data_received(data)
        if self.is_in_head:
            self.head_bytes += len(data)
            if self.head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")
        else:
            self.head_bytes = 0

    def on_message_begin(self) -> None:
        """A head begins. Its scope is only made if it is needed."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self.is_in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is there: choose the way."""
        self.is_in_head = False
        door = self.application.short_ways.get(self.url)
        if door is not None and not self.is_answering and not self.flow.write_paused:
            headers = dict(self.headers)
            if self._is_usual(headers, door.body_bytes_max):
                request = Request("POST", self.url.decode(), b"", headers, peer=self.client[0] if self.client else "")
                self.exchange = Exchange(self, door, request, self.parser.should_keep_alive())
                self.cycle = self.exchange  # type: ignore[assignment]  # for connection_lost, shutdown and pipelines
                return
        url, headers_sent = self.url, self.headers
        super().on_message_begin()
        self.url = url
        self.headers.extend(headers_sent)
        self.expect_100_continue = any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers_sent)
        super().on_headers_complete()

    def _is_usual(self, headers: dict[bytes, bytes], bytes_max: int) -> bool:
        """Whether a request to a message door can go the short way."""
        length = headers.get(b"content-length", b"")
        return (
            self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and _BY_ASGI.isdisjoint(headers)
            and length.isdigit()
            and int(length) <= bytes_max
            and not _ODD_VALUE(headers.get(b"origin", b""))
        )

    def on_body(self, body: bytes) -> None:
        """A piece of a body. On the short way it has a length that was looked at, so it ends."""
        if self.exchange is None:
            super().on_body(body)
        else:
            self.exchange.body.append(body)

    def on_message_complete(self) -> None:
        """The request is whole: give it to its door."""
        exchange = self.exchange
        if exchange is None:
            super().on_message_complete()
            return
        self.exchange = None
        exchange.more_body = False
        body = exchange.body
        exchange.request.body = body[0] if len(body) == 1 else b"".join(body)
        exchange.body = []
        take(exchange.door, exchange.request, exchange.reply)

    def on_response_complete(self) -> None:
        """Go on with what the client sent meanwhile, or begin to wait for what it sends next."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self.idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing has come for long: one timer a connection, which looks how long it really was."""
        self.timeout_keep_alive_task = None
        if self.is_in_head or self.is_answering or self.transport.is_closing():
            return  # the end of the request sets the timer again
        left = self.idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        super().connection_lost(exc)
        self.exchange = None
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def _unset_keepalive_if_required(self) -> None:
        """Called for each piece of data: the timer stays, and looks for itself when its time has come."""

    @property
    def is_answering(self) -> bool:
        """Whether the head of a request has come that is not answered."""
        cycle: RequestResponseCycle | None = self.__dict__["cycle"]  # uvicorn says it is never None, and begins with None
        return cycle is not None and not cycle.response_complete

    @property
    def is_waiting(self) -> bool:
        """Whether the request has not arrived whole, or none has begun."""
        if self.is_in_head or self.__dict__["cycle"] is None:
            return True
        return self.cycle.more_body and not self.cycle.response_complete


async def hang_up_on_stalled(server: Server) -> None:
    """Close connections whose request did not arrive whole between two looks: they would hold a descriptor for ever."""
    before: dict[Protocol, object] = {}
    while True:
        await asyncio.sleep(STALLED_S)
        waiting: dict[Protocol, object] = {}
        for connection in list(server.server_state.connections):
            if isinstance(connection, Protocol) and connection.is_waiting:
                if connection in before and before[connection] is connection.headers:  # a list of its own for each request
                    connection.transport.close()
                else:
                    waiting[connection] = connection.headers
        before = waiting
