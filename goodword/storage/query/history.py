"""Whole files: everything held about a person (an access request), and every event of an account, in order of arrival."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from goodword.core.event import FROM_BROWSER, IS_EVENT, TYPE_NAMES, UNKEYED, VALUE_REFUSED
from goodword.core.money import write_money
from goodword.core.profile import IdentityKey, Profile, ProfileId
from goodword.core.times import Millis, write_time
from goodword.storage.driver import Row
from goodword.storage.load import load_profiles
from goodword.storage.query.file import referral_file
from goodword.storage.query.message import BATCH, COLUMNS, as_json, opened, rows_at
from goodword.storage.rows import split_body
from goodword.storage.store import Store

KEY_NAMES = {"u": "partner_user_id", "e": "email", "a": "anonymous_id"}
EXPORT_BATCH = 2_000


def find_person(store: Store, account: int, keys: tuple[IdentityKey, ...], number: int | None = None) -> Profile | None:
    """The person these keys or this number find, the strongest key first; a number merged into another finds that one."""
    database = store.database
    for key in keys:
        sql = "SELECT profile_id FROM identity WHERE account_id = ? AND key = ? AND profile_id IS NOT NULL"
        rows = database.read(sql, (account, store.sealer.hash(account, key)))
        if rows:
            return load_profiles(store, account, {rows[0][0]}).get(rows[0][0])
    if number is None:
        return None
    rows = database.read("SELECT target FROM merged WHERE account_id = ? AND source = ?", (account, number))
    person = ProfileId(rows[0][0] if rows else number)
    return load_profiles(store, account, {person}).get(person)


def person_file(store: Store, account: int, profile: Profile) -> dict[str, Any]:
    """Everything held about a person, as JSON: ids and how they came, parameters, audiences, block, referrals, rewards, every message."""
    block = profile.block
    return {
        "id": str(profile.id),
        "account": store.accounts[account].id,
        "created_at": write_time(profile.created_at),
        "email": profile.email,
        "identity": [{"key": KEY_NAMES[key[0]], "value": key[1:]} for key in profile.keys],
        "identity_history": [
            {
                "change": change.kind,
                "at": write_time(change.at),
                **({"key": KEY_NAMES[change.key[0]], "value": change.key[1:]} if change.key else {}),
                **({"other_id": str(change.other)} if change.other else {}),
            }
            for change in profile.changes
        ],
        "merged_ids": [str(source) for source in profile.sources],
        "registration": _event_id(store, account, profile.registration),
        "parameters": [
            {
                "name": name,
                "value": parameter.value,
                "scope": parameter.scope,
                "set_at": write_time(parameter.at),
                "first_set_at": write_time(parameter.created_at),
            }
            for name, parameter in sorted(profile.parameters.items())
            if parameter.value is not None
        ],
        "removed_parameters": sorted(name for name, parameter in profile.parameters.items() if parameter.value is None),
        "audiences": [
            {"name": name, "is_member": member.is_member, "since": write_time(member.since), "said_at": write_time(member.at)}
            for name, member in sorted(profile.audiences.items())
        ],
        "block": None if block is None else {"type": block.type, "reason": block.reason, "updated_at": write_time(block.updated_at)},
        **referral_file(store, account, profile),
        "messages": list(_messages(store, account, profile)),
    }


def _event_id(store: Store, account: int, arrival: int | None) -> str | None:
    rows = store.database.read("SELECT hash FROM event WHERE arrival = ? AND account_id = ?", (arrival, account)) if arrival else ()
    return rows[0][0].hex() if rows else None


def _messages(store: Store, account: int, profile: Profile) -> Iterator[dict[str, Any]]:
    """Every message of a person and of those merged into it, oldest first."""
    arrivals: set[int] = set()
    for number in (profile.id, *profile.sources):
        arrivals.update(store.people.waiting_of(number))
        rows = store.database.read("SELECT arrival FROM person_event WHERE account_id = ? AND profile_id = ?", (account, number))
        arrivals.update(arrival for (arrival,) in rows)
    ordered = sorted(arrivals)
    for start in range(0, len(ordered), BATCH):
        lines = opened(store, account, rows_at(store, account, ordered[start : start + BATCH]))
        for line in sorted(lines, key=lambda line: line.arrival):
            yield as_json(line)


def export_events(
    store: Store, account: int, *, since: Millis | None = None, until: Millis | None = None, all_messages: bool = False
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Batches of an account's events in order of arrival, and how far in the log each reaches. Memory holds one batch.

    `since` (included) and `until` (not) are about the event's own time. A deleted person's rows have `deleted` and no message.
    """
    last, end = 0, store.end_of_log(account)
    narrowed = "" if all_messages else f" AND flags & {IS_EVENT} <> 0"
    sql = (
        f"SELECT {COLUMNS} FROM event WHERE arrival > ? AND arrival <= ? AND account_id = ? AND at >= ? AND at < ?{narrowed}"
        " ORDER BY arrival LIMIT ?"
    )
    while last < end:
        values = (last, end, account, since if since is not None else 0, until if until is not None else 1 << 62, EXPORT_BATCH)
        rows = store.refreshed(store.database.read(sql, values), 2)
        last = rows[-1][0] if len(rows) == EXPORT_BATCH else end
        yield last, _exported(store, account, rows)


def _exported(store: Store, account: int, rows: list[Row]) -> list[dict[str, Any]]:
    if not rows:
        return []
    database = store.database
    numbers = database.ints(sorted({row[2] for row in rows}))
    merged: dict[int, int] = dict(
        database.read(
            "SELECT m.source, m.target FROM carray(?) k CROSS JOIN merged m ON m.account_id = ? AND m.source = k.value", (numbers, account)
        )
    )
    return [_exported_row(store, row, merged.get(int(row[2])) or int(row[2])) for row in rows]


def _exported_row(store: Store, row: Row, person: int) -> dict[str, Any]:
    arrival, hash16, profile_id, kind, name, at, received_at, flags, duplicate_of, amount, currency, sealed = row
    key = store.keys.key(profile_id)
    notes: tuple[str, ...] = ()
    body = b""
    if key is not None:
        notes, body = split_body(store.sealer.open_body(key, sealed))
    return {
        "arrival": arrival,
        "event_id": hash16.hex(),
        "type": TYPE_NAMES.get(kind, ""),
        "name": name,
        "event_time": write_time(at),
        "received_at": write_time(received_at),
        "person_id": str(person),
        "duplicate_of_arrival": duplicate_of,
        "value": None if amount is None else write_money(amount, currency or ""),
        "currency": currency,
        "from_browser": bool(flags & FROM_BROWSER),
        "unkeyed": bool(flags & UNKEYED),
        "value_refused": bool(flags & VALUE_REFUSED),
        "deleted": key is None,
        "notes": list(notes),
        "message": msgspec.Raw(body) if body else None,
    }
