"""Webhooks on the wire, where they may go, and the way back to a CDP."""

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

from goodword.core.address import Allowed, is_public, read_address
from goodword.core.decide import OWN
from goodword.core.delivery import (
    EVENT_TYPES,
    SOURCE_TYPES,
    TEST,
)
from goodword.core.source import batch_url, calls_of
from goodword.core.webhook import FIELDS, body_of, is_optional, read_secret, signature_headers, write_secret
from tests.core.test_delivery import HOOK, OTHER_SECRET, SECRET
from tests.core.world import NOW, World, message

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
