"""Events by the server API."""

from __future__ import annotations

import concurrent.futures
import json
import uuid

import pytest

from tests.api.conftest import Api

PATHS = ("/v6/events", "/v6/async-events", "/v5/events")


@pytest.mark.parametrize("path", PATHS)
def test_event_is_stored_and_names_its_person(api: Api, name: str, path: str) -> None:
    said = api.post(path, {"event_name": "Quote Asked", "data": {"partner_user_id": name, "size": 3}})
    assert set(said) == ({"event_id"} if "async" in path else {"event_id", "person_id"})
    (person,) = api.get("/v5/persons", person_keys=f"partner_user_id:{name}")
    (step,) = api.steps(person["id"])
    assert step["event_id"] == said["event_id"]
    assert (step["name"], step["data"]["size"]["value"], step["is_duplicate"]) == ("Quote Asked", 3, False)
    assert said.get("person_id", person["id"]) == person["id"]


@pytest.mark.parametrize("path", ["/v6/events/Webhook%20Came", "/v6/async-events/Webhook%20Came"])
def test_named_event_takes_data_of_any_shape(api: Api, name: str, path: str) -> None:
    for body in ({"partner_user_id": name, "deep": {"er": [1, None, "x"]}}, [1, 2], "text", 7, None):
        assert api.post(path, body)["event_id"]
    assert api.call("POST", path).status == 200  # no body at all
    (person,) = api.get("/v5/persons", person_keys=f"partner_user_id:{name}")
    (step,) = api.steps(person["id"])
    assert (step["name"], step["data"]["deep"]["value"]) == ("Webhook Came", {"er": [1, None, "x"]})


def test_same_partner_event_id_is_one_event(api: Api, name: str) -> None:
    first = api.event("shipped", email=f"{name}@example.com", partner_event_id=name)
    again = api.event("Shipped", email=f"{name}@example.com", partner_event_id=name.upper())
    assert again == first
    assert len(api.steps(first["person_id"])) == 1
    both = api.steps(first["person_id"], include_duplicates="true")
    assert [step["is_duplicate"] for step in both] == [True, False]
    assert api.event("returned", email=f"{name}@example.com", partner_event_id=name)["event_id"] != first["event_id"]


def test_same_message_id_is_one_event(api: Api, name: str) -> None:
    body = {"event_name": "viewed", "message_id": name, "data": {"partner_user_id": name}}
    first = api.post("/v6/events", body)
    assert api.post("/v6/events", body) == first
    assert api.post("/v6/async-events", body) == {"event_id": first["event_id"]}
    assert len(api.steps(first["person_id"], include_duplicates="true")) == 1


def test_same_message_id_by_another_door_is_one_event(api: Api, name: str) -> None:
    said = api.segment({"type": "track", "event": "viewed", "userId": name, "messageId": name})
    again = api.post("/v6/events", {"event_name": "viewed", "messageId": name, "data": {"partner_user_id": name}})
    assert again["event_id"] == said["eventId"]


def test_same_conversion_by_two_doors_counts_once(api: Api, name: str) -> None:
    order = {"partner_conversion_id": f"order-{name}", "cart_value": "99.99", "email": f"{name}@example.com"}
    first = api.event("conversion", **order)
    api.segment({"type": "track", "event": "Conversion", "userId": name, "properties": order})
    again = api.event("conversion", partner_conversion_id=f"order-{name}")
    assert again == first
    (step,) = api.steps(first["person_id"], names="conversion")
    assert step["data"]["cart_value"]["value"] == "99.99"


def test_second_registration_is_answered_with_the_first(api: Api, name: str) -> None:
    first = api.event("registration", partner_user_id=name, first_name="Ada")
    assert api.event("registration", partner_user_id=name, last_name="Lovelace") == first
    data = api.get(f"/v5/persons/{first['person_id']}/data")
    assert (data["first_name"]["value"], data["last_name"]["value"]) == ("Ada", "Lovelace")
    assert data["first_name"]["scope"] == "PRIVATE"


def test_same_conversion_at_the_same_moment_is_stored_once(api: Api, name: str) -> None:
    order = {"event_name": "conversion", "data": {"partner_conversion_id": name, "email": f"{name}@example.com"}}
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        said = list(pool.map(lambda _: api.post("/v6/events", order), range(24)))
    assert len({(each["event_id"], each["person_id"]) for each in said}) == 1
    assert len(api.steps(said[0]["person_id"])) == 1


def test_email_and_user_id_together_make_one_person(api: Api, name: str) -> None:
    by_email = api.event("viewed", email=f"{name.upper()}@Example.com ")
    both = api.event("viewed", email=f"{name}@example.com", partner_user_id=name)
    assert len(api.steps(both["person_id"])) == 2
    assert api.get(f"/v5/persons/{by_email['person_id']}")["id"] == both["person_id"]


def test_person_id_targets_a_person(api: Api, name: str) -> None:
    first = api.event("viewed", email=f"{name}@example.com")
    for person_id in (first["person_id"], int(first["person_id"])):
        assert api.event("visited", person_id=person_id)["person_id"] == first["person_id"]
    named = api.event("visited", person_id=first["person_id"], partner_user_id=name)
    assert named["person_id"] == first["person_id"]
    assert api.get("/v5/persons", person_keys=f"partner_user_id:{name}")[0]["id"] == first["person_id"]


def test_person_id_of_nobody_is_refused(api: Api) -> None:
    for person_id in ("999999999", "nobody", -1, 1 << 70, [1]):
        body = {"event_name": "viewed", "data": {"person_id": person_id}}
        assert api.refused("POST", "/v6/events", body) == (403, "person_not_found")


