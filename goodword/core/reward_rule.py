"""Reward rules: what must hold for a reward that a campaign promises to be earned (domain 4.4). All must pass.

Each rule that is switched on gives a verdict (law 9): PASS, FAIL with the reason in plain words, or UNKNOWN where the data to tell is
missing, which does not fail. The words name nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from msgspec import Struct, field

from goodword.core.campaign import Document
from goodword.core.money import exponent
from goodword.core.pattern import finds
from goodword.core.profile import Profile
from goodword.core.referral import Journey, Step, StepKind
from goodword.core.reward import DAY_MS, Check, Done, Earning, Limit, Passed, RewardTerms, digits, read_value, rounded
from goodword.core.rule.action import as_done, is_undone, not_done
from goodword.core.rule.result import passes
from goodword.core.times import Millis

STICKY = frozenset(("once_per_person", "limit", "annual_value", "budget"))
"""Rules that count what others did or what was given before: their first verdict stands."""
TEXT_CHARS_MAX = 2_000
CURRENCY_CHARS = 3
_MISSING = object()


class RewardCase(Struct, frozen=True, gc=False):
    """One step, and everything a reward rule may look at.

    `recipient` is who would get the reward, `other` the other side of the referral (None: deleted, or there is none). `journey` is that
    of the person whose step it is; `advocate_journey` the advocate's own, None where the advocate has none. `amount` is what the step is
    worth now, returns taken off. `earned` is what the recipient earned, `spent` what the campaign gave out, by campaign and unit, by day,
    as count and value: both with what the same command has given already. `credited` counts the advocate's high-quality outcomes, this
    one included. `properties` are the event's, None where they are not known. `now` is when the reward would be created.
    """

    step: Step
    kind: StepKind
    recipient: Profile | None
    other: Profile | None
    journey: Journey
    document: Document
    quality: str
    now: Millis
    amount: int | None = None
    earned: Sequence[Earning] = ()
    credited: int = 0
    spent: Mapping[tuple[str, str], Mapping[int, tuple[int, int]]] = field(default_factory=dict)
    properties: Mapping[str, Any] | None = None
    advocate_journey: Journey | None = None
    campaigns: Sequence[str] = ()


def value_of(terms: RewardTerms, amount: int | None, currency: str | None) -> tuple[int, str] | None:
    """What a reward is worth for an event of this value: hundredths or minor units, and of what. None where that cannot be told: a
    percentage of no value, or of another currency's."""
    value = terms.value
    unit = value.unit
    if value.percent is None:
        fixed = read_value(value.amount, unit)
        return (fixed, unit) if fixed is not None else None
    percent = _decimal(value.percent)
    if amount is None or currency is None or percent is None or (len(unit) == CURRENCY_CHARS and unit != currency):
        return None
    worth = rounded(Decimal(amount).scaleb(digits(unit) - exponent(currency)) * percent / 100)
    least, most = read_value(value.min, unit), read_value(value.max, unit)
    worth = worth if least is None else max(worth, least)
    return (worth if most is None else min(worth, most)), unit


def _decimal(text: str) -> Decimal | None:
    exact = _number(text)
    return exact if exact is not None and exact >= 0 else None


def judge_reward(terms: RewardTerms, case: RewardCase) -> tuple[Passed, ...]:
    """Every rule's verdict, in a fixed order."""
    return tuple(_verdicts(terms, case))


def _verdicts(terms: RewardTerms, case: RewardCase) -> Iterator[Passed]:
    rules = terms.rules
    worth = value_of(terms, case.amount, case.step.currency)
    who = terms.to if terms.to != "participant" else "person"
    yield _said("quality_is_high", case.quality == "HIGH", "the event's quality is not high")
    yield _recipient(case, who)
    if rules.email:
        has_email = case.recipient is not None and case.recipient.email is not None
        yield _said("recipient_has_email", has_email, f"the {who} has no e-mail address")
    yield _said("has_value", worth is not None, "what the reward is worth cannot be told: the event has no value in the reward's currency")
    if rules.value_min is not None or rules.value_max is not None:
        yield _event_value(rules.value_min, rules.value_max, case)
    if rules.once == "person":
        yield _once(terms, case)
    if not rules.allow_reverse and terms.to != "participant":
        yield _reverse(case)
    if rules.nth is not None or rules.milestones:
        yield _nth(rules.nth, rules.milestones, case.credited)
    if rules.limits:
        yield _limits(terms, case)
    if rules.annual_value_max is not None:
        yield _annual(rules.annual_value_max, rules.tax_year_start, worth, case)
    if rules.new_customer_days is not None:
        yield _new_customer(rules.new_customer_days, case)
    yield from _profile_rules(terms, case, who)
    if case.document.budgets:
        yield _budgets(worth, case)


def _said(rule: str, is_passed: bool, why: str) -> Passed:
    return passes(rule) if is_passed else Passed(rule, "FAIL", why)


