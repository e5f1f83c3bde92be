"""Quality rules about the click, blocked people, times and countries; and lists that change."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from goodword.core.block import BlockEntry, marks_of
from goodword.core.profile import Block, Parameter, ProfileId
from goodword.core.quality import Reference
from goodword.core.referral import Case, Counts, Evidence, Journey, Touch
from tests.core.test_quality import ADVOCATE, BROWSER, DAY, FRIEND, MINUTE, NOW, RIVAL, SECOND, case, person, result, verdict, with_email

# -- cheats 15 to 18, 20: the click ----------------------------------------------------------------------------------


def clicked(**evidence: Any) -> Case:
    return case(touch_evidence=replace(BROWSER, **evidence))


def test_cheat_15_coupon_sites_are_refused_and_an_influencers_blog_paid() -> None:
    for site in ("retailmenot.com/view/shop", "www.slickdeals.net", "reddit.com/r/referralcodes/x", "best-coupons.example/shop"):
        assert result("referring_sites", clicked(site=site)) == "FAIL"
    blog = Counts(advocate_clicks=900, site_clicks=0)
    assert result("referring_sites", case(counts=blog)) == "PASS"
    assert result("referring_sites", clicked(site="reddit.com/r/cake")) == "PASS"
    assert result("referring_sites", clicked(site="mine.example/x"), sites=["mine.example"]) == "FAIL"
    assert result("referring_sites", clicked(site="slickdeals.net"), allowed=["slickdeals.net"]) == "PASS"


def test_cheat_15_when_most_clicks_come_from_coupon_sites_the_others_are_looked_at() -> None:
    assert (
        result("referring_sites", case(touch_evidence=replace(BROWSER, site=""), counts=Counts(advocate_clicks=30, site_clicks=20)))
        == "REVIEW"
    )
    assert (
        result("referring_sites", case(touch_evidence=replace(BROWSER, site=""), counts=Counts(advocate_clicks=30, site_clicks=5)))
        == "UNKNOWN"
    )
    assert (
        result("referring_sites", case(touch_evidence=replace(BROWSER, site=""), counts=Counts(advocate_clicks=4, site_clicks=4)))
        == "UNKNOWN"
    )


def test_cheat_16_paid_advertisements_are_refused() -> None:
    assert result("ad_clicks", clicked(ad="gclid")) == "FAIL"
    assert result("ad_clicks", clicked()) == "PASS"


def test_cheat_17_programs_are_refused_and_floods_looked_at() -> None:
    assert result("bot_clicks", clicked(is_bot=True)) == "FAIL"
    assert result("bot_clicks", clicked(hint="headless")) == "FAIL"
    assert result("bot_clicks", case(step_evidence=replace(BROWSER, is_bot=True))) == "FAIL"
    assert result("bot_clicks", case(touch_recent=21)) == "REVIEW"
    assert result("bot_clicks", case(touch_recent=20)) == "PASS", "an office"
    assert result("bot_clicks", case(touch_evidence=Evidence())) == "UNKNOWN"


def test_cheat_17_too_quick_for_a_person_is_looked_at_and_a_fast_typist_paid() -> None:
    def after(millis: int, kind: str) -> Case:
        return case(step_from_browser=True, touch_at=NOW - millis, kind=kind)

    assert result("too_quick", after(400, "sign_up")) == "REVIEW"
    assert result("too_quick", after(2_500, "sign_up")) == "PASS"
    assert result("too_quick", after(4_000, "outcome")) == "REVIEW"
    assert result("too_quick", after(5_000, "outcome")) == "PASS"
    assert result("too_quick", after(-500, "outcome")) == "PASS"
    assert result("too_quick", case(touch_at=NOW - 400)) == "UNKNOWN"


def test_cheat_18_hidden_frames_are_looked_at_and_privacy_browsers_paid() -> None:
    assert result("cookie_stuffing", clicked(hint="frame")) == "REVIEW"
    assert result("cookie_stuffing", clicked(hint="subresource")) == "REVIEW"
    assert result("cookie_stuffing", clicked(site="")) == "PASS"
    assert result("cookie_stuffing", case(touch_evidence=Evidence())) == "UNKNOWN"


def test_cheat_20_a_last_minute_click_over_a_settled_referral_is_looked_at() -> None:
    def two_links(click_before: int, rival_before: int, rival: ProfileId = RIVAL, program: str = "p") -> Case:
        found = case(touch_at=NOW - click_before)
        other = Touch(NOW - rival_before, "SHARE_ID", "click-0002", rival, program, "c", NOW - rival_before)
        return replace(found, journey=Journey(FRIEND, (other, found.touch), (found.step,)))

    assert result("hijack", two_links(40 * SECOND, 3 * DAY)) == "REVIEW"
    assert result("hijack", two_links(40 * SECOND, 3 * DAY, program="")) == "REVIEW"
    assert result("hijack", two_links(20 * MINUTE, 3 * DAY)) == "PASS", "a friend who really got two links"
    assert result("hijack", two_links(40 * SECOND, 3 * DAY, ADVOCATE)) == "PASS", "the same advocate's link twice"
    assert result("hijack", two_links(40 * SECOND, 3 * DAY, program="other")) == "PASS"
    assert result("hijack", two_links(40 * SECOND, 50 * SECOND)) == "PASS", "three links tried in a row"
    assert result("hijack", case(kind="sign_up")) == "PASS"


# -- cheats 22, 24, 26: blocked people, time -------------------------------------------------------------------------


def test_blocked_people_networks_and_browsers_are_refused() -> None:
    blocked = Block("EVENTS", "fraud", NOW - DAY)
    assert result("blocked_person", case(friend_profile=person(1, None, "u1", block=blocked))) == "FAIL"
    assert result("blocked_person", case(advocate_profile=person(2, None, "u2", block=blocked))) == "FAIL"
    assert result("blocked_person", case(friend_profile=person(1, None, "u1", block=replace(blocked, type="NONE")))) == "PASS"
    assert result("blocked_person", clicked(blocked="CIDR")) == "FAIL"
    assert result("blocked_person", case(step_evidence=replace(BROWSER, blocked="USER_AGENT"))) == "FAIL"
    assert result("blocked_person", clicked(blocked="other")) == "FAIL"


def test_addresses_on_the_block_lists_are_refused_and_white_ones_let_in() -> None:
    black = Reference(listed_emails={"fay.moss@mail.example": "BLACK"})
    assert result("blocked_person", case(), black) == "FAIL"
    assert result("blocked_person", case(**with_email("friend", "fay.moss+3@mail.example")), black) == "FAIL"
    assert result("blocked_person", case(advocate=None, **with_email("friend", "x@mail.example")), black) == "PASS"
    white = Reference(listed_emails={"fay.moss@mail.example": "WHITE", "adam.ray@post.example": "WHITE"})
    assert result("blocked_person", clicked(blocked="CIDR"), white) == "PASS"
    advocate = Reference(listed_emails={"adam.ray@post.example": "BLACK"})
    assert result("blocked_person", case(), advocate) == "FAIL"
    assert result("blocked_person", case(), replace(advocate, listed_emails={"adam.ray@post.example": "WHITE"})) == "PASS"


def test_a_block_does_not_reach_an_event_that_was_settled_before() -> None:
    entries = (
        BlockEntry("NORMALIZED_EMAIL", "BLACK", "fay.moss@mail.example", created_at=NOW),
        BlockEntry("EMAIL_DOMAIN", "BLACK", "mail.example", created_at=NOW),
        BlockEntry("BLOCKED_PERSON", "BLACK", "adev-1", created_at=NOW),
    )
    lists = Reference()
    for entry in entries:
        lists = lists.with_entry(entry, True).with_entry(replace(entry, created_at=NOW + 9), True)  # putting it again changes nothing
    names = ("blocked_person", "blocked_email_domains", "blocked_person_returns")
    assert [result(name, case(settled_at=NOW), lists) for name in names] == ["FAIL", "FAIL", "REVIEW"]
    assert [result(name, case(settled_at=NOW - 1), lists) for name in names] == ["PASS"] * 3


def test_cheat_22_a_blocked_person_with_a_new_email_is_known_by_the_device_and_a_sibling_is_paid() -> None:
    gone = person(9, "mallory@mail.example", "u9", "adev-9")
    marks = Reference(marks=frozenset(marks_of(gone)))
    assert result("blocked_person_returns", case(friend_profile=person(1, "new@mail.example", "u1", "adev-9")), marks) == "REVIEW"
    assert result("blocked_person_returns", case(friend_profile=person(1, "mallory+2@mail.example", "u1")), marks) == "REVIEW"
    assert result("blocked_person_returns", case(friend_profile=person(1, "trudy@mail.example", "u1", "adev-8")), marks) == "PASS"
    assert result("blocked_person_returns", case()) == "PASS"


def test_cheat_24_a_replay_is_looked_at_and_a_late_batch_after_an_outage_paid() -> None:
    assert result("late_event", case(step_known_at=NOW + 8 * DAY)) == "REVIEW"
    assert result("late_event", case(step_known_at=NOW + 3 * DAY)) == "PASS"


def test_cheat_26_dated_before_the_click_is_looked_at() -> None:
    assert result("late_event", case(touch_at=NOW + 1)) == "REVIEW"
    assert result("late_event", case(touch_at=NOW + 1), action="refuse") == "FAIL"
    whole = NOW - NOW % 1000
    assert result("late_event", case(step_at=whole, step_known_at=whole, touch_at=whole + 900)) == "PASS", "a time in whole seconds"


def test_a_referral_older_than_the_look_back_is_refused() -> None:
    assert result("lookback", case(touch_at=NOW - 366 * DAY)) == "FAIL"
    assert result("lookback", case(touch_at=NOW - 364 * DAY)) == "PASS"


# -- countries, participants -----------------------------------------------------------------------------------------


def test_countries() -> None:
    assert result("blocked_countries", clicked(country="KP")) == "FAIL"
    assert result("blocked_countries", case(step_evidence=replace(BROWSER, country="KP"))) == "FAIL"
    assert result("blocked_countries", case()) == "PASS"
    assert result("blocked_countries", clicked(country="")) == "UNKNOWN"
    assert verdict("permitted_countries", case()) is None
    assert result("permitted_countries", case(), action="refuse", countries=["DE"]) == "PASS"
    assert result("permitted_countries", case(), action="refuse", countries=["US"]) == "FAIL"
    assert result("permitted_countries", clicked(country=""), action="refuse", countries=["US"]) == "UNKNOWN"


def test_specified_participants() -> None:
    terms: dict[str, Any] = {"action": "refuse", "name": "plan", "value": "Gold"}

    def on(plan: Any) -> Case:
        return case(friend_profile=person(1, None, "u1", parameters={"plan": Parameter(plan, 1, 0, "PUBLIC", 1)}))

    assert result("specified_participant", on("gold"), **terms) == "PASS"
    assert result("specified_participant", on("tin"), **terms) == "FAIL"
    assert result("specified_participant", on(None), **terms) == "UNKNOWN"
    assert result("specified_participant", on(True), **terms | {"value": "true"}) == "PASS"
    assert result("specified_participant", case(), **terms) == "UNKNOWN"
    assert result("specified_participant", case(), **terms, who="advocate") == "UNKNOWN"
    assert result("specified_participant", case(advocate=None), **terms, who="advocate") == "UNKNOWN"


# -- lists change ----------------------------------------------------------------------------------------------------


def test_an_entry_changes_the_reference_for_what_follows_in_the_group() -> None:
    lists = Reference(allowed_domains=frozenset(("x.example",)))
    black = lists.with_entry(BlockEntry("EMAIL_DOMAIN", "BLACK", "x.example"), True)
    assert (black.blocked_domains, black.allowed_domains) == (frozenset(("x.example",)), frozenset())
    white = black.with_entry(BlockEntry("EMAIL_DOMAIN", "WHITE", "x.example"), True)
    assert (white.blocked_domains, white.allowed_domains) == (frozenset(), frozenset(("x.example",)))
    assert white.with_entry(BlockEntry("EMAIL_DOMAIN", "BLACK", "x.example"), False) == Reference()
    email = BlockEntry("NORMALIZED_EMAIL", "BLACK", "a@x.example")
    assert lists.with_entry(email, True).listed_emails == {"a@x.example": "BLACK"}
    assert lists.with_entry(email, True).with_entry(email, False).listed_emails == {}
    assert lists.with_entry(replace(email, is_stored=True), True) is lists
    mark = BlockEntry("BLOCKED_PERSON", "BLACK", "adev")
    assert lists.with_entry(mark, True).marks == {"adev"}
    assert lists.with_entry(mark, True).with_entry(mark, False).marks == frozenset()
    assert lists.with_entry(BlockEntry("CIDR", "BLACK", "192.0.2.0/24"), True) is lists
