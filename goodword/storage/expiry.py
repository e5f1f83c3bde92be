"""Events that were kept for as long as their account wants go, with the calendar month they came in, some at a time.

1. What is needed for ever stays as a row without its body: an event that took a dedup key, a registration or a conversion, what a campaign
   judged. So repeats are known as such for ever, an order finds its person, and `why` tells of them.
2. How far an account's log has expired is in `expiry`; each slice moves it on in its own transaction, so that it can be stopped anywhere.
3. What the removed rows counted for is added to `removed_tally`: tallies stay, and can be recounted.
4. An account that archives lets go only of what a file holds (`archive`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from goodword.core.account import CONVERSION, REGISTRATION
from goodword.core.event import IS_EVENT
from goodword.core.period import DAY_MS, month_of, start_of_month
from goodword.core.times import Millis
from goodword.storage.driver import Row
from goodword.storage.query.place import places_of

if TYPE_CHECKING:
    from goodword.storage.store import Store

SLICE = 250
STAY = (REGISTRATION, CONVERSION)
ADD = (
    "ON CONFLICT (account_id, day, type, name, currency) DO UPDATE SET count = removed_tally.count + excluded.count,"
    " duplicates = removed_tally.duplicates + excluded.duplicates, amount = removed_tally.amount + excluded.amount"
)
TALLY = f"INSERT INTO removed_tally VALUES (?,?,?,?,?,?,?,?) {ADD}"
MOVE_ON = "INSERT INTO expiry VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET upto = max(expiry.upto, excluded.upto), at = excluded.at"


def expired_upto(store: Store, account: int) -> int:
    """The place up to which an account's log has expired already."""
    found = store.database.read("SELECT upto FROM expiry WHERE account_id = ?", (account,))
    return int(found[0][0]) if found else 0


def archived_upto(store: Store, account: int) -> int:
    """The place up to which files hold an account's log."""
    return int(store.database.read("SELECT coalesce(max(upto), 0) FROM archive WHERE account_id = ?", (account,))[0][0])


def month_kept(now: Millis, days: int) -> Millis:
    """The beginning of the oldest month of which something was received within the last so many days."""
    return start_of_month(month_of(max(0, now - days * DAY_MS)))


def end_before(store: Store, account: int, before: Millis) -> int:
    """The last place of an account's log of what was received before a time. The log is in order of arrival: it is found by halving."""
    scope = "" if store.nodes is None else f" AND account_id = {account:d}"
    sql = f"SELECT received_at FROM event WHERE arrival >= ?{scope} ORDER BY arrival LIMIT 1"
    low, high = 0, store.end_of_log(account) + 1
    while high - low > 1:
        middle = (low + high) // 2
        found = store.database.read(sql, (middle,))
        if found and found[0][0] < before:
            low = middle
        else:
            high = middle
    return low


def last_due(store: Store, account: int, now: Millis) -> int:
    """The place up to which an account's log is to be gone now; 0 where all is kept."""
    settings = store.accounts[account].settings
    if not settings.events_kept_days:
        return 0
    last = end_before(store, account, month_kept(now, settings.events_kept_days))
    return min(last, archived_upto(store, account)) if settings.archives_events else last


def due(store: Store, account: int, now: Millis) -> tuple[int, int]:
    """Which part of an account's log is to go next: after the one place, up to the other; a month of it at most. Nothing, where they
    are the same."""
    after, last = expired_upto(store, account), last_due(store, account, now)
    if last <= after:
        return after, after
    upto = min(last, end_of_month_after(store, account, after))
    return after, upto if upto > after else last  # a clock that was set back has mixed up the months


def end_of_month_after(store: Store, account: int, place: int) -> int:
    """The last place of the calendar month that comes after a place."""
    scope = "" if store.nodes is None else f" AND account_id = {account:d}"
    found = store.database.read(f"SELECT received_at FROM event WHERE arrival > ?{scope} ORDER BY arrival LIMIT 1", (place,))
    return end_before(store, account, start_of_month(month_of(found[0][0]) + 1)) if found else place