def _recipient(case: RewardCase, who: str) -> Passed:
    person = case.recipient
    if person is None:
        return Passed("recipient_may_be_rewarded", "FAIL", f"the {who} was deleted")
    is_blocked = person.block is not None and person.block.type != "NONE"
    return _said("recipient_may_be_rewarded", not is_blocked, f"the {who} is blocked")


def _event_value(least: str | None, most: str | None, case: RewardCase) -> Passed:
    rule = "event_value"
    currency = case.step.currency
    if case.amount is None or currency is None:
        return Passed(rule, "FAIL", "the event has no value, and the reward asks for one")
    low, high = read_value(least, currency), read_value(most, currency)
    if low is not None and case.amount < low:
        return Passed(rule, "FAIL", f"the event is worth less than {least} {currency}")
    if high is not None and case.amount > high:
        return Passed(rule, "FAIL", f"the event is worth more than {most} {currency}")
    return Passed(rule, "PASS")


def _once(terms: RewardTerms, case: RewardCase) -> Passed:
    """`once: relationship` and `once: event` need no rule: that a reward stands already is seen from the reward itself."""
    given = sum(each.count for each in case.earned if (each.name, each.program) == (terms.name, case.document.program))
    return _said("once_per_person", given <= 0, "this person got this reward before")


def _reverse(case: RewardCase) -> Passed:
    """Whether the advocate was referred by the friend before: then the two were a referral already, the other way round."""
    touches = case.advocate_journey.touches if case.advocate_journey is not None else ()
    reverse = any(touch.advocate_id == case.journey.profile_id and touch.program == case.document.program for touch in touches)
    return _said("not_reversed", not reverse, "the friend referred the advocate before")


def _nth(nth: int | None, milestones: Sequence[int], total: int) -> Passed:
    """Enough outcomes for the first bonus. Which bonuses are due, and were not given yet, is seen from the rewards themselves."""
    least = min([number for number in (nth, *milestones) if number is not None])
    return _said("nth", total >= least, f"the advocate has {total} outcomes that count; the bonus begins with {least}")


def _limits(terms: RewardTerms, case: RewardCase) -> Passed:
    for limit in terms.rules.limits:
        since, when = _since(limit, case.now)
        count = sum(each.count for each in case.earned if each.day >= since and _counts_for(limit, each, terms, case))
        if count >= limit.count:
            what = {"reward": "these rewards", "program": "the program's rewards", "account": "all rewards"}[limit.scope]
            return Passed("limit", "FAIL", f"the recipient has {count} of {what}, and may have {limit.count} {when}")
    return Passed("limit", "PASS")


