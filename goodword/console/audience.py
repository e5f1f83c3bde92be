"""Audiences, as messages made them: how many are in each, and who."""

from __future__ import annotations

from starlette.responses import Response

from goodword.api.intake import new_id
from goodword.console.listing import PERSON, Chunks, Listing, as_file, columns
from goodword.console.navigation import Entry
from goodword.console.page import Page, PageRefused, changes, shows
from goodword.console.people import name_of
from goodword.core import command as c
from goodword.core.profile import ProfileId
from goodword.core.times import write_time
from goodword.storage.query import audience as audiences
from goodword.storage.query import person as people
from goodword.storage.query import report_list

ENTRIES = (Entry("Audiences", "/audiences", "marketer", "See", "a", "audiences"),)
SHOWN = 50
COLUMNS = columns(*PERSON, "since", since="time")


async def index(page: Page) -> Response:
    """`GET /audiences`."""
    return page.render("audience/index.html", audiences=audiences.audiences(page.store, page.account), most=audiences.COUNT_MAX)


def _named(page: Page) -> audiences.Counted:
    found = audiences.audience(page.store, page.account, page.query("name") or page.form.value("name"))
    if found is None:
        raise PageRefused(404, "There is no audience of this name. One is made by the first message that tells of it.")
    return found


async def show(page: Page) -> Response:
    """`GET /audiences/members?name=`: names may be of any characters, and stand in the query therefore."""
    found = _named(page)
    after = page.number("after", 0)
    members = audiences.members(page.store, page.account, found.name, after, SHOWN)
    last = members[-1][0].id if len(members) == SHOWN else 0
    return page.render(
        "audience/show.html", audience=found, members=members, name_of=name_of, older=page.here(after=last) if last else ""
    )  # fmt: skip


async def file(page: Page) -> Response:
    """`GET /audiences/members/file?name=`."""
    return await as_file(page, Listing("audience-members", COLUMNS, _chunks(page, _named(page).name)))


def _chunks(page: Page, name: str) -> Chunks:
    after = 0
    while rows := audiences.places(page.store, page.account, name, after, report_list.CHUNK):
        found = people.find_many(page.store, page.account, [number for number, _ in rows])
        yield [[*report_list.names(number, found[number]), write_time(since)] for number, since in rows if number in found]
        after = rows[-1][0]


async def remove(page: Page) -> Response:
    """`POST /audiences/remove`: take somebody out, until a message puts them in again."""
    found = _named(page)
    text = page.form.text("person")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    command = c.SetMembership(page.account, ProfileId(number), found.name, False, new_id())
    await page.do(command, "audience.left", str(number))
    return page.redirect("/audiences/members", "They are out of it.", name=found.name)


ROUTES = (
    shows("/audiences", index, "marketer"),
    shows("/audiences/members", show, "marketer"),
    shows("/audiences/members/file", file, "marketer"),
    changes("/audiences/remove", remove, "marketer"),
)
