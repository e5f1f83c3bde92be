"""Attributed conversions: `python -m bench.conversions`. How many a second are credited, judged by every rule and rewarded on both sides.

Each friend followed a real share link, reported the page they landed on, and said who they are. Then all of them buy once, in batches.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.clicks import AGENT, _call, _create_key
from bench.driver import Connection, percentile
from bench.server import HOST, Server, Watch

PROGRAM = "bench"
CAMPAIGN = {
    "campaign": PROGRAM,
    "program": PROGRAM,
    "share": {"destination": "https://shop.example/"},
    "quality": {"advocate_outcomes": {"action": "off"}},
    "rewards": [
        {"name": "advocate", "to": "advocate", "value": {"amount": "10"}},
        {"name": "friend", "to": "friend", "value": {"amount": "10"}},
    ],
}
BATCH, CONNECTIONS = 100, 16
NAMES = "anna bela cora dora edda fritz gero hanna ivan jonas karla lotte mara nils otto paula quentin rosa sven tilda".split()


def main() -> None:
    """Prepare friends, let them buy, count what they earned."""
    parser = argparse.ArgumentParser(prog="python -m bench.conversions", description=__doc__)
    parser.add_argument("--friends", type=int, default=20_000, help="friends, each of whom buys once (default: 20,000)")
    parser.add_argument("--advocates", type=int, default=1_000, help="advocates (default: 1,000)")
    options = parser.parse_args()
    program = Path(sys.executable).with_name("goodword")
    with tempfile.TemporaryDirectory() as folder:
        server = Server(program, Path(folder) / "data").start()
        try:
            asyncio.run(measure(server, _create_key(program, Path(folder) / "data"), options.friends, options.advocates))
        finally:
            server.stop()


async def measure(server: Server, key: str, friends: int, advocates: int, database_cpu_s: Callable[[], float] | None = None) -> None:
    """Prepare friends, let them buy, print what that took; of the database too, where somebody can say."""
    codes = _links(server, key, advocates)
    clicks = await _clicks(server, [random.choice(codes) for _ in range(friends)])
    arrivals = [message for number, click in enumerate(clicks) for message in _arrival(number, click)]
    _, took, _ = await _send(server, key, arrivals)
    print(f"link-ups     {len(arrivals) / took:8,.0f} messages/s (a page and an identify each)")
    orders = [_order(number) for number in range(friends)]
    before = database_cpu_s() if database_cpu_s else 0.0
    with Watch(server) as watch:
        times, took, errors = await _send(server, key, orders)
    beside = f", the database {(database_cpu_s() - before) / friends * 1e6:.1f}" if database_cpu_s else ""
    print(
        f"conversions  {friends / took:8,.0f} a second   {watch.cpu_s / friends * 1e6:6.1f} us of CPU each{beside}   "
        f"p50 {percentile(times, 50):.0f} ms  p99 {percentile(times, 99):.0f} ms a batch of {BATCH} @{CONNECTIONS}   {errors} errors"
    )
    summary = json.dumps(_get(server, key, "/v2/rewards/state_summary?period=DAY&period_count=2"))
    print(f"rewards      {sum(map(int, re.findall(r'(?i)fulfilled[^0-9]{1,12}([0-9]+)', summary))):,} fulfilled of {2 * friends:,}")


def _links(server: Server, key: str, count: int) -> list[str]:
    _call(server, key, "POST", "/v2/campaigns?publish=true", CAMPAIGN)
    codes = []
    for number in range(count):
        address = f"{NAMES[number % len(NAMES)]}.{number * 7919:x}@mail{number % 97}.example"
        person = _call(server, key, "POST", "/v5/persons", {"identity_key_value": address})["id"]
        codes.append(_call(server, key, "POST", f"/v5/persons/{person}/shareables", {"label": PROGRAM, "key": "main"})["code"])
    return codes


async def _clicks(server: Server, codes: list[str]) -> list[str]:
    """Follow each code once; the ids of the clicks."""
    found: list[str] = []
    waiting = list(enumerate(codes))

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection(HOST, server.port)
        while waiting:
            number, code = waiting.pop()
            head = f"GET /s/{code} HTTP/1.1\r\nHost: {HOST}:{server.port}\r\nUser-Agent: {AGENT} {number}\r\n"
            writer.write(f"{head}X-Forwarded-For: {_ip(number)}\r\n\r\n".encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            found.append(re.findall(rb"gw=([\w-]+)", answer)[0].decode())
        writer.close()

    await asyncio.gather(*(one_connection() for _ in range(32)))
    return found


def _ip(number: int) -> str:
    return f"{11 + number % 80}.{number // 80 % 250}.{number // 20_000 % 250}.7"


def _context(number: int, **more: Any) -> dict[str, Any]:
    return {"ip": _ip(number), "userAgent": f"{AGENT} {number}", "library": {"name": "analytics-next", "version": "1.81.0"}, **more}


def _arrival(number: int, click: str) -> list[dict[str, Any]]:
    page = {"url": f"https://shop.example/?gw={click}", "path": "/", "search": f"?gw={click}", "title": "Shop"}
    address = f"{NAMES[number * 13 % len(NAMES)]}{number * 104729:x}@post{number % 83}.example"
    return [
        {"type": "page", "anonymousId": f"a-{number}", "context": _context(number, page=page), "properties": page},
        {"type": "identify", "anonymousId": f"a-{number}", "userId": f"f-{number}", "traits": {"email": address, "firstName": "F"}},
    ]


def _order(number: int) -> dict[str, Any]:
    properties = {"partner_conversion_id": f"order-{number}", "cart_value": f"{20 + number % 80}.00", "currency": "USD"}
    return {"type": "track", "event": "conversion", "userId": f"f-{number}", "channel": "server", "properties": properties}


async def _send(server: Server, key: str, messages: list[dict[str, Any]]) -> tuple[list[float], float, int]:
    """All messages in batches; milliseconds of each, seconds in all, answers that are not 200."""
    bodies = [json.dumps({"batch": messages[start : start + BATCH]}).encode() for start in range(0, len(messages), BATCH)]
    bodies.reverse()
    times: list[float] = []
    errors = 0

    async def one_connection() -> None:
        nonlocal errors
        connection = Connection(server, key)
        while bodies:
            body = bodies.pop()
            began = time.perf_counter()
            status, _ = await connection.post("/v1/batch", body)
            times.append((time.perf_counter() - began) * 1000)
            errors += status != 200
        connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(one_connection() for _ in range(CONNECTIONS)))
    return times, time.perf_counter() - began, errors


def _get(server: Server, key: str, path: str) -> Any:
    request = urllib.request.Request(server.url + path, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