def _since(limit: Limit, now: Millis) -> tuple[int, str]:
    """The first day a limit counts, the later one of those it names, and in words when."""
    days, words = [0], []
    if limit.days is not None:
        days.append(now // DAY_MS - limit.days + 1)
        words.append(f"in {limit.days} days")
    if limit.since_month is not None:
        days.append(_year_began(f"{limit.since_month:02}-01", now))
        words.append(f"since the first of month {limit.since_month}")
    return max(days), " and ".join(words) or "ever"


def _counts_for(limit: Limit, earning: Earning, terms: RewardTerms, case: RewardCase) -> bool:
    if limit.scope == "account":
        return True
    return earning.program == case.document.program and (limit.scope == "program" or earning.name == terms.name)


def _annual(most: str, start: str, worth: tuple[int, str] | None, case: RewardCase) -> Passed:
    rule = "annual_value"
    if worth is None:
        return Passed(rule, "UNKNOWN", "what the reward is worth cannot be told")
    value, unit = worth
    since = _year_began(start, case.now)
    total = sum(earning.value for earning in case.earned if earning.unit == unit and earning.day >= since)
    bound = read_value(most, unit)
    return _said(rule, bound is None or total + value <= bound, f"the recipient would get more than {most} {unit} in the year")


def _year_began(start: str, now: Millis) -> int:
    """The day of the latest `start` (MM-DD) up to a time; a 29th of February is the 1st of March where there is none."""
    today = datetime.fromtimestamp(now // 1000, UTC)
    month, _, day = start.partition("-")
    begins = [_date(today.year - back, int(month), int(day)) for back in (0, 1)]
    began = begins[0] if begins[0] <= today else begins[1]
    return int(began.timestamp()) * 1000 // DAY_MS


def _date(year: int, month: int, day: int) -> datetime:
    try:
        return datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return datetime(year, month + 1, 1, tzinfo=UTC)


def _new_customer(days: int, case: RewardCase) -> Passed:
    rule = "new_customer"
    at = case.step.at
    outcomes = {name.casefold() for name in case.document.events.outcome}
    bought = [step for step in case.journey.steps if step.name.casefold() in outcomes and not is_undone(step, case.journey)]
    is_new = not any(at - days * DAY_MS <= step.at < at for step in bought)
    return _said(rule, is_new, f"the friend bought before, in the last {days} days")


def _profile_rules(terms: RewardTerms, case: RewardCase, who: str) -> Iterator[Passed]:
    rules = terms.rules
    if rules.member_of or rules.not_member_of:
        yield _membership(rules.member_of, rules.not_member_of, case.recipient, who)
    for check in rules.checks:
        yield _check("check", check, case.recipient, case)
    for check in rules.other_checks:
        yield _check("other_check", check, case.other, case)
    by_friend, by_advocate = (case.journey, "friend"), (case.advocate_journey, "advocate")
    own, other = (by_advocate, by_friend) if terms.to == "advocate" else ((case.journey, who), by_advocate)
    if rules.has_done or rules.has_not_done:
        yield _done("has_done", rules.has_done, rules.has_not_done, case, *own)
    if rules.other_has_done or rules.other_has_not_done:
        yield _done("other_has_done", rules.other_has_done, rules.other_has_not_done, case, *other)


def _membership(wanted: Sequence[str], unwanted: Sequence[str], person: Profile | None, who: str) -> Passed:
    rule = "membership"
    inside = {name for name, member in person.audiences.items() if member.is_member} if person is not None else set()
    if wanted and not inside.intersection(wanted):
        return Passed(rule, "FAIL", f"the {who} is in none of the audiences {', '.join(wanted)}")
    held = [name for name in unwanted if name in inside]
    return _said(rule, not held, f"the {who} is in the audience {', '.join(held)}")


def _check(rule: str, check: Check, person: Profile | None, case: RewardCase) -> Passed:
    value: Any = _MISSING
    if check.on == "event":
        if case.properties is None:
            return Passed(rule, "UNKNOWN", f"the event's properties are not known, so neither is {check.name}")
        value = case.properties.get(check.name, _MISSING)
    elif person is None:
        return Passed(rule, "UNKNOWN", f"the person's {check.name} is not known")
    else:
        said = person.parameters.get(check.name)
        value = said.value if said is not None else _MISSING
    is_true = _compare(check, _text(value))
    return _said(rule, is_true, f"{check.name} is not as asked: {check.is_.replace('_', ' ')} {check.value}".rstrip())


def _text(value: Any) -> str:
    """A value to compare: as JSON would write it, a text without its quotes, nothing for nothing."""
    if value is _MISSING or value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:TEXT_CHARS_MAX]


def _compare(check: Check, text: str) -> bool:
    way, wanted = check.is_, check.value
    is_negated = way.startswith("not_")
    match way.removeprefix("not_"):
        case "equals":
            is_true = text == wanted
        case "blank":
            is_true = not text.strip()
        case "contains":
            is_true = wanted in text
        case "at_least" | "at_most":
            number, bound = _number(text), _number(wanted)
            return number is not None and bound is not None and (number >= bound if way == "at_least" else number <= bound)
        case _:
            found = finds(wanted, text)
            if found is None:
                return False
            is_true = found
    return is_true != is_negated


def _number(text: str) -> Decimal | None:
    try:
        exact = Decimal(text.strip())
    except InvalidOperation:
        return None
    return exact if exact.is_finite() else None


def _done(
    rule: str, wanted: Sequence[str | Done], unwanted: Sequence[str | Done], case: RewardCase, journey: Journey | None, who: str
) -> Passed:
    """What one side of the referral did before this event."""
    if journey is None:
        return Passed(rule, "UNKNOWN", f"nothing is known of what the {who} did")
    missing = not_done(wanted, journey, case.step, case.campaigns)
    if missing:
        return Passed(rule, "FAIL", f"the {who} has not done: {', '.join(missing)}")
    names = [as_done(each).event for each in unwanted]
    absent = not_done(unwanted, journey, case.step, case.campaigns)
    done = [name for name in names if name not in absent]
    return _said(rule, not done, f"the {who} has done: {', '.join(done)}")


def _budgets(worth: tuple[int, str] | None, case: RewardCase) -> Passed:
    """Whether the campaign can still afford it in every budget's period. A budget of another unit has no say."""
    value, unit = worth if worth is not None else (0, "")
    for budget in case.document.budgets:
        if budget.unit and budget.unit != unit:
            continue
        since = period_start(budget.period, case.now)
        units = {budget.unit or each for name, each in case.spent if name == case.document.campaign}
        days = [amounts for each in units for day, amounts in case.spent.get((case.document.campaign, each), {}).items() if day >= since]
        period = "in total" if budget.period == "total" else f"a {budget.period}"
        if budget.count_max is not None and sum(count for count, _ in days) >= budget.count_max:
            return Passed("budget", "FAIL", f"the campaign's budget is used up: {budget.count_max} rewards {period}")
        most = read_value(budget.value_max, budget.unit)
        if most is not None and sum(spent for _, spent in days) + value > most:
            return Passed("budget", "FAIL", f"the campaign's budget is used up: {budget.value_max} {budget.unit} {period}")
    return Passed("budget", "PASS")


def period_start(period: Literal["total", "month", "week", "day"], now: Millis) -> int:
    """The day a budget's period began, UTC; weeks begin on Monday."""
    day = now // DAY_MS
    if period == "total":
        return 0
    if period == "day":
        return day
    today = datetime.fromtimestamp(now // 1000, UTC)
    return day - today.weekday() if period == "week" else day - today.day + 1
