"""Runs wrk with `wrk.lua` and reads back what it saw."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.traffic import FIRST_NAMES, LAST_NAMES, REPEAT_PERCENT

SCRIPT = Path(__file__).with_name("wrk.lua")
ANSWER_TIMEOUT_S = 10


class WrkFailed(Exception):
    """wrk is missing, or ended without a result."""


@dataclass(frozen=True)
class Workload:
    """What is sent: `batch` messages a request (0: single messages) over `connections` kept alive."""

    name: str
    connections: int
    batch: int = 0
    repeat_percent: int = REPEAT_PERCENT

    @property
    def messages_per_request(self) -> int:
        return self.batch or 1


@dataclass(frozen=True)
class WrkResult:
    """What wrk counted. Latencies are closed-loop: from writing a request to its whole answer, in milliseconds.

    `messages_made` and `events_made` leave out repeats; not all that was made was also answered.
    """

    requests: int
    seconds: float
    status_errors: int
    socket_errors: int
    requests_made: int
    messages_made: int
    events_made: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    def stored_share(self, in_flight: int) -> float:
        """About which share of what was made is stored: all that was accepted, and what was in flight at the end."""
        return min(1.0, (self.requests - self.status_errors + in_flight) / max(1, self.requests_made))


def require_wrk() -> str:
    """The path of wrk.

    Raises:
        WrkFailed: it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise WrkFailed("wrk is not installed; it drives the server. Install it: apt-get install wrk  (brew install wrk)")
    return found


def run_wrk(workload: Workload, *, url: str, key: str, pool: Path, people: int, seed: int, lag_s: int, seconds: float) -> WrkResult:
    """Drive `url` with `workload` for `seconds`; message times lie `lag_s` in the past.

    Raises:
        WrkFailed: wrk is missing or gave no result.
    """
    environment = os.environ | {
        "BENCH_POOL": str(pool),
        "BENCH_KEY": key,
        "BENCH_BATCH": str(workload.batch),
        "BENCH_REPEAT": str(workload.repeat_percent),
        "BENCH_PEOPLE": str(people),
        "BENCH_LAG_S": str(lag_s),
        "BENCH_SEED": str(seed),
        "BENCH_FIRST_NAMES": " ".join(FIRST_NAMES),
        "BENCH_LAST_NAMES": " ".join(LAST_NAMES),
    }
    # One thread: the generator must not take more than one of the cores it shares with the server.
    command = [require_wrk(), "-t1", f"-c{workload.connections}", f"-d{max(1, round(seconds))}s"]
    command += [f"--timeout={ANSWER_TIMEOUT_S}s", "-s", str(SCRIPT), url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds + 60, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("BENCH "):
            return WrkResult(**json.loads(line.removeprefix("BENCH ")))
    raise WrkFailed(f"wrk ended with {done.returncode} and no result:\n{done.stdout}{done.stderr}")
