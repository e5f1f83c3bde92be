"""Raw ASGI for the hot doors: reading a bounded body, answering with bytes. Everything else is Starlette."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

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


def read_head(scope: Scope) -> Request:
    """The request without its body; of a repeated header the last one counts."""
    return Request(scope["method"], scope["path"], scope["query_string"], dict(scope["headers"]))


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
