"""What people did and did not do before an event: the conditions `has_done` and `has_not_done` of a reward (domain 4.4).

Known is what campaigns listen to. An order that was taken back as a whole was not made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from goodword.core.referral import Journey, Step
from goodword.core.reward import DAY_MS, Done, read_value


def is_undone(step: Step, journey: Journey) -> bool:
    """Whether the order a step is about was taken back as a whole, or is somebody else's."""
    if step.contested:
        return True
    about = [each.amount for each in journey.cancellations if each.is_about(step)]
    return any(amount is None or step.amount is None for amount in about) or sum(amount or 0 for amount in about) >= (step.amount or 1)


def not_done(wanted: Sequence[str | Done], journey: Journey, step: Step, campaigns: Sequence[str]) -> list[str]:
    """Which of the conditions do not hold of what the journey's person did before the step, by their events' names. `campaigns` are
    those of the program that asks, its own campaign first."""
    return [asked.event for asked in map(as_done, wanted) if not _holds(asked, journey, step, campaigns)]


def as_done(said: str | Done) -> Done:
    """A condition as written: the event's name alone means at least once."""
    return said if isinstance(said, Done) else Done(said)


def _holds(asked: Done, journey: Journey, step: Step, campaigns: Sequence[str]) -> bool:
    count = sum(1 for each in _before(journey, step) if _is_meant(asked, each, journey, step, campaigns))
    return asked.count_min <= count and (asked.count_max is None or count <= asked.count_max)


def _before(journey: Journey, step: Step) -> Iterator[Step]:
    return (each for each in journey.steps if each.at <= step.at and each.arrival != step.arrival and not is_undone(each, journey))


def _is_meant(asked: Done, done: Step, journey: Journey, step: Step, campaigns: Sequence[str]) -> bool:
    """Whether something that was done is of the kind that is asked for."""
    if done.name.casefold() != asked.event.casefold() or not _is_worth(asked, done):
        return False
    if asked.days is not None and done.at <= step.at - asked.days * DAY_MS:
        return False
    if asked.age_days is not None and done.at > step.at - asked.age_days * DAY_MS:
        return False
    if asked.quality == "any" and asked.scope == "account":
        return True
    judged = {campaign: standing for key, standing in journey.standings.items() if (campaign := _campaign(key, done)) is not None}
    within = {"account": judged, "program": campaigns, "campaign": campaigns[:1]}.get(asked.scope, judged)
    found = [standing for campaign, standing in judged.items() if campaign in within]
    if asked.scope == "attributed":
        found = [standing for standing in found if standing.judged_for is not None]
    return bool(found) and (asked.quality == "any" or any(standing.is_good for standing in found))


def _campaign(key: str, step: Step) -> str | None:
    """The campaign of a standing's key (`verdict.standing_key`), if it is about the step."""
    arrival, _, campaign = key.partition(" ")
    return campaign if arrival == str(step.arrival) else None


def _is_worth(asked: Done, step: Step) -> bool:
    if asked.value_min is None and asked.value_max is None:
        return True
    if step.amount is None or step.currency is None:
        return False
    low, high = read_value(asked.value_min, step.currency), read_value(asked.value_max, step.currency)
    return (low is None or step.amount >= low) and (high is None or step.amount <= high)
