"""Webhooks sent by a real server to a real receiver: what arrives, how it is signed, and what happens when the receiver misbehaves."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import svix.webhooks

from tests.running import refusal_to_start, rows
from tests.worker.conftest import House, house_of
from tests.worker.receiver import GIGABYTE, Got, Receiver, certificate, until

FAST = "from goodword.worker import outgoing\noutgoing.TOTAL_S = 1.5\noutgoing.Outgoing.__init__.__kwdefaults__['total_s'] = 1.5"


def tried(house: House, webhook: Any) -> Any:
    """What came of a test call."""
    answer = house.test(webhook)
    return answer["attempts"][-1] | {"state": answer["state"]}


def verify_with_the_stock_libraries(secret: str, got: Got) -> None:
    """Errors: WebhookVerificationError of either library."""
    assert standardwebhooks.Webhook(secret).verify(got.body, got.headers) == got.json
    svix.webhooks.Webhook(secret).verify(got.body, got.headers)


# -- what arrives ----------------------------------------------------------------------------------------------------


def test_a_conversion_reaches_the_endpoint_at_once_and_the_stock_verifiers_accept_it(house: House, receiver: Receiver) -> None:
    webhook = house.add(receiver.url("/ok"))
    started = time.perf_counter()
    (order,) = house.convert(user="ada", email="ada@example.com")
    (got,) = receiver.wait(1)
    assert time.perf_counter() - started < 40
    assert got.json["type"] == "conversion.recorded"
    assert got.json["partner_conversion_id"] == order
    assert got.json["partner_user_id"] == "ada"
    assert got.json["cart_value"] == "12.50"
    assert got.headers["webhook-id"] == got.json["event_id"]
    verify_with_the_stock_libraries(webhook["secret"], got)
    for stock, refusal in ((standardwebhooks, standardwebhooks.webhooks), (svix.webhooks, svix.webhooks)):
        with pytest.raises(refusal.WebhookVerificationError):
            stock.Webhook(webhook["secret"]).verify(got.body + b" ", got.headers)


def test_a_rotated_secret_signs_beside_the_old_one(house: House, receiver: Receiver) -> None:
    webhook = house.add(receiver.url("/ok"))
    new = house.ok("POST", f"/v6/webhooks/{webhook['id']}/secret")["secret"]
    assert new != webhook["secret"]
    house.convert()
    (got,) = receiver.wait(1)
    for secret in (webhook["secret"], new):
        verify_with_the_stock_libraries(secret, got)
    assert "secret" not in house.show(webhook)


def test_the_body_signature_is_the_hex_hmac_of_the_exact_body(house: House, receiver: Receiver) -> None:
    webhook = house.add(receiver.url("/ok"), signature="hmac_sha256", secret="shared-with-the-shop")
    house.convert()
    (got,) = receiver.wait(1)
    assert got.headers["x-extole-signature"] == hmac.new(b"shared-with-the-shop", got.body, hashlib.sha256).hexdigest()
    assert "webhook-signature" not in got.headers
    new = house.ok("POST", f"/v6/webhooks/{webhook['id']}/secret")["secret"]
    house.convert()
    got = receiver.wait(2)[1]
    assert got.headers["x-extole-signature"] == hmac.new(new.encode(), got.body, hashlib.sha256).hexdigest()
    assert got.headers["x-extole-signature-previous"] == hmac.new(b"shared-with-the-shop", got.body, hashlib.sha256).hexdigest()


def test_a_filter_lets_pass_what_it_names(house: House, receiver: Receiver) -> None:
    house.add(receiver.url("/rewards"), type="REWARD")
    house.add(receiver.url("/registrations"), event_types=["registration.recorded"])
    house.add(receiver.url("/ok"))
    house.server.post("/v1/track", {"event": "registration", "userId": "bea", "messageId": "r1"}, house.key)
    house.convert()
    receiver.wait(2)
    receiver.wait(1, "/registrations")
    time.sleep(0.3)
    assert len(receiver.at("/registrations")) == 1
    assert receiver.at("/rewards") == []


def test_a_repeated_conversion_is_announced_once(house: House, receiver: Receiver) -> None:
    house.add(receiver.url("/ok"))
    said = {"event": "conversion", "userId": "cy", "properties": {"partner_conversion_id": "o-1", "cart_value": "1"}}
    for number in range(3):
        assert house.server.post("/v1/track", {**said, "messageId": f"c{number}"}, house.key).status == 200
        assert house.server.post("/v1/track", {**said, "messageId": "c0"}, house.key).status == 200
    receiver.wait(1)
    time.sleep(0.3)
    assert len(receiver.got) == 1


def test_a_merge_and_a_deletion_are_announced_and_the_deletion_names_nobody(house: House, receiver: Receiver) -> None:
    house.add(receiver.url("/ok"))
    house.server.post("/v1/identify", {"anonymousId": "device", "traits": {"email": "dan@example.com"}}, house.key)
    house.server.post("/v1/identify", {"userId": "dan", "traits": {"plan": "pro"}}, house.key)
    house.server.post("/v1/identify", {"userId": "dan", "traits": {"email": "dan@example.com"}}, house.key)
    (got,) = receiver.wait(1)
    assert got.json["type"] == "identity.merged"
    assert got.json["partner_user_id"] == "dan"
    assert got.json["merged_person_id"] != got.json["person_id"]
    erasure = house.ok("POST", "/v4/erasures", {"partner_user_id": "dan"})
    got = receiver.wait(2)[1]
    assert got.json == {
        "type": "person.deleted",
        "event_id": got.json["event_id"],
        "event_time": got.json["event_time"],
        "schema_version": 1,
        "erasure_id": erasure["id"],
        "deleted_at": got.json["deleted_at"],
    }
    house.ok("POST", "/v4/erasures", {"partner_user_id": "nobody-at-all"})
    time.sleep(0.2)
    assert len(receiver.got) == 2


def test_nothing_is_stored_for_endpoints_where_there_are_none(house: House) -> None:
    house.convert(3)
    assert rows(house.server.data, "SELECT count(*) FROM delivery") == [(0,)]


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server that waits for an answer for a second and a half."""
    made = house_of(tmp_path_factory.mktemp("hasty") / "data", before=FAST)
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Receiver]]:
    """A server that may call no private address, and a receiver whose certificate it trusts."""
    folder = tmp_path_factory.mktemp("strict")
    context, file = certificate(folder)
    with Receiver(context) as receiver:
        made = house_of(folder / "data", {"GOODWORD_WEBHOOK_ALLOW": "", "SSL_CERT_FILE": str(file)})
        yield made, receiver
        made.server.stop()


