"""What a command needs to know (Lookup) and what was found (Facts)."""

from __future__ import annotations

from msgspec import Struct, field

from goodword.core import command as c
from goodword.core.account import REGISTRATION, Account, Key
from goodword.core.console import SignInLink, User
from goodword.core.decision import REFERRAL_RECORDS, Audience, Claim, Erased, Identity, Merged, Record
from goodword.core.event import Event, EventRef, Understood, cancel_claim, conversion_claim
from goodword.core.fresh import Place
from goodword.core.profile import IdentityKey, Owner, Profile, ProfileId
from goodword.core.referral import Signals
from goodword.core.referral_facts import ReferralFacts, ReferralLookup
from goodword.core.reward import COUPONS_PER_COMMAND


class Lookup(Struct):
    """What a group's commands of one account ask to be loaded. `counts`: whether anything was counted."""

    message_ids: list[str] = field(default_factory=list)
    keys: set[IdentityKey] = field(default_factory=set)
    claims: set[str] = field(default_factory=set)
    profile_ids: set[ProfileId] = field(default_factory=set)
    audiences: set[str] = field(default_factory=set)
    counts: bool = False
    users: bool = False
    links: set[bytes] = field(default_factory=set)
    referrals: ReferralLookup = field(default_factory=ReferralLookup)


class Facts(Struct):
    """What is known while a group is decided: as loaded, with the rows of the group's earlier decisions laid over it.

    `users` are those of all accounts, by id. `is_uncounted`: no tally has a row, and nothing else is decided in the group."""

    account: Account | None = None
    is_uncounted: bool = False
    seen: dict[str, EventRef | Event] = field(default_factory=dict)
    owners: dict[IdentityKey, Owner | None] = field(default_factory=dict)
    profiles: dict[ProfileId, Profile] = field(default_factory=dict)
    claims: dict[str, EventRef] = field(default_factory=dict)
    merged: dict[ProfileId, ProfileId] = field(default_factory=dict)
    audiences: set[str] = field(default_factory=set)
    accounts: dict[str, Account] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    links: dict[bytes, SignInLink] = field(default_factory=dict)
    referrals: ReferralFacts = field(default_factory=ReferralFacts)
    place: Place = field(default_factory=Place)

    def profile(self, profile_id: ProfileId) -> Profile | None:
        """A profile by its id or by the id of one merged into it."""
        return self.profiles.get(self.merged.get(profile_id, profile_id))

    def lay(self, records: tuple[Record, ...] | list[Record]) -> None:
        """Lay a decision's rows over what was loaded, for the commands that follow in the group."""
        for record in records:
            if type(record) is Event:
                self.seen[record.message_id] = record
            elif type(record) is Profile:
                self.profiles[record.id] = record
            elif type(record) is Identity:
                self.owners[record.key] = Owner(record.profile_id, record.barrier_at)
            elif type(record) in REFERRAL_RECORDS:
                self.referrals.lay(record)
            else:
                self._lay_other(record)

    def _lay_other(self, record: Record) -> None:
        match record:
            case Claim():
                self.claims[record.key] = EventRef(
                    record.arrival, record.profile_id, message_id=record.message_id, at=record.at, amount=record.amount
                )
            case Merged():
                self.merged[record.source] = record.target
                self.profiles.pop(record.source, None)
            case Audience():
                self.audiences.add(record.name)
            case Account():
                self.accounts = {**self.accounts, record.id: record}
            case User():
                self.users[record.id] = record
            case SignInLink():
                self.links[record.hash] = record
            case Erased():
                for number in record.profile_ids:
                    self.profiles.pop(number, None)
            case _:
                self.referrals.lay(record)


