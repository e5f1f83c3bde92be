"""The audit log: every change made here or by the command line, who made it, and what it was before."""

from __future__ import annotations

from msgspec import Struct
from starlette.responses import Response

from goodword.console.page import Page, shows
from goodword.console.settings import tabs
from goodword.core.console import AuditEntry
from goodword.storage.query import console as query

ROWS = 50


class Line(Struct):
    """A change with the name of whoever made it."""

    entry: AuditEntry
    who: str


async def index(page: Page) -> Response:
    """`GET /settings/audit`."""
    users = {user.id: user.name or user.email for user in query.users(page.store, page.account)}
    before = page.number("before", 1 << 62)
    entries = query.audit(page.store, page.account, ROWS, before)
    lines = [Line(each, users.get(each.user_id, "someone of before") if each.user_id else "the command line") for each in entries]
    return page.render(
        "settings/audit.html",
        tabs=tabs(page),
        lines=lines,
        users=users,
        newer=page.here(before="") if page.query("before") else "",
        older=page.here(before=entries[-1].id) if len(entries) == ROWS else "",
    )


ROUTES = (shows("/settings/audit", index, "admin"),)
