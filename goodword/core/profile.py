"""Profiles: who a message is about, what is known of them, and when two profiles become one.

Identity follows design.md section 3. A key is a kind letter and a value: `u` partner_user_id, `e` email, `a` anonymous_id; a key
belongs to one profile. Each parameter remembers the time of the message that set it, so arrival order does not matter (law 3).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Literal, NewType, cast

from msgspec import Struct, field
from msgspec.structs import replace

from goodword.core.account import ParameterScope
from goodword.core.message import is_junk
from goodword.core.times import FOREVER, Millis

ProfileId = NewType("ProfileId", int)
IdentityKey = NewType("IdentityKey", str)

KEYS_MAX = 1_000
PARAMETERS_MAX = 2_000
CHANGES_MAX = 100
EMAIL_CHARS_MAX = 256
PARAMETER_NAME_CHARS_MAX = 500
_ORDER = {"u": 0, "e": 1, "a": 2}


class Parameter(Struct, frozen=True, array_like=True, gc=False):
    """A named value of a profile. `at` and `tie` order the messages that set it; a null value is a removal that is remembered."""

    value: Any
    at: Millis
    tie: int
    scope: ParameterScope
    created_at: Millis


class Change(Struct, frozen=True, array_like=True, gc=False):
    """One line of a profile's identity history. `detail` is readable only with the profile's key."""

    kind: Literal["merged", "email_added", "user_id_added", "conflict", "device_moved", "forwarded"]
    at: Millis
    key: str = ""
    other: int = 0


class Block(Struct, frozen=True, array_like=True):
    """Who may not take part, and why."""

    type: Literal["NONE", "EVENTS", "REWARDS"]
    reason: str
    updated_at: Millis


class Member(Struct, frozen=True, array_like=True, gc=False):
    """A profile's standing in one audience by the latest message about it."""

    is_member: bool
    at: Millis
    tie: int
    since: Millis


class Profile(Struct, frozen=True, omit_defaults=True, gc=False):
    """A stored person, or a device that may become one. Everything here is encrypted with the profile's own key at rest."""

    id: ProfileId
    created_at: Millis
    keys: tuple[IdentityKey, ...] = ()
    parameters: dict[str, Parameter] = field(default_factory=dict)
    registration: int | None = None
    sources: tuple[ProfileId, ...] = ()
    audiences: dict[str, Member] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    block: Block | None = None
    version: int = 0
    barriers: dict[IdentityKey, Millis] = field(default_factory=dict)
    """Up to when messages about some of its keys are dropped, so that a merge moves those keys with their barriers (law 5)."""

    @property
    def user_id(self) -> str | None:
        """Its partner_user_id; a profile has at most one."""
        return next((key[1:] for key in self.keys if key[0] == "u"), None)

    @property
    def emails(self) -> tuple[str, ...]:
        """Every address that finds it."""
        return tuple([key[1:] for key in self.keys if key[0] == "e"])

    @property
    def email(self) -> str | None:
        """The address to show: the latest said, if it is one of its own keys, else its first."""
        said = self.parameters.get("email")
        if said is not None and f"e{said.value}" in self.keys:
            return str(said.value)
        return next((key[1:] for key in self.keys if key[0] == "e"), None)

    @property
    def devices(self) -> list[str]:
        """The keys of its devices, and of those that moved on to somebody else."""
        held = [str(key) for key in self.keys if key[0] == "a"]
        return held + [change.key for change in self.changes if change.kind == "device_moved"]

    @property
    def is_known(self) -> bool:
        """Known by more than a device."""
        return any(key[0] != "a" for key in self.keys)


class Owner(Struct, frozen=True, gc=False):
    """What is stored of one identity key: whose it is, and up to when messages about it are dropped (law 5)."""

    profile_id: ProfileId | None
    barrier_at: Millis = 0


class Identified(Struct):
    """The profile a message found: its state to be, and the rows that make it so."""

    profile: Profile
    binds: list[tuple[IdentityKey, ProfileId]]
    absorbed: list[Profile]
    changed: list[Profile]
    notes: list[str]


def read_email(value: object) -> str | None:
    """An address trimmed and lower-cased, or None when it is junk or no address."""
    if not isinstance(value, str):
        return None
    email = value.strip().lower()
    name, at, domain = email.partition("@")
    if not (at and name and domain) or "@" in domain or len(email) > EMAIL_CHARS_MAX or is_junk(email) or len(email.split()) > 1:
        return None
    return email


