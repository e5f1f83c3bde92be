"""save: the one place that writes rows. A group's decisions become a few statements, each over many rows in key order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from goodword.core.account import Account, Key
from goodword.core.archive import Archived
from goodword.core.decision import (
    CONSOLE_RECORDS,
    REFERRAL_RECORDS,
    Audience,
    Claim,
    Erased,
    Identity,
    KeysUsed,
    Lifted,
    Membership,
    Merged,
    Receipt,
    Record,
    Repeats,
)
from goodword.core.event import Event
from goodword.core.profile import Profile
from goodword.storage import tombstone
from goodword.storage.keys import LIFTED, NO_HASH
from goodword.storage.rows import account_row, calendar_rows, key_row
from goodword.storage.save_console import ConsoleSaving
from goodword.storage.save_referral import ReferralSaving

if TYPE_CHECKING:
    from goodword.storage.store import Store

Rows = list[tuple[Any, ...]]


class Saving:
    """The rows of one group, coalesced: of a profile or an identity key only the last state is written."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.rows: Rows = []
        self.profiles: dict[int, tuple[int, Profile | None]] = {}
        self.identities: dict[tuple[int, bytes], tuple[int | None, int]] = {}
        self.memberships: dict[tuple[int, str, int], int | None] = {}
        self.others: dict[str, Rows] = defaultdict(list)
        self.tally: dict[tuple[int, int, int, str, str], list[int]] = {}
        self.erased: list[tuple[int, Erased | Lifted]] = []
        self.changes_accounts = False
        self.tombstones_applied: int | None = None
        self.referrals = ReferralSaving(store)
        self.console = ConsoleSaving(store)

    def take(self, account: int, records: Sequence[Record], arrival: int) -> None:
        """Add one decision's records, in the order they were decided; `arrival` is the place in the log that was set aside for it."""
        for record in records:
            if type(record) is Event:
                self._event(account, record)
            elif type(record) is Profile:
                self.profiles[record.id] = (account, record)
            elif type(record) is Identity:
                self.identities[account, self.store.sealer.hash_again(account, record.key)] = (record.profile_id, record.barrier_at)
            elif type(record) in REFERRAL_RECORDS:
                self.referrals.take(account, record, arrival)
            else:
                self._other(account, record)

    def last_logged(self) -> int:
        """The highest place in the log that one of the rows takes; they come in order. 0: none does."""
        receipts = self.others.get("receipt")
        return max(self.rows[-1][0] if self.rows else 0, receipts[-1][1] if receipts else 0)

    def _event(self, account: int, event: Event) -> None:
        store = self.store
        hash16 = store.sealer.hash_again(account, "m" + event.message_id)
        key = store.keys.key(event.profile_id)
        if key is None:
            raise LookupError(f"profile {event.profile_id} has no key")
        self.rows.append((
            event.arrival, account, hash16, event.profile_id, event.type, event.name, event.at, event.received_at, event.flags,
            event.duplicate_of, event.amount, event.currency, store.sealer.seal_body(key, event.body),
        ))  # fmt: skip
        slot = (account, store.calendar(account).day_of(event.at), event.type, event.name, event.currency or "")
        counts = self.tally.get(slot)
        if counts is None:
            counts = self.tally[slot] = [0, 0, 0]
        if event.duplicate_of is None:
            counts[0] += 1
            counts[2] += event.amount or 0
        else:
            counts[1] += 1

    def _other(self, account: int, record: Record) -> None:
        if type(record) in CONSOLE_RECORDS:
            self.console.take(record)
            return
        store = self.store
        match record:
            case Claim():
                key = store.sealer.hash_again(account, record.key)
                if record.moves:
                    self.others["claim moved"].append((record.arrival, account, key))
                else:
                    self.others["claim"].append((account, key, record.arrival))
            case Receipt(refers=refers):
                self.others["receipt"].append((
                    account, record.arrival, record.received_at, record.verdict, record.type, record.reason, record.door,
                    refers, record.shape,
                ))  # fmt: skip
            case Merged():
                self.profiles[record.source] = (account, None)
                self.others["merged"].append((account, record.source, record.target, record.at))
            case Repeats():
                self.others["repeats"].append((account, record.of, record.arrival))
            case Audience():
                self.others["audience"].append((account, record.name, record.created_at))
            case Membership():
                self.memberships[account, record.audience, record.profile_id] = record.since
            case Erased():
                self._erased(account, record)
            case Lifted():
                self.erased.append((account, record))
            case Account():
                self.changes_accounts = True
                self.others["account"].append(account_row(record))
                self.others["calendar"] += calendar_rows(record)
            case Key():
                self.changes_accounts = True
                self.others["key"].append(key_row(record, store.sealer))
            case Archived():
                self.others["archive"].append((
                    account, record.upto, record.after, record.month, record.file, record.events, record.size, record.digest, record.at,
                ))  # fmt: skip
            case KeysUsed():
                known = self.store.keys_by_hash
                self.others["used"].extend((at, known[hash].account, hash) for hash, at in record.used if hash in known)
            case _:
                raise TypeError(type(record).__name__)

    def _erased(self, account: int, erased: Erased) -> None:
        for number in erased.profile_ids:
            self.profiles[number] = (account, None)
        for audience, number in erased.audiences:
            self.memberships[account, audience, number] = None
        self.erased.append((account, erased))
        self.referrals.erase(account, erased)
        self.others["unmerged"].extend((account, number, number) for number in erased.profile_ids)
        self.others["erasure"].append((
            account, erased.erasure_id, erased.at, len(erased.profile_ids), len(erased.keys), int(erased.is_suppressed),
        ))  # fmt: skip

    def write(self) -> None:
        """Write everything, inside the caller's transaction; keys of deleted people are destroyed before it commits."""
        many = self.store.database.many
        many("INSERT INTO event VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)", self.rows)
        self._write_profiles()
        self._write_identities()
        for name, sql in _STATEMENTS.items():
            if rows := self.others.get(name):
                rows.sort()
                many(sql, rows)
        if self.memberships:
            joined = [(*place, since) for place, since in self.memberships.items() if since is not None]
            left = [place for place, since in self.memberships.items() if since is None]
            many("DELETE FROM membership WHERE account_id = ? AND audience = ? AND profile_id = ?", left)
            many(
                "INSERT INTO membership VALUES (?, ?, ?, ?)"
                " ON CONFLICT (account_id, audience, profile_id) DO UPDATE SET since = excluded.since",
                joined,
            )
        if self.tally:
            many(
                "INSERT INTO tally VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (account_id, day, type, name, currency) DO UPDATE SET"
                " count = tally.count + excluded.count, duplicates = tally.duplicates + excluded.duplicates,"
                " amount = tally.amount + excluded.amount",
                [(*slot, *counts) for slot, counts in self.tally.items()],
            )
        self.referrals.write()
        self.console.write()
        for account, of, arrival in self.others.get("repeats", ()):
            self._mark_repeat(account, of, arrival)
        if self.erased:
            self._journal()

    def changed_settings(self) -> set[int]:
        """The accounts of which other nodes must read the settings anew."""
        changed = {row[0] for name in ("account", "key") for row in self.others.get(name, ())}
        return changed | self.referrals.changed_accounts

    def _mark_repeat(self, account: int, of: int, arrival: int) -> None:
        """An event turned out to repeat another (`Repeats`): it turns into a duplicate, in the log and the tally."""
        database = self.store.database
        rows = database.write(
            "UPDATE event SET duplicate_of = ? WHERE account_id = ? AND arrival = ? AND duplicate_of IS NULL"
            " RETURNING at, type, name, currency, amount",
            (of, account, arrival),
        )
        for at, kind, name, currency, amount in rows:
            database.write(
                "UPDATE tally SET count = count - 1, duplicates = duplicates + 1, amount = amount - ?"
                " WHERE account_id = ? AND day = ? AND type = ? AND name = ? AND currency = ?",
                (amount or 0, account, self.store.calendar(account).day_of(at), kind, name, currency or ""),
            )

    def _write_profiles(self) -> None:
        if not self.profiles:
            return
        store = self.store
        rows: Rows = []
        born: Rows = []
        gone: Rows = []
        for number, (account, profile) in sorted(self.profiles.items()):
            if profile is None:
                gone.append((number, account))
                continue
            key = store.keys.key(number)
            if key is None:
                raise LookupError(f"profile {number} has no key")
            (born if number in store.born else rows).append((number, account, store.sealer.seal_profile(key, profile)))
        store.database.many("INSERT INTO profile VALUES (?, ?, ?)", born)
        store.database.many("INSERT INTO profile VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET doc = excluded.doc", rows)
        store.database.many("DELETE FROM profile WHERE id = ? AND account_id = ?", gone)

    def _write_identities(self) -> None:
        """Among nodes, keys that the group found to be nobody's are put in without being looked for again."""
        unowned = self.store.nodes.unowned if self.store.nodes is not None else {}
        rows: Rows = []
        new: Rows = []
        for place in sorted(self.identities):
            account, hash16 = place
            (new if hash16 in unowned.get(account, ()) else rows).append((*place, *self.identities[place]))
        self.store.database.many("INSERT INTO identity VALUES (?, ?, ?, ?)", new)
        self.store.database.many(
            "INSERT INTO identity VALUES (?, ?, ?, ?) ON CONFLICT (account_id, key)"
            " DO UPDATE SET profile_id = excluded.profile_id, barrier_at = excluded.barrier_at",
            rows,
        )

    def _journal(self) -> None:
        """Law 4: destroy keys. The key store's journal remembers each deletion, and each suppression that was lifted, in their order, so
        that an older database is brought up to date from it."""
        store = self.store
        numbers: list[int] = []
        tombstones: list[tuple[int, bytes, int, int, bool]] = []
        for account, erased in self.erased:
            if isinstance(erased, Lifted):
                tombstones += [(account, store.sealer.hash(account, key), LIFTED, erased.at, False) for key in erased.keys]
                continue
            numbers += erased.profile_ids
            at, suppressed = erased.at, erased.is_suppressed
            tombstones += [(account, store.sealer.hash(account, key), 0, at, suppressed) for key in erased.keys]
            tombstones += [(account, NO_HASH, number, at, suppressed) for number in erased.profile_ids]
        behind = store.is_behind()  # a commit failed after a destruction: it is repeated here
        before, after = store.keys.destroy(numbers, tombstones)
        if behind:
            self.tombstones_applied = tombstone.repeat(store)
        else:  # among nodes another's destruction may be on its way: then the count stays, and `tombstone.catch_up` sees to it
            self.tombstones_applied = after
            sql = "UPDATE meta SET value = ? WHERE name = 'tombstones' AND value = ?"
            store.database.many(sql, [(str(after), str(before))])


_STATEMENTS = {
    "claim": "INSERT INTO claim VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    "claim moved": "UPDATE claim SET arrival = ? WHERE account_id = ? AND key = ?",
    "receipt": "INSERT INTO receipt VALUES (?,?,?,?,?,?,?,?,?)",
    "merged": "INSERT INTO merged VALUES (?, ?, ?, ?)"
    " ON CONFLICT (account_id, source) DO UPDATE SET target = excluded.target, at = excluded.at",
    "unmerged": "DELETE FROM merged WHERE account_id = ? AND (source = ? OR target = ?)",
    "audience": "INSERT INTO audience VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    "account": "INSERT INTO account VALUES (?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET settings = excluded.settings",
    "calendar": "INSERT INTO calendar VALUES (?, ?) ON CONFLICT (account_id) DO UPDATE SET days = excluded.days",
    "key": "INSERT INTO api_key VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (account_id, id) DO UPDATE SET revoked_at = excluded.revoked_at",
    "used": "UPDATE api_key SET last_used_at = ? WHERE account_id = ? AND hash = ?",
    "archive": "INSERT INTO archive VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
    "erasure": "INSERT INTO erasure VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING",
}
