"""Deliveries through crashes and deletions: nothing owed is forgotten, nothing of a deleted person is sent or kept."""

from __future__ import annotations

import json
from pathlib import Path

from goodword.storage.store import Store
from goodword.storage.verify import verify
from tests.running import rows
from tests.worker.conftest import house_of
from tests.worker.receiver import Receiver, until

# -- crashes and deletions -------------------------------------------------------------------------------------------


def test_law_1_a_killed_server_forgets_nothing_it_owes(tmp_path: Path, receiver: Receiver) -> None:
    data = tmp_path / "data"
    receiver.delay_s = 0.02
    house = house_of(data)
    house.add(receiver.url("/ok"))
    orders = []
    for _ in range(4):
        orders += house.convert(200)
        house.server.kill()
        house = house_of(data)
    until(lambda: {each.json["partner_conversion_id"] for each in receiver.got} == set(orders), 60)
    until(lambda: rows(data, "SELECT count(*) FROM delivery WHERE state <> 'delivered'") == [(0,)])
    house.server.stop()
    ids = {each.json["partner_conversion_id"]: each.headers["webhook-id"] for each in receiver.got}
    assert all(ids[each.json["partner_conversion_id"]] == each.headers["webhook-id"] for each in receiver.got)
    repeated = len(receiver.got) - len(orders)
    assert repeated <= 4 * (16 + 256)
    with Store(data, readonly=True) as store:
        assert verify(store) == []


def test_a_stopped_server_sends_nothing_twice(tmp_path: Path, receiver: Receiver) -> None:
    data = tmp_path / "data"
    receiver.delay_s = 0.05
    house = house_of(data)
    house.add(receiver.url("/ok"))
    orders = house.convert(200)
    receiver.wait(20)
    assert house.server.stop() == 0
    assert len(receiver.got) < 200
    house = house_of(data)
    receiver.wait(200)
    until(lambda: rows(data, "SELECT count(*) FROM delivery WHERE state <> 'delivered'") == [(0,)])
    house.server.stop()
    assert sorted(each.json["partner_conversion_id"] for each in receiver.got) == sorted(orders)


def test_law_4_a_deletion_takes_queued_and_logged_bodies(tmp_path: Path, receiver: Receiver) -> None:
    data = tmp_path / "data"
    house = house_of(data)
    webhook = house.add(receiver.url("/ok"))
    house.add(receiver.url("/status/500"))
    house.convert(1, "gone-person-zz", email="gone.person.zz@example.com")
    house.convert(1, "kept-person-zz", email="kept.person.zz@example.com")
    receiver.wait(2)
    receiver.wait(2, "/status/500")
    until(lambda: rows(data, "SELECT count(*) FROM attempt")[0][0] >= 4)
    before = house.deliveries(webhook)
    assert any("gone-person-zz" in json.dumps(house.delivery(each["id"])) for each in before)
    house.ok("POST", "/v4/erasures", {"partner_user_id": "gone-person-zz"})
    after = [house.delivery(each["id"]) for each in house.deliveries(webhook) if each["type"] == "conversion.recorded"]
    assert len(after) == 1
    assert "kept-person-zz" in json.dumps(after)
    assert rows(data, "SELECT count(*) FROM attempt a LEFT JOIN delivery d ON d.id = a.delivery_id WHERE d.id IS NULL") == [(0,)]
    sent = len(receiver.at("/status/500"))
    house.server.stop()
    for path in tmp_path.rglob("*"):
        if path.is_file() and not path.is_socket() and path.name != "receiver.pem":
            for text in (b"gone-person-zz", b"gone.person.zz", b"kept-person-zz"):
                assert text not in path.read_bytes(), (path, text)
    with Store(data, readonly=True) as store:
        assert verify(store) == []
    house = house_of(data)
    house.ok("POST", "/v6/webhooks/events/send", {"webhook_id": webhook["id"], "state": "delivered"})
    receiver.wait(4)
    later = [*receiver.at("/ok")[2:], *receiver.at("/status/500")[sent:]]
    assert not [each for each in later if b"gone-person-zz" in each.body]
    house.server.stop()
