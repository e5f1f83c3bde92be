"""Deletion and suppression: everything about a person goes, and what is older than the deletion does not come back (laws 4, 5)."""

from __future__ import annotations

from msgspec.structs import replace

from goodword.core.decision import Decision, Erased, Identity, Lifted, Outcome, Record
from goodword.core.delivery import Announcement, deleted_announced
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.fulfilment import nameless, withdraw
from goodword.core.profile import IdentityKey, Profile, ProfileId
from goodword.core.times import FOREVER, Millis


def erase(
    facts: Facts, keys: tuple[IdentityKey, ...], named: Profile | None, erasure_id: str, suppress: bool, now: Millis, fresh: Fresh
) -> Decision:
    """Delete the profiles these keys find, all merged into them included; an unknown person succeeds and creates nothing.

    What they have not been given yet is canceled; of what they were given amounts remain, which name nobody. Every key of theirs, and
    every key asked for, keeps a barrier: messages up to `now` about it are dropped, or all of them when suppressed. Barriers are keyed
    hashes, which name nobody.
    """
    profiles = {named.id: named} if named is not None else {}
    for key in keys:
        owner = facts.owners.get(key)
        if owner is not None and owner.profile_id is not None:
            profile = facts.profiles[owner.profile_id]
            profiles[profile.id] = profile
    barrier_at = FOREVER if suppress else now
    barred = dict.fromkeys(keys)
    for profile in profiles.values():
        barred.update(dict.fromkeys(profile.keys))
    numbers = tuple(number for profile in profiles.values() for number in (profile.id, *profile.sources))
    memberships = tuple((name, profile.id) for profile in profiles.values() for name in profile.audiences)
    barriers = {key: at for profile in profiles.values() for key, at in profile.barriers.items()}
    records: list[Record] = []
    for key in barred:
        owner = facts.owners.get(key)
        records.append(Identity(key, None, max(barrier_at, owner.barrier_at if owner is not None else barriers.get(key, 0))))
    records.extend(_canceled(numbers, facts, now, fresh))
    if profiles and facts.referrals.endpoints:
        records.append(deleted_announced(erasure_id, now, fresh.arrival))
    records.append(Erased(erasure_id, numbers, tuple(barred), memberships, now, barrier_at, suppress))
    return Decision(Outcome("done", value=len(profiles)), records)


def _canceled(numbers: tuple[ProfileId, ...], facts: Facts, now: Millis, fresh: Fresh) -> list[Record]:
    """The rows that cancel deleted people's rewards. They are announced without saying whose they were."""
    records: list[Record] = []
    for reward in list(facts.referrals.rewards.values()):
        if reward.profile_id in numbers and reward.state in ("EARNED", "FAILED"):
            records.extend(withdraw(reward, facts, now, fresh, 0, "The recipient was deleted.", is_final=True))
    return [nameless(record) if isinstance(record, Announcement) else record for record in records]


def unsuppress(keys: tuple[IdentityKey, ...], facts: Facts, now: Millis) -> Decision:
    """Messages newer than `now` about these keys are taken again; older ones stay dropped."""
    records: list[Record] = []
    suppressed = {key: owner for key in keys if (owner := facts.owners.get(key)) is not None and owner.barrier_at >= FOREVER}
    changed: dict[ProfileId, Profile] = {}
    for key, owner in suppressed.items():
        records.append(Identity(key, owner.profile_id, now))
        if owner.profile_id is not None:
            profile = changed.get(owner.profile_id) or facts.profiles[owner.profile_id]
            changed[profile.id] = replace(profile, barriers={**profile.barriers, key: now})
    if suppressed:
        records.append(Lifted(tuple(suppressed), now))
    return Decision(Outcome("done", value=len(suppressed)), [*records, *changed.values()])
