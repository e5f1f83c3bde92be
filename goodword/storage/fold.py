"""Folded indexes: random-key indexes wait in memory and enter their tables in key order, a bucket at a time, inside later commits.

A random insert dirties a page of its own; a bucket's worth of neighbours shares pages. The event table, in arrival order, is the
log: `fold(kind, bucket, upto)` says how far a bucket has been folded, and on start the events past that are read back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct

from goodword.storage.sqlite import Database

MESSAGES, PEOPLE = 0, 1
BUCKETS = 256
WAITING_MAX = 150_000
PARTITION_ROWS_MAX = 2_000_000
KEPT_MS = 31 * 24 * 3600 * 1000
_PROBES = Struct("<xIxI").unpack_from
_ACCOUNT_BITS = 24
_ACCOUNT_MASK = (1 << _ACCOUNT_BITS) - 1


class Filter:
    """A Bloom filter of two probes over 16-byte hashes: `False` means never added. 16 bits a key keep false hits near 1 %."""

    def __init__(self, keys_max: int) -> None:
        bits = 1 << max(20, (keys_max * 16 - 1).bit_length())
        self.keys_max = bits // 16
        self.count = 0
        self._mask = bits - 1
        self._bits = bytearray(bits // 8)

    def add(self, hashes: Iterable[bytes]) -> None:
        """Add hashes."""
        bits, mask = self._bits, self._mask
        count = 0
        for hash16 in hashes:
            first, second = _PROBES(hash16)
            first &= mask
            second &= mask
            bits[first >> 3] |= 1 << (first & 7)
            bits[second >> 3] |= 1 << (second & 7)
            count += 1
        self.count += count

    def may_have(self, hash16: bytes) -> bool:
        """Whether the hash may have been added."""
        first, second = _PROBES(hash16)
        bits, mask = self._bits, self._mask
        first &= mask
        second &= mask
        return bool(bits[first >> 3] & (1 << (first & 7)) and bits[second >> 3] & (1 << (second & 7)))


class Folding:
    """What both indexes share: how far each bucket has been folded, and which is next."""

    def __init__(self, kind: int, upto: dict[int, int]) -> None:
        self.kind = kind
        self.upto = [upto.get(bucket, 0) for bucket in range(BUCKETS)]
        self.waiting = 0
        self._folding: list[tuple[int, int]] = []

    def next_buckets(self) -> list[int]:
        """The buckets to fold in this commit: those folded longest ago, as many as bring the waiting under its bound."""
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
        self.filter: Filter | None = None if self.partitions else Filter(1 << 20)
        self._folded_rows = 0
        self._folded_meanwhile: list[bytes] | None = None
        self._new_partition: int | None = None
        self._dropped: list[int] = []

    def add(self, hash16: bytes, arrival: int, account: int) -> None:
        """Remember a stored message."""
        self._buckets[hash16[0]][hash16] = arrival << _ACCOUNT_BITS | account
        self.waiting += 1

    def find(self, hashes: list[bytes]) -> dict[bytes, int]:
        """The arrivals of those hashes that were stored."""
        found: dict[bytes, int] = {}
        probed = []
        buckets, may_have = self._buckets, self.filter.may_have if self.filter is not None else None
        for hash16 in hashes:
            packed = buckets[hash16[0]].get(hash16)
            if packed is not None:
                found[hash16] = packed >> _ACCOUNT_BITS
            elif may_have is None or may_have(hash16):
                probed.append(hash16)
        if probed:
            probed.sort()
            values = self._database.blobs(probed)
            for number in self.partitions:
                found.update(
                    self._database.load(
                        f"SELECT m.hash, m.arrival FROM carray(?) k CROSS JOIN message_{number} m ON m.hash = k.value",
                        (values,),
                    )
                )
        return found

    def fold(self, upto: int, now: int) -> None:
        """Move due buckets into the newest table; part of the caller's transaction, settled by `committed`."""
        buckets = self.next_buckets()
        if not buckets:
            return
        database = self._database
        number = max(self.partitions, default=0)
        if not self.partitions or self.partitions[number] >= PARTITION_ROWS_MAX:
            number += 1
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
            if self.filter is not None:
                self.filter.add(hash16 for hash16, _ in entries)
            if self._folded_meanwhile is not None:
                self._folded_meanwhile.extend(hash16 for hash16, _ in entries)
        database.write(
            "INSERT INTO message_partition VALUES (?, ?, ?)"
            " ON CONFLICT (number) DO UPDATE SET rows = rows + excluded.rows, last_at = excluded.last_at",
            (number, rows, now),
        )
        self._folded_rows = rows
        self.record(database, buckets, upto)

    def _drop_old(self, now: int) -> None:
        old = self._database.write("SELECT number FROM message_partition WHERE last_at < ?", (now - KEPT_MS,))
        for (number,) in old:
            self._database.write(f"DROP TABLE message_{number}")
            self._database.write("DELETE FROM message_partition WHERE number = ?", (number,))
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
        self.undone()

    def undone(self) -> None:
        """The transaction that folded was undone: nothing has moved."""
        self._folding, self._folded_rows, self._new_partition, self._dropped = [], 0, None, []

    def needs_filter(self) -> bool:
        """Whether the filter is missing or too small for what is stored."""
        return self.filter is None or self.filter.count > self.filter.keys_max

    def rebuild(self) -> Iterator[None]:
        """Build the filter anew, a slice a step. Rows folded meanwhile into what was read already are added at the end."""
        fresh = Filter(max(sum(self.partitions.values()) * 3 // 2, 1 << 20))
        self._folded_meanwhile = []
        for number in list(self.partitions):
            last = b""
            while number in self.partitions:
                rows = [
                    row[0]
                    for row in self._database.read(f"SELECT hash FROM message_{number} WHERE hash > ? ORDER BY hash LIMIT 2000", (last,))
                ]
                if not rows:
                    break
                fresh.add(rows)
                last = rows[-1]
                yield
        fresh.add(self._folded_meanwhile or ())
        self._folded_meanwhile = None
        fresh.count = sum(self.partitions.values())
        self.filter = fresh


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

    def waiting_of(self, profile_id: int) -> list[int]:
        """Arrivals of a profile that are in no table yet, oldest first."""
        return [arrival for _, number, arrival in self._buckets[profile_id >> 8 & 255] if number == profile_id]

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
