"""An advocate's share page, `GET /share/{program}?t=TOKEN` (or `?jwt=`), and what they do on it, `POST` to the same address.

An act of sharing is recorded before its channel opens. Where it cannot be (too much waits, too many at once), the channel opens all the
same: nobody is kept from telling a friend.
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

from goodword.api.guess import Guesses
from goodword.api.http import Headers, Receive, Scope, Send, answer, read_body, read_head
from goodword.api.intake import Intake
from goodword.api.link import SHARE_PAGE_PATH, link_to, origin_of
from goodword.api.own_link import own_link
from goodword.core import command as c
from goodword.core.campaign import Campaign, Document
from goodword.core.deciding.share import live_campaign, why_dead
from goodword.core.page import CHANNELS, Channel
from goodword.core.referral import Share, Shareable
from goodword.core.share_token import Pass
from goodword.core.times import Millis
from goodword.engine import Overloaded, Unavailable
from goodword.hosted.admission import Admitted, admit, admit_by_web_token, token_of
from goodword.hosted.channel import ON_THE_SPOT, target_of
from goodword.hosted.form import FORM_BYTES_MAX, fields_of
from goodword.hosted.page import Notice, Page, ShareView, notice, share_page
from goodword.hosted.voice import Voice, voice_of
from goodword.storage.query.advocate import standing
from goodword.storage.query.referral import links_of

MESSAGE_CHARS_MAX = 500
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class SharePages:
    """The ASGI app of the door."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.shares = Guesses()
        """Acts of sharing by person, counted like guesses: past so many in ten minutes they open their channel and are not recorded."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = read_head(scope)
        headers, said = request.headers, fields_of(request.query)
        accepts = headers.get(b"accept-language", b"").decode("latin-1")
        origin = origin_of(request.scheme, headers, self.intake.edge.is_proxied(request.peer))
        label = scope["path_params"]["label"]
        try:
            if request.method == "POST":
                form = fields_of(await read_body(request, receive, FORM_BYTES_MAX))
                found = await self._shared(form, label, origin, accepts)
            elif "jwt" in said:
                found = await self._exchange(said["jwt"], label, accepts)
            else:
                found = await self._shown(said.get("t", ""), label, origin, accepts)
        except (Overloaded, Unavailable):
            found = notice("busy", accepts)
        await answer(send, found.status, b"" if request.method == "HEAD" else found.body, found.headers)

    async def _exchange(self, token: str, label: str, accepts: str) -> Page:
        """From a brand's web token to a page of our own address, so that the token stands in no history."""
        granted = await admit_by_web_token(self.intake, token, label, self.intake.engine.clock())
        if not isinstance(granted, Pass):
            return notice(granted, accepts)
        return _sent_to(f"{SHARE_PAGE_PATH}{quote(label, safe='')}?{urlencode({'t': token_of(self.intake, granted)})}", 302)

    async def _shown(self, token: str, label: str, origin: str, accepts: str) -> Page:
        now = self.intake.engine.clock()
        admitted = admit(self.intake, token, now)
        if not isinstance(admitted, Admitted):
            return notice(admitted, accepts)
        campaign = self._campaign(admitted.granted.account, admitted.granted.program, label, now)
        if campaign is None:
            return notice("gone", accepts)
        document, is_live = campaign
        link = await self._link(admitted, document, is_live)
        if isinstance(link, str):
            return notice(link, accepts)
        voice = self._voice(admitted, document, accepts)
        known = standing(
            self.intake.store,
            admitted.granted.account,
            admitted.person,
            document.program,
            with_names=document.pages.shows_names,
        )
        shown = link_to(origin, link.code) if link is not None else ""
        return share_page(ShareView(voice, shown, known, SHARE_PAGE_PATH + quote(label, safe=""), token))

    async def _shared(self, form: dict[str, str], label: str, origin: str, accepts: str) -> Page:
        """Record an act of sharing and open its channel; 204 where that happened on the page itself."""
        now = self.intake.engine.clock()
        admitted = admit(self.intake, form.get("t", ""), now)
        if not isinstance(admitted, Admitted):
            return notice(admitted, accepts)
        channel = form.get("channel", "")
        campaign = self._campaign(admitted.granted.account, admitted.granted.program, label, now)
        if campaign is None or channel not in (*CHANNELS, *ON_THE_SPOT):
            return notice("gone", accepts)
        document, is_live = campaign
        link = await self._link(admitted, document, is_live)
        if link is None or isinstance(link, str):
            return notice(link or "gone", accepts)
        message = _CONTROL.sub("", form.get("message", "").replace("\r\n", "\n"))[:MESSAGE_CHARS_MAX].strip()
        await self._record(admitted, channel, link, message, now)
        if channel in ON_THE_SPOT:
            return Page(204, b"", [(b"cache-control", b"no-store")])
        voice = self._voice(admitted, document, accepts)
        opened: Channel = next(each for each in CHANNELS if each == channel)
        return _sent_to(target_of(opened, link_to(origin, link.code), message, voice.subject), 303)

    async def _record(self, admitted: Admitted, channel: str, link: Shareable, message: str, now: Millis) -> None:
        account, person = admitted.granted.account, admitted.person
        who = f"{account} {person.id}"
        if self.shares.are_too_many(who, now):
            return
        self.shares.note(who, now)
        share = Share(0, person.id, now, channel, link.code, "", "", (), message, "", {"source": "share_page"})
        try:
            await self.intake.engine.ask([c.RecordShare(account, share)])
        except (Overloaded, Unavailable):
            return

    async def _link(self, admitted: Admitted, document: Document, is_live: bool) -> Shareable | Notice | None:
        """The person's link, made where it is the first time; None where nothing can be shared at the moment."""
        account, person = admitted.granted.account, admitted.person
        if not is_live or document.share is None:
            return None
        if person.email is None and not any(link.program == document.program for link in links_of(self.intake.store, account, person)):
            return "no_email"
        outcome = await own_link(self.intake.store, self.intake.engine.ask, account, person, document.program, document.share)
        if outcome.verdict == "refused":
            return "gone"
        link: Shareable = outcome.value
        return None if why_dead(link, person) is not None else link

    def _campaign(self, account: int, program: str, label: str, now: Millis) -> tuple[Document, bool] | None:
        """The document that a page shows, and whether it is live: that of the campaign named, or of the program's live one; where none is,
        what was published last."""
        programs = self.intake.store.programs.get(account)
        mine = [each for each in programs.campaigns.values() if each.program == program and each.published] if programs else []
        named = next((each for each in mine if each.id == label and each.state_at(now) == "LIVE"), None)
        live = live_campaign(programs, program, now) if programs is not None else None
        found = named or (live[0] if live is not None else None)
        if label not in (program, *(each.id for each in mine)) or not mine:
            return None
        if found is None:
            latest = max(mine, key=lambda each: (each.history[-1].at, each.id))
            return latest.documents[latest.published], False
        return _in_force(found, now), True

    def _voice(self, admitted: Admitted, document: Document, accepts: str) -> Voice:
        return voice_of(document, accepts, self.intake.store.accounts[admitted.granted.account].settings.currency)


def _in_force(campaign: Campaign, now: Millis) -> Document:
    return campaign.documents[campaign.version_at(now)]


def _sent_to(location: str, status: int) -> Page:
    headers: Headers = [
        (b"location", location.encode("ascii")),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
    ]
    return Page(status, b"", headers)
