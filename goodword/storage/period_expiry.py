"""On PostgreSQL a period goes whole, where it expired for every account that has events in it: its partitions are dropped.

What stays for ever (`expiry.py`) is put into small partitions that take their place, in the same transaction. Most of it is done beside
whoever reads and writes; only what changes an event of the period itself waits, and all wait for the moment of the change.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from psycopg import errors

from goodword.core.calendar import UTC_DAYS, Calendar
from goodword.core.event import IS_EVENT
from goodword.core.times import Millis
from goodword.storage import expiry
from goodword.storage.day import day_of
from goodword.storage.failure import Conflict
from goodword.storage.partition import KEYS, SPAN, Periods, attaching, name_of
from goodword.storage.postgres import Connection

if TYPE_CHECKING:
    from goodword.storage.store import Store

CHANGE_TRIES = 20
CHANGE_MS = 200
"""How long one try to change the partitions holds up everybody who uses them."""
CHANGE_PAUSE_S = 0.3
TABLES = ("person_event", "event")
_COLUMNS = (
    "e.arrival, e.account_id, e.hash, e.profile_id, e.type, e.name, e.at, e.received_at, e.flags, e.duplicate_of, e.amount, e.currency"
)
_PAST = f"flags & {IS_EVENT} <> 0 AND duplicate_of IS NULL AND name IN ({', '.join(repr(name) for name in expiry.STAY)})"


def due(store: Store, period: int, now: Millis) -> dict[int, int]:
    """Of a period that is to go whole: the accounts that it is due for, and the last place each has in it. Else nothing."""
    found: dict[int, int] = {}
    if store.nodes is None or store.nodes.periods.ended_at(period) > now:
        return found
    for account in list(store.accounts.values()):
        sql = "SELECT max(arrival) FROM event WHERE account_id = ? AND arrival >= ? AND arrival < ?"
        last = store.database.read(sql, (account.number, period * SPAN, (period + 1) * SPAN))[0][0]
        if last is None or last <= expiry.expired_upto(store, account.number):
            continue
        if expiry.last_due(store, account.number, now) < last:
            return {}
        found[account.number] = last
    return found


def drop(periods: Periods, period: int, accounts: dict[int, int], calendars: dict[int, Calendar], now: Millis) -> int:
    """Drop a period's events but for what stays; how many went. May run beside the engine. Errors: DatabaseFailure; Conflict, where an
    account has more in it than was due."""
    event = name_of("event", period)
    with periods.changing() as connection:

        def do(sql: str, *params: int) -> int:
            return connection.execute(sql, params, prepare=False).rowcount

        do(f"LOCK TABLE {event} IN SHARE MODE")
        there = _check(connection, event, accounts)
        for table in TABLES:
            do(f"CREATE TABLE {table}_kept (LIKE {table}, PRIMARY KEY ({KEYS[table]}))")
        within = f"arrival >= {period * SPAN} AND arrival < {(period + 1) * SPAN}"
        kept = do(
            f"WITH needed AS (SELECT account_id, arrival FROM claim WHERE {within} UNION SELECT account_id, arrival FROM judgement"
            f" WHERE {within} UNION SELECT account_id, arrival FROM {event} WHERE {_PAST})"
            f" INSERT INTO event_kept SELECT {_COLUMNS}, ''::bytea FROM needed n"
            f" JOIN {event} e ON e.account_id = n.account_id AND e.arrival = n.arrival"
        )
        do("INSERT INTO person_event_kept SELECT account_id, profile_id, arrival FROM event_kept")
        for account in there:
            day = day_of(calendars.get(account, UTC_DAYS), "at")
            do(
                f"INSERT INTO removed_tally SELECT account_id, {day}, type, name, coalesce(currency, ''),"
                " count(*) FILTER (WHERE duplicate_of IS NULL), count(*) FILTER (WHERE duplicate_of IS NOT NULL),"
                " coalesce(sum(amount) FILTER (WHERE duplicate_of IS NULL), 0) FROM"
                f" {event} e WHERE account_id = $1 AND NOT EXISTS"
                " (SELECT 1 FROM event_kept k WHERE k.account_id = e.account_id AND k.arrival = e.arrival)"
                f" GROUP BY 1, 2, 3, 4, 5 {expiry.ADD}",
                account,
            )
        for account, upto in accounts.items():
            do("INSERT INTO expiry VALUES ($1, $2, $3) ON CONFLICT (account_id) DO UPDATE SET upto = $2, at = $3", account, upto, now)
        total = connection.execute(f"SELECT count(*) FROM {event}", prepare=False).fetchall()[0][0]
        _take_turn(connection)
        for table in TABLES:
            do(f"DROP TABLE {name_of(table, period)}")
            do(f"ALTER TABLE {table}_kept RENAME TO {name_of(table, period)}")
            do(attaching(table, period))
    return int(total) - kept


def _check(connection: Connection, event: str, accounts: dict[int, int]) -> list[int]:
    """Nothing came into the period since it was looked at, from a node whose clock is slow. Which accounts it has. Errors: Conflict."""
    newest = f"SELECT account_id, max(arrival) FROM {event} GROUP BY account_id"
    sql = f"SELECT n.account_id, n.max, coalesce(x.upto, 0) FROM ({newest}) n LEFT JOIN expiry x ON x.account_id = n.account_id"
    there = connection.execute(sql, prepare=False).fetchall()
    for account, last, upto in there:
        if last > max(upto, accounts.get(account, 0)):
            raise Conflict(f"account {account} has newer events in {event}")
    return [account for account, *_ in there]


def _take_turn(connection: Connection) -> None:
    """Wait until nobody uses the tables, a little at a time. Errors: psycopg's, when somebody does for long."""
    for left in reversed(range(CHANGE_TRIES)):
        try:
            with connection.transaction():
                connection.execute(f"SET LOCAL lock_timeout = {CHANGE_MS}", prepare=False)
                connection.execute(f"LOCK TABLE {', '.join(TABLES)} IN ACCESS EXCLUSIVE MODE", prepare=False)
                return
        except errors.LockNotAvailable:
            if not left:
                raise
            time.sleep(CHANGE_PAUSE_S)