def ask(command: c.Command, lookup: Lookup) -> None:
    """Add what one command needs to know to its account's lookup."""
    if type(command) is c.Receive:
        understood = command.understood
        lookup.message_ids.append(understood.message.message_id)
        lookup.keys.update(understood.keys)
        if understood.claim is not None:
            lookup.claims.add(understood.claim)
        if understood.signals is not None:
            _ask_signals(understood.signals, lookup)
            lookup.claims.update(claims_of(understood))
        return
    match command:
        case c.Erase(keys=keys, profile_id=profile_id):
            lookup.keys.update(keys)
            if profile_id is not None:
                lookup.profile_ids.add(profile_id)
        case c.Unsuppress(keys=keys):
            lookup.keys.update(keys)
        case c.CreateProfile(email=email):
            lookup.keys.add(IdentityKey("e" + email))
        case c.SetEmail(profile_id=profile_id, email=email):
            lookup.keys.add(IdentityKey("e" + email))
            lookup.profile_ids.add(profile_id)
        case c.SetParameter(profile_id=profile_id) | c.SetBlock(profile_id=profile_id):
            lookup.profile_ids.add(profile_id)
        case c.SetMembership(profile_id=profile_id, audience=audience):
            lookup.profile_ids.add(profile_id)
            lookup.audiences.add(audience)
        case c.Forward(source=source, target=target):
            lookup.profile_ids.update((source, target))
        case c.PutShareable(profile_id=profile_id, code=code, program=program, key=key):
            lookup.profile_ids.add(profile_id)
            lookup.referrals.codes.add(code.casefold())
            lookup.referrals.slots.add((profile_id, program, key))
        case c.RecordClick(click=click):
            lookup.referrals.clicked.add(click.code.casefold())
            if click.evidence.ip:
                lookup.referrals.click_ips[click.evidence.ip] = click.at
        case c.RecordShare(share=share):
            lookup.profile_ids.add(share.profile_id)
            lookup.referrals.codes.add(share.code.casefold())
            lookup.referrals.shares_since[share.profile_id] = share.at
            lookup.keys.update(IdentityKey("e" + email) for email in share.recipients)
        case c.RemoveCoupons(supplier=supplier, codes=()):
            lookup.referrals.pools[supplier] = COUPONS_PER_COMMAND
        case c.AddCoupons(supplier=supplier, codes=codes) | c.RemoveCoupons(supplier=supplier, codes=codes):
            lookup.referrals.pool_codes.setdefault(supplier, set()).update(codes)
        case c.MoveReward(reward_id=reward_id) | c.TendReward(reward_id=reward_id) | c.SetRewardExpiry(reward_id=reward_id):
            lookup.referrals.rewards.add(reward_id)
        case c.GrantReward(profile_id=profile_id, other_id=other_id, supplier=supplier):
            lookup.profile_ids.update(number for number in (profile_id, other_id) if number is not None)
            if supplier:
                lookup.referrals.pools.setdefault(supplier, 0)
        case c.Review(profile_id=profile_id) | c.Rejudge(profile_id=profile_id):
            lookup.profile_ids.add(profile_id)
            lookup.referrals.journeys.add(profile_id)
        case c.SetCalendar():
            lookup.counts = True
        case c.PutUser() | c.PutSignInLink():
            lookup.users = True
        case c.SignIn(link=link):
            lookup.users = True
            lookup.links.add(link)
        case _:
            pass


def _ask_signals(signals: Signals, lookup: Lookup) -> None:
    """Whatever may tell which advocate a message means, and which order it is about."""
    asked = lookup.referrals
    asked.clicks.update(signals.clicks)
    for reason, value in ((hint.reason, hint.value) for hint in signals.hints):
        match reason:
            case "ADVOCATE_PARTNER_USER_ID":
                lookup.keys.add(IdentityKey("u" + value))
            case "ADVOCATE_EMAIL":
                lookup.keys.add(IdentityKey("e" + value))
            case "ADVOCATE_ORDER_ID":
                lookup.claims.add(conversion_claim(value) or "")
            case "COUPON_CODE":
                asked.coupons.add(value.casefold())
                asked.codes.add(value.casefold())
            case _:
                asked.clicks.add(value)
                asked.codes.add(value.casefold())


def needs_profile(understood: Understood, owners: dict[IdentityKey, Owner | None]) -> bool:
    """Whether deciding a message takes its profile's document, or just its number: most tracks of known people need no more."""
    if understood.parameters is not None or understood.audience is not None or understood.name == REGISTRATION:
        return True
    if understood.signals is not None:
        return True
    first = None
    for key in understood.keys:
        owner = owners.get(key)
        if owner is None or owner.profile_id is None or (first is not None and owner.profile_id != first):
            return True
        first = owner.profile_id
    return first is None