def test_event_of_nobody_belongs_to_a_new_device(api: Api) -> None:
    said, other = api.event("viewed", colour="red"), api.event("viewed", colour="red")
    assert said["person_id"] != other["person_id"]
    assert api.event("visited", person_id=said["person_id"])["person_id"] == said["person_id"]


def test_late_event_finds_its_person_by_the_order(api: Api, name: str) -> None:
    first = api.event("conversion", email=f"{name}@example.com", partner_conversion_id=name)
    assert api.event("shipped", partner_conversion_id=name)["person_id"] == first["person_id"]


def test_event_time_is_optional_and_may_stand_in_the_data(api: Api, name: str) -> None:
    moment = "2024-01-15T13:00:00.250+01:00"
    person = ""
    for body in (
        {"event_name": "a", "event_time": moment, "data": {"partner_user_id": name}},
        {"event_name": "b", "data": {"partner_user_id": name, "event_time": moment}},
        {"event_name": "c", "event_time": moment + "[Europe/Berlin]", "data": {"partner_user_id": name}},
    ):
        person = api.post("/v6/events", body)["person_id"]
    assert {step["event_date"] for step in api.steps(person)} == {"2024-01-15T12:00:00.250Z"}


def test_events_are_remapped_as_at_any_door(api: Api, name: str) -> None:
    said = api.event("CONVERSION", email=f"{name}@example.com", partner_conversion_id=name)
    (step,) = api.steps(said["person_id"])
    assert (step["name"], step["event_name"]) == ("conversion", "CONVERSION")


def test_audience_event_joins_the_audience(api: Api, name: str) -> None:
    person = api.event("Audience Entered", email=f"{name}@example.com", audience_key="vips", vips=True)["person_id"]
    assert [each["audience_name"] for each in api.get(f"/v5/persons/{person}/memberships")] == ["vips"]


def test_lone_surrogate_is_forgiven(api: Api, name: str) -> None:
    body = b'{"event_name":"viewed","data":{"partner_user_id":"%s","text":"cut \\ud83d"}}' % name.encode()
    answer = api.call("POST", "/v6/events", body)
    assert answer.status == 200
    assert len(api.steps(answer.json["person_id"])) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "missing_request_body"),
        (b"{", 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b"[1]", 400, "binding_error"),
        (b"7", 400, "binding_error"),
        (b"{}", 400, "missing_event_name"),
        (b'{"event_name":"  "}', 400, "missing_event_name"),
        (b'{"event_name":{"a":1}}', 400, "missing_event_name"),
        (b'{"event_name":"x","event_time":"yesterday"}', 400, "invalid_event_time_format"),
        (b'{"event_name":"x","data":{"event_time":{}}}', 400, "invalid_event_time_format"),
        (b'{"event_name":"x","data":' + b"[" * 60 + b"]" * 60 + b"}", 400, "binding_error"),
        (b'{"event_name":"x","data":' + b"[" * 60_000 + b"]" * 60_000 + b"}", 400, "binding_error"),
        (b'{"event_name":"x","data":{"a":"%s"}}' % (b"a" * 40_000), 413, "too_large"),
        (b'{"event_name":"x","data":{"a":"%s"}}' % (b"a" * 400_000), 413, "too_large"),
        (b'{"event_name":"x","data":{"partner_user_id":"%s"}}' % (b"a" * 4_000), 400, "binding_error"),
    ],
)
def test_malformed_event_is_refused_by_its_code(api: Api, body: bytes, status: int, code: str) -> None:
    assert api.refused("POST", "/v6/events", body) == (status, code)


def test_event_older_than_the_deletion_is_refused_and_a_newer_one_is_somebody_new(api: Api, name: str) -> None:
    email = f"{name}@example.com"
    before = api.event("viewed", email=email)
    api.post("/v4/erasures", {"email": email})
    old = {"event_name": "viewed", "event_time": "2024-01-01T00:00:00Z", "data": {"email": email}}
    assert api.refused("POST", "/v6/events", old) == (400, "event_blocked")
    after = api.event("viewed", email=email)
    assert after["person_id"] != before["person_id"]
    assert len(api.steps(after["person_id"])) == 1


def test_browser_key_stores_nothing_here(api: Api) -> None:
    for path in (*PATHS, "/v6/events/viewed", "/v6/async-events/viewed"):
        assert api.refused("POST", path, {"event_name": "viewed"}, api.keys["ingest"]) == (403, "access_denied")
    assert api.call("POST", "/v6/events", {"event_name": "viewed"}, api.keys["destination"]).status == 200


def test_refused_event_is_not_stored(api: Api, name: str) -> None:
    body = {"event_name": "viewed", "event_time": "never", "data": {"partner_user_id": name}}
    assert api.refused("POST", "/v6/events", body)[0] == 400
    assert api.get("/v5/persons", person_keys=f"partner_user_id:{name}") == []


def test_gzipped_and_chunked_bodies_are_read(api: Api, name: str) -> None:
    import gzip

    body = gzip.compress(json.dumps({"event_name": "viewed", "data": {"partner_user_id": name}}).encode())
    headers = {"Authorization": f"Bearer {api.key}", "Content-Encoding": "gzip"}
    assert api.server.request("POST", "/v6/events", body, headers).status == 200


def test_ids_are_unique_to_the_account(api: Api, name: str) -> None:
    body = {"event_name": "viewed", "message_id": uuid.uuid4().hex, "data": {"email": f"{name}@example.com", "partner_event_id": name}}
    mine = api.post("/v6/events", body)
    theirs = api.call("POST", "/v6/events", body, api.keys["other account"]).json
    assert theirs["event_id"] != mine["event_id"]
    assert theirs["person_id"] != mine["person_id"]
