"""Audiences as received: the flag is a parameter; membership follows the latest message about it."""

from __future__ import annotations

from msgspec.structs import replace

from goodword.core.decision import Audience, Membership, Record
from goodword.core.profile import Member, Profile
from goodword.core.times import Millis

AUDIENCES_MAX = 2_000


def set_member(profile: Profile, audience: str, is_member: bool, at: Millis, tie: int, now: Millis) -> tuple[Profile, list[Record]]:
    """The profile in or out of an audience as of `at`, and the rows this causes.

    An audience is made on the first sight of a member. A message older than the one that set the standing changes nothing, so
    that repeated full syncs and late arrivals are harmless; leaving is remembered even by who never joined, because the message
    of the joining may still be on its way.
    """
    records: list[Record] = []
    mine = profile.audiences.get(audience)
    if is_member:
        records.append(Audience(audience, now))
    if mine is None:
        if len(profile.audiences) >= AUDIENCES_MAX:
            return profile, []
    elif (at, tie) <= (mine.at, mine.tie):
        return profile, records
    was_member = mine is not None and mine.is_member
    since = mine.since if mine is not None and was_member == is_member else at
    profile = replace(profile, audiences={**profile.audiences, audience: Member(is_member, at, tie, since)})
    if was_member != is_member:
        records.append(Membership(audience, profile.id, since if is_member else None))
    return profile, records
