"""decide(command, facts, now, fresh) -> Decision: the one match statement. Pure; `fresh` holds the ids it may use."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core import event as events
from goodword.core.account import EVENTS_KEPT_DAYS_MIN, REGISTRATION, Account, Settings
from goodword.core.audience import set_member
from goodword.core.calendar import Calendar
from goodword.core.deciding import campaign, console, delivery, quality, review, reward, share
from goodword.core.decision import Claim, Decision, Identity, KeysUsed, Membership, Merged, Outcome, Receipt, Record, Repeats
from goodword.core.delivery import merged_announced
from goodword.core.event import Event, EventRef
from goodword.core.facts import Facts, brings_email, needs_profile
from goodword.core.fresh import Fresh
from goodword.core.hearing import announced, hear, is_anothers, rejudged
from goodword.core.privacy import erase, unsuppress
from goodword.core.profile import (
    KEYS_MAX,
    Block,
    Identified,
    IdentityKey,
    Profile,
    ProfileId,
    absorb,
    identify,
    is_barred,
    tie_of,
    with_key,
    with_parameters,
)
from goodword.core.times import Millis

OWN = "sent by Goodword itself, back from the CDP"
READ_ONLY_PARAMETERS = frozenset(("partner_user_id", "email", "person_id", "id"))


def decide(command: c.Command, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    """What a command comes to, given the facts."""
    if type(command) is c.Receive:
        return _receive(command, facts, now, fresh)
    match command:
        case c.Refuse():
            receipt = Receipt(
                fresh.arrival, now, "rejected", command.type, command.reason, command.door, command.message_id, shape=command.shape
            )
            return Decision(Outcome("rejected", fresh.arrival, code=command.code, reason=command.reason), (receipt,))
        case c.Erase():
            named = facts.profile(command.profile_id) if command.profile_id is not None else None
            return erase(facts, command.keys, named, command.erasure_id, command.suppress, now, fresh)
        case c.Unsuppress():
            return unsuppress(command.keys, facts, now)
        case c.CreateProfile():
            return _create_profile(command, facts, now, fresh)
        case c.SetEmail() | c.SetParameter() | c.SetBlock() | c.SetMembership() | c.Forward():
            return _change_profile(command, facts, now, fresh)
        case c.SaveCampaign() | c.SetCampaignState():
            return campaign.decide(command, facts, now, fresh)
        case c.PutShareable() | c.RecordClick() | c.RecordShare():
            return share.decide(command, facts, now, fresh)
        case c.PutSupplier() | c.AddCoupons() | c.RemoveCoupons() | c.MoveReward() | c.GrantReward() | c.TendReward() | c.SetRewardExpiry():
            return reward.decide(command, facts, now, fresh)
        case c.Review() | c.Rejudge():
            return review.decide(command, facts, now, fresh)
        case c.PutBlock():
            return quality.decide(command, facts, now, fresh)
        case c.PutEndpoint() | c.TestEndpoint() | c.RecordAttempts() | c.Redeliver():
            return delivery.decide(command, facts, now, fresh)
        case c.PutUser() | c.PutSignInLink() | c.SignIn() | c.SeeSession() | c.EndSessions():
            return console.decide(command, facts, now)
        case _:
            return _administer(command, facts, now, fresh)


def _receive(command: c.Receive, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    understood = command.understood
    message = understood.message
    message_id = message.message_id
    known = facts.seen.get(message_id)
    if known is not None:
        receipt = Receipt(fresh.arrival, now, "duplicate", message.type, "", command.door, message_id, known.arrival)
        return Decision(_answered_again(understood, known, facts), (receipt,))
    keys = understood.keys
    owners = facts.owners
    barred = OWN if message.is_own else is_barred(keys, owners, message.at)
    if barred is not None:
        receipt = Receipt(fresh.arrival, now, "dropped", message.type, barred, command.door, message_id)
        return Decision(Outcome("dropped", message_id=message_id, reason=barred), (receipt,))
    records: list[Record] = []
    notes = message.notes + understood.notes if message.notes or understood.notes else ()
    duplicate_of: EventRef | None = None
    if needs_profile(understood, owners):
        found = identify(keys, owners, facts.profiles, fresh.profile_id, now)
        profile_id = found.profile.id
        duplicate_of, more = _update(understood, found, facts, records, now, fresh.arrival)
        notes += tuple(more)
    else:
        owner = owners[keys[0]]
        assert owner is not None
        assert owner.profile_id is not None
        profile_id = owner.profile_id
    claim = understood.claim
    claimed: EventRef | None = None
    if claim is not None:
        duplicate_of = facts.claims.get(claim)
        if duplicate_of is None:
            records.append(Claim(claim, fresh.arrival, profile_id, message_id))
        elif is_anothers(understood, duplicate_of, _as_left(records, profile_id, facts), facts):
            claimed, duplicate_of = duplicate_of, None
            records.append(Claim(claim, fresh.arrival, profile_id, message_id, moves=True))
            records.append(Repeats(claimed.arrival, fresh.arrival))
    kind = events.TYPE_CODES[message.type]
    body = b"" if kind in (3, 4) and not understood.flags & events.IS_EVENT else message.raw
    if notes and body:
        body = msgspec.json.encode(notes) + b"\n" + body
    records.append(
        Event(
            fresh.arrival,
            message_id,
            profile_id,
            kind,
            understood.name,
            message.at,
            now,
            understood.flags,
            None if duplicate_of is None else duplicate_of.arrival,
            understood.amount,
            understood.currency,
            body,
        )
    )
    referrals = facts.referrals
    if understood.signals is not None or referrals.endpoints or (referrals.programs.listened and len(records) > 1):
        records.extend(_hear(understood, profile_id, records, duplicate_of, claimed, facts, now, fresh))
    if duplicate_of is not None:
        return Decision(
            Outcome("duplicate", duplicate_of.arrival, duplicate_of.message_id, duplicate_of.profile_id, value=duplicate_of.event_id),
            records,
        )
    return Decision(Outcome("stored", fresh.arrival, message_id, profile_id), records)


def _answered_again(understood: events.Understood, known: Event | EventRef, facts: Facts) -> Outcome:
    """The answer to a message that came before: the same as then (law 2). Of one that repeated another event, that one's ids."""
    if known.duplicate_of is None:
        return Outcome("duplicate", known.arrival, understood.message.message_id, known.profile_id)
    original = facts.claims.get(understood.claim) if understood.claim is not None else None
    if original is not None and original.arrival == known.duplicate_of:
        return Outcome("duplicate", original.arrival, original.message_id, original.profile_id, value=original.event_id)
    return Outcome("duplicate", known.duplicate_of, profile_id=known.profile_id)


