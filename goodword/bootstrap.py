"""Puts the parts together: a store, an engine, the HTTP application, and the process that serves them."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Callable
from functools import partial
from types import FrameType

import structlog
import uvicorn
import uvloop

from goodword import config
from goodword.api import admin, doors, local, openapi, operations, schema, server, share, tag, wire
from goodword.api.app import Application
from goodword.console import app as console
from goodword.engine import Engine
from goodword.hosted import door as hosted
from goodword.storage.store import Store
from goodword.worker.delivery import Deliveries
from goodword.worker.follower import follow_nodes
from goodword.worker.housekeeping import keep_house
from goodword.worker.lease import Leases
from goodword.worker.retention import tend_log
from goodword.worker.reward import tend_rewards

BACKLOG = 4_096
KEEP_ALIVE_S = 75
DRAIN_S = 20

log = structlog.get_logger()


def make_application(engine: Engine) -> Application:
    """The HTTP application with every door."""
    application = Application(engine)
    application.pages.routes.extend(operations.routes(application.intake))
    application.pages.routes.extend(admin.routes(application.intake))
    application.pages.routes.extend(share.routes(application.sharing))
    application.pages.routes.extend(tag.routes())
    application.pages.routes.extend(schema.routes())
    application.pages.routes.extend(hosted.routes(application.intake))
    application.pages.routes.extend(console.routes(application.intake))
    described = [
        *doors.OPERATIONS,
        *server.OPERATIONS,
        *admin.OPERATIONS,
        *share.OPERATIONS,
        *hosted.OPERATIONS,
        *tag.OPERATIONS,
        *schema.OPERATIONS,
        *openapi.OPERATIONS,
    ]
    application.pages.routes.extend(openapi.routes(described))
    return application


class _Server(uvicorn.Server):
    """uvicorn, but a signal means drain and return, so that the process exits 0."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Stop taking, finish what was taken."""
        self.should_exit = True


def serve(store: Store, host: str, port: int, announce: Callable[[str], None], *, shares_port: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; `announce` is called with the URL once requests are taken."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 50, 1_000)
    uvloop.run(_serve(store, host, port, announce, shares_port))


def _listen(host: str, port: int, shares_port: bool) -> socket.socket:
    """A listening socket; `shares_port` with other processes. Errors: OSError, which says what is wrong with the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=shares_port)


async def _serve(store: Store, host: str, port: int, announce: Callable[[str], None], shares_port: bool) -> None:
    config.webhook_allow()  # says what is wrong with it before anything is begun
    listening = _listen(host, port, shares_port)
    engine = Engine(store)
    application = make_application(engine)
    server = _Server(
        uvicorn.Config(
            application,
            http=wire.Protocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=DRAIN_S,
            server_header=False,
            proxy_headers=False,
            date_header=False,
        )
    )
    loop = asyncio.get_running_loop()
    door = await local.serve_locally(engine, store.directory)
    house = asyncio.create_task(keep_house(engine, application.keyring.take_used, int(config.read("GOODWORD_MESSAGES_KEPT"))))
    leases = Leases(store)
    deliveries = Deliveries(engine, config.webhook_allow(), leases=leases)
    deliveries.start()
    due = asyncio.create_task(tend_rewards(engine, leases))
    follower = asyncio.create_task(follow_nodes(engine, leases, deliveries, partial(server.handle_exit, signal.SIGTERM, None)))
    retention = asyncio.create_task(tend_log(engine, leases))
    watch = asyncio.create_task(wire.hang_up_on_stalled(server))
    serving = asyncio.create_task(server._serve([listening]))
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, server.handle_exit, sig, None)
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        if server.started:
            announce(f"http://{host}:{listening.getsockname()[1]}/")
            if store.read_ahead is not None:
                store.read_ahead()
        await serving
    finally:
        house.cancel()
        due.cancel()
        follower.cancel()
        retention.cancel()
        watch.cancel()
        await deliveries.close()
        door.close()
        (store.directory / local.SOCKET_FILE).unlink(missing_ok=True)
        engine.close()
        log.info("stopped")
