"""Housekeeping: filters, the dictionary of bodies, last use of keys, bounds of the message log and of deliveries. In slices."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from functools import partial

import structlog

from goodword.core.command import TouchKeys
from goodword.core.period import DAY_MS
from goodword.engine import STORE_ERRORS, Engine, Overloaded, Unavailable
from goodword.storage import zone
from goodword.storage.receipt import trim_receipts
from goodword.storage.save_delivery import trim_deliveries

SLICE_PAUSE_S = 0.004
PERIOD_S = 20.0
DELIVERIES_KEPT_MS = 7 * 24 * 3_600_000
DELIVERIES_SLICE = 200

log = structlog.get_logger()


async def keep_calendars(engine: Engine) -> None:
    """Have days begin by each account's time zone where they do not yet: it was chosen in a release that counted by UTC, or its clocks
    will stand otherwise than was known. It holds in a day or two, when every node is of this release."""
    for account in list(engine.store.accounts.values()):
        counting = zone.follow(account, engine.clock() + DAY_MS)
        if counting is not None:
            await engine.ask([counting])


async def keep_house(engine: Engine, take_used: Callable[[], tuple[tuple[bytes, int], ...]], messages_kept: int) -> None:
    """Run until cancelled."""
    while True:
        try:
            for _ in engine.store.background():
                await asyncio.sleep(SLICE_PAUSE_S)
            if used := take_used():
                await engine.ask([TouchKeys(used, next(iter(engine.store.accounts)))])
            await keep_calendars(engine)
            await engine.alone(partial(trim_receipts, engine.store, messages_kept))
            trim = partial(trim_deliveries, engine.store.database, engine.clock() - DELIVERIES_KEPT_MS, DELIVERIES_SLICE)
            while await engine.alone(trim) == DELIVERIES_SLICE:
                await asyncio.sleep(SLICE_PAUSE_S)
        except (Overloaded, Unavailable, *STORE_ERRORS):
            log.warning("housekeeping_postponed")
        # the oldest generation is never collected by itself at the thresholds that keep pauses short: cycles would add up
        gc.collect()
        await asyncio.sleep(PERIOD_S)
