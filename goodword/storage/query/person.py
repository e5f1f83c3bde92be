"""People, for reading: by id, by what names them, by an order of theirs. Whoever was deleted does not exist here (law 4).

Every function takes the account number, and finds nobody of another account (law 8). Ids of merged profiles find the profile they
became part of. Each asks a bounded number of statements, however many people it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from goodword.core.profile import IdentityKey, Profile
from goodword.storage.store import Store

PERSON_ID_MAX = (1 << 63) - 1
NUMBERS_AT_ONCE = 500


def find(store: Store, account: int, person_id: int) -> Profile | None:
    """The person with this id, or with an id that was merged into theirs."""
    return find_many(store, account, (person_id,)).get(person_id)


def find_many(store: Store, account: int, person_ids: Iterable[int]) -> dict[int, Profile]:
    """Asked id -> person, for those that exist."""
    asked = sorted({number for number in person_ids if 0 < number <= PERSON_ID_MAX})
    if not asked:
        return {}
    read, ints = store.database.read, store.database.ints
    targets: dict[int, int] = dict(
        read(
            "SELECT m.source, m.target FROM carray(?) k CROSS JOIN merged m ON m.account_id = ? AND m.source = k.value",
            (ints(asked), account),
        )
    )
    wanted = {number: targets.get(number, number) for number in asked}
    rows = read(
        "SELECT p.id, p.doc FROM carray(?) k CROSS JOIN profile p ON p.id = k.value AND p.account_id = ?",
        (ints(sorted(set(wanted.values()))), account),
    )
    profiles: dict[int, Profile] = {}
    for number, doc in store.refreshed(rows, 0):
        key = store.keys.key(number)
        if key is not None:
            profiles[number] = store.sealer.open_profile(key, doc)
    return {number: profiles[target] for number, target in wanted.items() if target in profiles}


def everybody(store: Store, account: int) -> Iterator[list[Profile]]:
    """Every profile, by number, devices included; so many numbers at a time."""
    newest = store.database.read("SELECT id FROM profile WHERE account_id = ? ORDER BY id DESC LIMIT 1", (account,))
    for start in range(1, newest[0][0] + 1 if newest else 1, NUMBERS_AT_ONCE):
        rows = store.database.read(
            "SELECT id, doc FROM profile WHERE account_id = ? AND id >= ? AND id < ? ORDER BY id", (account, start, start + NUMBERS_AT_ONCE)
        )
        known = ((store.keys.key(number), doc) for number, doc in store.refreshed(rows, 0))
        yield [store.sealer.open_profile(key, doc) for key, doc in known if key is not None]


def find_by_keys(store: Store, account: int, keys: Iterable[IdentityKey]) -> dict[IdentityKey, Profile]:
    """Identity key -> the person it belongs to, for those that have an owner."""
    hashes = {store.sealer.hash(account, key): key for key in keys}
    if not hashes:
        return {}
    rows = store.database.read(
        "SELECT i.key, i.profile_id FROM carray(?) k CROSS JOIN identity i ON i.account_id = ? AND i.key = k.value"
        " WHERE i.profile_id IS NOT NULL",
        (store.database.blobs(sorted(hashes)), account),
    )
    people = find_many(store, account, [number for _, number in rows])
    return {hashes[hash16]: people[number] for hash16, number in rows if number in people}


def find_by_claims(store: Store, account: int, claims: Iterable[str]) -> dict[str, Profile]:
    """Dedup key (`core.event.conversion_claim`) -> the person whose event took it."""
    hashes = {store.sealer.hash(account, claim): claim for claim in claims}
    if not hashes:
        return {}
    rows = store.database.read(
        "SELECT c.key, e.profile_id FROM carray(?) k CROSS JOIN claim c ON c.account_id = ? AND c.key = k.value"
        " CROSS JOIN event e ON e.arrival = c.arrival AND e.account_id = c.account_id",
        (store.database.blobs(sorted(hashes)), account),
    )
    people = find_many(store, account, [number for _, number in rows])
    return {hashes[hash16]: people[number] for hash16, number in rows if number in people}


def strongest_key(profile: Profile) -> IdentityKey | None:
    """The key that names a person best; None for a device that moved to somebody else."""
    return min(profile.keys, key=lambda key: "uea".index(key[0]), default=None)
