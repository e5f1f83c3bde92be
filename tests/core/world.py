"""An installation in dicts: the core alone, driven as the engine drives it, with only what a group asks for loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from goodword.core import command as c
from goodword.core.account import Account, Key, Settings
from goodword.core.decide import decide
from goodword.core.decision import Audience, Claim, Erased, Identity, Membership, Merged, Outcome, Receipt, Record, Repeats
from goodword.core.event import Event, EventRef, Understood, understand
from goodword.core.facts import Facts, Lookup, ask, wanted_profiles
from goodword.core.fresh import Fresh
from goodword.core.message import Message, Rejection, parse
from goodword.core.profile import IdentityKey, Owner, Profile, ProfileId, keys_of

NOW = 1_800_000_000_000


def read(said: dict[str, Any] | bytes, now: int = NOW, **how: Any) -> Message | Rejection:
    """A message parsed, from a dict or from bytes."""
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    return parse(raw, received_at=now, fallback_id="fallback", **how)


def message(said: dict[str, Any] | bytes, now: int = NOW, **how: Any) -> Message:
    found = read(said, now, **how)
    assert isinstance(found, Message), found
    return found


def grasp(said: dict[str, Any] | bytes, settings: Settings | None = None, now: int = NOW) -> Understood:
    """A message parsed and understood."""
    found = understand(message(said, now), settings or Settings())
    assert isinstance(found, Understood), found
    return found


def key(text: str) -> IdentityKey:
    return IdentityKey(text)


class World:
    """Accounts with their rows. Loading mirrors storage.load: a group sees only what its commands ask for."""

    def __init__(self) -> None:
        self.now = NOW
        self.arrival = 0
        self.last_profile_id = 0
        self.facts: dict[int, Facts] = {}
        self.events: dict[int, dict[int, Event]] = {}
        self.receipts: list[Receipt] = []
        self.erased: list[Erased] = []
        self.members: dict[int, set[tuple[str, int]]] = {}
        self.accounts: dict[str, Account] = {}
        self.keys: dict[str, Key] = {}

    def of(self, account: int = 1) -> Facts:
        """All rows of an account, as facts."""
        return self.facts.setdefault(account, Facts())

    def _load(self, account: int, commands: Sequence[c.Command]) -> Facts:
        everything, lookup = self.of(account), Lookup()
        for command in commands:
            if command.account == account:
                ask(command, lookup)
        facts = Facts(accounts=self.accounts, keys=self.keys)
        facts.seen = {id: everything.seen[id] for id in lookup.message_ids if id in everything.seen}
        facts.claims = {claim: everything.claims[claim] for claim in lookup.claims if claim in everything.claims}
        facts.owners = {k: everything.owners[k] for k in lookup.keys if k in everything.owners}
        facts.merged = {id: everything.merged[id] for id in lookup.profile_ids if id in everything.merged}
        wanted: set[ProfileId] = {*lookup.profile_ids, *facts.merged.values()}
        for command in commands:
            if command.account == account:
                wanted |= wanted_profiles(command, facts.owners)
        facts.profiles = {id: everything.profiles[id] for id in wanted if id in everything.profiles}
        if lookup.profile_ids:
            for profile in list(facts.profiles.values()):
                facts.owners.update({k: everything.owners[k] for k in profile.keys if k not in facts.owners})
        if lookup.audiences:
            facts.audiences = set(everything.audiences)
        return facts

    def do(self, *commands: c.Command) -> list[Outcome]:
        """One group: loaded, decided, saved."""
        loaded = {command.account: Facts() for command in commands}
        for account in loaded:
            loaded[account] = self._load(account, commands)
        outcomes = []
        decided: list[tuple[int, Sequence[Record]]] = []
        for command in commands:
            facts = loaded[command.account]
            fresh = Fresh(
                self.arrival + 1, ProfileId(self.last_profile_id + 1), 1 + max((a.number for a in self.accounts.values()), default=0)
            )
            decision = decide(command, facts, self.now, fresh)
            if decision.records:
                self.arrival += 1
                facts.lay(decision.records)
                decided.append((command.account, decision.records))
                if any(isinstance(record, Profile) and record.id == fresh.profile_id for record in decision.records):
                    self.last_profile_id += 1
            outcomes.append(decision.outcome)
        for account, records in decided:
            self._save(account, records)
        return outcomes

    def _save(self, account: int, records: Iterable[Record]) -> None:
        rows = self.of(account)
        events, members = self.events.setdefault(account, {}), self.members.setdefault(account, set())
        for record in records:
            match record:
                case Event():
                    assert record.profile_id in rows.profiles or record.profile_id == self.last_profile_id, "an event of nobody"
                    events[record.arrival] = record
                    rows.seen[record.message_id] = EventRef(
                        record.arrival, record.profile_id, b"id%d" % record.arrival, duplicate_of=record.duplicate_of
                    )
                case Profile():
                    rows.profiles[record.id] = record
                case Identity():
                    rows.owners[record.key] = Owner(record.profile_id, record.barrier_at)
                case Claim():
                    ref = EventRef(record.arrival, record.profile_id, b"id%d" % record.arrival)
                    rows.claims[record.key] = ref if record.moves else rows.claims.get(record.key, ref)
                case Merged():
                    rows.profiles.pop(record.source, None)
                    rows.merged[record.source] = record.target
                case Repeats():
                    from msgspec.structs import replace

                    if events[record.arrival].duplicate_of is None:
                        events[record.arrival] = replace(events[record.arrival], duplicate_of=record.of)
                case Audience():
                    rows.audiences.add(record.name)
                case Membership():
                    slot = (record.audience, record.profile_id)
                    if record.since is None:
                        members.discard(slot)
                    else:
                        members.add(slot)
                case Receipt():
                    self.receipts.append(record)
                case Erased():
                    self.erased.append(record)
                    for number in record.profile_ids:
                        rows.profiles.pop(number, None)
                        members -= {member for member in members if member[1] == number}
                    for source, target in list(rows.merged.items()):
                        if source in record.profile_ids or target in record.profile_ids:
                            del rows.merged[source]
                case Account():
                    self.accounts[record.id] = record
                case Key():
                    self.keys[record.id] = record
                case _:
                    pass

    def say(self, *messages: dict[str, Any] | bytes, account: int = 1, settings: Settings | None = None) -> list[Outcome]:
        """Messages received in one group."""
        return self.do(*(self.receive(said, account, settings) for said in messages))

    def receive(self, said: dict[str, Any] | bytes, account: int = 1, settings: Settings | None = None) -> c.Command:
        found = read(said, self.now)
        if isinstance(found, Message) and found.type == "delete":
            return c.Erase(account, keys_of(found.user_id, None, None))
        if isinstance(found, Message):
            understood = understand(found, settings or Settings())
            if isinstance(understood, Understood):
                return c.Receive(account, understood)
            found = understood
        return c.Refuse(account, found.message_id, "", found.code, found.reason)

    def find(self, text: str, account: int = 1) -> Profile | None:
        """The profile a key finds."""
        owner = self.of(account).owners.get(key(text))
        return None if owner is None or owner.profile_id is None else self.of(account).profiles[owner.profile_id]

    def the(self, text: str, account: int = 1) -> Profile:
        found = self.find(text, account)
        assert found is not None, f"nobody owns {text}"
        return found

    def check(self) -> None:
        """What must hold of the rows at any time."""
        for account, rows in self.facts.items():
            for profile in rows.profiles.values():
                for k in profile.keys:
                    owner = rows.owners.get(k)
                    assert owner is not None, f"{k} has no owner row"
                    assert owner.profile_id == profile.id, f"{k} of {profile.id} is owned by {owner.profile_id}"
            for k, owner in rows.owners.items():
                if owner is not None and owner.profile_id is not None:
                    assert k in rows.profiles[owner.profile_id].keys, f"{k} is not among its owner's keys"
            standing = {
                (name, profile.id) for profile in rows.profiles.values() for name, member in profile.audiences.items() if member.is_member
            }
            assert self.members.get(account, set()) == standing

    def summary(self, account: int = 1) -> list[Any]:
        """An account's people in an order and with names that do not depend on how they came to be."""
        rows, events = self.of(account), self.events.get(account, {})
        people = []
        for profile in rows.profiles.values():
            mine = [e for e in events.values() if rows.merged.get(e.profile_id, e.profile_id) == profile.id]
            registrations = [e for e in mine if e.type == 2 and e.name == "registration" and e.duplicate_of is None]
            conversions = sorted((e.name, e.amount or -1, e.at) for e in mine if e.name == "conversion" and e.duplicate_of is None)
            parameters = {
                name: (json.dumps(p.value), p.scope, p.at) for name, p in sorted(profile.parameters.items()) if p.value is not None
            }
            audiences = {name: member.is_member for name, member in sorted(profile.audiences.items()) if member.is_member}
            people.append((sorted(profile.keys), parameters, audiences, profile.email, len(registrations), conversions, len(mine)))
        return [sorted(people, key=repr), sorted(rows.seen), sorted(rows.claims), sorted(rows.audiences)]
