"""Housekeeping: the filter of message ids, the last use of keys, the bound of the message log. In slices, between requests."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import structlog

from goodword.core.command import TouchKeys
from goodword.engine import Engine, Overloaded, Unavailable

SLICE_PAUSE_S = 0.004
PERIOD_S = 20.0
LOG_TRIMMED_EVERY_S = 60.0

log = structlog.get_logger()


async def keep_house(engine: Engine, take_used: Callable[[], tuple[tuple[bytes, int], ...]], messages_kept: int) -> None:
    """Run until cancelled."""
    while True:
        for _ in engine.store.background():
            await asyncio.sleep(SLICE_PAUSE_S)
        try:
            if used := take_used():
                await engine.ask([TouchKeys(used, next(iter(engine.store.accounts)))])
            engine.store.trim_receipts(messages_kept)
        except (Overloaded, Unavailable, OSError):
            log.warning("housekeeping_postponed")
        # the oldest generation is never collected by itself at the thresholds that keep pauses short: cycles would add up
        gc.collect()
        await asyncio.sleep(PERIOD_S)
