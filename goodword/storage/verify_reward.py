"""Checks of rewards: what `verify` asks of moves, the ledger, coupons and counters.

1. A reward's moves begin with EARNED, each begins where the last ended, each may follow, and the last ends in the reward's state.
2. What was posted for a reward of the ledger is its value while it is had, and nothing before and after; balances are the sums of postings.
3. An issued coupon is of one reward, which has it; its code is with the reward and no longer in the pool.
4. An event earns a reward of a name once. What limits and budgets count are the rewards that were not taken back.
5. Nothing of a deleted person's reward can be read, and none of theirs waits to be given.
6. What rules said of a reward or an event is there (ruling.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from goodword.core.reward import DAY_MS, HELD, LEDGER, TRANSITIONS
from goodword.storage.cipher import Unreadable
from goodword.storage.driver import Row
from goodword.storage.keys import KeyStoreError
from goodword.storage.store import Store

_ERRORS = (Unreadable, KeyStoreError, msgspec.MsgspecError, ValueError)
_LIVE = "state NOT IN ('CANCELED', 'REVOKED', 'EXPIRED')"
_CHECKS = {
    "SELECT c.id FROM coupon c LEFT JOIN reward r ON r.account_id = c.account_id AND r.id = c.reward_id"
    " WHERE c.reward_id IS NOT NULL AND r.coupon IS DISTINCT FROM c.id": "Coupon {}: the reward it was handed out for does not have it.",
    "SELECT r.id FROM reward r LEFT JOIN coupon c ON c.account_id = r.account_id AND c.id = r.coupon"
    " WHERE r.coupon IS NOT NULL AND (c.reward_id IS DISTINCT FROM r.id OR c.supplier_id <> r.supplier_id)": (
        "Reward {}: its coupon is not handed out for it."
    ),
    "SELECT id FROM coupon WHERE (reward_id IS NULL) <> (length(code) > 0)": "Coupon {}: its code is not where it should be.",
    f"SELECT max(id) FROM reward WHERE cause <> 0 AND {_LIVE}"
    " GROUP BY account_id, journey_id, program, name, role, cause, nth HAVING count(*) > 1": "Reward {}: its event earned it twice.",
    "SELECT p.id FROM posting p LEFT JOIN reward r ON r.account_id = p.account_id AND r.id = p.reward_id"
    " WHERE r.id IS NULL OR r.profile_id <> p.profile_id": "Posting {} is of no reward of its person's.",
    "SELECT r.id FROM reward r LEFT JOIN reward_transition t ON t.account_id = r.account_id AND t.reward_id = r.id AND t.seq = 0"
    " WHERE t.seq IS NULL": "Reward {} has no first move.",
    "SELECT r.id FROM reward r LEFT JOIN ruling s ON s.account_id = r.account_id AND s.id = r.ruling"
    " WHERE r.ruling IS NOT NULL AND s.id IS NULL": "Reward {}: what rules said of it is lost.",
    "SELECT j.arrival FROM judgement j LEFT JOIN ruling s ON s.account_id = j.account_id AND s.id = j.ruling"
    " WHERE j.ruling IS NOT NULL AND s.id IS NULL": "Event {}: what rules said of it is lost.",
    "SELECT b.profile_id FROM balance b LEFT JOIN"
    " (SELECT account_id, profile_id, unit, sum(amount) AS total FROM posting GROUP BY 1, 2, 3) p"
    " ON p.account_id = b.account_id AND p.profile_id = b.profile_id AND p.unit = b.unit WHERE b.amount <> coalesce(p.total, 0)": (
        "The balance of profile {} is not the sum of its postings."
    ),
    "SELECT DISTINCT p.profile_id FROM posting p LEFT JOIN balance b"
    " ON b.account_id = p.account_id AND b.profile_id = p.profile_id AND b.unit = p.unit WHERE b.amount IS NULL": (
        "Profile {} has postings and no balance."
    ),
    "SELECT e.profile_id FROM earned e LEFT JOIN (SELECT account_id, profile_id, program, name, unit, created_at / ? AS day,"
    f" count(*) AS number, sum(value) AS total FROM reward WHERE {_LIVE} GROUP BY 1, 2, 3, 4, 5, 6) r"
    " ON r.account_id = e.account_id AND r.profile_id = e.profile_id AND r.program = e.program AND r.name = e.name AND r.unit = e.unit"
    " AND r.day = e.day WHERE e.count <> coalesce(r.number, 0) OR e.value <> coalesce(r.total, 0)": (
        "What profile {} earned on a day is not what its rewards of the day come to."
    ),
    "SELECT s.campaign_id FROM spent s LEFT JOIN (SELECT account_id, campaign_id, unit, created_at / ? AS day,"
    f" count(*) AS number, sum(value) AS total FROM reward WHERE {_LIVE} GROUP BY 1, 2, 3, 4) r"
    " ON r.account_id = s.account_id AND r.campaign_id = s.campaign_id AND r.unit = s.unit AND r.day = s.day"
    " WHERE s.count <> coalesce(r.number, 0) OR s.value <> coalesce(r.total, 0)": (
        "What campaign {} gave out on a day is not what its rewards of the day come to."
    ),
}
"""Statements that find what is wrong, and the sentence for each; a `?` is the length of a day."""


def problems(store: Store, is_pending: Callable[[int], bool]) -> Iterator[str]:
    """What is wrong with rewards, in the transaction the caller opened. `is_pending`: a profile's deletion is yet to be repeated here."""
    for sql, sentence in _CHECKS.items():
        for (number,) in store.database.load(sql, (DAY_MS,) * sql.count("?")):
            yield sentence.format(number)
    yield from _ledger(store)
    yield from _moves(store)
    yield from _secrets(store, is_pending)


