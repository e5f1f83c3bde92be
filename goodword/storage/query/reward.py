"""Rewards, their moves, suppliers' pools and people's balances, for reading; and what is due, for the worker.

Every statement names the account (law 8). What names someone is opened with the recipient's key: of deleted people amounts remain, and
no code, note or address (law 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from goodword.core.profile import Profile
from goodword.core.reward import Reward, RewardState, Transition
from goodword.core.times import Millis
from goodword.storage.load_referral import REWARD, read_reward
from goodword.storage.query import person as people
from goodword.storage.store import Store

_detail = msgspec.json.Decoder(dict[str, Any]).decode


class RewardFilter(Struct, frozen=True):
    """Which rewards are wanted; what is None filters nothing. `people` are profile numbers, those merged into a person included; `names`
    pairs of campaign and reward; `before` an id; `partner_ids` coupon codes and partners' own ids."""

    states: frozenset[str] | None = None
    suppliers: frozenset[str] | None = None
    people: frozenset[int] | None = None
    campaigns: frozenset[str] | None = None
    programs: frozenset[str] | None = None
    roles: frozenset[str] | None = None
    names: frozenset[tuple[str, str]] | None = None
    causes: frozenset[int] | None = None
    partner_ids: frozenset[str] | None = None
    since: Millis | None = None
    until: Millis | None = None
    before: int | None = None
    includes_failed: bool = True


class StoredReward(Struct, frozen=True):
    """A reward as shown: with its recipient (None: deleted), and the event that earned it."""

    reward: Reward
    person: Profile | None
    event_id: str
    amount: int | None
    currency: str | None


class Pool(Struct, frozen=True):
    """A pool's coupons, counted."""

    total: int
    free: int
    issued: int


class Upload(Struct, frozen=True):
    """A change of a pool."""

    id: int
    supplier: str
    at: Millis
    type: str
    added: int
    refused: int
    by: str


def _in(column: str, store: Store, values: Iterable[str] | Iterable[int]) -> tuple[str, list[Any]]:
    """A condition on a list of values, and its parameters; of no values nothing is true. A text with a NUL is stored nowhere."""
    listed = sorted(value for value in values if not (isinstance(value, str) and "\0" in value))
    if not listed:
        return " AND 1 = 0", []
    numbers = [value for value in listed if isinstance(value, int)]
    array = store.database.ints(numbers) if numbers else store.database.texts([str(value) for value in listed])
    return f" AND {column} IN (SELECT value FROM carray(?))", [array]


def _where(store: Store, account: int, wanted: RewardFilter) -> tuple[str, list[Any]]:
    sql, params = " WHERE r.account_id = ?", [account]
    lists = (
        ("r.state", wanted.states),
        ("r.supplier_id", wanted.suppliers),
        ("r.profile_id", wanted.people),
        ("r.campaign_id", wanted.campaigns),
        ("r.program", wanted.programs),
        ("r.role", wanted.roles),
        ("r.campaign_id || ':' || r.name", {":".join(pair) for pair in wanted.names} if wanted.names is not None else None),
        ("r.cause", wanted.causes),
    )
    for column, values in lists:
        if values is not None:
            more, array = _in(column, store, values)
            sql += more
            params += array
    if wanted.partner_ids is not None:
        hashes = sorted(store.sealer.hash(account, "p" + text.casefold()) for text in wanted.partner_ids)
        sql += " AND r.partner IN (SELECT value FROM carray(?))" if hashes else " AND 1 = 0"
        params += [store.database.blobs(hashes)] if hashes else []
    for column, bound in (("r.created_at >= ?", wanted.since), ("r.created_at < ?", wanted.until), ("r.id < ?", wanted.before)):
        if bound is not None:
            sql += f" AND {column}"
            params.append(bound)
    if not wanted.includes_failed:
        sql += " AND r.state <> 'FAILED'"
    return sql, params


