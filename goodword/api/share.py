"""The door of share links, `GET /s/{code}`: a durable click, then the redirect. Whatever happens, a visitor never sees an error.

Crawlers, link previews, prefetches and HEAD get a page with the campaign's preview and are no clicks. A click is stored before the
redirect is sent; only where nothing can be stored at the moment is the visitor sent on without one.
"""

from __future__ import annotations

import io
from functools import lru_cache

import segno
import structlog
from starlette.exceptions import HTTPException
from starlette.routing import Route

from goodword.api import card
from goodword.api.evidence import hint_of, is_mobile, is_prefetch, kind_of
from goodword.api.guess import Guesses
from goodword.api.http import Headers, Receive, Scope, Send, answer
from goodword.api.intake import Intake
from goodword.api.link import FRIEND_PATH, PATH, address_with, destination_of, link_to, new_click_id, origin_of
from goodword.api.openapi import Operation, Parameter
from goodword.api.server.errors import places_of
from goodword.core import command as c
from goodword.core.campaign import Share
from goodword.core.code import is_code
from goodword.core.deciding.share import live_campaign
from goodword.core.profile import ProfileId
from goodword.core.referral import Click, Shareable
from goodword.core.signal import CLICK_PARAMETER
from goodword.engine import Overloaded, Unavailable
from goodword.storage.failure import DatabaseFailure
from goodword.storage.query import share as links

QR_KINDS = {"qr.svg": b"image/svg+xml", "qr.png": b"image/png"}
QR_SCALE, QR_SCALE_MAX = 8, 40
STRAY = "/.,;:!?)]}>'\"”’»"
"""What people and mail programs leave at the end of an address."""
log = structlog.get_logger()
_SENT_ON: Headers = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"x-robots-tag", b"noindex"),
]