def _ledger(store: Store) -> Iterator[str]:
    """What is posted for each reward, and what should be."""
    sql = (
        "SELECT r.account_id, r.id, r.supplier_id, r.state, r.value, coalesce(p.total, 0) FROM reward r LEFT JOIN"
        " (SELECT account_id, reward_id, sum(amount) AS total FROM posting GROUP BY 1, 2) p"
        " ON p.account_id = r.account_id AND p.reward_id = r.id"
    )
    for account, number, supplier_id, state, value, total in store.database.stream(sql):
        supplier = store.suppliers.get(account, {}).get(supplier_id)
        kind = supplier.type if supplier is not None else {"points": "POINTS", "credit": "ACCOUNT_CREDIT"}.get(supplier_id)
        due = value if kind in LEDGER and state in HELD else 0
        if total != due:
            yield f"Reward {number}: {total} is posted for it, which should be {due}."


def _moves(store: Store) -> Iterator[str]:
    sql = (
        "SELECT t.account_id, t.reward_id, t.seq, t.before, t.after, t.success, r.state, r.supplier_id FROM reward_transition t"
        " LEFT JOIN reward r ON r.account_id = t.account_id AND r.id = t.reward_id ORDER BY t.account_id, t.reward_id, t.seq"
    )
    rows: list[Row] = []
    for row in store.database.stream(sql):
        if rows and rows[-1][:2] != row[:2]:
            yield from _chain(store, rows)
            rows = []
        rows.append(row)
    if rows:
        yield from _chain(store, rows)


def _chain(store: Store, rows: list[Row]) -> Iterator[str]:
    account, number, _, _, _, _, end, supplier_id = rows[0]
    supplier = store.suppliers.get(account, {}).get(supplier_id)
    has_own_map = supplier is not None and bool(supplier.state_transitions)  # which may have been another when it moved
    state = ""
    for place, (_, _, seq, before, after, success, _, _) in enumerate(rows):
        if seq != place or before != state:
            yield f"Reward {number}: its moves have a gap at {place}."
            return
        if not success:
            continue
        follows = after == "EARNED" if not before else after in TRANSITIONS[before] or before == after == "SENT"
        if not (follows or has_own_map):
            yield f"Reward {number} moved from {before or 'nothing'} to {after}, which may not follow."
        state = after
    if end is None:
        yield f"There are moves of reward {number}, which does not exist."
    elif state != end:
        yield f"Reward {number} is {end}, but its last move ended in {state}."


def _secrets(store: Store, is_pending: Callable[[int], bool]) -> Iterator[str]:
    for number, profile_id, state, secret in store.database.stream("SELECT id, profile_id, state, secret FROM reward"):
        key = store.keys.key(profile_id)
        if key is None:
            if is_pending(profile_id):
                continue
            if secret:
                yield f"Reward {number}: its recipient was deleted, and its code or notes are still there."
            if state in ("EARNED", "FAILED"):
                yield f"Reward {number} waits to be given to someone who was deleted."
            continue
        try:
            store.sealer.open_body(key, secret)
        except _ERRORS:
            yield f"Reward {number}: what is sealed of it cannot be opened."