def _hear(
    understood: events.Understood,
    profile_id: ProfileId,
    records: list[Record],
    duplicate_of: EventRef | None,
    claimed: EventRef | None,
    facts: Facts,
    now: Millis,
    fresh: Fresh,
) -> list[Record]:
    """What a message comes to beyond itself: referrals judged, endpoints told."""
    merged = {record.source: record.target for record in records if type(record) is Merged}
    if merged:
        facts.merged = {**facts.merged, **merged}
    profile = _as_left(records, profile_id, facts)
    if profile is None:
        return []
    more: list[Record] = []
    left = next((record for record in records if type(record) is Profile and _lost_device_to(record, profile_id)), None)
    listens = facts.referrals.programs.listened and (left is not None or brings_email(understood, facts))
    if understood.signals is not None or merged or listens:
        more = hear(understood, profile, duplicate_of, facts, now, fresh, left, claimed)
    if facts.referrals.endpoints and duplicate_of is None and (told := announced(understood, profile, fresh.arrival, now)) is not None:
        more.append(told)
    return more


def _as_left(records: list[Record], profile_id: ProfileId, facts: Facts) -> Profile | None:
    """A message's person as its rows leave them; None where deciding did not need to know them."""
    changed = (record for record in reversed(records) if type(record) is Profile and record.id == profile_id)
    return next(changed, None) or facts.profiles.get(profile_id)


def _lost_device_to(profile: Profile, profile_id: ProfileId) -> bool:
    """Whether what was just learned of a profile is that a device of theirs is somebody else's."""
    latest = profile.changes[-1] if profile.changes else None
    return latest is not None and latest.kind == "device_moved" and latest.other == profile_id


def _update(
    understood: events.Understood, found: Identified, facts: Facts, records: list[Record], now: Millis, arrival: int
) -> tuple[EventRef | None, list[str]]:
    """The rows of a message that changes its profile; the event it repeats, if it is a second registration; notes."""
    message = understood.message
    before = facts.profiles.get(found.profile.id)
    profile, notes = found.profile, found.notes
    duplicate_of = None
    if found.absorbed:
        records.extend(_absorbed(found.absorbed, profile, before, facts, now))
    records.extend(found.changed)
    if understood.parameters:
        tie = tie_of(message.message_id)
        profile, more = with_parameters(profile, understood.parameters, message.at, tie, understood.scope)
        notes = [*notes, *more]
    if understood.audience is not None:
        profile, more_records = set_member(
            profile, understood.audience.key, understood.is_member, message.at, tie_of(message.message_id), now
        )
        records.extend(more_records)
    if understood.name == REGISTRATION and message.type == "track":
        if profile.registration is None:
            profile = replace(profile, registration=arrival)
        else:
            duplicate_of = EventRef(profile.registration, profile.id)
    if profile is not before:
        records.append(profile)
    records.extend(_bound(found, profile, facts))
    return duplicate_of, notes


