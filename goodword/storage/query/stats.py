"""Counts for people: events by name from the `tally`, and what the installation holds."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from goodword.core.event import TYPE_NAMES
from goodword.core.money import write_money
from goodword.core.times import FOREVER, Millis
from goodword.storage.driver import Database, Row
from goodword.storage.store import Store


class NameCount(Struct):
    """What came in under one canonical name: firsts, repeats, and the firsts' amounts in minor units by currency."""

    type: str
    name: str
    count: int = 0
    duplicates: int = 0
    amounts: dict[str, int] = field(default_factory=dict)


class AccountCounts(Struct):
    """An account's counts. `profiles` includes devices; `suppressed` counts look-up keys."""

    id: str
    profiles: int
    suppressed: int
    audiences: int
    deletions: int
    receipts: dict[str, int]
    names: list[NameCount]


class Stats(Struct):
    """An installation's counts; sizes in bytes by file name."""

    accounts: list[AccountCounts]
    sizes: dict[str, int]


def stats(store: Store, *, days: int | None = None, now: Millis = 0, account: int | None = None) -> Stats:
    """Counts of every account, or of one; from any thread. With `days`, only events of the last so many days by their own time."""
    database = store.database
    accounts = []
    for number, held in sorted(store.accounts.items()):
        if account is not None and number != account:
            continue
        verdicts = _read(database, "SELECT verdict, count(*) FROM receipt WHERE account_id = ? GROUP BY verdict", (number,))
        accounts.append(
            AccountCounts(
                held.id,
                _count(database, "profile WHERE account_id = ?", number),
                _count(database, "identity WHERE account_id = ? AND barrier_at >= ?", number, FOREVER),
                _count(database, "audience WHERE account_id = ?", number),
                _count(database, "erasure WHERE account_id = ?", number),
                {str(verdict): int(count) for verdict, count in verdicts},
                _names(database, number, 0 if days is None else held.calendar.day_of(now) - days + 1),
            )
        )
    sizes = {file.name: file.stat().st_size for file in sorted(store.directory.iterdir()) if file.is_file()} if account is None else {}
    return Stats(accounts, {name: size for name, size in sizes.items() if name.startswith(("goodword.db", "keys."))})


def _read(database: Database, sql: str, values: tuple[int, ...]) -> list[Row]:
    """Rows by a connection of their own: counts may take long, and be asked for from any thread."""
    return list(database.scan(sql, values))


def _count(database: Database, what: str, *values: int) -> int:
    return int(_read(database, f"SELECT count(*) FROM {what}", values)[0][0])


def _names(database: Database, account: int, first_day: int) -> list[NameCount]:
    rows = _read(
        database,
        "SELECT type, name, currency, sum(count), sum(duplicates), sum(amount) FROM tally"
        " WHERE account_id = ? AND day >= ? GROUP BY type, name, currency",
        (account, first_day),
    )
    names: dict[tuple[int, str], NameCount] = {}
    for kind, name, currency, count, duplicates, amount in rows:
        counted = names.setdefault((kind, name), NameCount(TYPE_NAMES.get(kind, ""), name))
        counted.count += count
        counted.duplicates += duplicates
        if currency:
            counted.amounts[currency] = amount
    return sorted(names.values(), key=lambda counted: (-counted.count, counted.type, counted.name))


def as_json(counted: Stats) -> dict[str, Any]:
    """The counts for programs; amounts as decimal text by currency."""
    return {
        "accounts": [
            {
                "id": account.id,
                "profiles": account.profiles,
                "suppressed_keys": account.suppressed,
                "audiences": account.audiences,
                "deletions": account.deletions,
                "receipts": account.receipts,
                "events": [
                    {
                        "type": name.type,
                        "name": name.name,
                        "count": name.count,
                        "duplicates": name.duplicates,
                        "amounts": {currency: write_money(amount, currency) for currency, amount in sorted(name.amounts.items())},
                    }
                    for name in account.names
                ],
            }
            for account in counted.accounts
        ],
        "bytes": counted.sizes,
    }
