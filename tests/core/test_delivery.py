"""What is announced to whom, when a failed delivery is tried again, how bodies are signed, where they may go, what a CDP is told."""

from __future__ import annotations

import datetime
import hashlib
import hmac
from ipaddress import ip_address
from typing import Any

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from goodword.core import command as c
from goodword.core.address import Allowed, is_public, read_address
from goodword.core.decide import OWN, decide
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
from goodword.core.source import batch_url, calls_of
from goodword.core.webhook import FIELDS, body_of, is_optional, read_secret, signature_headers, write_secret
from tests.core.world import NOW, World, message

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


# -- on the wire -----------------------------------------------------------------------------------------------------


def test_a_body_holds_what_all_have_and_when_it_happened() -> None:
    said = body_of("reward.earned", "id-1", NOW, {"reward_id": "5", "type": "other"}, "standard")
    assert said == {"reward_id": "5", "type": "reward.earned", "event_id": "id-1", "event_time": said["event_time"], "schema_version": 1}
    assert said["event_time"] == "2027-01-15T08:00:00.000Z"
    earlier = body_of("reward.earned", "id-1", NOW, {"event_time": "2026-01-01T00:00:00.000Z"}, "hmac_sha256")
    assert earlier["event_time"] == "2026-01-01T00:00:00.000Z"
    assert earlier["type"] == "reward_earned"


def test_an_old_secret_signs_until_its_day_is_over() -> None:
    both = replace(HOOK, old_secret=OTHER_SECRET, old_until=NOW + 1)
    assert len(signature_headers(both, "id-1", NOW, b"{}")["webhook-signature"].split()) == 2
    assert len(signature_headers(both, "id-1", NOW + 1, b"{}")["webhook-signature"].split()) == 1
    compatible = replace(both, signature="hmac_sha256")
    headers = signature_headers(compatible, "id-1", NOW, b"{}")
    expected = [hmac.new(secret.encode(), b"{}", hashlib.sha256).hexdigest() for secret in (SECRET, OTHER_SECRET)]
    assert list(headers.values()) == expected
    assert list(signature_headers(compatible, "id-1", NOW + 1, b"{}")) == ["X-Extole-Signature"]


@given(st.binary(min_size=24, max_size=64), st.text(min_size=1, max_size=40), st.binary(max_size=200))
def test_the_stock_library_makes_the_same_signature(key: bytes, id: str, body: bytes) -> None:
    secret = write_secret(key)
    assert read_secret(secret) == key
    text = body.decode("latin-1")
    headers = signature_headers(replace(HOOK, secret=secret), id, NOW, text.encode())
    at = datetime.datetime.fromtimestamp(NOW // 1000, datetime.UTC)
    assert headers["webhook-signature"] == standardwebhooks.Webhook(secret).sign(id, at, text)


def test_every_event_type_says_what_its_payload_holds() -> None:
    assert set(FIELDS) == {*EVENT_TYPES, TEST}
    assert is_optional("reward.sent", "email")
    assert not is_optional("share.created", "email")
    assert not is_optional("reward.sent", "reward_id")


# -- where it may go -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255"),
        *("224.0.0.1", "239.1.1.1", "168.63.129.16", "192.0.0.192", "198.18.0.1", "240.0.0.1", "::", "::1", "fe80::1", "fe80::1%eth0"),
        *("fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:1::1"),
        *("::127.0.0.1", "fec0::1", "2001:db8::1", "192.0.2.1"),
    ],
)
def test_addresses_that_are_not_the_internets_are_not_called(text: str) -> None:
    assert not is_public(ip_address(text))
    assert not Allowed().permits(ip_address(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_addresses_of_the_internet_are(text: str) -> None:
    assert is_public(ip_address(text))


def test_an_allow_list_names_hosts_addresses_and_networks() -> None:
    allowed = Allowed.of("Hooks.internal, 10.0.0.0/8 127.0.0.1,[::1]")
    assert allowed.names("hooks.INTERNAL.")
    assert allowed.names("10.9.9.9")
    assert allowed.names("[::1]")
    assert not allowed.names("other.internal")
    assert not allowed.names("192.168.0.1")
    assert allowed.permits(ip_address("127.0.0.1"))
    assert not allowed.permits(ip_address("127.0.0.2"))
    assert read_address("name") is None
    with pytest.raises(ValueError, match="not"):
        Allowed.of("10.0.0.0/99")


# -- the way back ----------------------------------------------------------------------------------------------------


def test_calls_of_a_cdp() -> None:
    payload = {"person_id": "5", "partner_user_id": "ada", "email": "ada@example.com", "campaign_id": "spring", "channel": "email"}
    identify, track = calls_of("share.created", "share-1", NOW, payload, "1.0")
    assert (identify["userId"], identify["anonymousId"], identify["traits"]) == ("ada", "5", {"email": "ada@example.com"})
    assert track["event"] == "referred"
    assert track["properties"] == {"email": "ada@example.com", "campaign": "spring", "channel": "email", "funnel": "ADVOCATE"}
    assert [call["messageId"] for call in (identify, track)] == ["goodword:share-1:identify", "goodword:share-1:track"]
    names = {name: calls_of(name, "x", NOW, payload, "1")[-1]["event"] for name in SOURCE_TYPES}
    assert sorted(names.values()) == ["purchased", "referred", "registered", "was_referred"]
    (alone,) = calls_of("conversion.recorded", "x", NOW, {"person_id": "6", "partner_user_id": None}, "1")
    assert "userId" not in alone
    assert calls_of("reward.earned", "x", NOW, payload, "1") == []
    assert calls_of(TEST, "x", NOW, {}, "1")[0]["properties"] == {}


@pytest.mark.parametrize(
    ("kind", "url", "whole"),
    [
        ("webhook", "https://shop.example/hook/", "https://shop.example/hook/"),
        ("segment", "", "https://api.segment.io/v1/batch"),
        ("segment", "https://events.example/v1", "https://events.example/v1/batch"),
        ("rudderstack", "https://plane.example", "https://plane.example/v1/batch"),
        ("rudderstack", "https://plane.example/v1/batch", "https://plane.example/v1/batch"),
        ("rudderstack", "https://plane.example/x?y=1", "https://plane.example/x?y=1"),
        ("rudderstack", "", ""),
    ],
)
def test_where_a_cdp_takes_batches(kind: Any, url: str, whole: str) -> None:
    assert batch_url(kind, url) == whole


@pytest.mark.parametrize(
    "said",
    [
        {"messageId": "x1", "context": {"library": {"name": "goodword"}}},
        {"messageId": "goodword:conversion-3:track"},
    ],
)
def test_what_goodword_sent_is_dropped_when_it_comes_back(said: dict[str, Any]) -> None:
    world = World()
    (outcome,) = world.say({"type": "track", "event": "purchased", "userId": "ada", **said})
    assert (outcome.verdict, outcome.reason) == ("dropped", OWN)
    assert world.of().profiles == {}
    assert not message({"type": "track", "event": "x", "userId": "a", "context": {"library": {"name": "other"}}}).is_own


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
