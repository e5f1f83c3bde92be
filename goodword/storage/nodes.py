"""What nodes that share a PostgreSQL database are to each other.

1. An account is written by one node at a time: its row of `place` is held from before a group is loaded until it is committed. So a group
   finds all that was committed for its accounts, and places in the log are in order of commit. Accounts do not wait for each other.
2. The same row says how often settings changed and people were deleted: a group is never decided by old settings, nor with a key that
   another node destroyed. Doors learn of it within a second (`worker/follower.py`), and a query asks.
3. Each transaction leaves a mark. A commit whose answer was lost is looked for by it, under the account's row, which a commit still
   under way holds: so it is never done twice.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from goodword.core.block import INSTALLATION
from goodword.core.fresh import Place
from goodword.core.times import Millis
from goodword.storage.driver import LEASE_S, Row
from goodword.storage.failure import CommitUnknown, Conflict, DatabaseFailure
from goodword.storage.keytable import WRAPPED, KeyTable
from goodword.storage.partition import Periods
from goodword.storage.postgres import Database

MARKS_KEPT_MS = 24 * 3_600_000
_NOW = "(extract(epoch FROM now()) * 1000)::bigint"
_SEPARATION = 0x676F6F65  # the advisory lock of whoever changes the schema


class _State(NamedTuple):
    """How often an account's settings were changed, and people deleted, as far as is known here."""

    settings: int
    erased: int


