"""Quality: the rules that tell a referral from a cheat, in their order. Each says PASS, FAIL, WAIT, REVIEW or UNKNOWN, and why (law 9).

A rule passes where nothing speaks against it, and says UNKNOWN where the data to tell is missing: events from a server carry no
address and no device. The rules are in `core/rule/`, a module a kind, their parameters in `core/quality.py`.
"""

from __future__ import annotations

from goodword.core.quality import Quality, Reference
from goodword.core.referral import Case
from goodword.core.reward import Passed
from goodword.core.rule import click, history, identity, person

RULES = (
    person.blocked_person,
    person.blocked_person_returns,
    person.valid_email,
    person.blocked_email_domains,
    person.blocked_countries,
    person.permitted_countries,
    person.specified_participant,
    identity.self_referral_email,
    identity.self_referral_similar_email,
    identity.self_referral_device,
    identity.self_referral_ip,
    identity.similar_friends,
    identity.mutual_referral,
    identity.disputed_identity,
    history.existing_customer,
    history.customers_only,
    history.returned_after_deletion,
    click.referring_sites,
    click.ad_clicks,
    click.bot_clicks,
    click.cookie_stuffing,
    click.too_quick,
    click.hijack,
    click.lookback,
    click.late_event,
    history.browser_outcomes,
    history.event_value,
    history.advocate_outcomes,
    history.mass_shares,
)
"""The rules of an event, in the order they are told. A rule's name is its function's, and its docstring what PASS means."""
STICKY = frozenset("advocate_outcomes mass_shares referring_sites self_referral_device self_referral_ip similar_friends".split())
"""Rules that count what others did: the first verdict on an event stands, whatever others do later."""
PERSONAL = frozenset(
    "blocked_person blocked_person_returns valid_email blocked_email_domains blocked_countries permitted_countries specified_participant"
    " disputed_identity customers_only returned_after_deletion late_event browser_outcomes event_value".split()
)
"""Rules that make sense without a referral: welcome offers, rewards for an action."""


def judge_quality(quality: Quality, case: Case, reference: Reference) -> tuple[Passed, ...]:
    """Every rule's verdict on one case, in a fixed order."""
    return tuple([said for rule in RULES if (said := rule(quality, case, reference)) is not None])