def wanted_profiles(command: c.Command, owners: dict[IdentityKey, Owner | None]) -> frozenset[ProfileId]:
    """The profiles to load for a command, once the owners of its keys are known."""
    if type(command) is c.Receive:
        if not needs_profile(command.understood, owners):
            return _NOBODY
        return _owning(command.understood.keys, owners)
    match command:
        case c.Erase(keys=keys) | c.Unsuppress(keys=keys):
            return _owning(keys, owners)
        case c.CreateProfile(email=email) | c.SetEmail(email=email):
            return _owning((IdentityKey("e" + email),), owners)
        case _:
            return _NOBODY


def claims_of(understood: Understood) -> tuple[str, ...]:
    """The claims that tie a step or a cancellation to what was said of the same order before."""
    signals = understood.signals
    if signals is None or not signals.kind or not signals.order:
        return ()
    order = conversion_claim(signals.order)
    return tuple(claim for claim in (understood.claim, order, cancel_claim(signals.order)) if claim is not None)


def hinted_advocates(command: c.Command, facts: Facts) -> frozenset[ProfileId]:
    """The advocates a message names by an id or an order of theirs."""
    if not isinstance(command, c.Receive) or command.understood.signals is None:
        return _NOBODY
    found: set[ProfileId] = set()
    for hint in command.understood.signals.hints:
        owner = facts.owners.get(IdentityKey(("e" if hint.reason == "ADVOCATE_EMAIL" else "u") + hint.value))
        ref = facts.claims.get(conversion_claim(hint.value) or "")
        found.update(number for number in (owner and owner.profile_id, ref and ref.profile_id) if number)
    return frozenset(found)


def brings_email(understood: Understood, facts: Facts) -> bool:
    """Whether a message names an address that nobody had: a reward may have waited for it, or a share been sent to it."""
    return any(key[0] == "e" and ((owner := facts.owners.get(key)) is None or owner.profile_id is None) for key in understood.keys)


def _names_new(understood: Understood, facts: Facts) -> bool:
    """Whether a message names a key that nobody had: its device may pass from one person to another, and what comes later in the same
    group may find its person by that key alone."""
    return any((owner := facts.owners.get(key)) is None or owner.profile_id is None for key in understood.keys)


def wanted_friends(command: c.Command, facts: Facts) -> frozenset[ProfileId]:
    """Whose journeys deciding a command may change, once the owners of keys and what was claimed are known."""
    match command:
        case c.Receive(understood=understood):
            signals = understood.signals
            if signals is None:
                owning = _owning(understood.keys, facts.owners) if facts.referrals.programs.listened else _NOBODY
                return owning if len(owning) > 1 or _names_new(understood, facts) else _NOBODY
            about = (facts.claims.get(claim) for claim in claims_of(understood))
            return _owning(understood.keys, facts.owners) | {ref.profile_id for ref in about if ref is not None}
        case c.RecordShare(share=share):
            return _owning(tuple(IdentityKey("e" + email) for email in share.recipients), facts.owners)
        case c.Forward(source=source, target=target):
            return frozenset((source, target))
        case c.SetEmail(profile_id=profile_id):
            return frozenset((profile_id,))
        case _:
            return _NOBODY


def wanted_recipients(command: c.Command, facts: Facts) -> frozenset[ProfileId]:
    """Whose rewards a command takes back: those of people it deletes."""
    match command:
        case c.Erase(keys=keys, profile_id=profile_id):
            named = facts.profile(profile_id) if profile_id is not None else None
            return _owning(keys, facts.owners) | ({named.id} if named is not None else _NOBODY)
        case _:
            return _NOBODY


_NOBODY: frozenset[ProfileId] = frozenset()


def _owning(keys: tuple[IdentityKey, ...], owners: dict[IdentityKey, Owner | None]) -> frozenset[ProfileId]:
    found = set()
    for key in keys:
        owner = owners.get(key)
        if owner is not None and owner.profile_id is not None:
            found.add(owner.profile_id)
    return frozenset(found)
