"""What is wrong with a campaign's document: each problem has its path and what to do about it, and all are told at once."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodword.core import campaign_schema
from goodword.core.account import COMMERCE_FIELDS, EventMapping, Settings
from goodword.core.campaign import Document
from goodword.core.campaign_check import Known, check, errors
from goodword.core.campaign_diff import Change, diff, written_out
from goodword.core.campaign_schema import Place, Problem, nearest, paths, place, read, resolve, schema
from goodword.core.reward import BUILT_IN, Supplier

GOOD: dict[str, Any] = {
    "campaign": "raf",
    "program": "refer-a-friend",
    "share": {"destination": "https://shop.example/land?x=1#top", "utm": {"utm_source": "goodword"}},
    "schedule": {"start": "2027-01-01", "pause": "2027-02-01", "end": "2027-03-01T00:00:00Z", "stop": "2027-04-01"},
    "events": {"actions": ["reviewed"]},
    "suppliers": [{"id": "mugs", "type": "CUSTOM_REWARD", "face_value": 9.5, "face_value_type": "USD"}],
    "rewards": [
        {"name": "advocate", "to": "advocate", "value": {"amount": 10}},
        {"name": "friend", "to": "friend", "value": {"percent": "5", "unit": "USD", "min": "1", "max": 20}, "supplier": "mugs"},
    ],
    "budgets": [{"unit": "POINTS", "value_max": 1000}],
}


def put(path: str, value: Any, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """The good document with another value at a path."""
    raw = copy.deepcopy(document or GOOD)
    found = place(path)
    assert isinstance(found, Place), found
    holder: Any = raw
    for step, following in zip(found.steps, found.steps[1:], strict=False):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(step, int):
            holder.extend([{}] * (step + 1 - len(holder)))
        elif step not in holder:
            holder[step] = empty
        holder = holder[step]
    last = found.steps[-1]
    if isinstance(last, int) and last == len(holder):
        holder.append(value)
    else:
        holder[last] = value
    return raw


def problems(raw: Any, known: Known | None = None) -> list[Problem]:
    """All problems of a raw document."""
    shaped = read(raw)
    return shaped if isinstance(shaped, list) else check(shaped, known)


def document(raw: Any) -> Document:
    shaped = read(raw)
    assert isinstance(shaped, Document), shaped
    return shaped


def test_a_good_document_has_no_problems() -> None:
    assert problems(GOOD) == []
    assert document(GOOD).rewards[0].value.amount == "10", "numbers may be written where a decimal is meant"
    assert document(GOOD).suppliers[0].face_value == "9.5"


# -- shape -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "path", "said", "fix"),
    [
        ([], "", "must be a group of `name: value` lines, not a list", "Write a group"),
        (None, "", "has no value", "Write a group"),
        ({"program": "x"}, "campaign", "is missing", "Add `campaign:` with text."),
        ({**GOOD, "rewrads": []}, "rewrads", "is not known here", "Did you mean `rewards`?"),
        ({**GOOD, "zzz": 1}, "zzz", "is not known here", "There are attribution, "),
        (dict[Any, Any](GOOD) | {5: 1}, "5", "is no name", "Names are texts."),
        ({**GOOD, "name": 2026}, "name", "must be text, not a whole number", "Put it in quotes."),
        ({**GOOD, "name": [1]}, "name", "must be text, not a list", "Write text here."),
        ({**GOOD, "share": "https://x"}, "share", "must be a group of `name: value` lines, not text", "Write a group"),
        ({**GOOD, "quality": None}, "quality", "has no value", "or leave the line out."),
        (put("share.utm.x", 5), "share.utm.x", "must be text, not a whole number", "Put it in quotes."),
        (put("rewards[0].to", "freind"), "rewards[0].to", "must be one of advocate, friend, participant", "Did you mean `friend`?"),
        (put("rewards[0].to", 7), "rewards[0].to", "must be one of", "Write one of these"),
        (put("rewards[0].to", None), "rewards[0].to", "has no value", "Write one of"),
        (put("rewards[0].value.amount", True), "rewards[0].value.amount", "must be text or a number, not true or false", "quotes"),
        (put("rewards[0].rules.email", "yes"), "rewards[0].rules.email", "must be true or false, not text", "Write true or false here."),
        (put("rewards[0].rules.nth", 2.5), "rewards[0].rules.nth", "must be a whole number, not a number", "Write a whole number here."),
        (put("events.outcome", "conversion"), "events.outcome", "must be a list, not text", "Write a list here."),
        (put("quality.lookback.days", -1), "quality.lookback.days", "must be at least 0 and at most 36500", "Write such a number."),
        (put("quality.referring_sites.share", 0), "quality.referring_sites.share", "must be more than 0 and at most 1", "Write such"),
        (
            put("quality.blocked_countries.countries", ["usa"]),
            "quality.blocked_countries.countries[0]",
            "is not written",
            "match ^[A-Z]{2}$",
        ),
        (put("quality.event_value.max", -5), "quality.event_value.max", "is not written as it should be", "It has to match"),
        (put("events.outcome", [1]), "events.outcome[0]", "must be text", "Put it in quotes."),
    ],
)
def test_what_does_not_fit_the_schema_is_said_with_path_and_fix(raw: Any, path: str, said: str, fix: str) -> None:
    (found,) = problems(raw)
    assert found.path == path
    assert found.problem.startswith(said)
    assert fix in found.fix
    assert found.sentence.startswith(f"{path or 'the document'}: ")


def test_all_that_is_wrong_is_told_at_once() -> None:
    raw = copy.deepcopy(GOOD)
    raw["rewards"][0]["value"]["amuont"] = 1
    raw["name"] = 5
    raw["events"]["outcome"] = "x"
    assert [each.path for each in problems(raw)] == ["events.outcome", "rewards[0].value.amuont", "name"]
    assert len(problems({**GOOD, **{f"x{n}": 1 for n in range(500)}})) == campaign_schema.PROBLEMS_MAX


def test_a_whole_number_is_good_where_a_number_is_wanted() -> None:
    assert document(put("rewards[0].pending_days", 3)).rewards[0].pending_days == 3
    assert document(put("rewards[0].pending_days", 0.5)).rewards[0].pending_days == 0.5
    assert document(put("schedule.start", None)).schedule.start is None


def test_what_the_walk_lets_through_and_the_types_do_not_is_a_problem_too() -> None:
    found = campaign_schema._converted({"campaign": 1})
    assert isinstance(found, list)
    assert found[0].path == ""


def test_the_schema_describes_every_default() -> None:
    said = schema()
    assert said["$id"] == "/campaign-schema.json"
    assert said["$defs"]["Listens"]["properties"]["outcome"]["default"] == ["conversion"]
    assert said["$defs"]["Value"]["properties"]["amount"] == {"type": ["string", "number", "null"], "default": None}
    assert said["$defs"]["Supplier"]["properties"]["face_value"] == {"type": ["string", "number"], "default": ""}
    for name, each in said["$defs"].items():
        if each.get("type") == "object":
            missing = {field for field, kind in each["properties"].items() if "default" not in kind} - set(each["required"])
            assert missing == set(), name
            assert "  " not in each["description"]
    msgspec.json.encode(said)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.sampled_from(["name", "to", "id"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(ANY, st.sampled_from([path for path in paths() if path.count("[") < 2]))
def test_whatever_stands_anywhere_it_is_read_or_refused(value: Any, path: str) -> None:
    for raw in (value, put(path, value)):
        for found in problems(raw):
            assert found.problem
            assert found.fix, found
            found_place = place(found.path) if found.path and found.problem not in ("is not known here", "is no name") else None
            assert not isinstance(found_place, Problem) or "utm" in found.path or "state_transitions" in found.path, found


# -- sense -----------------------------------------------------------------------------------------------------------

WRONG: list[tuple[str, Any, str, str]] = [
    ("campaign", "Refer A Friend!", "campaign", "Write `refer-a-friend`."),
    ("campaign", "!", "campaign", "Write something like"),
    ("program", "x" * 65, "program", "Write `xxx"),
    ("name", "x" * 3000, "name", "Shorten it."),
    ("description", "a\0b", "description", "Shorten it."),
    ("schedule.pause", "soon", "schedule.pause", "Write it like 2027-01-31"),
    ("schedule.pause", "2026-12-01", "schedule.pause", "The order is start, pause, end, stop."),
    ("schedule.stop", "2027-03-01", "schedule.stop", "The order is"),
    ("events.cancel", ["Conversion"], "events.cancel[0]", "Take it out of events.outcome or out of events.cancel."),
    ("events.outcome", ["conversion", "Conversion"], "events.outcome[1]", "Leave it out once"),
    ("events.actions", ["reviewed", " "], "events.actions[1]", "Write 1 to 200"),
    ("events.actions", ["reviewed", *(f"e{n}" for n in range(100))], "events.actions", "Leave some out."),
    ("attribution.window_days", 0, "attribution.window_days", "number in between"),
    ("attribution.window_days", 3, "attribution.late_days", "at most attribution.window_days"),
    ("attribution.late_days", 1000, "attribution.late_days", "number in between"),
    ("attribution.reasons", [], "attribution.reasons", "Name a reason"),
    ("attribution.reasons", ["SHARE_ID", "SHARE_ID"], "attribution.reasons[1]", "Leave it out once."),
    ("quality.permitted_countries.action", "refuse", "quality.permitted_countries.countries", "Name them"),
    ("quality.specified_participant.action", "review", "quality.specified_participant.name", "Name the parameter"),
    ("quality.share_count.min", 2_000, "quality.share_count.min", "Make min the smaller one."),
    ("share.destination", "shop.example/x", "share.destination", "https://"),
    ("share.destination", "javascript:alert(1)", "share.destination", "https://"),
    ("share.destination", "https://u:p@shop.example/", "share.destination", "without a user name"),
    ("share.destination", "https://shop.example/a b", "share.destination", "spaces"),
    ("share.destination", "https://[", "share.destination", "https://"),
    ("share.destination", "https:///x", "share.destination", "a host"),
    ("share.destination", "https://x:99999/", "share.destination", "https://"),
    ("share.image_url", "ftp://x/y.png", "share.image_url", "https://"),
    ("share.message", "x" * 3000, "share.message", "Shorten it."),
    ("share.utm", {"gw": "x"}, "share.utm.gw", "`gw` is the click's"),
    ("share.utm", {"Utm Source": "x"}, "share.utm.Utm Source", "Write a name such as utm_source"),
    ("share.utm", {f"u{n}": "x" for n in range(30)}, "share.utm", "Leave some out."),
    ("share.code_prefix", "jane doe", "share.code_prefix", "Shorten it, or leave it out."),
    ("suppliers[0].id", "points", "suppliers[0].id", "Give it another id"),
    ("suppliers[1]", {"id": "mugs", "type": "POINTS"}, "suppliers[1].id", "Give each its own."),
    ("suppliers[0].type", "STATIC_COUPON", "suppliers[0].code", "Write the code."),
    ("suppliers[0].face_value_type", "EURO", "suppliers[0].face_value_type", "Did you mean `EUR`?"),
    ("suppliers[0].face_value", "1.234", "suppliers[0].face_value", "Round it."),
    ("suppliers[0].limit_per_day", 0, "suppliers[0].limit_per_day", "number in between"),
    ("suppliers[0].overdue_days", 0, "suppliers[0].overdue_days", "number in between"),
    ("suppliers[0].tags", ["gifts", "x" * 101], "suppliers[0].tags[1]", "Shorten it"),
    ("suppliers[0].state_transitions", {"EARNED": ["XXX"]}, "suppliers[0].state_transitions.EARNED", "There are CANCELED"),
    ("rewards[0].name", "For Ann", "rewards[0].name", "Write `for-ann`."),
    ("rewards[1].name", "Advocate", "rewards[1].name", "Give each its own."),
    ("rewards[0].on", "reviewd", "rewards[0].on", "Did you mean `reviewed`? Or add it to events.actions."),
    ("events.outcome", [], "rewards[0].on", "Name an event in events.outcome."),
    ("rewards[0].supplier", "point", "rewards[0].supplier", "Did you mean `points`? Or add it to suppliers."),
    ("suppliers[0].enabled", False, "rewards[1].supplier", "Enable it"),
    ("rewards[0].value", {}, "rewards[0].value", "Write one of the two."),
    ("rewards[0].value", {"amount": 1, "percent": 1, "max": 5}, "rewards[0].value", "Write one of the two."),
    ("rewards[0].value.amount", "ten", "rewards[0].value.amount", "Write it like 10 or 9.99"),
    ("rewards[0].value.amount", -1, "rewards[0].value.amount", "without a sign"),
    ("rewards[0].value.amount", "0", "rewards[0].value.amount", "number in between"),
    ("rewards[0].value.amount", "1" * 29, "rewards[0].value.amount", "number in between"),
    ("rewards[0].value.amount", "9.999", "rewards[0].value.amount", "Round it."),
    ("rewards[0].value.unit", "usd", "rewards[0].value.unit", "Did you mean `USD`?"),
    ("rewards[0].value.unit", "USD", "rewards[0].value.unit", "`supplier: credit` for money"),
    ("rewards[0].supplier", "credit", "rewards[0].value.unit", "Write one such as USD."),
    ("rewards[1].value.unit", "PERCENT_OFF", "rewards[1].value.unit", "Write a currency or POINTS."),
    ("rewards[1].value.percent", "150", "rewards[1].value.percent", "number in between"),
    ("rewards[1].value.min", "30", "rewards[1].value.min", "Make min the smaller one."),
    ("rewards[0].value.max", "30", "rewards[0].value", "They bound a percentage"),
    ("rewards[0].pending_days", 1000, "rewards[0].pending_days", "number in between"),
    ("rewards[0].expires_days", 0, "rewards[0].expires_days", "number in between"),
    ("rewards[0].rules.value_min", "x", "rewards[0].rules.value_min", "Write it like 10"),
    ("rewards[0].rules", {"value_min": 5, "value_max": 1}, "rewards[0].rules.value_min", "Make value_min the smaller one."),
    ("rewards[0].rules.nth", 0, "rewards[0].rules.nth", "number in between"),
    ("rewards[1].rules.nth", 5, "rewards[1].rules.nth", "Write `to: advocate`."),
    ("rewards[1].rules.milestones", [2, 5], "rewards[1].rules.milestones", "Write `to: advocate`."),
    ("rewards[0].rules.milestones", [5, 2], "rewards[0].rules.milestones", "the smallest first"),
    ("rewards[0].rules.milestones", [0], "rewards[0].rules.milestones[0]", "number in between"),
    ("rewards[0].rules.limits", [{"count": 0}], "rewards[0].rules.limits[0].count", "number in between"),
    ("rewards[0].rules.limits", [{"count": 1, "days": 0}], "rewards[0].rules.limits[0].days", "number in between"),
    ("rewards[0].rules.limits", [{"count": 1, "since_month": 13}], "rewards[0].rules.limits[0].since_month", "number in between"),
    ("rewards[0].rules.annual_value_max", "0", "rewards[0].rules.annual_value_max", "number in between"),
    ("rewards[0].rules.tax_year_start", "02-30", "rewards[0].rules.tax_year_start", "such as 04-06"),
    ("rewards[0].rules.tax_year_start", "april", "rewards[0].rules.tax_year_start", "such as 04-06"),
    ("rewards[0].rules.new_customer_days", 0, "rewards[0].rules.new_customer_days", "number in between"),
    ("rewards[0].rules.member_of", [""], "rewards[0].rules.member_of[0]", "Write 1 to 200"),
    ("rewards[0].rules.member_of", ["a", "a"], "rewards[0].rules.member_of[1]", "Leave it out once."),
    ("rewards[0].rules", {"member_of": ["a"], "not_member_of": ["a"]}, "rewards[0].rules.not_member_of[0]", "Take it out of one."),
    ("rewards[0].rules", {"member_of": ["a"], "not_member_of": ["b", ""]}, "rewards[0].rules.not_member_of[1]", "Write 1 to 200"),
    ("rewards[0].rules.checks", [{"name": " ", "is": "blank"}], "rewards[0].rules.checks[0].name", "Write 1 to 200"),
    ("rewards[0].rules.checks", [{"name": "a", "is": "contains"}], "rewards[0].rules.checks[0].value", "Write it."),
    ("rewards[0].rules.other_checks", [{"name": "a", "is": "matches", "value": "("}], "rewards[0].rules.other_checks[0].value", "Mend it"),
    ("rewards[0].rules.has_done", ["signup"], "rewards[0].rules.has_done[0]", "add it to events.actions"),
    ("rewards[0].rules.has_not_done", ["bought"], "rewards[0].rules.has_not_done[0]", "add it to events.actions"),
    ("rewards[0].rules", {"has_done": ["Reviewed"], "has_not_done": ["reviewed"]}, "rewards[0].rules.has_done[0]", "Take it out of one."),
    ("rewards[0].rules.checks", [{"name": "a", "is": "at_most", "value": "few"}], "rewards[0].rules.checks[0].value", "like 20 or 9.99"),
    ("rewards[0].rules.other_has_done", [{"event": "signup"}], "rewards[0].rules.other_has_done[0].event", "add it to events.actions"),
    ("rewards[0].rules.has_done", [{"event": "reviewed", "count_min": -1}], "rewards[0].rules.has_done[0].count_min", "in between"),
    ("rewards[0].rules.has_done", [{"event": "reviewed", "count_max": 0}], "rewards[0].rules.has_done[0].count_max", "the smaller one"),
    ("rewards[0].rules.has_done", [{"event": "reviewed", "days": 0}], "rewards[0].rules.has_done[0].days", "number in between"),
    ("rewards[0].rules.has_done", [{"event": "reviewed", "days": 3, "age_days": 3}], "rewards[0].rules.has_done[0].age_days", "less than"),
    (
        "rewards[0].rules.has_done",
        [{"event": "reviewed", "value_min": "9", "value_max": "1"}],
        "rewards[0].rules.has_done[0].value_min",
        "the smaller one",
    ),
    (
        "rewards[0].rules",
        {"has_done": [{"event": "reviewed", "count_min": 2}], "has_not_done": [{"event": "reviewed", "count_min": 2}]},
        "rewards[0].rules.has_done[0]",
        "Take it out of one.",
    ),
    ("suppliers[0].cash_back_percentage", "0.1", "suppliers[0].cash_back_percentage", "Mend it"),
    ("review", {"auto_approve_days": 91}, "review.auto_approve_days", "number in between"),
    ("budgets[0]", {}, "budgets[0]", "Write value_max (with its unit) or count_max."),
    ("budgets[0]", {"value_max": "5"}, "budgets[0].unit", "Write a currency or POINTS."),
    ("budgets[0]", {"unit": "BITCOIN", "count_max": 5}, "budgets[0].unit", "There are"),
    ("budgets[0].count_max", 0, "budgets[0].count_max", "number in between"),
    ("budgets", [{"count_max": 1}] * 51, "budgets", "Leave some out."),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "where", "fix"), WRONG, ids=[f"{path}={value!r}"[:60] for path, value, *_ in WRONG])
def test_what_makes_no_sense_is_said_with_path_and_fix(path: str, value: Any, where: str, fix: str) -> None:
    found = errors(problems(put(path, value)))
    assert where in {each.path for each in found}, found
    assert any(fix in each.fix for each in found if each.path == where), found


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("rewards[1].value", {"percent": 5, "unit": "USD"}, "rewards[1].value.max"),
        ("share.destination", "https://example.com/", "share.destination"),
        ("rewards", [], "rewards"),
        ("events.outcome", ["subscribed"], "events.outcome"),
        ("rewards[1].rules", {"has_done": ["conversion"]}, "rewards[1].rules.has_done[0]"),
    ],
)
def test_what_is_only_risky_is_a_warning(path: str, value: Any, where: str) -> None:
    found = problems(put(path, value))
    assert [(each.path, each.is_warning) for each in found] == [(where, True)]


@pytest.mark.parametrize(
    "worth", [{"face_value": 5, "face_value_type": "USD"}, {"cash_back_percentage": 0.1, "cash_back_max": 9, "face_value_type": "USD"}]
)
def test_a_reward_may_be_worth_what_its_supplier_says(worth: dict[str, Any]) -> None:
    supplier = {"id": "mugs", "type": "CUSTOM_REWARD", **worth}
    reward = {"name": "friend", "to": "friend", "supplier": "mugs"}
    assert problems({**GOOD, "suppliers": [supplier], "rewards": [reward]}) == []
    (found,) = problems({**GOOD, "suppliers": [{**supplier, "face_value_type": "gold"}], "rewards": []})[:1]
    assert found.path == "suppliers[0].face_value_type"


def test_the_third_purchase_and_no_other_may_be_asked_for() -> None:
    third = {
        "has_done": [{"event": "conversion", "count_min": 2, "count_max": 2}],
        "checks": [{"name": "risk", "is": "at_most", "value": "20"}],
    }
    assert problems(put("rewards[1].rules", third)) == []
    first = {"has_done": [{"event": "conversion", "count_min": 0, "count_max": 3}], "has_not_done": ["conversion"]}
    assert problems(put("rewards[1].rules", first)) == []


def test_a_reward_that_waits_for_itself_is_refused() -> None:
    welcome = {"name": "w", "to": "participant", "on": "sign_up", "value": {"amount": 1}, "rules": {"has_done": ["Registration"]}}
    (found,) = problems({**GOOD, "rewards": [welcome]})
    assert (found.path, found.is_warning) == ("rewards[0].rules.has_done[0]", False)
    assert "waits for itself" in found.problem
    assert problems({**GOOD, "rewards": [{**welcome, "to": "advocate"}]}) == [], "the advocate's own sign-up is another event"


def test_a_reward_of_a_referral_needs_a_page_to_land_on_and_one_of_a_participant_does_not() -> None:
    raw = {name: value for name, value in GOOD.items() if name != "share"}
    (found,) = problems(raw)
    assert found.path == "share.destination"
    assert problems({**raw, "rewards": [{"name": "a", "to": "participant", "value": {"amount": 1}}]}) == []


def test_an_expiry_before_the_pending_days_are_over_is_impossible() -> None:
    raw = put("rewards[0].pending_days", 14)
    (found,) = problems(put("rewards[0].expires_days", 14, raw))
    assert (found.path, found.fix) == ("rewards[0].expires_days", "Make it longer than pending_days.")


def test_an_event_told_apart_by_what_many_have_in_common_is_a_warning() -> None:
    events = {"order": EventMapping("conversion", {"partner_conversion_id": ["plan"]}), "fine": EventMapping("conversion", COMMERCE_FIELDS)}
    (found,) = problems(GOOD, Known(settings=Settings(events={**events, "other": EventMapping("signup", {})})))
    assert (found.path, found.is_warning) == ("events.outcome[0]", True)
    assert "`order` is told apart by `plan`" in found.problem


def test_an_account_s_suppliers_are_known_and_keep_their_type() -> None:
    raw = put("rewards[0].supplier", "pool")
    assert errors(problems(raw)) != []
    known = Known({**BUILT_IN, "pool": Supplier("pool", "COUPON_POOL")})
    assert problems(raw, known) == []
    raw["suppliers"].append({"id": "pool", "type": "STATIC_COUPON", "code": "x"})
    assert [each.path for each in problems(raw, known)] == ["suppliers[1].type"]


def test_errors_come_before_warnings() -> None:
    raw = put("share.destination", "https://example.com/")
    raw["campaign"] = "No Good"
    assert [each.is_warning for each in problems(raw)] == [False, True]


# -- paths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", paths())
def test_every_path_leads_somewhere(path: str) -> None:
    assert isinstance(place(path), Place)


@pytest.mark.parametrize(
    ("path", "fix"),
    [
        ("destination", "Did you mean `share.destination`?"),
        ("rewards[0].value.amout", "Did you mean `rewards[0].value.amount`?"),
        ("shair", "Did you mean `share`?"),
        ("windowdays", "Did you mean `attribution.window_days`?"),
        ("rewards.value", "It is a list: write rewards[0] for its first entry."),
        ("share[0]", "share is no list."),
        ("share.utm.x.y", "There is nothing in it."),
        ("zzzzzz", "There are attribution, "),
        ("budgets[0].x", "There are count_max, period, unit, value_max."),
        ("[0]", "Write it like share.destination"),
        ("", "Write it like share.destination"),
        ("share..x", "Write it like share.destination"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_to_go(path: str, fix: str) -> None:
    found = place(path)
    assert isinstance(found, Problem), found
    assert found.fix.startswith(fix), found


def test_nearest_names_what_there_is() -> None:
    assert nearest("x", ["alpha"]) == "There is alpha."
    assert nearest("x", []) == "Leave it out."
    assert resolve({"type": "string"}) == {"type": "string"}


# -- differences -----------------------------------------------------------------------------------------------------


def test_two_documents_differ_path_by_path_and_a_moved_reward_is_no_change() -> None:
    before = document(GOOD)
    raw = copy.deepcopy(GOOD)
    raw["rewards"].reverse()
    raw["rewards"][1]["value"]["amount"] = 15
    raw["rewards"][1]["rules"] = {"limits": [{"count": 3}]}
    raw["suppliers"][0]["name"] = "Mugs"
    raw["events"]["outcome"] = ["conversion", "renewed"]
    raw["name"] = "Refer"
    del raw["budgets"]
    assert diff(before, document(raw)) == [
        Change("name", "", "Refer"),
        Change("events.outcome", ["conversion"], ["conversion", "renewed"]),
        Change("suppliers[mugs].name", "", "Mugs"),
        Change("rewards[advocate].value.amount", "10", "15"),
        Change("rewards[advocate].rules.limits[0]", None, {"count": 3, "days": None, "since_month": None, "scope": "reward"}),
        Change("budgets[0]", {"unit": "POINTS", "value_max": "1000", "count_max": None, "period": "total"}, None),
    ]
    assert diff(before, before) == []


def test_a_whole_part_that_comes_or_goes_is_one_change() -> None:
    raw = {name: value for name, value in GOOD.items() if name != "share"}
    (gone,) = diff(document(GOOD), document(raw))
    assert (gone.path, gone.after) == ("share", None)
    assert gone.before["utm"] == {"utm_source": "goodword"}
    assert written_out(document(raw))["attribution"]["window_days"] == 365


def test_entries_that_share_a_name_are_told_apart_by_their_place() -> None:
    raw = put("rewards[1].name", "advocate")
    changed = put("rewards[1].value.max", 30, raw)
    assert [each.path for each in diff(document(raw), document(changed))] == ["rewards[1].value.max"]
