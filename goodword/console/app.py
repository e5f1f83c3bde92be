"""The console's routes: which feature serves which path, and what holds for every one of them.

A page is shown to whoever is signed in with enough of a role. A change besides carries the session's token and comes from a page of ours.
Errors are pages too. Every answer has the same strict headers; nothing of the console is kept by a cache.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from goodword.api.http import Refusal, read_body
from goodword.api.intake import Intake
from goodword.api.server.errors import places_of
from goodword.console import (
    audience,
    audit,
    campaign,
    coupon,
    entrance,
    key,
    mapping,
    message,
    overview,
    people,
    person,
    person_change,
    privacy,
    report,
    review,
    reward,
    settings,
    start,
    user,
    webhook,
    you,
)
from goodword.console import session as sessions
from goodword.console.asset import PATH as ASSETS_PATH
from goodword.console.asset import Assets
from goodword.console.form import Form
from goodword.console.navigation import Entry
from goodword.console.page import ROOT, Page, PageRefused, PageRoute, Pages
from goodword.console.template import Templates
from goodword.storage.failure import DatabaseFailure

FEATURES = (
    *(overview, message, people, person, person_change, reward, coupon, audience),
    *(campaign, review, start, webhook, report, settings, privacy, mapping, key, user, audit, you, entrance),
)
"""Each has ROUTES and, where it stands in the navigation, ENTRIES."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'; frame-src 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Vary": "HX-Request, Cookie",
}
TITLES = {
    400: "That cannot be read",
    403: "Not for your role",
    404: "There is nothing here",
    409: "That did not work",
    413: "That is too large",
    500: "Something went wrong here",
    503: "Not at the moment",
}
OUT_OF_DATE = "The page was open for too long, or you signed in again since. Go back, reload it, and try again."
AWAY = "The database cannot be used at the moment. Nothing was changed; try again shortly."
FAILED = "It has been logged. Nothing was changed, unless the page says so; try again."
NOT_FOUND = "The address may be mistyped, or what stood here is gone."

log = structlog.get_logger()


def entries() -> tuple[Entry, ...]:
    """The navigation, in the order of the features."""
    return tuple(entry for feature in FEATURES for entry in getattr(feature, "ENTRIES", ()))


def page_routes() -> list[PageRoute]:
    """Every page and every change of the console."""
    return [route for feature in FEATURES for route in feature.ROUTES]


def routes(intake: Intake) -> list[Route]:
    """The console, to be served with everything else."""
    assets = Assets()
    pages = Pages(intake, Templates(assets), entries())
    found = [Route(ASSETS_PATH + "{name:path}", assets.serve)]
    found += [_route(pages, each) for each in page_routes()]
    missing = PageRoute("/{rest:path}", _missing, None)
    every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return [*found, Route("/", _home), Route(ROOT, _home), Route(ROOT + missing.path, _served(pages, missing), methods=every)]


async def _home(request: Request) -> Response:  # noqa: ARG001
    return RedirectResponse(ROOT + "/", 303, headers={"Cache-Control": "no-store"})


async def _missing(page: Page) -> Response:
    if not page.is_signed_in:
        return _sent_to_sign_in(page)
    raise PageRefused(404, NOT_FOUND)


def _route(pages: Pages, each: PageRoute) -> Route:
    return Route(ROOT + each.path, _served(pages, each), methods=["POST"] if each.is_change else ["GET"])


def _served(pages: Pages, each: PageRoute) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        page = Page(pages, request, is_guest=True)
        try:
            page = Page(pages, request)
            response = await _answer(page, each)
        except PageRefused as refused:
            response = _refused(page, refused)
        except Refusal as refusal:
            response = _refused(page, PageRefused(refusal.status, refusal.message))
        except Exception as error:
            log.error("page_failed", path=each.path, error=type(error).__name__, at=places_of(error))
            response = _refused(page, PageRefused(503, AWAY) if isinstance(error, DatabaseFailure) else PageRefused(500, FAILED))
        if response.status_code == 503:
            response.headers["Retry-After"] = "1"
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return serve


async def _answer(page: Page, each: PageRoute) -> Response:
    if each.is_change:
        await _read_change(page, each.body_bytes_max)
    if each.role is None:
        return await each.answer(page)
    if not page.is_signed_in:
        return _sent_to_sign_in(page)
    if not page.viewer.may(each.role):
        raise PageRefused(403, f"This is for the role {each.role}. Yours is {page.viewer.user.role}; an admin can change it.")
    await page.seen()
    return await each.answer(page)


async def _read_change(page: Page, body_bytes_max: int) -> None:
    """The body of a change, once it is sure who wants it. Errors: PageRefused 403, 400; Refusal 413."""
    if not sessions.comes_from_here(page.request, page.pages.intake.edge):
        raise PageRefused(403, "This change was asked for by another site, and nothing was done.", "Not from here")
    page.body = await read_body(page.head, page.request.receive, body_bytes_max)
    if page.request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        try:
            page.form = Form.read(page.body)
        except ValueError:
            raise PageRefused(400, "The form has too many fields.") from None
    given = page.request.headers.get(sessions.CSRF_HEADER) or page.form.value(sessions.CSRF_FIELD)
    if not sessions.has_token(page.csrf, given):
        raise PageRefused(403, OUT_OF_DATE, "The page is out of date")


def _sent_to_sign_in(page: Page) -> Response:
    """To the sign-in, and back to this page after it; a change is not repeated."""
    path = page.request.url.path.removeprefix(ROOT) if page.request.method == "GET" and not page.is_fragment else ""
    query = page.request.url.query
    return page.redirect("/sign-in", next=path + (f"?{query}" if path and query else ""))


def _refused(page: Page, refused: PageRefused) -> Response:
    """An error as a page, or as a part of one."""
    title = refused.title or TITLES.get(refused.status, "That did not work")
    template = "error_part.html" if page.is_fragment else "error.html"
    return page.render(template, refused.status, title=title, sentence=refused.sentence)
