"""Rules about who takes part: blocked people, addresses that are nobody's, countries."""

from __future__ import annotations

from goodword.core.block import marks_of
from goodword.core.mailbox import domain_of, domains_of, is_valid, normalize
from goodword.core.quality import Quality, Reference
from goodword.core.referral import Case, Party
from goodword.core.reward import Passed
from goodword.core.rule.result import objects, passes, unknown

_LISTS = {"CIDR": "the network it came from is on the block list", "USER_AGENT": "the browser it came from is on the block list"}


def blocked_person(quality: Quality, case: Case, reference: Reference) -> Passed | None:
    """Neither side is blocked: by a person, by an address on a list, by the network or the browser it came from."""
    action = quality.blocked_person
    if action == "off":
        return None
    for side, party in _sides(case):
        block = party.profile.block
        if block is not None and block.type == "EVENTS" and block.updated_at <= case.settled_at:
            return objects(action, "blocked_person", f"the {side} is blocked")
    if reference.listed_emails:
        for side, party in _sides(case):
            listed = {mailbox: said for mailbox in party.mailboxes if (said := reference.listed_emails.get(mailbox)) is not None}
            is_white = "WHITE" in listed.values()
            if is_white and side == "friend":
                return passes("blocked_person", "the friend's e-mail is on the list of those always let in")
            if not is_white and any(reference.reaches(mailbox, case) for mailbox in listed):
                return objects(action, "blocked_person", f"the {side}'s e-mail is on the block list")
    held = case.touch.evidence.blocked or case.step.evidence.blocked
    if held:
        return objects(action, "blocked_person", _LISTS.get(held, "where it came from is on the block list"))
    return passes("blocked_person")


def blocked_person_returns(quality: Quality, case: Case, reference: Reference) -> Passed | None:
    """The friend has no device and no mailbox that a blocked person had."""
    action = quality.blocked_person_returns
    if action == "off":
        return None
    if reference.marks and any(reference.reaches(mark, case) for mark in reference.marks.intersection(marks_of(case.friend.profile))):
        return objects(action, "blocked_person_returns", "the friend has a device or a mailbox that a blocked person had")
    return passes("blocked_person_returns")


def valid_email(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The friend's e-mail can be somebody's."""
    action = quality.valid_email
    if action == "off":
        return None
    email = case.friend.email
    if email is None:
        return unknown("valid_email", "the friend's e-mail is not known")
    return passes("valid_email") if is_valid(email) else objects(action, "valid_email", "the friend's e-mail cannot be anybody's")


def blocked_email_domains(quality: Quality, case: Case, reference: Reference) -> Passed | None:
    """Neither side's e-mail is of a disposable or a listed domain."""
    terms = quality.blocked_email_domains
    if terms.action == "off":
        return None
    found = False
    for side, party in _sides(case):
        email = party.email
        if email is None:
            continue
        found = found or side == "friend"
        if reference.listed_emails and reference.listed_emails.get(normalize(email)) == "WHITE":
            continue
        domains = domains_of(domain_of(email))
        if not reference.allowed_domains.isdisjoint(domains) or (terms.allowed and not set(terms.allowed).isdisjoint(domains)):
            continue
        is_listed = any(reference.reaches(each, case) for each in reference.blocked_domains.intersection(domains))
        if is_listed or (terms.domains and not set(terms.domains).isdisjoint(domains)):
            return objects(terms.action, "blocked_email_domains", f"the domain of the {side}'s e-mail is on the block list")
        if terms.disposable and not reference.disposable_domains.isdisjoint(domains):
            return objects(terms.action, "blocked_email_domains", f"the {side}'s e-mail is of a provider of throw-away addresses")
    return passes("blocked_email_domains") if found else unknown("blocked_email_domains", "the friend's e-mail is not known")


def blocked_countries(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """It came from no blocked country."""
    terms = quality.blocked_countries
    if terms.action == "off":
        return None
    country, clicked = case.step.evidence.country, case.touch.evidence.country
    if (country and country in terms.countries) or (clicked and clicked in terms.countries):
        return objects(terms.action, "blocked_countries", "it came from a country that the campaign does not run in")
    return passes("blocked_countries") if country or clicked else unknown("blocked_countries", "the country is not known")


def permitted_countries(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """It came from one of the campaign's countries."""
    terms = quality.permitted_countries
    if terms.action == "off":
        return None
    known = [country for country in (case.step.evidence.country, case.touch.evidence.country) if country]
    if not known:
        return unknown("permitted_countries", "the country is not known")
    if all(country in terms.countries for country in known):
        return passes("permitted_countries")
    return objects(terms.action, "permitted_countries", "it came from a country that the campaign does not run in")


def specified_participant(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The friend, or the advocate, is one of those the campaign is for."""
    terms = quality.specified_participant
    if terms.action == "off":
        return None
    party = case.friend if terms.who == "friend" else case.advocate
    said = party.profile.parameters.get(terms.name) if party is not None else None
    if said is None or said.value is None:
        return unknown("specified_participant", f"the {terms.who}'s {terms.name} is not known")
    value = str(said.value).lower() if isinstance(said.value, bool) else str(said.value)
    if value.casefold() == terms.value.casefold():
        return passes("specified_participant")
    return objects(terms.action, "specified_participant", f"the {terms.who}'s {terms.name} is another than the campaign asks for")


def _sides(case: Case) -> tuple[tuple[str, Party], ...]:
    if case.advocate is None:
        return (("friend", case.friend),)
    return (("friend", case.friend), ("advocate", case.advocate))
