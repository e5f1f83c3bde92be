"""HTTP for the message doors, which are plain functions: a request in, an answer out when its commit is done.

Two ways lead to them: `wire.py` takes the usual request from the connection itself, and `serve` takes any request by ASGI. Both
answer the same. Everything else is Starlette.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any, Protocol

import msgspec
from msgspec import Struct

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

encode = msgspec.json.Encoder().encode
JSON = (b"content-type", b"application/json")


class Refusal(Exception):
    """An answer other than 2xx: a status, a code for programs and a sentence for people."""

    def __init__(self, status: int, code: str, message: str, headers: Headers | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or []


class Request(Struct):
    """What a door looks at."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes = b""
    scheme: str = "http"
    peer: str = ""


class Answer(Struct):
    """A whole answer; its length is said by whoever sends it."""

    status: int
    body: bytes
    headers: Headers


Reply = Callable[[bytes | Exception], None]
"""Takes the body of a 200, a Refusal, or an error nobody expected. Called once."""


class Door(Protocol):
    """Where messages come in."""

    body_bytes_max: int

    def look(self, request: Request) -> bytes | None:
        """What a 200 that the head alone decides says; None when the body is needed. Errors: Refusal."""

    def take(self, request: Request, reply: Reply) -> None:
        """Take a whole request; `reply` is called when it is done, perhaps at once. Errors: Refusal, and then `reply` is not called."""

    def answer(self, request: Request, found: bytes | Refusal) -> Answer:
        """The answer to what a request came to."""


def take(door: Door, request: Request, reply: Reply) -> None:
    """Give a door a whole request, its body as it arrived. `reply` is called in any case, with any error."""
    try:
        said = door.look(request)
        if said is None:
            request.body = unpacked(request, request.body, door.body_bytes_max)
            door.take(request, reply)
    except Exception as error:
        reply(error)
    else:
        if said is not None:
            reply(said)


async def serve(door: Door, scope: Scope, receive: Receive, send: Send) -> None:
    """A door as an ASGI application."""
    request = read_head(scope)
    found: bytes | Refusal | None
    try:
        found = door.look(request)
        if found is None:
            request.body = await read_body(request, receive, door.body_bytes_max)
            found = await _taken(door, request)
    except Refusal as refusal:
        found = refusal
    said = door.answer(request, found)
    await answer(send, said.status, said.body, said.headers)


async def _taken(door: Door, request: Request) -> bytes:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def reply(found: bytes | Exception) -> None:
        if future.done():  # cancelled: the client is gone
            return
        if isinstance(found, Exception):
            future.set_exception(found)
        else:
            future.set_result(found)

    door.take(request, reply)
    return await future


def read_head(scope: Scope) -> Request:
    """The request without its body; of a repeated header the last one counts."""
    headers = dict(scope["headers"])
    client = scope.get("client")
    peer = client[0] if client else ""
    return Request(scope["method"], scope["path"], scope["query_string"], headers, scheme=scope.get("scheme", "http"), peer=peer)


async def read_body(request: Request, receive: Receive, bytes_max: int) -> bytes:
    """The body, unpacked where it says gzip or is gzip. Errors: Refusal 400, 413."""
    said = request.headers.get(b"content-length")
    if said is not None and said.isdigit() and int(said) > bytes_max:
        raise too_large(bytes_max)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Refusal(400, "disconnected", "The request ended early.")
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "disconnected", "The request ended early.")
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > bytes_max:
                raise too_large(bytes_max)
            if not message.get("more_body"):
                break
        body = b"".join(parts)
    elif len(body) > bytes_max:  # in one piece, though no length was said
        raise too_large(bytes_max)
    return unpacked(request, body, bytes_max)


def unpacked(request: Request, body: bytes, bytes_max: int) -> bytes:
    """A whole body, unpacked where it says gzip or is gzip. Errors: Refusal 400, 413."""
    if body[:2] == b"\x1f\x8b" or request.headers.get(b"content-encoding", b"").lower() in (b"gzip", b"x-gzip"):
        return unpack(body, bytes_max)
    return body


def unpack(body: bytes, bytes_max: int) -> bytes:
    """A gzip body unpacked, up to a bound. Errors: Refusal 400, 413."""
    unpacker = zlib.decompressobj(31)
    try:
        unpacked = unpacker.decompress(body, bytes_max + 1)
    except zlib.error:
        raise Refusal(400, "invalid_encoding", "The body says it is gzip and cannot be unpacked.") from None
    if len(unpacked) > bytes_max:
        raise too_large(bytes_max)
    if not unpacker.eof:
        raise Refusal(400, "invalid_encoding", "The gzip body is cut off.")
    return unpacked


def too_large(bytes_max: int) -> Refusal:
    """413."""
    return Refusal(413, "too_large", f"The body is larger than {bytes_max} bytes. Send fewer messages at once.")


async def answer(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """Send a whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def answer_in_parts(send: Send, parts: Iterator[bytes], headers: Headers) -> None:
    """Send a file part by part, each made when the one before it has gone; between two the loop does other work. An error in the first
    part is the caller's to answer; one in a later part cuts the answer off, so that nobody takes it for whole."""
    part = next(parts, b"")
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while part:
        await send({"type": "http.response.body", "body": part, "more_body": True})
        await asyncio.sleep(0)
        part = next((more for more in parts if more), b"")
    await send({"type": "http.response.body", "body": b""})
