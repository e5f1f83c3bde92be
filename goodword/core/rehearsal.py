"""A rehearsal: what people did, judged by a draft as if it had been in force from the start. Nothing is kept; only counts come out.

People are judged one after the other, in the order of their first event. Limits, budgets and Nth rewards are counted in that order. The
draft is alone: what other campaigns would have taken is not taken from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from goodword.core.campaign import Campaign, Document, Mark, Programs
from goodword.core.decision import Record
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.hearing import journey_of
from goodword.core.judge import settle
from goodword.core.profile import Profile, ProfileId
from goodword.core.referral import Journey, Judgement, Step
from goodword.core.reward import Earning, Reward
from goodword.core.times import Millis

FIRST_ARRIVAL = 1 << 40
"""Places in a log that no event has: what is rehearsed gets ids of these."""


class RewardLine(Struct):
    """What one of the draft's rewards would have come to. `value` is hundredths or minor units of `unit`, in all."""

    name: str
    to: str
    unit: str
    count: int = 0
    value: int = 0
    waiting: int = 0
    people: set[ProfileId] = field(default_factory=set)


class Rehearsed(Struct):
    """The counts of a rehearsal. `refused` goes by rule: a quality rule's name, or `reward:NAME:RULE`."""

    events: int = 0
    people: set[ProfileId] = field(default_factory=set)
    credited: int = 0
    good: int = 0
    for_review: int = 0
    advocates: set[ProfileId] = field(default_factory=set)
    rewards: dict[tuple[str, str], RewardLine] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    why: dict[str, str] = field(default_factory=dict)
    """Of each of these rules, why it refused the last time."""


class Rehearsal:
    """A draft on trial. `take` judges one person; `said` is what came of it so far."""

    def __init__(self, document: Document, now: Millis, since: Millis) -> None:
        draft = Campaign(document.campaign, document.program, 0, 0, 1, (Mark(0, "LIVE", 1),), {1: document})
        self.programs = Programs.of({document.campaign: draft})
        self.document = document
        self.now = now
        self.since = since
        self.said = Rehearsed()
        self._arrival = FIRST_ARRIVAL
        self._earned: dict[ProfileId, list[Earning]] = {}
        self._spent: dict[tuple[str, str], dict[int, tuple[int, int]]] = {}
        self._credited: dict[tuple[ProfileId, str], dict[int, int]] = {}
        self._bonuses: dict[ProfileId, dict[int, Reward]] = {}

    def take(self, profile: Profile, steps: Iterable[Step], facts: Facts) -> None:
        """Judge one person by what is known of them and these further steps. `facts` are as loaded for judging the person anew."""
        journey = self._journey(profile, steps, facts)
        self._set_up(journey, facts)
        self._arrival += 1
        records = settle(journey, profile, facts, self.now, Fresh(self._arrival, ProfileId(0)))
        self._count(profile, journey, records)

    @staticmethod
    def _journey(profile: Profile, steps: Iterable[Step], facts: Facts) -> Journey:
        """The person's journey with these steps, and nothing settled."""
        known = journey_of(profile, facts)
        by_arrival = {step.arrival: step for step in (*steps, *known.steps)}
        ordered = tuple(sorted(by_arrival.values(), key=lambda step: step.turn))
        return replace(known, steps=ordered, standings={}, related={})

    def _set_up(self, journey: Journey, facts: Facts) -> None:
        """The facts as they would be with the draft alone, and with what it gave out so far."""
        known = facts.referrals
        known.programs, known.campaigns = self.programs, self.programs.campaigns
        known.suppliers = {**known.suppliers, **{supplier.id: supplier for supplier in self.document.suppliers}}
        known.endpoints = {}
        known.earned, known.spent, known.credited = self._earned, self._spent, self._credited
        known.moves = {}
        advocates = {facts.merged.get(touch.advocate_id, touch.advocate_id) for touch in journey.touches}
        known.rewards, known.earned_by, known.bonuses = {}, {}, {}
        for advocate in advocates:
            for reward in self._bonuses.get(advocate, {}).values():
                known.keep(reward)

    def _count(self, profile: Profile, journey: Journey, records: list[Record]) -> None:
        counted = {step.arrival for step in journey.steps if step.at >= self.since}
        said = self.said
        judgements: dict[int, Judgement] = {}
        rewards: dict[int, Reward] = {}
        for record in records:
            if isinstance(record, Judgement):
                judgements[record.arrival] = record
            elif isinstance(record, Reward):
                rewards[record.id] = record
        said.people.add(profile.id)
        said.events += sum(step.name.casefold() in self.programs.listened and step.arrival in counted for step in journey.steps)
        for judgement in judgements.values():
            if judgement.arrival in counted:
                self._count_judgement(judgement)
        for reward in rewards.values():
            if reward.nth:
                self._bonuses.setdefault(reward.profile_id, {})[reward.id] = reward
            if reward.cause in counted and not reward.is_gone:
                line = said.rewards.setdefault((reward.name, reward.unit), RewardLine(reward.name, reward.role, reward.unit))
                line.count += 1
                line.value += reward.value
                line.waiting += reward.state in ("EARNED", "FAILED")
                line.people.add(reward.profile_id)

    def _count_judgement(self, judgement: Judgement) -> None:
        said = self.said
        if judgement.advocate_id is not None:
            said.credited += 1
            said.advocates.add(judgement.advocate_id)
        said.good += judgement.quality == "HIGH" and judgement.review != "open"
        said.for_review += judgement.review == "open"
        for each in judgement.rules:
            if each.result == "FAIL":
                said.refused[each.rule] += 1
                said.why[each.rule] = each.why


def as_json(said: Rehearsed, document: Document, days: int) -> dict[str, Any]:
    """What a rehearsal came to, as JSON values; values are whole numbers of hundredths or minor units."""
    names = {reward.name: place for place, reward in enumerate(document.rewards)}
    lines = sorted(said.rewards.values(), key=lambda line: (names[line.name], line.unit))
    return {
        "campaign_id": document.campaign,
        "days": days,
        "events": said.events,
        "people": len(said.people),
        "credited": said.credited,
        "advocates": len(said.advocates),
        "good": said.good,
        "for_review": said.for_review,
        "rewards": [
            {
                "name": line.name,
                "to": line.to,
                "unit": line.unit,
                "count": line.count,
                "people": len(line.people),
                "value": line.value,
                "waiting": line.waiting,
            }
            for line in lines
        ],
        "refused": [
            {"rule": rule, "events": count, "why": said.why[rule]}
            for rule, count in sorted(said.refused.items(), key=lambda each: (-each[1], each[0]))
        ],
    }
