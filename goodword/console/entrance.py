"""The way in and out: signing in by password and second factor, by a link that works once, and signing out.

A sign-in link leads to a page that sets a password; opening the page uses nothing up, sending its form does.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from starlette.responses import Response

from goodword.api.auth import hash_secret
from goodword.console import session as sessions
from goodword.console.page import Page, PageRefused, changes, shows
from goodword.console.password import BY_EMAIL, BY_PLACE, Brake, Passwords, password_problem, step_of_code
from goodword.core import command as c
from goodword.core.console import SignInLink, User
from goodword.core.profile import read_email
from goodword.core.times import Millis
from goodword.storage.query import console as query
from goodword.storage.query import message as log

HALF = "goodword_half"
HALF_LIVES_MS = 5 * 60_000
WRONG = "The e-mail address or the password is wrong."
WRONG_CODE = "This code is wrong or too old. Enter the one your app shows now."

passwords = Passwords()
brake = Brake()


async def ask_password(page: Page) -> Response:
    """`GET /sign-in`."""
    if page.is_signed_in:
        return page.redirect(_local(page.query("next")))
    if _half(page) is not None:
        return page.render("entrance/code.html", next=page.query("next"))
    return page.render("entrance/sign_in.html", next=page.query("next"), has_users=not query.is_empty(page.store))


async def take_password(page: Page) -> Response:
    """`POST /sign-in`."""
    form = page.form
    email, password, next = read_email(form.value("email")) or "", form.value("password"), form.value("next")
    names = _names(page, email)
    _wait(page, names)
    user = query.user_by_email(page.store, email) if email else None
    if not await passwords.matches(user.password if user is not None else "", password) or user is None or user.disabled_at is not None:
        brake.failed(names, page.now)
        form.wrong("password", WRONG)
        return page.render("entrance/sign_in.html", 422, next=next, has_users=True)
    if user.totp:
        response = page.redirect("/sign-in", next=next)
        sessions.set_cookie(response, HALF, _half_cookie(page, user), is_secure=page.is_secure, max_age_s=HALF_LIVES_MS // 1000)
        return response
    brake.succeeded(names)
    return await _let_in(page, user, next)


async def take_code(page: Page) -> Response:
    """`POST /sign-in/code`: the second factor, after the password was right."""
    user = _half(page)
    next = page.form.value("next")
    if user is None:
        return page.redirect("/sign-in", "That took too long. Sign in again.", next=next)
    names = _names(page, user.email)
    _wait(page, names)
    step = step_of_code(user.totp, page.form.value("code"), page.now)
    if not step:
        brake.failed(names, page.now)
        page.form.wrong("code", WRONG_CODE)
        return page.render("entrance/code.html", 422, next=next)
    brake.succeeded(names)
    return await _let_in(page, user, next, totp_step=step)


async def start_over(page: Page) -> Response:
    """`POST /sign-in/again`: somebody else wants to sign in."""
    response = page.redirect("/sign-in")
    page.drop_cookie(response, HALF)
    return response


async def _let_in(page: Page, user: User, next: str, **more: Any) -> Response:
    """A new session, whatever cookie there was before; the old one's session ends."""
    token = sessions.new_token()
    session = sessions.new_session(token, user, page.now, page.head, page.pages.intake.edge)
    replaces = hash_secret(page.token) if page.token else b""
    sign_in = c.SignIn(user.account, session, replaces=replaces, **more)
    outcome = (await page.ask(c.Audited(user.account, sign_in, user.id, "session.opened")))[0]
    if outcome.verdict == "refused":
        raise PageRefused(409, outcome.reason, "You are not signed in")
    response = page.redirect(_local(next))
    if page.cookie(HALF):
        page.drop_cookie(response, HALF)
    sessions.sign_in(response, token, page.is_secure)
    return response


async def sign_out(page: Page) -> Response:
    """`POST /sign-out`."""
    viewer = page.viewer
    await page.do(c.EndSessions(page.account, viewer.user.id, viewer.session.hash), "session.ended")
    response = page.redirect("/sign-in", "You are signed out.")
    page.drop_cookie(response, sessions.NAME)
    return response


async def show_welcome(page: Page) -> Response:
    """`GET /welcome/{token}`: a sign-in link."""
    _, user = _linked(page)
    return page.render("entrance/welcome.html", user=user, token=page.param("token"))


