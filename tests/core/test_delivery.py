"""What is announced to whom, when a failed delivery is tried again, how bodies are signed, where they may go, what a CDP is told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.decide import decide
from goodword.core.deciding.delivery import ENDPOINTS_MAX
from goodword.core.decision import Decision, EndpointSaved, Redelivered
from goodword.core.delivery import (
    EVENT_TYPES,
    FAILING_MS_MAX,
    OLD_SECRET_MS,
    RETRY_S,
    SOURCE_TYPES,
    TEST,
    Announcement,
    Attempt,
    Endpoint,
    Health,
    is_success,
    is_wanted,
    next_try,
)
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.profile import ProfileId
from goodword.core.webhook import FIELDS, write_secret
from tests.core.world import NOW, World

SECRET = write_secret(bytes(range(32)))
OTHER_SECRET = write_secret(bytes(range(1, 33)))
HOOK = Endpoint("e1", "https://shop.example/hook", SECRET)


def told(event_type: str = "conversion.recorded", endpoint: str = "", **payload: Any) -> Announcement:
    return Announcement(event_type, "id-1", NOW, ProfileId(1), payload, endpoint=endpoint)


class Desk:
    """Endpoints of one account, and commands about them decided one after the other."""

    def __init__(self) -> None:
        self.facts = Facts()
        self.now = NOW

    def do(self, command: c.Command) -> Decision:
        decision = decide(command, self.facts, self.now, Fresh(7, ProfileId(1)))
        self.facts.lay(decision.records)
        return decision

    def put(self, endpoint: Endpoint, **more: Any) -> Decision:
        return self.do(c.PutEndpoint(1, endpoint, **more))

    def endpoint(self, id: str = "e1") -> Endpoint:
        return self.facts.referrals.endpoints[id]

    def refused(self, endpoint: Endpoint, **more: Any) -> str:
        decision = self.put(endpoint, **more)
        assert decision.outcome.verdict == "refused"
        assert decision.outcome.reason.endswith(".")
        assert not decision.records
        return decision.outcome.code

    def tried(self, *results: int | None, endpoint: str = "e1") -> None:
        """Attempts that were answered with these statuses."""
        attempts = tuple(
            Attempt(number, endpoint, self.now, 5, status, "", 1, "delivered" if status == 200 else "waiting", None, None)
            for number, status in enumerate(results)
        )
        self.do(c.RecordAttempts(1, attempts))


# -- whom it is announced to -----------------------------------------------------------------------------------------


def test_a_filter_is_or_inside_and_and_across() -> None:
    assert is_wanted(told(), HOOK)
    assert is_wanted(told(), replace(HOOK, event_types=["reward.sent", "conversion.recorded"]))
    assert not is_wanted(told(), replace(HOOK, event_types=["reward.sent"]))
    both = replace(HOOK, event_types=["reward.earned"], campaigns=["spring"])
    assert is_wanted(told("reward.earned", campaign_id="spring"), both)
    assert not is_wanted(told("reward.earned", campaign_id="autumn"), both)
    assert not is_wanted(told("reward.sent", campaign_id="spring"), both)
    assert is_wanted(told("reward.earned", reward_supplier_id="points"), replace(HOOK, suppliers=["points"]))
    assert not is_wanted(told(), replace(HOOK, suppliers=["points"]))
    gifts = replace(HOOK, supplier_tags=["gifts", "vip"])
    assert is_wanted(told("reward.earned", reward_supplier_tags=["vip", "slow"]), gifts)
    assert not is_wanted(told("reward.earned", reward_supplier_tags=["slow"]), gifts)
    assert not is_wanted(told("reward.earned"), gifts)
    assert is_wanted(told("reward.fulfillment_failed"), replace(HOOK, states=["FULFILLMENT_FAILED"]))
    assert not is_wanted(told("conversion.recorded"), replace(HOOK, states=["EARNED"]))


def test_a_disabled_endpoint_is_owed_nothing_new_and_a_paused_one_everything() -> None:
    assert not is_wanted(told(), replace(HOOK, enabled=False))
    assert is_wanted(told(), replace(HOOK, paused_at=NOW))
    states = [replace(HOOK, enabled=False), replace(HOOK, paused_at=NOW), HOOK]
    assert [each.state for each in states] == ["disabled", "paused", "active"]
    assert [each.is_served for each in states] == [False, False, True]


def test_a_way_back_is_told_what_a_cdp_understands() -> None:
    cdp = replace(HOOK, kind="segment")
    assert {name for name in EVENT_TYPES if is_wanted(told(name), cdp)} == set(SOURCE_TYPES)


def test_a_test_goes_to_its_endpoint_alone() -> None:
    filtered = replace(HOOK, event_types=["reward.earned"])
    assert is_wanted(told(TEST, endpoint="e1"), filtered)
    assert not is_wanted(told(TEST, endpoint="e1"), replace(HOOK, id="e2"))


# -- when it is tried again ------------------------------------------------------------------------------------------


def test_retries_wait_a_second_an_hour_three_and_twice_twelve_and_then_it_is_dead() -> None:
    waits = []
    for tries in range(1, 6):
        state, at = next_try(HOOK, "reward.earned", tries, NOW, 0.0)
        assert state == "waiting"
        assert at is not None
        waits.append((at - NOW) // 1000)
    assert tuple(waits) == RETRY_S == (1, 3_600, 10_800, 43_200, 43_200)
    assert next_try(HOOK, "reward.earned", 6, NOW, 0.0) == ("dead", None)
    assert next_try(HOOK, TEST, 1, NOW, 0.0) == ("dead", None)


@given(st.integers(1, 5), st.floats(0, 1), st.none() | st.integers(0, 10**9))
def test_jitter_adds_at_most_a_fifth_and_retry_after_is_kept_within_a_day(tries: int, dice: float, said: int | None) -> None:
    _, at = next_try(HOOK, "reward.earned", tries, NOW, dice, said)
    assert at is not None
    wait_s = RETRY_S[tries - 1]
    least = max(wait_s, min(said or 0, 86_400))
    assert least * 1000 <= at - NOW + 1 <= max(least, wait_s * 1.2) * 1000 + 1


def test_any_2xx_is_a_success_and_200_alone_for_the_signature_of_the_contract() -> None:
    assert [status for status in (None, 199, 200, 201, 204, 299, 300, 410, 500) if is_success(HOOK, status)] == [200, 201, 204, 299]
    assert [status for status in (None, 200, 204) if is_success(replace(HOOK, signature="hmac_sha256"), status)] == [200]


# -- endpoints -------------------------------------------------------------------------------------------------------


def test_an_endpoint_is_made_changed_and_removed() -> None:
    desk = Desk()
    assert desk.put(HOOK).outcome.value == "e1"
    assert desk.endpoint().created_at == NOW
    desk.now += 5
    desk.put(replace(HOOK, name="shop"))
    assert (desk.endpoint().created_at, desk.endpoint().updated_at, desk.endpoint().name) == (NOW, NOW + 5, "shop")
    assert desk.endpoint().old_secret == ""
    desk.put(replace(desk.endpoint(), secret=OTHER_SECRET))
    assert (desk.endpoint().old_secret, desk.endpoint().old_until) == (SECRET, NOW + 5 + OLD_SECRET_MS)
    desk.put(HOOK, is_deleted=True)
    assert desk.facts.referrals.endpoints == {}
    assert desk.refused(HOOK, is_deleted=True) == "webhook_not_found"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"url": "http://shop.example/"}, "invalid_url"),
        ({"url": "ftp://shop.example/"}, "invalid_url"),
        ({"url": "https:///path"}, "invalid_url"),
        ({"url": "https://user@shop.example/"}, "invalid_url"),
        ({"url": "https://shop.example/#part"}, "invalid_url"),
        ({"url": "https://shop.example:0/"}, "invalid_url"),
        ({"url": "https://shop.example:x/"}, "invalid_url"),
        ({"url": "https://shop.example/a b"}, "invalid_url"),
        ({"url": "https://ä.example/"}, "invalid_url"),
        ({"url": "https://shop.example/" + "x" * 2_000}, "invalid_url"),
        ({"event_types": ["reward.earned", "reward.lost"]}, "invalid_event_type"),
        ({"tags": ["x"] * 201}, "invalid_parameter"),
        ({"name": "x" * 1_001}, "invalid_parameter"),
        ({"retry_s": [1] * 21}, "invalid_retry_intervals"),
        ({"retry_s": [0]}, "invalid_retry_intervals"),
        ({"secret": ""}, "invalid_secret"),
        ({"secret": "whsec_short"}, "invalid_secret"),
        ({"secret": "no prefix"}, "invalid_secret"),
        ({"secret": "whsec_!!!"}, "invalid_secret"),
        ({"secret": "short", "signature": "hmac_sha256"}, "invalid_secret"),
        ({"secret": "", "kind": "segment"}, "invalid_secret"),
    ],
)
def test_an_endpoint_that_cannot_work_is_refused(changes: dict[str, Any], code: str) -> None:
    assert Desk().refused(replace(HOOK, **changes)) == code


def test_what_else_an_endpoint_may_be() -> None:
    desk = Desk()
    assert desk.put(replace(HOOK, url="http://10.0.0.1:8080/hook"), takes_http=True).outcome.verdict == "done"
    assert desk.put(replace(HOOK, signature="hmac_sha256", secret="a shared secret!")).outcome.verdict == "done"
    assert desk.put(replace(HOOK, kind="rudderstack", secret="key")).outcome.verdict == "done"
    assert desk.put(replace(HOOK, retry_s=[])).outcome.verdict == "done"


def test_an_account_has_a_bounded_number_of_endpoints() -> None:
    desk = Desk()
    for number in range(ENDPOINTS_MAX):
        desk.put(replace(HOOK, id=f"e{number}"))
    assert desk.refused(replace(HOOK, id="more")) == "too_many_webhooks"
    assert desk.put(replace(HOOK, id="e3", name="changed")).outcome.verdict == "done"


def test_a_test_is_refused_where_it_could_not_be_sent() -> None:
    desk = Desk()
    assert desk.do(c.TestEndpoint(1, "e1")).outcome.code == "webhook_not_found"
    desk.put(HOOK)
    (said,) = desk.do(c.TestEndpoint(1, "e1")).records
    assert isinstance(said, Announcement)
    assert (said.event_type, said.event_id, said.endpoint, said.profile_id) == (TEST, "test-7", "e1", None)
    desk.put(replace(HOOK, enabled=False))
    assert desk.do(c.TestEndpoint(1, "e1")).outcome.code == "webhook_paused"


# -- what became of deliveries ---------------------------------------------------------------------------------------


def test_410_pauses_and_resuming_begins_anew() -> None:
    desk = Desk()
    desk.put(HOOK)
    desk.tried(500, 410)
    assert desk.endpoint().paused_at == NOW
    assert "410" in desk.endpoint().paused_why
    assert desk.facts.referrals.health["e1"].failing_since == NOW
    desk.put(replace(desk.endpoint(), paused_at=None, paused_why=""))
    assert desk.facts.referrals.health["e1"].failing_since is None


def test_five_days_of_nothing_but_failures_pause_and_one_success_in_between_does_not() -> None:
    desk = Desk()
    desk.put(HOOK)
    desk.tried(500)
    desk.now += FAILING_MS_MAX - 1
    desk.tried(None)
    assert desk.endpoint().is_served
    desk.tried(200)
    assert desk.facts.referrals.health["e1"] == Health("e1", None, desk.now, desk.now)
    desk.tried(500)
    desk.now += FAILING_MS_MAX
    desk.tried(503)
    assert desk.endpoint().paused_why == "Nothing but failures for five days."
    paused_at = desk.endpoint().paused_at
    desk.now += 1
    desk.tried(503)
    assert desk.endpoint().paused_at == paused_at


def test_health_is_noted_when_it_changes_and_else_by_the_minute() -> None:
    desk = Desk()
    desk.put(HOOK)

    def news(*statuses: int) -> int:
        attempts = tuple(Attempt(1, "e1", desk.now, 1, s, "", 1, "delivered" if s == 200 else "waiting", None, None) for s in statuses)
        return sum(isinstance(record, Health) for record in desk.do(c.RecordAttempts(1, attempts)).records)

    assert news(200) == 1
    desk.now += 1_000
    assert news(200, 200) == 0
    desk.now += 60_000
    assert news(200) == 1
    assert news(500) == 1
    desk.now += 1_000
    assert news(500) == 0
    desk.now += 60_000
    assert news(500) == 1


def test_attempts_of_two_endpoints_and_of_one_that_is_gone() -> None:
    desk = Desk()
    desk.put(HOOK)
    desk.put(replace(HOOK, id="e2"))
    attempts = (
        Attempt(1, "e1", NOW, 1, 200, "", 1, "delivered", None, None),
        Attempt(2, "e2", NOW, 1, 410, "", 1, "waiting", NOW, None),
        Attempt(3, "gone", NOW, 1, 500, "", 1, "waiting", NOW, None),
    )
    decision = desk.do(c.RecordAttempts(1, attempts))
    assert [record for record in decision.records if isinstance(record, Attempt)] == list(attempts)
    assert [record.endpoint.id for record in decision.records if isinstance(record, EndpointSaved)] == ["e2"]
    assert set(desk.facts.referrals.health) == {"e1", "e2"}


def test_sending_again_says_from_when() -> None:
    decision = Desk().do(c.Redeliver(1, (3, 4)))
    assert decision.outcome.value == 2
    assert list(decision.records) == [Redelivered((3, 4), NOW)]


# -- merges and deletions --------------------------------------------------------------------------------------------


def merged_world(*, has_endpoint: bool) -> list[Any]:
    """What is announced while two profiles become one and the person is deleted."""
    world = World()
    if has_endpoint:
        world.of().referrals.endpoints = {"e1": HOOK}
    told: list[Any] = []
    said: tuple[dict[str, Any], ...] = (
        {"type": "identify", "anonymousId": "device", "traits": {"email": "dan@example.com"}},
        {"type": "identify", "userId": "dan"},
        {"type": "identify", "userId": "dan", "traits": {"email": "dan@example.com"}},
    )
    for number, each in enumerate(said):
        facts = world.of()
        facts.accounts, facts.keys = world.accounts, world.keys
        command = world.receive({**each, "messageId": f"m{number}"})
        decision = decide(command, facts, world.now, Fresh(world.arrival + 1, ProfileId(world.last_profile_id + 1)))
        world.do(command)
        told += [record for record in decision.records if isinstance(record, Announcement)]
    command = world.receive({"type": "delete", "userId": "dan"})
    decision = decide(command, world.of(), world.now, Fresh(world.arrival + 1, ProfileId(9)))
    return told + [record for record in decision.records if isinstance(record, Announcement)]


def test_merges_and_deletions_are_announced_where_somebody_listens() -> None:
    merged, deleted = merged_world(has_endpoint=True)
    assert merged.event_type == "identity.merged"
    assert set(merged.payload) == set(FIELDS["identity.merged"])
    assert (deleted.event_type, deleted.profile_id) == ("person.deleted", None)
    assert set(deleted.payload) == set(FIELDS["person.deleted"])
    assert merged_world(has_endpoint=False) == []
