"""Privacy: deletions with their proof, a deletion by what names somebody, and whom nothing is taken about any more."""

from __future__ import annotations

from itertools import count

from starlette.responses import Response

from goodword.api.intake import new_id
from goodword.console.listing import Chunks, Listing, as_file, columns
from goodword.console.navigation import Entry
from goodword.console.page import Page, changes, shows
from goodword.core import command as c
from goodword.core.profile import keys_of, read_email
from goodword.storage.query import erasure as erasures
from goodword.storage.query import person as people

ENTRIES = (Entry("Privacy", "/privacy", "admin", "Keep", "y", "privacy"),)
SHOWN = 50
ASKED = "DELETE"
FILE_ROWS = 1_000
COLUMNS = columns("id", "time", "profiles", "keys", "suppressed", time="time", profiles="count", keys="count")


async def index(page: Page) -> Response:
    """`GET /privacy`: every deletion, newest first."""
    return _shown(page)


def _shown(page: Page, status: int = 200) -> Response:
    offset = page.number("offset", 0, 0, 1_000_000)
    found = erasures.erasures(page.store, page.account, SHOWN + 1, offset)
    return page.render(
        "privacy/index.html",
        status,
        erasures=found[:SHOWN],
        asked=ASKED,
        older=page.here(offset=offset + SHOWN) if len(found) > SHOWN else "",
        newer=page.here(offset=max(0, offset - SHOWN) or "") if offset else "",
    )


async def file(page: Page) -> Response:
    """`GET /privacy/file`: it names nobody."""
    return await as_file(page, Listing("deletions", COLUMNS, _chunks(page), names_people=False))


def _chunks(page: Page) -> Chunks:
    for offset in count(0, FILE_ROWS):
        found = erasures.erasures(page.store, page.account, FILE_ROWS, offset)
        said = [erasures.as_json(each) for each in found]
        yield [[each["id"], each["time"], each["profiles"], each["keys"], "yes" if each["suppressed"] else "no"] for each in said]
        if len(found) < FILE_ROWS:
            return


async def erase(page: Page) -> Response:
    """`POST /privacy/erase`: whoever these name, known here or not. It succeeds for nobody, too: so it can be proved."""
    form = page.form
    email_text, user_id = form.text("email"), form.text("user_id", chars_max=1000)
    email = read_email(email_text)
    if email_text and email is None:
        form.wrong("email", "This is no e-mail address.")
    if not email_text and not user_id:
        form.wrong("user_id", "Say whom: a user id, an e-mail address, or both.")
    if form.text("typed") != ASKED:
        form.wrong("typed", f"Type {ASKED}, in capitals.")
    if not form.is_good:
        return _shown(page, 422)
    keys = keys_of(user_id or None, email, None)
    known = people.find_by_keys(page.store, page.account, keys).values()
    page.pages.intake.forget(page.account, [*keys, *(key for profile in known for key in profile.keys)])
    erasure_id, suppress = new_id(), form.is_checked("suppress")
    await page.do(c.Erase(page.account, keys, None, erasure_id, suppress), "person.erased", erasure_id, suppressed=suppress)
    return page.redirect("/privacy", f"Deleted. The proof is {erasure_id}.")


ROUTES = (shows("/privacy", index, "admin"), shows("/privacy/file", file, "admin"), changes("/privacy/erase", erase, "admin"))
