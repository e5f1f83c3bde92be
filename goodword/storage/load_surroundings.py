"""Loads what others did around a referral: shares, other browsers at an address, the advocate's earlier friends. Rules count it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from goodword.core.profile import ProfileId
from goodword.core.referral import Evidence, Journey

if TYPE_CHECKING:
    from goodword.storage.load_referral import Loading

FRIENDS_MAX = 10
"""Of an advocate's earlier friends, the latest so many are compared with a new one."""
SHARES_DAYS_MS = 7 * 24 * 3_600_000
BROWSERS_DAYS_MS = 30 * 24 * 3_600_000
BROWSERS_MAX = 200
_evidence = msgspec.json.Decoder(Evidence).decode


def load_surroundings(loading: Loading, friends: set[ProfileId]) -> None:
    """For the friends of a group and the advocates their journeys name."""
    known, merged = loading.known, loading.facts.merged
    for friend in friends:
        journeys = [known.journeys[number] for number in loading.numbers(friend) if number in known.journeys]
        advocates = {merged.get(touch.advocate_id, touch.advocate_id) for journey in journeys for touch in journey.touches}
        for advocate in advocates - {friend}:
            _shares(loading, advocate)
            _friends(loading, advocate)
            _browsers(loading, journeys, advocate)


def _shares(loading: Loading, advocate: ProfileId) -> None:
    if advocate in loading.known.shares:
        return
    rows = loading.store.database.load(
        "SELECT coalesce(sum(max(recipients, 1)), 0) FROM share WHERE account_id = ? AND profile_id = ? AND at > ?",
        (loading.account, advocate, loading.now - SHARES_DAYS_MS),
    )
    loading.known.shares[advocate] = next(iter(rows))[0]


def _friends(loading: Loading, advocate: ProfileId) -> None:
    """The addresses of the advocate's latest friends."""
    known = loading.known
    if advocate in known.friends:
        return
    rows = loading.store.database.load(
        "SELECT friend_id FROM relationship WHERE account_id = ? AND advocate_id = ? ORDER BY updated_at DESC LIMIT ?",
        (loading.account, advocate, FRIENDS_MAX),
    )
    numbers = [ProfileId(number) for (number,) in rows]
    loading.profiles(set(numbers))
    found = [(number, loading.facts.profiles[number].emails) for number in numbers if number in loading.facts.profiles]
    known.friends[advocate] = {number: emails for number, emails in found if emails}


def _browsers(loading: Loading, journeys: list[Journey], advocate: ProfileId) -> None:
    """How many browsers share an address that both sides were seen at: an office, a campus, a mobile carrier."""
    known = loading.known
    theirs = known.journeys.get(advocate)
    if theirs is None:
        return
    seen = {evidence.ip for _, evidence in theirs.sightings if evidence.ip}
    mine = {touch.evidence.ip for journey in journeys for touch in journey.touches}
    mine |= {evidence.ip for journey in journeys for _, evidence in journey.sightings}
    for ip in seen & mine - known.browsers_by_ip.keys():
        rows = loading.store.database.load(
            "SELECT evidence FROM click WHERE account_id = ? AND ip = ? AND at > ? ORDER BY at DESC LIMIT ?",
            (loading.account, ip, loading.now - BROWSERS_DAYS_MS, BROWSERS_MAX),
        )
        known.browsers_by_ip[ip] = len({_evidence(text).agent for (text,) in rows})