def keys_of(user_id: str | None, email: str | None, anonymous_id: str | None) -> tuple[IdentityKey, ...]:
    """A message's identity keys, strongest first."""
    keys = []
    if user_id:
        keys.append("u" + user_id)
    if email:
        keys.append("e" + email)
    if anonymous_id:
        keys.append("a" + anonymous_id)
    return cast("tuple[IdentityKey, ...]", tuple(keys))


def is_barred(keys: tuple[IdentityKey, ...], owners: dict[IdentityKey, Owner | None], at: Millis) -> str | None:
    """Why a message of this time about these keys must be dropped, or None. A device counts only where no person is named."""
    for key in keys:
        owner = owners.get(key)
        if owner is not None and owner.barrier_at >= at and (key[0] != "a" or key == keys[0]):
            return "suppressed user" if owner.barrier_at >= FOREVER else "older than the deletion of its user"
    return None


def tie_of(message_id: str) -> int:
    """Orders messages of the same millisecond alike on every arrival order."""
    return int.from_bytes(blake2b(message_id.encode("utf-8", "replace"), digest_size=6).digest(), "big")


def identify(
    keys: tuple[IdentityKey, ...],
    owners: dict[IdentityKey, Owner | None],
    profiles: dict[ProfileId, Profile],
    fresh_id: ProfileId,
    now: Millis,
) -> Identified:
    """Find or make the profile of a message by its keys (strongest first) and settle who owns each key from now on."""
    held: dict[IdentityKey, Profile] = {}
    for key in keys:
        owner = owners.get(key)
        if owner is not None and owner.profile_id is not None:
            held[key] = profiles[owner.profile_id]
    found = Identified(_choose(keys, held, fresh_id, now), [], [], [], [])
    for key in keys:
        if key not in found.profile.keys:
            row = owners.get(key)
            _settle(found, key, held.get(key), row.barrier_at if row is not None else 0, now)
    return found


def _choose(keys: tuple[IdentityKey, ...], held: dict[IdentityKey, Profile], fresh_id: ProfileId, now: Millis) -> Profile:
    """The profile the strongest usable key belongs to, else a new one."""
    for key in keys:
        profile = held.get(key)
        if profile is not None and _may_join(keys, key, profile):
            return profile
    return Profile(fresh_id, now)


def _may_join(keys: tuple[IdentityKey, ...], via: IdentityKey, profile: Profile) -> bool:
    """Whether a message found `profile` by the key `via` without contradicting what is known of it by a stronger one."""
    for key in keys[: keys.index(via)]:
        if key[0] == "u" and profile.user_id is not None and profile.user_id != key[1:]:
            return False
        if key[0] == "e" and via[0] == "a" and profile.emails and key[1:] not in profile.emails:
            return False
    return True


def _settle(found: Identified, key: IdentityKey, owner: Profile | None, barrier_at: Millis, now: Millis) -> None:
    """Give `key` to the found profile: attach, merge, move, or record the conflict and leave it."""
    profile = found.profile
    if owner is None:
        if len(profile.keys) >= KEYS_MAX:
            found.notes.append(f"profile has {KEYS_MAX} ids; a further one was not attached")
            return
        found.profile = with_key(profile, key, now, barrier_at)
        found.binds.append((key, profile.id))
    elif key[0] == "a" and not may_be_one(profile, owner):
        _move_device(found, key, owner, barrier_at, now)
    elif profile.user_id is not None and owner.user_id is not None:
        found.profile = _changed(profile, Change("conflict", now, key, owner.id))
        found.notes.append("email belongs to another known user")
    else:
        absorb(found, owner, now)


def may_be_one(one: Profile, other: Profile) -> bool:
    """Whether two profiles seen on one device, or with one order, may be one person: not two user ids, and not two e-mails."""
    return not (one.user_id and other.user_id) and not (one.emails and other.emails)


def _move_device(found: Identified, key: IdentityKey, owner: Profile, barrier_at: Millis, now: Millis) -> None:
    left = replace(owner, keys=tuple(k for k in owner.keys if k != key), version=owner.version + 1)
    found.changed.append(_changed(left, Change("device_moved", now, key, found.profile.id)))
    found.profile = with_key(found.profile, key, now, barrier_at)
    found.binds.append((key, found.profile.id))


