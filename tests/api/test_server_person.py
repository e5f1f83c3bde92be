"""People by the server API."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api


def person(api: Api, name: str) -> str:
    made: str = api.post("/v5/persons", {"identity_key_value": f"{name}@example.com"})["id"]
    return made


def test_created_person_has_the_published_shape(api: Api, name: str) -> None:
    made = api.post("/v5/persons", {"identity_key_value": f" {name.upper()}@Example.com "})
    assert made == {
        "id": made["id"],
        "identity_id": made["id"],
        "identity_key": {"name": "email"},
        "identity_key_value": f"{name}@example.com",
        "locale": {},
        "version": made["version"],
    }
    assert isinstance(made["id"], str)
    assert isinstance(made["version"], str)
    assert api.get(f"/v5/persons/{made['id']}") == made
    assert api.get("/v5/persons", identity_key_value=f"{name}@EXAMPLE.com") == [made]


def test_email_has_one_owner(api: Api, name: str) -> None:
    person(api, name)
    taken = {"identity_key_value": f"{name}@example.com"}
    assert api.refused("POST", "/v5/persons", taken) == (400, "identity_key_value_already_taken")
    other = person(api, name + "b")
    assert api.refused("PUT", f"/v5/persons/{other}", taken) == (400, "identity_key_value_already_taken")


@pytest.mark.parametrize("value", ["", "nobody", "a@", None])
def test_person_needs_an_address(api: Api, value: str | None) -> None:
    assert api.refused("POST", "/v5/persons", {"identity_key_value": value}) == (400, "invalid_key_value")


def test_changed_address_finds_the_person_and_so_does_the_one_before(api: Api, name: str) -> None:
    number = person(api, name)
    api.post(f"/v5/persons/{number}/data", {"name": "colour", "value": "red"})
    changed = api.call("PUT", f"/v5/persons/{number}", {"identity_key_value": f"new-{name}@example.com"}).json
    assert (changed["id"], changed["identity_key_value"]) == (number, f"new-{name}@example.com")
    for email in (f"new-{name}@example.com", f"{name}@example.com"):
        assert [each["id"] for each in api.get("/v5/persons", identity_key_value=email)] == [number]
    assert api.call("PUT", f"/v5/persons/{number}", {}).json == changed
    assert api.get(f"/v5/persons/{number}/data/colour")["value"] == "red"
    history = api.get(f"/v5/persons/{number}/identity-history")
    assert history[-1]["type"] == "IDENTITY_SHIFT"
    assert history[-1]["old_identity_key_value"] == f"new-{name}@example.com"


def test_address_given_to_a_device_keeps_what_it_did(api: Api) -> None:
    device = api.event("viewed")["person_id"]
    api.post(f"/v5/persons/{device}/data", {"name": "colour", "value": "red"})
    email = f"device{device}@example.com"
    assert api.call("PUT", f"/v5/persons/{device}", {"identity_key_value": email}).json["id"] == device
    assert api.get(f"/v5/persons/{device}/data/colour")["value"] == "red"
    assert len(api.steps(device)) == 1


def test_search_by_partner_keys_repeated_or_with_commas(api: Api, name: str) -> None:
    users = [f"{name}-{number}" for number in range(3)]
    ids = [api.event("viewed", partner_user_id=user)["person_id"] for user in users]
    keys = [f"partner_user_id:{user}" for user in users]
    assert [each["id"] for each in api.get("/v5/persons", person_keys=keys)] == ids
    assert [each["id"] for each in api.get("/v5/persons", person_keys=",".join(keys))] == ids
    assert [each["id"] for each in api.get("/v5/persons", person_keys=keys, limit=1, offset=1)] == ids[1:2]
    assert api.get("/v5/persons", person_keys=keys, limit=0) == []


def test_search_by_conversion_finds_who_made_it(api: Api, name: str) -> None:
    made = api.event("conversion", email=f"{name}@example.com", partner_conversion_id=f"A,{name}")
    found = api.get("/v5/persons", person_keys=f"partner_conversion_id:a,{name}")
    assert [each["id"] for each in found] == [made["person_id"]]
    api.post("/v4/erasures", {"email": f"{name}@example.com"})
    assert api.get("/v5/persons", person_keys=f"partner_conversion_id:A,{name}") == []


def test_search_by_both_finds_who_has_both(api: Api, name: str) -> None:
    both = api.event("viewed", email=f"{name}@example.com", partner_user_id=name)["person_id"]
    api.event("viewed", partner_user_id=name + "b")
    email = f"{name}@example.com"
    assert [p["id"] for p in api.get("/v5/persons", identity_key_value=email, person_keys=f"partner_user_id:{name}")] == [both]
    assert api.get("/v5/persons", identity_key_value=email, person_keys=f"partner_user_id:{name}b") == []


def test_plus_sign_that_was_not_escaped_is_understood(api: Api, name: str) -> None:
    number = api.event("viewed", email=f"{name}+tag@example.com")["person_id"]
    found = api.call("GET", f"/v5/persons?identity_key_value={name}+tag@example.com&unknown=1").json
    assert [each["id"] for each in found] == [number]


@pytest.mark.parametrize(
    "query", [{}, {"person_keys": "nonsense"}, {"person_keys": "a:b", "limit": "-1"}, {"person_keys": "a:b", "offset": "x"}]
)
def test_search_for_nothing_in_particular_is_refused(api: Api, query: dict[str, str]) -> None:
    assert api.refused("GET", "/v5/persons", **query) == (400, "invalid_parameter")


def test_unknown_partner_key_finds_nobody(api: Api) -> None:
    assert api.get("/v5/persons", person_keys="shoe_size:42") == []
    assert "partner_user_id" in api.get("/v5/persons/partner-keys")


@pytest.mark.parametrize("person_id", ["0", "-1", "99999999999", "99999999999999999999999", "x", "1.0", "%00"])
@pytest.mark.parametrize("path", ["", "/data", "/steps", "/block", "/memberships", "/identity-history"])
def test_id_of_nobody_is_refused(api: Api, person_id: str, path: str) -> None:
    assert api.refused("GET", f"/v5/persons/{person_id}{path}") == (403, "person_not_found")


def test_block_needs_a_reason_and_is_lifted_without(api: Api, name: str) -> None:
    path = f"/v5/persons/{person(api, name)}/block"
    assert (api.get(path)["type"], api.get(path)["reason"]) == ("NONE", "")
    assert api.refused("PUT", path, {"type": "EVENTS", "reason": "  "}) == (400, "invalid_block_reason")
    assert api.refused("PUT", path, {"type": "EVERYTHING", "reason": "x"}) == (400, "binding_error")
    blocked = api.call("PUT", path, {"type": "REWARDS", "reason": "returns everything"}).json
    assert (blocked["type"], blocked["reason"]) == ("REWARDS", "returns everything")
    assert api.get(path) == blocked
    assert api.call("PUT", path, {"type": "NONE"}).json["type"] == "NONE"


def test_forwarded_person_is_the_other_one_from_then_on(api: Api, name: str) -> None:
    source = api.event("viewed", email=f"{name}@example.com", partner_user_id=name)["person_id"]
    target = api.event("visited", email=f"{name}b@example.com", partner_user_id=name + "b")["person_id"]
    last = api.event("shared", partner_user_id=name + "c")["person_id"]
    api.post(f"/v5/persons/{source}/data", {"name": "colour", "value": "red"})
    assert api.post(f"/v5/persons/{source}/forward", {"forward_to_profile_id": int(target)})["id"] == target
    assert api.post(f"/v5/persons/{target}/forward", {"forward_to_profile_id": last})["id"] == last
    for asked in (source, target, last):
        assert api.get(f"/v5/persons/{asked}")["id"] == last
        assert [step["name"] for step in api.steps(asked)] == ["shared", "visited", "viewed"]
    assert api.get("/v5/persons", identity_key_value=f"{name}@example.com")[0]["id"] == last
    assert api.get(f"/v5/persons/{last}/data/colour")["value"] == "red"
    assert api.event("visited", partner_user_id=name)["person_id"] == last
    kinds = [(each["type"], each["reason"]) for each in api.get(f"/v5/persons/{last}/identity-history")]
    assert kinds.count(("IDENTITY_SHIFT", "forwarded")) == 2
    assert api.refused("POST", f"/v5/persons/{last}/forward", {"forward_to_profile_id": source}) == (400, "forward_to_self")


def test_device_is_not_forwarded(api: Api, name: str) -> None:
    device, known = api.event("viewed")["person_id"], person(api, name)
    body = {"forward_to_profile_id": known}
    assert api.refused("POST", f"/v5/persons/{device}/forward", body) == (400, "forwarding_profile_is_device")
    body = {"forward_to_profile_id": device}
    assert api.refused("POST", f"/v5/persons/{known}/forward", body) == (400, "forward_to_profile_is_device")
    body = {"forward_to_profile_id": "9999999999"}
    assert api.refused("POST", f"/v5/persons/{known}/forward", body) == (403, "person_not_found")
    assert api.refused("POST", f"/v5/persons/{known}/forward", {}) == (400, "binding_error")


def test_disputed_email_is_history_of_who_did_not_get_it(api: Api, name: str) -> None:
    email = f"{name}@example.com"
    owner = api.event("viewed", email=email, partner_user_id=name)["person_id"]
    other = api.event("viewed", email=email, partner_user_id=name + "b")["person_id"]
    assert other != owner
    (lost,) = [each for each in api.get(f"/v5/persons/{other}/identity-history") if each["type"] == "SPLIT_LOSER"]
    assert (lost["losing_identity_key_value"], lost["winning_identity_id"]) == (email, owner)
    assert lost["winning_identity_key_value"] == email


def test_membership_is_added_and_removed(api: Api, name: str) -> None:
    path = f"/v5/persons/{person(api, name)}/memberships"
    assert api.refused("POST", path, {"audience_id": name}) == (400, "audience_not_found")
    assert api.refused("POST", path, {}) == (400, "missing_audience_id")
    api.event("Audience Entered", email=f"{name}-other@example.com", audience_key=name)
    joined = api.post(path, {"audience_id": name})
    assert (joined["audience_id"], joined["audience_name"]) == (name, name)
    assert api.get(path, audience_names=name) == [joined]
    assert api.get(path, audience_ids="another") == []
    assert api.call("DELETE", f"{path}/{name}").json == joined
    assert api.get(path) == []
    assert api.refused("DELETE", f"{path}/{name}") == (400, "membership_not_found")
    device = api.event("viewed")["person_id"]
    assert api.refused("POST", f"/v5/persons/{device}/memberships", {"audience_id": name}) == (400, "person_not_identified")
