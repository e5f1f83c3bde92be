"""The HTTP application: hot doors as raw ASGI, everything else Starlette's."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Router

from goodword.api.auth import Keyring
from goodword.api.destination import Destination
from goodword.api.http import JSON, Receive, Scope, Send, answer, encode
from goodword.api.intake import Intake
from goodword.api.server import ServerApi
from goodword.api.server.errors import places_of
from goodword.api.tracking import Tracking, corrected
from goodword.engine import Engine

log = structlog.get_logger()
UNROUTED = {
    404: ("not_found", "There is nothing at this path."),
    405: ("method_not_allowed", "This path does not take this method."),
}
FAILED = encode({"code": "internal_error", "message": "Something went wrong here. It has been logged; try again."})


class Application:
    """Routes by path. An unexpected error is logged without its data and answered 500, CORS included."""

    def __init__(self, engine: Engine, routes: Sequence[BaseRoute] = ()) -> None:
        self.engine = engine
        self.keyring = Keyring(engine.store)
        self.intake = Intake(engine, self.keyring)
        self.destination = Destination(self.intake)
        self.tracking = Tracking(self.intake)
        self.server = ServerApi(self.intake)
        self.pages = Router(list(routes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        try:
            if path == "/segment":
                await self.destination(scope, receive, send)
            elif Tracking.serves(path):
                await self.tracking(scope, receive, send)
            elif ServerApi.serves(path):
                await self.server(scope, receive, send)
            else:
                scope["app"] = self  # the router then raises instead of answering 404 and 405 by itself
                await self.pages(scope, receive, send)
        except HTTPException as unrouted:
            code, said = UNROUTED.get(unrouted.status_code, ("refused", unrouted.detail))
            named = [(name.lower().encode(), value.encode()) for name, value in (unrouted.headers or {}).items()]
            await answer(send, unrouted.status_code, encode({"code": code, "message": said}), [JSON, *named])
        except Exception as error:
            log.error("request_failed", path=path.split("/")[1], error=type(error).__name__, at=places_of(error))
            await answer(send, 500, FAILED, [JSON, *corrected(dict(scope["headers"]))])
