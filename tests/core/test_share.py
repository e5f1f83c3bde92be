"""Share links decided: who gets which code, what a click by one comes to, and what is remembered of an act of sharing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from goodword.core import command as c
from goodword.core.campaign import Campaign, Document, Mark, Programs
from goodword.core.decide import decide
from goodword.core.deciding.share import live_campaign, why_dead
from goodword.core.decision import Decision
from goodword.core.delivery import Announcement, Endpoint
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.profile import Block, IdentityKey, Owner, Profile, ProfileId
from goodword.core.referral import Click, Evidence, Share, Shareable

NOW = 1_800_000_000_000
ADA, BEN, GONE = ProfileId(1), ProfileId(2), ProfileId(9)


def profile(number: int, email: str = "", **more: Any) -> Profile:
    return Profile(ProfileId(number), NOW, (IdentityKey("e" + email),) if email else (), **more)


def campaign(
    id: str, *marks: tuple[int, str], program: str = "raf", share: bool = True, destination: str = "https://shop.example/"
) -> Campaign:
    said = {"campaign": id, "program": program} | ({"share": {"destination": destination}} if share else {})
    return Campaign(id, program, 0, 0, 1, tuple(Mark(at, state, 1) for at, state in marks), {1: msgspec.convert(said, Document)})  # type: ignore[arg-type]


def known(*links: Shareable, campaigns: tuple[Campaign, ...] = (), **more: Any) -> Facts:
    facts = Facts(profiles={ADA: profile(1, "ada@mail.example"), BEN: profile(2)})
    for link in links:
        facts.referrals.lay(link)
    facts.referrals.programs = Programs.of({each.id: each for each in campaigns})
    for name, value in more.items():
        setattr(facts.referrals, name, value)
    return facts


def link(code: str = "ada-10", owner: ProfileId = ADA, key: str = "main", **more: Any) -> Shareable:
    return Shareable(code, owner, "raf", key, NOW, NOW, **more)


def put(facts: Facts, code: str, *, person: ProfileId = ADA, key: str = "main", mode: str = "get_or_create", **more: Any) -> Decision:
    command = c.PutShareable(1, person, code, "raf", key, mode=mode, **more)  # type: ignore[arg-type]
    return decide(command, facts, NOW, Fresh(7, ProfileId(50)))


def click(facts: Facts, code: str = "ada-10", **evidence: Any) -> Decision:
    said = Click("id-1", NOW, ProfileId(0), "", "", code, Evidence(**evidence))
    return decide(c.RecordClick(1, said), facts, NOW, Fresh(7, ProfileId(50)))


LIVE = campaign("c", (NOW - 5, "LIVE"))


def test_a_new_link_belongs_to_its_person_program_and_key() -> None:
    decision = put(known(), "Ada-10", content={"title": "x"}, data={"a": "b"})
    assert decision.records == (Shareable("Ada-10", ADA, "raf", "main", NOW, NOW, {"title": "x"}, {"a": "b"}),)


def test_the_same_key_finds_the_same_link() -> None:
    facts = known(link())
    for code, is_generated in (("ada-10", False), ("ADA-10", False), ("other-one", True)):
        decision = put(facts, code, is_generated=is_generated)
        assert (decision.outcome.value, decision.records) == (link(), ())


@pytest.mark.parametrize("mode", ["create", "get_or_create", "create_or_update"])
def test_another_code_under_the_same_key_is_refused(mode: str) -> None:
    assert put(known(link()), "other-10", mode=mode).outcome.code == "shareable_key_taken"


def test_create_or_update_changes_the_link_of_the_key() -> None:
    decision = put(known(link(data={"a": "b"})), "ada-10", mode="create_or_update", content={"title": "x"})
    assert decision.records == (link(content={"title": "x"}, data={"a": "b"}),)


@pytest.mark.parametrize("code", ["ada-10", "ADA-10"])
def test_a_code_is_taken_in_any_case_by_anybody(code: str) -> None:
    assert put(known(link()), code, key="second").outcome.code == "code_taken"
    assert put(known(link()), code, person=BEN).outcome.code == "code_taken"


def test_the_code_of_a_deleted_person_stays_taken() -> None:
    facts = known()
    facts.referrals.shareables["gone-10"] = None
    assert put(facts, "Gone-10").outcome.code == "code_taken"


def test_refusals_of_links() -> None:
    assert put(known(), "ada-10", person=GONE).outcome.code == "person_not_found"
    assert put(known(), "ben-10", person=BEN).outcome.code == "person_not_rewardable"
    assert put(known(), "no").outcome.code == "code_out_of_range"


def test_two_people_race_for_one_code_and_one_gets_it() -> None:
    facts = known()
    facts.profiles[BEN] = profile(2, "ben@mail.example")
    first = put(facts, "vanity")
    facts.lay(first.records)
    assert first.outcome.verdict == "done"
    assert put(facts, "Vanity", person=BEN).outcome.code == "code_taken"


def test_an_update_changes_what_is_given_and_keeps_the_rest() -> None:
    facts = known(link(content={"title": "x"}, data={"a": "b"}), link("ada-20", key="second"))
    changed = put(facts, "ADA-10", mode="update", data={}, is_enabled=False).outcome.value
    assert changed == link(content={"title": "x"}, data={}, is_enabled=False)
    moved = put(facts, "ada-10", mode="update", key="third")
    assert moved.outcome.value == link(key="third", content={"title": "x"}, data={"a": "b"})
    facts.lay(moved.records)
    assert put(facts, "new-one", key="main").outcome.verdict == "done"
    assert put(facts, "ada-20", mode="update", key="third").outcome.code == "shareable_key_taken"
    assert put(facts, "nobodys", mode="update").outcome.code == "shareable_not_found"
    assert put(facts, "ada-10", mode="update", person=BEN).outcome.code == "shareable_not_found"


def test_the_links_of_a_person_who_became_part_of_another_are_the_others() -> None:
    facts = known(link("old-10", owner=GONE), campaigns=(LIVE,))
    facts.profiles[ADA] = profile(1, "ada@mail.example", sources=(GONE,))
    facts.merged[GONE] = ADA
    assert put(facts, "new-10", is_generated=True).outcome.value.code == "old-10"
    assert click(facts, "OLD-10").outcome.profile_id == ADA


def test_a_click_finds_advocate_and_campaign() -> None:
    facts = known(link(), campaigns=(LIVE,), clicks_by_ip={"ab": 3})
    decision = click(facts, "ADA-10", ip="ab")
    expected = Click("id-1", NOW, ADA, "raf", "c", "ada-10", Evidence("ab"), True, 3)
    assert list(decision.records) == [expected]
    assert decision.outcome.value == (expected, link(), LIVE.document.share)


def test_a_click_is_announced_where_somebody_listens_and_names_nobody() -> None:
    facts = known(link(), campaigns=(LIVE,), endpoints={"e": Endpoint("e", "https://r.example/")})
    announced = click(facts).records[1]
    assert isinstance(announced, Announcement)
    assert (announced.event_type, announced.profile_id) == ("click.recorded", ADA)
    assert announced.payload["person_id"] == "1"
    assert "mail.example" not in str(announced)


@pytest.mark.parametrize(
    ("facts", "code", "has_link"),
    [
        (known(campaigns=(LIVE,)), "shareable_not_found", False),
        (known(link(owner=GONE), campaigns=(LIVE,)), "shareable_not_found", True),
        (known(link(is_enabled=False), campaigns=(LIVE,)), "shareable_disabled", True),
        (known(link()), "no_live_campaign", True),
    ],
)
def test_a_click_on_a_dead_link_is_stored_nowhere(facts: Facts, code: str, has_link: bool) -> None:
    decision = click(facts)
    assert (decision.outcome.code, decision.records) == (code, ())
    assert (decision.outcome.value is not None) == has_link


@pytest.mark.parametrize(("kind", "dead"), [("EVENTS", True), ("REWARDS", False), ("NONE", False)])
def test_a_blocked_persons_link_is_dead(kind: str, dead: bool) -> None:
    blocked = profile(1, "ada@mail.example", block=Block(kind, "why", NOW))  # type: ignore[arg-type]
    found = why_dead(link(), blocked)
    assert (found is not None and found[0] == "person_blocked") == dead


def test_links_lead_to_the_live_campaign_of_their_program() -> None:
    paused = campaign("a", (1, "LIVE"), (5, "PAUSED"))
    older, newer = campaign("b", (3, "LIVE"), destination="https://b.example/"), campaign("d", (4, "LIVE"), (9, "ENDED"))
    without, other = campaign("e", (8, "LIVE"), share=False), campaign("f", (8, "LIVE"), program="other")
    programs = Programs.of({each.id: each for each in (paused, older, newer, without, other)})

    def found(at: int) -> str | None:
        live = live_campaign(programs, "raf", at)
        return live[0].id if live is not None else None

    assert [found(at) for at in (0, 1, 3, 4, 8, 9)] == [None, "a", "b", "d", "d", "b"]
    unpublished = Campaign("g", "raf", 0, 0, 1, (Mark(1, "LIVE", 2),), {})
    assert live_campaign(Programs({"g": unpublished}), "raf", 5) is None


def share(facts: Facts, code: str = "ada-10", person: ProfileId = ADA, recipients: tuple[str, ...] = ()) -> Decision:
    said = Share(0, person, 5, "EMAIL", code, "", "", recipients, "hi")
    return decide(c.RecordShare(1, said), facts, NOW, Fresh(7, ProfileId(50)))


def test_an_act_of_sharing_is_remembered_with_its_program_and_campaign() -> None:
    facts = known(link(), campaigns=(LIVE,))
    decision = share(facts, "ADA-10", recipients=("bob@x.example", "eve@x.example"))
    expected = Share(Fresh(7, ADA).id(0), ADA, NOW, "EMAIL", "ada-10", "raf", "c", ("bob@x.example", "eve@x.example"), "hi")
    assert decision.records[0] == expected
    announced = decision.records[1]
    assert isinstance(announced, Announcement)
    assert (announced.event_type, announced.payload["recipients"]) == ("share.created", 2)
    assert "x.example" not in str(announced)
    assert facts.referrals.shares[ADA] == 2


def test_refusals_of_shares() -> None:
    assert share(known(link()), person=GONE).outcome.code == "person_not_found"
    assert share(known(link()), "nobodys").outcome.code == "ADVOCATE_CODE_NOT_FOUND"
    assert share(known(link()), person=BEN).outcome.code == "ADVOCATE_CODE_NOT_FOUND"
    assert share(known(link())).records[0].campaign == ""  # type: ignore[union-attr]


def test_a_share_to_someone_who_is_known_judges_them_anew() -> None:
    facts = known(link(), campaigns=(LIVE,))
    emails = ("ben@mail.example", "eve@mail.example", "gone@mail.example")
    facts.owners = {IdentityKey("eben@mail.example"): Owner(BEN), IdentityKey("eeve@mail.example"): Owner(None)}
    decision = share(facts, recipients=emails)
    assert decision.outcome.verdict == "done"


def test_a_share_that_a_rule_refuses_is_counted_and_credits_nobody() -> None:
    facts = known(link(), campaigns=(LIVE,))
    facts.owners = {IdentityKey("eben@mail.example"): Owner(BEN)}
    said = Share(0, ADA, 5, "EMAIL", "ada-10", "", "", ("ben@mail.example",), "Free money at https://evil.example/x")
    decision = decide(c.RecordShare(1, said), facts, NOW, Fresh(7, ProfileId(50)))
    kept, announced = decision.records
    assert isinstance(kept, Share)
    assert isinstance(announced, Announcement)
    assert (kept.quality, announced.payload["quality"]) == ("LOW", "LOW")
    assert facts.referrals.shares[ADA] == 1
    assert facts.referrals.recipients == {}
