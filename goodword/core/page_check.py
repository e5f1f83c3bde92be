"""Whether the pages of a campaign's document make sense: what no schema can say of colours, pictures, sites and texts."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from goodword.core.campaign_schema import Problem
from goodword.core.campaign_value import Problems, bounded, short_text, unique_in, web_address
from goodword.core.page import Pages, PageTexts, is_color

LOGO_CHARS_MAX = 40_000
"""Of a logo within the document: a page should weigh less than 80 KB."""
TEXT_CHARS_MAX = 500
STEPS_MAX = 5
EMBED_MAX = 20
LANGUAGES_MAX = 20
WORDS_MAX = 100
_DATA_URI = re.compile(r"data:image/(?:png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}\Z")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})?\Z")


def check_pages(pages: Pages) -> Problems:
    """All that is wrong with them."""
    yield from _logo(pages.logo)
    for name in ("accent", "band"):
        text = getattr(pages, name)
        if not is_color(text) and (text or name == "accent"):
            yield Problem(f"pages.{name}", "is no colour", "Write six hexadecimal digits after a #, in quotes: '#0b5cad'.")
    yield from _language("pages.language", pages.language)
    yield from unique_in("pages.channels", pages.channels)
    for name in ("terms_url", "privacy_url"):
        if text := getattr(pages, name):
            yield from web_address(f"pages.{name}", text)
    yield from bounded("pages.embed", pages.embed, EMBED_MAX)
    for index, site in enumerate(pages.embed):
        yield from _site(f"pages.embed[{index}]", site)
    yield from bounded("pages.texts", list(pages.texts), LANGUAGES_MAX)
    for language, texts in pages.texts.items():
        yield from _language(f"pages.texts.{language}", language)
        yield from _texts(f"pages.texts.{language}", texts)


def _logo(logo: str) -> Problems:
    if logo.startswith("data:"):
        if len(logo) > LOGO_CHARS_MAX:
            yield Problem("pages.logo", f"is longer than {LOGO_CHARS_MAX} characters", "Use a smaller picture, or its https address.")
        elif not _DATA_URI.match(logo):
            yield Problem("pages.logo", "is no picture", "Write data:image/png;base64,... (or jpeg, gif, webp, svg+xml), or its address.")
    elif logo:
        yield from web_address("pages.logo", logo)
        if not logo.startswith("https://"):
            yield Problem("pages.logo", "must begin with https://", "Pages that load it over http would be shown as insecure.")


def _language(path: str, text: str) -> Problems:
    if not _LANGUAGE.match(text):
        yield Problem(path, "is no language", "Write its code, such as en, de or pt-BR.")


def _site(path: str, site: str) -> Problems:
    """An origin: a frame-ancestors source that holds nothing else."""
    parts = urlsplit(site) if re.fullmatch(r"https?://[A-Za-z0-9.*-]+(:\d{1,5})?", site) else None
    if parts is None or "*" in parts.netloc.removeprefix("*."):
        yield Problem(path, "is no site", "Write it like https://shop.example.com or https://*.example.com, without a path.")


def _texts(path: str, texts: PageTexts) -> Problems:
    for name in ("headline", "condition", "subject", "message", "friend_headline", "friend_text", "friend_button", "terms"):
        yield from short_text(f"{path}.{name}", getattr(texts, name), TEXT_CHARS_MAX)
    yield from bounded(f"{path}.steps", texts.steps, STEPS_MAX)
    for index, step in enumerate(texts.steps):
        yield from short_text(f"{path}.steps[{index}]", step, TEXT_CHARS_MAX)
    yield from bounded(f"{path}.words", list(texts.words), WORDS_MAX)
    for name, word in texts.words.items():
        yield from short_text(f"{path}.words.{name}", word, TEXT_CHARS_MAX)
