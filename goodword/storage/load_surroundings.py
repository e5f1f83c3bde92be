"""Loads what others did around a referral: shares, other browsers at an address, friends that look alike. Rules count it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from goodword.core.likeness import token_of
from goodword.core.profile import ProfileId
from goodword.core.referral import Evidence, Journey

if TYPE_CHECKING:
    from goodword.storage.load_past import Steps
    from goodword.storage.load_referral import Loading

SHARES_DAYS_MS = 7 * 24 * 3_600_000
BROWSERS_DAYS_MS = 30 * 24 * 3_600_000
BROWSERS_MAX = 200
ALIKE_MAX = 20
_evidence = msgspec.json.Decoder(Evidence).decode


def surroundings(loading: Loading, friends: set[ProfileId]) -> tuple[Steps, ...]:
    """For the friends of a group and the advocates their journeys name."""
    known, merged = loading.known, loading.facts.merged
    advocates: set[ProfileId] = set()
    for friend in friends:
        journeys = [known.journeys[number] for number in loading.numbers(friend) if number in known.journeys]
        theirs = {merged.get(touch.advocate_id, touch.advocate_id) for journey in journeys for touch in journey.touches}
        for advocate in theirs - {friend}:
            _browsers(loading, journeys, advocate)
        advocates |= theirs
    return _shares(loading, advocates), _alike(loading, friends)


def _shares(loading: Loading, advocates: set[ProfileId]) -> Steps:
    rows = loading.ask(
        "SELECT s.profile_id, sum(CASE WHEN s.recipients > 1 THEN s.recipients ELSE 1 END) FROM carray(?) k"
        " CROSS JOIN share s ON s.account_id = ? AND s.profile_id = k.value AND s.at > ? GROUP BY s.profile_id",
        advocates - loading.known.shares.keys(),
        loading.account,
        loading.now - SHARES_DAYS_MS,
    )
    yield
    for advocate, count in rows:
        loading.known.shares[ProfileId(advocate)] = count


def _alike(loading: Loading, friends: set[ProfileId]) -> Steps:
    """Whose friends look like these: few, so their profiles are loaded, to be compared."""
    profiles = loading.facts.profiles
    emails = {email for friend in friends if (profile := profiles.get(friend)) is not None for email in profile.emails} | loading.emails
    tokens = loading.by_hash("l", {token_of(email) for email in emails})
    rows = loading.ask(
        "SELECT r.alike, r.advocate_id, r.friend_id FROM carray(?) k CROSS JOIN relationship r ON r.account_id = ? AND r.alike = k.value",
        tokens,
        loading.account,
    )
    yield
    found: dict[bytes, int] = {}
    wanted: set[ProfileId] = set()
    for hash16, advocate, friend in rows:
        found[hash16] = found.get(hash16, 0) + 1
        if found[hash16] <= ALIKE_MAX:
            loading.known.alike.setdefault((ProfileId(advocate), tokens[hash16]), set()).add(ProfileId(friend))
            wanted.add(ProfileId(friend))
    loading.together(*loading.about(wanted, set()))
    merged = loading.facts.merged
    loading.profiles({merged.get(number, number) for number in wanted})


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
