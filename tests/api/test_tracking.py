"""What stock SDKs send, and the ten points of wire.md 2, by number."""

from __future__ import annotations

import gzip
import time
from typing import Any

import pytest

from goodword.core.event import FROM_BROWSER
from tests.api.doors import Doors, as_json, track
from tests.running import Answer, basic

ORIGIN = "https://shop.example"
TYPES = ("identify", "track", "page", "screen", "group", "alias")
PATHS = (*(f"/v1/{name}" for name in TYPES), "/v1/batch", "/v1/import", "/v1/i", "/v1/t", "/v1/p", "/v1/s", "/v1/g", "/v1/a", "/v1/b")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A message id of the test's own."""
    return str(request.node.name)


def test_1_the_body_is_read_by_its_content(doors: Doors, name: str) -> None:
    kinds = ["text/plain", "application/json", "application/x-www-form-urlencoded", "application/octet-stream", "nonsense"]
    for number, kind in enumerate(kinds):
        for packed in (False, True):
            said = as_json({"batch": [track(f"{name}{number}{packed}")]})
            body = gzip.compress(said) if packed else said
            headers = {"Content_Type": kind, **({"Content_Encoding": "gzip"} if packed and number % 2 else {})}
            assert doors.server.post("/v1/batch", body, doors.browser, **headers).status == 200
            assert doors.hashed(f"{name}{number}{packed}") == 1
    zipped = gzip.compress(as_json(track(f"{name}z")))
    assert doors.server.post("/segment", zipped, doors.key, Content_Encoding="gzip").status == 200
    assert doors.hashed(f"{name}z") == 1


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track"])
def test_2_the_key_is_the_basic_user_else_in_the_body_else_in_the_query(doors: Doors, path: str, name: str) -> None:
    def said(number: int, **more: Any) -> dict[str, Any]:
        message = track(f"{name}{number}")
        return {"batch": [message], **more} if path == "/v1/batch" else {**message, **more}

    assert doors.server.post(path, said(1, writeKey="ignored"), doors.browser).status == 200
    assert doors.server.post(path, said(2, writeKey=doors.browser)).status == 200
    assert doors.server.post(f"{path}?writeKey={doors.browser}", said(3)).status == 200
    assert doors.server.post(f"{path}?writeKey=wrong", said(4)).status == 401
    assert doors.server.post(path, said(5, writeKey="wrong")).status == 401
    assert doors.server.post(path, said(6)).status == 401
    assert [doors.hashed(f"{name}{number}") for number in range(1, 7)] == [1, 1, 1, 0, 0, 0]


def test_2_a_beacon_has_no_header(doors: Doors, name: str) -> None:
    answer = doors.server.post(f"/beacon/v1/batch?writeKey={doors.browser}", {"batch": [track(name)]}, Content_Type="text/plain")
    assert answer.status == 200
    assert doors.hashed(name) == 1


@pytest.mark.parametrize("path", PATHS)
def test_3_success_is_exactly_200_on_every_path(doors: Doors, path: str, name: str) -> None:
    message = {"userId": f"u {name}", "messageId": name, "event": "seen", "groupId": "g", "previousId": f"old {name}"}
    said = {"batch": [{"type": "track", **message}]} if path[4:] in ("batch", "import", "b") else message
    assert doors.server.post(path, said, doors.browser).status == 200
    assert doors.hashed(name) == 1
    assert doors.server.post("/v1/m", {"series": []}).status == 200


def test_3_an_unknown_type_is_never_501_here(doors: Doors) -> None:
    assert doors.server.post("/v1/track", {"type": "teleport", "userId": "u"}, doors.browser).status == 400
    assert doors.server.post("/v1/batch", {"batch": [{"type": "teleport", "userId": "u"}]}, doors.browser).status == 200
    assert doors.server.post("/v1/teleport", {"userId": "u"}, doors.browser).status == 404


def _errors(doors: Doors) -> list[Answer]:
    server, key, from_page = doors.server, doors.browser, {"Origin": ORIGIN}
    return [
        server.post("/v1/track", b"{", key, **from_page),
        server.post("/v1/batch", b"{", key, **from_page),
        server.post("/v1/batch", {"batch": 5}, key, **from_page),
        server.post("/v1/track", {"event": "e"}, key, **from_page),
        server.post("/v1/track", track("x"), **from_page),
        server.post("/v1/track", track("x"), "wrong", **from_page),
        server.post("/v1/nothing", {}, key, **from_page),
        server.post("/v1/batch", {"batch": [{}] * 2_501}, key, **from_page),
        server.post("/v1/track", track("x", properties={"a": "x" * 40_000}), key, **from_page),
        server.request("DELETE", "/v1/batch", headers={**basic(key), **from_page}),
        server.get("/v1/nothing", **from_page),
    ]


def test_4_and_7_errors_have_code_message_and_cors(doors: Doors) -> None:
    for answer in _errors(doors):
        assert 400 <= answer.status < 500, answer
        assert isinstance(answer.json["code"], str)
        assert isinstance(answer.json["message"], str)
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "retry-after" in answer.headers["access-control-expose-headers"].lower()


def test_5_a_message_is_stored_once_in_one_batch_across_batches_and_across_doors(doors: Doors, name: str) -> None:
    said = track(name)
    assert doors.server.post("/v1/batch", {"batch": [said, said, said]}, doors.key).status == 200
    assert doors.server.post("/v1/batch", {"batch": [said]}, doors.key).status == 200
    assert doors.server.post("/v1/track", said, doors.key).status == 200
    assert doors.server.post("/segment", said, doors.key).status == 200
    assert doors.server.post("/segment", [said, said], doors.key).status == 200
    assert doors.hashed(name) == 1


