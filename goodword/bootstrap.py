"""Puts the parts together: a store, an engine, the HTTP application, and the process that serves them."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import structlog
import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from goodword import config
from goodword.api import admin, doors, local, openapi, operations, server
from goodword.api.app import Application
from goodword.engine import Engine
from goodword.storage.keys import parse_master
from goodword.storage.store import Store
from goodword.worker.housekeeping import keep_house

BACKLOG = 4_096
KEEP_ALIVE_S = 75
DRAIN_S = 20
HEAD_BYTES_MAX = 64 * 1024
STALLED_S = 60.0

log = structlog.get_logger()


def open_store(directory: Path, *, readonly: bool = False) -> Store:
    """The store of a data folder, with the master key from where the environment says."""
    text = config.master_text()
    return Store(directory, master=parse_master(text) if text else None, readonly=readonly, keys_in=config.keys_folder())


def make_application(engine: Engine) -> Application:
    """The HTTP application with every door."""
    application = Application(engine)
    application.pages.routes.extend(operations.routes(application.intake))
    application.pages.routes.extend(admin.routes(application.intake))
    described = [*doors.OPERATIONS, *server.OPERATIONS, *admin.OPERATIONS, *openapi.OPERATIONS]
    application.pages.routes.extend(openapi.routes(described))
    return application


class _Server(uvicorn.Server):
    """uvicorn, but a signal means drain and return, so that the process exits 0."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Stop taking, finish what was taken."""
        self.should_exit = True


class _Protocol(HttpToolsProtocol):
    """uvicorn's, but a request's head is bounded: a client cannot fill the memory with it."""

    head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Feed the parser; hang up on a head that does not end."""
        super().data_received(data)
        if self.is_in_head:
            self.head_bytes += len(data)
            if self.head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")
        else:
            self.head_bytes = 0

    @property
    def is_in_head(self) -> bool:
        """Whether a request has begun whose head has not ended."""
        scope: dict[str, object] | None = self.__dict__["scope"]  # uvicorn says it is never None, and begins with None
        return scope is not None and "method" not in scope

    @property
    def is_waiting(self) -> bool:
        """Whether the request has not arrived whole, or not begun."""
        if self.is_in_head or self.__dict__["scope"] is None:
            return True
        return self.cycle.more_body and not self.cycle.response_complete


async def _hang_up_on_stalled(server: uvicorn.Server) -> None:
    """Close connections whose request did not arrive whole between two looks: they would hold a descriptor for ever."""
    before: dict[_Protocol, object] = {}
    while True:
        await asyncio.sleep(STALLED_S)
        waiting: dict[_Protocol, object] = {}
        for connection in list(server.server_state.connections):
            if isinstance(connection, _Protocol) and connection.is_waiting:
                if connection in before and before[connection] is connection.scope:
                    connection.transport.close()
                else:
                    waiting[connection] = connection.scope
        before = waiting


def serve(store: Store, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `announce` is called with the URL once requests are taken."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 50, 1_000)
    uvloop.run(_serve(store, host, port, announce))


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Errors: OSError, which says what is wrong with the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


async def _serve(store: Store, host: str, port: int, announce: Callable[[str], None]) -> None:
    listening = _listen(host, port)
    engine = Engine(store)
    application = make_application(engine)
    server = _Server(
        uvicorn.Config(
            application,
            http=_Protocol,
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
    watch = asyncio.create_task(_hang_up_on_stalled(server))
    serving = asyncio.create_task(server._serve([listening]))
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, server.handle_exit, sig, None)
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        if server.started:
            announce(f"http://{host}:{listening.getsockname()[1]}/")
        await serving
    finally:
        house.cancel()
        watch.cancel()
        door.close()
        (store.directory / local.SOCKET_FILE).unlink(missing_ok=True)
        engine.close()
        log.info("stopped")