async def take_welcome(page: Page) -> Response:
    """`POST /welcome/{token}`: sets the password (and who they are, if nobody knows yet) and signs in."""
    link, user = _linked(page)
    form = page.form
    email, name = user.email, user.name
    if not email:
        name = form.text("name", chars_max=80)
        email = read_email(form.value("email")) or ""
        if not email:
            form.wrong("email", "Enter an e-mail address, such as jane@example.com.")
    password = form.value("password")
    if problem := password_problem(password, email):
        form.wrong("password", problem)
    if form.is_good:
        changed = replace(user, email=email, name=name, password=await passwords.hash(password))
        token = sessions.new_token()
        session = sessions.new_session(token, user, page.now, page.head, page.pages.intake.edge)
        replaces = hash_secret(page.token) if page.token else b""
        command = c.SignIn(user.account, session, link=link.hash, replaces=replaces, user=changed)
        outcome = (await page.ask(c.Audited(user.account, command, user.id, "password.set")))[0]
        if outcome.verdict != "refused":
            brake.succeeded(_names(page, email))
            response = page.redirect("/")
            sessions.sign_in(response, token, page.is_secure)
            return response
        form.wrong("email" if outcome.code == "email_taken" else "password", outcome.reason)
    return page.render("entrance/welcome.html", 422, user=user, token=page.param("token"))


def _linked(page: Page) -> tuple[SignInLink, User]:
    """The link of this address and its user. Errors: PageRefused."""
    link = query.link(page.store, hash_secret(page.param("token")))
    user = query.user(page.store, link.account, link.user_id) if link is not None else None
    if link is None or user is None or link.used_at is not None or link.expires_at <= page.now or user.disabled_at is not None:
        raise PageRefused(
            410, "It was used already, or is older than a day. An admin can make you a new one, or: goodword user reset E-MAIL",
            "This link no longer works",
        )  # fmt: skip
    return link, user


def _names(page: Page, email: str) -> tuple[str, ...]:
    """What failures are counted by: the e-mail address tried, and where from, unless that is this machine."""
    place = page.pages.intake.edge.address_of(page.head.peer, page.head.headers)
    return (BY_EMAIL + email if email else "", BY_PLACE + place if place else "")


def _wait(page: Page, names: tuple[str, ...]) -> None:
    wait_s = -(-brake.wait_ms(names, page.now) // 1000)
    if wait_s > 0:
        raise PageRefused(429, f"After several wrong tries there is a pause. Try again in {wait_s} seconds.", "Too many tries")


def _half_cookie(page: Page, user: User) -> str:
    until = page.now + HALF_LIVES_MS
    return f"{user.account}.{user.id}.{until}.{_half_mark(page, user, until)}"


def _half_mark(page: Page, user: User, until: Millis) -> str:
    return page.store.sealer.hash(user.account, f"half:{user.id}:{until}:{user.password}").hex()


def _half(page: Page) -> User | None:
    """Whoever gave their password a moment ago and still owes the second factor."""
    parts = page.cookie(HALF).split(".")
    if len(parts) != 4 or not (parts[0].isdigit() and parts[2].isdigit()) or len(parts[2]) > 15:
        return None
    user = query.user(page.store, int(parts[0]), parts[1]) if len(parts[0]) < 10 else None
    if user is None or not user.totp or user.disabled_at is not None or int(parts[2]) < page.now:
        return None
    return user if sessions.has_token(_half_mark(page, user, int(parts[2])), parts[3]) else None


def _local(next: str) -> str:
    """Where to go after signing in: a page of the console, whatever the address says."""
    is_ours = next.startswith("/") and not next.startswith(("//", "/\\", "/sign-in", "/welcome")) and next.isprintable()
    return next if is_ours else "/"


async def home(page: Page) -> Response:
    """`GET /`: the first page that the viewer may open; the start, as long as there is neither a message nor a campaign."""
    viewer = page.viewer
    if viewer.may("marketer") and page.account not in page.store.programs and not log.messages(page.store, page.account, 1):
        return page.redirect("/start")
    first = next((entry for entry in page.pages.entries if viewer.may(entry.role)), None)
    return page.redirect(first.path if first is not None else "/you")


ROUTES = (
    shows("/", home, "support"),
    shows("/sign-in", ask_password, None),
    changes("/sign-in", take_password, None),
    changes("/sign-in/code", take_code, None),
    changes("/sign-in/again", start_over, None),
    changes("/sign-out", sign_out, "support"),
    shows("/welcome/{token}", show_welcome, None),
    changes("/welcome/{token}", take_welcome, None),
)
