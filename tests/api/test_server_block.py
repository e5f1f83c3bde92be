"""Block lists by the server API."""

from __future__ import annotations

import uuid

import pytest

from tests.api.conftest import Api


def test_an_entry_is_put_shown_changed_and_taken_off(api: Api) -> None:
    domain = f"{uuid.uuid4().hex}.example"
    made = api.post(
        "/v2/blocks", {"list_type": "EMAIL_DOMAIN", "filter_type": "BLACK", "value": "@" + domain.upper(), "note": "chargebacks"}
    )
    assert (made["value"], made["filter_type"], made["note"], made["is_global"]) == (domain, "BLACK", "chargebacks", False)
    assert api.get(f"/v2/blocks/{made['block_id']}") == made
    assert made in api.get("/v2/blocks", list_type="EMAIL_DOMAIN")
    assert made not in api.get("/v2/blocks", filter_type="WHITE")
    assert api.post("/v2/blocks/test", {"value": f"jane@a.{domain}"}) == {"result": "BLACKLISTED", "list_type": "NORMALIZED_EMAIL"}
    changed = api.call("PUT", f"/v2/blocks/{made['block_id']}", {"filter_type": "WHITE"}).json
    assert changed["created_date"] >= made["created_date"]  # it is another entry from now on: blocks do not reach back
    assert changed == {**made, "filter_type": "WHITE", "created_date": changed["created_date"]}
    assert api.post("/v2/blocks/test", {"value": domain})["result"] == "WHITELISTED"
    assert api.call("DELETE", f"/v2/blocks/{made['block_id']}").json == changed
    assert api.post("/v2/blocks/test", {"value": domain})["result"] == "NOT_LISTED"
    assert api.refused("GET", f"/v2/blocks/{made['block_id']}") == (400, "block_not_found")


def test_an_address_is_kept_as_its_hash_and_still_changed_by_its_id(api: Api) -> None:
    name = uuid.uuid4().hex
    made = api.post("/v2/blocks", {"value": f"{name}+1@shop.example"})
    assert (made["list_type"], made["value"]) == ("NORMALIZED_EMAIL", "")
    assert api.post("/v2/blocks/test", {"value": f"{name.upper()}@shop.example"})["result"] == "BLACKLISTED"
    changed = api.call("PUT", f"/v2/blocks/{made['block_id']}", {"note": "ticket 7"}).json
    assert changed == {**made, "note": "ticket 7"}
    assert api.call("DELETE", f"/v2/blocks/{made['block_id']}").status == 200
    assert api.post("/v2/blocks/test", {"value": f"{name}@shop.example"})["result"] == "NOT_LISTED"


def test_networks_and_browsers(api: Api) -> None:
    for value, kind in (("203.0.113.128/25", "CIDR"), ("EvilBrowser/9", "USER_AGENT")):
        made = api.post("/v2/blocks", {"value": value})
        assert made["list_type"] == kind
        api.call("DELETE", f"/v2/blocks/{made['block_id']}")
    made = api.post("/v2/blocks", {"value": "203.0.113.128/25"})
    assert api.post("/v2/blocks/test", {"value": "203.0.113.200"})["result"] == "BLACKLISTED"
    assert api.post("/v2/blocks/test", {"value": "203.0.113.1"})["result"] == "NOT_LISTED"
    api.call("DELETE", f"/v2/blocks/{made['block_id']}")


@pytest.mark.parametrize("value", ["0.0.0.0/0", "x", "", "jane@"])
def test_a_value_of_no_kind_is_refused(api: Api, value: str) -> None:
    assert api.refused("POST", "/v2/blocks", {"value": value}) == (400, "invalid_value")
    assert api.refused("POST", "/v2/blocks", {"value": value, "list_type": "EMAIL_DOMAIN"}) == (400, "invalid_value")
    assert api.refused("POST", "/v2/blocks", {"value": value, "list_type": "BLOCKED_PERSON"}) == (400, "binding_error")


def test_no_account_sees_anothers_lists(api: Api) -> None:
    domain = f"{uuid.uuid4().hex}.example"
    made = api.post("/v2/blocks", {"value": domain})
    other = api.keys["other account"]
    assert api.call("GET", "/v2/blocks", key=other).json == []
    assert api.refused("DELETE", f"/v2/blocks/{made['block_id']}", key=other) == (400, "block_not_found")
    assert api.call("POST", "/v2/blocks/test", {"value": domain}, key=other).json["result"] == "NOT_LISTED"
    assert api.get("/v2/blocks/global") == []
    assert api.refused("GET", "/v2/blocks", key=api.keys["ingest"]) == (403, "access_denied")