class Expiring:
    """One account's due part, gone through in slices."""

    def __init__(self, store: Store, account: int, after: int, upto: int, now: Millis) -> None:
        self.store, self.account, self.upto, self.now = store, account, upto, now
        self._after = after
        self._claimed = array("q")
        self._is_read = False

    def read_claims(self) -> Iterator[None]:
        """Learn which of the events took a dedup key, some at a time. Errors: OSError, DatabaseError."""
        sql = "SELECT arrival FROM claim WHERE account_id = ? AND arrival > ? AND arrival <= ?"
        rows = iter(self.store.database.scan(sql, (self.account, self._after, self.upto)))
        while some := [arrival for (arrival,) in islice(rows, 2_000)]:
            self._claimed.extend(some)
            yield
        self._claimed = array("q", sorted(self._claimed))
        self._is_read = True

    def _is_claimed(self, place: int) -> bool:
        found = bisect_left(self._claimed, place)
        return found < len(self._claimed) and self._claimed[found] == place

    def slices(self) -> Iterator[list[int]]:
        """The places of the part, oldest first, a slice at a time."""
        assert self._is_read, "claims come first: what they name stays"
        after = self._after
        while True:
            places = takewhile(lambda place: place <= self.upto, places_of(self.store, self.account, after, upwards=True))
            found = False
            while some := list(islice(places, SLICE)):
                found, after = True, some[-1]
                yield some
            if not found:
                return

    def remove(self, places: list[int]) -> int:
        """Let go of a slice; how many events went. In a transaction of its own. Errors: OSError, DatabaseError."""
        store, account = self.store, self.account
        database = store.database
        with store.transaction():
            if store.nodes is not None:
                store.nodes.periods.alone()
                if self._is_done(places[-1]):  # another node was here, after a pause of this one's
                    return 0
            rows = database.load(
                "SELECT e.arrival, e.profile_id, e.type, e.name, e.at, e.flags, e.duplicate_of, e.amount, e.currency FROM carray(?) k"
                " CROSS JOIN event e ON e.arrival = k.value AND e.account_id = ?",
                (database.ints(places), account),
            )
            judged = database.load(
                "SELECT DISTINCT j.arrival FROM carray(?) k CROSS JOIN judgement j ON j.account_id = ? AND j.arrival = k.value",
                (database.ints(places), account),
            )
            stays = {arrival for (arrival,) in judged}
            gone = [row for row in rows if not (row[0] in stays or is_past(row) or self._is_claimed(row[0]))]
            database.many("DELETE FROM event WHERE account_id = ? AND arrival = ?", [(account, row[0]) for row in gone])
            database.many(
                "DELETE FROM person_event WHERE account_id = ? AND profile_id = ? AND arrival = ?",
                [(account, row[1], row[0]) for row in gone],
            )
            left = sorted(set(places) - {row[0] for row in gone})
            database.many("UPDATE event SET body = x'' WHERE account_id = ? AND arrival = ?", [(account, place) for place in left])
            self._count(gone)
            self.move_on(places[-1])
        store.people.forget(account, [(row[1], row[0]) for row in gone])
        return len(gone)

    def _is_done(self, place: int) -> bool:
        return any(upto >= place for (upto,) in self.store.database.load("SELECT upto FROM expiry WHERE account_id = ?", (self.account,)))

    def move_on(self, upto: int) -> None:
        """Up to there nothing is left to do; part of the caller's transaction."""
        self.store.database.many(MOVE_ON, [(self.account, upto, self.now)])
        if self.store.nodes is None:  # the log's last event may be gone: its place must not be given out again
            self.store.keep("arrival", str(self.store.last_arrival))

    def finish(self) -> None:
        """All slices are done."""
        with self.store.transaction():
            self.move_on(self.upto)

    def _count(self, gone: list[Row]) -> None:
        counted: dict[tuple[int, int, int, str, str], list[int]] = {}
        day_of = self.store.calendar(self.account).day_of
        for _, _, kind, name, at, _, duplicate_of, amount, currency in gone:
            counts = counted.setdefault((self.account, day_of(at), kind, name, currency or ""), [0, 0, 0])
            counts[duplicate_of is not None] += 1
            if duplicate_of is None:
                counts[2] += amount or 0
        self.store.database.many(TALLY, [(*slot, *counts) for slot, counts in sorted(counted.items())])


def is_past(row: Row) -> bool:
    """Whether an event is part of what a campaign may ask of a person's past: whether they registered or bought before."""
    _, _, _, name, _, flags, duplicate_of, *_ = row
    return bool(flags & IS_EVENT) and name in STAY and duplicate_of is None
