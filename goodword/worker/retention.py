"""Keeps the log within bounds: partitions are made before they are needed, and what was kept long enough goes.

A failure is tried again in the next round: nothing here is in a hurry, and nothing waits for it.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import structlog

from goodword.core.account import Settings
from goodword.core.block import INSTALLATION
from goodword.core.times import Millis
from goodword.engine import STORE_ERRORS, Engine
from goodword.storage import expiry
from goodword.storage.failure import DatabaseFailure
from goodword.worker.lease import Leases

if TYPE_CHECKING:
    from goodword.storage.partition import Periods

ROUND_S = 60.0
WORK = "retention"
SLICE_PAUSE_S = 0.01
PAUSES = 3
"""A slice is followed by a pause of so many times its length: most of the time is the others'."""
BUSY_WAITING = 400
BUSY_PAUSE_S = 0.02

log = structlog.get_logger()


async def tend_log(engine: Engine, leases: Leases) -> None:
    """Run until cancelled."""
    done: dict[int, tuple[Settings, Millis, int]] = {}
    while True:
        try:
            if engine.unavailable_since is None:
                await _tend_partitions(engine)
                await _tend_expiry(engine, leases, done)
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


async def _tend_expiry(engine: Engine, leases: Leases, done: dict[int, tuple[Settings, Millis, int]]) -> None:
    """Let expired events of each account go, where this node is the one to do it. `done`: for which settings, month, archive it was."""
    store, asked = engine.store, dict[int, tuple[Settings, Millis, int]]()
    for account in list(store.accounts.values()):
        days = account.settings.events_kept_days
        if days and leases.holds(INSTALLATION, WORK):
            archived = expiry.archived_upto(store, account.number) if account.settings.archives_events else 0
            asked[account.number] = (account.settings, expiry.month_kept(engine.clock(), days), archived)
    pending = [number for number in asked if done.get(number) != asked[number]]
    if pending and store.nodes is not None:
        await _drop_periods(engine, store.nodes.periods)
    for number in pending:
        while leases.holds(INSTALLATION, WORK):
            if not await _expire(engine, leases, number):
                done[number] = asked[number]
                break


async def _drop_periods(engine: Engine, periods: Periods) -> None:
    """Let whole periods go, where they are due for everybody."""
    from goodword.storage import period_expiry

    now = engine.clock()
    calendars = {number: account.calendar for number, account in engine.store.accounts.items()}
    for period in sorted(periods.there["event"]):
        accounts = await engine.alone(partial(period_expiry.due, engine.store, period, now))
        if accounts:
            try:
                gone = await asyncio.to_thread(period_expiry.drop, periods, period, accounts, calendars, now)
            except DatabaseFailure as error:  # somebody reads for long; in slices it goes beside them
                log.warning("period_not_dropped", period=period, error=type(error).__name__)
            else:
                log.info("period_dropped", period=period, count=gone)


async def _expire(engine: Engine, leases: Leases, account: int) -> bool:
    """Let a month of an account's events go; whether one was due, and there may be more."""
    store, now = engine.store, engine.clock()
    after, upto = await engine.alone(partial(expiry.due, store, account, now))
    if after == upto:
        return False
    expiring = expiry.Expiring(store, account, after, upto, now)
    for _ in expiring.read_claims():
        await asyncio.sleep(SLICE_PAUSE_S)
    gone = 0
    for places in expiring.slices():
        while engine.waiting > BUSY_WAITING:  # messages first
            await asyncio.sleep(BUSY_PAUSE_S)
        if not leases.holds(INSTALLATION, WORK):
            return True
        began = time.monotonic()
        gone += await engine.alone(partial(expiring.remove, places))
        await asyncio.sleep(max(SLICE_PAUSE_S, PAUSES * (time.monotonic() - began)))
    await engine.alone(expiring.finish)
    log.info("events_expired", account=account, count=gone)
    return True