# -- receivers that misbehave ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "state", "status", "error"),
    [
        ("/ok", "delivered", 200, ""),
        ("/status/201", "delivered", 201, ""),
        ("/status/204", "delivered", 204, ""),
        ("/status/500", "dead", 500, "status_500"),
        ("/status/404", "dead", 404, "status_404"),
        ("/redirect", "dead", 302, "redirect_refused"),
        ("/redirect-home", "dead", 307, "redirect_refused"),
        ("/close", "dead", None, "connection_closed"),
        ("/cut", "delivered", 200, "connection_closed"),
        ("/hang", "dead", None, "timeout"),
        ("/drip", "delivered", 200, "timeout"),
        ("/drip-head", "dead", None, "timeout"),
        ("/garbage", "dead", None, "not_http"),
    ],
)
def test_what_a_receiver_does_and_what_it_counts_as(
    hasty: House, receiver: Receiver, path: str, state: str, status: int, error: str
) -> None:
    webhook = hasty.add(receiver.url(path))
    started = time.perf_counter()
    found = tried(hasty, webhook)
    assert (found["state"], found["status"], found["error"]) == (state, status, error)
    assert time.perf_counter() - started < 20
    assert receiver.at("/ok") == [] or path == "/ok"


def test_an_answer_of_a_gigabyte_is_cut(house: House, receiver: Receiver) -> None:
    webhook = house.add(receiver.url("/gigabyte"))
    found = tried(house, webhook)
    assert found["state"] == "delivered"
    assert found["response"]["is_cut"]
    assert len(found["response"]["body"]) == 64 * 1024
    assert found["milliseconds"] < 3_000
    time.sleep(0.2)
    assert receiver.sent_bytes < GIGABYTE // 50


