"""Checks of single values that the parts of a campaign's document share: texts, lists, addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from goodword.core.campaign_schema import Problem

TEXT_CHARS_MAX = 2_000
URL_CHARS_MAX = 2_000
LIST_MAX = 100
Problems = Iterator[Problem]


def short_text(path: str, text: str, chars_max: int = TEXT_CHARS_MAX) -> Problems:
    """A text of so many characters at most."""
    if len(text) > chars_max or "\0" in text:
        yield Problem(path, f"is longer than {chars_max} characters, or holds a null character", "Shorten it.")


def bounded(path: str, entries: Sequence[object], most: int = LIST_MAX) -> Problems:
    """A list of so many entries at most."""
    if len(entries) > most:
        yield Problem(path, f"has {len(entries)} entries, and may have {most}", "Leave some out.")


def unique_in(path: str, names: Sequence[str]) -> Problems:
    """A list in which nothing is twice."""
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Problem(f"{path}[{index}]", f"`{name}` is there twice", "Leave it out once.")


def web_address(path: str, text: str) -> Problems:
    """A whole http or https address without a user name."""
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        is_good = is_good and parts.username is None and parts.password is None
    except ValueError:
        is_good = False
    if not is_good or len(text) > URL_CHARS_MAX or re.search(r"[\s\x00-\x1f\x7f\\<>\"]", text):
        yield Problem(
            path, "must be a web address", "Write it whole, with https:// (or http://), a host, and without a user name or spaces."
        )
