"""Each reward rule: when it passes, when it fails and what it says."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from goodword.core.campaign import Budget, Document, Listens
from goodword.core.profile import Block, IdentityKey, Member, Parameter, Profile, ProfileId
from goodword.core.referral import Cancellation, Journey, Standing, Step, Touch
from goodword.core.reward import DAY_MS, Check, Done, Earning, Limit, RewardRules, RewardTerms, Value
from goodword.core.reward_rule import RewardCase, judge_reward, value_of

NOW = 1_800_000_000_000  # 2027-01-15, a Friday
TODAY = NOW // DAY_MS
FRIEND = Profile(ProfileId(1), NOW, keys=(IdentityKey("efriend@example.com"),))
ADVOCATE = Profile(
    ProfileId(2),
    NOW,
    keys=(IdentityKey("eadvocate@example.com"),),
    audiences={"vip": Member(True, NOW, 0, NOW), "left": Member(False, NOW, 0, NOW)},
    parameters={
        "tier": Parameter("gold", NOW, 0, "PUBLIC", NOW),
        "adult": Parameter(True, NOW, 0, "PUBLIC", NOW),
        "age": Parameter(18, NOW, 0, "PUBLIC", NOW),
    },
)
STEP = Step(7, "m7", "conversion", NOW, NOW, False, 5_000, "USD", "o7")


def case(**more: Any) -> RewardCase:
    document = Document("raf", "raf", events=Listens(actions=["trial"]), budgets=more.pop("budgets", []))
    journey = more.pop("journey", Journey(FRIEND.id, steps=(STEP,)))
    said = {"recipient": ADVOCATE, "other": FRIEND, "quality": "HIGH", "amount": 5_000, **more}
    return RewardCase(step=STEP, kind="outcome", journey=journey, document=document, now=NOW, **said)


def terms(to: Any = "advocate", value: Value | None = None, **rules: Any) -> RewardTerms:
    return RewardTerms("bonus", to, value or Value("10"), rules=RewardRules(**rules))


def verdict(rule: str, asked: RewardTerms, about: RewardCase) -> str:
    found = [each for each in judge_reward(asked, about) if each.rule == rule]
    assert len(found) <= 1
    if found and found[0].result == "FAIL":
        assert found[0].why
        assert "@" not in found[0].why
    return found[0].result if found else ""


def earned(count: int, day: int = TODAY, name: str = "bonus", value: int = 1000) -> Earning:
    return Earning(ADVOCATE.id, "raf", "raf", name, "POINTS", day, count, value * count)


CASES: list[tuple[str, RewardTerms, RewardCase, str]] = [
    ("quality_is_high", terms(), case(), "PASS"),
    ("quality_is_high", terms(), case(quality="LOW"), "FAIL"),
    ("recipient_may_be_rewarded", terms(), case(recipient=None), "FAIL"),
    ("recipient_may_be_rewarded", terms(), case(recipient=replace(ADVOCATE, block=Block("REWARDS", "x", NOW))), "FAIL"),
    ("recipient_may_be_rewarded", terms(), case(recipient=replace(ADVOCATE, block=Block("NONE", "", NOW))), "PASS"),
    ("recipient_has_email", terms(), case(recipient=replace(ADVOCATE, keys=())), "FAIL"),
    ("recipient_has_email", terms("participant"), case(), "PASS"),
    ("recipient_has_email", terms(email=False), case(), ""),
    ("has_value", terms(value=Value(percent="5", unit="EUR")), case(), "FAIL"),
    ("event_value", terms(value_min="50"), case(), "PASS"),
    ("event_value", terms(value_min="50.01"), case(), "FAIL"),
    ("event_value", terms(value_max="49.99"), case(), "FAIL"),
    ("event_value", terms(value_min="1"), case(amount=None), "FAIL"),
    ("once_per_person", terms(once="person"), case(), "PASS"),
    ("once_per_person", terms(once="person"), case(earned=[earned(1), earned(1, name="other")]), "FAIL"),
    ("once_per_person", terms(once="person"), case(earned=[earned(1), earned(-1)]), "PASS"),
    (
        "not_reversed",
        terms(),
        case(advocate_journey=Journey(ADVOCATE.id, (Touch(1, "SHARE_ID", "c", FRIEND.id, "raf", "raf", 1),))),
        "FAIL",
    ),
    ("not_reversed", terms(), case(), "PASS"),
    ("not_reversed", terms(allow_reverse=True), case(), ""),
    ("nth", terms(nth=3), case(credited=2), "FAIL"),
    ("nth", terms(nth=3), case(credited=3), "PASS"),
    ("nth", terms(milestones=[5, 2]), case(credited=2), "PASS"),
    ("limit", terms(limits=[Limit(2)]), case(earned=[earned(2, 0)]), "FAIL"),
    ("limit", terms(limits=[Limit(1, 30)]), case(earned=[earned(1, TODAY - 29)]), "FAIL"),
    ("limit", terms(limits=[Limit(1, 30), Limit(9)]), case(earned=[earned(1, TODAY - 30)]), "PASS"),
    ("limit", terms(limits=[Limit(1, since_month=1)]), case(earned=[earned(1, TODAY - 14)]), "FAIL"),
    ("limit", terms(limits=[Limit(1, since_month=1)]), case(earned=[earned(1, TODAY - 15)]), "PASS"),
    ("limit", terms(limits=[Limit(1, since_month=2)]), case(earned=[earned(1, TODAY - 300)]), "FAIL"),
    ("limit", terms(limits=[Limit(1, 3, 1)]), case(earned=[earned(1, TODAY - 4)]), "PASS"),
    ("limit", terms(limits=[Limit(1)]), case(earned=[earned(1, name="other")]), "PASS"),
    ("limit", terms(limits=[Limit(1, scope="program")]), case(earned=[earned(1, name="other")]), "FAIL"),
    ("limit", terms(limits=[Limit(1, scope="program")]), case(earned=[replace(earned(1), program="spring")]), "PASS"),
    ("limit", terms(limits=[Limit(1, scope="account")]), case(earned=[replace(earned(1), program="spring")]), "FAIL"),
    ("annual_value", terms(annual_value_max="600"), case(earned=[earned(59)]), "PASS"),
    ("annual_value", terms(annual_value_max="600"), case(earned=[earned(60)]), "FAIL"),
    ("annual_value", terms(annual_value_max="600"), case(earned=[earned(60, TODAY - 15)]), "PASS"),
    ("annual_value", terms(annual_value_max="600", tax_year_start="02-29"), case(earned=[earned(60, TODAY - 15)]), "FAIL"),
    ("annual_value", terms(annual_value_max="600", value=Value(percent="5", unit="EUR")), case(), "UNKNOWN"),
    ("new_customer", terms(new_customer_days=180), case(), "PASS"),
    ("membership", terms(member_of=["vip"]), case(), "PASS"),
    ("membership", terms(member_of=["left"]), case(), "FAIL"),
    ("membership", terms(not_member_of=["vip"]), case(), "FAIL"),
    ("membership", terms(not_member_of=["vip"]), case(recipient=None), "PASS"),
    ("has_done", terms(has_done=["trial"]), case(), "UNKNOWN"),
    ("budget", terms(), case(budgets=[Budget(count_max=2, period="day")], spent={("raf", "POINTS"): {TODAY: (2, 5)}}), "FAIL"),
    ("budget", terms(), case(budgets=[Budget(count_max=2, period="day")], spent={("raf", "POINTS"): {TODAY - 1: (2, 5)}}), "PASS"),
    ("budget", terms(), case(budgets=[Budget(count_max=2, period="week")], spent={("raf", "USD"): {TODAY - 4: (2, 5)}}), "FAIL"),
    ("budget", terms(), case(budgets=[Budget(count_max=2, period="week")], spent={("raf", "USD"): {TODAY - 5: (2, 5)}}), "PASS"),
    ("budget", terms(), case(budgets=[Budget(count_max=2, period="month")], spent={("raf", "USD"): {TODAY - 14: (2, 5)}}), "FAIL"),
    ("budget", terms(), case(budgets=[Budget(count_max=2, period="month")], spent={("raf", "USD"): {TODAY - 15: (2, 5)}}), "PASS"),
    ("budget", terms(), case(budgets=[Budget(count_max=1)], spent={("other", "USD"): {TODAY: (2, 5)}}), "PASS"),
    ("budget", terms(), case(budgets=[Budget("POINTS", "20")], spent={("raf", "POINTS"): {1: (1, 1000)}}), "PASS"),
    ("budget", terms(), case(budgets=[Budget("POINTS", "20")], spent={("raf", "POINTS"): {1: (1, 1001)}}), "FAIL"),
    ("budget", terms(), case(budgets=[Budget("USD", "0")]), "PASS"),
]


@pytest.mark.parametrize(("rule", "asked", "about", "result"), CASES)
def test_rule(rule: str, asked: RewardTerms, about: RewardCase, result: str) -> None:
    assert verdict(rule, asked, about) == result


@pytest.mark.parametrize(
    ("way", "value", "name", "result"),
    [
        ("equals", "gold", "tier", "PASS"),
        ("equals", "true", "adult", "PASS"),
        ("not_equals", "gold", "tier", "FAIL"),
        ("blank", "", "none", "PASS"),
        ("not_blank", "", "none", "FAIL"),
        ("contains", "ol", "tier", "PASS"),
        ("not_contains", "ol", "tier", "FAIL"),
        ("matches", "^g.*d$", "tier", "PASS"),
        ("not_matches", "^x", "tier", "PASS"),
        ("matches", "(", "tier", "FAIL"),
        ("at_least", "18", "age", "PASS"),
        ("at_least", "18.5", "age", "FAIL"),
        ("at_most", "18", "age", "PASS"),
        ("at_most", "17", "age", "FAIL"),
        ("at_most", "17", "tier", "FAIL"),
        ("at_most", "few", "age", "FAIL"),
        ("at_most", "17", "none", "FAIL"),
    ],
)
def test_checks_of_a_profile(way: Any, value: str, name: str, result: str) -> None:
    assert verdict("check", terms(checks=[Check(name, way, value)]), case()) == result
    assert verdict("other_check", terms("friend", other_checks=[Check(name, way, value)]), case(other=ADVOCATE)) == result


def test_checks_of_what_is_not_known_are_unknown() -> None:
    assert verdict("other_check", terms(other_checks=[Check("tier", "equals", "x")]), case(other=None)) == "UNKNOWN"
    event = terms(checks=[Check("plan", "equals", "pro", on="event")])
    assert verdict("check", event, case()) == "UNKNOWN"
    assert verdict("check", event, case(properties={"plan": "pro"})) == "PASS"
    assert verdict("check", event, case(properties={"plan": None})) == "FAIL"


def test_customer_is_new_until_they_bought_in_the_window() -> None:
    asked = terms(new_customer_days=180)
    before = replace(STEP, arrival=3, at=NOW - 10 * DAY_MS, key="o3")
    journey = Journey(FRIEND.id, steps=(before, STEP))
    assert verdict("new_customer", asked, case(journey=journey)) == "FAIL"
    assert verdict("new_customer", asked, case(journey=replace(journey, cancellations=(Cancellation("c", "o3", NOW),)))) == "PASS"
    partly = replace(journey, cancellations=(Cancellation("c", "o3", NOW, 100),))
    assert verdict("new_customer", asked, case(journey=partly)) == "FAIL"
    long_ago = replace(before, at=NOW - 181 * DAY_MS)
    assert verdict("new_customer", asked, case(journey=Journey(FRIEND.id, steps=(long_ago, STEP)))) == "PASS"


def test_what_the_recipient_did_and_did_not() -> None:
    trial = replace(STEP, arrival=3, name="Trial", at=NOW - 1, key="")
    journey = Journey(FRIEND.id, steps=(trial, STEP))
    assert verdict("has_done", terms("friend", has_done=["trial"]), case(recipient=FRIEND, journey=journey)) == "PASS"
    assert verdict("has_done", terms("friend", has_done=["trial"]), case(recipient=FRIEND)) == "FAIL"
    assert verdict("has_done", terms("friend", has_not_done=["trial"]), case(recipient=FRIEND, journey=journey)) == "FAIL"
    assert verdict("has_done", terms(has_done=["trial"]), case(advocate_journey=Journey(ADVOCATE.id, steps=(trial,)))) == "PASS"


def test_what_the_other_side_did_and_did_not() -> None:
    trial = replace(STEP, arrival=3, name="Trial", at=NOW - 1, key="")
    theirs = Journey(ADVOCATE.id, steps=(trial,))
    assert verdict("other_has_done", terms("friend", other_has_done=["trial"]), case(advocate_journey=theirs)) == "PASS"
    assert verdict("other_has_done", terms("friend", other_has_done=["trial"]), case()) == "UNKNOWN"
    assert verdict("other_has_done", terms(other_has_not_done=["trial"]), case(journey=Journey(FRIEND.id, steps=(trial, STEP)))) == "FAIL"
    assert verdict("other_has_done", terms(other_has_done=["trial"]), case()) == "FAIL"


def _trials(*ages_days: int, **more: Any) -> Journey:
    steps = [replace(STEP, arrival=place, name="trial", at=NOW - age * DAY_MS, key="") for place, age in enumerate(ages_days, 10)]
    return Journey(FRIEND.id, steps=(*steps, STEP), **more)


@pytest.mark.parametrize(
    ("asked", "ages_days", "result"),
    [
        (Done("trial", 2), (1, 2), "PASS"),
        (Done("trial", 2), (1,), "FAIL"),
        (Done("trial", 2, 2), (1, 2, 3), "FAIL"),
        (Done("trial", 0, 1), (), "PASS"),
        (Done("trial", days=7), (6,), "PASS"),
        (Done("trial", days=7), (7,), "FAIL"),
        (Done("trial", age_days=7), (7,), "PASS"),
        (Done("trial", age_days=7), (6,), "FAIL"),
        (Done("trial", value_min="50"), (1,), "PASS"),
        (Done("trial", value_min="50.01"), (1,), "FAIL"),
        (Done("trial", value_max="49"), (1,), "FAIL"),
    ],
)
def test_how_often_when_and_of_what_worth_something_was_done(asked: Done, ages_days: tuple[int, ...], result: str) -> None:
    about = case(recipient=FRIEND, journey=_trials(*ages_days))
    assert verdict("has_done", terms("friend", has_done=[asked]), about) == result
    assert verdict("has_done", terms("friend", has_not_done=[asked]), about) == ("FAIL" if result == "PASS" else "PASS")


def test_what_has_no_value_is_worth_neither_much_nor_little() -> None:
    free = Journey(FRIEND.id, steps=(replace(STEP, arrival=3, name="trial", at=NOW - 1, amount=None), STEP))
    assert verdict("has_done", terms("friend", has_done=[Done("trial", value_max="9")]), case(journey=free)) == "FAIL"


@pytest.mark.parametrize(
    ("asked", "standings", "result"),
    [
        (Done("trial", quality="high"), {}, "FAIL"),
        (Done("trial", quality="high"), {"10 other": Standing(is_good=True)}, "PASS"),
        (Done("trial", quality="high"), {"10 raf": Standing()}, "FAIL"),
        (Done("trial", quality="high"), {"11 raf": Standing(is_good=True)}, "FAIL"),
        (Done("trial", scope="campaign"), {"10 spring": Standing()}, "FAIL"),
        (Done("trial", scope="campaign"), {"10 raf": Standing()}, "PASS"),
        (Done("trial", scope="program"), {"10 spring": Standing()}, "PASS"),
        (Done("trial", scope="program"), {"10 other": Standing()}, "FAIL"),
        (Done("trial", scope="attributed"), {"10 raf": Standing()}, "FAIL"),
        (Done("trial", scope="attributed"), {"10 other": Standing(judged_for=ADVOCATE.id)}, "PASS"),
    ],
)
def test_where_and_how_good_something_was(asked: Done, standings: dict[str, Standing], result: str) -> None:
    about = case(recipient=FRIEND, journey=_trials(1, standings=standings), campaigns=("raf", "spring"))
    assert verdict("has_done", terms("friend", has_done=[asked]), about) == result


@pytest.mark.parametrize(
    ("value", "amount", "currency", "worth"),
    [
        (Value("10"), None, None, (1000, "POINTS")),
        (Value("x"), None, None, None),
        (Value("7.50", "USD"), None, None, (750, "USD")),
        (Value("500", "JPY"), None, None, (500, "JPY")),
        (Value(percent="10", unit="USD"), 9_995, "USD", (1000, "USD")),
        (Value(percent="10", unit="USD"), 9_994, "USD", (999, "USD")),
        (Value(percent="10", unit="USD", min="20", max="50"), 5_000, "USD", (2000, "USD")),
        (Value(percent="10", unit="USD", min="20", max="50"), 100_000, "USD", (5000, "USD")),
        (Value(percent="5", unit="POINTS"), 1_000, "JPY", (5_000, "POINTS")),
        (Value(percent="5", unit="EUR"), 1_000, "USD", None),
        (Value(percent="5", unit="USD"), None, "USD", None),
        (Value(percent="5", unit="USD"), 5, None, None),
        (Value(percent="-5", unit="USD"), 5, "USD", None),
        (Value(percent="x", unit="USD"), 5, "USD", None),
    ],
)
def test_worth_is_exact(value: Value, amount: int | None, currency: str | None, worth: tuple[int, str] | None) -> None:
    assert value_of(RewardTerms("bonus", "advocate", value), amount, currency) == worth