def test_a_certificate_nobody_vouches_for_is_refused_and_one_that_is_trusted_is_taken(tmp_path: Path) -> None:
    context, file = certificate(tmp_path)
    with Receiver(context) as receiver:
        house = house_of(tmp_path / "strict")
        assert tried(house, house.add(receiver.url("/ok")))["error"] == "bad_certificate"
        house.server.stop()
        assert receiver.got == []
        house = house_of(tmp_path / "trusting", {"SSL_CERT_FILE": str(file)})
        assert tried(house, house.add(receiver.url("/ok")))["state"] == "delivered"
        house.server.stop()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:{port}/ok",
        "https://localhost:{port}/ok",
        "https://127.1:{port}/ok",
        "https://2130706433:{port}/ok",
        "https://0x7f000001:{port}/ok",
        "https://0177.0.0.1:{port}/ok",
        "https://0.0.0.0:{port}/ok",
        "https://[::1]:{port}/ok",
        "https://[::ffff:127.0.0.1]:{port}/ok",
        "https://[::ffff:7f00:1]:{port}/ok",
        "https://[64:ff9b::7f00:1]:{port}/ok",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.1.2.3/",
        "https://100.64.0.1/",
        "https://192.168.0.1/",
        "https://[fd00:ec2::254]/",
        "https://224.0.0.1/",
    ],
)
def test_private_addresses_are_not_called_however_they_are_written(strict: tuple[House, Receiver], url: str) -> None:
    house, receiver = strict
    webhook = house.add(url.format(port=receiver.port))
    found = tried(house, webhook)
    assert (found["state"], found["status"]) == ("dead", None)
    assert found["error"] in ("address_refused", "invalid_url", "name_not_found"), found
    assert receiver.connections == 0
    house.ok("DELETE", f"/v6/webhooks/{webhook['id']}")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://example.com/", "invalid_url"),
        ("http://localhost/", "invalid_url"),
        ("ftp://example.com/", "invalid_url"),
        ("https://user:word@example.com/", "invalid_url"),
        ("https://", "invalid_url"),
        ("nothing", "invalid_url"),
        ("https://example.com:99999/", "invalid_url"),
        ("https://exa mple.com/", "invalid_url"),
        ("https://example.com/" + "x" * 2_000, "invalid_url"),
    ],
)
def test_urls_that_cannot_be_called_are_refused(hasty: House, url: str, code: str) -> None:
    assert hasty.refused("POST", "/v6/webhooks", {"url": url}) == code


def test_proxies_of_the_environment_are_not_asked(tmp_path: Path) -> None:
    with Receiver() as proxy, Receiver() as receiver:
        env = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"), f"http://127.0.0.1:{proxy.port}")
        house = house_of(tmp_path / "data", env)
        assert tried(house, house.add(receiver.url("/ok")))["state"] == "delivered"
        house.server.stop()
        assert proxy.connections == 0


def test_a_malformed_allow_list_is_said_at_the_start(tmp_path: Path) -> None:
    assert "GOODWORD_WEBHOOK_ALLOW" in refusal_to_start(tmp_path / "data", env={"GOODWORD_WEBHOOK_ALLOW": "10.0.0.0/99"})


# -- queues ----------------------------------------------------------------------------------------------------------


def test_an_endpoint_that_hangs_delays_nobody(house: House, receiver: Receiver) -> None:
    hanging = house.add(receiver.url("/hang"))
    house.add(receiver.url("/ok"))
    house.add(receiver.url("/status/500"))
    started = time.perf_counter()
    orders = house.convert(300)
    got = receiver.wait(300)
    assert time.perf_counter() - started < 40
    assert {each.json["partner_conversion_id"] for each in got} == set(orders)
    assert len({each.headers["webhook-id"] for each in got}) == len(got) == 300
    assert receiver.most_at_once["/hang"] <= 16
    assert house.show(hanging)["waiting"] == 300


def test_a_failure_is_tried_again_with_the_same_event_id_until_it_is_taken(house: House, receiver: Receiver) -> None:
    webhook = house.add(receiver.url("/flaky/2"), retry_intervals=[1, 1, 1])
    house.convert()
    got = receiver.wait(3, "/flaky/2")
    assert len({each.headers["webhook-id"] for each in got}) == 1
    assert len({each.body for each in got}) == 1
    until(lambda: house.deliveries(webhook)[0]["state"] == "delivered")
    found = house.delivery(house.deliveries(webhook)[0]["id"])
    assert [(each["number"], each["status"]) for each in found["attempts"]] == [(1, 500), (2, 500), (3, 200)]
    assert found["attempts"][0]["response"]["body"] == "said"
    assert found["attempts"][0]["request"]["headers"]["webhook-signature"] == got[0].headers["webhook-signature"]
    assert found["attempts"][0]["request"]["body"] == got[0].json == found["body"]
    health = house.show(webhook)
    assert health["failing_since"] is None
    assert health["last_success_at"]


