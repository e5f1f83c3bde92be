"""Rules about what happened before, who said it, and how much of it there is."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from goodword.core.money import exponent
from goodword.core.quality import Quality, Reference
from goodword.core.referral import Case
from goodword.core.reward import Passed
from goodword.core.rule.click import DAY_MS
from goodword.core.rule.result import objects, passes, unknown
from goodword.core.times import Millis

_SMALL = {
    **dict.fromkeys("CNY CZK DKK EGP HKD MXN MYR NOK PHP PLN RON SEK THB TRY TWD UAH ZAR BRL MAD".split(), 10),
    **dict.fromkeys("DZD HUF INR ISK JPY KES LKR NPR PKR RSD RUB XAF XOF XPF BDT KZT ARS CRC NGN".split(), 100),
    **dict.fromkeys("CLP COP KRW MNT TZS UGX RWF BIF MMK KHR IQD AMD".split(), 1_000),
    **dict.fromkeys("IDR LAK LBP PYG UZS VND GNF IRR SLL".split(), 10_000),
}
"""About how many of a currency make a dollar, to the power of ten: enough to tell what is past belief."""


def existing_customer(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The friend was no customer when the advocate first brought them, nor for long before."""
    terms = quality.existing_customer
    if terms.action == "off":
        return None
    since = _brought_at(case)
    for name in terms.audiences:
        member = case.friend.profile.audiences.get(name)
        if member is not None and member.is_member and member.since < since:
            return objects(terms.action, "existing_customer", "the friend was on the list of existing customers already")
    if any(since - terms.days * DAY_MS <= at < since for at in _purchases(case)):
        return objects(terms.action, "existing_customer", f"the friend had bought within the {terms.days:g} days before the referral")
    return passes("existing_customer")


def customers_only(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The friend is a customer already (a rule for campaigns that are for customers)."""
    terms = quality.customers_only
    if terms.action == "off":
        return None
    until = case.step.at
    if any(until - terms.days * DAY_MS <= at < until for at in _purchases(case)):
        return passes("customers_only")
    return objects(terms.action, "customers_only", f"the friend had not bought within the {terms.days:g} days before")


def _brought_at(case: Case) -> Millis:
    """When the credited advocate first brought the friend; of nobody's friend, the event itself."""
    touch = case.touch
    first = min((each.at for each in case.journey.touches if each.advocate_id == touch.advocate_id), default=touch.at)
    return min(first, touch.at) or case.step.at


def _purchases(case: Case) -> list[Millis]:
    """When the friend bought, but for what was taken back as a whole, or is somebody else's order."""
    undoing = [each for each in case.journey.cancellations if each.amount is None]
    own = case.step.arrival
    return [
        step.at
        for step in case.journey.steps
        if step.arrival != own
        and step.name.casefold() in case.outcomes
        and not (step.contested or any(each.is_about(step) for each in undoing))
    ]


def returned_after_deletion(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The friend is not somebody who was deleted shortly before, and now seems new."""
    terms = quality.returned_after_deletion
    if terms.action == "off":
        return None
    rule, since, friend = "returned_after_deletion", (case.touch.at or case.step.at) - terms.days * DAY_MS, case.friend
    if friend.barred_at and friend.barred_at >= since:
        return objects(terms.action, rule, f"the friend was deleted within the {terms.days:g} days before the referral")
    if friend.device_barred_at and friend.device_barred_at >= since:
        return objects(
            "review", rule, f"somebody who used the friend's device was deleted within the {terms.days:g} days before the referral"
        )
    return passes(rule)


def browser_outcomes(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """A server said it, or nobody took it back while it waited."""
    terms = quality.browser_outcomes
    if terms.action == "allow" or (case.kind == "sign_up" and not terms.sign_ups):
        return None
    if not case.step.from_browser:
        return passes("browser_outcomes", "a server said it")
    if terms.action != "wait":
        return objects(terms.action, "browser_outcomes", "only a browser said it, and anyone can say anything there")
    until = case.step.known_at + int(terms.days * DAY_MS)
    if case.now < until:
        return Passed("browser_outcomes", "WAIT", f"only a browser said it: a server may confirm it within {terms.days:g} days", until)
    if case.servers_since <= until:  # what had waited before any server said outcomes stays as it was
        return objects("review", "browser_outcomes", "only a browser said it, and no server confirmed it as others are")
    return passes("browser_outcomes", "only a browser said it, and it waited")


def event_value(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The value can be believed."""
    terms = quality.event_value
    if terms.action == "off":
        return None
    step = case.step
    amount, currency = step.amount, step.currency or "USD"
    if amount is None:
        return unknown("event_value", "it carries no value")
    if step.server_amount is not None and amount > terms.times * step.server_amount:
        return objects(terms.action, "event_value", "a browser said a higher value than the server did")
    if amount > _most(terms.browser_max if step.from_browser else terms.max, currency):
        return objects(terms.action, "event_value", "the value is past belief")
    return passes("event_value")


@lru_cache(maxsize=256)
def _most(dollars: str, currency: str) -> int:
    """About what an amount in dollars is in minor units of a currency."""
    return int(Decimal(dollars).scaleb(exponent(currency))) * _SMALL.get(currency, 1)


def advocate_outcomes(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The advocate does not have more good outcomes than people have friends who buy."""
    terms = quality.advocate_outcomes
    if terms.action == "off" or case.kind != "outcome":
        return None
    if case.counts.advocate_outcomes.get(terms.days, 0) < terms.count:
        return passes("advocate_outcomes")
    days = "day" if terms.days == 1 else f"{terms.days} days"
    return objects(terms.action, "advocate_outcomes", f"the advocate had {terms.count} good outcomes within a {days} already")


def mass_shares(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The advocate did not share with more people than people know."""
    terms = quality.mass_shares
    if terms.action == "off":
        return None
    if case.counts.shares <= terms.count:
        return passes("mass_shares")
    return objects(terms.action, "mass_shares", f"the advocate shared more than {terms.count} times within seven days")
