"""Whether the rules of a campaign's rewards make sense (domain 4.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from goodword.core import campaign_value as bound
from goodword.core.campaign import Listens
from goodword.core.campaign_schema import Problem, nearest
from goodword.core.campaign_value import Problems
from goodword.core.pattern import is_pattern
from goodword.core.reward import Check, Done, RewardRules, RewardTerms
from goodword.core.rule.action import as_done

_TAX_YEAR = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\Z")
_DAYS_OF = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NUMBER = re.compile(r"\s*-?\d+(\.\d+)?\s*\Z")


def check_rules(path: str, reward: RewardTerms, heard: set[str], own: Sequence[str], events: Listens) -> Problems:
    """What is wrong with a reward's rules. `heard` are the events the campaign listens to, casefolded; `own` those that earn it."""
    rules = reward.rules
    yield from bound.ordered(path, "value_min", rules.value_min, "value_max", rules.value_max, "")
    yield from bound.number(f"{path}.nth", rules.nth, 1, bound.COUNT_MAX)
    yield from bound.bounded(f"{path}.milestones", rules.milestones)
    for index, count in enumerate(rules.milestones):
        yield from bound.number(f"{path}.milestones[{index}]", count, 1, bound.COUNT_MAX)
    if sorted(set(rules.milestones)) != rules.milestones:
        yield Problem(f"{path}.milestones", "must grow", "Write each count once, the smallest first.")
    if (rules.nth is not None or rules.milestones) and reward.to != "advocate":
        yield Problem(f"{path}.{'milestones' if rules.nth is None else 'nth'}", "counts an advocate's friends", "Write `to: advocate`.")
    yield from bound.bounded(f"{path}.limits", rules.limits)
    for index, limit in enumerate(rules.limits):
        yield from bound.number(f"{path}.limits[{index}].count", limit.count, 1, bound.COUNT_MAX)
        yield from bound.number(f"{path}.limits[{index}].days", limit.days, 1, bound.WINDOW_DAYS_MAX)
        yield from bound.number(f"{path}.limits[{index}].since_month", limit.since_month, 1, 12)
    yield from bound.decimal(f"{path}.annual_value_max", rules.annual_value_max, reward.value.unit, above_zero=True)
    found = _TAX_YEAR.match(rules.tax_year_start)
    if found is None or int(found[2]) > _DAYS_OF[int(found[1]) - 1]:
        yield Problem(f"{path}.tax_year_start", "is no day of the year", "Write month and day, such as 04-06.")
    yield from bound.number(f"{path}.new_customer_days", rules.new_customer_days, 1, bound.WINDOW_DAYS_MAX)
    yield from _audiences(path, rules)
    for name in ("checks", "other_checks"):
        yield from bound.bounded(f"{path}.{name}", getattr(rules, name))
        for index, each in enumerate(getattr(rules, name)):
            yield from _comparison(f"{path}.{name}[{index}]", each)
    yield from _done(path, reward, heard, own, events)


def _audiences(path: str, rules: RewardRules) -> Problems:
    for name in ("member_of", "not_member_of"):
        audiences: list[str] = getattr(rules, name)
        yield from bound.bounded(f"{path}.{name}", audiences)
        yield from bound.unique_in(f"{path}.{name}", audiences)
        for index, audience in enumerate(audiences):
            if not audience.strip() or len(audience) > 200:
                yield Problem(f"{path}.{name}[{index}]", "must be the name of an audience", "Write 1 to 200 characters.")
    for index, audience in enumerate(rules.not_member_of):
        if audience in rules.member_of:
            yield Problem(f"{path}.not_member_of[{index}]", f"`{audience}` is in member_of too: nobody can be both", "Take it out of one.")


def _comparison(path: str, said: Check) -> Problems:
    if not said.name.strip() or len(said.name) > 200:
        yield Problem(f"{path}.name", "must be the name of a parameter or property", "Write 1 to 200 characters.")
    if said.is_ in ("at_least", "at_most") and not _NUMBER.match(said.value):
        yield Problem(f"{path}.value", f"must be a number: `{said.is_}` compares numbers", "Write it like 20 or 9.99.")
    if said.is_ in ("contains", "not_contains", "matches", "not_matches") and not said.value:
        yield Problem(f"{path}.value", f"is missing: `{said.is_}` compares with it", "Write it.")
    yield from bound.short_text(f"{path}.value", said.value, 200)
    if said.is_ in ("matches", "not_matches") and len(said.value) <= 200 and not is_pattern(said.value):
        fix = "Mend it (the syntax is RE2's, which looks neither ahead nor back), or compare with `contains`."
        yield Problem(f"{path}.value", "is no regular expression", fix)


def _done(path: str, reward: RewardTerms, heard: set[str], own: Sequence[str], events: Listens) -> Problems:
    rules = reward.rules
    for name in ("has_done", "has_not_done", "other_has_done", "other_has_not_done"):
        asked: list[str | Done] = getattr(rules, name)
        yield from bound.bounded(f"{path}.{name}", asked)
        for index, each in enumerate(asked):
            yield from _action(f"{path}.{name}[{index}]", each, heard, events)
    mine = {name.casefold() for name in own}
    once = {name.casefold() for name in events.sign_up}
    own_role = reward.to != "advocate"
    never = {each.casefold() for each in rules.has_not_done if isinstance(each, str)}
    for index, each in enumerate(rules.has_done):
        event = as_done(each).event
        needs_one = as_done(each).count_min > 0
        if each in rules.has_not_done or (needs_one and event.casefold() in never):
            yield Problem(
                f"{path}.has_done[{index}]", f"`{event}` is in has_not_done too: nobody can have done both", "Take it out of one."
            )
        elif own_role and needs_one and mine == {event.casefold()} and mine <= once:
            said = f"the reward is earned on `{event}`, which happens once, and needs an earlier `{event}`: it waits for itself"
            yield Problem(f"{path}.has_done[{index}]", said, "Take it out, or let the reward be earned on another event.")
        elif own_role and mine == {event.casefold()} and each == event:
            said = f"the reward is earned on `{event}` and needs an earlier one: only the second counts"
            yield Problem(f"{path}.has_done[{index}]", said, "Take it out if the first should count.", is_warning=True)


def _action(path: str, said: str | Done, heard: set[str], events: Listens) -> Problems:
    """One condition of `has_done` and the like."""
    asked = as_done(said)
    place = path if isinstance(said, str) else f"{path}.event"
    if asked.event.casefold() not in heard:
        why = f"`{asked.event}` is no event that the campaign listens to, so nobody is known to have done it"
        close = nearest(asked.event, [*events.sign_up, *events.outcome, *events.actions])
        yield Problem(place, why, f"{close} Or add it to events.actions.")
    yield from bound.number(f"{path}.count_min", asked.count_min, 0, bound.COUNT_MAX)
    yield from bound.number(f"{path}.count_max", asked.count_max, 0, bound.COUNT_MAX)
    if asked.count_max is not None and asked.count_max < asked.count_min:
        yield Problem(f"{path}.count_max", "is less than count_min, which is 1 unless written", "Make count_min the smaller one.")
    yield from bound.number(f"{path}.days", asked.days, 1, bound.WINDOW_DAYS_MAX)
    yield from bound.number(f"{path}.age_days", asked.age_days, 0, bound.WINDOW_DAYS_MAX)
    if asked.days is not None and asked.age_days is not None and asked.age_days >= asked.days:
        yield Problem(f"{path}.age_days", "leaves nothing of the last `days` days", "Make it less than days.")
    yield from bound.ordered(path, "value_min", asked.value_min, "value_max", asked.value_max, "")