def with_key(profile: Profile, key: IdentityKey, now: Millis, barrier_at: Millis = 0) -> Profile:
    """The profile with a further key, in its place among them; `barrier_at` is the key's own."""
    keys = (*profile.keys, key)
    if profile.keys and _ORDER[profile.keys[-1][0]] > _ORDER[key[0]]:
        keys = tuple(sorted(keys, key=lambda each: _ORDER[each[0]]))
    barriers = {**profile.barriers, key: barrier_at} if barrier_at else profile.barriers
    changed = replace(profile, keys=keys, barriers=barriers, version=profile.version + 1)
    if key[0] == "a" or not profile.keys:
        return changed
    return _changed(changed, Change("user_id_added" if key[0] == "u" else "email_added", now, key))


def _changed(profile: Profile, change: Change) -> Profile:
    if any((c.kind, c.key, c.other) == (change.kind, change.key, change.other) for c in profile.changes):
        return profile
    return replace(profile, changes=(*profile.changes[-CHANGES_MAX + 1 :], change), version=profile.version + 1)


def absorb(found: Identified, source: Profile, now: Millis, kind: Literal["merged", "forwarded"] = "merged") -> None:
    """Make `source` part of the found profile: keys, parameters, history and audiences move; the merge is recorded."""
    target = found.profile
    found.profile = _changed(merge(target, source), Change(kind, now, source.keys[0] if source.keys else "", source.id))
    found.binds.extend((key, target.id) for key in source.keys)
    found.absorbed.append(source)


def merge(target: Profile, source: Profile) -> Profile:
    """Two profiles as one, alike whichever came first: each parameter by its latest message."""
    parameters = dict(target.parameters)
    for name, theirs in source.parameters.items():
        parameters[name] = later(parameters.get(name), theirs)
    audiences = dict(target.audiences)
    for name, member in source.audiences.items():
        mine = audiences.get(name)
        if mine is None or (member.at, member.tie) > (mine.at, mine.tie):
            audiences[name] = member
    # of each kind the target's own come first: the first is the one that is shown
    keys = sorted(dict.fromkeys((*target.keys, *source.keys)), key=lambda key: _ORDER[key[0]])
    registrations = [r for r in (target.registration, source.registration) if r is not None]
    blocks = [b for b in (target.block, source.block) if b is not None]
    return replace(
        target,
        created_at=min(target.created_at, source.created_at),
        keys=tuple(keys),
        parameters=parameters,
        registration=min(registrations) if registrations else None,
        sources=(*target.sources, source.id, *source.sources),
        audiences=audiences,
        changes=tuple(sorted((*target.changes, *source.changes), key=lambda change: change.at))[-CHANGES_MAX:],
        block=max(blocks, key=lambda block: (block.type != "NONE", block.updated_at)) if blocks else None,
        version=max(target.version, source.version) + 1,
        barriers={**target.barriers, **source.barriers},
    )


def later(mine: Parameter | None, theirs: Parameter) -> Parameter:
    """The later of two settings of one parameter, remembering when it was first set."""
    if mine is None:
        return theirs
    first = min(mine.created_at, theirs.created_at)
    chosen = theirs if (theirs.at, theirs.tie) > (mine.at, mine.tie) else mine
    return chosen if chosen.created_at == first else replace(chosen, created_at=first)


def with_parameters(profile: Profile, values: dict[str, Any], at: Millis, tie: int, scope: ParameterScope) -> tuple[Profile, list[str]]:
    """The profile with values set as of `at`; older than what is known changes nothing; null removes. Also: notes for the log."""
    parameters = dict(profile.parameters)
    notes = []
    for name, value in values.items():
        mine = parameters.get(name)
        if mine is None and len(parameters) >= PARAMETERS_MAX:
            notes.append(f"profile has {PARAMETERS_MAX} parameters; further ones were not stored")
            break
        if len(name) > PARAMETER_NAME_CHARS_MAX:
            notes.append(f"a trait name longer than {PARAMETER_NAME_CHARS_MAX} characters was not stored")
            continue
        parameters[name] = later(mine, Parameter(value, at, tie, scope, at))
    return replace(profile, parameters=parameters, version=profile.version + 1), notes