def test_dead_letters_and_sending_them_again(house: House, receiver: Receiver) -> None:
    receiver.statuses["/moody"] = 503
    webhook = house.add(receiver.url("/moody"), retry_intervals=[1])
    house.convert(5)
    until(lambda: house.show(webhook)["dead"] == 5)
    assert len(receiver.at("/moody")) == 10
    assert house.show(webhook)["failing_since"]
    receiver.statuses["/moody"] = 200
    dead = house.deliveries(webhook, state="dead")
    assert house.ok("POST", "/v6/webhooks/events/send", {"delivery_ids": [dead[0]["id"], "77"]})["count"] == 1
    assert house.ok("POST", "/v6/webhooks/events/send", {"event_ids": [dead[1]["event_id"]]})["count"] == 1
    until(lambda: house.show(webhook)["dead"] == 3)
    assert house.ok("POST", "/v6/webhooks/events/send", {"webhook_id": webhook["id"]})["count"] == 3
    until(lambda: len(house.deliveries(webhook, state="delivered")) == 5)
    assert len(receiver.at("/moody")) == 15
    assert {each["attempt_count"] for each in house.deliveries(webhook)} == {3}
    delivered = house.deliveries(webhook)[0]
    assert house.ok("POST", "/v6/webhooks/events/send", {"delivery_ids": [delivered["id"]]})["count"] == 1
    assert receiver.wait(16, "/moody")[-1].headers["webhook-id"] == delivered["event_id"]
    assert house.refused("POST", "/v6/webhooks/events/send", {}) == "invalid_parameter"


def test_a_resent_delivery_gets_all_its_retries_anew(house: House, receiver: Receiver) -> None:
    webhook = house.add(receiver.url("/status/500"), retry_intervals=[1])
    house.convert()
    until(lambda: house.show(webhook)["dead"] == 1)
    house.ok("POST", "/v6/webhooks/events/send", {"webhook_id": webhook["id"]})
    until(lambda: house.deliveries(webhook)[0]["attempt_count"] == 4)


def test_retry_after_is_waited_for(house: House, receiver: Receiver) -> None:
    webhook = house.add(receiver.url("/status/429"), retry_intervals=[1, 1])
    house.convert()
    receiver.wait(1, "/status/429")
    time.sleep(2.5)
    assert len(receiver.at("/status/429")) == 1
    assert house.show(webhook)["waiting"] == 1


def test_a_paused_endpoint_is_owed_what_happens_and_gets_it_when_resumed(house: House, receiver: Receiver) -> None:
    webhook = house.add(receiver.url("/ok"))
    assert house.ok("POST", f"/v6/webhooks/{webhook['id']}/pause")["state"] == "paused"
    orders = house.convert(20)
    time.sleep(0.3)
    assert receiver.got == []
    assert house.refused("POST", f"/v6/webhooks/{webhook['id']}/test") == "webhook_paused"
    assert house.show(webhook)["waiting"] == 20
    house.ok("POST", f"/v6/webhooks/{webhook['id']}/resume")
    assert {each.json["partner_conversion_id"] for each in receiver.wait(20)} == set(orders)


def test_a_disabled_endpoint_keeps_what_it_was_owed_and_is_owed_nothing_new(house: House, receiver: Receiver) -> None:
    webhook = house.add(receiver.url("/ok"))
    house.ok("POST", f"/v6/webhooks/{webhook['id']}/pause")
    house.convert(2)
    assert house.ok("PUT", f"/v6/webhooks/{webhook['id']}", {"enabled": False})["state"] == "disabled"
    house.convert(3)
    assert house.show(webhook)["waiting"] == 2
    house.ok("POST", f"/v6/webhooks/{webhook['id']}/resume")
    receiver.wait(2)
    time.sleep(0.2)
    assert len(receiver.got) == 2


def test_410_pauses_the_endpoint_with_what_it_is_owed(house: House, receiver: Receiver) -> None:
    receiver.statuses["/gone"] = 410
    webhook = house.add(receiver.url("/gone"))
    house.convert()
    until(lambda: house.show(webhook)["state"] == "paused")
    assert "410" in house.show(webhook)["paused_why"]
    house.convert(2)
    time.sleep(1.5)
    assert len(receiver.at("/gone")) == 1
    assert house.show(webhook)["waiting"] == 3
    receiver.statuses["/gone"] = 200
    house.ok("POST", f"/v6/webhooks/{webhook['id']}/resume")
    receiver.wait(3, "/gone")


def test_a_removed_endpoint_leaves_nothing(house: House, receiver: Receiver) -> None:
    webhook = house.add(receiver.url("/status/500"))
    house.convert(3)
    receiver.wait(3, "/status/500")
    house.ok("DELETE", f"/v6/webhooks/{webhook['id']}")
    for table in ("endpoint", "delivery", "attempt", "endpoint_health"):
        assert rows(house.server.data, f"SELECT count(*) FROM {table}") == [(0,)], table
    assert house.refused("GET", f"/v6/webhooks/{webhook['id']}") == "webhook_not_found"