class Nodes:
    """This node among the others."""

    def __init__(self, database: Database, keys: KeyTable) -> None:
        self.database = database
        self.keys = keys
        self._waits = (database.waits, keys.waits)
        self._pulses = {"the database": database.watched()}
        if keys.url != database.url:
            self._pulses["the key store's database"] = keys.watched()
        else:
            keys.waits.pulse = database.waits.pulse
        self.node = int.from_bytes(os.urandom(7))
        self.periods = Periods(database)
        self.places: dict[int, Place] = {}
        self.before: dict[int, int] = {}
        """Of the accounts that are held: the last place given out in this group, and before it."""
        self.unowned: dict[int, set[bytes]] = {}
        """By account, the hashes of identity keys that the group asked for and that have no row, for as long as the account is held."""
        self._known: dict[int, _State] = {}
        self._keys_asked: list[tuple[list[int], Iterable[Row]]] = []
        self._asked: list[Iterable[Row]] = []
        self._held: tuple[int, ...] = ()
        self._leased: set[int] = set()
        self._number = 0
        self._total = -1

    def watch(self) -> None:
        """From now on, know whether the databases answer."""
        for pulse in self._pulses.values():
            pulse.start()

    def stop(self) -> None:
        """Watch no more."""
        for pulse in self._pulses.values():
            pulse.stop()

    @property
    def trouble(self) -> str:
        """What is wrong with a database, as far as is known; empty when it answers."""
        return next((f"{name}: {pulse.trouble}" for name, pulse in self._pulses.items() if pulse.trouble), "")

    @property
    def waited_s(self) -> float:
        """For how long the group that is under way has waited for one answer."""
        return max(waits.seconds for waits in self._waits)

    @property
    def trips(self) -> int:
        """How many round trips to the databases groups, and what else writes, took so far."""
        return sum(waits.trips for waits in self._waits)

    def hold(self, wanted: Counter[int], now: Millis) -> None:
        """Begin a transaction, and hold these accounts in it, with so many places in their logs; asked for, not yet waited for."""
        self._keys_asked = []
        self.unowned.clear()
        self.database.begin()
        floor = self.periods.floor(now)
        self._held = tuple(sorted(wanted))  # in one order everywhere, so that nodes do not wait for each other in a circle
        self._asked = [
            self.database.load(
                "UPDATE place SET arrival = max(arrival, ?) + ? WHERE account_id = ? RETURNING account_id, arrival, settings, erased",
                (floor, wanted[account], account),
            )
            for account in self._held
        ]
        self._wanted = wanted

    def hold_all(self, accounts: Sequence[int]) -> None:
        """Hold accounts in a transaction that is open, outside a group."""
        for account in accounts:
            list(self.database.load("SELECT arrival FROM place WHERE account_id = ? FOR UPDATE", (account,)))

    def arrived(self) -> tuple[bool, bool]:
        """What the held accounts said: whether settings changed since they were read here, and whether people were deleted since."""
        settings = erased = False
        self.places, self.before = {}, {}
        for asked in self._asked:
            for account, arrival, *said in asked:
                self.before[account] = arrival - self._wanted[account]
                self.places[account] = Place(self.before[account])
                now, before = _State(*said), self._known.get(account)
                settings = settings or before is None or now.settings != before.settings
                erased = erased or before is None or now.erased != before.erased
                self._known[account] = now
        return settings, erased

    def add(self, account: int) -> None:
        """A new account takes its place; part of the transaction."""
        self.database.many("INSERT INTO place VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", [(account, 0, 1, 0)])

    def leave(self, now: int, changed: set[int], erased: set[int]) -> None:
        """Say in the transaction what it changed, and leave its mark."""
        self._number += 1
        home = self._held[0]
        self.database.many(
            "INSERT INTO mark VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET number = excluded.number, at = excluded.at",
            [(home, self.node, self._number, now)],
        )
        self.database.many("UPDATE place SET settings = settings + 1 WHERE account_id = ?", [(account,) for account in sorted(changed)])
        self.database.many("UPDATE place SET erased = erased + 1 WHERE account_id = ?", [(account,) for account in sorted(erased)])

    def commit(self) -> None:
        """Commit; when the answer is lost, find out. Errors: Conflict, and the group is to be decided anew; DatabaseFailure."""
        try:
            self.database.commit()
        except CommitUnknown as lost:
            self.database.rollback()
            if not self._was_kept():
                raise Conflict("the connection was lost before the commit") from lost

    def _was_kept(self) -> bool:
        """Whether this node's last transaction was kept. Errors: DatabaseFailure when that cannot be found out now."""
        home = self._held[0]
        self.database.begin()
        try:
            list(self.database.load("SELECT arrival FROM place WHERE account_id = ? FOR UPDATE", (home,)))
            found = list(self.database.load("SELECT number FROM mark WHERE account_id = ? AND node = ?", (home, self.node)))
            self.database.commit()  # after which a standby has what was found: a server that crashed shows it before
        finally:
            self.database.rollback()
        return found == [(self._number,)]

    def have_settings_changed(self) -> bool:
        """Whether any account's settings changed since this was last asked. Errors: DatabaseFailure."""
        total = int(self.database.read("SELECT coalesce(sum(settings), 0) FROM place")[0][0])
        before, self._total = self._total, total
        return before != total

    def find_messages(self, account: int, hashes: list[bytes]) -> dict[bytes, int]:
        """The arrivals of those of an account's message ids that were stored."""
        return {hash16: arrival for hash16, arrival, *_ in self.seen(account, hashes)}

    def seen(self, account: int, hashes: list[bytes]) -> Iterable[Row]:
        """Of those of an account's message ids that were stored: hash, arrival, whose it is, which message it repeats and whose that is."""
        sql = (
            "SELECT m.hash, m.arrival, e.profile_id, e.duplicate_of, o.profile_id FROM carray(?) k"
            " CROSS JOIN message m ON m.account_id = ? AND m.hash = k.value"
            " LEFT JOIN event e ON e.account_id = m.account_id AND e.arrival = m.arrival"
            " LEFT JOIN event o ON o.account_id = e.account_id AND o.arrival = e.duplicate_of"
        )
        return self.database.load(sql, (self.database.blobs(sorted(hashes)), account))

    def ask_keys(self, profile_ids: Iterable[int]) -> None:
        """Have these people's keys at hand after `take_keys`, with what is asked next in one round trip, where one database has both."""
        missing = self.keys.missing(profile_ids)
        if not missing:
            return
        if self.keys.url == self.database.url:
            self._keys_asked.append((missing, self.database.load(WRAPPED, (self.database.ints(missing),))))
        else:
            self.keys.fetch(missing)

    def take_keys(self) -> None:
        """Keep what was asked for."""
        asked, self._keys_asked = self._keys_asked, []
        for missing, rows in asked:
            self.keys.keep(missing, rows)

    def index(self, events: Sequence[Row]) -> None:
        """Have events found by their message's id, and by their person: rows of `event`; part of the transaction."""
        many = self.database.many
        many("INSERT INTO message VALUES (?, ?, ?)", [(account, hash16, arrival) for arrival, account, hash16, *_ in events])
        many("INSERT INTO person_event VALUES (?, ?, ?)", [(account, profile, arrival) for arrival, account, _, profile, *_ in events])

    def end_of_log(self, account: int) -> int:
        """The last place in an account's log."""
        found = self.database.read("SELECT arrival FROM place WHERE account_id = ?", (account,))
        return int(found[0][0]) if found else 0

    def lease(self, account: int, work: str) -> bool:
        """Take or renew the right to do a piece of work, for LEASE_S; whether it is this node's now. Errors: DatabaseFailure."""
        got = self.database.write(  # `excluded.until` less a lease is now: Citus takes no now() in the condition of an upsert
            f"INSERT INTO lease VALUES (?, ?, ?, {_NOW} + ?) ON CONFLICT DO UPDATE SET node = excluded.node, until = excluded.until"
            " WHERE lease.node = excluded.node OR lease.until < excluded.until - ? RETURNING node",
            (account, work, self.node, LEASE_S * 1000, LEASE_S * 1000),
        )
        if got:
            self._leased.add(account)
        return bool(got)

    def release(self) -> None:
        """Let other nodes do at once what this one did. Errors: none."""
        with suppress(DatabaseFailure):
            for account in sorted(self._leased):
                self.database.write("DELETE FROM lease WHERE account_id = ? AND node = ?", (account, self.node))

    def tidy(self, now: int) -> None:
        """Drop marks of nodes that are no more."""
        self.database.write("DELETE FROM mark WHERE at < ?", (now - MARKS_KEPT_MS,))

    def alone(self) -> None:
        """In a transaction: wait until no other node changes the schema, or repeats deletions."""
        alone(self.database)


def alone(database: Database) -> None:
    """In a transaction: wait until no node changes the schema, or repeats deletions."""
    list(database.load("SELECT pg_advisory_xact_lock(?)", (_SEPARATION,)))


def first_places(database: Database, accounts: Iterable[int]) -> None:
    """The places of a new installation's accounts; part of the caller's transaction."""
    database.many(
        "INSERT INTO place VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", [(account, 0, 1, 0) for account in (INSTALLATION, *accounts)]
    )
