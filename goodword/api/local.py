"""The local door: commands from this machine's own command line to the running server, over a socket only its owner may open.

A frame is a 4-byte big-endian length and msgpack: a list of commands there, `[error, outcomes]` back.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from goodword.core.command import Asked
from goodword.core.decision import Outcome
from goodword.engine import Engine, Overloaded, Unavailable

SOCKET_FILE = "engine.sock"
FRAME_BYTES_MAX = 64 * 1024 * 1024
TIMEOUT_S = 60.0

_decode = msgspec.msgpack.Decoder(list[Asked]).decode
_encode = msgspec.msgpack.Encoder().encode
_decode_reply = msgspec.msgpack.Decoder(tuple[str, list[Outcome]]).decode


async def serve_locally(engine: Engine, directory: Path) -> asyncio.Server:
    """Listen in the data folder."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4))
                if size > FRAME_BYTES_MAX:
                    break
                reply = await _reply(engine, await reader.readexactly(size))
                writer.write(len(reply).to_bytes(4) + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    path = directory / SOCKET_FILE
    path.unlink(missing_ok=True)
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    before = os.umask(0o177)
    try:
        # through /proc, because a socket's path may have 108 characters and a data folder's more
        server = await asyncio.start_unix_server(converse, path=f"/proc/self/fd/{folder}/{SOCKET_FILE}")
    finally:
        os.umask(before)
        os.close(folder)
    return server


async def _reply(engine: Engine, frame: bytes) -> bytes:
    outcomes: list[Outcome] = []
    error = ""
    try:
        outcomes = await engine.ask(_decode(frame))
    except (Overloaded, Unavailable) as failure:
        error = type(failure).__name__
    except msgspec.MsgspecError:
        error = "Malformed"
    return _encode((error, outcomes))


class LocalDoor:
    """The command line's end: sends commands to the server of a data folder."""

    def __init__(self, directory: Path) -> None:
        folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT_S)
        try:
            self._socket.connect(f"/proc/self/fd/{folder}/{SOCKET_FILE}")
        except OSError:
            self._socket.close()
            raise
        finally:
            os.close(folder)

    def execute(self, commands: Sequence[Asked]) -> list[Outcome]:
        """Have the server do it; returns when it is durable. Errors: Overloaded, Unavailable, OSError."""
        frame = _encode(list(commands))
        self._socket.sendall(len(frame).to_bytes(4) + frame)
        error, outcomes = _decode_reply(self._read(int.from_bytes(self._read(4))))
        if error == "Overloaded":
            raise Overloaded
        if error == "Malformed":
            raise ConnectionError("the server that runs on this folder is of another version: restart it, or use its own command line")
        if error:
            raise Unavailable(error)
        return outcomes

    def _read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            part: Any = self._socket.recv(min(size, 1 << 20))
            if not part:
                raise ConnectionError("the server closed the connection")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
