"""What of a campaign's document the form shows: each field with its path, its words and what may be chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from goodword.core.currency import OTHER_UNITS
from goodword.core.quality import Quality

Kind = Literal["text", "area", "choice", "box", "date", "color"]
LISTS = ("rewards", "budgets")
RULE_WORDS = {
    "valid_email": "Addresses that cannot be",
    "self_referral_email": "Oneself, by address",
    "self_referral_similar_email": "Oneself, by a similar address",
    "self_referral_device": "Oneself, on the same device",
    "self_referral_ip": "Oneself, at the same address of the Internet",
    "blocked_email_domains": "Throw-away mail domains",
    "referring_sites": "Coupon sites",
}


class Field(Struct, frozen=True):
    """One field. `options` are (value, label) pairs of a choice."""

    path: str
    label: str
    hint: str = ""
    kind: Kind = "text"
    options: tuple[tuple[str, str], ...] = ()
    is_wide: bool = False

    @property
    def slug(self) -> str:
        """The path as an id of HTML."""
        return slug_of(self.path)


class Group(Struct, frozen=True):
    """Fields that belong together. `entry` is the path of a list's entry that they make up, and that can be taken out."""

    title: str
    fields: tuple[Field, ...]
    hint: str = ""
    entry: str = ""
    is_open: bool = True


def slug_of(path: str) -> str:
    """A path as an id of HTML."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", path).strip("-")


def _pairs(*values: str) -> tuple[tuple[str, str], ...]:
    return tuple((value, value) for value in values)


_LANDINGS = (("destination", "Your page at once"), ("hosted", "A page of Goodword's, then yours"))
_ROLES = (("advocate", "The advocate"), ("friend", "The friend"), ("participant", "Whoever does it"))
_WHAT = (
    Field("name", "Name", "What people call it."),
    Field("campaign", "Id", "Lower-case letters, digits, - and _. It stays."),
    Field("program", "Program", "Share links and reports go by it; it is fixed once published."),
)
_LINK = (
    Field("share.destination", "Where links lead", "The page that friends land on, with https://.", is_wide=True),
    Field(
        "share.landing",
        "Friends first see",
        "",
        "choice",
        _LANDINGS,
    ),
    Field("share.message", "Message proposed to advocates", "", "area", is_wide=True),
    Field("share.title", "Title in messengers"),
)
_WINDOW = (
    Field("attribution.window_days", "Days that a referral counts", "1 to 3,650."),
    Field("schedule.start", "Starts", "At once when left out.", "date"),
    Field("schedule.end", "Ends", "Never when left out. UTC.", "date"),
)
_PAGES = (
    Field("pages.accent", "Colour of the button", "Six hexadecimal digits after a #."),
    Field("pages.band", "Colour behind the headline", "That of the page when left out."),
    Field("pages.logo", "Logo", "An https address, or a data URI.", is_wide=True),
    Field("pages.texts.en.headline", "Headline", "In English. Made of the rewards when left out."),
    Field("pages.texts.en.condition", "Condition"),
    Field("pages.texts.en.friend_headline", "Headline for friends"),
    Field("pages.terms_url", "Terms"),
    Field("pages.shows_names", "Show first names, where they are public", kind="box"),
    Field("pages.asks_email", "Ask friends for their email address", kind="box"),
)


def _reward(index: int, suppliers: tuple[str, ...]) -> Group:
    here = f"rewards[{index}]."
    units = ("USD", "EUR", "GBP", *OTHER_UNITS)
    return Group(
        f"Reward {index + 1}",
        (
            Field(here + "name", "Name in reports"),
            Field(
                here + "to",
                "For",
                "",
                "choice",
                _ROLES,
            ),
            Field(here + "on", "When", "outcome: the purchase. sign_up: the sign-up. Or another event."),
            Field(here + "supplier", "Comes from", "", "choice", _pairs(*suppliers)),
            Field(here + "value.amount", "Amount", "Or leave it out and give a percentage."),
            Field(here + "value.unit", "Of", f"A currency such as {units[0]}, or {', '.join(OTHER_UNITS)}."),
            Field(here + "value.percent", "Percent of the order", "Then also say at most how much, in the document: value.max."),
            Field(here + "rules.value_min", "Orders from", "Of any value when left out."),
            Field(here + "rules.once", "Once for each", "", "choice", _pairs("relationship", "person", "event")),
            Field(here + "pending_days", "Days to wait", "So that returns can come in."),
        ),
        entry=here.rstrip("."),
    )


def _budget(index: int) -> Group:
    here = f"budgets[{index}]."
    return Group(
        f"Budget {index + 1}",
        (
            Field(here + "value_max", "At most", "What would pass it is not earned."),
            Field(here + "unit", "Of", f"A currency, or {', '.join(OTHER_UNITS)}."),
            Field(here + "count_max", "Or at most so many rewards"),
            Field(here + "period", "In", "UTC.", "choice", _pairs("total", "month", "week", "day")),
        ),
        entry=here.rstrip("."),
    )


def _rules() -> Group:
    fields = []
    for each in msgspec.structs.fields(Quality):
        said = RULE_WORDS.get(each.name, each.name.replace("_", " ").capitalize())
        path = f"quality.{each.name}"
        if isinstance(each.type, type) and issubclass(each.type, Struct):
            path += ".action"
        words = ("allow", "wait", "review", "refuse") if each.name == "browser_outcomes" else ("refuse", "review", "off")
        fields.append(Field(path, said, "", "choice", _pairs(*words)))
    hint = "What becomes of an event that a rule fails: refused, looked at by a person, or let through. More in the document."
    return Group("Rules against cheats", tuple(fields), hint, is_open=False)


def groups(rewards: int, budgets: int, suppliers: Mapping[str, object]) -> tuple[Group, ...]:
    """The form of a document with so many rewards and budgets, and an account's and its own suppliers."""
    names = tuple(suppliers)
    return (
        Group("What it is", _WHAT),
        Group("Links", _LINK),
        *(_reward(index, names) for index in range(rewards)),
        Group("When", _WINDOW),
        *(_budget(index) for index in range(budgets)),
        Group("Pages", _PAGES, "The advocate's share page, and the friend's.", is_open=False),
        _rules(),
    )


def new_entry(kind: str, index: int) -> dict[str, str]:
    """The fields that a further entry of a list begins with."""
    here = f"{kind}[{index}]."
    if kind == "rewards":
        return {f"{here}name": f"reward-{index + 1}", f"{here}to": "advocate", f"{here}value.amount": "10", f"{here}value.unit": "POINTS"}
    return {f"{here}value_max": "10000", f"{here}unit": "POINTS", f"{here}period": "month"}


def label_of(path: str) -> str:
    """A path in the form's words, for differences; the path itself where the form does not show it."""
    bare = re.sub(r"\[([^\]]*)\]", "[0]", path)
    known = {each.path: each.label for group in groups(1, 1, {}) for each in group.fields}
    entry = re.match(r"(rewards|budgets)\[([^\]]*)\]", path)
    said = known.get(bare)
    if said is None:
        return path
    return f"{entry[2]}: {said}" if entry is not None else said
