"""Folded indexes: random-key indexes wait in memory and enter their tables in key order, a bucket at a time, inside later commits.

A random insert dirties a page of its own; a bucket's worth of neighbours shares pages. The event table, in arrival order, is the
log: `fold(kind, bucket, upto)` says how far a bucket has been folded, and on start the events past that are read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct

from goodword.storage.driver import Database
from goodword.storage.sqlite import DatabaseError

MESSAGES, PEOPLE = 0, 1
BUCKETS = 256
WAITING_MAX = 150_000
SLICE_ROWS = 2_000
PARTITION_ROWS_MAX = 4_000_000
KEPT_MS = 31 * 24 * 3600 * 1000
_PROBES = Struct("<xIxI").unpack_from
_ACCOUNT_BITS = 24
_ACCOUNT_MASK = (1 << _ACCOUNT_BITS) - 1


class Filter:
    """A Bloom filter of two probes over the 16-byte hashes of one partition: not found means never added.

    16 bits a key keep false hits near 1 %. All filters have the same size, so that a hash is probed at the same two bits of each.
    """

    def __init__(self, bits: bytes | None = None) -> None:
        self.bits = bytearray(bits or filter_bytes())

    def add(self, hashes: Iterable[bytes]) -> None:
        """Add hashes."""
        bits, mask = self.bits, len(self.bits) * 8 - 1
        for hash16 in hashes:
            first, second = _PROBES(hash16)
            first &= mask
            second &= mask
            bits[first >> 3] |= 1 << (first & 7)
            bits[second >> 3] |= 1 << (second & 7)


def filter_bytes() -> int:
    """The size of a partition's filter: a power of two, at least 128 KiB."""
    return 1 << max(17, (PARTITION_ROWS_MAX * 2 - 1).bit_length())


class Folding:
    """What both indexes share: how far each bucket has been folded, and which is next."""

    def __init__(self, kind: int, upto: dict[int, int]) -> None:
        self.kind = kind
        self.upto = [upto.get(bucket, 0) for bucket in range(BUCKETS)]
        self.waiting = 0
        self.is_emptied = False
        """Set at a clean stop: the next fold moves all that waits, so that the next start reads nothing back."""
        self._folding: list[tuple[int, int]] = []

    def next_buckets(self) -> list[int]:
        """The buckets to fold in this commit: those folded longest ago, as many as bring the waiting under its bound."""
        if self.is_emptied:
            return list(range(BUCKETS)) if self.waiting else []
        if self.waiting <= WAITING_MAX:
            return []
        many = 1 + 3 * (self.waiting - WAITING_MAX) * BUCKETS // WAITING_MAX
        return sorted(range(BUCKETS), key=self.upto.__getitem__)[: min(many, 8)]

    def record(self, database: Database, buckets: list[int], upto: int) -> None:
        """Write how far these buckets are folded now."""
        database.many(
            "INSERT INTO fold VALUES (?, ?, ?) ON CONFLICT (kind, bucket) DO UPDATE SET upto = excluded.upto",
            [(self.kind, bucket, upto) for bucket in buckets],
        )
        self._folding = [(bucket, upto) for bucket in buckets]


