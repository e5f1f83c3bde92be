"""Click redirects: `python -m bench.clicks`. How many `GET /s/{code}` a second are stored and sent on, what one costs, and how long
one takes at a set pace."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from bench.driver import percentile
from bench.server import HOST, Server, Watch
from bench.wrk import require_wrk

SCRIPT = Path(__file__).with_name("clicks.lua")
PROGRAM = "bench"
CAMPAIGN = {"campaign": PROGRAM, "program": PROGRAM, "share": {"destination": "https://shop.example/land?x=1", "utm": {"utm_source": "gw"}}}
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


def main() -> None:
    """Prepare links, drive the door as fast as it answers, then at half of that, or at `--rate`."""
    parser = argparse.ArgumentParser(prog="python -m bench.clicks", description=__doc__)
    parser.add_argument("--links", type=int, default=2_000, help="share links (default: 2,000)")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a window (default: 8)")
    parser.add_argument("--connections", type=int, default=64, help="wrk's connections (default: 64)")
    parser.add_argument("--rate", type=float, help="clicks a second of the paced window (default: half of what was measured)")
    options = parser.parse_args()
    program = Path(sys.executable).with_name("goodword")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        server = Server(program, data).start()
        try:
            key = _create_key(program, data)
            codes = _links(server, key, options.links)
            file = Path(folder) / "codes.txt"
            file.write_text("\n".join(codes) + "\n")
            with Watch(server) as watch:
                rate, errors, p50, p99, most = _flood(server, file, options.connections, options.seconds)
            cpu_us = watch.cpu_s / (rate * options.seconds) * 1e6
            _print("flat out", rate, cpu_us, p50, p99, most, f"{errors} errors")
            pace = options.rate or rate / 2
            with Watch(server) as watch:
                times = asyncio.run(_paced(server.port, codes, pace, options.seconds))
            cpu_us = watch.cpu_s / max(1, len(times)) * 1e6
            _print("paced", pace, cpu_us, percentile(times, 50), percentile(times, 99), max(times), f"{len(times)} answers")
        finally:
            server.stop()


def _print(name: str, rate: float, cpu_us: float, p50: float, p99: float, most: float, more: str) -> None:
    times = f"p50 {p50:.1f} ms  p99 {p99:.1f} ms  max {most:.1f} ms"
    print(f"{name:<12}{rate:8,.0f} clicks/s   {cpu_us:6.1f} us of CPU each   {times}   {more}")


def _create_key(program: Path, data: Path) -> str:
    made = subprocess.run(
        [program, "key", "create", "bench", "--scope", "admin", "--data", data], capture_output=True, text=True, check=True
    )
    return made.stdout.strip()


def _links(server: Server, key: str, count: int) -> list[str]:
    _call(server, key, "POST", "/v2/campaigns?publish=true", CAMPAIGN)
    codes = []
    for number in range(count):
        person = _call(server, key, "POST", "/v5/persons", {"identity_key_value": f"p{number}@bench.example"})["id"]
        made = _call(server, key, "POST", f"/v5/persons/{person}/shareables", {"label": PROGRAM, "key": "main"})
        codes.append(made["code"])
    return codes


def _call(server: Server, key: str, method: str, path: str, said: Any) -> Any:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(server.url + path, json.dumps(said).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def _flood(server: Server, codes: Path, connections: int, seconds: float) -> tuple[float, int, float, float, float]:
    command = [require_wrk(), "-t2", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", "-s", str(SCRIPT), server.url]
    environment = {**os.environ, "CODES": str(codes), "SEED": str(random.randrange(1 << 30))}
    said = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    found = re.search(r"^RESULT (\d+) ([\d.]+) (\d+) ([\d.]+) ([\d.]+) ([\d.]+)$", said, re.MULTILINE)
    assert found, said
    requests, took, errors, p50, p99, most = map(float, found.groups())
    return requests / took, int(errors), p50, p99, most


async def _paced(port: int, codes: list[str], rate: float, seconds: float) -> list[float]:
    """Milliseconds from when each click was due; waiting for a free connection is part of them."""
    due: asyncio.Queue[float | None] = asyncio.Queue()
    times: list[float] = []

    async def one_connection() -> None:
        reader, writer = await asyncio.open_connection(HOST, port)
        while (at := await due.get()) is not None:
            ip = ".".join(str(random.randint(11, 99)) for _ in range(4))
            head = f"GET /s/{random.choice(codes)} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUser-Agent: {AGENT}\r\nX-Forwarded-For: {ip}\r\n\r\n"
            writer.write(head.encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            if answer.startswith(b"HTTP/1.1 302") and b"gw=" in answer:
                times.append((time.perf_counter() - at) * 1000)
        writer.close()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one_connection()) for _ in range(32)]
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            at = began + number / rate
            if (wait := at - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            due.put_nowait(at)
        for _ in tasks:
            due.put_nowait(None)
    return times


if __name__ == "__main__":
    main()
