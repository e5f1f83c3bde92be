"""Versions of a campaign: what differs between two, and putting one in force, an older one as well."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from starlette.responses import Response

from goodword.console.campaign.edit import author_of, campaign_of, known_of
from goodword.console.campaign.field import label_of
from goodword.console.campaign.overview import WORDS, document_shown
from goodword.console.page import Page, PageRefused, changes, shows
from goodword.core import command as c
from goodword.core.campaign import Campaign
from goodword.core.campaign_check import check
from goodword.core.campaign_diff import diff
from goodword.core.times import Millis, read_time
from goodword.storage.query import campaign as campaigns


class Line(Struct, frozen=True):
    """A difference in words: where, what stood there, what stands there. "" where there is nothing."""

    label: str
    path: str
    before: str
    after: str


def lines_of(campaign: Campaign, before: int, after: int) -> list[Line]:
    """What differs between two versions; of none (0) everything that is not as by default is new."""
    if before == after or not before:
        return []
    changed = diff(campaign.documents[before], campaign.documents[after])
    return [Line(label_of(each.path), each.path, _text(each.before), _text(each.after)) for each in changed]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _version(page: Page, campaign: Campaign, name: str, default: int) -> int:
    text = page.query(name)
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else default
    if number not in campaign.documents:
        raise PageRefused(404, f"{campaign.id} has no such version; the latest is {campaign.latest}.")
    return number


async def index(page: Page) -> Response:
    """`GET /campaigns/{id}/versions?from=&to=`."""
    campaign = campaign_of(page)
    in_force = campaign.version_at(page.now)
    after = _version(page, campaign, "to", campaign.latest)
    before = _version(page, campaign, "from", in_force if in_force and in_force != after else max(after - 1, 1))
    return page.render(
        "campaign/versions.html",
        campaign=campaign,
        name=document_shown(campaign, page.now).name or campaign.id,
        versions=campaigns.versions(page.store, page.account, campaign),
        in_force=in_force,
        before=before,
        after=after,
        lines=lines_of(campaign, before, after),
    )


async def ask_publish(page: Page) -> Response:
    """`GET /campaigns/{id}/publish?version=`: what it would do."""
    campaign, now = campaign_of(page), page.now
    number = _version(page, campaign, "version", campaign.latest)
    return _asked(page, campaign, number, now)


def _asked(page: Page, campaign: Campaign, number: int, now: Millis, status: int = 200, refusal: str = "") -> Response:
    document, in_force = campaign.documents[number], campaign.version_at(now)
    starts = read_time(document.schedule.start) if document.schedule.start else None
    return page.render(
        "campaign/publish.html",
        status,
        campaign=campaign,
        name=document.name or campaign.id,
        number=number,
        in_force=in_force,
        is_older=bool(in_force) and number < in_force,
        state=campaign.state_at(now),
        starts=starts if starts is not None and starts > now else None,
        document=document,
        warnings=[each for each in check(document, known_of(page)) if each.is_warning],
        lines=lines_of(campaign, in_force, number),
        refusal=refusal,
        words=WORDS,
    )


async def publish(page: Page) -> Response:
    """`POST /campaigns/{id}/publish`."""
    campaign = campaign_of(page)
    text = page.form.value("version")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    if number not in campaign.documents:
        raise PageRefused(404, "There is no such version.")
    command = c.SetCampaignState(page.account, campaign.id, "LIVE", number, author_of(page))
    before = campaign.version_at(page.now)
    outcome = await page.attempt(command, "campaign.published", campaign.id, version=number, before=before)
    if outcome.verdict == "refused":
        return _asked(page, campaign, number, page.now, 422, outcome.reason)
    state = outcome.value["state"]
    said = f"Version {number} is in force, and the campaign is live." if state == "LIVE" else f"Version {number} waits for its start."
    return page.redirect(f"/campaigns/{campaign.id}", said)


ROUTES = (
    shows("/campaigns/{id}/versions", index, "marketer"),
    shows("/campaigns/{id}/publish", ask_publish, "marketer"),
    changes("/campaigns/{id}/publish", publish, "marketer"),
)
