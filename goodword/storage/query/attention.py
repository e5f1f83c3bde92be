"""What somebody should look at: endpoints that answer nothing, pools that run low, messages that were refused, events and rewards that
wait for a person. Each is counted up to a bound, so that asking costs the same however much there is."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from goodword.core.times import Millis
from goodword.storage.store import Store

COUNT_MAX = 1_000
RECEIPTS_MAX = 2_000
DAY_MS = 24 * 3_600_000
Concern = Literal[
    "endpoint_failing", "deliveries_dead", "pool_low", "messages_refused", "reviews_open", "rewards_failed", "rewards_overdue"
]  # fmt: skip


class Matter(Struct, frozen=True):
    """One thing to look at: how many, up to a bound (`is_more`: there are more), of which endpoint or pool, and since when."""

    concern: Concern
    count: int
    subject: str = ""
    name: str = ""
    since: Millis | None = None
    is_more: bool = False


def matters(store: Store, account: int, now: Millis) -> list[Matter]:
    """What there is to look at, the most urgent first."""
    return [
        *_endpoints(store, account),
        *_pools(store, account),
        *_counted(store, account, "rewards_failed", "reward WHERE account_id = ? AND state = 'FAILED'"),
        *_overdue(store, account, now),
        *_counted(store, account, "reviews_open", "judgement WHERE account_id = ? AND review = 'open' AND review <> ''"),
        *_refused(store, account, now),
    ]


def _endpoints(store: Store, account: int) -> list[Matter]:
    found = []
    health = store.health.get(account, {})
    for id, endpoint in sorted(store.endpoints.get(account, {}).items()):
        name = endpoint.name or id
        state = health.get(id)
        if state is not None and state.failing_since is not None:
            found.append(Matter("endpoint_failing", 1, id, name, state.failing_since))
        sql = "delivery WHERE account_id = ? AND endpoint_id = ? AND state = 'dead'"
        found += [
            Matter("deliveries_dead", m.count, id, name, None, m.is_more) for m in _counted(store, account, "deliveries_dead", sql, id)
        ]
    return found


def _pools(store: Store, account: int) -> list[Matter]:
    found = []
    for id, supplier in sorted(store.suppliers.get(account, {}).items()):
        if supplier.type != "COUPON_POOL" or not supplier.enabled:
            continue
        sql = "SELECT count(*) FROM (SELECT 1 FROM coupon WHERE account_id = ? AND supplier_id = ? AND reward_id IS NULL LIMIT ?) few"
        free = int(store.database.read(sql, (account, id, supplier.low_balance + 1))[0][0])
        if free <= supplier.low_balance:
            found.append(Matter("pool_low", free, id, supplier.name or id))
    return found


def _overdue(store: Store, account: int, now: Millis) -> list[Matter]:
    """Custom rewards that wait longer for the brand's own system than their supplier says they should."""
    what = "reward WHERE account_id = ? AND supplier_id = ? AND waiting = 'supplier' AND updated_at <= ?"
    return [
        replace(matter, subject=id, name=supplier.name or id)
        for id, supplier in sorted(store.suppliers.get(account, {}).items())
        if supplier.type == "CUSTOM_REWARD" and supplier.overdue_days is not None
        for matter in _counted(store, account, "rewards_overdue", what, id, now - supplier.overdue_days * DAY_MS)
    ]


def _counted(store: Store, account: int, concern: Concern, what: str, *more: str | int) -> list[Matter]:
    """Rows up to the bound; nothing where there are none."""
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {what} LIMIT {COUNT_MAX + 1}) few"
    count = int(store.database.read(sql, (account, *more))[0][0])
    return [Matter(concern, min(count, COUNT_MAX), is_more=count > COUNT_MAX)] if count else []


def _refused(store: Store, account: int, now: Millis) -> list[Matter]:
    """Messages that were refused in the last day, among the newest of the log."""
    rows = store.database.read(
        "SELECT count(*), min(received_at) FROM"
        " (SELECT verdict, received_at FROM receipt WHERE account_id = ? ORDER BY arrival DESC LIMIT ?) newest"
        " WHERE verdict = 'rejected' AND received_at > ?",
        (account, RECEIPTS_MAX, now - DAY_MS),
    )
    count, since = rows[0]
    return [Matter("messages_refused", count, since=since)] if count else []
