"""Users of the console: who they are, what they may do, and the links by which they come in."""

from __future__ import annotations

from msgspec.structs import replace
from starlette.responses import Response

from goodword.api.link import origin_of
from goodword.console.form import Form
from goodword.console.invitation import invite, new_user
from goodword.console.page import Page, PageRefused, changes, shows
from goodword.console.settings import tabs
from goodword.core import command as c
from goodword.core.console import ROLES, Role, User
from goodword.core.profile import read_email
from goodword.storage.query import console as query

ROLES_SAID: tuple[tuple[Role, str], ...] = (
    ("support", "Support: sees people and rewards"),
    ("marketer", "Marketer: runs campaigns too"),
    ("admin", "Admin: keys, users and settings too"),
)


async def index(page: Page) -> Response:
    """`GET /settings/users`."""
    return _shown(page)


def _shown(page: Page, status: int = 200, invited: User | None = None, link: str = "") -> Response:
    if not page.form.value("role"):
        page.form = Form.of(role="support") if page.form.is_good else page.form
    users = query.users(page.store, page.account)
    return page.render("settings/users.html", status, tabs=tabs(page), users=users, roles=ROLES_SAID, invited=invited, link=link)


async def create(page: Page) -> Response:
    """`POST /settings/users`: makes a user; the link for them is in this answer and nowhere else."""
    form = page.form
    email = read_email(form.value("email")) or ""
    if not email:
        form.wrong("email", "Enter an e-mail address, such as jane@example.com.")
    name = form.text("name", chars_max=80)
    role: Role = form.choice("role", ROLES)
    if form.is_good:
        user = new_user(page.account, email, role, page.now, name)
        outcome = await page.attempt(c.PutUser(page.account, user), "user.created", user.id, role=role)
        if outcome.verdict != "refused":
            page.form = Form()
            return _shown(page, invited=user, link=await _link(page, user))
        form.wrong("email", outcome.reason)
    return _shown(page, 422)


async def _link(page: Page, user: User) -> str:
    """A new sign-in link of a user's, whole."""
    path, command = invite(user, page.now)
    await page.do(command, "link.created", user.id)
    return origin_of(page.head.scheme, page.head.headers, page.pages.intake.edge.is_proxied(page.head.peer)) + path


async def change(page: Page) -> Response:
    """`POST /settings/users/{id}`: another role; locked out or let in again."""
    user = _user(page)
    role: Role = page.form.choice("role", ROLES)
    match page.form.value("do"):
        case "disable":
            changed, action, said = replace(user, disabled_at=page.now), "user.disabled", "is locked out, everywhere."
        case "enable":
            changed, action, said = replace(user, disabled_at=None), "user.enabled", "may sign in again."
        case _:
            changed, action, said = replace(user, role=role), "user.changed", f"is {role} now."
    detail = {"role": [user.role, changed.role]} if user.role != changed.role else {}
    await page.do(c.PutUser(page.account, changed, page.viewer.session.hash), action, user.id, **detail)
    return page.redirect("/settings/users", f"{user.name or user.email} {said}")


async def reset(page: Page) -> Response:
    """`POST /settings/users/{id}/reset`: a link to set a new password by; the second factor is taken away."""
    user = _user(page)
    plain = replace(user, totp="", totp_used=0)
    await page.do(c.PutUser(page.account, plain), "user.reset", user.id)
    return _shown(page, invited=plain, link=await _link(page, plain))


def _user(page: Page) -> User:
    user = query.user(page.store, page.account, page.param("id"))
    if user is None:
        raise PageRefused(404, "There is no such user.")
    return user


ROUTES = (
    shows("/settings/users", index, "admin"),
    changes("/settings/users", create, "admin"),
    changes("/settings/users/{id}", change, "admin"),
    changes("/settings/users/{id}/reset", reset, "admin"),
)
