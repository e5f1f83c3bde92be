"""The editor of campaigns: from a template, or of what is there; a form and the document beside it, checked while one types."""

from __future__ import annotations

import asyncio
from functools import lru_cache

from msgspec import Struct
from starlette.responses import Response

from goodword.console.campaign.draft import Draft, draft_of, draft_sent, with_step
from goodword.console.page import Page, PageRefused, changes, shows
from goodword.core import command as c
from goodword.core.campaign import Campaign
from goodword.core.campaign_check import Known
from goodword.document import template as templates
from goodword.document.form import with_fields
from goodword.document.text import write
from goodword.hosted.voice import voice_of
from goodword.storage.query import campaign as campaigns

NOTE_CHARS_MAX = 200
AUTHOR_CHARS_MAX = 80


class Card(Struct, frozen=True):
    """A template to begin with."""

    name: str
    title: str
    about: str
    offer: str


def known_of(page: Page) -> Known:
    """What documents are checked against."""
    return campaigns.known(page.store, page.account)


def campaign_of(page: Page) -> Campaign:
    """The campaign of the path. Errors: PageRefused 404."""
    found = campaigns.campaign(page.store, page.account, page.param("id"))
    if found is None:
        raise PageRefused(404, "There is no such campaign.")
    return found


def author_of(page: Page) -> str:
    """Who saves a version, for the list of versions."""
    user = page.viewer.user
    return (user.name or user.email)[:AUTHOR_CHARS_MAX]


async def choose(page: Page) -> Response:
    """`GET /campaigns/new`: the templates."""
    return page.render("campaign/choose.html", cards=cards(page.settings.currency))


def cards(currency: str) -> list[Card]:
    """The templates to choose from."""
    return [_card(name, currency) for name in templates.names()]


@lru_cache(maxsize=64)
def _card(name: str, currency: str) -> Card:
    draft = draft_of(templates.template(name) or "", Known())
    document = draft.checked.document
    assert document is not None, "templates are tested"
    voice = voice_of(document, "en", currency)
    offer = "; ".join(f"{voice.worth(terms)} for the {terms.to}" for terms in document.rewards)
    about = templates.about(name).partition(": ")[2]
    return Card(name, document.name, about[:1].upper() + about[1:], offer)


async def begin(page: Page) -> Response:
    """`GET /campaigns/new/{template}`: a template, under an id that is free."""
    text = templates.template(page.param("template"))
    if text is None:
        raise PageRefused(404, "There is no such template.")
    known = known_of(page)
    draft = draft_of(text, known)
    wanted = draft.values["campaign"]
    id = _free_id(page, wanted)
    if id != wanted:
        named = with_fields(text, {"campaign": id})
        assert isinstance(named, str), "an id can be set in a template"
        draft = draft_of(named, known)
    return _editor(page, draft, None)


def _free_id(page: Page, wanted: str) -> str:
    taken = {each.id for each in campaigns.campaigns(page.store, page.account)}
    return next(id for number in range(1, len(taken) + 2) if (id := wanted if number == 1 else f"{wanted}-{number}") not in taken)


async def edit(page: Page) -> Response:
    """`GET /campaigns/{id}/edit`: the latest version."""
    found = campaign_of(page)
    return _editor(page, draft_of(write(found.document), known_of(page)), found)


def _editor(page: Page, draft: Draft, found: Campaign | None, status: int = 200, refusal: str = "") -> Response:
    return page.render(
        "campaign/edit.html",
        status,
        draft=draft,
        campaign=found,
        base=page.form.value("base") or (str(found.latest) if found is not None else ""),
        note=page.form.value("note"),
        refusal=refusal,
    )


async def check(page: Page) -> Response:
    """`POST /campaigns/check`: what is wrong with what stands in the editor now, and the side that was not typed in, brought up to date."""
    draft = await asyncio.to_thread(draft_sent, page.form, known_of(page))
    return page.render("campaign/checked.html", draft=draft)


async def save(page: Page) -> Response:
    """`POST /campaigns/save`: a version; or one of the editor's own buttons."""
    form, known = page.form, known_of(page)
    draft = await asyncio.to_thread(draft_sent, form, known)
    base = form.value("base")
    found = campaigns.campaign(page.store, page.account, form.value("id")) if base else None
    step = form.value("do")
    if step not in ("save", "publish"):
        return _editor(page, await asyncio.to_thread(with_step, draft, step, known), found)
    document = draft.checked.document
    if document is None or draft.errors:
        return _editor(page, draft, found, 422)
    there = campaigns.campaign(page.store, page.account, document.campaign)
    refusal = ""
    if found is not None and document.campaign != found.id:
        refusal = f"This is the campaign {found.id}: its id stays. Begin a new campaign to have another."
    elif found is None and there is not None:
        refusal = f"There is a campaign {document.campaign} already. Give this one another id."
    elif found is not None and str(found.latest) != base:
        refusal = f"Version {found.latest} was saved while you worked on version {base}. Look at it first, then save yours over it."
        form = page.form
    if refusal:
        return _editor(page, draft, found, 409, refusal)
    note = form.text("note", chars_max=NOTE_CHARS_MAX)
    command = c.SaveCampaign(page.account, document, author=author_of(page), note=note)
    outcome = await page.attempt(command, "campaign.saved", document.campaign, note=note)
    if outcome.verdict == "refused":
        return _editor(page, draft, found, 422, outcome.reason)
    if step == "publish":
        return page.redirect(f"/campaigns/{document.campaign}/publish", version=outcome.value["version"])
    said = f"Version {outcome.value['version']} is saved. It counts once you publish it."
    return page.redirect(f"/campaigns/{document.campaign}", said if outcome.value["changed"] else "Nothing was changed.")


ROUTES = (
    shows("/campaigns/new", choose, "marketer"),
    shows("/campaigns/new/{template}", begin, "marketer"),
    changes("/campaigns/check", check, "marketer"),
    changes("/campaigns/save", save, "marketer"),
    shows("/campaigns/{id}/edit", edit, "marketer"),
)
