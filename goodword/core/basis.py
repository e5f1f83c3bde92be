"""What the steps of a journey were judged by. While that is the same, a step that comes alone, after all others, is judged alone.

A journey is judged anew as a whole (decision 13), which grows with every order of a loyal customer. What the verdicts on earlier steps
follow from is summed up in a hash, kept with the journey while none of them waits: the person, the touches, sightings and
cancellations, the advocates, the campaigns, suppliers and lists. A later step changes none of it, so their verdicts would be the same.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from goodword.core.verdict import Docket, ancestors_of

STEPS_MIN = 4
"""Of fewer steps all are judged: that costs less than to find out."""
BASIS_BYTES = 7  # a number that a document of JSON holds exactly
_encode = msgspec.json.Encoder().encode


def basis_of(docket: Docket) -> int:
    """A hash of all that verdicts follow from but the steps themselves and what is settled for good; 0 where they may change without.

    Of the lists only their sizes count: an entry does not reach what was settled, and one that is taken off lets in what is judged anew.
    """
    known, journey = docket.known, docket.journey
    asks = any(reward.rules.asks_what_was_done for document in known.programs.terms for reward in document.rewards)
    if len(docket.steps) < STEPS_MIN or asks or known.reference.listed_emails or known.reference.marks:
        return 0
    campaigns = [(each.id, each.history, each.gives_at(docket.now)) for each in known.programs.campaigns.values()]
    lists = (len(known.reference.blocked_domains), len(known.reference.allowed_domains), known.servers_since, known.suppliers)
    advocates = []
    for number in dict.fromkeys(docket.resolve(touch.advocate_id) for touch in journey.touches):
        advocate, theirs = docket.facts.profile(number), known.journeys.get(number)
        seen = (theirs.touches, theirs.sightings) if theirs is not None else ()
        advocates.append((number, advocate, seen, ancestors_of(docket, advocate) if advocate is not None else ()))
    said = _encode((docket.friend, journey.touches, journey.sightings, journey.cancellations, advocates, campaigns, lists))
    return int.from_bytes(blake2b(said, digest_size=BASIS_BYTES).digest()) or 1


def comes_alone(docket: Docket, basis: int) -> bool:
    """Whether all that is new of a judged journey is one step after the others."""
    before = docket.known.journeys.get(docket.friend.id)
    return bool(basis) and before is not None and before.basis == basis and before.steps == tuple(docket.steps[:-1])
