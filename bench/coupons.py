"""Coupon uploads: `python -m bench.coupons`. How long a pool's million codes take by the command line and by the API, and how long other
requests wait meanwhile."""

from __future__ import annotations

import argparse
import http.client
import json
import random
import string
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

from bench.driver import percentile
from bench.server import HOST, Server, Watch

PAUSE_S = 0.005


def main() -> None:
    """Upload the file into two pools, one each way, then once more, while single tracks are sent."""
    parser = argparse.ArgumentParser(prog="python -m bench.coupons", description=__doc__)
    parser.add_argument("--codes", type=int, default=1_000_000, help="codes (default: 1,000,000)")
    options = parser.parse_args()
    program = Path(sys.executable).with_name("goodword")
    with tempfile.TemporaryDirectory() as folder:
        data, file = Path(folder) / "data", Path(folder) / "codes.csv"
        generator = random.Random(7)
        letters = string.ascii_uppercase + string.digits
        file.write_text("code\n" + "".join("".join(generator.choices(letters, k=12)) + "\n" for _ in range(options.codes)))
        server = Server(program, data).start()
        try:
            key = _key(program, data, "server")
            for name, upload in (
                ("command line", lambda: _by_command_line(program, data, file, "cli")),
                ("API", lambda: _by_api(server, key, file)),
                ("API, again", lambda: _by_api(server, key, file)),
            ):
                with Watch(server) as watch, _Tracks(server, key) as tracks:
                    began = time.perf_counter()
                    said = upload()
                    took_s = time.perf_counter() - began
                print(f"{name:13} {took_s:6.1f} s   {options.codes / took_s:9,.0f} codes/s   {watch.cpu_s / options.codes * 1e6:5.1f} us of"
                      f" CPU each   {watch.hwm_bytes / 1e6:,.0f} MB at most   {said}")  # fmt: skip
                times = tracks.times
                print(f"{'':13} meanwhile {len(times):,} tracks, one at a time: p50 {percentile(times, 50):.1f} ms  "
                      f"p99 {percentile(times, 99):.1f} ms  max {max(times):.1f} ms")  # fmt: skip
        finally:
            server.stop()


def _key(program: Path, data: Path, scope: str) -> str:
    made = subprocess.run(
        [program, "key", "create", uuid.uuid4().hex, "--scope", scope, "--data", data], capture_output=True, text=True, check=True
    )
    return made.stdout.strip()


def _by_command_line(program: Path, data: Path, file: Path, supplier: str) -> str:
    command = [str(program), "coupon", "upload", supplier, str(file), "--create", "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _by_api(server: Server, key: str, file: Path) -> str:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=300)
    headers = {"Authorization": f"Bearer {key}"}
    connection.request("POST", "/v6/reward-suppliers", json.dumps({"reward_supplier_id": "api", "type": "COUPON_POOL"}), headers)
    connection.getresponse().read()
    connection.request("POST", "/v6/reward-suppliers/manual-coupons/api/coupons", file.read_bytes(), headers)
    said = json.loads(connection.getresponse().read())
    return f"Added {said['added_count']:,} codes, refused {said['refused_count']:,} rows."


class _Tracks:
    """Sends one track after the other meanwhile, and notes how long each took, in ms."""

    def __init__(self, server: Server, key: str) -> None:
        self.server, self.key = server, key
        self.times: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> _Tracks:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        connection = http.client.HTTPConnection(HOST, self.server.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.key}"}
        while not self._over.is_set():
            message = {"type": "track", "event": "seen", "userId": f"u{len(self.times) % 1000}", "messageId": uuid.uuid4().hex}
            began = time.perf_counter()
            connection.request("POST", "/v1/track", json.dumps(message), headers)
            connection.getresponse().read()
            self.times.append((time.perf_counter() - began) * 1e3)
            time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
