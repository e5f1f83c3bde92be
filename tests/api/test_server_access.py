"""Who may do what by the server API: tokens, rights, accounts, deletion."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest

from tests.api.conftest import Api, create_key

READS = (
    "/v5/persons?person_keys=partner_user_id:x",
    "/v5/persons/partner-keys",
    "/v5/persons/1",
    "/v5/persons/1/steps",
    "/v5/persons/1/data",
)


def test_no_token_and_unknown_tokens_are_told_apart(api: Api) -> None:
    for headers in ({}, {"Authorization": ""}):
        answer = api.server.request("GET", READS[0], None, headers)
        assert (answer.status, answer.json["code"]) == (403, "missing_access_token")
    assert api.refused("GET", READS[0], key="gw_s_unknown") == (401, "invalid_access_token")
    assert api.refused("GET", READS[0], key="nonsense ") == (401, "invalid_access_token")


@pytest.mark.parametrize("where", ["header", "basic", "query", "access_token", "extole_token"])
def test_token_is_read_from_header_query_or_cookie(api: Api, where: str) -> None:
    if where == "header":
        answer = api.server.request("GET", READS[0], None, {"Authorization": f"bearer {api.key}"})
    elif where == "basic":
        answer = api.server.request("GET", READS[0], None, {"Authorization": "Basic " + base64.b64encode(f"{api.key}:".encode()).decode()})
    elif where == "query":
        answer = api.server.request("GET", f"{READS[0]}&access_token={api.key}")
    else:
        answer = api.server.request("GET", READS[0], None, {"Cookie": f"a=b; {where}={api.key}"})
    assert answer.status == 200


def test_header_counts_before_query_and_cookie(api: Api) -> None:
    headers = {"Authorization": "Bearer gw_s_unknown", "Cookie": f"access_token={api.key}"}
    assert api.server.request("GET", f"{READS[0]}&access_token={api.key}", None, headers).status == 401


def test_revoked_token_is_refused_at_once(api: Api, name: str) -> None:
    key = create_key(api.server.data, "server", name=name)
    assert api.call("GET", READS[0], key=key).status == 200
    assert key not in api.server.said()
    command = [sys.executable, "-m", "goodword", "key", "revoke", name, "--data", str(api.server.data)]
    subprocess.run(command, check=True, capture_output=True)
    assert api.refused("GET", READS[0], key=key) == (401, "invalid_access_token")


@pytest.mark.parametrize("kind", ["ingest", "destination"])
def test_only_server_and_admin_keys_read_and_change_people(api: Api, kind: str) -> None:
    key = api.keys[kind]
    for path in READS:
        assert api.refused("GET", path, key=key) == (403, "access_denied")
    for method, path in (
        ("POST", "/v5/persons"), ("PUT", "/v5/persons/1"), ("POST", "/v5/persons/1/data"), ("PUT", "/v5/persons/1/data/x"),
        ("DELETE", "/v5/persons/1/data/x"), ("POST", "/v5/persons/1/forward"), ("PUT", "/v5/persons/1/block"),
        ("POST", "/v5/persons/1/memberships"), ("DELETE", "/v5/persons/1/memberships/x"),
    ):  # fmt: skip
        assert api.refused(method, path, {}, key=key) == (403, "access_denied")
    assert api.call("GET", READS[0], key=api.keys["admin"]).status == 200


def test_browser_key_deletes_nobody(api: Api) -> None:
    assert api.refused("POST", "/v4/erasures", {"email": "a@example.com"}, api.keys["ingest"]) == (403, "access_denied")


@pytest.mark.parametrize("path", ["/v4/", "/v4/nothing", "/v5/nothing", "/v6/nothing", "/v5/persons/1/nothing"])
def test_what_is_not_there_is_said_in_the_error_shape(api: Api, path: str) -> None:
    assert api.refused("GET", path) == (404, "not_found")


@pytest.mark.parametrize("path", ["/v6/events", "/v4/erasures", "/v6/async-events/x"])
def test_wrong_method_is_said_in_the_error_shape(api: Api, path: str) -> None:
    for method in ("GET", "PATCH", "DELETE", "OPTIONS"):
        assert api.refused(method, path) == (405, "method_not_allowed")
    assert api.call("GET", path).headers["allow"] == "POST"


def test_no_account_sees_another_accounts_people(api: Api, name: str) -> None:
    """Law 8: by whatever id, another account's key finds nobody and changes nothing."""
    email, other = f"{name}@example.com", api.keys["other account"]
    mine = api.event("conversion", email=email, partner_user_id=name, partner_conversion_id=name)
    number = mine["person_id"]
    api.event("Audience Entered", email=email, audience_key="vips")
    api.post(f"/v5/persons/{number}/data", {"name": "colour", "value": "red"})
    before = {
        path: api.get(f"/v5/persons/{number}{path}") for path in ("", "/data", "/steps", "/block", "/memberships", "/identity-history")
    }
    theirs = api.call("POST", "/v6/events", {"event_name": "viewed", "data": {"email": f"their-{email}"}}, other).json["person_id"]
    for path in before:
        assert api.refused("GET", f"/v5/persons/{number}{path}", key=other) == (403, "person_not_found")
    for query in (f"identity_key_value={email}", f"person_keys=partner_user_id:{name}", f"person_keys=partner_conversion_id:{name}"):
        assert api.call("GET", f"/v5/persons?{query}", key=other).json == []
    for method, path, body in (
        ("PUT", "", {"identity_key_value": f"new-{email}"}), ("POST", "/data", {"name": "a", "value": 1}),
        ("PUT", "/data/colour", {"value": 1}), ("DELETE", "/data/colour", None), ("GET", "/data/colour", None),
        ("PUT", "/block", {"type": "EVENTS", "reason": "x"}), ("POST", "/forward", {"forward_to_profile_id": theirs}),
        ("POST", "/memberships", {"audience_id": "vips"}), ("DELETE", "/memberships/vips", None),
    ):  # fmt: skip
        assert api.refused(method, f"/v5/persons/{number}{path}", body, other) == (403, "person_not_found")
    forward = {"forward_to_profile_id": number}
    assert api.refused("POST", f"/v5/persons/{theirs}/forward", forward, other) == (403, "person_not_found")
    event = {"event_name": "viewed", "data": {"person_id": number}}
    assert api.refused("POST", "/v6/events", event, other) == (403, "person_not_found")
    steps = api.call("GET", f"/v5/persons/{theirs}/steps?event_ids={mine['event_id']}", key=other)
    assert steps.json == []
    assert api.call("POST", "/v4/erasures", {"email": email, "partner_user_id": name}, other).status == 200
    assert before == {path: api.get(f"/v5/persons/{number}{path}") for path in before}


