"""A referral from beginning to end, told to an endpoint: every type that comes has exactly the fields that are documented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goodword.core.webhook import FIELDS, SHARED, is_optional
from tests.running import run
from tests.worker.conftest import House
from tests.worker.receiver import Receiver, until
from tests.worker.test_delivery import verify_with_the_stock_libraries

EXPECTED = {
    *("share.created", "click.recorded", "registration.recorded", "conversion.recorded", "referral.attributed"),
    *("reward.earned", "reward.fulfilled"),
}


def test_a_referral_is_told_and_every_payload_is_as_documented(house: House, receiver: Receiver, tmp_path: Path) -> None:
    webhook = house.add(receiver.url("/ok"))
    house.add(receiver.url(""), kind="segment", secret="write-key-1")
    template = run("campaign", "template", "refer-a-friend")
    assert template.returncode == 0, template.stderr
    document = tmp_path / "campaign.yaml"
    document.write_text(template.stdout)
    applied = run("campaign", "apply", str(document), "--publish", "--data", str(house.server.data))
    assert applied.returncode == 0, applied.stderr
    house.server.post("/v1/identify", {"userId": "ada", "traits": {"email": "ada@example.com"}}, house.key)
    ada = house.ok("GET", "/v5/persons?person_keys=partner_user_id:ada")[0]["id"]
    program = house.ok("GET", "/v2/campaigns")[0]
    made = house.ok("POST", f"/v5/persons/{ada}/shareables", {"label": program.get("program", "refer-a-friend"), "key": "main"})
    code = made["code"]
    house.ok("POST", f"/v5/persons/{ada}/shares", {"channel": "EMAIL", "shareable_code": code, "recipients": ["bob@example.com"]})
    agent = "Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
    visit = house.server.request("GET", f"/s/{code}", headers={"User-Agent": agent})
    click = visit.headers["location"].split("gw=")[1].split("&")[0]
    page = {"url": f"https://shop.example/?gw={click}", "search": f"?gw={click}"}
    said: list[dict[str, Any]] = [
        {"type": "page", "anonymousId": "device-b", "context": {"page": page}},
        {
            "type": "track",
            "event": "registration",
            "anonymousId": "device-b",
            "userId": "bob",
            "properties": {"email": "bob@example.com", "first_name": "Bob"},
        },
        {
            "type": "track",
            "event": "conversion",
            "userId": "bob",
            "properties": {"email": "bob@example.com", "partner_conversion_id": "order-1", "cart_value": "50.00", "coupon_code": "SPRING"},
        },
    ]
    for number, message in enumerate(said):
        answer = house.server.post("/segment", {"messageId": f"s{number}", **message}, house.key)
        assert answer.status == 200, answer.body
    until(
        lambda: {got.json["type"] for got in receiver.at("/ok")} >= EXPECTED, 15, lambda: str({g.json["type"] for g in receiver.at("/ok")})
    )
    for got in receiver.at("/ok"):
        verify_with_the_stock_libraries(webhook["secret"], got)
        event_type, fields = got.json["type"], set(got.json)
        assert fields <= {*SHARED, *FIELDS[event_type]}, event_type
        assert {*SHARED, *(name for name in FIELDS[event_type] if not is_optional(event_type, name))} <= fields, event_type
    rewards = [got.json for got in receiver.at("/ok") if got.json["type"] == "reward.earned"]
    assert {reward["partner_user_id"] for reward in rewards} == {"ada", "bob"}
    assert len({got.headers["webhook-id"] for got in receiver.at("/ok")}) == len(receiver.at("/ok"))
    attributed = next(got.json for got in receiver.at("/ok") if got.json["type"] == "referral.attributed")
    assert (attributed["partner_user_id"], attributed["advocate_partner_user_id"]) == ("bob", "ada")
    until(lambda: len({call["event"] for got in receiver.at("/v1/batch") for call in got.json["batch"] if call["type"] == "track"}) == 4)
    calls = [call for got in receiver.at("/v1/batch") for call in got.json["batch"] if call["type"] == "track"]
    assert {call["event"] for call in calls} == {"referred", "registered", "purchased", "was_referred"}
    assert next(call for call in calls if call["event"] == "was_referred")["properties"]["advocate_user_id"] == "ada"
    bought = next(call for call in calls if call["event"] == "purchased")["properties"]
    assert bought == {
        "email": "bob@example.com",
        "cart_value": "50.00",
        "currency": "USD",
        "partner_conversion_id": "order-1",
        "coupon_code": "SPRING",
        "funnel": "FRIEND",
    }
    traits = [call["traits"] for got in receiver.at("/v1/batch") for call in got.json["batch"] if call["type"] == "identify"]
    assert {"email": "bob@example.com", "first_name": "Bob"} in traits
    house.ok("POST", "/v4/erasures", {"partner_user_id": "ada"})
    left = [house.delivery(each["id"]) for each in house.deliveries(webhook)]
    assert not [each for each in left if "ada" in str(each["body"]) or '"ada"' in str(each["attempts"])]
    assert [each for each in left if each["type"] == "conversion.recorded"]
