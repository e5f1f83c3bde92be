"""One request of the console: who asks, what they sent, and the ways to answer.

A feature is a module with functions of a `Page`, and a table of them:

    ROUTES = (
        shows("/messages", index, "marketer"),
        changes("/messages/{arrival:int}/again", again, "admin"),
    )

What `shows` is asked by GET and changes nothing; what `changes` is asked by POST, carries the session's token, and comes from a page of
ours. Both answer 403 to a role that is not enough, before the function is called.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote, urlencode

from babel import Locale
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from goodword.api.http import Request as Head
from goodword.api.http import read_head
from goodword.api.intake import Intake
from goodword.console import session as sessions
from goodword.console.form import Form
from goodword.console.navigation import Entry, current, groups_for
from goodword.console.template import Templates
from goodword.console.words import locale_of
from goodword.core import command as c
from goodword.core.account import Account, Settings
from goodword.core.console import Role, Session, User, may
from goodword.core.decision import Outcome
from goodword.core.times import Millis
from goodword.engine import Engine, Overloaded, Unavailable
from goodword.storage.store import Store

ROOT = "/console"
BODY_BYTES_MAX = 512 * 1024
NOTICE = "goodword_notice"
NOTICE_CHARS_MAX = 300


class PageRefused(Exception):
    """An answer other than what was asked for: a status, and a sentence that says what to do. `title` is its headline."""

    def __init__(self, status: int, sentence: str, title: str = "") -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.title = status, sentence, title


class Viewer(Struct, frozen=True):
    """Who looks at a page."""

    user: User
    session: Session
    account: Account

    def may(self, needed: Role) -> bool:
        """Whether they have this role, or a higher one."""
        return may(self.user.role, needed)


class Pages:
    """What all pages share."""

    def __init__(self, intake: Intake, templates: Templates, entries: tuple[Entry, ...]) -> None:
        self.intake = intake
        self.engine: Engine = intake.engine
        self.store: Store = intake.store
        self.templates = templates
        self.entries = entries


class Page:
    """One request. `viewer` is there on every page but those for people who are not signed in."""

    def __init__(self, pages: Pages, request: Request, *, is_guest: bool = False) -> None:
        """`is_guest`: whoever it is, nobody is looked for, as where that cannot be done."""
        self.pages = pages
        self.request = request
        self.head: Head = read_head(request.scope)
        self.engine, self.store = pages.engine, pages.store
        self.is_secure = sessions.is_secure(self.head, pages.intake.edge)
        self.token = self.cookie(sessions.NAME)
        self.guest = self.cookie(sessions.GUEST) or sessions.new_token()
        self.form = Form()
        self.body = b""
        found = None if is_guest else sessions.find_session(pages.store, self.token, self.now)
        account = pages.store.accounts.get(found[1].account) if found is not None else None
        self._viewer = Viewer(found[1], found[0], account) if found is not None and account is not None else None

    @property
    def now(self) -> Millis:
        """The time of the server."""
        return self.engine.clock()

    @property
    def today(self) -> int:
        """The account's day."""
        return self.viewer.account.calendar.day_of(self.now)

    @property
    def is_signed_in(self) -> bool:
        """Whether somebody is signed in."""
        return self._viewer is not None

    @property
    def viewer(self) -> Viewer:
        """Who looks. Errors: PageRefused 401."""
        if self._viewer is None:
            raise PageRefused(401, "Sign in to go on.", "You are not signed in")
        return self._viewer

    @property
    def account(self) -> int:
        """The viewer's account: the first argument of every query (law 8)."""
        return self.viewer.account.number

    @property
    def settings(self) -> Settings:
        """The account's settings."""
        return self.viewer.account.settings

    @property
    def locale(self) -> Locale:
        """How figures are written for this viewer."""
        return locale_of(self.request.headers.get("accept-language", ""))

    @property
    def csrf(self) -> str:
        """What a change from this page must carry."""
        return sessions.csrf_of(self.token if self._viewer is not None and self.token else self.guest)

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks for a part of a page, and not the browser for a whole one."""
        asked = self.request.headers
        return asked.get("hx-request") == "true" and asked.get("hx-history-restore-request") != "true"

    def cookie(self, name: str) -> str:
        """A cookie's value, "" where there is none."""
        return self.request.cookies.get(sessions.cookie_name(name, self.is_secure), "")

    def drop_cookie(self, response: Response, name: str) -> None:
        """Have the browser forget a cookie."""
        response.delete_cookie(sessions.cookie_name(name, self.is_secure), path="/", secure=self.is_secure, httponly=True)

    def param(self, name: str) -> Any:
        """A part of the path."""
        return self.request.path_params[name]

    def query(self, name: str) -> str:
        """A parameter of the query, "" where there is none. Filters are the query, so that a page can be shared."""
        return self.request.query_params.get(name, "").replace("\0", "").strip()

    def number(self, name: str, default: int, lowest: int = 0, highest: int = 1 << 62) -> int:
        """A whole number of the query; the default where it is none."""
        text = self.query(name)
        return min(max(int(text), lowest), highest) if text.isascii() and text.isdigit() and len(text) < 20 else default

    def choice(self, name: str, choices: tuple[str, ...], default: str = "") -> str:
        """One of some words of the query; the default where it is none of them."""
        text = self.query(name)
        return text if text in choices else default

    async def attempt(self, command: c.Command, action: str, subject: str = "", **detail: Any) -> Outcome:
        """Have the engine do it, and write down who did, in one commit. A refusal comes back as an outcome. Errors: PageRefused 503.

        `action` reads like `key.created`; subject and details are ids and settings, never what names a person of the brand's."""
        return (await self.ask(c.Audited(command.account, command, self.viewer.user.id, action, subject, detail)))[0]

    async def do(self, command: c.Command, action: str, subject: str = "", **detail: Any) -> Outcome:
        """The same, where a refusal is the answer. Errors: PageRefused."""
        outcome = await self.attempt(command, action, subject, **detail)
        if outcome.verdict == "refused":
            raise PageRefused(404 if outcome.code.endswith("not_found") else 409, outcome.reason)
        return outcome

    async def ask(self, *commands: c.Asked) -> list[Outcome]:
        """Commands in one commit, without a word in the audit log: for what is no change of anybody's. Errors: PageRefused 503."""
        try:
            return await self.engine.ask(commands)
        except Overloaded:
            raise PageRefused(503, "Too much is waiting at the moment. Nothing was changed; try again shortly.") from None
        except Unavailable:
            raise PageRefused(503, "Nothing can be stored at the moment. Nothing was changed; try again later.") from None

    async def seen(self) -> None:
        """Remember that the session is used, now and then."""
        viewer = self.viewer
        if self.now - viewer.session.seen_at > sessions.SEEN_EVERY_MS:
            with suppress(Overloaded, Unavailable):  # a page is shown whether or not this can be stored
                await self.engine.ask([c.SeeSession(self.account, viewer.session.hash)])

    def at(self, path: str, **query: object) -> str:
        """An address of the console: a path below its root, and a query without what is empty."""
        kept = {name: str(value) for name, value in query.items() if value not in (None, "", False)}
        return ROOT + path + (f"?{urlencode(kept)}" if kept else "")

    def here(self, **query: object) -> str:
        """This page's address with some of its query changed; an empty value takes one away."""
        return self.at(self.request.url.path.removeprefix(ROOT), **{**self.request.query_params, **query})

    def render(self, template: str, status: int = 200, **values: Any) -> Response:
        """A template as the answer. Its `page` is this; whatever it shows is escaped."""
        notice = unquote(self.cookie(NOTICE))[:NOTICE_CHARS_MAX] if not self.is_fragment else ""
        path = self.request.url.path.removeprefix(ROOT) or "/"
        viewer = self._viewer
        shown = {
            "page": self,
            "viewer": viewer,
            "navigation": groups_for(viewer.user, self.pages.entries) if viewer is not None else [],
            "current": current(self.pages.entries, path),
            "notice": notice,
            "form": self.form,
        }
        response = HTMLResponse(self.pages.templates.render(template, self.locale, {**shown, **values}), status)
        if notice:
            self.drop_cookie(response, NOTICE)
        if viewer is None and not self.cookie(sessions.GUEST):
            sessions.set_cookie(response, sessions.GUEST, self.guest, is_secure=self.is_secure, max_age_s=None)
        return response

    def redirect(self, path: str, notice: str = "", **query: object) -> Response:
        """Go to another page after a change; it says `notice` at its top, once."""
        target = self.at(path, **query)
        response = Response(status_code=204, headers={"HX-Redirect": target}) if self.is_fragment else Response(status_code=303)
        response.headers["Location"] = target
        if notice:
            said = quote(notice[:NOTICE_CHARS_MAX])
            sessions.set_cookie(response, NOTICE, said, is_secure=self.is_secure, max_age_s=60)
        return response


Answer = Callable[[Page], Awaitable[Response]]


class PageRoute(Struct, frozen=True):
    """A row of a feature's table. `role` None: for people who are not signed in."""

    path: str
    answer: Answer
    role: Role | None
    is_change: bool = False
    body_bytes_max: int = BODY_BYTES_MAX


def shows(path: str, answer: Answer, role: Role | None) -> PageRoute:
    """A page to look at."""
    return PageRoute(path, answer, role)


def changes(path: str, answer: Answer, role: Role | None, *, body_bytes_max: int = BODY_BYTES_MAX) -> PageRoute:
    """Something that is changed by a form or a button."""
    return PageRoute(path, answer, role, True, body_bytes_max)
