"""Loads what giving rewards out takes of suppliers: free coupons, codes that uploads name, and what those with limits gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goodword.core.referral_facts import ReferralLookup
from goodword.core.reward import DAY_MS

if TYPE_CHECKING:
    from goodword.storage.load_referral import Loading


def load_pools(loading: Loading, asked: ReferralLookup, new: int) -> None:
    """Free coupons for what may be handed out in the group, and codes that uploads and removals name."""
    known, database, sealer = loading.known, loading.store.database, loading.store.sealer
    names = {reward.supplier for document in known.programs.terms for reward in document.rewards}
    names |= {reward.supplier for reward in known.rewards.values()} | asked.pools.keys()
    likely = 16 + 2 * len(known.journeys) + len(known.rewards) + new
    suppliers = [known.suppliers[name] for name in names if name in known.suppliers]
    wanted = {each.id: likely + asked.pools.get(each.id, 0) for each in suppliers if each.type == "COUPON_POOL"}
    for name, count in wanted.items():
        rows = database.load(
            "SELECT id, code FROM coupon WHERE account_id = ? AND supplier_id = ? AND reward_id IS NULL ORDER BY id LIMIT ?",
            (loading.account, name, count),
        )
        known.stock[name] = _stock(loading, name, count)
        known.free[name] = [(number, sealer.open_code(code)) for number, code in rows]
    _given(loading)
    for name, codes in asked.pool_codes.items():
        hashes = loading.by_hash("q", {code.casefold() for code in codes})
        held = loading.read(
            "SELECT q.hash, q.id, q.reward_id FROM carray(?) k"
            " CROSS JOIN coupon q ON q.account_id = ? AND q.supplier_id = ? AND q.hash = k.value",
            hashes,
            loading.account,
            name,
        )
        known.pool_codes[name] = {hashes[hash16]: (number, reward) for hash16, number, reward in held}


def _given(loading: Loading) -> None:
    """What suppliers with limits gave since the day began."""
    for supplier in loading.known.suppliers.values():
        if supplier.limit_per_hour is not None or supplier.limit_per_day is not None:
            rows = loading.store.database.load(
                "SELECT hour, count FROM given WHERE account_id = ? AND supplier_id = ? AND hour >= ?",
                (loading.account, supplier.id, loading.now // DAY_MS * 24),
            )
            loading.known.given[supplier.id] = dict(rows)


def _stock(loading: Loading, name: str, count: int) -> int:
    """How many coupons are free, counted no further than where the low-balance alert can be told."""
    supplier = loading.known.suppliers.get(name)
    bound = count + 1 + (supplier.low_balance if supplier is not None else 0)
    sql = "SELECT count(*) FROM (SELECT 1 FROM coupon WHERE account_id = ? AND supplier_id = ? AND reward_id IS NULL LIMIT ?) few"
    return int(next(iter(loading.store.database.load(sql, (loading.account, name, bound))))[0])