def test_6_a_conversion_may_come_before_its_identify(doors: Doors, name: str) -> None:
    device = {"anonymousId": f"device {name}"}
    conversion = {"type": "track", "event": "conversion", "messageId": name, "properties": {"partner_conversion_id": name}, **device}
    assert doors.server.post("/v1/track", conversion, doors.browser).status == 200
    identify = {"type": "identify", "userId": f"u {name}", "messageId": f"{name}i", **device}
    assert doors.server.post("/v1/identify", identify, doors.browser).status == 200
    known, device_owner = doors.profile(f"uu {name}"), doors.profile(f"adevice {name}")
    assert known is not None
    assert device_owner is not None
    assert known.id == device_owner.id
    assert doors.event(name)["profile_id"] in (known.id, *known.sources)


@pytest.mark.parametrize("path", [*PATHS, "/v1/m", "/beacon/v1/batch", "/v1/projects/KEY/settings", "/sourceConfig/"])
def test_7_a_browsers_preflight_is_granted_what_it_asks(doors: Doors, path: str) -> None:
    asked = "authorization, anonymousid, content-type, sentat, x-retry-count"
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}
    answer = doors.server.request("OPTIONS", path, headers=headers)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-headers"] == asked
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "Retry-After" in answer.headers["access-control-expose-headers"]


def test_7_success_has_cors_too(doors: Doors, name: str) -> None:
    answer = doors.server.post("/v1/track", track(name), doors.browser, Origin=ORIGIN)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["vary"] == "Origin"


def test_8_traits_are_in_traits_else_in_the_context(doors: Doors, name: str) -> None:
    both = {"type": "identify", "userId": f"u {name}", "context": {"traits": {"plan": "old", "city": "Ulm"}}, "traits": {"plan": "new"}}
    assert doors.server.post("/v1/identify", both, doors.browser).status == 200
    profile = doors.profile(f"uu {name}")
    assert profile is not None
    assert {key: value.value for key, value in profile.parameters.items()} == {"plan": "new", "city": "Ulm"}


def _ago(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - seconds))


@pytest.mark.parametrize("where", ["item", "batch"])
@pytest.mark.parametrize("field", ["timestamp", "originalTimestamp"])
def test_8_time_is_corrected_by_sent_at_on_the_item_or_the_batch(doors: Doors, field: str, where: str, name: str) -> None:
    item: dict[str, Any] = track(name)
    item[field] = _ago(3_600 + 86_400)  # a clock a day slow, an event an hour old
    batch: dict[str, Any] = {"batch": [item]}
    (item if where == "item" else batch)["sentAt"] = _ago(86_400)
    assert doors.server.post("/v1/batch", batch, doors.browser).status == 200
    event = doors.event(name)
    assert abs(event["received_at"] - event["at"] - 3_600_000) < 3_000


def test_8_what_the_batch_says_once_is_said_for_every_item(doors: Doors, name: str) -> None:
    items = [
        {"type": "identify", "userId": f"u {name}1", "messageId": f"{name}1"},
        {"type": "identify", "userId": f"u {name}2", "messageId": f"{name}2", "context": {"traits": {"plan": "own"}}},
    ]
    batch = {"batch": items, "context": {"traits": {"plan": "shared"}, "library": {"name": "analytics.js"}}, "integrations": {"All": True}}
    assert doors.server.post("/v1/batch", batch, doors.key).status == 200
    plans = []
    for number in (1, 2):
        profile = doors.profile(f"uu {name}{number}")
        assert profile is not None
        plans.append(profile.parameters["plan"].value)
        assert doors.event(f"{name}{number}")["flags"] & FROM_BROWSER
    assert plans == ["shared", "own"]


def test_what_a_browser_key_says_is_marked_as_a_browsers(doors: Doors, name: str) -> None:
    for number, key in enumerate((doors.browser, doors.key)):
        assert doors.server.post("/v1/track", track(f"{name}{number}"), key).status == 200
    assert [doors.event(f"{name}{number}")["flags"] & FROM_BROWSER for number in (0, 1)] == [FROM_BROWSER, 0]


def test_9_one_bad_message_never_fails_its_neighbours(doors: Doors, name: str) -> None:
    answer = doors.server.post("/v1/batch", {"batch": [track(f"{name}1"), {"type": "track"}, 5, track(f"{name}2")]}, doors.browser)
    assert answer.status == 200
    assert [item["index"] for item in answer.json["rejected"]] == [1, 2]
    assert doors.hashed(f"{name}1") == doors.hashed(f"{name}2") == 1


def test_10_a_full_batch_is_answered_in_time(doors: Doors, name: str) -> None:
    batch = {"batch": [track(f"{name}{number}") for number in range(2_500)]}
    started = time.perf_counter()
    assert doors.server.post("/v1/batch", batch, doors.browser).status == 200
    print(f"\n2,500 messages in {time.perf_counter() - started:.2f} s")
    assert time.perf_counter() - started < 20


def test_browser_sdks_fetch_their_settings(doors: Doors) -> None:
    answer = doors.server.get(f"/v1/projects/{doors.browser}/settings", Origin=ORIGIN, Host="gw.example")
    assert answer.status == 200
    source = answer.json["integrations"]["Segment.io"]
    assert source == {"apiKey": doors.browser, "apiHost": "gw.example/v1", "protocol": "http"}
    assert answer.json["plan"] == {}
    assert answer.json["analyticsNextEnabled"] is True
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    config = doors.server.get(f"/sourceConfig/?writeKey={doors.browser}&p=web&v=3", Origin=ORIGIN)
    assert config.json["source"]["writeKey"] == doors.browser
    assert config.headers["access-control-allow-origin"] == ORIGIN
