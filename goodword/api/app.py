"""The HTTP application: which path leads where. Messages go to plain functions, everything else is Starlette's."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Router

from goodword.api.auth import Keyring
from goodword.api.destination import Destination
from goodword.api.http import JSON, Answer, Door, Receive, Refusal, Request, Scope, Send, answer, encode, serve
from goodword.api.intake import RETRY_AFTER, Intake
from goodword.api.link import PATH
from goodword.api.server import ServerApi
from goodword.api.server.errors import places_of
from goodword.api.share import Sharing
from goodword.api.tracking import BATCHES, SINGLES, Tracking, corrected
from goodword.engine import Engine
from goodword.storage.failure import DatabaseFailure

log = structlog.get_logger()
UNROUTED = {
    404: ("not_found", "There is nothing at this path."),
    405: ("method_not_allowed", "This path does not take this method."),
}
AWAY = encode({"code": "unavailable", "message": "The database cannot be used at the moment. Try again shortly."})
FAILED = encode({"code": "internal_error", "message": "Something went wrong here. It has been logged; try again."})


class Application:
    """Routes by path. An unexpected error is logged without its data and answered 500, a database that is away 503; CORS included."""

    def __init__(self, engine: Engine, routes: Sequence[BaseRoute] = ()) -> None:
        self.engine = engine
        self.keyring = Keyring(engine.store)
        self.intake = Intake(engine, self.keyring)
        self.destination = Destination(self.intake)
        self.tracking = Tracking(self.intake)
        self.server = ServerApi(self.intake)
        self.sharing = Sharing(self.intake)
        self.pages = Router(list(routes))
        tracking = dict.fromkeys((path.encode() for path in (*SINGLES, *BATCHES)), self.tracking)
        self.short_ways: dict[bytes, Door] = {b"/segment": self.destination, **tracking}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        try:
            if path in ("/segment", "/segment/"):
                await serve(self.destination, scope, receive, send)
            elif Tracking.serves(path):
                await serve(self.tracking, scope, receive, send)
            elif path.startswith(PATH):
                await self.sharing(scope, receive, send)
            elif ServerApi.serves(path):
                await self.server(scope, receive, send)
            else:
                scope["app"] = self  # the router then raises instead of answering 404 and 405 by itself
                await self.pages(scope, receive, send)
        except HTTPException as unrouted:
            code, said = UNROUTED.get(unrouted.status_code, ("refused", unrouted.detail))
            if scope["method"] == "POST":
                self.intake.turn_away(path, unrouted.status_code, said)
            named = [(name.lower().encode(), value.encode()) for name, value in (unrouted.headers or {}).items()]
            await answer(send, unrouted.status_code, encode({"code": code, "message": said}), [JSON, *named])
        except Exception as error:
            failed = _failed(path, dict(scope["headers"]), error)
            await answer(send, failed.status, failed.body, failed.headers)

    def answer_to(self, door: Door, request: Request, found: bytes | Exception) -> Answer:
        """The answer to a request that came the short way (`wire.py`), errors nobody expected included."""
        try:
            if isinstance(found, (bytes, Refusal)):
                return door.answer(request, found)
            raise found
        except Exception as error:
            return _failed(request.path, request.headers, error)


def _failed(path: str, headers: dict[bytes, bytes], error: Exception) -> Answer:
    log.error("request_failed", path=path.split("/")[1], error=type(error).__name__, at=places_of(error))
    if isinstance(error, DatabaseFailure):
        return Answer(503, AWAY, [JSON, RETRY_AFTER, *corrected(headers)])
    return Answer(500, FAILED, [JSON, *corrected(headers)])
