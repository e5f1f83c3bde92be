"""The server API door, /v2 /v3 /v4 /v5 /v6: events, people and referrals for programs, in the published shapes.

Routes stand by noun, each with its description (`ENDPOINTS`); `errors.py` has the shape of every refusal, `call.py` what all calls
share. Where the published prose and the published examples disagree on a status, the examples are followed.
"""

from __future__ import annotations

import structlog
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.routing import Route, Router

from goodword.api.http import JSON, Receive, Refusal, Scope, Send, answer, answer_in_parts, encode, read_body, read_head
from goodword.api.intake import RETRY_AFTER, Intake
from goodword.api.link import origin_of
from goodword.api.server import (
    block,
    campaign,
    erasure,
    event,
    journey,
    membership,
    parameter,
    person,
    pool,
    relationship,
    report,
    review,
    reward,
    reward_history,
    reward_move,
    share,
    share_page,
    shareable,
    step,
    supplier,
    token,
    webhook,
    why,
)
from goodword.api.server.call import Call, Download, Endpoint, find_key
from goodword.api.server.errors import ServerRefusal, body_of, headers_of, places_of
from goodword.storage.failure import DatabaseFailure

ENDPOINTS = [
    *event.ENDPOINTS,
    *person.ENDPOINTS,
    *step.ENDPOINTS,
    *parameter.ENDPOINTS,
    *membership.ENDPOINTS,
    *relationship.ENDPOINTS,
    *journey.ENDPOINTS,
    *why.ENDPOINTS,
    *review.ENDPOINTS,
    *campaign.ENDPOINTS,
    *shareable.ENDPOINTS,
    *share.ENDPOINTS,
    *share_page.ENDPOINTS,
    *block.ENDPOINTS,
    *reward.ENDPOINTS,
    *reward_history.ENDPOINTS,
    *reward_move.ENDPOINTS,
    *pool.ENDPOINTS,
    *supplier.ENDPOINTS,
    *erasure.ENDPOINTS,
    *token.ENDPOINTS,
    *webhook.ENDPOINTS,
    *report.ENDPOINTS,
]
OPERATIONS = [each.operation for each in ENDPOINTS]
PREFIXES = ("/v2/", "/v3/", "/v4/", "/v5/", "/v6/")
NO_STORE = (b"cache-control", b"no-store")

log = structlog.get_logger()


class _Served:
    """The ASGI app of one endpoint."""

    def __init__(self, intake: Intake, endpoint: Endpoint) -> None:
        self.intake = intake
        self.endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = read_head(scope)
        query = QueryParams(request.query)
        endpoint = self.endpoint
        key = find_key(request, query, self.intake.keyring, endpoint.right, takes_browser_keys=False)
        body = await read_body(request, receive, endpoint.body_bytes_max) if endpoint.operation.body is not None else b""
        origin = origin_of(request.scheme, request.headers, self.intake.edge.is_proxied(request.peer))
        said = await endpoint.handler(Call(self.intake, key, scope["path_params"], query, body, origin))
        if isinstance(said, Download):
            named = (b"content-disposition", b'attachment; filename="%s"' % said.name.encode())
            await answer_in_parts(send, said.parts, [(b"content-type", said.media.encode()), named, NO_STORE])
        else:
            await answer(send, 200, encode(said), [JSON, NO_STORE])


def routes(intake: Intake) -> list[Route]:
    """The routes, to be served by `ServerApi`, which puts refusals into their shape."""
    return [Route(each.operation.path, _Served(intake, each), methods=[each.operation.method]) for each in ENDPOINTS]


class ServerApi:
    """The ASGI app of the door. Whatever goes wrong, the answer has the error shape."""

    def __init__(self, intake: Intake) -> None:
        self.router = Router(routes(intake), redirect_slashes=False)

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a path is this door's."""
        return path.startswith(PREFIXES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self  # the router then raises instead of answering 404 and 405 by itself
        try:
            await self.router(scope, receive, send)
        except Refusal as refusal:
            await answer(send, refusal.status, body_of(refusal), headers_of(refusal))
        except HTTPException as unrouted:
            if unrouted.status_code == 405:
                headers = [(name.lower().encode(), value.encode()) for name, value in (unrouted.headers or {}).items()]
                missing = ServerRefusal("method_not_allowed", "This path does not take this method.", headers)
            else:
                missing = ServerRefusal("not_found", "There is nothing at this path.")
            await answer(send, missing.status, body_of(missing), headers_of(missing))
        except DatabaseFailure as error:
            log.warning("database_away", path=scope["path"].split("/")[1], said=str(error))
            away = ServerRefusal("unavailable", "The database cannot be used at the moment. Try again shortly.", [RETRY_AFTER])
            await answer(send, away.status, body_of(away), headers_of(away))
        except Exception as error:  # a defect of ours: logged without the request's data, and said in the shape
            log.error("request_failed", path=scope["path"].split("/")[1], error=type(error).__name__, at=places_of(error))
            failed = ServerRefusal("internal_error", "Something went wrong here. It has been logged; try again.")
            await answer(send, failed.status, body_of(failed), headers_of(failed))
