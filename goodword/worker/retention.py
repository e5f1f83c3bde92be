"""Keeps the log within bounds: partitions are made before they are needed, and what was kept long enough goes.

A failure is tried again in the next round: nothing here is in a hurry, and nothing waits for it.
"""

from __future__ import annotations

import asyncio

import structlog

from goodword.engine import STORE_ERRORS, Engine

ROUND_S = 60.0

log = structlog.get_logger()


async def tend_log(engine: Engine) -> None:
    """Run until cancelled."""
    while True:
        try:
            if engine.unavailable_since is None:
                await _tend_partitions(engine)
        except STORE_ERRORS as error:
            log.warning("log_not_tended", error=type(error).__name__)
        await asyncio.sleep(ROUND_S)


async def _tend_partitions(engine: Engine) -> None:
    """Every node looks; whoever comes first makes, or drops, and the others wait for it and find it done."""
    if engine.store.nodes is None:
        return
    periods, now = engine.store.nodes.periods, engine.clock()
    periods.read()
    if periods.missing(now):
        await asyncio.to_thread(periods.make_ahead, now)
    if periods.forgotten(now):
        await asyncio.to_thread(periods.forget_messages, now)
