"""What is sent to the destination door, row by row of wire.md 1: how a self-hosted server is connected."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from tests.api.doors import Doors, as_json, encoded, track
from tests.running import basic, rows

TYPES = ("identify", "track", "page", "screen", "group", "alias")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A message id of the test's own."""
    return str(request.node.name)


@pytest.mark.parametrize(
    "form", ["Basic {key:}", "Basic {key}", "basic {key:}", "BASIC {key:}", "Basic {key:password}", "Bearer KEY", "bearer KEY"]
)
def test_the_key_is_read_however_it_is_sent(doors: Doors, form: str, name: str) -> None:
    word, _, rest = form.partition(" ")
    user = rest.strip("{}").replace("key", doors.key)
    given = f"{word} {encoded(user) if rest != 'KEY' else doors.key}"
    for path in ("/segment", "/v1/track"):
        assert doors.server.request("POST", path, as_json(track(name)), {"Authorization": given}).status == 200
    assert doors.hashed(name) == 1


@pytest.mark.parametrize("given", [None, "", "Basic", "Bearer nonsense", f"Basic {encoded('nonsense:')}"])
def test_no_key_or_an_unknown_one_is_401_with_a_sentence(doors: Doors, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    for path in ("/segment", "/v1/track"):
        answer = doors.server.request("POST", path, as_json(track("x")), headers)
        assert answer.status == 401
        assert "key" in answer.json["message"].lower()
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_post_put_and_patch_are_taken(doors: Doors, method: str, name: str) -> None:
    for path in ("/segment", "/segment/", "/segment?source=1"):
        answer = doors.server.request(method, path, as_json(track(name)), basic(doors.key))
        assert answer.status == 200
        assert answer.json["messageId"] == name
    assert doors.hashed(name) == 1


def test_the_types_of_the_destination_door(doors: Doors, name: str) -> None:
    more = {"group": {"groupId": "g"}, "alias": {"previousId": f"old {name}"}, "track": {"event": "seen"}}
    for kind in (*TYPES, "delete"):
        said = {"type": kind, "userId": f"u {name}", "messageId": f"{name} {kind}", **more.get(kind, {})}
        assert doors.server.post("/segment", said, doors.key).status == 200, kind
    assert doors.server.post("/segment", {"type": "teleport", "userId": "u"}, doors.key).status == 501


@pytest.mark.parametrize("spelled", ["firstName", "first_name", "FirstName", "firstname", "FIRSTNAME"])
def test_a_fields_casing_does_not_matter(doors: Doors, spelled: str, name: str) -> None:
    said = {"type": "identify", "userId": f"u {name}", "messageId": name, "traits": {spelled: "Ann"}}
    assert doors.server.post("/segment", said, doors.key).status == 200
    profile = doors.profile(f"uu {name}")
    assert profile is not None
    assert profile.parameters["first_name"].value == "Ann"


def test_an_array_is_answered_with_a_result_for_each_message_in_order(doors: Doors, name: str) -> None:
    said = [track(f"{name}1"), {"type": "track", "messageId": f"{name}2", "userId": "u"}, track(f"{name}3"), {"userId": f"gone {name}"}]
    answer = doors.server.post("/segment", said, doors.key)
    assert answer.status == 200
    results = answer.json["results"]
    assert [result["status"] for result in results] == [200, 400, 200, 200]
    assert [result["messageId"] for result in results][:3] == [f"{name}1", f"{name}2", f"{name}3"]
    assert "event" in results[1]["message"]
    assert [doors.hashed(f"{name}{number}") for number in (1, 2, 3)] == [1, 0, 1]
    assert doors.server.post("/segment", [], doors.key).json == {"results": []}


def _settings(said: object) -> str:
    return base64.b64encode(as_json(said)).decode()


def test_segments_own_settings_are_honoured(doors: Doors, name: str) -> None:
    headers = {"X_Segment_Settings": _settings({"conversionEvents": ["Bought"], "unmappedTraits": "ignore", "apiKey": "theirs"})}
    said = track(name, event="bought", properties={"order_id": name, "total": "7.50"})
    assert doors.server.post("/segment", said, doors.key, **headers).status == 200
    assert (doors.event(name)["name"], doors.event(name)["amount"]) == ("conversion", 750)
    traits = {"type": "identify", "userId": f"u {name}", "messageId": f"{name}i", "traits": {"lastName": "Doe", "shoe": 9}}
    assert doors.server.post("/segment", traits, doors.key, **headers).status == 200
    profile = doors.profile(f"uu {name}")
    assert profile is not None
    assert set(profile.parameters) == {"last_name"}
    urlsafe = base64.urlsafe_b64encode(as_json({"conversionEvents": ["bought?>~"]})).decode().rstrip("=")
    assert doors.server.post("/segment", track(f"{name}u", event="Bought?>~"), doors.key, X_Segment_Settings=urlsafe).status == 200
    assert doors.event(f"{name}u")["name"] == "conversion"
    unset = track(f"{name}x", event="bought")
    assert doors.server.post("/segment", unset, doors.key).status == 200
    assert doors.event(f"{name}x")["name"] == "bought"


@pytest.mark.parametrize(
    "given", ["!", "e30x!", encoded("[]"), encoded("nope"), _settings({"unmappedTraits": 5}), _settings({"conversionEvents": 5})]
)
def test_malformed_settings_are_400_and_store_nothing(doors: Doors, given: str, name: str) -> None:
    answer = doors.server.post("/segment", track(name), doors.key, X_Segment_Settings=given)
    assert answer.status == 400
    assert "X-Segment-Settings" in answer.json["message"]
    assert doors.hashed(name) == 0


def _sign(body: bytes, secret: str = "shared") -> str:
    return hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


def test_a_key_with_a_signing_secret_requires_the_signature(doors: Doors, name: str) -> None:
    body = as_json(track(name))
    for wrong in (None, "", _sign(body, "other"), _sign(body + b" "), _sign(b""), "\xe9"):
        headers = {"X_Signature": wrong} if wrong is not None else {}
        answer = doors.server.post("/segment", body, doors.signed, **headers)
        assert answer.status == 401
        assert "X-Signature" in answer.json["message"]
    assert doors.hashed(name) == 0
    assert doors.server.post("/segment", body, doors.signed, X_Signature=_sign(body)).status == 200
    assert doors.server.post("/segment", body, doors.signed, X_Signature=_sign(body).upper()).status == 200
    assert doors.hashed(name) == 1
    assert doors.server.post("/segment", body, doors.key, X_Signature="anything").status == 200, "a key without a secret checks nothing"


def test_an_arrays_signature_is_over_its_first_event(doors: Doors, name: str) -> None:
    first, second = as_json(track(f"{name}1")), as_json(track(f"{name}2"))
    body = b"[" + first + b", " + second + b"]"
    assert doors.server.post("/segment", body, doors.signed, X_Signature=_sign(second)).status == 401
    assert doors.server.post("/segment", body, doors.signed).status == 401
    assert doors.server.post("/segment", body, doors.signed, X_Signature=_sign(first)).status == 200
    assert doors.hashed(f"{name}2") == 1


GO_TIME = "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.1"
DELETES: list[dict[str, Any]] = [
    {},
    {
        "type": "delete",
        "channel": "server",
        "context": None,
        "integrations": None,
        "messageId": "delete-reg-1::job-1",
        "originalTimestamp": GO_TIME,
    },
    {
        "type": "delete",
        "channel": "server",
        "context": [],
        "integrations": None,
        "messageId": "delete-reg-1::job-1",
        "originalTimestamp": GO_TIME,
    },
    {"type": "delete", "timestamp": "2026-01-01T00:00:00Z"},
]


@pytest.mark.parametrize("shape", DELETES, ids=["bare", "go", "go, list", "classic"])
@pytest.mark.parametrize("as_array", [False, True])
def test_every_shape_of_delete_deletes_and_repeats_succeed(doors: Doors, shape: dict[str, Any], as_array: bool, name: str) -> None:
    said = {"type": "identify", "userId": f"u {name}", "messageId": name, "traits": {"email": f"{abs(hash(name))}@example.com"}}
    assert doors.server.post("/segment", said, doors.key).status == 200
    assert doors.profile(f"uu {name}") is not None
    delete: Any = {"userId": f"u {name}", **shape}
    for _ in range(3):
        answer = doors.server.post("/segment", [delete] if as_array else delete, doors.key)
        assert answer.status == 200
        if as_array:
            assert [result["status"] for result in answer.json["results"]] == [200]
    assert doors.profile(f"uu {name}") is None


@pytest.mark.parametrize("nobody", [None, "", "undefined", "0", [], {"id": 5}, True])
def test_a_delete_of_nobody_says_what_it_needs(doors: Doors, nobody: object) -> None:
    for shape in ({}, {"type": "delete"}):
        answer = doors.server.post("/segment", {"userId": nobody, **shape}, doors.key)
        assert answer.status == 400
        assert "userId" in answer.json["message"]


@pytest.mark.parametrize("number", [4711, 4711.0])
def test_a_delete_takes_a_number_for_an_id(doors: Doors, number: float, name: str) -> None:
    assert doors.server.post("/segment", track(name, userId=4711), doors.key).status == 200
    assert doors.profile("u4711") is not None
    assert doors.server.post("/segment", {"userId": number}, doors.key).status == 200
    assert doors.profile("u4711") is None


def test_deleting_a_stranger_succeeds_and_creates_nobody(doors: Doors, name: str) -> None:
    before = rows(doors.data, "SELECT count(*) FROM profile")
    assert doors.server.post("/segment", {"userId": f"stranger {name}"}, doors.key).status == 200
    assert rows(doors.data, "SELECT count(*) FROM profile") == before


def test_law_7_a_browser_key_may_not_delete(doors: Doors, name: str) -> None:
    doors.server.post("/segment", track(name), doors.key)
    for delete in ({"userId": f"u {name}"}, {"type": "delete", "userId": f"u {name}"}):
        assert doors.server.post("/segment", delete, doors.browser).status == 403
        assert doors.server.post("/segment", [delete], doors.browser).json["results"][0]["status"] == 403
    assert doors.profile(f"uu {name}") is not None


def test_a_repeat_is_answered_like_the_original(doors: Doors, name: str) -> None:
    said = track(name, event="conversion", properties={"partner_conversion_id": name})
    first = doors.server.post("/segment", said, doors.key)
    assert doors.server.post("/segment", said, doors.key).json == first.json
    other = doors.server.post("/segment", {**said, "messageId": f"{name} again"}, doors.key)
    assert (other.status, other.json["eventId"]) == (200, first.json["eventId"])


def test_second_registration_is_answered_with_the_first_ones_event_id(doors: Doors, name: str) -> None:
    """Law 2: a registration's key is its person, so another message id makes no second one."""
    said = {"type": "track", "event": "registration", "userId": name}
    headers = {"Authorization": f"Bearer {doors.key}"}
    answers = [doors.server.request("POST", "/segment", as_json({**said, "messageId": f"{name}-{n}"}), headers) for n in (1, 2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json["eventId"] == answers[1].json["eventId"]
