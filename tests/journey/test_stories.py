"""Stories in business words, told through the server's doors and read back as a person at the brand would read them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from goodword.core.account import Scope
from tests.running import Server, make_key, run

Said = dict[str, Any]


class Brand:
    """A brand's installation: it sends as Segment or an SDK does, and reads through the command line and the server API."""

    def __init__(self, server: Server, key: str) -> None:
        self.server = server
        self.key = key
        self._sent = 0

    def _stamped(self, said: Said) -> Said:
        self._sent += 1
        return {"messageId": f"story-{self._sent}", **said}

    def segment(self, **said: Any) -> Any:
        """One message from Segment."""
        answer = self.server.post("/segment", self._stamped(said), self.key)
        assert answer.status == 200, answer
        return answer.json

    def sdk(self, *said: Said) -> None:
        """A batch from a stock SDK, gzipped."""
        body = gzip.compress(json.dumps({"batch": [self._stamped(one) for one in said]}).encode())
        assert self.server.post("/v1/batch", body, self.key, Content_Encoding="gzip").status == 200

    def file(self, user: str) -> Said | None:
        """The person's whole file, as exported."""
        done = run("export", "person", "--user-id", user, "--data", str(self.server.data))
        return json.loads(done.stdout) if done.returncode == 0 else None

    def person(self, **by: str) -> Said | None:
        """The person as the server API shows them."""
        ((name, value),) = by.items()
        answer = self.server.get(f"/v5/persons?person_keys={name}:{value}", Authorization=f"Bearer {self.key}")
        assert answer.status == 200, answer
        return next(iter(answer.json), None)

    def data(self, **by: str) -> dict[str, Any]:
        """The person's data: name -> value."""
        person = self.person(**by)
        assert person is not None
        found = self.server.get(f"/v5/persons/{person['id']}/data", Authorization=f"Bearer {self.key}").json
        return {name: one["value"] for name, one in found.items()}


@pytest.fixture(scope="module")
def brand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brand]:
    data = tmp_path_factory.mktemp("brand") / "data"
    key = make_key(data, Scope.SERVER)
    with Server(data) as server:
        yield Brand(server, key)
    done = run("verify", "--data", str(data))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_visitor_browses_registers_and_buys_and_is_one_customer(brand: Brand) -> None:
    """Anna looks around on her phone, registers there, and buys on her laptop. The shop sees one Anna with the whole history."""
    brand.sdk({"type": "page", "anonymousId": "anna-phone"}, {"type": "track", "event": "Product Viewed", "anonymousId": "anna-phone"})
    brand.sdk(
        {
            "type": "track",
            "event": "registration",
            "anonymousId": "anna-phone",
            "userId": "anna",
            "properties": {"email": "Anna@Example.com"},
        }
    )
    brand.segment(type="identify", userId="anna", anonymousId="anna-laptop", traits={"firstName": "Anna", "favouriteColour": "green"})
    brand.segment(
        type="track",
        event="conversion",
        userId="anna",
        properties={"partner_conversion_id": "A-1", "cart_value": "99.99", "currency": "EUR"},
    )
    assert brand.person(partner_user_id="anna") == brand.person(email="anna@example.com")
    assert brand.data(partner_user_id="anna")["favouriteColour"] == "green"
    assert brand.data(partner_user_id="anna")["first_name"] == "Anna"
    file = brand.file("anna")
    assert file is not None
    told = json.dumps(file)
    assert all(word in told for word in ("anna-phone", "anna-laptop", "anna@example.com", "Product Viewed", "99.99", "EUR"))


def test_an_impatient_sender_sends_everything_twice_and_nothing_counts_twice(brand: Brand) -> None:
    """Segment times out and sends Bert's order again; the shop's own server reports the same order under a message id of its own."""
    order = {
        "type": "track",
        "event": "conversion",
        "userId": "bert",
        "properties": {"partner_conversion_id": "B-1", "cart_value": "10.00"},
    }
    first = brand.segment(**order, messageId="bert-1")
    assert brand.segment(**order, messageId="bert-1") == first
    assert brand.segment(**order, messageId="bert-2")["eventId"] == first["eventId"]
    brand.sdk({**order, "messageId": "bert-1"}, {**order, "messageId": "bert-3"})
    file = brand.file("bert")
    assert file is not None
    counted = [one for one in _all_events(file) if one.get("name") == "conversion" and not one.get("duplicate_of")]
    assert len(counted) == 1


