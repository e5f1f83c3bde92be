"""People: found by what names them, or by an order or a code of theirs; those seen lately where nothing is asked."""

from __future__ import annotations

from starlette.responses import Response

from goodword.console.listing import PERSON, Chunks, Listing, as_file, columns
from goodword.console.navigation import Entry
from goodword.console.page import Page, shows
from goodword.core.profile import Profile
from goodword.core.report import Cell
from goodword.core.times import write_time
from goodword.storage.query import person as people
from goodword.storage.query import report_list
from goodword.storage.query import search as searching

ENTRIES = (Entry("People", "/people", "support", "See", "p", "people"),)
SHOWN = 50
TEXT_CHARS_MAX = 300
COLUMNS = columns(*PERSON, "known_since", "is_registered", "blocked_from", known_since="time")


def name_of(profile: Profile) -> str:
    """What a person is called: their name, else their address, their id, their number."""
    said = [profile.parameters.get(name) for name in ("first_name", "last_name")]
    name = " ".join(str(each.value).strip() for each in said if each is not None and isinstance(each.value, str) and each.value.strip())
    return name or profile.email or profile.user_id or f"Device {profile.id}"


async def index(page: Page) -> Response:
    """`GET /people`: with `q`, whom it names. One alone is shown at once."""
    text = page.query("q")[:TEXT_CHARS_MAX]
    if text:
        found = searching.search(page.store, page.account, text)
        if len(found) == 1:
            return page.redirect(f"/people/{found[0].profile.id}")
        lines = [(each.profile, f"by {each.how}") for each in found]
    else:
        lines = [(profile, "") for profile in searching.seen_lately(page.store, page.account, SHOWN)]
    return page.render("people/index.html", lines=lines, text=text, name_of=name_of)


async def file(page: Page) -> Response:
    """`GET /people/file`: everybody who is known, by number; with `q`, whom it names."""
    return await as_file(page, Listing("people", COLUMNS, _chunks(page, page.query("q")[:TEXT_CHARS_MAX])))


def _chunks(page: Page, text: str) -> Chunks:
    if text:
        yield [_cells(each.profile) for each in searching.search(page.store, page.account, text)]
        return
    for some in people.everybody(page.store, page.account):
        yield [_cells(profile) for profile in some if profile.is_known]


def _cells(profile: Profile) -> list[Cell]:
    blocked = profile.block.type if profile.block is not None and profile.block.type != "NONE" else None
    is_registered = "yes" if profile.registration else "no"
    return [*report_list.names(profile.id, profile), write_time(profile.created_at), is_registered, blocked]


ROUTES = (shows("/people", index, "support"), shows("/people/file", file, "marketer"))
