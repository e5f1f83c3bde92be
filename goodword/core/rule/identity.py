"""Rules about whether friend and advocate are two people, and who is who."""

from __future__ import annotations

from goodword.core.likeness import likeness, look_alike
from goodword.core.quality import Quality, Reference
from goodword.core.referral import Case, Evidence, Party
from goodword.core.reward import Passed
from goodword.core.rule.result import objects, passes, unknown
from goodword.core.times import Millis

OTHERS_MAX = 200
_GONE = "the advocate was deleted since"


def self_referral_email(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The two have no mailbox in common."""
    action = quality.self_referral_email
    if action == "off":
        return None
    if case.advocate is None:
        return unknown("self_referral_email", _GONE)
    if case.friend.profile.id == case.advocate.profile.id:
        return objects(action, "self_referral_email", "the friend and the advocate are the same person")
    mine, theirs = case.friend.mailboxes, case.advocate.mailboxes
    if not (mine and theirs):
        return unknown("self_referral_email", "an e-mail is not known on both sides")
    if mine.isdisjoint(theirs):
        return passes("self_referral_email")
    return objects(action, "self_referral_email", "the e-mails of the friend and the advocate reach the same mailbox")


def self_referral_similar_email(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The two have no addresses that look like one person's."""
    action = quality.self_referral_similar_email
    if action == "off":
        return None
    if case.advocate is None:
        return unknown("self_referral_similar_email", _GONE)
    mine, theirs = case.friend.emails, case.advocate.emails
    if not (mine and theirs):
        return unknown("self_referral_similar_email", "an e-mail is not known on both sides")
    if any(likeness(one, other) for one in mine for other in theirs):
        return objects(action, "self_referral_similar_email", "the e-mails of the friend and the advocate look like one person's")
    return passes("self_referral_similar_email")


def self_referral_device(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The two were never seen on one device."""
    action = quality.self_referral_device
    if action == "off":
        return None
    if case.advocate is None:
        return unknown("self_referral_device", _GONE)
    mine, theirs = case.friend.devices, case.advocate.devices
    seen = {evidence.device for _, evidence in case.friend.sightings if evidence.device}
    seen.update(device for device in (case.touch.evidence.device, case.step.evidence.device) if device)
    theirs_seen = {evidence.device for _, evidence in case.advocate.sightings if evidence.device}
    if not (mine.isdisjoint(theirs) and seen.isdisjoint(theirs_seen)):
        return objects(action, "self_referral_device", "the friend and the advocate used the same device")
    if (mine and theirs) or (seen and theirs_seen):
        return passes("self_referral_device")
    return unknown("self_referral_device", "a device is not known on both sides")


def self_referral_ip(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The two were not at one address, in one browser, within minutes. An address alone says little: offices, campuses and mobile
    carriers share one."""
    terms = quality.self_referral_ip
    if terms.action == "off":
        return None
    if case.advocate is None:
        return unknown("self_referral_ip", _GONE)
    theirs = _places(case.advocate.sightings)
    mine = _places((*case.friend.sightings, (case.touch.at, case.touch.evidence), (case.step.at, case.step.evidence))) if theirs else {}
    if not mine:
        return unknown("self_referral_ip", "an address and a browser are not known on both sides")
    within = int(terms.minutes * 60_000)
    met = any(abs(at - other) <= within for place in mine.keys() & theirs.keys() for at in mine[place] for other in theirs[place])
    if not met:
        return passes("self_referral_ip")
    if case.counts.browsers_by_ip >= terms.shared_by:
        return passes("self_referral_ip", "many browsers share the address")
    return objects(terms.action, "self_referral_ip", "the friend was at the advocate's address, in the same browser, within minutes")


def _places(sightings: tuple[tuple[Millis, Evidence], ...]) -> dict[tuple[str, str], list[Millis]]:
    places: dict[tuple[str, str], list[Millis]] = {}
    for at, evidence in sightings:
        if evidence.ip and evidence.agent:
            places.setdefault((evidence.ip, evidence.agent), []).append(at)
    return places


def similar_friends(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The friend is none of the advocate's earlier friends under another address. Numbers count as different here."""
    action = quality.similar_friends
    if action == "off":
        return None
    mine = case.friend.emails
    if not mine:
        return unknown("similar_friends", "the friend's e-mail is not known")
    found = {look_alike(one, other) for other in case.others[-OTHERS_MAX:] for one in mine}
    if "same" in found:
        return objects(action, "similar_friends", "the friend's e-mail reaches the mailbox of an earlier friend of the advocate")
    if "alike" in found:
        return objects("review", "similar_friends", "the friend's e-mail looks like that of an earlier friend of the advocate")
    return passes("similar_friends")


def mutual_referral(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """The friend did not bring the advocate, nor anyone who did."""
    action = quality.mutual_referral
    if action == "off":
        return None
    friend = case.friend.profile
    if not case.ancestors or (friend.id not in case.ancestors and not set(friend.sources).intersection(case.ancestors)):
        return passes("mutual_referral")
    return objects(action, "mutual_referral", "the friend had referred the advocate, or somebody in the chain that led to the advocate")


def disputed_identity(quality: Quality, case: Case, reference: Reference) -> Passed | None:  # noqa: ARG001
    """Neither side says to have an address or id that belongs to another known person."""
    action = quality.disputed_identity
    if action == "off":
        return None
    for side, party in (("friend", case.friend), ("advocate", case.advocate)):
        if party is not None and _is_disputed(party):
            return objects(action, "disputed_identity", f"the {side} says to have an e-mail or id that belongs to another known person")
    return passes("disputed_identity")


def _is_disputed(party: Party) -> bool:
    """Whether a conflict stands: one about an address that the person no longer says to have was a mistake, and is mended."""
    profile = party.profile
    said = profile.parameters.get("email")
    for change in profile.changes:
        if change.kind != "conflict":
            continue
        if change.key[:1] != "e":
            return True
        mended = any(later.kind == "email_added" and later.at >= change.at for later in profile.changes)
        if not mended and (said is None or said.value == change.key[1:]):
            return True
    return False
