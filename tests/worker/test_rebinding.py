"""DNS rebinding: a name whose answer changes between the look and the call gains nothing. What was looked at is what is called.

A resolver that lies is put in the place of the system's; everything behind it is real: sockets, the client, the receivers. 127.0.0.2
plays an address that may be called, 127.0.0.1 the neighbour that must not be.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from goodword.core.address import Allowed
from goodword.worker import outgoing
from goodword.worker.exchange import Exchange
from goodword.worker.outgoing import Outgoing

GOOD, NEIGHBOUR = "127.0.0.2", "127.0.0.1"


class Street:
    """A receiver at each of the two addresses, on the same port; `asked` counts questions to the resolver, `came` connections."""

    def __init__(self, answers: Sequence[list[str]]) -> None:
        self.answers: Iterator[list[str]] = iter(answers)
        self.asked = 0
        self.came = {GOOD: 0, NEIGHBOUR: 0}

    async def resolve(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        assert host == "rebind.example"
        self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(self.answers)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came[writer.get_extra_info("sockname")[0]] += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


async def both(street: Street) -> tuple[asyncio.Server, asyncio.Server]:
    """The two receivers, on a port that nobody has at either address."""
    while True:
        good = await asyncio.start_server(street.serve, GOOD, 0)
        try:
            return good, await asyncio.start_server(street.serve, NEIGHBOUR, good.sockets[0].getsockname()[1])
        except OSError:
            good.close()


def called(monkeypatch: pytest.MonkeyPatch, *answers: list[str], times: int) -> tuple[list[Exchange], Street]:
    """What came of so many calls to one name, whose resolver answers differently each time it is asked."""
    monkeypatch.setattr(outgoing, "NAMES_KEPT_S", 0)
    street = Street(answers)

    async def run() -> list[Exchange]:
        good, neighbour = await both(street)
        port = good.sockets[0].getsockname()[1]
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", street.resolve)
        client = Outgoing(Allowed.of(f"{GOOD}/32"))
        try:
            return [await client.post(f"http://rebind.example:{port}/hook", {}, b"{}") for _ in range(times)]
        finally:
            await client.close()
            good.close()
            neighbour.close()

    return asyncio.run(run()), street


def test_a_name_is_resolved_once_a_call_and_the_address_that_was_looked_at_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that asked a second time would be sent to the neighbour."""
    (first,), street = called(monkeypatch, [GOOD], [NEIGHBOUR], times=1)
    assert (first.status, first.error) == (200, "")
    assert (street.asked, street.came) == (1, {GOOD: 1, NEIGHBOUR: 0})


def test_a_name_that_moves_to_a_neighbour_is_refused_at_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    (first, second), street = called(monkeypatch, [GOOD], [NEIGHBOUR], times=2)
    assert (first.status, second.status, second.error) == (200, None, "address_refused")
    assert (street.asked, street.came) == (2, {GOOD: 1, NEIGHBOUR: 0})


def test_of_a_good_and_a_bad_address_only_the_good_one_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    (first,), street = called(monkeypatch, [NEIGHBOUR, GOOD], times=1)
    assert (first.status, street.came) == (200, {GOOD: 1, NEIGHBOUR: 0})


def test_the_last_gate_holds_where_the_resolver_is_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever names an address to the client, no socket is made for one that may not be called."""

    async def resolve(_self: object, host: str, port: int = 0, **_: Any) -> list[dict[str, Any]]:
        return [{"hostname": host, "host": NEIGHBOUR, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    monkeypatch.setattr(outgoing._Resolver, "resolve", resolve)
    (first,), street = called(monkeypatch, times=1)
    assert (first.status, first.error) == (None, "address_refused")
    assert (street.asked, street.came) == (0, {GOOD: 0, NEIGHBOUR: 0})
