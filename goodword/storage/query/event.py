"""A person's events, for reading: newest arrival first, a page at a time, those of profiles merged into theirs included.

What is not in the table of a person's events yet waits in memory (`storage/fold.py`); both are read. Events of a deleted profile
do not exist: their key is gone.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct, field

from goodword.core.event import IS_EVENT
from goodword.core.profile import Profile
from goodword.core.times import Millis
from goodword.storage.rows import split_body
from goodword.storage.store import Store

CHUNK = 200
PRODUCTION = "production"
COLUMNS = "e.arrival, e.hash, e.profile_id, e.name, e.at, e.received_at, e.flags, e.duplicate_of, e.amount, e.currency, e.body"

_decode = msgspec.json.Decoder().decode


class StoredEvent(Struct):
    """An event with its message opened. `id` is 16 bytes, times are epoch milliseconds, `amount` minor units of `currency`.

    `name` is canonical, `sent_name` as the sender called it; `properties` is any JSON, an object as a rule.
    """

    id: bytes
    arrival: int
    profile_id: int
    name: str
    sent_name: str
    at: Millis
    received_at: Millis
    flags: int
    duplicate_of: int | None
    amount: int | None
    currency: str | None
    properties: Any
    notes: tuple[str, ...]


class EventFilter(Struct, frozen=True):
    """Which events are wanted; an empty set asks for all. `names` are canonical and casefolded, `data_keys` are names of properties."""

    names: frozenset[str] = field(default_factory=frozenset)
    ids: frozenset[bytes] = field(default_factory=frozenset)
    data_keys: frozenset[str] = field(default_factory=frozenset)
    containers: frozenset[str] = field(default_factory=frozenset)
    includes_duplicates: bool = False


def container_of(event: StoredEvent) -> str:
    """Where an event belongs: `data.container`, else production."""
    said = event.properties.get("container") if isinstance(event.properties, dict) else None
    return said if isinstance(said, str) and said else PRODUCTION


def containers_at(store: Store, account: int, arrivals: Sequence[int]) -> dict[int, str]:
    """Where the events at some places in the log belong; of those that can be read."""
    return {event.arrival: container_of(event) for event in events_at(store, account, arrivals)}


def events_at(store: Store, account: int, arrivals: Sequence[int]) -> list[StoredEvent]:
    """The events at some places in the log, repeats included."""
    found = (_opened(store, row) for row in _rows(store, account, sorted(set(arrivals)), EventFilter(includes_duplicates=True)))
    return [event for event in found if event is not None]


def list_of(store: Store, account: int, profile: Profile, wanted: EventFilter, offset: int, limit: int) -> list[StoredEvent]:
    """A page of a person's events, newest arrival first. Reads as far as the page needs, in chunks of CHUNK."""
    found = stream_of(store, account, profile, wanted)
    return list(islice(found, offset, offset + limit)) if limit > 0 else []


def id_at(store: Store, account: int, arrival: int) -> bytes | None:
    """The id of the event at a place in the log."""
    rows = store.database.read("SELECT hash FROM event WHERE arrival = ? AND account_id = ?", (arrival, account))
    return rows[0][0] if rows else None


def stream_of(store: Store, account: int, profile: Profile, wanted: EventFilter) -> Iterator[StoredEvent]:
    """A person's events, newest arrival first, read as far as they are asked for."""
    arrivals = arrivals_of(store, account, profile)
    while chunk := list(islice(arrivals, CHUNK)):
        for row in _rows(store, account, chunk, wanted):
            if wanted.names and row[3].casefold() not in wanted.names:
                continue
            if wanted.ids and row[1] not in wanted.ids:
                continue
            event = _opened(store, row)
            if event is not None and _is_wanted(event, wanted):
                yield event


def _is_wanted(event: StoredEvent, wanted: EventFilter) -> bool:
    if wanted.data_keys and not (isinstance(event.properties, dict) and wanted.data_keys & event.properties.keys()):
        return False
    return not wanted.containers or container_of(event) in wanted.containers


def arrivals_of(store: Store, account: int, profile: Profile) -> Iterator[int]:
    """Places in the log of a person's messages, newest first, each once."""
    numbers = (profile.id, *profile.sources)
    waiting = sorted((arrival for number in numbers for arrival in store.people.waiting_of(number)), reverse=True)
    streams = [iter(waiting), *(_folded(store, account, number) for number in numbers)]
    last = None
    for arrival in heapq.merge(*streams, reverse=True):
        if arrival != last:
            last = arrival
            yield arrival


def _folded(store: Store, account: int, number: int) -> Iterator[int]:
    """One profile's places from the table, newest first."""
    sql = "SELECT arrival FROM person_event WHERE account_id = ? AND profile_id = ? AND arrival < ? ORDER BY arrival DESC LIMIT ?"
    before = 1 << 62
    while True:
        rows = store.database.read(sql, (account, number, before, CHUNK))
        for (arrival,) in rows:
            yield arrival
        if len(rows) < CHUNK:
            return
        before = rows[-1][0]


def _rows(store: Store, account: int, arrivals: Sequence[int], wanted: EventFilter) -> list[tuple[Any, ...]]:
    duplicates = "" if wanted.includes_duplicates else " AND e.duplicate_of IS NULL"
    rows = store.database.read(
        f"SELECT {COLUMNS} FROM carray(?) k CROSS JOIN event e ON e.arrival = k.value AND e.account_id = ?"
        f" WHERE e.flags & {IS_EVENT} <> 0{duplicates}",
        (store.database.ints(arrivals), account),
    )
    return sorted(store.refreshed(rows), key=lambda row: int(row[0]), reverse=True)


def _opened(store: Store, row: tuple[Any, ...]) -> StoredEvent | None:
    arrival, hash16, profile_id, name, at, received_at, flags, duplicate_of, amount, currency, sealed = row
    key = store.keys.key(profile_id)
    if key is None:
        return None
    notes, raw = split_body(store.sealer.open_body(key, sealed))
    message = _decode(raw) if raw else {}
    properties = message.get("properties") if isinstance(message, dict) else None
    sent_name = message.get("event") if isinstance(message, dict) else None
    return StoredEvent(
        hash16,
        arrival,
        profile_id,
        name,
        str(sent_name) if sent_name is not None else name,
        at,
        received_at,
        flags,
        duplicate_of,
        amount,
        currency,
        properties if properties is not None else {},
        notes,
    )
