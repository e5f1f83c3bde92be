"""The list of campaigns, one campaign, and its moves from state to state, each said before it is done."""

from __future__ import annotations

from msgspec import Struct
from starlette.responses import Response

from goodword.console.campaign.edit import author_of, campaign_of
from goodword.console.page import Page, PageRefused, changes, shows
from goodword.core import command as c
from goodword.core.campaign import ENDED_DAYS, MOVES, Campaign, Document, State
from goodword.core.reward import UNITS
from goodword.core.times import Millis
from goodword.hosted.voice import voice_of
from goodword.storage.query import campaign as campaigns
from goodword.storage.query.campaign_figures import Figures, figures

DAYS = 30
KINDS = {"LIVE": "good", "PAUSED": "warn", "ENDED": "", "STOPPED": "bad", "NOT_LAUNCHED": "info", "ARCHIVED": ""}
WORDS = {"LIVE": "Live", "PAUSED": "Paused", "ENDED": "Ended", "STOPPED": "Stopped", "NOT_LAUNCHED": "Not launched", "ARCHIVED": "Archived"}


class Move(Struct, frozen=True):
    """A change of state: its button, and what it means for advocates, friends and rewards."""

    state: State
    verb: str
    consequences: tuple[str, ...]
    is_grave: bool = True


MEANING: dict[State, Move] = {
    "LIVE": Move(
        "LIVE",
        "Resume",
        ("Share links lead to it again.", "Friends can take part from now on.", "Rewards are earned again."),
        is_grave=False,
    ),
    "PAUSED": Move(
        "PAUSED",
        "Pause",
        (
            "Share links lead to the program's other live campaign, or to its page for links that lead nowhere.",
            "Nobody new can take part.",
            "Friends who came before keep this offer, and still earn rewards by it.",
        ),
        is_grave=False,
    ),
    "ENDED": Move(
        "ENDED",
        "End",
        (
            "Nobody can take part any more, and nothing new is earned.",
            "What is pending is still fulfilled.",
            f"After {ENDED_DAYS} days it stops by itself.",
        ),
    ),
    "STOPPED": Move(
        "STOPPED",
        "Stop",
        (
            "It does nothing any more: links lead elsewhere.",
            "No rewards are earned, not even by hand.",
            "Rewards already given stay given.",
        ),
    ),
    "ARCHIVED": Move("ARCHIVED", "Archive", ("It disappears from the list and stays as it is for good.", "It cannot be made live again.")),
    "NOT_LAUNCHED": Move("NOT_LAUNCHED", "", ()),
}


class Row(Struct, frozen=True):
    """A campaign in the list."""

    campaign: Campaign
    name: str
    state: State
    offer: str
    figures: Figures
    cost: list[str]


def offer_of(page: Page, document: Document) -> str:
    """What a document promises, in one line."""
    voice = voice_of(document, "en", page.settings.currency)
    return ", ".join(f"{voice.worth(terms)} for the {terms.to}" for terms in document.rewards) or "Nobody earns anything."


def cost_of(page: Page, document: Document, found: Figures) -> list[str]:
    """Sums by unit, as they are written."""
    voice = voice_of(document, "en", page.settings.currency)
    return [voice.minor(value, unit) for unit, value in sorted(found.cost.items(), key=lambda each: (each[0] in UNITS, each[0]))]


def document_shown(campaign: Campaign, now: Millis) -> Document:
    """The version in force, or the latest where none is."""
    return campaign.documents[campaign.version_at(now) or campaign.latest]


async def index(page: Page) -> Response:
    """`GET /campaigns`."""
    counts = figures(page.store, page.account, page.today - DAYS + 1)
    every = page.query("archived") == "1"
    rows, archived = [], 0
    for each in campaigns.campaigns(page.store, page.account):
        state = each.state_at(page.now)
        archived += state == "ARCHIVED"
        if state != "ARCHIVED" or every:
            document, mine = document_shown(each, page.now), counts.get(each.id, Figures())
            rows.append(Row(each, document.name or each.id, state, offer_of(page, document), mine, cost_of(page, document, mine)))
    order = ("LIVE", "NOT_LAUNCHED", "PAUSED", "ENDED", "STOPPED", "ARCHIVED")
    rows.sort(key=lambda row: (order.index(row.state), row.name.casefold()))
    return page.render("campaign/index.html", rows=rows, archived=archived, every=every, days=DAYS, kinds=KINDS, words=WORDS)


async def show(page: Page) -> Response:
    """`GET /campaigns/{id}`."""
    campaign, now = campaign_of(page), page.now
    state, document = campaign.state_at(now), document_shown(campaign, now)
    mine = figures(page.store, page.account, page.today - DAYS + 1).get(campaign.id, Figures())
    moves = [MEANING[each] for each in MOVES[state] if campaign.published or each == "ARCHIVED"]
    if state in ("NOT_LAUNCHED", "STOPPED", "ENDED"):  # launching is publishing, which shows what it puts in force
        moves = [each for each in moves if each.state != "LIVE"]
    return page.render(
        "campaign/show.html",
        campaign=campaign,
        name=document.name or campaign.id,
        document=document,
        state=state,
        in_force=campaign.version_at(now),
        offer=offer_of(page, document),
        figures=mine,
        cost=cost_of(page, document, mine),
        moves=moves,
        coming=campaign.coming(now),
        past=[mark for mark in reversed(campaign.history) if mark.at <= now],
        days=DAYS,
        kinds=KINDS,
        words=WORDS,
    )


def _move_of(page: Page, said: str) -> tuple[Campaign, Move]:
    campaign = campaign_of(page)
    state = campaign.state_at(page.now)
    found = next((MEANING[each] for each in MOVES[state] if each == said), None)
    if found is None:
        raise PageRefused(409, f"A campaign that is {WORDS[state].lower()} cannot become that. Reload its page.")
    return campaign, found


async def ask_move(page: Page) -> Response:
    """`GET /campaigns/{id}/move?to=`: what it would do."""
    campaign, move = _move_of(page, page.query("to"))
    document = document_shown(campaign, page.now)
    return page.render(
        "campaign/move.html",
        campaign=campaign,
        name=document.name or campaign.id,
        move=move,
        state=campaign.state_at(page.now),
        coming=campaign.coming(page.now),
        words=WORDS,
    )


async def move(page: Page) -> Response:
    """`POST /campaigns/{id}/move`."""
    campaign, wanted = _move_of(page, page.form.value("to"))
    command = c.SetCampaignState(page.account, campaign.id, wanted.state, author=author_of(page))
    await page.do(command, "campaign.moved", campaign.id, before=campaign.state_at(page.now), after=wanted.state)
    return page.redirect(f"/campaigns/{campaign.id}", f"It is {WORDS[wanted.state].lower()} now.")


ROUTES = (
    shows("/campaigns", index, "marketer"),
    shows("/campaigns/{id}", show, "marketer"),
    shows("/campaigns/{id}/move", ask_move, "marketer"),
    changes("/campaigns/{id}/move", move, "marketer"),
)