def list_of(store: Store, account: int, wanted: RewardFilter, offset: int = 0, limit: int = 100) -> list[StoredReward]:
    """Rewards, newest first."""
    where, params = _where(store, account, wanted)
    rows = store.database.read(f"SELECT {REWARD} FROM reward r{where} ORDER BY r.id DESC LIMIT ? OFFSET ?", (*params, limit, offset))
    return _shown(store, account, [read_reward(store, row) for row in store.refreshed(rows)])


def find(store: Store, account: int, reward_id: int) -> StoredReward | None:
    """One reward."""
    rows = store.database.read(f"SELECT {REWARD} FROM reward r WHERE r.account_id = ? AND r.id = ?", (account, reward_id))
    found = _shown(store, account, [read_reward(store, row) for row in store.refreshed(rows)])
    return found[0] if found else None


def _shown(store: Store, account: int, rewards: list[Reward]) -> list[StoredReward]:
    recipients = people.find_many(store, account, [reward.profile_id for reward in rewards])
    causes = causes_of(store, account, (reward.cause for reward in rewards))
    nothing = ("", None, None)
    return [StoredReward(reward, recipients.get(reward.profile_id), *causes.get(reward.cause, nothing)) for reward in rewards]


def causes_of(store: Store, account: int, arrivals: Iterable[int]) -> dict[int, tuple[str, int | None, str | None]]:
    """The ids and values of the events that caused something, by their place in the log (0: no event)."""
    rows = store.database.read(
        "SELECT e.arrival, e.hash, e.amount, e.currency FROM carray(?) k CROSS JOIN event e ON e.arrival = k.value AND e.account_id = ?",
        (store.database.ints(sorted({arrival for arrival in arrivals if arrival})), account),
    )
    return {arrival: (hash16.hex(), amount, currency) for arrival, hash16, amount, currency in rows}


def arrivals_of(store: Store, account: int, event_ids: Iterable[str]) -> frozenset[int]:
    """The places in the log of events by their ids, as the API shows them."""
    hashes = []
    for text in event_ids:
        try:
            hashes.append(bytes.fromhex(text))
        except ValueError:
            continue
    found = store.find_messages(account, [each for each in hashes if len(each) == 16]).values()
    rows = store.database.read(
        "SELECT e.arrival FROM carray(?) k CROSS JOIN event e ON e.arrival = k.value AND e.account_id = ?",
        (store.database.ints(sorted(found)), account),
    )
    return frozenset(arrival for (arrival,) in rows)


def history(store: Store, account: int, reward: Reward) -> list[Transition]:
    """A reward's moves and failed attempts, oldest first."""
    rows = store.database.read(
        "SELECT seq, at, before, after, success, message, by, cause, detail FROM reward_transition"
        " WHERE account_id = ? AND reward_id = ? ORDER BY seq",
        (account, reward.id),
    )
    key = store.keys.key(reward.profile_id)
    moves = []
    for seq, at, before, after, success, message, by, cause, sealed in store.refreshed(rows):
        detail = _detail(store.sealer.open_body(key, sealed)) if sealed and key is not None else {}
        said = str(detail.pop("message", message))
        moves.append(Transition(reward.id, reward.profile_id, seq, at, before, after, bool(success), said, by, cause, detail))
    return moves


def moved_between(store: Store, account: int, since: Millis, until: Millis, suppliers: frozenset[str] | None) -> dict[RewardState, int]:
    """How many rewards came to each state in a time."""
    sql = "SELECT t.after, count(*) FROM reward_transition t"
    params: list[Any] = [account, since, until]
    where = " WHERE t.account_id = ? AND t.at >= ? AND t.at < ? AND t.success = 1 AND t.before <> t.after"
    if suppliers is not None:
        sql += " JOIN reward r ON r.account_id = t.account_id AND r.id = t.reward_id"
        more, array = _in("r.supplier_id", store, suppliers)
        where += more
        params += array
    return dict(store.database.read(f"{sql}{where} GROUP BY t.after", params))


