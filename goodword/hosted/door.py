"""The routes of the hosted pages, for the application's list."""

from __future__ import annotations

import structlog
from starlette.routing import Route

from goodword.api.http import App, Receive, Refusal, Scope, Send, answer
from goodword.api.intake import RETRY_AFTER, Intake
from goodword.api.link import FRIEND_PATH, SHARE_PAGE_PATH
from goodword.api.openapi import Operation, Parameter
from goodword.api.server.errors import places_of
from goodword.hosted.friend import FriendPages
from goodword.hosted.page import SCRIPT_PATH, notice, script
from goodword.hosted.share import SharePages
from goodword.storage.failure import DatabaseFailure

log = structlog.get_logger()


class _Friendly:
    """A page's app: whatever goes wrong, people get a page and not an error."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except Refusal as refusal:  # a form that is too large, or ended early
            page = notice("gone", "")
            await answer(send, refusal.status, page.body, page.headers)
        except Exception as error:
            log.error("request_failed", path=scope["path"].split("/")[1], error=type(error).__name__, at=places_of(error))
            page = notice("busy", "")
            if isinstance(error, DatabaseFailure):
                await answer(send, 503, page.body, [*page.headers, RETRY_AFTER])
            else:
                await answer(send, 500, page.body, page.headers)


class _Script:
    """The ASGI app of the pages' script. Its address changes with it, so it may be kept."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        body, _ = script()
        headers = [
            (b"content-type", b"text/javascript; charset=utf-8"),
            (b"cache-control", b"public, max-age=31536000, immutable"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await answer(send, 200, b"" if scope["method"] == "HEAD" else body, headers)


def routes(intake: Intake) -> list[Route]:
    """The routes."""
    share, friend = _Friendly(SharePages(intake)), _Friendly(FriendPages(intake))
    return [
        Route(SHARE_PAGE_PATH + "{label}", share, methods=["GET", "POST"]),
        Route(FRIEND_PATH + "{code}", friend, methods=["GET", "POST"]),
        Route(SCRIPT_PATH, _Script(), methods=["GET"]),
    ]


_LABEL = {"label": "A program's label, or the id of one of its campaigns."}
_CODE = {"code": "The share link's code, in any case."}
_PASSES = (
    Parameter("t", "A token of `POST /v5/persons/{person_id}/share-page`.", {"type": "string"}),
    Parameter("jwt", "In its place, a web token that the brand signed.", {"type": "string"}),
)
_PAGE_ERRORS = {404: "The page is not available: the token is no good, or its person is not there.", 503: "Try again."}
OPERATIONS = [
    Operation(
        "GET", SHARE_PAGE_PATH + "{label}", "Hosted pages", "An advocate's own share page", str, query=_PASSES, path_words=_LABEL,
        errors={302: "From a web token to the page.", 410: "The token has expired.", **_PAGE_ERRORS}, error=None, media="text/html",
        description="Link, message, ways to share, own counts and rewards, in the language of Accept-Language. Works without JavaScript.",
    ),
    Operation(
        "POST", SHARE_PAGE_PATH + "{label}", "Hosted pages", "Share by a channel", str, path_words=_LABEL, error=None, media="text/html",
        description="The page's own form, `t`, `channel` and `message`: an act of sharing is recorded, then the channel opens.",
        errors={204: "Copied, or shared by the phone's own sheet.", 303: "To the channel.", 410: "The token has expired.", **_PAGE_ERRORS},
    ),
    Operation(
        "GET", FRIEND_PATH + "{code}", "Hosted pages", "Where a friend lands, of campaigns that say so", str, path_words=_CODE,
        query=(Parameter("gw", "The click's id.", {"type": "string"}),), error=None, media="text/html",
        errors={302: "Without a click, or of a campaign that has no such page: to the share link."},
    ),
    Operation(
        "POST", FRIEND_PATH + "{code}", "Hosted pages", "Leave an e-mail address", str, path_words=_CODE, error=None, media="text/html",
        description="The page's own form, `gw` and `email`: a browser's identify, as the tracking door takes it.",
        errors={404: "The campaign does not ask for one.", 422: "It is no e-mail address; the page says so.", 503: "Try again."},
    ),
    Operation(
        "GET", SCRIPT_PATH, "Hosted pages", "The pages' script", str, error=None, media="text/javascript",
    ),
]  # fmt: skip