class Sharing:
    """The ASGI app of the door. `counts` is what became of requests, for `/metrics`."""

    def __init__(self, intake: Intake) -> None:
        self.engine, self.store, self.edge = intake.engine, intake.store, intake.edge
        self.guesses = Guesses()
        self.counts = intake.visits
        self.counts.update(dict.fromkeys(("clicked", "uncounted", "previewed", "lost", "guessed", "unrecorded"), 0))
        self._accounts: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        method: str = scope["method"]
        if method not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        code, _, rest = scope["path"].removeprefix(PATH).partition("/")
        if rest in QR_KINDS:
            await self._qr(scope, send, code, rest, method)
            return
        try:
            status, body, headers = await self._visit(scope, (code + "/" + rest).rstrip(STRAY) if rest else code.rstrip(STRAY), method)
        except Exception as error:  # a defect of ours, or a disk that cannot be read: the visitor gets a friendly page
            log.error("request_failed", path="s", error=type(error).__name__, at=places_of(error))
            is_away = isinstance(error, DatabaseFailure)
            status, body, headers = (503, card.away(), card.headers_of_waiting()) if is_away else self._page_of_lost()
        await answer(send, status, b"" if method == "HEAD" else body, headers)

    async def _visit(self, scope: Scope, code: str, method: str) -> tuple[int, bytes, Headers]:
        headers = dict(scope["headers"])
        peer = scope["client"][0] if scope.get("client") else ""
        agent = headers.get(b"user-agent", b"").decode("latin-1")
        address, now = self.edge.address_of(peer, headers), self.engine.clock()
        if self.guesses.are_too_many(address, now):
            self.counts["guessed"] += 1
            return self._page_of_lost()
        account = self._account_of(code)
        if account is None:
            return self._lost(None, None, address, now)
        kind, ahead = kind_of(agent), is_prefetch(headers)
        if method == "HEAD" or ahead or kind == "crawler":
            origin = origin_of(scope.get("scheme", "http"), headers, self.edge.is_proxied(peer))
            return self._preview(account, code, origin, address, now, ahead)
        hint = hint_of(headers)
        referrer = headers.get(b"referer", b"").decode("latin-1")
        page = scope["query_string"].decode("latin-1")
        evidence = self.edge.evidence(account, ip=address, agent=agent, referrer=referrer, hint=hint, page=page)
        is_counted = not (evidence.is_bot or evidence.hint or evidence.blocked)
        click = Click(new_click_id(), now, ProfileId(0), "", "", code, evidence, is_counted)
        is_phone = is_mobile(headers)
        try:
            outcome = (await self.engine.ask([c.RecordClick(account, click)]))[0]
        except (Overloaded, Unavailable):
            return self._unrecorded(account, code, address, now, is_phone)
        if outcome.verdict != "done":
            return self._lost(account, outcome.value, address, now)
        recorded, shareable, share = outcome.value
        self.counts["clicked" if is_counted else "uncounted"] += 1
        return self._sent_on(share, shareable, is_phone, recorded.id)

    def _account_of(self, code: str) -> int | None:
        """The account to look in: the only one, or the first that has the code. Codes never change accounts, so that is remembered."""
        if not is_code(code):
            return None
        accounts = self.store.accounts
        if len(accounts) == 1:
            return next(iter(accounts))
        folded = code.casefold()
        found = self._accounts.get(folded)
        if found is None and (found := links.account_of(self.store, code)) is not None:
            if len(self._accounts) >= 100_000:
                self._accounts.clear()
            self._accounts[folded] = found
        return found

    def _sent_on(self, share: Share, shareable: Shareable, is_phone: bool, click_id: str) -> tuple[int, bytes, Headers]:
        if share.landing == "hosted":
            location: str | None = f"{FRIEND_PATH}{shareable.code}?{CLICK_PARAMETER}={click_id}"
        else:
            destination = destination_of(share, shareable.content.get("url", ""), is_phone)
            location = address_with(destination, share.utm, click_id)
        if location is None:
            return self._page_of_lost()
        return 302, b"", [(b"location", location.encode("ascii", "ignore")), *_SENT_ON]

    def _unrecorded(self, account: int, code: str, address: str, now: int, is_phone: bool) -> tuple[int, bytes, Headers]:
        """Nothing can be stored at the moment: the visitor goes on all the same."""
        self.counts["unrecorded"] += 1
        link = links.find(self.store, code, account)
        live = self._live(account, link.shareable.program, now) if link is not None and link.shareable is not None else None
        if link is None or link.shareable is None or link.dead or live is None:
            return self._lost(account, link.shareable if link is not None else None, address, now)
        return self._sent_on(live, link.shareable, is_phone, "")

    def _preview(self, account: int, code: str, origin: str, address: str, now: int, ahead: bool) -> tuple[int, bytes, Headers]:
        link = links.find(self.store, code, account)
        shareable = link.shareable if link is not None else None
        share = self._live(account, shareable.program, now) if shareable is not None else None
        if link is None or link.dead or shareable is None or share is None:
            return self._lost(account, shareable, address, now)
        self.counts["previewed"] += 1
        destination = address_with(destination_of(share, shareable.content.get("url", ""), False), share.utm) or ""
        body = card.preview(share, shareable.content, link_to(origin, shareable.code), destination, goes_on=ahead)
        return 200, body, card.headers_of_page(goes_on=ahead)

    def _live(self, account: int, program: str, now: int) -> Share | None:
        programs = self.store.programs.get(account)
        found = live_campaign(programs, program, now) if programs is not None else None
        return found[1] if found is not None else None

    def _lost(self, account: int | None, shareable: Shareable | None, address: str, now: int) -> tuple[int, bytes, Headers]:
        """A link that leads nowhere: to the page that its program's campaign names, else to the friendly page."""
        if shareable is None:
            self.guesses.note(address, now)
        share = self._last_share(account, shareable.program if shareable is not None else None)
        location = address_with(share.unknown_destination, {}) if share is not None and share.unknown_destination else None
        if location is None:
            return self._page_of_lost()
        self.counts["lost"] += 1
        return 302, b"", [(b"location", location.encode("ascii", "ignore")), *_SENT_ON]

    def _last_share(self, account: int | None, program: str | None) -> Share | None:
        """Of a program, or where that is not known of the only account that has campaigns, what was published last."""
        programs = self.store.programs
        number = account if account is not None else next(iter(programs)) if len(programs) == 1 else None
        found = [each for each in programs[number].campaigns.values() if each.published] if number in programs else []
        if program is not None:
            found = [each for each in found if each.program == program]
        found.sort(key=lambda each: (each.history[-1].at, each.id), reverse=True)
        shares = [each.documents[each.published].share for each in found]
        return next((share for share in shares if share is not None and share.unknown_destination), None)

    def _page_of_lost(self) -> tuple[int, bytes, Headers]:
        self.counts["lost"] += 1
        return 200, card.lost(), card.headers_of_page()

    async def _qr(self, scope: Scope, send: Send, code: str, name: str, method: str) -> None:
        headers = dict(scope["headers"])
        peer = scope["client"][0] if scope.get("client") else ""
        address, now = self.edge.address_of(peer, headers), self.engine.clock()
        link = None if self.guesses.are_too_many(address, now) else links.find(self.store, code)
        if link is None or link.shareable is None or link.dead:
            self.guesses.note(address, now)
            raise HTTPException(404)
        origin = origin_of(scope.get("scheme", "http"), headers, self.edge.is_proxied(peer))
        scale = scale_of(scope["query_string"])
        body = draw(link_to(origin, link.shareable.code), name.rpartition(".")[2], scale)
        await answer(
            send,
            200,
            b"" if method == "HEAD" else body,
            [
                (b"content-type", QR_KINDS[name]),
                (b"cache-control", b"public, max-age=3600"),
                (b"x-content-type-options", b"nosniff"),
                (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
            ],
        )


def scale_of(query: bytes) -> int:
    """Pixels a module, of `scale=`; anything that is no number, or too large a one, is read as it can be."""
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if name == b"scale" and value.isdigit():
            return min(max(int(value[:4]), 1), QR_SCALE_MAX)
    return QR_SCALE


@lru_cache(maxsize=512)
def draw(link: str, kind: str, scale: int) -> bytes:
    """A QR code of a link, as `svg` or `png`; a seventh of it may be damaged."""
    out = io.BytesIO()
    segno.make_qr(link, error="m").save(out, kind=kind, scale=scale, light="#fff")
    return out.getvalue()


def routes(sharing: Sharing) -> list[Route]:
    """The door's paths. Requests reach it before they are routed; these are for the application's own list."""
    return [Route(each.path, sharing, methods=["GET"]) for each in OPERATIONS]


_CODE = {"code": "The link's code, in any case."}
_SCALE = Parameter("scale", f"Pixels a module, {QR_SCALE_MAX} at the most.", {"type": "integer", "minimum": 1, "default": QR_SCALE})


def _drawn(name: str, media: str) -> Operation:
    summary = f"A share link as a QR code ({media})"
    query, errors = (_SCALE,), {404: "`not_found`: no such link, or it leads nowhere."}
    return Operation(
        "GET", f"{PATH}{{code}}/{name}", "Share links", summary, str, query=query, path_words=_CODE, errors=errors, media=media
    )


OPERATIONS = [
    Operation(
        "GET",
        PATH + "{code}",
        "Share links",
        "Follow a share link",
        str,
        description="The click is stored, then its visitor is sent on with its id in `gw`. Crawlers and previews get a page with the"
        " campaign's preview. A link that is unknown, switched off or its owner's who was blocked leads to the campaign's page for"
        " such links, or to a friendly one.",
        path_words=_CODE,
        errors={302: "To the campaign's destination."},
        error=None,
        media="text/html",
    ),
    *(_drawn(name, media.decode()) for name, media in QR_KINDS.items()),
]
