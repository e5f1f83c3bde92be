"""Quality: the rules that tell a referral from a cheat. Each says PASS, FAIL, WAIT, REVIEW or UNKNOWN, and why (law 9)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from goodword.core.referral import Case
from goodword.core.reward import Passed
from goodword.core.times import Millis

Action = Literal["refuse", "review", "off"]


STICKY: frozenset[str] = frozenset()
"""Rules that count what others did: the judge keeps their first verdict."""


class Reference(Struct, frozen=True):
    """Lists that are kept outside the code: disposable mail domains, and the account's own block lists."""

    disposable_domains: frozenset[str] = frozenset()
    blocked_emails: frozenset[str] = frozenset()
    blocked_domains: frozenset[str] = frozenset()
    allowed_emails: frozenset[str] = frozenset()
    allowed_domains: frozenset[str] = frozenset()


class BlockEntry(Struct, frozen=True):
    """One line of a block list (domain 2.8). `value` of NORMALIZED_EMAIL is the address, lower-cased."""

    list_type: Literal["NORMALIZED_EMAIL", "EMAIL_DOMAIN", "CIDR", "USER_AGENT"]
    filter_type: Literal["BLACK", "WHITE"]
    value: str
    note: str = ""
    created_at: Millis = 0


class BrowserOutcomes(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Outcomes that only a browser claimed (cheats.md 10)."""

    action: Literal["allow", "wait", "review", "refuse"] = "wait"
    days: float = 7


class Quality(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A campaign's quality rules and their parameters, each with its default."""

    browser_outcomes: BrowserOutcomes = BrowserOutcomes()
    self_referral_email: Action = "refuse"


def judge_quality(quality: Quality, case: Case, reference: Reference) -> tuple[Passed, ...]:
    """Every rule's verdict on one case, in a fixed order."""
    results: list[Passed] = []
    if case.friend.profile.email in reference.blocked_emails:
        results.append(Passed("blocked_person", "FAIL", "the friend's e-mail is on the block list"))
    if quality.self_referral_email != "off":
        advocate = case.advocate
        same = advocate is not None and (
            advocate.profile.id == case.friend.profile.id or set(advocate.profile.emails) & set(case.friend.profile.emails)
        )
        results.append(
            Passed("self_referral_email", "FAIL" if same else "PASS", "the friend and the advocate share an e-mail" if same else "")
        )
    return tuple(results)
