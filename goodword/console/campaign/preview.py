"""The hosted pages of a version, in place: as an advocate and as a friend would see them, with a made-up advocate."""

from __future__ import annotations

from starlette.responses import Response

from goodword.console.campaign.edit import campaign_of
from goodword.console.campaign.overview import document_shown
from goodword.console.page import Page, PageRefused, shows
from goodword.core.campaign import Campaign, Document
from goodword.core.page import preferred
from goodword.hosted.page import FriendView, ShareView, framed_by, friend_page, share_page
from goodword.hosted.page import Page as HostedPage
from goodword.hosted.voice import BROUGHT, Voice, voice_of
from goodword.storage.query.advocate import Friend, Standing
from goodword.storage.query.referral import Counted

ADVOCATE, FRIEND = "Ada", "Sam"
WIDTHS = ("phone", "desktop")


def _document(page: Page, campaign: Campaign) -> tuple[int, Document]:
    number = page.number("version", campaign.latest)
    if number not in campaign.documents:
        raise PageRefused(404, "There is no such version.")
    return number, campaign.documents[number]


async def index(page: Page) -> Response:
    """`GET /campaigns/{id}/pages`."""
    campaign = campaign_of(page)
    number, document = _document(page, campaign)
    languages = list(dict.fromkeys((document.pages.language, *document.pages.texts, *(() if document.pages.texts else BROUGHT))))
    return page.render(
        "campaign/pages.html",
        campaign=campaign,
        name=document_shown(campaign, page.now).name or campaign.id,
        number=number,
        document=document,
        languages=languages,
        language=preferred(page.query("language"), languages, document.pages.language),
        width=page.choice("width", WIDTHS, "phone"),
    )


async def share(page: Page) -> Response:
    """`GET /campaigns/{id}/pages/share`: within a frame."""
    voice, now = _voice(page), page.now
    friends = (Friend(FRIEND if voice.pages.shows_names else "", now, "bought"), Friend("", now, "joined"))
    standing = Standing(Counted(12, False), Counted(2, False), 1, friends)
    link = f"{str(page.request.base_url).rstrip('/')}/s/ada-example"
    return _framed(share_page(ShareView(voice, link, standing, "", "", is_preview=True)))


async def friend(page: Page) -> Response:
    """`GET /campaigns/{id}/pages/friend`: within a frame."""
    voice = _voice(page)
    share = voice.document.share
    return _framed(friend_page(FriendView(voice, share.destination if share is not None else "", "", "")))


def _voice(page: Page) -> Voice:
    _, document = _document(page, campaign_of(page))
    name = ADVOCATE if document.pages.shows_names else ""
    return voice_of(document, page.query("language"), page.settings.currency, name)


def _framed(shown: HostedPage) -> Response:
    """A hosted page for a frame of the console, which takes its scripts and forms away (`sandbox`)."""
    found = framed_by("'self'", shown)
    response = Response(found.body, found.status)
    for name, value in found.headers:
        response.headers[name.decode()] = value.decode()
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


ROUTES = (
    shows("/campaigns/{id}/pages", index, "marketer"),
    shows("/campaigns/{id}/pages/share", share, "marketer"),
    shows("/campaigns/{id}/pages/friend", friend, "marketer"),
)