def balances(store: Store, account: int, numbers: Sequence[int]) -> dict[str, int]:
    """What a person has of each unit, over all profiles that became theirs."""
    rows = store.database.read(
        "SELECT b.unit, sum(b.amount) FROM carray(?) k CROSS JOIN balance b ON b.account_id = ? AND b.profile_id = k.value"
        " GROUP BY b.unit ORDER BY b.unit",
        (store.database.ints(sorted(numbers)), account),
    )
    return dict(rows)


def pool(store: Store, account: int, supplier: str) -> Pool:
    """How many coupons a pool has."""
    total = store.database.read("SELECT count(*) FROM coupon WHERE account_id = ? AND supplier_id = ?", (account, supplier))[0][0]
    free = store.database.read(
        "SELECT count(*) FROM coupon WHERE account_id = ? AND supplier_id = ? AND reward_id IS NULL", (account, supplier)
    )[0][0]
    return Pool(total, free, total - free)


def uploads(store: Store, account: int, supplier: str, offset: int = 0, limit: int = 100) -> list[Upload]:
    """What was done to a pool, newest first."""
    rows = store.database.read(
        "SELECT id, supplier_id, at, type, added, refused, by FROM coupon_upload WHERE account_id = ? AND supplier_id = ?"
        " ORDER BY id DESC LIMIT ? OFFSET ?",
        (account, supplier, limit, offset),
    )
    return [Upload(*row) for row in rows]


def coupons(store: Store, account: int, supplier: str, offset: int = 0, limit: int = 100) -> list[tuple[int, str]]:
    """Codes of a pool that were not handed out, in the order they will be."""
    rows = store.database.read(
        "SELECT id, code FROM coupon WHERE account_id = ? AND supplier_id = ? AND reward_id IS NULL ORDER BY id LIMIT ? OFFSET ?",
        (account, supplier, limit, offset),
    )
    sealer = store.sealer
    return [(number, sealer.open_code(code)) for number, code in rows]


def due(store: Store, account: int, now: Millis, limit: int) -> list[int]:
    """Rewards whose waiting is over, or whose time is: those due longest first."""
    waited = store.database.read(
        "SELECT id FROM reward WHERE account_id = ? AND waiting IN ('pending', 'supplier') AND due_at IS NOT NULL AND due_at <= ?"
        " ORDER BY due_at LIMIT ?",
        (account, now, limit),
    )
    expired = store.database.read(
        "SELECT id FROM reward WHERE account_id = ? AND state IN ('EARNED', 'FULFILLED', 'SENT', 'FAILED') AND expires_at IS NOT NULL"
        " AND expires_at <= ? ORDER BY expires_at LIMIT ?",
        (account, now, limit),
    )
    return list(dict.fromkeys(number for (number,) in (*waited, *expired)))


def next_due(store: Store, account: int) -> Millis | None:
    """When the next reward is due or expires; None where none is."""
    (waits,) = store.database.read(
        "SELECT min(due_at) FROM reward WHERE account_id = ? AND waiting IN ('pending', 'supplier') AND due_at IS NOT NULL", (account,)
    )[0]
    (ends,) = store.database.read(
        "SELECT min(expires_at) FROM reward WHERE account_id = ? AND state IN ('EARNED', 'FULFILLED', 'SENT', 'FAILED')"
        " AND expires_at IS NOT NULL",
        (account,),
    )[0]
    return min((at for at in (waits, ends) if at is not None), default=None)


def failed(store: Store, account: int, supplier: str, after: int, limit: int) -> list[int]:
    """Rewards of a supplier that FAILED, in the order they were earned, from an id on."""
    rows = store.database.read(
        "SELECT id FROM reward WHERE account_id = ? AND supplier_id = ? AND state = 'FAILED' AND id > ? ORDER BY id LIMIT ?",
        (account, supplier, after, limit),
    )
    return [number for (number,) in rows]


def has_stock(store: Store, account: int, supplier: str) -> bool:
    """Whether a pool has a free coupon."""
    sql = "SELECT 1 FROM coupon WHERE account_id = ? AND supplier_id = ? AND reward_id IS NULL LIMIT 1"
    return bool(store.database.read(sql, (account, supplier)))
