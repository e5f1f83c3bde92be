"""Messages: all that arrived, as it arrives, with what became of each and why. Refused ones are listed too."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from starlette.responses import Response

from goodword.console.listing import Chunks, Listing, as_file, columns
from goodword.console.navigation import Entry
from goodword.console.page import Page, PageRefused, shows
from goodword.core.event import FROM_BROWSER, IS_EVENT, TYPE_CODES, UNKEYED
from goodword.core.profile import Profile
from goodword.core.referral import Judgement
from goodword.core.report import Cell
from goodword.core.reward import Reward
from goodword.storage.query import delivery as deliveries
from goodword.storage.query import message as log
from goodword.storage.query import person as people
from goodword.storage.query import referral as referrals
from goodword.storage.query import reward as rewards
from goodword.storage.query.message import LoggedMessage

ENTRIES = (Entry("Messages", "/messages", "marketer", "See", "m", "messages"),)

ROWS = 50
LOOKED_AT_MAX, OPENED_MAX = 50_000, 2_000
"""How many places of the log one page of a filter looks at, and one that opens every message for its text: the rest is a page further."""
TEXT_CHARS_MAX = 200
FILE_ROWS, FILE_LOOKED_AT_MAX = 200, 2_000
"""Rows and places of the log that a file takes at a time."""
COLUMNS = columns(
    *("arrival", "received_at", "verdict", "type", "name", "event_time", "profile_id", "value", "currency", "reason", "notes", "event_id"),
    *("duplicate_of", "from_browser", "unkeyed", "deleted", "door"), received_at="time", event_time="time", value="money",
)  # fmt: skip
"""As `goodword messages --json` calls them."""
VERDICTS: dict[str, tuple[str, str]] = {
    "stored": ("Taken", "good"),
    "duplicate": ("Repeat", "info"),
    "dropped": ("Dropped", "warn"),
    "rejected": ("Refused", "bad"),
}
"""What became of a message: a word for people, and the kind of tag it is."""


class Line(Struct):
    """A message as a row: what it said of itself and who it is about, read again from its text where that can be read."""

    logged: LoggedMessage
    sent_name: str
    who: str
    why: str


def line_of(page: Page, logged: LoggedMessage) -> Line:
    """A row of the list."""
    said = log.reread(logged, page.settings) or {}
    keys = said.get("keys") or []
    why = logged.reason or "; ".join(logged.notes)
    if logged.is_deleted:
        why = "Its person was deleted."
    elif logged.verdict == "duplicate" and not why:
        why = "Counted once already."
    return Line(logged, said.get("sent_name") or "", keys[0]["value"] if keys else "", why)


def _filter(page: Page) -> dict[str, Any]:
    """What the query asks for, and how far one page of it looks."""
    verdict = page.choice("verdict", tuple(VERDICTS)) or None
    kind = page.choice("type", tuple(TYPE_CODES)) or None
    name = page.query("name")[:200] or None
    text = page.query("text")[:TEXT_CHARS_MAX] or None
    looked_at = OPENED_MAX if text else LOOKED_AT_MAX if kind is not None or name is not None else None
    return {"verdict": verdict, "type": kind, "name": name, "text": text, "within": looked_at}


async def index(page: Page) -> Response:
    """`GET /messages`: a page of the log; with `after` as a fragment, what came since."""
    how = _filter(page)
    looked_at, text = how["within"], how["text"]
    if page.is_fragment:
        after = page.number("after", 0)
        fresh = log.messages(page.store, page.account, ROWS, after=after, **how)
        if not fresh:
            return Response(status_code=204)
        return page.render("message/rows.html", lines=[line_of(page, each) for each in fresh], **_live(page, fresh[0].arrival))
    before = page.number("before", page.store.end_of_log(page.account) + 1)
    found = log.messages(page.store, page.account, ROWS, before=before, **how)
    last = found[-1].arrival if len(found) == ROWS else before - looked_at if looked_at else 0
    newest = found[0].arrival if found and not page.query("before") else page.store.end_of_log(page.account)
    return page.render(
        "message/index.html",
        lines=[line_of(page, each) for each in found],
        is_filtered=looked_at is not None or how["verdict"] is not None,
        is_paused=bool(page.query("paused") or page.query("before")),
        older=page.here(before=last, paused="") if last > 1 else "",
        newer=page.here(before="", paused="") if page.query("before") else "",
        looked_at=looked_at or 0,
        text=text,
        names=log.event_names(page.store, page.account, page.now),
        types=tuple(TYPE_CODES),
        **_live(page, newest),
    )


def _live(page: Page, newest: int) -> dict[str, Any]:
    return {"poll": page.here(after=newest, before="", paused=""), "newest": newest, "verdicts": VERDICTS}


async def file(page: Page) -> Response:
    """`GET /messages/file`: the log, newest first, without what the messages said."""
    return await as_file(page, Listing("messages", COLUMNS, _chunks(page)))


def _chunks(page: Page) -> Chunks:
    how = _filter(page)
    within = how["within"] = how["within"] and min(how["within"], FILE_LOOKED_AT_MAX)
    before = page.store.end_of_log(page.account) + 1
    while before > 1:
        found = log.messages(page.store, page.account, FILE_ROWS, before=before, **how)
        if not found and within is None:
            return
        yield [[_cell(log.as_json(each, raw=False).get(column.name)) for column in COLUMNS] for each in found]
        before = found[-1].arrival if len(found) == FILE_ROWS or within is None else before - within


def _cell(value: Any) -> Cell:
    if isinstance(value, list):
        return "; ".join(value)
    return "yes" if value is True else value


class Consequence(Struct):
    """What a message caused in a campaign: how it was judged, and the rewards that came of it."""

    judgement: Judgement
    advocate: Profile | None
    rewards: list[Reward]


async def show(page: Page) -> Response:
    """`GET /messages/{arrival}`: one message, as it came, as it is read, and what it caused."""
    store, account, arrival = page.store, page.account, page.param("arrival")
    logged = log.message(store, account, arrival) if arrival < 1 << 62 else None
    if logged is None:
        raise PageRefused(404, "The log has no such message.")
    raw = logged.body or (page.pages.intake.text_of(account, arrival) if logged.verdict == "rejected" else None)
    person = people.find(store, account, logged.profile_id) if logged.profile_id else None
    original = next(iter(rewards.arrivals_of(store, account, [logged.duplicate_of])), None) if logged.duplicate_of else None
    return page.render(
        "message/show.html",
        line=line_of(page, logged),
        logged=logged,
        sentence=sentence_of(logged),
        raw=raw,
        shape=msgspec.json.decode(logged.shape) if logged.shape else None,
        said=log.reread(logged, page.settings),
        person=person,
        original=original,
        consequences=_consequences(page, logged),
        deliveries=deliveries.deliveries(store, account, event_id=logged.event_id, limit=20) if logged.event_id else [],
        from_browser=bool(logged.flags & FROM_BROWSER),
        is_unkeyed=bool(logged.flags & UNKEYED),
        verdicts=VERDICTS,
    )


def sentence_of(logged: LoggedMessage) -> str:
    """What became of a message, in a sentence."""
    match logged.verdict:
        case "stored" if logged.is_deleted:
            return "It was taken. Its person was deleted since, and what it said is gone."
        case "stored" if logged.flags & IS_EVENT:
            return f"It was taken, as the event {logged.name}." if logged.name else "It was taken, as an event."
        case "stored":
            return "It was taken: it tells who somebody is, and counts as no event."
        case "duplicate":
            return "It repeats what was counted before, and counts no second time."
        case "dropped":
            return f"It was not kept: {logged.reason or 'its person is deleted or suppressed'}."
        case _:
            return f"It was refused: {logged.reason}"


def _consequences(page: Page, logged: LoggedMessage) -> list[Consequence]:
    store, account = page.store, page.account
    judged = referrals.judgements(store, account, [logged.arrival]).get(logged.arrival, [])
    if not judged:
        return []
    wanted = rewards.RewardFilter(causes=frozenset((logged.arrival,)), people=_sides(judged, logged))
    earned = [each.reward for each in rewards.list_of(store, account, wanted)]
    found = people.find_many(store, account, [each.advocate_id for each in judged if each.advocate_id is not None])
    return [
        Consequence(each, found.get(each.advocate_id or 0), [reward for reward in earned if reward.campaign == each.campaign])
        for each in judged
    ]


def _sides(judged: list[Judgement], logged: LoggedMessage) -> frozenset[int]:
    """Both sides of the referrals, so that their rewards are found by an index."""
    return frozenset((logged.profile_id or 0, *(side for each in judged for side in (each.friend_id, each.advocate_id or 0))))


ROUTES = (
    shows("/messages", index, "marketer"),
    shows("/messages/file", file, "marketer"),
    shows("/messages/{arrival:int}", show, "marketer"),
)
