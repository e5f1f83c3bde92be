"""The floor: the least any store could do with the same bytes, measured between the windows of the same run.

Decode each message with the standard json module, append one row to one SQLite table (WAL, synchronous=FULL), and make
it durable in groups of 100. No HTTP, no keys, no profiles. What a server reaches is stated as a share of this, because
the share stays put when the neighbours of a shared machine come and go.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import apsw

GROUP_MESSAGES = 100


@dataclass(frozen=True)
class Floor:
    """One measurement: messages a second of wall time, and CPU microseconds a message."""

    rate: float
    cpu_us: float


def measure_floor(bodies: list[bytes], beside: Path, seconds: float) -> Floor:
    """Append `bodies`, over and over, for about `seconds` to a new file in `beside`, the file system of the store."""
    folder = Path(tempfile.mkdtemp(prefix="floor-", dir=beside))
    try:
        connection = apsw.Connection(str(folder / "floor.sqlite"))
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=16384"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE event (arrival INTEGER PRIMARY KEY, type TEXT, body BLOB)")
        groups = [bodies[at : at + GROUP_MESSAGES] for at in range(0, len(bodies) - GROUP_MESSAGES + 1, GROUP_MESSAGES)]
        messages = 0
        cpu, began = time.process_time(), time.perf_counter()
        while (wall := time.perf_counter() - began) < seconds:
            group = groups[messages // GROUP_MESSAGES % len(groups)]
            rows = [(json.loads(body)["type"], body) for body in group]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO event (type, body) VALUES (?, ?)", rows)
            connection.execute("COMMIT")
            messages += GROUP_MESSAGES
        cpu = time.process_time() - cpu
        connection.close()
        return Floor(messages / wall, cpu / messages * 1e6)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
