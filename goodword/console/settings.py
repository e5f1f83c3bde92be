"""Settings of the account: currency, time zone, what becomes of traits, and who is let in again after a suppression."""

from __future__ import annotations

from typing import get_args

from msgspec.structs import replace
from starlette.responses import Response

from goodword import config
from goodword.api.admin import checked
from goodword.console import words
from goodword.console.form import Form
from goodword.console.navigation import Entry
from goodword.console.page import Page, changes, shows
from goodword.core import command as c
from goodword.core.account import EVENTS_KEPT_DAYS_MIN, ParameterScope
from goodword.core.console import Role
from goodword.core.money import read_currency
from goodword.core.profile import keys_of, read_email
from goodword.core.times import FOREVER, Millis
from goodword.storage import zone
from goodword.storage.query import erasure

ENTRIES = (Entry("Settings", "/settings", "marketer", "Keep", "s", "settings"),)

TABS: tuple[tuple[str, str, Role], ...] = (
    ("Account", "/settings", "marketer"),
    ("Event names", "/settings/events", "marketer"),
    ("Keys", "/settings/keys", "admin"),
    ("Users", "/settings/users", "admin"),
    ("Audit log", "/settings/audit", "admin"),
)
TRAITS = (("store", "Keep them"), ("ignore", "Ignore them"))
SCOPES = (
    ("PUBLIC", "Public: anyone with the person's link may read them"),
    ("PRIVATE", "Private: the verified person may"),
    ("CLIENT", "Client: you alone may"),
)


def tabs(page: Page) -> list[tuple[str, str]]:
    """The parts of the settings that the viewer may open."""
    return [(label, path) for label, path, role in TABS if page.viewer.may(role)]


async def show(page: Page) -> Response:
    """`GET /settings`; with `person`, also what is held against their messages."""
    return _shown(page)


def _shown(page: Page, status: int = 200) -> Response:
    settings = page.settings
    if not page.form.errors:
        page.form = Form.of(
            currency=settings.currency,
            time_zone=settings.time_zone,
            unmapped_traits=settings.unmapped_traits,
            default_scope=settings.default_scope,
            events_kept_days=str(settings.events_kept_days or ""),
            **{name: "on" for name in ("stores_pages", "archives_events") if getattr(settings, name)},
        )
    person = page.query("person")[:320]
    return page.render(
        "settings/show.html",
        status,
        tabs=tabs(page),
        zones=[("", "UTC for days, each viewer's own for times"), *((each, each.replace("_", " ")) for each in words.zones())],
        traits=TRAITS,
        scopes=SCOPES,
        person=person,
        barrier=_barrier(page, person) if person else None,
        forever=FOREVER,
        messages_kept=int(config.read("GOODWORD_MESSAGES_KEPT")),
    )


def _barrier(page: Page, person: str) -> Millis:
    """Up to when messages about somebody are dropped; 0 when they are taken."""
    return max((erasure.barrier(page.store, page.account, key) for key in keys_of(person, read_email(person), None)), default=0)


async def save(page: Page) -> Response:
    """`POST /settings`."""
    form = page.form
    currency = read_currency(form.text("currency"))
    if currency is None:
        form.wrong("currency", "Enter the three letters of a currency, such as EUR.")
    time_zone = form.choice("time_zone", ("", *words.zones()))
    traits = form.choice("unmapped_traits", [value for value, _ in TRAITS])
    scope: ParameterScope = form.choice("default_scope", get_args(ParameterScope))
    kept = form.text("events_kept_days") or "0"
    if not (kept.isascii() and kept.isdigit() and len(kept) < 6) or 0 < int(kept) < EVENTS_KEPT_DAYS_MIN:
        form.wrong("events_kept_days", f"A number of days, {EVENTS_KEPT_DAYS_MIN} at least, or nothing: then events are kept for ever.")
    if not form.is_good or currency is None:
        return _shown(page, 422)
    settings = checked(
        replace(
            page.settings,
            currency=currency,
            time_zone=time_zone,
            unmapped_traits="ignore" if traits == "ignore" else "store",
            default_scope=scope,
            stores_pages=form.is_checked("stores_pages"),
            events_kept_days=int(kept),
            archives_events=form.is_checked("archives_events"),
        )
    )
    before = page.settings
    changed = {name: [getattr(before, name), getattr(settings, name)] for name in settings.__struct_fields__ if name != "events"}
    changed = {name: values for name, values in changed.items() if values[0] != values[1]}
    await page.do(c.Configure(page.account, settings), "settings.changed", "", **changed)
    counting = zone.follow(page.store.accounts[page.account], page.now)
    if counting is not None:
        await page.ask(counting)
    return page.redirect("/settings", "Saved. It holds for messages from now on.")


async def let_in_again(page: Page) -> Response:
    """`POST /settings/unsuppress`: messages about somebody are taken again, from now on."""
    person = page.form.text("person", needs="Enter a user id or an e-mail address.", chars_max=320)
    keys = keys_of(person, read_email(person), None)
    if not keys:
        return page.redirect("/settings", "That names nobody.")
    await page.do(c.Unsuppress(page.account, keys), "person.unsuppressed")
    return page.redirect("/settings", "Messages about this person are taken again, from now on.", person=person)


ROUTES = (
    shows("/settings", show, "marketer"),
    changes("/settings", save, "admin"),
    changes("/settings/unsuppress", let_in_again, "admin"),
)
