"""Tokens by the server API: made with an end, asked about, changed for a fresh one, ended at once."""

from __future__ import annotations

import time

from tests.api.conftest import Api, create_key


def test_a_key_is_told_what_it_is(api: Api) -> None:
    said = api.get("/v4/tokens")
    assert (said["client_id"], said["type"], said["scopes"]) == ("default", "MANAGED", ["USER_SUPPORT"])
    assert "expires_in" not in said
    assert "access_token" not in said
    assert api.get(f"/v4/tokens/{api.keys['destination']}")["scopes"] == ["BACKEND"]


def test_a_token_ends_by_itself_and_says_so(api: Api) -> None:
    admin = api.keys["admin"]
    made = api.call("POST", "/v4/tokens", {"scopes": ["USER_SUPPORT", "BACKEND"], "duration_seconds": 2}, admin).json
    token = made["access_token"]
    assert made["expires_in"] in (1, 2)
    assert made["scopes"] == ["USER_SUPPORT", "BACKEND"]
    deadline = time.monotonic() + 30
    assert api.call("GET", "/v5/persons?identity_key_value=a@example.com", key=token).status == 200
    while api.call("GET", "/v4/tokens", key=token).status == 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert api.refused("GET", "/v4/tokens", key=token) == (401, "expired_access_token")
    assert api.refused("GET", f"/v4/tokens/{token}", key=admin) == (400, "invalid_parameter")
    for path in ("/segment", "/v1/track"):
        assert api.server.post(path, {"type": "track", "event": "e", "userId": "u"}, token).status == 401


def test_what_is_left_out_is_the_keys_own_and_thirty_days(api: Api) -> None:
    made = api.call("POST", "/v4/tokens", None, api.keys["admin"]).json
    assert made["scopes"] == ["CLIENT_ADMIN"]
    assert 29 * 86_400 < made["expires_in"] <= 30 * 86_400
    assert api.call("GET", "/v4/tokens", key=made["access_token"]).json["expires_in"] > 29 * 86_400


def test_what_a_token_may_not_be(api: Api) -> None:
    admin = api.keys["admin"]
    for seconds in (0, -1, 10**18):
        assert api.refused("POST", "/v4/tokens", {"duration_seconds": seconds}, admin) == (400, "invalid_duration")
    assert api.refused("POST", "/v4/tokens", {"client_id": "other"}, admin) == (400, "invalid_client_id")
    assert api.refused("POST", "/v4/tokens", {"email": "a@example.com", "password": "x"}, admin) == (403, "invalid_credentials")
    assert api.refused("POST", "/v4/tokens", {"scopes": ["BACKEND", "ONE_TIME"]}, admin) == (403, "scopes_denied")
    assert api.refused("POST", "/v4/tokens", {}, api.keys["server"]) == (403, "access_denied"), "a leaked key must not outlive its end"
    assert api.refused("GET", "/v4/tokens", key=api.keys["ingest"]) == (403, "access_denied")


def test_a_token_is_changed_for_a_fresh_one_and_ended_at_once(api: Api) -> None:
    old = create_key(api.server.data, "destination")
    fresh = api.call("PUT", f"/v4/tokens/exchange/{old}", key=old).json
    assert fresh["scopes"] == ["BACKEND"]
    assert api.refused("GET", "/v4/tokens", key=old) == (401, "invalid_access_token")
    token = fresh["access_token"]
    assert api.call("GET", "/v4/tokens", key=token).json["identity_id"] == fresh["identity_id"]
    assert api.refused("DELETE", f"/v4/tokens/{token}", key=api.keys["other account"]) == (400, "invalid_parameter")
    assert api.call("DELETE", f"/v4/tokens/{token}").status == 200
    assert api.refused("GET", "/v4/tokens", key=token) == (401, "invalid_access_token")
    short = api.call("POST", "/v4/tokens", {"duration_seconds": 60, "scopes": ["BACKEND"]}, api.keys["admin"]).json["access_token"]
    assert api.call("PUT", f"/v4/tokens/exchange/{short}", key=short).json["expires_in"] in (59, 60)
