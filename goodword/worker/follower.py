"""Keeps a node up with the others: settings, leases, deletions that another left half done, and what is left of destroyed keys.

Only where nodes share a database. A failure is tried again: queries and messages are answered meanwhile, or say what is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog

from goodword.engine import STORE_ERRORS, Engine
from goodword.storage import tombstone
from goodword.storage.schema import NewerSchema
from goodword.worker.delivery import Deliveries
from goodword.worker.lease import Leases

SETTINGS_S = 0.4
LEASES_EVERY_S = 2.0
CATCH_UP_EVERY_S = 2.0
REWRITE_EVERY_S = 20.0
FAILED_PAUSE_S = 2.0

log = structlog.get_logger()


async def follow_nodes(engine: Engine, leases: Leases, deliveries: Deliveries, leave: Callable[[], None]) -> None:
    """Run until cancelled. `leave` is called when a newer node made the schema one that this program cannot work with."""
    nodes = engine.store.nodes
    if nodes is None:
        return
    from goodword.storage import schema_nodes  # PostgreSQL's driver: the embedded database starts without it

    nodes.watch()
    with suppress(*STORE_ERRORS):
        for why in await engine.alone(nodes.keys.lingering):
            log.warning("destroyed_keys_linger", why=why)
    loop = asyncio.get_running_loop()
    leased_at = caught_up_at = rewritten_at = -REWRITE_EVERY_S
    while True:
        try:
            if engine.unavailable_since is None:
                if await engine.alone(nodes.have_settings_changed):
                    await engine.alone(engine.store.load_settings)
                    deliveries.look(None)
                if loop.time() - leased_at >= LEASES_EVERY_S:
                    leased_at = loop.time()
                    if await engine.alone(leases.renew):
                        await engine.alone(engine.store.load_settings)  # with how endpoints answered the node that served them
                    deliveries.look(None)
                if loop.time() - caught_up_at >= CATCH_UP_EVERY_S:
                    caught_up_at = loop.time()
                    await engine.alone(partial(schema_nodes.check, nodes.database))
                    await engine.alone(partial(tombstone.catch_up, engine.store))
                    await engine.alone(partial(nodes.tidy, engine.clock()))
                if loop.time() - rewritten_at >= REWRITE_EVERY_S:
                    rewritten_at = loop.time()
                    await asyncio.to_thread(engine.store.keys.rewrite)
        except NewerSchema:
            log.error("schema_outgrew_this_version")
            leave()
            return
        except STORE_ERRORS as error:
            log.warning("other_nodes_not_followed", error=type(error).__name__)
            await asyncio.sleep(FAILED_PAUSE_S)
        await asyncio.sleep(SETTINGS_S)
