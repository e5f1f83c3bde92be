"""Endpoints at a real server: the way back to a CDP, keys and accounts, the command line."""

from __future__ import annotations

import json
import time

from goodword.core.account import Scope
from tests.running import make_key, rows, run
from tests.worker.conftest import House
from tests.worker.receiver import Receiver, until
from tests.worker.test_delivery import verify_with_the_stock_libraries

# -- the way back ----------------------------------------------------------------------------------------------------


def test_conversions_go_to_a_write_key_as_identify_and_track_and_do_not_come_back(house: House, receiver: Receiver) -> None:
    made = house.add(receiver.url(""), kind="segment", secret="write-key-1")
    assert made["url"].endswith("/v1/batch")
    assert "secret" not in made
    (order,) = house.convert(user="eve", email="eve@example.com")
    (got,) = receiver.wait(1, "/v1/batch")
    assert got.headers["authorization"] == "Basic d3JpdGUta2V5LTE6"
    identify, track = got.json["batch"]
    assert (identify["type"], identify["userId"], identify["traits"]) == ("identify", "eve", {"email": "eve@example.com"})
    assert (track["type"], track["event"], track["userId"]) == ("track", "purchased", "eve")
    assert track["properties"]["partner_conversion_id"] == order
    assert track["properties"]["cart_value"] == "12.50"
    assert track["properties"]["funnel"] == "FRIEND"
    assert len({call["messageId"] for call in got.json["batch"]}) == 2
    logged = house.delivery(house.deliveries(made)[0]["id"])
    assert "write-key-1" not in json.dumps(logged)
    assert "d3JpdGUta2V5LTE6" not in json.dumps(logged)
    events = rows(house.server.data, "SELECT count(*) FROM event")
    for path, said in (("/v1/batch", got.json), ("/segment", got.json["batch"]), ("/segment", {**track, "context": {}})):
        assert house.server.post(path, said, house.key).status == 200
    assert rows(house.server.data, "SELECT count(*) FROM event") == events
    dropped = house.ok("GET", "/admin/messages?verdict=dropped")["messages"]
    assert len(dropped) == 5


# -- keys and accounts -----------------------------------------------------------------------------------------------


def test_law_8_no_account_sees_anothers_webhooks(house: House, receiver: Receiver) -> None:
    webhook = house.add(receiver.url("/ok"))
    house.convert()
    receiver.wait(1)
    until(lambda: house.deliveries(webhook)[0]["state"] == "delivered")
    delivery = house.deliveries(webhook)[0]["id"]
    other = House(house.server, make_key(house.server.data, Scope.ADMIN, account="other"))
    assert other.ok("GET", "/v6/webhooks") == []
    assert other.refused("GET", f"/v6/webhooks/{webhook['id']}") == "webhook_not_found"
    assert other.refused("DELETE", f"/v6/webhooks/{webhook['id']}") == "webhook_not_found"
    assert other.refused("GET", f"/v6/webhooks/events/{delivery}") == "delivery_not_found"
    assert other.ok("GET", f"/v6/webhooks/events?webhook_id={webhook['id']}") == []
    assert other.ok("POST", "/v6/webhooks/events/send", {"delivery_ids": [delivery]})["count"] == 0
    other.convert()
    time.sleep(0.2)
    assert len(receiver.got) == 1


def test_only_an_admin_key_changes_webhooks_and_a_server_key_reads_them(house: House, receiver: Receiver) -> None:
    webhook = house.add(receiver.url("/ok"))
    server = House(house.server, make_key(house.server.data, Scope.SERVER))
    assert [each["id"] for each in server.ok("GET", "/v6/webhooks")] == [webhook["id"]]
    for method, path in (("POST", ""), ("PUT", f"/{webhook['id']}"), ("DELETE", f"/{webhook['id']}"), ("POST", f"/{webhook['id']}/test")):
        assert server.refused(method, "/v6/webhooks" + path, {"url": "https://example.com"}) == "access_denied"
    browser = House(house.server, make_key(house.server.data, Scope.INGEST))
    assert browser.refused("GET", "/v6/webhooks") == "access_denied"


# -- the command line ------------------------------------------------------------------------------------------------


def test_the_command_line_does_all_of_it(house: House, receiver: Receiver) -> None:
    data = str(house.server.data)
    env = {"GOODWORD_WEBHOOK_ALLOW": "127.0.0.1"}

    def cli(*words: str, code: int = 0) -> str:
        ran = run(*words, "--data", data, env=env)
        assert ran.returncode == code, ran.stderr
        return ran.stdout + (ran.stderr if code else "")

    secret = cli("endpoint", "add", receiver.url("/ok"), "--name", "shop", "--event", "conversion.recorded").strip()
    assert cli("endpoint", "test", "shop").startswith("status 200")
    house.convert()
    got = receiver.wait(2)[1]
    verify_with_the_stock_libraries(secret, got)
    until(lambda: '"state": "delivered"' in cli("delivery", "list", "--endpoint", "shop", "--event", "conversion.recorded", "--json"))
    listed = json.loads(cli("delivery", "list", "--endpoint", "shop", "--json"))
    shown = json.loads(cli("delivery", "show", listed[0]["id"]))
    assert shown["attempts"][0]["status"] == 200
    cli("delivery", "resend", listed[0]["id"])
    receiver.wait(3)
    cli("delivery", "resend", "--endpoint", "shop", "--state", "delivered")
    receiver.wait(5)
    assert "shop" in cli("endpoint", "list")
    cli("endpoint", "pause", "shop")
    assert json.loads(cli("endpoint", "show", "shop"))["state"] == "paused"
    assert "paused" in cli("endpoint", "test", "shop", code=1)
    cli("endpoint", "resume", "shop")
    assert cli("endpoint", "rotate", "shop").strip() != secret
    assert "no such endpoint" in cli("endpoint", "show", "nobody", code=1)
    assert "no event type" in cli("endpoint", "add", receiver.url("/ok"), "--event", "x.y", code=1)
    cli("endpoint", "remove", "shop")
    assert json.loads(cli("endpoint", "list", "--json")) == []