def _all_events(value: Any) -> Iterator[Said]:
    """Every object in a person's file that is an event."""
    if isinstance(value, dict):
        if "name" in value and "type" in value:
            yield value
        for inner in value.values():
            yield from _all_events(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _all_events(inner)


def test_the_newsletter_reader_who_becomes_a_customer_later(brand: Brand) -> None:
    """Carla is known by e-mail alone for a year. When she signs up, what was known of her stays with her."""
    brand.segment(type="identify", traits={"email": "carla@example.com", "newsletter": True})
    reader = brand.person(email="carla@example.com")
    brand.segment(type="identify", userId="carla", traits={"email": "carla@example.com", "plan": "gold"})
    assert brand.person(partner_user_id="carla") == brand.person(email="carla@example.com")
    assert {"newsletter": True, "plan": "gold"}.items() <= brand.data(partner_user_id="carla").items()
    assert reader is not None


def test_the_family_tablet_mixes_nobody_up(brand: Brand) -> None:
    """Dora and Emil use one tablet. Each keeps an own history, though the device changes hands, and Emil mistypes Dora's e-mail."""
    brand.segment(type="identify", userId="dora", anonymousId="tablet", traits={"email": "dora@example.com", "size": "S"})
    brand.segment(type="identify", userId="emil", anonymousId="tablet", traits={"email": "dora@example.com", "size": "L"})
    assert brand.data(partner_user_id="dora")["size"] == "S"
    assert brand.data(partner_user_id="emil")["size"] == "L"
    dora, emil = brand.person(partner_user_id="dora"), brand.person(partner_user_id="emil")
    assert dora is not None
    assert emil is not None
    assert dora["id"] != emil["id"]
    assert brand.person(email="dora@example.com") == dora
    assert "conflict" in json.dumps(brand.file("emil"))


def test_late_news_never_overwrites_fresh_news(brand: Brand) -> None:
    """Frida upgrades, then cancels her phone number. Segment replays last week: nothing moves back."""
    brand.segment(type="identify", userId="frida", timestamp="2024-05-02T00:00:00Z", traits={"plan": "gold", "phone": None})
    brand.segment(type="identify", userId="frida", timestamp="2024-05-01T00:00:00Z", traits={"plan": "free", "phone": "+49"})
    data = brand.data(partner_user_id="frida")
    assert data["plan"] == "gold"
    assert data.get("phone") is None


def test_a_customer_asks_to_be_forgotten(brand: Brand) -> None:
    """Gerd asks to be deleted. He is gone at once; Segment's replay does not bring him back; when he returns, he is a stranger."""
    brand.segment(type="identify", userId="gerd", timestamp="2024-05-01T00:00:00Z", traits={"email": "gerd@example.com", "plan": "gold"})
    assert brand.person(partner_user_id="gerd") is not None
    for _ in range(2):
        assert brand.server.post("/segment", {"userId": "gerd"}, brand.key).status == 200
    assert brand.person(partner_user_id="gerd") is None
    assert brand.person(email="gerd@example.com") is None
    assert brand.file("gerd") is None
    brand.segment(type="identify", userId="gerd", timestamp="2024-05-01T00:00:00Z", traits={"email": "gerd@example.com", "plan": "gold"})
    assert brand.person(partner_user_id="gerd") is None
    brand.segment(type="identify", userId="gerd", traits={"returned": True})
    data = brand.data(partner_user_id="gerd")
    assert data["returned"] is True
    assert "plan" not in data
    assert brand.person(email="gerd@example.com") is None


def test_a_deletion_of_somebody_never_heard_of_succeeds_and_creates_nobody(brand: Brand) -> None:
    said = {"type": "delete", "channel": "server", "userId": "stranger", "context": None, "integrations": None,
            "messageId": "delete-reg-1::job-1", "originalTimestamp": "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.077"}  # fmt: skip
    assert brand.server.post("/segment", said, brand.key).status == 200
    assert brand.person(partner_user_id="stranger") is None


def test_an_audience_is_joined_and_left_whatever_comes_first(brand: Brand) -> None:
    """Hans leaves the audience of lapsed customers; the message of his joining arrives after it."""
    personas = {"personas": {"computation_class": "audience", "computation_key": "lapsed", "computation_id": "aud_1"}}
    brand.segment(type="identify", userId="hans", timestamp="2024-05-02T00:00:00Z", context=personas, traits={"lapsed": False})
    brand.segment(type="identify", userId="hans", timestamp="2024-05-01T00:00:00Z", context=personas, traits={"lapsed": True})
    brand.segment(type="track", event="Audience Entered", userId="ida", properties={"audience_key": "lapsed", "lapsed": "true"})
    assert brand.data(partner_user_id="hans")["lapsed"] is False
    members = {}
    for user in ("hans", "ida"):
        person = brand.person(partner_user_id=user)
        assert person is not None
        answer = brand.server.get(f"/v5/persons/{person['id']}/memberships", Authorization=f"Bearer {brand.key}")
        members[user] = "lapsed" in json.dumps(answer.json)
    assert members == {"hans": False, "ida": True}


def test_a_broken_message_in_a_batch_harms_nobody_else(brand: Brand) -> None:
    """A pandas script sends a NaN among good messages: the good ones are taken, the bad one is named."""
    body = b'{"batch":[{"type":"identify","userId":"jo","messageId":"n1","traits":{"a":1}},'
    body += b'{"type":"identify","userId":"jo","messageId":"n2","traits":{"a":NaN}},{"type":"identify","userId":"kim","messageId":"n3"}]}'
    answer = brand.server.post("/v1/batch", body, brand.key)
    assert answer.status == 200
    assert [one["index"] for one in answer.json["rejected"]] == [1]
    assert brand.data(partner_user_id="jo")["a"] == 1
    assert brand.person(partner_user_id="kim") is not None
