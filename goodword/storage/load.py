"""load: what a group's commands need to know, in a bounded number of statements, however many commands there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from goodword.core import command as c
from goodword.core.event import EventRef
from goodword.core.facts import Facts, Lookup, ask, wanted_profiles
from goodword.core.profile import IdentityKey, Owner, Profile, ProfileId
from goodword.storage.driver import Row
from goodword.storage.load_referral import announced, begin_referrals, load_referrals
from goodword.storage.save_console import load_links, load_users

if TYPE_CHECKING:
    from goodword.storage.store import Store

Asked = tuple[dict[bytes, Any], Iterable[Row]]
"""What was asked for, by hash, and the rows that will answer."""
_TALLIES = ("tally", "removed_tally", "referral_tally", "advocate_tally", "reward_tally", "people_tally", "credited")
_COUNTED = " UNION ALL ".join(f"SELECT 1 FROM {table} WHERE account_id = ?" for table in _TALLIES) + " LIMIT 1"


def load(store: Store, commands: Sequence[c.Command], now: int) -> dict[int, Facts]:
    """The facts of a group, by account."""
    lookups: dict[int, Lookup] = {}
    for command in commands:
        lookup = lookups.get(command.account)
        if lookup is None:
            lookup = lookups[command.account] = Lookup()
        ask(command, lookup)
    return {account: _load(store, account, lookup, commands, now) for account, lookup in lookups.items()}


def _load(store: Store, account: int, lookup: Lookup, commands: Sequence[c.Command], now: int) -> Facts:
    facts = Facts(account=store.accounts.get(account), accounts=store.accounts_by_id, keys=store.keys_by_id)
    claims = _ask_claims(store, account, lookup.claims)  # all is asked before the first answer is waited for
    owned = _ask_owners(store, account, lookup.keys)
    _take_seen(_ask_seen(store, account, lookup.message_ids), facts)
    _take_claims(claims, facts)
    _take_owners(store, account, owned, facts)
    wanted: set[ProfileId] = set(lookup.profile_ids)
    if lookup.profile_ids:
        _load_merged(store, account, lookup.profile_ids, facts)
        wanted.update(facts.merged.values())
    owners = facts.owners
    for command in commands:
        if command.account == account:
            wanted |= wanted_profiles(command, owners)
    facts.referrals.now = now
    wanted |= announced(store, account, commands, facts)
    loading = begin_referrals(store, account, lookup, commands, facts)
    if store.nodes is not None:
        store.nodes.ask_keys(
            wanted.union(owner.profile_id for owner in owners.values() if owner is not None and owner.profile_id is not None)
        )
    ahead = loading.ahead(wanted)
    next(ahead, None)  # asks, so that the answer comes with that of the profiles
    facts.profiles = load_profiles(store, account, wanted)
    for _ in ahead:
        pass
    if lookup.profile_ids:
        keys = {key for number in wanted if (profile := facts.profiles.get(number)) for key in profile.keys}
        _take_owners(store, account, _ask_owners(store, account, keys - facts.owners.keys()), facts)
    if lookup.audiences:
        rows = store.database.load("SELECT name FROM audience WHERE account_id = ?", (account,))
        facts.audiences = {name for (name,) in rows}
    if lookup.counts:
        asked = sum(command.account == account for command in commands)
        facts.is_uncounted = asked == 1 and not list(store.database.load(_COUNTED, (account,) * len(_TALLIES)))
    if lookup.users:
        facts.users = load_users(store)
        facts.links = load_links(store, lookup.links)
    load_referrals(loading, lookup, commands)
    return facts


def _ask_seen(store: Store, account: int, message_ids: Sequence[str]) -> Asked:
    if not message_ids:
        return {}, ()
    hashes = store.sealer.hashes(account, "m", message_ids)
    if store.nodes is not None:
        return hashes, store.nodes.seen(account, list(hashes))
    found = store.find_messages(account, list(hashes))
    if not found:
        return {}, ()
    rows = store.database.load(
        "SELECT e.arrival, e.profile_id, e.duplicate_of, o.profile_id FROM carray(?) k"
        " CROSS JOIN event e ON e.account_id = ? AND e.arrival = k.value"
        " LEFT JOIN event o ON o.account_id = e.account_id AND o.arrival = e.duplicate_of",
        (store.database.ints(sorted(found.values())), account),
    )
    stored = {arrival: more for arrival, *more in rows}
    return hashes, [(hash16, arrival, *stored.get(arrival, (None, None, None))) for hash16, arrival in found.items()]


def _take_seen(asked: Asked, facts: Facts) -> None:
    hashes, rows = asked
    for hash16, arrival, person, duplicate_of, original in rows:
        number = ProfileId((person if original is None else original) or 0)
        facts.seen[hashes[hash16]] = EventRef(arrival, number, hash16, duplicate_of=duplicate_of)


def _ask_claims(store: Store, account: int, claims: set[str]) -> Asked:
    if not claims:
        return {}, ()
    hashes = store.sealer.hashes(account, "", claims)
    return hashes, store.database.load(
        "SELECT c.key, c.arrival, e.profile_id, e.hash, e.at, e.amount FROM carray(?) k"
        " CROSS JOIN claim c ON c.account_id = ? AND c.key = k.value"
        " LEFT JOIN event e ON e.account_id = c.account_id AND e.arrival = c.arrival",
        (store.database.blobs(sorted(hashes)), account),
    )


def _take_claims(asked: Asked, facts: Facts) -> None:
    hashes, rows = asked
    for key, arrival, profile_id, event_id, at, amount in rows:
        facts.claims[hashes[key]] = EventRef(arrival, ProfileId(profile_id or 0), event_id or b"", at=at or 0, amount=amount)


def _ask_owners(store: Store, account: int, keys: set[IdentityKey]) -> Asked:
    if not keys:
        return {}, ()
    hashes = store.sealer.hashes(account, "", keys)
    return hashes, store.database.load(
        "SELECT i.key, i.profile_id, i.barrier_at FROM carray(?) k CROSS JOIN identity i ON i.account_id = ? AND i.key = k.value",
        (store.database.blobs(sorted(hashes)), account),
    )


def _take_owners(store: Store, account: int, asked: Asked, facts: Facts) -> None:
    """Owners of identity keys. While a destruction of keys waits to be repeated here, the destroyed profiles own nothing."""
    hashes, rows = asked
    owners = facts.owners
    if store.nodes is not None:
        rows = list(rows)
        store.nodes.unowned.setdefault(account, set()).update(hashes.keys() - {row[0] for row in rows})
    if not store.is_behind():
        for hash16, profile_id, barrier_at in rows:
            owners[hashes[hash16]] = Owner(profile_id, barrier_at)
        return
    for hash16, profile_id, barrier_at in rows:
        destroyed_at = store.keys.destroyed_at(profile_id) if profile_id is not None else None
        if destroyed_at is not None:
            owners[hashes[hash16]] = Owner(None, max(barrier_at, destroyed_at))
        else:
            owners[hashes[hash16]] = Owner(profile_id, barrier_at)


def _load_merged(store: Store, account: int, profile_ids: set[ProfileId], facts: Facts) -> None:
    rows = store.database.load(
        "SELECT m.source, m.target FROM carray(?) k CROSS JOIN merged m ON m.account_id = ? AND m.source = k.value",
        (store.database.ints(sorted(profile_ids)), account),
    )
    facts.merged = {ProfileId(source): ProfileId(target) for source, target in rows}


def load_profiles(store: Store, account: int, profile_ids: set[ProfileId]) -> dict[ProfileId, Profile]:
    """Those of the profiles that exist, are this account's, and have not been deleted."""
    return opened_profiles(store, ask_profiles(store, account, profile_ids)) if profile_ids else {}


def ask_profiles(store: Store, account: int, profile_ids: set[ProfileId]) -> Iterable[Row]:
    """Ask for profiles; `opened_profiles` takes the answer."""
    return store.database.load(
        "SELECT p.id, p.doc FROM carray(?) k CROSS JOIN profile p ON p.id = k.value AND p.account_id = ?",
        (store.database.ints(sorted(profile_ids)), account),
    )


def opened_profiles(store: Store, rows: Iterable[Row]) -> dict[ProfileId, Profile]:
    """Profiles of rows, but those of the deleted."""
    found = {}
    for number, doc in store.refreshed(rows, 0):
        key = store.keys.key(number)
        if key is not None:
            found[ProfileId(number)] = store.sealer.open_profile(key, doc)
    return found
