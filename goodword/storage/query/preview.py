"""What the newest stored events would become under draft settings: looked at before they are saved. Nothing is changed."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from goodword.core.account import COMMERCE_FIELDS, CONVERSION, PRESETS, REGISTRATION, EventMapping, Settings
from goodword.core.event import IS_EVENT, TRACK, UNKEYED, VALUE_REFUSED, Understood, understand
from goodword.core.message import Message, Rejection, clean_name, parse
from goodword.core.money import write_money
from goodword.core.profile import ProfileId
from goodword.storage.driver import Row
from goodword.storage.load import load_profiles
from goodword.storage.query.place import places_of
from goodword.storage.rows import split_body
from goodword.storage.store import Store

LAST_MAX = 100_000
BATCH = 500


class NamePreview(Struct):
    """What the events sent under one name become. Counts of events; `amounts` in minor units by currency.

    `is_changed`: some of them would be stored under another name, value or dedup key than they were.
    """

    sent: str
    count: int = 0
    becomes: str = ""
    was: str = ""
    is_changed: bool = False
    with_id: int = 0
    without_id: int = 0
    value_read: int = 0
    value_refused: int = 0
    value_absent: int = 0
    refused_why: Counter[str] = field(default_factory=Counter)
    amounts: Counter[str] = field(default_factory=Counter)
    duplicates_of_each_other: int = 0
    duplicates_of_stored: int = 0
    rejected: int = 0


class Preview(Struct):
    """A preview: how many events were looked at, how many of them are of deleted people and cannot be read, and each sent name."""

    looked_at: int
    deleted: int
    names: list[NamePreview]


def mapping(to: str, fields: dict[str, list[str]] | None = None) -> EventMapping:
    """A mapping as people mean it: `registration` and `conversion` in any case, a conversion's fields by the usual names."""
    name = clean_name(to)
    if name.casefold() in (REGISTRATION, CONVERSION):
        name = name.casefold()
    return EventMapping(name, fields or (COMMERCE_FIELDS if name == CONVERSION else {}))


def drafted(settings: Settings, mappings: dict[str, EventMapping]) -> Settings:
    """Settings with mappings added, by the name as sent."""
    return replace(settings, events={**settings.events, **{clean_name(sent).casefold(): said for sent, said in mappings.items()}})


def preset(name: str) -> dict[str, EventMapping] | None:
    """The mappings of a ready-made preset, or None."""
    return PRESETS.get(name)


def preview(store: Store, account: int, settings: Settings, last: int = 1000) -> Preview:
    """The newest `last` events of an account (LAST_MAX), each read anew under draft settings, by the name as sent."""
    rows = store.refreshed(_newest(store, account, max(0, min(last, LAST_MAX))))
    looking = _Looking(store, account, settings)
    for start in range(len(rows), 0, -BATCH):
        looking.take(rows[max(0, start - BATCH) : start][::-1])
    names = sorted(looking.names.values(), key=lambda name: (not name.is_changed, -name.count, name.sent))
    return Preview(len(rows), looking.deleted, names)


def _newest(store: Store, account: int, count: int) -> list[Row]:
    """The rows of the newest events, newest first."""
    sql = (
        "SELECT e.arrival, e.hash, e.profile_id, e.type, e.name, e.received_at, e.flags, e.amount, e.currency, e.body, e.duplicate_of"
        " FROM carray(?) k CROSS JOIN event e ON e.arrival = k.value WHERE e.account_id = ? AND e.type = ? AND e.flags & ? <> 0"
    )
    rows: list[Row] = []
    places = places_of(store, account, 1 << 62)
    while len(rows) < count and (chunk := list(islice(places, BATCH))):
        found = store.database.read(sql, (store.database.ints(sorted(chunk)), account, TRACK, IS_EVENT))
        rows += sorted(found, reverse=True)  # by arrival
    return rows[:count]


