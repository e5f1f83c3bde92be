"""Webhooks: `python -m bench.deliveries`. How many deliveries a second a healthy endpoint gets while another hangs, what one costs, and how
long one takes from the request that caused it, at a set pace. The floor is a bare client that posts the same body."""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ClassVar

import aiohttp

from bench.driver import percentile
from bench.server import HOST, Server, Watch

BATCH = 100
IN_FLIGHT = 16
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class _Receiver(asyncio.Protocol):
    """The least that answers: `/hang` never, all else with 200. Remembers when each conversion came."""

    came: ClassVar[dict[str, float]] = {}
    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            size = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            if len(self.buffer) < end + 4 + size:
                return
            body, self.buffer = self.buffer[end + 4 : end + 4 + size], self.buffer[end + 4 + size :]
            path = head.split(b" ", 2)[1]
            if path == b"/hang":
                continue
            type(self).count += 1
            place = body.find(b'"partner_conversion_id":"')
            if place >= 0:
                _Receiver.came.setdefault(body[place + 25 : body.index(b'"', place + 25)].decode(), time.time())
            self.transport.write(ANSWER)


def _receive(pipe: Connection) -> None:
    """The receiver's process: says its port, then answers what it is asked for."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(_Receiver, HOST, 0)
        pipe.send(server.sockets[0].getsockname()[1])
        while True:
            await asyncio.sleep(0.005)
            if pipe.poll():
                asked = pipe.recv()
                if asked == "stop":
                    return
                pipe.send(_Receiver.count if asked == "count" else _Receiver.came)

    asyncio.run(serve())


def main() -> None:
    """Flat out, then at a pace, then the floor."""
    parser = argparse.ArgumentParser(prog="python -m bench.deliveries", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=10_000, help="how many of the flat-out window (default: 10,000)")
    parser.add_argument("--rate", type=int, default=500, help="events a second of the paced window (default: 500)")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of the paced window (default: 8)")
    options = parser.parse_args()
    program = Path(sys.executable).with_name("goodword")
    here, there = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=_receive, args=(there,), daemon=True)
    receiver.start()
    port = here.recv()

    def ask(what: str) -> Any:
        here.send(what)
        return here.recv()

    os.environ["GOODWORD_WEBHOOK_ALLOW"] = HOST
    try:
        with tempfile.TemporaryDirectory() as folder:
            server = Server(program, Path(folder) / "data").start()
            try:
                _measure(server, _create_key(program, server.data), port, ask, options)
            finally:
                server.stop()
            before = ask("count")
            rate = asyncio.run(_floor(f"http://{HOST}:{port}/ok", options.deliveries))
            assert ask("count") - before == options.deliveries
            print(f"floor        {rate:8,.0f} posts/s by a bare client, {IN_FLIGHT} at once")
    finally:
        here.send("stop")
        receiver.join(5)


def _measure(server: Server, key: str, port: int, ask: Callable[[str], Any], options: argparse.Namespace) -> None:
    hooks = {path: _call(server, key, "POST", "/v6/webhooks", {"url": f"http://{HOST}:{port}/{path}"})["id"] for path in ("ok", "hang")}
    _call(server, key, "POST", f"/v6/webhooks/{hooks['ok']}/pause", None)
    orders = _post(server, key, 0, options.deliveries)
    with Watch(server) as watch:
        began = time.perf_counter()
        _call(server, key, "POST", f"/v6/webhooks/{hooks['ok']}/resume", None)
        while ask("count") < orders:
            time.sleep(0.02)
        taken = time.perf_counter() - began
    each = watch.cpu_s / orders * 1e6
    print(f"flat out     {orders / taken:8,.0f} deliveries/s while another endpoint hangs   {each:6.1f} us of CPU each")
    sent: dict[str, float] = {}
    with Watch(server) as watch:
        began = time.perf_counter()
        number = options.deliveries
        for window in range(int(options.seconds * 20)):
            count = options.rate // 20
            at = time.time()
            _post(server, key, number, count)
            sent.update({f"o-{each}": at for each in range(number, number + count)})
            number += count
            time.sleep(max(0.0, began + (window + 1) / 20 - time.perf_counter()))
        while ask("count") < number:
            time.sleep(0.02)
        taken = time.perf_counter() - began
    came = ask("came")
    waits = sorted((came[order] - at) * 1_000 for order, at in sent.items())
    said = f"p50 {percentile(waits, 50):.0f} ms  p99 {percentile(waits, 99):.0f} ms  max {waits[-1]:.0f} ms"
    print(f"paced        {len(sent) / taken:8,.0f} deliveries/s, from request to receiver {said}   {watch.cpu_s / taken:.0%} of a core")


def _post(server: Server, key: str, first: int, count: int) -> int:
    """Conversions, in batches."""
    for start in range(first, first + count, BATCH):
        messages = [
            {
                "type": "track",
                "event": "conversion",
                "messageId": f"m-{number}",
                "userId": f"u-{number}",
                "properties": {"partner_conversion_id": f"o-{number}", "cart_value": "12.50", "email": f"u{number}@shop.example"},
            }
            for number in range(start, min(start + BATCH, first + count))
        ]
        _call(server, key, "POST", "/v1/batch", {"batch": messages})
    return count


async def _floor(url: str, count: int) -> float:
    body = json.dumps({"type": "conversion.recorded", "partner_conversion_id": "o-0", "data": "x" * 250}).encode()
    left = iter(range(count))

    async def send(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(url, data=body) as response:
                await response.read()

    async with aiohttp.ClientSession() as session:
        began = time.perf_counter()
        await asyncio.gather(*(send(session) for _ in range(IN_FLIGHT)))
        return count / (time.perf_counter() - began)


def _create_key(program: Path, data: Path) -> str:
    made = subprocess.run(
        [program, "key", "create", "bench", "--scope", "admin", "--data", data], capture_output=True, text=True, check=True
    )
    return made.stdout.strip()


def _call(server: Server, key: str, method: str, path: str, said: Any) -> Any:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    body = None if said is None else json.dumps(said).encode()
    request = urllib.request.Request(server.url + path, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
