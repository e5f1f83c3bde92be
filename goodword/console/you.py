"""The viewer's own page: name, time zone, colours, password, second factor, and where they are signed in."""

from __future__ import annotations

import pyotp
import segno
from msgspec.structs import replace
from starlette.responses import Response

from goodword.api.auth import hash_secret
from goodword.console import words
from goodword.console.entrance import passwords
from goodword.console.form import Form
from goodword.console.page import Page, PageRefused, changes, shows
from goodword.console.password import password_problem, step_of_code
from goodword.core import command as c
from goodword.core.console import User, is_live
from goodword.storage.query import console as query

THEMES = {"": "As the system", "light": "Light", "dark": "Dark"}
ISSUER = "Goodword"


async def show(page: Page) -> Response:
    """`GET /you`."""
    return _shown(page)


def _shown(page: Page, status: int = 200) -> Response:
    viewer = page.viewer
    user = viewer.user
    if not page.form.errors:
        page.form = Form.of(name=user.name, zone=user.zone, theme=user.theme)
    signed_in = [each for each in query.sessions(page.store, user.id) if is_live(each, page.now)]
    zones = [("", "As the browser"), *((zone, zone.replace("_", " ")) for zone in words.zones())]
    return page.render("you/show.html", status, user=user, sessions=signed_in, themes=THEMES.items(), zones=zones)


async def _save(page: Page, user: User, action: str, kept: bytes = b"") -> None:
    """Keep a change of the viewer's own."""
    await page.do(c.PutUser(page.account, user, kept), action, user.id)


async def save(page: Page) -> Response:
    """`POST /you`."""
    form = page.form
    name = form.text("name", chars_max=80)
    zone = form.choice("zone", ("", *words.zones()))
    theme = form.choice("theme", THEMES)
    if not form.is_good:
        return _shown(page, 422)
    await _save(page, replace(page.viewer.user, name=name, zone=zone, theme=theme), "profile.changed")
    return page.redirect("/you", "Saved.")


async def change_password(page: Page) -> Response:
    """`POST /you/password`: takes the present one; every other session ends."""
    form, user = page.form, page.viewer.user
    if not await passwords.matches(user.password, form.value("present")):
        form.wrong("present", "This is not your present password.")
    if problem := password_problem(form.value("password"), user.email):
        form.wrong("password", problem)
    if not form.is_good:
        return _shown(page, 422)
    changed = replace(user, password=await passwords.hash(form.value("password")))
    await _save(page, changed, "password.set", page.viewer.session.hash)
    return page.redirect("/you", "Your password is changed. Everywhere else you are signed out.")


async def show_second_factor(page: Page) -> Response:
    """`GET /you/second-factor`: a new secret to put into an app. It counts once a code of it was entered."""
    return _second_factor(page, pyotp.random_base32())


def _second_factor(page: Page, secret: str, status: int = 200) -> Response:
    uri = pyotp.TOTP(secret).provisioning_uri(name=page.viewer.user.email, issuer_name=ISSUER)
    picture = segno.make(uri, error="m").svg_data_uri(scale=4, border=2, dark="#000", light="#fff")
    return page.render("you/second_factor.html", status, secret=secret, picture=picture)


async def set_second_factor(page: Page) -> Response:
    """`POST /you/second-factor`."""
    form, user = page.form, page.viewer.user
    secret = form.text("secret", chars_max=64)
    if len(secret) != 32 or not set(secret) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"):
        raise PageRefused(400, "The form lacks its secret. Start again.")
    step = step_of_code(secret, form.value("code"), page.now)
    if not step:
        form.wrong("code", "This code does not fit. Check that the clock of your phone is right, and enter the newest one.")
        return _second_factor(page, secret, 422)
    await _save(page, replace(user, totp=secret, totp_used=step), "second_factor.set")
    return page.redirect("/you", "From now on signing in takes a code from your app.")


async def remove_second_factor(page: Page) -> Response:
    """`POST /you/second-factor/remove`: takes the password."""
    user = page.viewer.user
    if not await passwords.matches(user.password, page.form.value("password_again")):
        page.form.wrong("password_again", "This is not your password.")
        return _shown(page, 422)
    await _save(page, replace(user, totp="", totp_used=0), "second_factor.removed")
    return page.redirect("/you", "Signing in takes your password alone.")


async def end_session(page: Page) -> Response:
    """`POST /you/sessions/end`: one of the viewer's own, by the start of its hash."""
    user = page.viewer.user
    wanted = page.form.value("session")
    found = next((each for each in query.sessions(page.store, user.id) if each.hash.hex() == wanted), None)
    if found is None:
        raise PageRefused(404, "This session has ended already.")
    await page.do(c.EndSessions(page.account, user.id, found.hash), "session.ended", user.id)
    return page.redirect("/you", "That browser is signed out.")


async def end_other_sessions(page: Page) -> Response:
    """`POST /you/sessions/end-others`: everywhere but here."""
    await page.do(c.EndSessions(page.account, page.viewer.user.id, kept=hash_secret(page.token)), "sessions.ended", page.viewer.user.id)
    return page.redirect("/you", "Everywhere else you are signed out.")


ROUTES = (
    shows("/you", show, "support"),
    changes("/you", save, "support"),
    changes("/you/password", change_password, "support"),
    shows("/you/second-factor", show_second_factor, "support"),
    changes("/you/second-factor", set_second_factor, "support"),
    changes("/you/second-factor/remove", remove_second_factor, "support"),
    changes("/you/sessions/end", end_session, "support"),
    changes("/you/sessions/end-others", end_other_sessions, "support"),
)
