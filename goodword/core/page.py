"""The pages that a campaign shows people: an advocate's share page and a friend's landing page, as the document describes them.

A document may leave everything out: what it says nothing of is said in the pages' own words, in the reader's language.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct, field

Channel = Literal["WHATSAPP", "SMS", "EMAIL", "X", "FACEBOOK", "LINKEDIN"]
CHANNELS: tuple[Channel, ...] = ("WHATSAPP", "SMS", "EMAIL", "X", "FACEBOOK", "LINKEDIN")
SHOWN_MAX = 3
"""Channels that stand open on the share page; the others are one step away. Fewer choices make more people share."""
ACCENT = "#0b5cad"
LIGHT_INK, DARK_INK = "#ffffff", "#050505"
RIGHT_TO_LEFT = frozenset("ar dv fa he ku ps sd ug ur yi".split())
_COLOR = re.compile(r"#[0-9a-fA-F]{6}\Z")
_QUALITY = re.compile(r"\s*([A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?\Z")
_LANGUAGES_MAX = 20


class PageTexts(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A brand's own texts in one language. `{friend_reward}`, `{advocate_reward}` and `{advocate}` are filled in. `words` are the pages'
    own words, by name, where they should read otherwise or are in a language that Goodword does not bring."""

    headline: str = ""
    condition: str = ""
    steps: list[str] = field(default_factory=list)
    subject: str = ""
    message: str = ""
    friend_headline: str = ""
    friend_text: str = ""
    friend_button: str = ""
    terms: str = ""
    words: dict[str, str] = field(default_factory=dict)


class Pages(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a campaign's hosted pages look and read. `logo` is a web address or a data URI, colours are `#rrggbb`, `embed` the sites that
    may show the share page in a frame of theirs."""

    logo: str = ""
    accent: str = ACCENT
    band: str = ""
    language: str = "en"
    channels: list[Channel] = field(default_factory=lambda: list(CHANNELS))
    shows_names: bool = False
    asks_email: bool = False
    terms_url: str = ""
    privacy_url: str = ""
    embed: list[str] = field(default_factory=list)
    texts: dict[str, PageTexts] = field(default_factory=dict)


def is_color(text: str) -> bool:
    """Whether a text is a colour as the document writes it."""
    return _COLOR.match(text) is not None


def luminance(color: str) -> float:
    """The relative luminance of `#rrggbb`, 0 to 1 (WCAG 2)."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21 (WCAG 2)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def ink_on(color: str) -> str:
    """The ink that is read better on a colour. Of the two one always has a contrast of 4.5, which is what AA asks for: a paler black
    would miss it on some greens."""
    return max((LIGHT_INK, DARK_INK), key=lambda ink: contrast(ink, color))


def preferred(accepts: str, offered: list[str], otherwise: str) -> str:
    """The language of those offered that a reader likes best, by Accept-Language: exactly, or by its first part; `otherwise` if none."""
    wanted: list[tuple[float, str]] = []
    for part in accepts.split(",")[:_LANGUAGES_MAX]:
        found = _QUALITY.match(part)
        if found is not None and (quality := float(found[2] or 1)) > 0:
            wanted.append((-quality, found[1].lower()))
    by_name = {name.lower(): name for name in offered}
    for _, language in sorted(wanted, key=lambda each: each[0]):
        name = by_name.get(language) or by_name.get(language.partition("-")[0])
        if name is not None:
            return name
    return otherwise


def is_right_to_left(language: str) -> bool:
    """Whether a language is written from the right."""
    return language.partition("-")[0].lower() in RIGHT_TO_LEFT