class MessageIds(Folding):
    """Which message ids were stored, and where: hash -> arrival. Tables of at most PARTITION_ROWS_MAX, dropped whole when old."""

    def __init__(self, database: Database, upto: dict[int, int]) -> None:
        super().__init__(MESSAGES, upto)
        self._database = database
        self._buckets: list[dict[bytes, int]] = [{} for _ in range(BUCKETS)]
        self.partitions: dict[int, int] = dict(database.load("SELECT number, rows FROM message_partition ORDER BY number"))
        self.filters: dict[int, Filter | None] = dict.fromkeys(self.partitions)
        self._folded_rows = 0
        self._folded_meanwhile: list[bytes] | None = None
        self._new_partition: int | None = None
        self._dropped: list[int] = []

    def load_filters(self) -> None:
        """Read the filters that were kept whole; one that rows were added to since (kill -9) is left to be built anew."""
        rows = self._database.load(
            "SELECT f.number, f.bits FROM message_filter f JOIN message_partition p ON p.number = f.number AND p.rows = f.rows"
            " WHERE length(f.bits) = ?",
            (filter_bytes(),),
        )
        for number, bits in rows:
            self.filters[number] = Filter(bits)

    def keep_filter(self, number: int) -> None:
        """Keep a partition's filter with its rows; part of the caller's transaction."""
        kept = self.filters.get(number)
        if kept is not None:
            self._database.write(
                "INSERT INTO message_filter (number, rows, bits) SELECT number, rows, ? FROM message_partition WHERE number = ?"
                " ON CONFLICT (number) DO UPDATE SET rows = excluded.rows, bits = excluded.bits",
                (bytes(kept.bits), number),
            )

    def keep_filters(self) -> None:
        """At a stop, spare the next start the building of filters."""
        database = self._database
        missing = (
            "SELECT p.number FROM message_partition p LEFT JOIN message_filter f ON f.number = p.number AND f.rows = p.rows"
            " WHERE f.number IS NULL"
        )
        try:
            database.begin()
            for (number,) in database.write(missing):
                self.keep_filter(number)
            database.commit()
        except DatabaseError:
            database.rollback()

    def forget_filters(self) -> None:
        """Look every id up in the tables themselves, from now on."""
        self.filters = dict.fromkeys(self.partitions)

    def add(self, hash16: bytes, arrival: int, account: int) -> None:
        """Remember a stored message."""
        self._buckets[hash16[0]][hash16] = arrival << _ACCOUNT_BITS | account
        self.waiting += 1

    def find(self, hashes: list[bytes]) -> dict[bytes, int]:
        """The arrivals of those hashes that were stored."""
        found: dict[bytes, int] = {}
        buckets, mask = self._buckets, filter_bytes() * 8 - 1
        probed: dict[int, list[bytes]] = {number: [] for number in self.filters}
        filters = [(probed[number].append, kept.bits if kept is not None else None) for number, kept in self.filters.items()]
        for hash16 in hashes:
            packed = buckets[hash16[0]].get(hash16)
            if packed is not None:
                found[hash16] = packed >> _ACCOUNT_BITS
                continue
            first, second = _PROBES(hash16)
            first &= mask
            second &= mask
            for probe, bits in filters:
                if bits is None or (bits[first >> 3] & 1 << (first & 7) and bits[second >> 3] & 1 << (second & 7)):
                    probe(hash16)
        for number, wanted in probed.items():
            if wanted:
                sql = f"SELECT m.hash, m.arrival FROM carray(?) k CROSS JOIN message_{number} m ON m.hash = k.value"
                found.update(self._database.load(sql, (self._database.blobs(sorted(wanted)),)))
        return found

    def fold(self, upto: int, now: int) -> None:
        """Move due buckets into the newest table; part of the caller's transaction, settled by `committed`."""
        buckets = self.next_buckets()
        if not buckets:
            return
        database = self._database
        number = max(self.partitions, default=0)
        if not self.partitions or self.partitions[number] >= PARTITION_ROWS_MAX:
            self.keep_filter(number)
            number += 1
            self.filters[number] = Filter()
            self._new_partition = number
            database.write(
                f"CREATE TABLE message_{number} (hash BLOB NOT NULL, account_id INTEGER NOT NULL, arrival INTEGER NOT NULL,"
                " PRIMARY KEY (hash)) WITHOUT ROWID"
            )
            self._drop_old(now)
        rows = 0
        for bucket in buckets:
            entries = sorted(self._buckets[bucket].items())
            rows += len(entries)
            database.many(
                f"INSERT INTO message_{number} VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [(hash16, packed & _ACCOUNT_MASK, packed >> _ACCOUNT_BITS) for hash16, packed in entries],
            )
            kept = self.filters[number]
            if kept is not None:
                kept.add(hash16 for hash16, _ in entries)
            if self._folded_meanwhile is not None:
                self._folded_meanwhile.extend(hash16 for hash16, _ in entries)
        database.write(  # what stands in `bits` is of before migration 12, and would be read with the row each time
            "INSERT INTO message_partition (number, rows, last_at) VALUES (?, ?, ?)"
            " ON CONFLICT (number) DO UPDATE SET rows = rows + excluded.rows, last_at = excluded.last_at, bits_rows = NULL, bits = NULL",
            (number, rows, now),
        )
        self._folded_rows = rows
        self.record(database, buckets, upto)

    def _drop_old(self, now: int) -> None:
        old = self._database.write("SELECT number FROM message_partition WHERE last_at < ?", (now - KEPT_MS,))
        for (number,) in old:
            self._database.write(f"DROP TABLE message_{number}")
            self._database.write("DELETE FROM message_partition WHERE number = ?", (number,))
            self._database.write("DELETE FROM message_filter WHERE number = ?", (number,))
            self._dropped.append(number)

    def committed(self) -> None:
        """The transaction that folded is durable: let go of what entered the tables."""
        for bucket, upto in self._folding:
            self.waiting -= len(self._buckets[bucket])
            self._buckets[bucket] = {}
            self.upto[bucket] = upto
        if self._folding:
            newest = self._new_partition or max(self.partitions)
            self.partitions[newest] = self.partitions.get(newest, 0) + self._folded_rows
        for number in self._dropped:
            self.partitions.pop(number, None)
            self.filters.pop(number, None)
        self._settled()

    def undone(self) -> None:
        """The transaction that folded was undone: nothing has moved."""
        if self._new_partition is not None:
            self.filters.pop(self._new_partition)
        self._settled()

    def _settled(self) -> None:
        self._folding, self._folded_rows, self._new_partition, self._dropped = [], 0, None, []

    def rebuild(self) -> Iterator[None]:
        """Build missing filters, a slice of a partition a step. Rows folded meanwhile into what was read already are added at the end."""
        for number in [number for number, kept in self.filters.items() if kept is None]:
            fresh, last = Filter(), b""
            self._folded_meanwhile = []
            sql = f"SELECT hash FROM message_{number} WHERE hash > ? ORDER BY hash LIMIT {SLICE_ROWS}"
            while number in self.partitions and (rows := [hash16 for (hash16,) in self._database.read(sql, (last,))]):
                fresh.add(rows)
                last = rows[-1]
                yield
            fresh.add(self._folded_meanwhile)
            self._folded_meanwhile = None
            if number in self.filters:
                self.filters[number] = fresh


