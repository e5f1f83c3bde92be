"""Campaigns in time: what is in force when, what a publishing or a change by hand makes of it, and what is refused and why."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.account import Account, Settings
from goodword.core.campaign import DAY_MS, ENDED_DAYS, MOVES, Campaign, Document, Mark, Programs, Schedule, Share, Version, planned
from goodword.core.decide import decide
from goodword.core.deciding import campaign as deciding
from goodword.core.decision import Outcome, Record
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.profile import ProfileId
from goodword.core.reward import RewardTerms, Supplier, SupplierSaved, Value
from goodword.core.times import Millis, read_time, write_time

NOW = 1_800_000_000_000
DOCUMENT = Document(
    "raf",
    "refer-a-friend",
    Share("https://shop.example/"),
    rewards=[RewardTerms("advocate", "advocate", Value("10")), RewardTerms("friend", "friend", Value("10"))],
)


def day(number: float) -> str:
    """A time so many days from NOW, as a schedule writes it."""
    return write_time(NOW + int(number * DAY_MS))


class Office:
    """An account whose campaigns are decided about, one command after the other."""

    def __init__(self) -> None:
        self.facts = Facts(account=Account(1, "default", 0, Settings()))
        self.now: Millis = NOW
        self.records: list[Record] = []

    def do(self, command: c.SaveCampaign | c.SetCampaignState) -> Outcome:
        decision = decide(command, self.facts, self.now, Fresh(1, ProfileId(1)))
        self.records = list(decision.records)
        self.facts.lay(decision.records)
        return decision.outcome

    def save(self, document: Document = DOCUMENT, *, publish: bool = False, **more: Any) -> Outcome:
        return self.do(c.SaveCampaign(1, document, publish=publish, **more))

    def move(self, state: Any, version: int | None = None, id: str = "raf") -> Outcome:
        return self.do(c.SetCampaignState(1, id, state, version, "ada"))

    @property
    def campaign(self) -> Campaign:
        return self.facts.referrals.campaigns["raf"]

    def state(self, days: float = 0) -> tuple[str, int]:
        """State and version in force so many days from now."""
        at = self.now + int(days * DAY_MS)
        return self.campaign.state_at(at), self.campaign.version_at(at)


@pytest.fixture
def office() -> Office:
    return Office()


# -- saving and publishing -------------------------------------------------------------------------------------------


def test_saving_makes_a_version_and_saying_it_again_saves_nothing(office: Office) -> None:
    first = office.save(note="first", author="ada")
    assert (first.verdict, first.value["version"], first.value["published_version"], first.value["state"]) == ("done", 1, 0, "NOT_LAUNCHED")
    (version, _) = office.records
    assert version == Version("raf", 1, NOW, "ada", "first", DOCUMENT)
    again = office.save()
    assert (again.value["changed"], office.records) == (False, [])
    changed = office.save(replace(DOCUMENT, name="Refer"))
    assert (changed.value["changed"], changed.value["version"], changed.value["name"]) == (True, 2, "Refer")
    assert office.campaign.documents[1] == DOCUMENT
    assert office.campaign.document.name == "Refer"


def test_publishing_twice_changes_nothing(office: Office) -> None:
    first = office.save(publish=True)
    assert (first.value["state"], first.value["published_version"]) == ("LIVE", 1)
    history = office.campaign.history
    office.now += 1000
    again = office.save(publish=True)
    assert (again.value["changed"], office.records, office.campaign.history) == (False, [], history)
    assert office.move("LIVE", 1).value["changed"] is False
    assert office.move("LIVE").value["changed"] is False


def test_an_older_version_published_rolls_back_and_the_time_of_an_event_says_which_was_in_force(office: Office) -> None:
    office.save(publish=True)
    office.now += DAY_MS
    office.save(replace(DOCUMENT, name="second"), publish=True)
    office.now += DAY_MS
    office.move("LIVE", 1)
    assert [office.state(days) for days in (-3, -2, -1, 0)] == [("NOT_LAUNCHED", 0), ("LIVE", 1), ("LIVE", 2), ("LIVE", 1)]
    assert (office.campaign.latest, office.campaign.published) == (2, 1)
    assert office.campaign.mark_at(NOW - 1) is None
    assert office.campaign.mark_at(office.now) == Mark(office.now, "LIVE", 1, by="ada")


def test_publishing_makes_a_paused_campaign_live_again(office: Office) -> None:
    office.save(publish=True)
    office.move("PAUSED")
    assert office.state() == ("PAUSED", 1)
    assert office.save(publish=True).value["state"] == "LIVE"


def test_a_saved_draft_does_not_touch_what_is_in_force(office: Office) -> None:
    office.save(publish=True)
    office.save(replace(DOCUMENT, name="draft"))
    assert office.state() == ("LIVE", 1)
    assert office.campaign.latest == 2
    assert Programs.of(office.facts.referrals.campaigns).listened == {"registration", "conversion", "canceled", "returned"}


# -- schedules -------------------------------------------------------------------------------------------------------


def scheduled(**days: float) -> Document:
    return replace(DOCUMENT, schedule=Schedule(**{name: day(number) for name, number in days.items()}))


def test_a_schedule_is_kept_without_anybody_doing_anything(office: Office) -> None:
    said = office.save(scheduled(start=1, pause=2, end=3), publish=True)
    assert said.value["state"] == "NOT_LAUNCHED"
    assert [(each["state"], each["at"]) for each in said.value["scheduled"]] == [
        ("LIVE", day(1)), ("PAUSED", day(2)), ("ENDED", day(3)), ("STOPPED", day(3 + ENDED_DAYS)),
    ]  # fmt: skip
    states = [office.state(days)[0] for days in (0, 0.9, 1, 1.9, 2, 3, 3 + ENDED_DAYS)]
    assert states == ["NOT_LAUNCHED", "NOT_LAUNCHED", "LIVE", "LIVE", "PAUSED", "ENDED", "STOPPED"]


def test_what_the_schedule_brought_about_stands_when_the_same_document_is_applied_again(office: Office) -> None:
    document = scheduled(start=1, pause=2, stop=4)
    office.save(document, publish=True)
    for days in (0, 0.5, 1, 1.5, 2, 3, 5):
        office.now = NOW + int(days * DAY_MS)
        assert office.save(document, publish=True).value["changed"] is False, days


def test_a_change_by_hand_takes_the_place_of_the_schedule_from_then_on(office: Office) -> None:
    office.save(scheduled(pause=2, end=3), publish=True)
    office.now += DAY_MS
    office.move("PAUSED")
    office.move("LIVE")
    assert [office.state(days)[0] for days in (0, 1.5, 30, 300)] == ["LIVE"] * 4
    assert office.campaign.coming(office.now) == ()
    assert office.save(scheduled(pause=2, end=3), publish=True).value["state"] == "LIVE"
    assert office.state(1.5)[0] == "PAUSED", "publishing takes the schedule up again"


def test_an_end_by_hand_stops_by_itself(office: Office) -> None:
    office.save(publish=True)
    office.move("ENDED")
    assert [office.state(days)[0] for days in (0, ENDED_DAYS - 1, ENDED_DAYS)] == ["ENDED", "ENDED", "STOPPED"]
    office.now += 2 * DAY_MS
    assert office.save(publish=True).value["state"] == "LIVE"
    assert office.state(2 * ENDED_DAYS) == ("LIVE", 1)


def test_a_version_with_a_later_start_leaves_the_one_before_in_force_until_then(office: Office) -> None:
    office.save(publish=True)
    office.now += DAY_MS
    later = replace(scheduled(start=5), name="later")
    office.save(later, publish=True)
    assert [office.state(days) for days in (0, 3.9, 4)] == [("LIVE", 1), ("LIVE", 1), ("LIVE", 2)]
    assert office.save(later, publish=True).value["changed"] is False
    office.now += 10 * DAY_MS
    assert office.save(later, publish=True).value["changed"] is False


def test_a_launch_that_waits_can_be_brought_forward_or_stopped(office: Office) -> None:
    office.save(scheduled(start=5), publish=True)
    assert office.move("LIVE").value["state"] == "LIVE"
    assert office.state() == ("LIVE", 1)
    other = Office()
    other.save(scheduled(start=5), publish=True)
    other.move("STOPPED")
    assert other.state(10) == ("STOPPED", 1)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (scheduled(start=-2, pause=-1), "schedule.pause"),
        (scheduled(end=-1), "schedule.end"),
        (scheduled(end=-1 - ENDED_DAYS), "schedule.end"),
        (scheduled(end=-2, stop=-1), "schedule.stop"),
    ],
)
def test_a_document_whose_schedule_is_over_is_not_published(office: Office, document: Document, path: str) -> None:
    refused = office.save(document, publish=True)
    assert (refused.verdict, refused.code, office.records) == ("refused", "campaign_invalid", [])
    assert refused.value[0]["path"] == path
    assert refused.reason.startswith(f"{path}: is past (")
    assert office.save(document).verdict == "done", "as a draft it may be saved"
    assert office.move("LIVE", 1).code == "campaign_invalid"


def test_a_clock_that_went_back_does_not_disorder_the_history(office: Office) -> None:
    office.save(publish=True)
    office.now -= 5000
    office.move("PAUSED")
    office.save(scheduled(start=-1, end=1e-8), publish=True)
    ats = [mark.at for mark in office.campaign.history]
    assert ats == sorted(ats)


ACTIONS = st.lists(
    st.tuples(
        st.floats(0, 40),
        st.one_of(
            st.sampled_from(["LIVE", "PAUSED", "ENDED", "STOPPED", "ARCHIVED"]),
            st.lists(st.floats(-20, 60), min_size=4, max_size=4, unique=True),
        ),
    ),
    max_size=12,
)


@given(ACTIONS)
def test_marks_never_go_back_in_time_and_follow_only_allowed_moves(actions: list[tuple[float, Any]]) -> None:
    """mark_at is monotone whatever is published and done by hand, the past never changes, and what is refused changes nothing."""
    office = Office()
    seen: dict[Millis, Mark | None] = {}
    for wait, action in actions:
        office.now += int(wait * DAY_MS)
        before = office.facts.referrals.campaigns.get("raf")
        if isinstance(action, str):
            outcome = office.move(action)
        else:
            times = dict(zip(("start", "pause", "end", "stop"), map(day, sorted(action)), strict=True))
            outcome = office.save(replace(DOCUMENT, schedule=Schedule(**times)), publish=True)
        after = office.facts.referrals.campaigns.get("raf")
        if outcome.verdict == "refused":
            assert after is before
        if after is None:
            continue
        ats = [mark.at for mark in after.history]
        assert ats == sorted(ats)
        for at in range(NOW, office.now + 100 * DAY_MS, 7 * DAY_MS):
            mark = after.mark_at(at)
            assert mark is None or mark.at <= at
            if at < office.now:
                assert at not in seen or seen[at] == mark, "the past changed"
                seen[at] = mark
        for mark, following in zip(after.history, after.history[1:], strict=False):
            if not following.is_scheduled:
                assert following.state == mark.state or following.state in MOVES[mark.state] or following.at == office.now


def test_planned_marks_are_those_of_the_schedule() -> None:
    assert planned(DOCUMENT, 3) == ()
    assert planned(scheduled(start=1, stop=2), 3) == (
        Mark(NOW + DAY_MS, "LIVE", 3, True),
        Mark(NOW + 2 * DAY_MS, "STOPPED", 3, True),
    )
    assert read_time(day(1)) == NOW + DAY_MS


# -- moves -----------------------------------------------------------------------------------------------------------


def reach(office: Office, state: str) -> None:
    """Bring a campaign to a state."""
    office.save(scheduled(start=5) if state == "NOT_LAUNCHED" else DOCUMENT, publish=True)
    if state == "ARCHIVED":
        office.move("STOPPED")
    if state not in ("LIVE", "NOT_LAUNCHED"):
        office.move(state)
    assert office.state()[0] == state


@pytest.mark.parametrize("before", list(MOVES))
@pytest.mark.parametrize("after", [state for state in MOVES if state != "NOT_LAUNCHED"])
def test_only_allowed_moves_are_made_and_a_refusal_says_what_to_do(office: Office, before: Any, after: Any) -> None:
    reach(office, before)
    office.now += 1
    outcome = office.move(after)
    if after == before:
        assert (outcome.value["changed"], office.records) == (False, [])
    elif after in MOVES[before]:
        assert office.state()[0] == after
        assert office.campaign.history[-1 if after != "ENDED" else -2].by == "ada"
    else:
        assert (outcome.verdict, outcome.code) == ("refused", "campaign_state_invalid")
        assert f"is {before} and cannot become {after}" in outcome.reason
        assert len(outcome.reason.split(". ")) == 2
        assert office.state()[0] == before


def test_a_campaign_that_was_never_published_can_only_be_published_or_archived(office: Office) -> None:
    office.save()
    assert office.move("LIVE").code == "campaign_state_invalid"
    assert "publish it" in office.move("STOPPED").reason
    assert office.move("ARCHIVED").value["state"] == "ARCHIVED"
    assert office.move("LIVE", 1).code == "campaign_state_invalid"
    assert office.save(replace(DOCUMENT, name="x")).code == "campaign_state_invalid"


def test_a_version_may_be_put_in_force_in_another_state(office: Office) -> None:
    office.save(publish=True)
    office.save(replace(DOCUMENT, name="x"))
    assert office.move("PAUSED", 2).value["published_version"] == 2
    assert office.state() == ("PAUSED", 2)


def test_who_is_not_there_is_not_found(office: Office) -> None:
    assert office.move("LIVE").code == "campaign_not_found"
    office.save()
    assert office.move("LIVE", 2).code == "campaign_version_not_found"


# -- what is refused -------------------------------------------------------------------------------------------------


def test_a_document_that_makes_no_sense_is_refused_with_all_its_problems(office: Office) -> None:
    wrong = replace(DOCUMENT, share=None, rewards=[RewardTerms(f"Bad {n}", "advocate") for n in range(5)])
    refused = office.save(wrong)
    assert (refused.verdict, refused.code) == ("refused", "campaign_invalid")
    assert {"share.destination", "rewards[0].name", "rewards[4].value"} <= {each["path"] for each in refused.value}
    assert refused.reason.endswith(f" And {len(refused.value) - 5} more.")
    assert office.facts.referrals.campaigns == {}
    one = office.save(replace(DOCUMENT, share=None))
    assert one.reason.startswith("share.destination: is missing")


def test_a_published_campaign_stays_in_its_program(office: Office) -> None:
    office.save()
    office.save(replace(DOCUMENT, program="other"))
    assert office.campaign.program == "other"
    office.save(replace(DOCUMENT, program="other"), publish=True)
    assert office.save().code == "campaign_program_fixed"


def test_campaigns_and_versions_are_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "VERSIONS_MAX", 2)
    monkeypatch.setattr(deciding, "CAMPAIGNS_MAX", 1)
    office.save()
    assert office.save(replace(DOCUMENT, campaign="other")).code == "campaign_limit"
    office.save(replace(DOCUMENT, name="2"))
    assert office.save(replace(DOCUMENT, name="3")).code == "campaign_limit"
    assert office.save(replace(DOCUMENT, name="2"), publish=True).value["state"] == "LIVE"


COUPON = Supplier("welcome", "STATIC_COUPON", code="HI")


def test_publishing_brings_the_document_s_suppliers(office: Office) -> None:
    document = replace(DOCUMENT, suppliers=[COUPON])
    office.save(document)
    assert not any(isinstance(record, SupplierSaved) for record in office.records)
    office.save(document, publish=True)
    assert SupplierSaved(COUPON, NOW) in office.records
    office.facts.referrals.suppliers = {**office.facts.referrals.suppliers, "welcome": replace(COUPON, code="OTHER")}
    again = office.save(document, publish=True)
    assert (again.value["changed"], SupplierSaved(COUPON, NOW) in office.records) == (True, True)
    assert office.save(document, publish=True).value["changed"] is False


def test_an_older_version_is_checked_against_what_the_account_is_today(office: Office) -> None:
    document = replace(DOCUMENT, suppliers=[COUPON])
    office.save(document)
    office.save()
    office.facts.referrals.suppliers = {**office.facts.referrals.suppliers, "welcome": replace(COUPON, type="COUPON_POOL")}
    refused = office.move("LIVE", 1)
    assert refused.value[0]["path"] == "suppliers[0].type"


def test_without_an_account_loaded_the_defaults_are_checked_against(office: Office) -> None:
    office.facts.account = None
    assert office.save().verdict == "done"


def test_histories_written_before_marks_said_more_are_read() -> None:
    (mark,) = msgspec.json.decode(b'[[5,"LIVE",1]]', type=tuple[Mark, ...])
    assert mark == Mark(5, "LIVE", 1)
