"""Quality rules: each cheat of the catalogue that a rule is to catch, by its number, and the honest person who looks like it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from goodword.core.profile import Change, IdentityKey, Member, Parameter, Profile, ProfileId
from goodword.core.quality import Quality, Reference
from goodword.core.referral import Cancellation, Case, Counts, Evidence, Journey, Party, Step, Touch
from goodword.core.reward import Passed
from goodword.core.rulebook import PERSONAL, RULES, STICKY, judge_quality

NOW = 1_800_000_000_123
SECOND, MINUTE, DAY = 1000, 60_000, 24 * 3_600_000
BROWSER = Evidence("ip-f", "net-f", "agent-f", "DE", "jane.blog.example/cake", "dev-f")
FRIEND, ADVOCATE, RIVAL = ProfileId(1), ProfileId(2), ProfileId(3)


def person(number: int, email: str | None, *keys: str, **more: Any) -> Profile:
    owned = [*keys, *([f"e{email}"] if email else [])]
    return Profile(ProfileId(number), NOW - 400 * DAY, tuple(IdentityKey(key) for key in owned), **more)


def changed(part: Any, **fields: Any) -> Any:
    """A part of a case with other fields."""
    if not isinstance(part, Party):
        return replace(part, **fields)
    return Party(
        **{
            "profile": part.profile,
            "sightings": part.sightings,
            "barred_at": part.barred_at,
            "device_barred_at": part.device_barred_at,
            **fields,
        }
    )


def case(**changes: Any) -> Case:
    """An honest friend: came by a click a week ago, bought now, said by a server. Names of parts may be given whole, or parts of them
    as `touch_...`, `step_...`, `friend_...`."""
    touch = Touch(NOW - 7 * DAY, "SHARE_ID", "click-0001", ADVOCATE, "p", "c", NOW - 7 * DAY, evidence=BROWSER)
    step = Step(10, "m", "conversion", NOW, NOW, False, 4_999, "USD", "o-1")
    friend = Party(person(1, "fay.moss@mail.example", "u1", "adev-1"), ((NOW - 7 * DAY, BROWSER),))
    advocate = Party(
        person(2, "adam.ray@post.example", "u2", "adev-2"), ((NOW - 9 * DAY, Evidence("ip-a", "net-a", "agent-a", device="dev-a")),)
    )
    parts: dict[str, Any] = {"touch": touch, "step": step, "friend": friend, "advocate": advocate}
    for name in list(changes):
        part, _, field = name.partition("_")
        if field and part in parts:
            parts[part] = changed(parts[part], **{field: changes.pop(name)})
    parts |= {name: changes.pop(name) for name in list(changes) if name in parts}
    journey = changes.pop("journey", Journey(FRIEND, (parts["touch"],), (parts["step"],)))
    kind, counts, ancestors = changes.pop("kind", "outcome"), changes.pop("counts", Counts()), changes.pop("ancestors", ())
    return Case(
        parts["step"],
        kind,
        parts["touch"],
        parts["friend"],
        parts["advocate"],
        journey,
        counts,
        ancestors,
        changes.pop("now", NOW),
        **changes,
    )


def verdict(rule: str, found: Case, reference: Reference | None = None, **terms: Any) -> Passed | None:
    """What one rule says, under default parameters but for `terms`."""
    plain = isinstance(getattr(Quality(), rule), str)
    document: dict[str, Any] = {rule: terms["action"] if plain else terms} if terms else {}
    said = judge_quality(msgspec.convert(document, Quality), found, reference or Reference())
    return next((each for each in said if each.rule == rule), None)


def result(rule: str, found: Case, reference: Reference | None = None, **terms: Any) -> str:
    said = verdict(rule, found, reference, **terms)
    assert said is not None
    assert said.why or said.result == "PASS"
    assert not any(name in said.why for name in ("fay", "adam", "@", "u1", "dev-"))
    return said.result


def with_email(side: str, email: str | None) -> dict[str, Any]:
    number = 1 if side == "friend" else 2
    return {f"{side}_profile": person(number, email, f"u{number}", f"adev-{number}")}


# -- all of them -----------------------------------------------------------------------------------------------------


def test_an_honest_friend_passes_every_rule() -> None:
    said = judge_quality(Quality(), case(), Reference(frozenset(("mailinator.com",))))
    assert [each for each in said if each.result not in ("PASS", "UNKNOWN")] == []
    assert [each.rule for each in said if each.result == "UNKNOWN"] == ["too_quick"]
    assert len({each.rule for each in said}) == len(said) >= 25


def test_what_only_a_server_knows_is_unknown_and_fails_nothing() -> None:
    """A conversion said by a server, for a friend named by a code: no address, no device, no e-mail."""
    touch = Touch(NOW, "ADVOCATE_CODE", "ADVOCATE_CODE m", ADVOCATE, "p", "c", NOW, step="m")
    found = case(touch=touch, friend=Party(person(1, None, "u1")), advocate=Party(person(2, None, "u2")), step_amount=None)
    said = {each.rule: each.result for each in judge_quality(Quality(), found, Reference())}
    assert set(said.values()) == {"PASS", "UNKNOWN"}
    assert {rule for rule, each in said.items() if each == "UNKNOWN"} == {
        "valid_email", "blocked_email_domains", "blocked_countries", "self_referral_email", "self_referral_similar_email",
        "self_referral_device", "self_referral_ip", "similar_friends", "referring_sites", "ad_clicks", "bot_clicks", "cookie_stuffing",
        "too_quick", "event_value",
    }  # fmt: skip


def test_an_advocate_deleted_since_is_unknown() -> None:
    said = {each.rule: each.result for each in judge_quality(Quality(), case(advocate=None), Reference())}
    assert "FAIL" not in said.values()
    for rule in ("self_referral_email", "self_referral_similar_email", "self_referral_device", "self_referral_ip"):
        assert said[rule] == "UNKNOWN"


def test_a_rule_that_is_off_says_nothing() -> None:
    off: dict[str, Any] = {
        name: "off" if isinstance(value, str) else {"action": "allow" if name == "browser_outcomes" else "off"}
        for name, value in msgspec.structs.asdict(Quality()).items()
    }
    assert judge_quality(msgspec.convert(off, Quality), case(), Reference()) == ()


def test_rules_are_named_after_their_parameters() -> None:
    names = [rule.__name__ for rule in RULES]
    assert set(names) <= set(Quality.__struct_fields__)
    assert set(names) >= STICKY | PERSONAL
    assert all(rule.__doc__ for rule in RULES)


@pytest.mark.parametrize(
    "document",
    [
        {"lookback": {"days": -1}},
        {"too_quick": {"outcome_seconds": -5}},
        {"blocked_countries": {"countries": ["Germany"]}},
        {"event_value": {"max": "lots"}},
        {"advocate_outcomes": {"count": 0}},
        {"self_referral_email": "maybe"},
        {"self_referal_email": "off"},
        {"referring_sites": {"share": 2}},
    ],
)
def test_impossible_parameters_are_refused_by_their_path(document: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, Quality)


# -- cheats 1 to 4: refers himself -----------------------------------------------------------------------------------


def test_cheat_1_the_same_email_is_refused() -> None:
    assert result("self_referral_email", case(**with_email("friend", "adam.ray@post.example"))) == "FAIL"
    assert result("self_referral_email", case(advocate_profile=person(1, None, "u1"))) == "FAIL"
    assert result("self_referral_email", case(**with_email("friend", "adam.ray@post.example")), action="review") == "REVIEW"


def test_cheat_2_plus_dots_and_case_reach_the_same_mailbox() -> None:
    advocate = with_email("advocate", "joe@gmail.com")
    assert result("self_referral_email", case(**advocate, **with_email("friend", "jo.e+1@gmail.com"))) == "FAIL"
    assert result("self_referral_email", case(**advocate, **with_email("friend", "j.oe@googlemail.com"))) == "FAIL"


def test_cheat_2_numbers_and_lookalikes_are_looked_at_and_father_and_son_are_paid() -> None:
    advocate = with_email("advocate", "joe@mail.example")
    for email in ("joe2@mail.example", "j.oe@mail.example", "jоe@mail.example", "j0e@mail.example"):
        assert result("self_referral_similar_email", case(**advocate, **with_email("friend", email))) == "REVIEW"
    father, son = with_email("advocate", "j.smith@mail.example"), with_email("friend", "jane.smith@mail.example")
    assert result("self_referral_similar_email", case(**father, **son)) == "PASS"
    assert result("self_referral_email", case(**father, **son)) == "PASS"


def test_cheat_3_the_same_browser_waits_for_a_person_as_does_a_couple_on_one_tablet() -> None:
    moved = person(2, "adam.ray@post.example", "u2", changes=(Change("device_moved", NOW - DAY, "adev-1", 1),))
    assert result("self_referral_device", case(advocate_profile=moved)) == "REVIEW"
    seen = ((NOW - DAY, Evidence("ip-a", "", "agent-a", device="dev-f")),)
    assert result("self_referral_device", case(advocate_sightings=seen)) == "REVIEW"
    assert result("self_referral_device", case()) == "PASS"
    nothing = Party(person(2, "adam.ray@post.example", "u2"))
    assert result("self_referral_device", case(advocate=nothing)) == "UNKNOWN"
    only_seen = Party(person(2, "adam.ray@post.example", "u2"), ((NOW, Evidence(device="dev-a")),))
    assert result("self_referral_device", case(advocate=only_seen)) == "PASS"


def test_cheat_4_the_same_address_and_browser_within_minutes_is_looked_at() -> None:
    click = NOW - 7 * DAY
    same = ((click - 10 * MINUTE, replace(BROWSER, device="dev-a")),)
    assert result("self_referral_ip", case(advocate_sightings=same)) == "REVIEW"
    assert result("self_referral_ip", case(advocate_sightings=same), action="refuse") == "FAIL"


def test_cheat_4_an_office_a_campus_and_a_mobile_carrier_are_paid() -> None:
    click = NOW - 7 * DAY
    colleague = ((click - 10 * MINUTE, replace(BROWSER, agent="agent-x", device="dev-a")),)
    assert result("self_referral_ip", case(advocate_sightings=colleague)) == "PASS"
    next_day = ((click - DAY, replace(BROWSER, device="dev-a")),)
    assert result("self_referral_ip", case(advocate_sightings=next_day)) == "PASS"
    same = ((click - 10 * MINUTE, replace(BROWSER, device="dev-a")),)
    assert result("self_referral_ip", case(advocate_sightings=same, counts=Counts(browsers_by_ip=4))) == "PASS"


# -- cheat 5: throw-away mailboxes -----------------------------------------------------------------------------------


def test_cheat_5_a_disposable_mailbox_is_refused_and_an_unknown_company_paid() -> None:
    reference = Reference(frozenset(("mailinator.com",)), frozenset(("blocked.example",)), frozenset(("good.blocked.example",)))
    assert result("blocked_email_domains", case(**with_email("friend", "x@mailinator.com")), reference) == "FAIL"
    assert result("blocked_email_domains", case(**with_email("friend", "x@eu.mailinator.com")), reference) == "FAIL"
    assert result("blocked_email_domains", case(**with_email("advocate", "x@mailinator.com")), reference) == "FAIL"
    assert result("blocked_email_domains", case(**with_email("friend", "x@tools-and-sons.example")), reference) == "PASS"
    assert result("blocked_email_domains", case(**with_email("friend", "x@mailinator.com")), reference, disposable=False) == "PASS"
    assert (
        result("blocked_email_domains", case(**with_email("friend", "x@mailinator.com")), reference, allowed=["mailinator.com"]) == "PASS"
    )
    assert result("blocked_email_domains", case(**with_email("friend", "x@other.example")), reference, domains=["other.example"]) == "FAIL"
    assert result("blocked_email_domains", case(**with_email("friend", "x@blocked.example")), reference) == "FAIL"
    assert result("blocked_email_domains", case(**with_email("friend", "x@good.blocked.example")), reference) == "PASS"
    white = replace(reference, listed_emails={"x@mailinator.com": "WHITE"})
    assert result("blocked_email_domains", case(**with_email("friend", "x+1@mailinator.com")), white) == "PASS"


def test_an_email_that_can_be_nobodys_is_refused() -> None:
    assert result("valid_email", case(**with_email("friend", "jo..e@mail.example"))) == "FAIL"
    assert result("valid_email", case()) == "PASS"


# -- cheats 6, 7, 23, 28: customers, disputes, returners -------------------------------------------------------------


def bought(days_before: float, name: str = "Conversion", key: str = "o-0") -> Step:
    at = NOW - 7 * DAY - int(days_before * DAY)
    return Step(3, "m0", name, at, at, False, 1_000, "USD", key)


def with_history(*steps: Step, touches: tuple[Touch, ...] = (), cancellations: tuple[Cancellation, ...] = ()) -> Case:
    found = case()
    journey = Journey(FRIEND, (*touches, found.touch), (*steps, found.step), cancellations=cancellations)
    return replace(found, journey=journey)


def test_cheat_6_a_customer_of_late_is_refused_and_one_of_three_years_ago_paid() -> None:
    assert result("existing_customer", with_history(bought(30))) == "FAIL"
    assert result("existing_customer", with_history(bought(3 * 365))) == "PASS"
    assert result("existing_customer", with_history(bought(30)), days=10) == "PASS"
    assert result("existing_customer", with_history(bought(30, "newsletter"))) == "PASS"
    assert result("existing_customer", with_history(bought(-3))) == "PASS", "bought since the referral"


def test_cheat_6_a_purchase_taken_back_made_nobody_a_customer() -> None:
    undone = with_history(bought(30), cancellations=(Cancellation("x", "o-0", NOW - 20 * DAY),))
    assert result("existing_customer", undone) == "PASS"
    partly = with_history(bought(30), cancellations=(Cancellation("x", "o-0", NOW - 20 * DAY, 100),))
    assert result("existing_customer", partly) == "FAIL"
    assert result("existing_customer", with_history(bought(30, key=""))) == "FAIL"


def test_cheat_6_a_friend_that_the_same_advocate_brought_before_is_no_existing_customer() -> None:
    earlier = Touch(NOW - 60 * DAY, "SHARE_ID", "click-0000", ADVOCATE, "p", "c", NOW - 60 * DAY)
    assert result("existing_customer", with_history(bought(30), touches=(earlier,))) == "PASS"
    assert result("existing_customer", with_history(bought(30), touches=(replace(earlier, advocate_id=RIVAL),))) == "FAIL"


def test_cheat_6_the_brands_own_list_of_customers_counts_as_of_the_referral() -> None:
    def listed(since: int, is_member: bool = True) -> Case:
        member = Member(is_member, since, 0, since)
        return case(friend_profile=person(1, "fay.moss@mail.example", "u1", audiences={"existing_customers": member}))

    assert result("existing_customer", listed(NOW - 30 * DAY)) == "FAIL"
    assert result("existing_customer", listed(NOW - DAY)) == "PASS", "the brand put them there after they bought"
    assert result("existing_customer", listed(NOW - 30 * DAY, False)) == "PASS"
    assert result("existing_customer", listed(NOW - 30 * DAY), audiences=["vip"]) == "PASS"


def test_customers_only_is_the_other_way_round() -> None:
    assert verdict("customers_only", case()) is None
    assert result("customers_only", case(), action="refuse") == "FAIL"
    assert result("customers_only", with_history(bought(30)), action="refuse") == "PASS"


@pytest.mark.parametrize("side", ["friend", "advocate"])
def test_cheats_7_and_28_a_disputed_email_waits_for_a_person(side: str) -> None:
    conflict = Change("conflict", NOW - DAY, "evictim@mail.example", 99)
    said = {"email": Parameter("victim@mail.example", 1, 0, "PUBLIC", 1)}
    number = 1 if side == "friend" else 2
    disputed = person(number, "own@mail.example", f"u{number}", changes=(conflict,), parameters=said)
    assert result("disputed_identity", case(**{f"{side}_profile": disputed})) == "REVIEW"
    silent = person(number, None, f"u{number}", changes=(conflict,))
    assert result("disputed_identity", case(**{f"{side}_profile": silent})) == "REVIEW"
    other_key = person(number, None, f"u{number}", changes=(replace(conflict, key="uother"),), parameters=said)
    assert result("disputed_identity", case(**{f"{side}_profile": other_key})) == "REVIEW"


def test_cheats_7_and_28_a_typing_mistake_that_was_mended_and_a_changed_address_are_paid() -> None:
    conflict = Change("conflict", NOW - 2 * DAY, "evictim@mail.example", 99)
    mended = {"email": Parameter("fay@mail.example", 2, 0, "PUBLIC", 1)}
    said = person(1, "fay@mail.example", "u1", changes=(conflict,), parameters=mended)
    assert result("disputed_identity", case(friend_profile=said)) == "PASS"
    added = person(1, "fay@mail.example", "u1", changes=(conflict, Change("email_added", NOW - DAY, "efay@mail.example")))
    assert result("disputed_identity", case(friend_profile=added)) == "PASS"
    changed = person(1, "new@mail.example", "u1", changes=(Change("email_added", NOW - DAY, "enew@mail.example"),))
    assert result("disputed_identity", case(friend_profile=changed)) == "PASS"


def test_cheat_23_deleted_and_back_is_refused_and_a_fresh_start_long_after_paid() -> None:
    assert result("returned_after_deletion", case(friend_barred_at=NOW - 30 * DAY)) == "FAIL"
    assert result("returned_after_deletion", case(friend_barred_at=NOW - 300 * DAY)) == "PASS"
    assert result("returned_after_deletion", case()) == "PASS"
    nobody = Touch(0, "SHARE_ID", "", ProfileId(0), "", "", 0)
    assert result("returned_after_deletion", case(touch=nobody, friend_barred_at=NOW - 300 * DAY)) == "PASS"


def test_cheat_23_back_with_other_ids_on_the_device_of_somebody_deleted_is_looked_at() -> None:
    assert result("returned_after_deletion", case(friend_device_barred_at=NOW - 30 * DAY)) == "REVIEW"
    assert result("returned_after_deletion", case(friend_device_barred_at=NOW - 300 * DAY)) == "PASS"
    assert result("returned_after_deletion", case(friend_barred_at=NOW - 30 * DAY, friend_device_barred_at=NOW - 20 * DAY)) == "FAIL"


# -- cheat 10, 11: what browsers say ---------------------------------------------------------------------------------


def test_cheat_10_what_a_browser_says_waits_and_then_is_looked_at_where_servers_confirm() -> None:
    said = case(step_from_browser=True)
    waiting = verdict("browser_outcomes", said)
    assert waiting is not None
    assert (waiting.result, waiting.until) == ("WAIT", NOW + 7 * DAY)
    later = replace(said, now=NOW + 7 * DAY)
    assert result("browser_outcomes", later) == "PASS", "a shop that only tracks in the browser"
    assert result("browser_outcomes", replace(later, servers_since=NOW + 7 * DAY)) == "REVIEW"
    assert result("browser_outcomes", replace(later, servers_since=NOW + 7 * DAY + 1)) == "PASS", (
        "it had waited when a server first said one"
    )
    assert result("browser_outcomes", replace(said, servers_since=NOW)) == "WAIT"
    assert result("browser_outcomes", said, action="refuse") == "FAIL"
    assert result("browser_outcomes", said, action="review") == "REVIEW"
    assert result("browser_outcomes", case()) == "PASS"


def test_cheat_10_a_backdated_claim_waits_from_its_receipt() -> None:
    waiting = verdict("browser_outcomes", case(step_from_browser=True, step_at=NOW - 6 * DAY))
    assert waiting is not None
    assert waiting.until == NOW + 7 * DAY


def test_sign_ups_said_by_a_browser_are_not_held_unless_asked() -> None:
    said = case(step_from_browser=True, kind="sign_up")
    assert verdict("browser_outcomes", said) is None
    assert result("browser_outcomes", said, sign_ups=True) == "WAIT"
    assert result("browser_outcomes", replace(said, kind="action")) == "WAIT"


def test_cheat_11_a_value_past_belief_is_looked_at_and_a_large_honest_order_paid() -> None:
    assert result("event_value", case(step_from_browser=True, step_amount=1_000_001)) == "REVIEW"
    assert result("event_value", case(step_from_browser=True, step_amount=999_999)) == "PASS"
    assert result("event_value", case(step_amount=20_000_00)) == "PASS", "a server said it"
    assert result("event_value", case(step_amount=1_000_000_01)) == "REVIEW"
    assert result("event_value", case(step_from_browser=True, step_amount=900_000, step_currency="JPY")) == "PASS"
    assert result("event_value", case(step_from_browser=True, step_amount=1_000_001, step_currency="JPY")) == "REVIEW"
    assert result("event_value", case(step_from_browser=True, step_amount=20_000_000, step_currency=None)) == "REVIEW"
    assert result("event_value", case(step_amount=None)) == "UNKNOWN"


def test_cheat_11_a_value_rewritten_in_the_browser_is_looked_at_when_the_server_says_less() -> None:
    assert result("event_value", case(step_amount=9_900, step_server_amount=2_000)) == "REVIEW"
    assert result("event_value", case(step_amount=2_380, step_server_amount=2_000)) == "PASS", "tax and shipping"


# -- cheats 13, 14, 19: how much, and in circles ---------------------------------------------------------------------


def test_cheat_13_ten_friends_on_launch_day_are_paid_and_a_hundred_looked_at() -> None:
    assert result("advocate_outcomes", case(counts=Counts({1: 10}))) == "PASS"
    assert result("advocate_outcomes", case(counts=Counts({1: 99}))) == "PASS"
    assert result("advocate_outcomes", case(counts=Counts({1: 100}))) == "REVIEW"
    assert result("advocate_outcomes", case(counts=Counts({7: 3})), count=3, days=7, action="refuse") == "FAIL"
    assert verdict("advocate_outcomes", case(kind="sign_up")) is None


def test_cheat_14_mutual_referral_and_rings_are_refused_and_a_friend_who_refers_others_is_paid() -> None:
    assert result("mutual_referral", case(ancestors=(FRIEND,))) == "FAIL"
    assert result("mutual_referral", case(ancestors=(ProfileId(7), ProfileId(8), FRIEND))) == "FAIL"
    merged = person(1, "fay.moss@mail.example", "u1", sources=(ProfileId(44),))
    assert result("mutual_referral", case(friend_profile=merged, ancestors=(ProfileId(44),))) == "FAIL"
    assert result("mutual_referral", case(ancestors=(ProfileId(7),))) == "PASS"
    assert result("mutual_referral", case()) == "PASS"


def test_cheat_19_mass_mailing_is_looked_at_as_is_a_weddings_list() -> None:
    assert result("mass_shares", case(counts=Counts(shares=100))) == "PASS"
    assert result("mass_shares", case(counts=Counts(shares=101))) == "REVIEW"


def test_an_earlier_friend_under_another_address_is_refused_and_numbered_strangers_paid() -> None:
    assert result("similar_friends", case(others=("Fay.Moss+2@mail.example",))) == "FAIL"
    assert result("similar_friends", case(others=("fay-moss@mail.example",))) == "REVIEW"
    assert result("similar_friends", case(others=("fay.moss2@mail.example", "john@mail.example"))) == "PASS"
