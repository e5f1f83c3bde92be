"""Rules about an act of sharing: how many, to how many, in which words.

A share that they refuse is kept and counted; that its recipients were written to credits nobody. The share link works as before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from goodword.core.quality import Quality
from goodword.core.referral import Share
from goodword.core.reward import Passed
from goodword.core.rule.result import objects, passes

_LINK = re.compile(r"(?:https?://|www\.)([^\s/?#<>\"']+)[^\s<>\"']*", re.IGNORECASE)


def judge_share(quality: Quality, share: Share, shares: int, received: Mapping[str, int]) -> tuple[Passed, ...]:
    """Every rule's verdict on a share. `shares`: the advocate's in the seven days before, each recipient one; `received`: by address, how
    often somebody shared with it in these days."""
    own = max(1, len(share.recipients))
    results = (
        _mass_shares(quality, shares + own),
        _recipients(quality, share),
        _email_rate(quality, share, received),
        _count(quality, shares),
        _spam(quality, share),
    )
    return tuple(each for each in results if each is not None)


def _mass_shares(quality: Quality, shares: int) -> Passed | None:
    terms = quality.mass_shares
    if terms.action == "off":
        return None
    if shares <= terms.count:
        return passes("mass_shares")
    return objects(terms.action, "mass_shares", f"the advocate shared more than {terms.count} times within seven days")


def _recipients(quality: Quality, share: Share) -> Passed | None:
    terms = quality.share_recipients
    if terms.action == "off":
        return None
    if len(share.recipients) <= terms.count:
        return passes("share_recipients")
    return objects(terms.action, "share_recipients", f"the share names more than {terms.count} recipients")


def _email_rate(quality: Quality, share: Share, received: Mapping[str, int]) -> Passed | None:
    terms = quality.email_rate
    if terms.action == "off":
        return None
    if not share.recipients or any(received.get(email, 0) < terms.count for email in share.recipients):
        return passes("email_rate")
    return objects(terms.action, "email_rate", f"all recipients were written to {terms.count} times within seven days already")


def _count(quality: Quality, shares: int) -> Passed | None:
    terms = quality.share_count
    if terms.action == "off":
        return None
    if terms.min <= shares < terms.max:
        return passes("share_count")
    return objects(terms.action, "share_count", "the advocate shared less, or more, than the campaign counts")


def _spam(quality: Quality, share: Share) -> Passed | None:
    terms = quality.spam_content
    if terms.action == "off":
        return None
    text = f"{share.subject}\n{share.message}"
    found = _words(tuple(terms.words)).search(text) if terms.words else None
    if found is not None:
        return objects(terms.action, "spam_content", "the message has words that friends do not write")
    if terms.links and any(share.code.casefold() not in link.group().casefold() for link in _LINK.finditer(text)):
        return objects(terms.action, "spam_content", "the message has links to other places than the share link")
    return passes("spam_content")


@lru_cache(maxsize=64)
def _words(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(r"(?<!\w)(?:" + "|".join(re.escape(word) for word in words) + r")(?!\w)", re.IGNORECASE)
