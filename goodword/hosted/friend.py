"""Where a friend lands if the campaign says `landing: hosted`: `GET /f/{code}?gw=CLICK`, after the click was stored by `/s/{code}`.

Nobody sees an error here: a code that leads nowhere goes the way of dead share links, and a visit without a click first becomes one.
"""

from __future__ import annotations

import re
from urllib.parse import quote

import msgspec
from msgspec import Struct

from goodword.api.evidence import is_mobile
from goodword.api.guess import Guesses
from goodword.api.http import Receive, Request, Scope, Send, answer, read_body, read_head
from goodword.api.intake import Intake
from goodword.api.link import FRIEND_PATH, PATH, address_with, destination_of
from goodword.core import command as c
from goodword.core.account import Key
from goodword.core.account import Scope as KeyScope
from goodword.core.campaign import Document
from goodword.core.deciding.share import live_campaign
from goodword.core.profile import read_email
from goodword.core.referral import Shareable
from goodword.engine import Overloaded, Unavailable
from goodword.hosted.form import FORM_BYTES_MAX, fields_of
from goodword.hosted.page import FriendView, Page, friend_page, notice
from goodword.hosted.voice import voice_of
from goodword.storage.query import share as links
from goodword.storage.query.advocate import public_first_name

DOOR = "friend-page"
_CLICK = re.compile(r"[0-9a-v]{26}\Z")


class _Offer(Struct, frozen=True):
    """What a code leads to at the moment."""

    account: int
    shareable: Shareable
    document: Document
    advocate: str


class FriendPages:
    """The ASGI app of the door."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.captures = Guesses()
        """E-mail addresses given, by network address: past so many in ten minutes they are not kept."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = read_head(scope)
        accepts = request.headers.get(b"accept-language", b"").decode("latin-1")
        code: str = scope["path_params"]["code"]
        try:
            if request.method == "POST":
                form = fields_of(await read_body(request, receive, FORM_BYTES_MAX))
                found = await self._given(request, code, form, accepts)
            else:
                found = self._shown(request, code, fields_of(request.query), accepts)
        except (Overloaded, Unavailable):
            found = notice("busy", accepts)
        await answer(send, found.status, b"" if request.method == "HEAD" else found.body, found.headers)

    def _shown(self, request: Request, code: str, said: dict[str, str], accepts: str) -> Page:
        offer = self._offer(code)
        if offer is None or "gw" not in said:  # the door of share links knows what to do with it
            return Page(302, b"", [(b"location", (PATH + quote(code, safe="")).encode()), (b"cache-control", b"no-store")])
        return friend_page(self._view(request, offer, said["gw"], accepts))

    async def _given(self, request: Request, code: str, form: dict[str, str], accepts: str) -> Page:
        """Keep an address that somebody gave, as the tracking door would: it is a browser's word."""
        offer = self._offer(code)
        if offer is None or not offer.document.pages.asks_email:
            return notice("gone", accepts)
        view = self._view(request, offer, form.get("gw", ""), accepts)
        email = read_email(form.get("email", ""))
        if email is None:
            return friend_page(msgspec.structs.replace(view, email="wrong"))
        address, now = self.intake.edge.address_of(request.peer, request.headers), self.intake.engine.clock()
        if not self.captures.are_too_many(address, now):
            self.captures.note(address, now)
            await self._identify(request, offer, email, view)
        return friend_page(msgspec.structs.replace(view, email="saved"))

    async def _identify(self, request: Request, offer: _Offer, email: str, view: FriendView) -> None:
        key = Key(DOOR, offer.account, DOOR, b"", "", (KeyScope.INGEST,), 0)
        message = {
            "type": "identify",
            "channel": "browser",
            "anonymousId": f"{DOOR}-{view.click_id}" if view.click_id else None,
            "traits": {"email": email},
            "context": {"page": {"url": view.destination}, "library": {"name": DOOR}},
        }
        now = self.intake.engine.clock()
        command = self.intake.command(msgspec.json.encode(message), key, self.intake.settings_of(key), DOOR, now=now, request=request)
        if isinstance(command, c.Receive):
            await self.intake.engine.ask([command])

    def _view(self, request: Request, offer: _Offer, click: str, accepts: str) -> FriendView:
        click_id = click if _CLICK.match(click) else ""
        share = offer.document.share
        assert share is not None, "an offer leads somewhere"
        page = destination_of(share, offer.shareable.content.get("url", ""), is_mobile(request.headers))
        destination = address_with(page, share.utm, click_id) or share.destination
        currency = self.intake.store.accounts[offer.account].settings.currency
        voice = voice_of(offer.document, accepts, currency, offer.advocate)
        return FriendView(voice, destination, FRIEND_PATH + quote(offer.shareable.code, safe=""), click_id)

    def _offer(self, code: str) -> _Offer | None:
        """What a code leads to, where its campaign is live, has a page of ours and nobody blocked its owner."""
        store = self.intake.store
        link = links.find(store, code)
        if link is None or link.dead or link.shareable is None or link.advocate is None:
            return None
        programs, now = store.programs.get(link.account), self.intake.engine.clock()
        live = live_campaign(programs, link.shareable.program, now) if programs is not None else None
        if live is None or live[1].landing != "hosted":
            return None
        document = live[0].documents[live[0].version_at(now)]
        name = public_first_name(link.advocate) if document.pages.shows_names else ""
        return _Offer(link.account, link.shareable, document, name)
