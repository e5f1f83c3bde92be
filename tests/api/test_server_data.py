"""A person's data and events by the server API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api


def person(api: Api, name: str) -> str:
    made: str = api.post("/v5/persons", {"identity_key_value": f"{name}@example.com"})["id"]
    return made


@pytest.mark.parametrize("value", ["text", "", 0, 7.5, True, False, [], {}, {"a": [1, None]}, 10**15])
def test_value_is_any_json_and_keeps_its_type(api: Api, name: str, value: Any) -> None:
    path = f"/v5/persons/{person(api, name)}/data"
    made = api.post(path, {"name": "it", "value": value, "scope": "CLIENT"})
    assert set(made) == {"id", "name", "value", "scope", "created_date", "updated_date"}
    assert (made["value"], type(made["value"]), made["scope"]) == (value, type(value), "CLIENT")
    assert api.get(f"{path}/it") == made
    assert api.get(path)["it"] == made


def test_data_is_created_changed_and_removed(api: Api, name: str) -> None:
    path = f"/v5/persons/{person(api, name)}/data"
    assert api.post(path, {"name": "size", "value": 1})["scope"] == "PRIVATE"
    assert api.refused("POST", path, {"name": "size", "value": 2}) == (400, "data_already_exists")
    assert api.call("PUT", f"{path}/size", {"value": 2}).json["value"] == 2
    only_scope = api.call("PUT", f"{path}/size", {"scope": "public"}).json
    assert (only_scope["value"], only_scope["scope"]) == (2, "PUBLIC")
    removed = api.call("DELETE", f"{path}/size")
    assert (removed.status, removed.json) == (200, only_scope)
    for method, body in (("GET", None), ("PUT", {"value": 3}), ("DELETE", None)):
        assert api.refused(method, f"{path}/size", body) == (400, "data_not_found")
    assert api.post(path, {"name": "size", "value": 4})["value"] == 4


def test_names_that_identify_are_shown_and_not_written(api: Api, name: str) -> None:
    number = api.event("registration", partner_user_id=name, email=f"{name}@example.com", first_name="Ada", last_name="L")["person_id"]
    path = f"/v5/persons/{number}/data"
    shown = {key: each["value"] for key, each in api.get(path).items()}
    assert shown == {"partner_user_id": name, "email": f"{name}@example.com", "first_name": "Ada", "last_name": "L"}
    assert api.refused("POST", path, {"name": "email", "value": "x@example.com"}) == (400, "read_only_name")
    assert api.refused("PUT", f"{path}/partner_user_id", {"value": "x"}) == (400, "read_only_name")
    assert api.refused("DELETE", f"{path}/email") == (400, "read_only_name")
    assert api.call("PUT", f"{path}/first_name", {"value": "Augusta"}).json["value"] == "Augusta"


def test_traits_of_segment_are_public_data(api: Api, name: str) -> None:
    api.segment({"type": "identify", "userId": name, "traits": {"age": 25, "existingCustomer": True, "firstName": "Ada"}})
    (found,) = api.get("/v5/persons", person_keys=f"partner_user_id:{name}")
    data = api.get(f"/v5/persons/{found['id']}/data", names=["age", "existingCustomer"], scopes="PUBLIC,CLIENT")
    assert {key: (each["value"], each["scope"]) for key, each in data.items()} == {
        "age": (25, "PUBLIC"),
        "existingCustomer": (True, "PUBLIC"),
    }
    assert api.get(f"/v5/persons/{found['id']}/data", scopes="CLIENT") == {}


def test_data_is_paged_by_name(api: Api, name: str) -> None:
    path = f"/v5/persons/{person(api, name)}/data"
    for letter in "cab":
        api.post(path, {"name": letter, "value": letter})
    names = [list(api.get(path, limit=2, offset=offset, names="a,b,c")) for offset in (0, 2, 4)]
    assert names == [["a", "b"], ["c"], []]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "binding_error"),
        ({"name": "x"}, "binding_error"),
        ({"name": "", "value": 1}, "invalid_parameter"),
        ({"name": "x" * 600, "value": 1}, "invalid_parameter"),
        ({"name": "x", "value": None}, "invalid_value"),
        ({"name": "x", "value": 1, "scope": "SECRET"}, "invalid_parameter"),
        (b"", "missing_request_body"),
        (b"nope", "invalid_json"),
    ],
)
def test_malformed_data_is_refused(api: Api, name: str, body: Any, code: str) -> None:
    assert api.refused("POST", f"/v5/persons/{person(api, name)}/data", body) == (400, code)


def test_name_of_data_may_hold_any_character(api: Api, name: str) -> None:
    path = f"/v5/persons/{person(api, name)}/data"
    api.post(path, {"name": "a/b c?ü", "value": 1})
    assert api.get(f"{path}/a%2Fb%20c%3F%C3%BC")["value"] == 1


def test_steps_are_newest_first_and_paged(api: Api, name: str) -> None:
    someone = ""
    for number in range(7):
        someone = api.event("viewed" if number % 2 else "visited", partner_user_id=name, n=number)["person_id"]
    pages = [[step["data"]["n"]["value"] for step in api.steps(someone, limit=3, offset=offset)] for offset in (0, 3, 6, 9)]
    assert pages == [[6, 5, 4], [3, 2, 1], [0], []]
    assert [step["data"]["n"]["value"] for step in api.steps(someone, names="VIEWED,other", limit=2)] == [5, 3]


def test_steps_are_filtered_as_published(api: Api, name: str) -> None:
    first = api.event("viewed", partner_user_id=name, container="test", size=1)
    second = api.event("visited", partner_user_id=name)
    someone = first["person_id"]

    def names(**query: Any) -> list[str]:
        return [step["name"] for step in api.steps(someone, **query)]

    assert names(event_ids=first["event_id"]) == ["viewed"]
    assert names(root_event_ids=[first["event_id"], second["event_id"]]) == ["visited", "viewed"]
    assert names(event_ids="nonsense") == []
    assert names(data_keys="size") == ["viewed"]
    assert names(containers="production") == ["visited"]
    assert names(is_primary="true") == ["visited", "viewed"]
    assert names(is_primary="false") == names(campaign_ids="1") == names(programs="refer") == []
    assert api.refused("GET", f"/v5/persons/{someone}/steps", include_duplicates="perhaps") == (400, "invalid_parameter")


def test_identify_and_page_are_no_steps(api: Api, name: str) -> None:
    api.segment({"type": "identify", "userId": name, "traits": {"age": 25}})
    api.segment({"type": "page", "userId": name, "name": "Home"})
    (found,) = api.get("/v5/persons", person_keys=f"partner_user_id:{name}")
    assert api.steps(found["id"], include_duplicates="true") == []


def test_events_before_a_merge_are_the_persons_too(api: Api, name: str) -> None:
    device = f"device-{name}"
    api.segment({"type": "track", "event": "viewed", "anonymousId": device})
    api.event("visited", email=f"{name}@example.com")
    api.segment({"type": "identify", "userId": name, "anonymousId": device, "traits": {"email": f"{name}@example.com"}})
    (found,) = api.get("/v5/persons", person_keys=f"partner_user_id:{name}")
    assert [step["name"] for step in api.steps(found["id"])] == ["visited", "viewed"]
    assert "IDENTITY_SHIFT" in [each["type"] for each in api.get(f"/v5/persons/{found['id']}/identity-history")]


def test_value_of_a_remapped_order_is_shown(api: Api, name: str) -> None:
    said = api.event("conversion", email=f"{name}@example.com", partner_conversion_id=name, cart_value=12.5, currency="EUR")
    (step,) = api.steps(said["person_id"])
    assert step["data"]["cart_value"]["value"] == 12.5
