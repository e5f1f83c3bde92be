"""The log on PostgreSQL in partitions, a period each, so that what is old is dropped whole. A period is a calendar month (UTC).

1. A place in the log says its period: those of period n begin at n * SPAN. With its first message of a month an account's place moves
   there (`Nodes.hold`), so places stay in order of arrival, and events, people's events and message ids of a month share a partition.
2. Partitions are made a month ahead, by whichever node comes first; one that is not there is not written to, and the last one serves on.
3. Message ids are unique in a period by their key, and in all that are kept by turns: one node at a time looks up and writes an account's.
   Their partitions are dropped once all that is in them was remembered for KEPT_MS.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress

from goodword.core.period import month_of, start_of_month
from goodword.core.times import Millis
from goodword.storage.driver import Row
from goodword.storage.failure import DatabaseFailure
from goodword.storage.fold import KEPT_MS
from goodword.storage.postgres import Connection, Database, connect, translated

SPAN = 100_000_000_000
"""Places of an account in a period. More than that run on into the next one's, which is harmless."""
KEYS = {"event": "account_id, arrival", "person_event": "account_id, profile_id, arrival", "message": "account_id, hash"}
LOCK_MS = 500
"""How long a change of partitions waits for those who use them, and holds up who comes after it. It is tried again later."""
_MAKING = 0x706172  # the advisory lock of whoever makes or drops partitions
_FIRST = "first_month"
_THERE = (
    "FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent"
    " WHERE p.relnamespace = current_schema()::regnamespace AND p.relname IN ('event', 'person_event', 'message')"
)
_FIND = f"SELECT p.relname, c.relname {_THERE}"
_BOUNDS = f"SELECT c.relname::text, pg_get_expr(c.relpartbound, c.oid) {_THERE}"


def name_of(table: str, period: int) -> str:
    """The partition of a table for a period."""
    return f"{table}_p{period}"


class Periods:
    """The periods as this node knows them: other nodes make some, too."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.first_month = 0
        self.there = _by_table([])
        """Of each table the periods that have a partition."""

    def open(self) -> None:
        """Learn which partitions there are, and make those that are missing. Errors: DatabaseFailure."""
        self.read()
        if self.missing(now := int(time.time() * 1000)):
            with suppress(DatabaseFailure):  # the last one serves on meanwhile, and `worker/retention.py` tries again
                self.make_ahead(now)

    def read(self) -> None:
        """Learn which partitions there are. Errors: DatabaseFailure."""
        self.first_month = int(self._database.read("SELECT value FROM meta WHERE name = ?", (_FIRST,))[0][0])
        self.there = _by_table(self._database.read(_FIND))

    def period_of(self, at: Millis) -> int:
        """The period of a time; the installation's first month is 0, and so is what a clock says before it."""
        return max(0, month_of(at) - self.first_month)

    def ended_at(self, period: int) -> Millis:
        """When a period is over."""
        return start_of_month(self.first_month + period + 1)

    def floor(self, now: Millis) -> int:
        """Places are given out from here on: the beginning of the newest period that has begun and can be written to."""
        wanted = self.period_of(now)
        return max((period for period in self.there["event"] if period <= wanted), default=0) * SPAN

    def missing(self, now: Millis) -> list[tuple[str, int]]:
        """The partitions (table, period) of this month and the next that are not there."""
        period = self.period_of(now)
        return [(table, wanted) for wanted in (period, period + 1) for table in KEYS if wanted not in self.there[table]]

    def forgotten(self, now: Millis) -> list[int]:
        """The periods of which no message id need be remembered any more."""
        return sorted(period for period in self.there["message"] if self.ended_at(period) + KEPT_MS < now)

    def remembers(self, place: int) -> bool:
        """Whether the message ids of a place's period are kept."""
        return place // SPAN in self.there["message"]

    def make_ahead(self, now: Millis) -> None:
        """Make the partitions of this month and the next. May run beside the engine. Errors: DatabaseFailure."""
        with self.changing() as connection:
            for table, period in self.missing(now):
                for sql in making(table, period):
                    connection.execute(sql, prepare=False)

    def forget_messages(self, now: Millis) -> None:
        """Drop the message ids that were kept long enough. May run beside the engine. Errors: DatabaseFailure."""
        with self.changing() as connection:
            for period in self.forgotten(now):
                connection.execute(f"DROP TABLE {name_of('message', period)}", prepare=False)

    def alone(self) -> None:
        """In a transaction of the engine's connection: wait until nobody changes partitions."""
        list(self._database.load("SELECT pg_advisory_xact_lock(?)", (_MAKING,)))

    def problems(self) -> list[str]:
        """What is wrong with the partitions, a sentence each. Errors: DatabaseFailure."""
        self.read()
        wrong = [
            f"Period {period} has events, or people's, and not the other." for period in self.there["event"] ^ self.there["person_event"]
        ]
        wrong += [f"Period {period} has message ids and no events." for period in self.there["message"] - self.there["event"]]
        for name, bound in self._database.read(_BOUNDS):
            period = int(name.rsplit("_p", 1)[1])
            if bound != f"FOR VALUES FROM ('{period * SPAN}') TO ('{(period + 1) * SPAN}')":
                wrong.append(f"The partition {name} is for other places than its period's.")
        return wrong

    @contextmanager
    def changing(self) -> Generator[Connection]:
        """A transaction that changes partitions on a connection of its own, one node at a time; then they are known as they are now."""
        with translated(), closing(connect(self._database.url, wait_s=None)) as connection:
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock($1)", (_MAKING,))
                connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
                self.there = _by_table(connection.execute(_FIND).fetchall())  # another node may have changed them meanwhile
                yield connection
            self.there = _by_table(connection.execute(_FIND).fetchall())


def _by_table(rows: list[Row]) -> dict[str, set[int]]:
    there: dict[str, set[int]] = {table: set() for table in KEYS}
    for table, name in rows:
        there[table].add(int(name.rsplit("_p", 1)[1]))
    return there


def making(table: str, period: int) -> list[str]:
    """The statements that make a partition. Filled beside the table and attached then, it holds up nobody."""
    name = name_of(table, period)
    return [
        f"CREATE TABLE {name} (LIKE {table}, PRIMARY KEY ({KEYS[table]}))",
        attaching(table, period),
    ]


def attaching(table: str, period: int) -> str:
    """The statement by which a table of its own becomes a period's partition."""
    bounds = f"FROM ({period * SPAN}) TO ({(period + 1) * SPAN})"
    return f"ALTER TABLE {table} ATTACH PARTITION {name_of(table, period)} FOR VALUES {bounds}"


def begin(database: Database) -> None:
    """A new installation's first month is the one it was made in; part of the caller's transaction."""
    month = str(month_of(int(time.time() * 1000)))
    database.many("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO NOTHING", [(_FIRST, month)])
