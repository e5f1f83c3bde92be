"""The review queue: what waits for a person's decision, the oldest first, decided one by one or many at once, with a note."""

from __future__ import annotations

from typing import Any, Literal, get_args

from starlette.responses import Response

from goodword.console.listing import Chunks, Listing, as_file, columns
from goodword.console.navigation import Entry
from goodword.console.page import Page, changes, shows
from goodword.core import command as c
from goodword.core.report import Cell
from goodword.storage.query import review as reviews
from goodword.storage.query.referral import REVIEW_STATES, ReviewState

ENTRIES = (Entry("Review", "/review", "marketer", "Run", "v", "review"),)
SHOWN = 30
DECIDED_AT_ONCE = 50
Decision = Literal["approved", "declined"]
_SIDES = tuple(f"{side}_{name}" for side in ("friend", "advocate") for name in ("person_id", "email", "partner_user_id"))
COLUMNS = columns(
    *("judged_date", "event_date", "state", "campaign_id", "program", "name", "order", "value", "currency", "quality", "why"),
    *_SIDES, "reason", "by", "note", "decided_date", judged_date="time", event_date="time", decided_date="time", value="money",
)  # fmt: skip
"""As `GET /v4/reviews` calls them."""


def _state(page: Page) -> ReviewState:
    return next((each for each in REVIEW_STATES if each == page.query("state")), "open")


async def index(page: Page) -> Response:
    """`GET /review`: a page of the queue, or of what was decided."""
    state = _state(page)
    offset = page.number("offset", 0, 0, 100_000)
    found = reviews.queue(page.store, page.account, state, page.query("campaign") or None, SHOWN + 1, offset)
    return page.render(
        "review/index.html",
        lines=[(line, reviews.as_json(line, page.now)) for line in found[:SHOWN]],
        state=state,
        states=REVIEW_STATES,
        older=page.here(offset=offset + SHOWN) if len(found) > SHOWN else "",
        newer=page.here(offset=max(0, offset - SHOWN) or "") if offset else "",
    )


async def file(page: Page) -> Response:
    """`GET /review/file`."""
    return await as_file(page, Listing("review", COLUMNS, _chunks(page, _state(page), page.query("campaign") or None)))


def _chunks(page: Page, state: ReviewState, campaign: str | None) -> Chunks:
    for lines in reviews.everything(page.store, page.account, state, campaign):
        yield [_cells(reviews.as_json(line, page.now)) for line in lines]


def _cells(said: dict[str, Any]) -> list[Cell]:
    sides = {f"{side}_{name}": value for side in ("friend", "advocate") for name, value in said.get(side, {}).items()}
    return [{**said, **sides}.get(column.name) for column in COLUMNS]


async def decide(page: Page) -> Response:
    """`POST /review`: one decision about all that are ticked."""
    decision: Decision = page.form.choice("decision", get_args(Decision))
    note = page.form.text("note", chars_max=2_000)
    items: list[reviews.Item] = []
    for text in page.form.many("item"):
        arrival, _, campaign = text.partition(":")
        if arrival.isascii() and arrival.isdigit() and len(arrival) < 19:
            items.append((int(arrival), campaign))
    if not items:
        return page.redirect("/review", "Nothing was ticked.")
    if not note:
        return page.redirect("/review", "Nothing was decided: say why, in the note.")
    by = page.viewer.user.name or page.viewer.user.email
    targets = reviews.targets(page.store, page.account, items[:DECIDED_AT_ONCE])
    done = 0
    for (place, campaign), (number, message_id) in targets.items():
        command = c.Review(page.account, number, message_id, campaign, decision, by, note)
        outcome = await page.attempt(command, f"review.{decision}", str(place), campaign=campaign)
        done += outcome.verdict != "refused"
    left = len(items) - done
    return page.redirect("/review", f"{done} {decision}." + (f" {left} could not be." if left else ""))


ROUTES = (shows("/review", index, "marketer"), shows("/review/file", file, "marketer"), changes("/review", decide, "marketer"))