def test_deleted_person_is_found_by_nothing(api: Api, name: str) -> None:
    email = f"{name}@example.com"
    device = api.event("viewed", email=email)["person_id"]
    number = api.event("conversion", email=email, partner_user_id=name, partner_conversion_id=name)["person_id"]
    said = api.post("/v4/erasures", {"partner_user_id": name, "note": "ticket 7"})
    assert set(said) == {"id", "status", "note", "created_date"}
    assert (said["status"], said["note"]) == ("COMPLETED", "ticket 7")
    for query in ({"identity_key_value": email}, {"person_keys": f"partner_user_id:{name},partner_conversion_id:{name}"}):
        assert api.get("/v5/persons", **query) == []
    for each in (number, device):
        for path in ("", "/data", "/steps", "/identity-history"):
            assert api.refused("GET", f"/v5/persons/{each}{path}") == (403, "person_not_found")


def test_deletion_may_come_again_and_for_unknown_people(api: Api, name: str) -> None:
    for _ in range(2):
        assert api.post("/v4/erasures", {"email": f"{name}@example.com"})["status"] == "COMPLETED"
    assert api.get("/v5/persons", identity_key_value=f"{name}@example.com") == []


def test_suppressed_person_does_not_come_back(api: Api, name: str) -> None:
    api.post("/v4/erasures", {"email": f"{name}@example.com", "suppress": True})
    body = {"event_name": "viewed", "data": {"email": f"{name}@example.com"}}
    assert api.refused("POST", "/v6/events", body) == (400, "event_blocked")
    assert api.refused("POST", "/v5/persons", {"identity_key_value": f"{name}@example.com"}) == (400, "person_suppressed")


@pytest.mark.parametrize(
    ("body", "code"), [({}, "invalid_parameter"), ({"email": "x"}, "invalid_key_value"), ({"email": 7}, "binding_error")]
)
def test_deletion_must_say_whom(api: Api, body: object, code: str) -> None:
    assert api.refused("POST", "/v4/erasures", body) == (400, code)


def test_what_is_not_there_outside_the_server_api_has_a_code_too(api: Api) -> None:
    assert [api.call("GET", path).json["code"] for path in ("/nothing", "/v2/nothing")] == ["not_found"] * 2
    answer = api.call("POST", "/healthz")
    assert (answer.status, answer.json["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
