"""Keys of the account: what sends and reads here. A key is shown once, when it is made."""

from __future__ import annotations

from starlette.responses import Response

from goodword.api.auth import hash_secret, new_secret
from goodword.api.intake import new_id
from goodword.console.page import Page, PageRefused, changes, shows
from goodword.console.settings import tabs
from goodword.core import command as c
from goodword.core.account import Key, Scope

SCOPES = {
    Scope.INGEST: "Send, and nothing else. May stand in a web page.",
    Scope.DESTINATION: "Send and delete people: for Segment and other customer data platforms.",
    Scope.SERVER: "Send, delete and read: for your own servers.",
    Scope.ADMIN: "All of it, and keys and settings too.",
}


async def index(page: Page) -> Response:
    """`GET /settings/keys`."""
    return _shown(page)


def _shown(page: Page, status: int = 200, secret: str = "") -> Response:
    keys = [key for key in page.store.keys_by_id.values() if key.account == page.account]
    live = sorted((key for key in keys if key.revoked_at is None), key=lambda key: (key.created_at, key.id))
    ended = sorted((key for key in keys if key.revoked_at is not None), key=lambda key: -(key.revoked_at or 0))
    return page.render("settings/keys.html", status, tabs=tabs(page), keys=live, ended=ended, scopes=SCOPES, secret=secret)


async def create(page: Page) -> Response:
    """`POST /settings/keys`: the secret is in this answer and nowhere else."""
    form = page.form
    name = form.text("name", needs="Say what the key is for, such as segment or website.", chars_max=60)
    scopes = tuple(scope for scope in Scope if scope.value in form.many("scope"))
    signing = form.text("signing_secret")
    if not scopes:
        form.wrong("scope", "Choose what it may do.")
    if not form.is_good:
        return _shown(page, 422)
    secret = new_secret(scopes)
    key = Key(new_id(), page.account, name, hash_secret(secret), secret[-4:], scopes, page.now, signing_secret=signing)
    await page.do(c.CreateKey(page.account, key), "key.created", key.id, name=name, scopes=list(scopes), is_signed=bool(signing))
    page.form = type(form)()
    return _shown(page, secret=secret)


async def ask_end(page: Page) -> Response:
    """`GET /settings/keys/{id}/end`: what ending a key does, before it is done."""
    return page.render("settings/end_key.html", key=_key(page))


async def end(page: Page) -> Response:
    """`POST /settings/keys/{id}/end`."""
    key = _key(page)
    await page.do(c.RevokeKey(page.account, key.id), "key.revoked", key.id, name=key.name)
    return page.redirect("/settings/keys", f"The key “{key.name}” is ended.")


def _key(page: Page) -> Key:
    key = page.store.keys_by_id.get(page.param("id"))
    if key is None or key.account != page.account or key.revoked_at is not None:
        raise PageRefused(404, "There is no such key, or it is ended already.")
    return key


ROUTES = (
    shows("/settings/keys", index, "admin"),
    changes("/settings/keys", create, "admin"),
    shows("/settings/keys/{id}/end", ask_end, "admin"),
    changes("/settings/keys/{id}/end", end, "admin"),
)
