"""What is due with rewards: pending periods that end, rewards that expire, failed ones that can be tried again.

Due times are rows, so a restart forgets nothing: what came due while nobody ran is done at the start. It issues commands like anyone
else, in slices between requests, and waits when the server has too much to do.
"""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from goodword.core.block import INSTALLATION
from goodword.core.command import TendReward
from goodword.core.reward import BUILT_IN, Supplier
from goodword.engine import Engine, Overloaded, Unavailable
from goodword.storage.query import reward as rewards
from goodword.storage.sqlite import DatabaseError
from goodword.storage.store import Store
from goodword.worker.lease import Leases

PERIOD_S = 0.5
WORK = "rewards"
ACCOUNT_PAUSE_S = 0.005
"""Ten times what looking takes an account, so that very many of them take a tenth of a node at most."""
RETRIES_EVERY_S = 2.0
SLICE = 50
SLICE_PAUSE_S = 0.004
OVERLOADED_PAUSE_S = 0.5

log = structlog.get_logger()


async def tend_rewards(engine: Engine, leases: Leases | None = None) -> None:
    """Run until cancelled."""
    loop = asyncio.get_running_loop()
    leases = leases or Leases(engine.store)
    retried_at = -RETRIES_EVERY_S
    while True:
        if not leases.holds(INSTALLATION, WORK):  # another node does it
            await asyncio.sleep(PERIOD_S)
            continue
        try:
            for account in list(engine.store.accounts):
                await _tend_due(engine, account)
            if loop.time() - retried_at >= RETRIES_EVERY_S:
                for account in list(engine.store.accounts):
                    await _retry_failed(engine, account)
                retried_at = loop.time()
        except (Overloaded, Unavailable, OSError, DatabaseError):
            log.warning("rewards_postponed")
            await asyncio.sleep(OVERLOADED_PAUSE_S)
        await asyncio.sleep(max(PERIOD_S, ACCOUNT_PAUSE_S * len(engine.store.accounts)))


async def _tend_due(engine: Engine, account: int) -> None:
    """All that is due now. One that stays due, for whatever reason, is passed over in this pass and tried again in the next."""
    seen: set[int] = set()
    while True:
        found = await engine.alone(partial(rewards.due, engine.store, account, engine.clock(), SLICE + len(seen)))
        fresh = [number for number in found if number not in seen][:SLICE]
        if not fresh:
            return
        seen.update(fresh)
        await _tend(engine, account, fresh)
        await asyncio.sleep(SLICE_PAUSE_S)


async def _retry_failed(engine: Engine, account: int) -> None:
    """Failed rewards of suppliers that can give again, in the order they were earned."""
    store = engine.store
    for supplier in list((store.suppliers.get(account) or BUILT_IN).values()):
        if not supplier.enabled or supplier.type == "CUSTOM_REWARD":
            continue
        after = 0
        while found := await engine.alone(partial(_failed, store, account, supplier, after)):
            await _tend(engine, account, found)
            after = found[-1]
            await asyncio.sleep(SLICE_PAUSE_S)


def _failed(store: Store, account: int, supplier: Supplier, after: int) -> list[int]:
    """The next failed rewards of a supplier, if it can give."""
    if supplier.type == "COUPON_POOL" and not rewards.has_stock(store, account, supplier.id):
        return []
    return rewards.failed(store, account, supplier.id, after, SLICE)


async def _tend(engine: Engine, account: int, numbers: list[int]) -> None:
    """One request each, so that one that cannot be done holds up no other; they share a commit. Errors: what they all met."""
    tended = (engine.ask([TendReward(account, number)]) for number in numbers)
    met = [each for each in await asyncio.gather(*tended, return_exceptions=True) if isinstance(each, BaseException)]
    if len(met) == len(numbers):
        raise met[0]
    if met:
        log.warning("rewards_not_tended", count=len(met), error=type(met[0]).__name__)
