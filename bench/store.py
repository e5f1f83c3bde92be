"""A store to measure on: a data directory, and beside it what is known of its content.

Message times matter, because a profile may be written the first time it is seen in an hour and not again. So a store
has a clock: its newest message time. It is filled with times of past days, every "first pass" moves on by an hour, and
no time is ever newer than now.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import apsw

from bench.server import disk_bytes

HOUR_MS = 3_600_000
_LAG_MS_MAX = 24 * HOUR_MS
_FIRST_FILL_AGE_MS = 72 * HOUR_MS


@dataclass
class Store:
    """A folder with the data directory `store` and the record `bench.json`.

    `messages` and `events` were made for it and are no repeats (an event is a stored track message). They are exact for
    fills; after a wrk window they may be off by what was in flight at its end.
    """

    folder: Path
    messages: int = 0
    events: int = 0
    clock_ms: int = 0

    @property
    def data(self) -> Path:
        return self.folder / "store"

    @classmethod
    def open(cls, folder: Path) -> Store:
        """The store in `folder`, or a new empty one."""
        folder.mkdir(parents=True, exist_ok=True)
        record = folder / "bench.json"
        return cls(folder, **json.loads(record.read_text())) if record.exists() else cls(folder)

    def save(self) -> None:
        """Write down what is known, so that another run can go on with this store."""
        known = {"messages": self.messages, "events": self.events, "clock_ms": self.clock_ms}
        (self.folder / "bench.json").write_text(json.dumps(known))

    def remove(self) -> None:
        """Delete the folder and all in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def lag_s(self) -> int:
        """How far the next messages' times lie in the past: near now, for a store never filled."""
        if not self.clock_ms:
            return 0
        return max(0, min(_LAG_MS_MAX, _now_ms() - self.clock_ms)) // 1000

    def next_hour(self) -> bool:
        """Move the clock on by an hour, so that every profile counts as not seen yet; False if no past is left."""
        if self.clock_ms + HOUR_MS > _now_ms():
            return False
        self.clock_ms += HOUR_MS
        return True

    def fill_span_ms(self) -> tuple[int, int]:
        """From which to which message time the next fill goes (Unix milliseconds)."""
        now = _now_ms()
        begin = self.clock_ms or now - _FIRST_FILL_AGE_MS
        return begin, begin + max(0, now - begin) // 2

    def add(self, messages: int, events: int, newest_ms: int) -> None:
        """Note what a window or a fill has stored."""
        self.messages += messages
        self.events += events
        if self.clock_ms or newest_ms < _now_ms() - HOUR_MS:
            self.clock_ms = max(self.clock_ms, newest_ms)

    def bytes_per_event(self) -> float:
        """Bytes on disk, all files together, divided by the events; right only while the server is stopped."""
        return disk_bytes(self.data) / self.events if self.events else 0.0


def _now_ms() -> int:
    return int(time.time() * 1000)


def count_events(data: Path) -> int | None:
    """Stored events in a stopped server's database; None where there is none to read.

    Goodword's table `event` is its log: a stored track message is a row of type 2.
    """
    for path in sorted(data.rglob("*")):
        if not path.is_file() or path.open("rb").read(15) != b"SQLite format 3":
            continue
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            if connection.table_exists("main", "event"):
                return int(connection.execute("SELECT count(*) FROM event WHERE type = 2").get)
        except apsw.Error:
            continue
        finally:
            connection.close()
    return None