def _bound(found: Identified, profile: Profile, facts: Facts) -> list[Record]:
    """The rows of the keys that the profile has from now on, each with its barrier as it was."""
    records: list[Record] = []
    for key, profile_id in found.binds:
        owner = facts.owners.get(key)
        records.append(Identity(key, profile_id, owner.barrier_at if owner is not None else profile.barriers.get(key, 0)))
    return records


def _absorbed(sources: list[Profile], target: Profile, before: Profile | None, facts: Facts, now: Millis) -> list[Record]:
    """The rows of profiles that became part of another. Of their registrations and its own the first one stands."""
    records: list[Record] = []
    for gone in sources:
        records.extend(Merged(number, target.id, now) for number in (gone.id, *gone.sources))
        for name in gone.audiences:
            standing = target.audiences[name]
            records.append(Membership(name, gone.id, None))
            records.append(Membership(name, target.id, standing.since if standing.is_member else None))
        if facts.referrals.endpoints:
            records.append(merged_announced(gone, target, now))
    profiles = sources if before is None else [before, *sources]
    registrations = sorted(p.registration for p in profiles if p.registration is not None)
    records.extend(Repeats(arrival, registrations[0]) for arrival in registrations[1:])
    return records


def _create_profile(command: c.CreateProfile, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    key = IdentityKey("e" + command.email)
    owner = facts.owners.get(key)
    if owner is not None and owner.profile_id is not None:
        return _refused("identity_key_value_already_taken", "This email belongs to another person.")
    if owner is not None and owner.barrier_at >= now:
        return Decision(Outcome("refused", code="person_suppressed", reason="This person is suppressed."))
    found = identify((key,), facts.owners, facts.profiles, fresh.profile_id, now)
    identity = Identity(key, found.profile.id, owner.barrier_at if owner is not None else 0)
    return Decision(Outcome("done", profile_id=found.profile.id), (found.profile, identity))


def _change_profile(
    command: c.SetEmail | c.SetParameter | c.SetBlock | c.SetMembership | c.Forward, facts: Facts, now: Millis, fresh: Fresh
) -> Decision:
    number = command.source if isinstance(command, c.Forward) else command.profile_id
    profile = facts.profile(number)
    if profile is None:
        return _refused("person_not_found", "No person has this id.")
    match command:
        case c.SetEmail():
            return _set_email(command, profile, facts, now)
        case c.SetParameter():
            return _set_parameter(command, profile, now)
        case c.SetBlock():
            changed = replace(profile, block=Block(command.type, command.reason, now), version=profile.version + 1)
            was_blocked = profile.block is not None and profile.block.type != "NONE"
            is_blocked = command.type != "NONE"
            marks = quality.person_blocked(profile, is_blocked, now) if is_blocked or was_blocked else []
            return Decision(Outcome("done", profile_id=profile.id), (changed, *marks))
        case c.SetMembership():
            if not profile.is_known:
                return _refused("person_not_identified", "Only an identified person can be in an audience.")
            if command.audience not in facts.audiences:
                return _refused("audience_not_found", "There is no such audience.")
            member = profile.audiences.get(command.audience)
            if not command.is_member and (member is None or not member.is_member):
                return _refused("membership_not_found", "The person is not in this audience.")
            changed, records = set_member(profile, command.audience, command.is_member, now, tie_of(command.message_id), now)
            if command.audience not in changed.audiences:
                return _refused("too_much_data", "The person is in as many audiences as can be.")
            return Decision(Outcome("done", profile_id=profile.id), [*records, changed])
        case _:
            return _forward(command, profile, facts, now, fresh)


def _refused(code: str, reason: str) -> Decision:
    return Decision(Outcome("refused", code=code, reason=reason))


def _set_email(command: c.SetEmail, profile: Profile, facts: Facts, now: Millis) -> Decision:
    key = IdentityKey("e" + command.email)
    owner = facts.owners.get(key)
    if owner is not None and owner.profile_id not in (None, profile.id):
        return _refused("identity_key_value_already_taken", "This email belongs to another person.")
    if owner is not None and owner.barrier_at >= now:
        return _refused("person_suppressed", "This person is suppressed.")
    records: list[Record] = []
    if key not in profile.keys:
        if len(profile.keys) >= KEYS_MAX:
            return _refused("too_much_data", f"The person has {KEYS_MAX} ids already.")
        barrier_at = owner.barrier_at if owner is not None else 0
        profile = with_key(profile, key, now, barrier_at)
        records.append(Identity(key, profile.id, barrier_at))
    said = profile.parameters.get("email")
    at = max(now, said.at + 1) if said is not None else now
    profile, _ = with_parameters(profile, {"email": command.email}, at, tie_of(command.message_id), "PRIVATE")
    return Decision(Outcome("done", profile_id=profile.id), [*records, profile])


def _set_parameter(command: c.SetParameter, profile: Profile, now: Millis) -> Decision:
    name = command.name
    if name in READ_ONLY_PARAMETERS:
        return _refused("read_only_name", "This name is read-only here; change it on the person.")
    mine = profile.parameters.get(name)
    exists = mine is not None and mine.value is not None
    if command.mode == "create" and exists:
        return _refused("data_already_exists", "The person already has data of this name.")
    if command.mode != "create" and not exists:
        return _refused("data_not_found", "The person has no data of this name.")
    if command.mode == "create" and command.value is None:
        return _refused("invalid_value", "A value is required.")
    scope = command.scope or (mine.scope if mine is not None and exists else "PRIVATE")
    kept = mine.value if mine is not None else None
    value = None if command.mode == "delete" else kept if command.value is None else command.value
    at = max(now, mine.at + 1) if mine is not None else now
    changed, notes = with_parameters(profile, {name: value}, at, tie_of(command.message_id), scope)
    if notes:
        return _refused("too_much_data", notes[0])
    return Decision(Outcome("done", profile_id=profile.id), (changed,))


def _forward(command: c.Forward, source: Profile, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    target = facts.profile(command.target)
    if target is None:
        return _refused("person_not_found", "No person has the id to forward to.")
    if source.id == target.id:
        return _refused("forward_to_self", "The two are the same person already.")
    if not source.is_known:
        return _refused("forwarding_profile_is_device", "Only an identified person can be forwarded.")
    if not target.is_known:
        return _refused("forward_to_profile_is_device", "A person can only be forwarded to an identified one.")
    found = Identified(target, [], [], [], [])
    absorb(found, source, now, "forwarded")
    records = [*_absorbed([source], found.profile, target, facts, now), found.profile, *_bound(found, found.profile, facts)]
    if facts.referrals.programs.listened:
        facts.merged = {**facts.merged, **dict.fromkeys((source.id, *source.sources), target.id)}
        records += rejudged(found.profile, facts, now, fresh)
    return Decision(Outcome("done", profile_id=target.id), records)


def _administer(command: c.Command, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    match command:
        case c.CreateAccount(id=id):
            known = facts.accounts.get(id)
            number = max([fresh.account, *(account.number + 1 for account in facts.accounts.values())])
            account = known or Account(number, id, now, Settings())
            return Decision(Outcome("done", value=account.number), () if known else (account,))
        case c.CreateKey(key=key):
            return Decision(Outcome("done"), (key,))
        case c.RevokeKey(id=id):
            own = (key for key in facts.keys.values() if key.account == command.account and key.revoked_at is None)
            revoked = [key for key in own if id in (key.id, key.name)]
            if not revoked:
                return _refused("key_not_found", "No live key has this id or name.")
            return Decision(Outcome("done", value=len(revoked)), tuple(replace(key, revoked_at=now) for key in revoked))
        case c.TouchKeys(used=used):
            return Decision(Outcome("done"), (KeysUsed(used),))
        case c.Configure(account=number, settings=settings):
            named = next((a for a in facts.accounts.values() if a.number == number), None)
            if named is None:
                return _refused("account_not_found", "There is no such account.")
            if settings.events_kept_days and settings.events_kept_days < EVENTS_KEPT_DAYS_MIN:
                return _refused("events_kept_too_short", f"Events are kept for {EVENTS_KEPT_DAYS_MIN} days at least, or for ever (0).")
            return Decision(Outcome("done"), (replace(named, settings=settings),))
        case c.SetCalendar():
            return _set_calendar(command, facts, now)
        case c.Note():
            return Decision(Outcome("done"), ())
        case c.RecordArchive(archived=archived):
            return Decision(Outcome("done"), (archived,))
        case _:
            raise TypeError(type(command).__name__)


def _set_calendar(command: c.SetCalendar, facts: Facts, now: Millis) -> Decision:
    """What was counted stays under the day it was counted: so the turns hold from then on, or for ever where nothing was."""
    account = facts.account
    if account is None:
        return _refused("account_not_found", "There is no such account.")
    if facts.is_uncounted:
        return Decision(Outcome("done"), (replace(account, calendar=Calendar(command.turns)),))
    if command.since <= now:
        return _refused("day_has_begun", "Days can be counted otherwise from a time to come only.")
    return Decision(Outcome("done"), (replace(account, calendar=account.calendar.then(command.since, command.turns)),))
