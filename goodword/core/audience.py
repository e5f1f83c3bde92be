"""Audiences as received: the flag is a parameter; membership follows the latest message about it."""

from __future__ import annotations

from msgspec.structs import replace

from goodword.core.decision import Audience, Membership, Record
from goodword.core.profile import Member, Profile
from goodword.core.times import Millis


def set_member(profile: Profile, audience: str, is_member: bool, at: Millis, tie: int, now: Millis) -> tuple[Profile, list[Record]]:
    """The profile in or out of an audience as of `at`, and the rows this causes.

    An audience is made on the first sight of a member. Leaving one never joined changes nothing; a message older than the one
    that set the standing changes nothing, so that repeated full syncs and late arrivals are harmless.
    """
    records: list[Record] = []
    mine = profile.audiences.get(audience)
    if is_member:
        records.append(Audience(audience, now))
    elif mine is None:
        return profile, records
    if mine is not None and (at, tie) <= (mine.at, mine.tie):
        return profile, records
    changes = mine is None or mine.is_member != is_member
    since = at if changes or mine is None else mine.since
    member = Member(is_member, at, tie, since)
    profile = replace(profile, audiences={**profile.audiences, audience: member})
    if changes:
        records.append(Membership(audience, profile.id, since if is_member else None))
    return profile, records