class _Looking:
    """One preview under way: events are taken oldest first, so that the first of two alike is the one that counts."""

    def __init__(self, store: Store, account: int, settings: Settings) -> None:
        self.store, self.account, self.settings = store, account, settings
        self.names: dict[str, NamePreview] = {}
        self.deleted = 0
        self._claims: set[str] = set()
        self._registered: set[int] = set()

    def take(self, rows: list[tuple[Any, ...]]) -> None:
        """Look at some rows."""
        read: list[tuple[tuple[Any, ...], Understood, NamePreview]] = []
        for row in rows:
            key = self.store.keys.key(row[2])
            if key is None:
                self.deleted += 1
                continue
            _, raw = split_body(self.store.sealer.open_body(key, row[9]))
            message = parse(raw, received_at=row[5], fallback_id="", type_hint="track")
            if not isinstance(message, Message):
                continue
            name = self.names.setdefault(message.name.casefold(), NamePreview(message.name))
            name.count += 1
            name.was = row[4]
            understood = understand(message, self.settings)
            if isinstance(understood, Rejection):
                name.rejected += 1
                name.refused_why[understood.reason] += 1
            else:
                read.append((row, understood, name))
        self._count(read)

    def _count(self, read: list[tuple[tuple[Any, ...], Understood, NamePreview]]) -> None:
        stored = self._stored_claims({understood.claim for _, understood, _ in read if understood.claim is not None})
        registrations = self._registrations({row[2] for row, understood, _ in read if understood.name == REGISTRATION})
        for row, understood, name in read:
            name.becomes = understood.name
            if (understood.name, understood.amount, understood.currency) != (row[4], row[7], row[8]):
                name.is_changed = True
            if understood.name == CONVERSION:
                name.without_id += bool(understood.flags & UNKEYED)
                name.with_id += not understood.flags & UNKEYED
            self._count_value(understood, name)
            if understood.claim is not None:
                arrival = stored.get(understood.claim)
                self._count_repeat(name, understood.claim in self._claims, arrival not in (None, row[0]))
                self._claims.add(understood.claim)
            elif understood.name == REGISTRATION:
                person, arrival = registrations.get(row[2], (row[2], None))
                self._count_repeat(name, person in self._registered, arrival not in (None, row[0]))
                self._registered.add(person)

    @staticmethod
    def _count_value(understood: Understood, name: NamePreview) -> None:
        if understood.amount is not None:
            name.value_read += 1
            name.amounts[understood.currency or ""] += understood.amount
        elif understood.flags & VALUE_REFUSED:
            name.value_refused += 1
            name.refused_why.update(understood.notes)
        else:
            name.value_absent += 1

    @staticmethod
    def _count_repeat(name: NamePreview, of_each_other: bool, of_stored: bool) -> None:
        name.duplicates_of_each_other += of_each_other
        name.duplicates_of_stored += of_stored and not of_each_other

    def _stored_claims(self, claims: set[str]) -> dict[str, int]:
        """The arrivals of the events that hold these claims already."""
        hashes = {self.store.sealer.hash(self.account, claim): claim for claim in claims}
        database = self.store.database
        rows = database.read(
            "SELECT c.key, c.arrival FROM carray(?) k CROSS JOIN claim c ON c.account_id = ? AND c.key = k.value",
            (database.blobs(sorted(hashes)), self.account),
        ) if hashes else ()  # fmt: skip
        return {hashes[key]: arrival for key, arrival in rows}

    def _registrations(self, numbers: set[int]) -> dict[int, tuple[int, int | None]]:
        """Of each profile number the person it belongs to today, and the arrival of that person's registration."""
        if not numbers:
            return {}
        database = self.store.database
        merged: dict[int, int] = dict(
            database.read(
                "SELECT m.source, m.target FROM carray(?) k CROSS JOIN merged m ON m.account_id = ? AND m.source = k.value",
                (database.ints(sorted(numbers)), self.account),
            )
        )
        people = {number: merged.get(number, number) for number in numbers}
        profiles = load_profiles(self.store, self.account, set(map(ProfileId, people.values())))
        found = {}
        for number, person in people.items():
            profile = profiles.get(ProfileId(person))
            found[number] = (person, None if profile is None else profile.registration)
        return found


def as_json(found: Preview) -> dict[str, Any]:
    """A preview for programs; amounts as decimal text by currency."""
    return {
        "looked_at": found.looked_at,
        "deleted": found.deleted,
        "names": [
            {
                "sent": name.sent,
                "count": name.count,
                "was": name.was,
                "becomes": name.becomes,
                "changed": name.is_changed,
                "conversion_id": {"found": name.with_id, "missing": name.without_id},
                "value": {
                    "read": name.value_read,
                    "refused": name.value_refused,
                    "absent": name.value_absent,
                    "amounts": {currency: write_money(amount, currency) for currency, amount in sorted(name.amounts.items())},
                },
                "refused_why": dict(name.refused_why),
                "duplicates": {"of_each_other": name.duplicates_of_each_other, "of_stored": name.duplicates_of_stored},
                "rejected": name.rejected,
            }
            for name in found.names
        ],
    }
