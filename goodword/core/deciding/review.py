"""A person decides about an event; an event is judged anew."""

from __future__ import annotations

from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.decision import Decision, Outcome
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.hearing import afresh, journey_of
from goodword.core.judge import settle
from goodword.core.profile import Profile
from goodword.core.times import Millis
from goodword.core.verdict import standing_key

UNCHANGED = "unchanged"
"""The outcome's value when the same was decided before."""


def decide(command: c.Review | c.Rejudge, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    """What the command comes to."""
    profile = facts.profile(command.profile_id)
    if profile is None:
        return _refused("person_not_found", "No person has this id.")
    if isinstance(command, c.Review):
        return _review(command, profile, facts, now, fresh)
    journey = afresh(journey_of(profile, facts))
    return Decision(Outcome("done", profile_id=profile.id), settle(journey, profile, facts, now, fresh))


def _review(command: c.Review, profile: Profile, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    """The decision is kept in the journey, with name and note, and stands whatever the rules say later; then all is judged anew."""
    if not command.note.strip():
        return _refused("missing_note", "Say why: a decision needs a note.")
    if not command.by.strip():
        return _refused("missing_name", "Say who decides: a decision needs a name.")
    journey = journey_of(profile, facts)
    step = next((each for each in journey.steps if each.message_id == command.message_id), None)
    campaign = facts.referrals.campaigns.get(command.campaign)
    standing = journey.standings.get(standing_key(step, command.campaign)) if step is not None else None
    if campaign is None or standing is None or not standing.digest:
        return _refused("review_not_found", "No event of this kind was judged in this campaign.")
    if standing.decision == command.decision:
        return Decision(Outcome("done", profile_id=profile.id, value=UNCHANGED))
    if not campaign.gives_at(now):
        return _refused("campaign_stopped", "The campaign is stopped, and nothing can be decided in it any more.")
    decided = replace(standing, decision=command.decision, by=command.by.strip(), note=command.note.strip(), decided_at=now)
    assert step is not None  # or it has no standing
    journey = replace(journey, standings={**journey.standings, standing_key(step, command.campaign): decided})
    return Decision(Outcome("done", profile_id=profile.id, value=command.decision), settle(journey, profile, facts, now, fresh))


def _refused(code: str, reason: str) -> Decision:
    return Decision(Outcome("refused", code=code, reason=reason))