class PersonEvents(Folding):
    """A person's messages: profile number -> arrivals, in memory until they enter `person_event`."""

    def __init__(self, database: Database, upto: dict[int, int]) -> None:
        super().__init__(PEOPLE, upto)
        self._database = database
        self._buckets: list[list[tuple[int, int, int]]] = [[] for _ in range(BUCKETS)]

    @staticmethod
    def bucket(profile_id: int) -> int:
        """Neighbouring numbers share a bucket, so that a bucket's rows share pages."""
        return profile_id >> 8 & 255

    def add(self, profile_id: int, arrival: int, account: int) -> None:
        """Remember that a message is this profile's."""
        self._buckets[profile_id >> 8 & 255].append((account, profile_id, arrival))
        self.waiting += 1

    def forget(self, account: int, gone: Iterable[tuple[int, int]]) -> None:
        """Events (profile, arrival) are there no more: those that wait enter no table."""
        entries = {(account, profile_id, arrival) for profile_id, arrival in gone if arrival > self.upto[self.bucket(profile_id)]}
        for bucket in {self.bucket(profile_id) for _, profile_id, _ in entries}:
            left = [entry for entry in self._buckets[bucket] if entry not in entries]
            self.waiting -= len(self._buckets[bucket]) - len(left)
            self._buckets[bucket] = left

    def waiting_of(self, profile_id: int) -> list[int]:
        """Arrivals of a profile that are in no table yet, oldest first."""
        return [arrival for _, number, arrival in self._buckets[profile_id >> 8 & 255] if number == profile_id]

    def waiting_in(self, account: int) -> list[int]:
        """Arrivals of an account that are in no table yet, in no order."""
        return [arrival for bucket in self._buckets for number, _, arrival in bucket if number == account]

    def waiting_arrivals(self) -> dict[int, set[int]]:
        """Arrivals that are in no table yet, by profile: of everybody at once, for who asks about many."""
        found: dict[int, set[int]] = {}
        for bucket in self._buckets:
            for _, number, arrival in bucket:
                found.setdefault(number, set()).add(arrival)
        return found

    def fold(self, upto: int) -> None:
        """Move due buckets into the table; part of the caller's transaction, settled by `committed`."""
        buckets = self.next_buckets()
        if not buckets:
            return
        for bucket in buckets:
            rows = sorted(self._buckets[bucket])
            self._database.many("INSERT INTO person_event VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows)
        self.record(self._database, buckets, upto)

    def committed(self) -> None:
        """The transaction that folded is durable: let go of what entered the table."""
        for bucket, upto in self._folding:
            self.waiting -= len(self._buckets[bucket])
            self._buckets[bucket] = []
            self.upto[bucket] = upto
        self.undone()

    def undone(self) -> None:
        """The transaction that folded was undone: nothing has moved."""
        self._folding = []


def replay(database: Database, messages: MessageIds, people: PersonEvents) -> None:
    """Read back the events that were stored but not folded when the process ended."""
    start = min(*messages.upto, *people.upto)
    message_upto, people_upto = messages.upto, people.upto
    rows = database.load("SELECT arrival, account_id, hash, profile_id FROM event WHERE arrival > ?", (start,))
    for arrival, account, hash16, profile_id in rows:
        if arrival > message_upto[hash16[0]]:
            messages.add(hash16, arrival, account)
        if arrival > people_upto[profile_id >> 8 & 255]:
            people.add(profile_id, arrival, account)


def fold_all(database: Database, messages: MessageIds, people: PersonEvents, upto: int, now: int) -> None:
    """At a stop, spare the next start the reading back of what waits."""
    messages.is_emptied = people.is_emptied = True
    try:
        database.begin()
        messages.fold(upto, now)
        people.fold(upto)
        database.commit()
    except (DatabaseError, OSError):  # the next start reads it back, as after a crash
        database.rollback()
        messages.undone()
        people.undone()
    else:
        messages.committed()
        people.committed()


def last_arrival(database: Database) -> int:
    """The last place in the log that was given out, whether or not a row of the log has it."""
    found = database.load(
        "SELECT max(arrival) FROM event UNION ALL SELECT max(arrival) FROM receipt"
        " UNION ALL SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'arrival'"
    )
    return max(arrival or 0 for (arrival,) in found)
