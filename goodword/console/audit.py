"""The audit log: every change made here, by the command line or by a program with an admin key, who made it, and what it was before."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from starlette.responses import Response

from goodword.console.listing import Chunks, Listing, as_file, columns
from goodword.console.page import Page, shows
from goodword.console.settings import tabs
from goodword.core.audit import KEY
from goodword.core.console import AuditEntry
from goodword.core.times import write_time
from goodword.storage.query import console as query

ROWS = 50
FILE_ROWS = 500
COLUMNS = columns("time", "who", "action", "subject", "detail", time="time")


class Line(Struct):
    """A change with the name of whoever made it."""

    entry: AuditEntry
    who: str


async def index(page: Page) -> Response:
    """`GET /settings/audit`."""
    users = _users(page)
    before = page.number("before", 1 << 62)
    entries = query.audit(page.store, page.account, ROWS, before)
    lines = [Line(each, _who(page, users, each.user_id)) for each in entries]
    return page.render(
        "settings/audit.html",
        tabs=tabs(page),
        lines=lines,
        users=users,
        newer=page.here(before="") if page.query("before") else "",
        older=page.here(before=entries[-1].id) if len(entries) == ROWS else "",
    )


def _users(page: Page) -> dict[str, str]:
    return {user.id: user.name or user.email for user in query.users(page.store, page.account)}


async def file(page: Page) -> Response:
    """`GET /settings/audit/file`."""
    return await as_file(page, Listing("audit-log", COLUMNS, _chunks(page)))


def _chunks(page: Page) -> Chunks:
    users, before = _users(page), 1 << 62
    while entries := query.audit(page.store, page.account, FILE_ROWS, before):
        yield [
            [write_time(each.at), _who(page, users, each.user_id), each.action, each.subject, msgspec.json.encode(each.detail).decode()]
            for each in entries
        ]
        before = entries[-1].id


def _who(page: Page, users: dict[str, str], by: str) -> str:
    if by.startswith(KEY):
        key = page.store.keys_by_id.get(by.removeprefix(KEY))
        return f"the key {key.name}" if key is not None and key.account == page.account else "a key of before"
    return users.get(by, "someone of before") if by else "the command line"


ROUTES = (shows("/settings/audit", index, "admin"), shows("/settings/audit/file", file, "admin"))
