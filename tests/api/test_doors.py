"""What the clients of wire.md send, row by row: table 1, how a self-hosted server is connected, and section 2's ten points."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from goodword.core.account import Scope
from goodword.core.event import FROM_BROWSER
from goodword.core.profile import Profile
from goodword.storage.store import Store
from tests.running import Answer, Server, basic, make_key, problems, rows, stored_hashes

ORIGIN = "https://shop.example"
TYPES = ("identify", "track", "page", "screen", "group", "alias")
PATHS = (*(f"/v1/{name}" for name in TYPES), "/v1/batch", "/v1/import", "/v1/i", "/v1/t", "/v1/p", "/v1/s", "/v1/g", "/v1/a", "/v1/b")


class Doors(NamedTuple):
    """A server and its keys."""

    server: Server
    data: Path
    key: str
    browser: str
    signed: str

    def hashed(self, message_id: str) -> int:
        """How often a message id is stored."""
        with Store(self.data, readonly=True) as store:
            return stored_hashes(store, 1, [message_id])[message_id]

    def event(self, message_id: str) -> dict[str, Any]:
        """The stored row of a message."""
        with Store(self.data, readonly=True) as store:
            hash16 = store.sealer.hash(1, "m" + message_id)
            found = store.database.read("SELECT name, at, received_at, flags, amount, profile_id FROM event WHERE hash = ?", (hash16,))
        assert len(found) == 1
        return dict(zip(("name", "at", "received_at", "flags", "amount", "profile_id"), found[0], strict=True))

    def profile(self, key: str) -> Profile | None:
        """The profile that owns an identity key."""
        with Store(self.data, readonly=True) as store:
            owned = store.database.read("SELECT profile_id FROM identity WHERE account_id = 1 AND key = ?", (store.sealer.hash(1, key),))
            if not owned or owned[0][0] is None:
                return None
            data_key = store.keys.key(owned[0][0])
            assert data_key is not None
            return store.sealer.open_profile(data_key, store.database.read("SELECT doc FROM profile WHERE id = ?", owned[0])[0][0])


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """One server for all."""
    data = tmp_path_factory.mktemp("doors") / "data"
    keys = make_key(data), make_key(data, Scope.INGEST), make_key(data, signing_secret="shared")
    server = Server(data)
    yield Doors(server, data, *keys)
    assert server.stop() == 0
    assert "Traceback" not in server.said()
    with Store(data) as store:
        assert problems(store) == []


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A message id of the test's own."""
    return str(request.node.name)


def _track(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "seen", "userId": f"u {name}", "messageId": name, **fields}


def _body(said: object) -> bytes:
    return json.dumps(said).encode()


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# --- the destination door -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", ["Basic {key:}", "Basic {key}", "basic {key:}", "BASIC {key:}", "Basic {key:password}", "Bearer KEY", "bearer KEY"]
)
def test_the_key_is_read_however_it_is_sent(doors: Doors, form: str, name: str) -> None:
    word, _, rest = form.partition(" ")
    user = rest.strip("{}").replace("key", doors.key)
    given = f"{word} {_encoded(user) if rest != 'KEY' else doors.key}"
    for path in ("/segment", "/v1/track"):
        assert doors.server.request("POST", path, _body(_track(name)), {"Authorization": given}).status == 200
    assert doors.hashed(name) == 1


@pytest.mark.parametrize("given", [None, "", "Basic", "Bearer nonsense", f"Basic {_encoded('nonsense:')}"])
def test_no_key_or_an_unknown_one_is_401_with_a_sentence(doors: Doors, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    for path in ("/segment", "/v1/track"):
        answer = doors.server.request("POST", path, _body(_track("x")), headers)
        assert answer.status == 401
        assert "key" in answer.json["message"].lower()
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_post_put_and_patch_are_taken(doors: Doors, method: str, name: str) -> None:
    answer = doors.server.request(method, "/segment", _body(_track(name)), basic(doors.key))
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
    said = [_track(f"{name}1"), {"type": "track", "messageId": f"{name}2", "userId": "u"}, _track(f"{name}3"), {"userId": f"gone {name}"}]
    answer = doors.server.post("/segment", said, doors.key)
    assert answer.status == 200
    results = answer.json["results"]
    assert [result["status"] for result in results] == [200, 400, 200, 200]
    assert [result["messageId"] for result in results][:3] == [f"{name}1", f"{name}2", f"{name}3"]
    assert "event" in results[1]["message"]
    assert [doors.hashed(f"{name}{number}") for number in (1, 2, 3)] == [1, 0, 1]
    assert doors.server.post("/segment", [], doors.key).json == {"results": []}


def _settings(said: object) -> str:
    return base64.b64encode(_body(said)).decode()


def test_segments_own_settings_are_honoured(doors: Doors, name: str) -> None:
    headers = {"X_Segment_Settings": _settings({"conversionEvents": ["Bought"], "unmappedTraits": "ignore", "apiKey": "theirs"})}
    said = _track(name, event="bought", properties={"order_id": name, "total": "7.50"})
    assert doors.server.post("/segment", said, doors.key, **headers).status == 200
    assert (doors.event(name)["name"], doors.event(name)["amount"]) == ("conversion", 750)
    traits = {"type": "identify", "userId": f"u {name}", "messageId": f"{name}i", "traits": {"lastName": "Doe", "shoe": 9}}
    assert doors.server.post("/segment", traits, doors.key, **headers).status == 200
    profile = doors.profile(f"uu {name}")
    assert profile is not None
    assert set(profile.parameters) == {"last_name"}
    unset = _track(f"{name}x", event="bought")
    assert doors.server.post("/segment", unset, doors.key).status == 200
    assert doors.event(f"{name}x")["name"] == "bought"


@pytest.mark.parametrize(
    "given", ["!", "e30x!", _encoded("[]"), _encoded("nope"), _settings({"unmappedTraits": 5}), _settings({"conversionEvents": 5})]
)
def test_malformed_settings_are_400_and_store_nothing(doors: Doors, given: str, name: str) -> None:
    answer = doors.server.post("/segment", _track(name), doors.key, X_Segment_Settings=given)
    assert answer.status == 400
    assert "X-Segment-Settings" in answer.json["message"]
    assert doors.hashed(name) == 0


def _sign(body: bytes, secret: str = "shared") -> str:
    return hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


def test_a_key_with_a_signing_secret_requires_the_signature(doors: Doors, name: str) -> None:
    body = _body(_track(name))
    for wrong in (None, "", _sign(body, "other"), _sign(body + b" "), _sign(b"")):
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
    first, second = _body(_track(f"{name}1")), _body(_track(f"{name}2"))
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


def test_deleting_a_stranger_succeeds_and_creates_nobody(doors: Doors, name: str) -> None:
    before = rows(doors.data, "SELECT count(*) FROM profile")
    assert doors.server.post("/segment", {"userId": f"stranger {name}"}, doors.key).status == 200
    assert rows(doors.data, "SELECT count(*) FROM profile") == before


def test_law_7_a_browser_key_may_not_delete(doors: Doors, name: str) -> None:
    doors.server.post("/segment", _track(name), doors.key)
    for delete in ({"userId": f"u {name}"}, {"type": "delete", "userId": f"u {name}"}):
        assert doors.server.post("/segment", delete, doors.browser).status == 403
        assert doors.server.post("/segment", [delete], doors.browser).json["results"][0]["status"] == 403
    assert doors.profile(f"uu {name}") is not None


def test_a_repeat_is_answered_like_the_original(doors: Doors, name: str) -> None:
    said = _track(name, event="conversion", properties={"partner_conversion_id": name})
    first = doors.server.post("/segment", said, doors.key)
    assert doors.server.post("/segment", said, doors.key).json == first.json
    other = doors.server.post("/segment", {**said, "messageId": f"{name} again"}, doors.key)
    assert (other.status, other.json["eventId"]) == (200, first.json["eventId"])


# --- the tracking door ----------------------------------------------------------------------------------------------------------------


def test_1_the_body_is_read_by_its_content(doors: Doors, name: str) -> None:
    kinds = ["text/plain", "application/json", "application/x-www-form-urlencoded", "application/octet-stream", "nonsense"]
    for number, kind in enumerate(kinds):
        for packed in (False, True):
            said = _body({"batch": [_track(f"{name}{number}{packed}")]})
            body = gzip.compress(said) if packed else said
            headers = {"Content_Type": kind, **({"Content_Encoding": "gzip"} if packed and number % 2 else {})}
            assert doors.server.post("/v1/batch", body, doors.browser, **headers).status == 200
            assert doors.hashed(f"{name}{number}{packed}") == 1
    zipped = gzip.compress(_body(_track(f"{name}z")))
    assert doors.server.post("/segment", zipped, doors.key, Content_Encoding="gzip").status == 200
    assert doors.hashed(f"{name}z") == 1


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track"])
def test_2_the_key_is_the_basic_user_else_in_the_body_else_in_the_query(doors: Doors, path: str, name: str) -> None:
    def said(number: int, **more: Any) -> dict[str, Any]:
        message = _track(f"{name}{number}")
        return {"batch": [message], **more} if path == "/v1/batch" else {**message, **more}

    assert doors.server.post(path, said(1, writeKey="ignored"), doors.browser).status == 200
    assert doors.server.post(path, said(2, writeKey=doors.browser)).status == 200
    assert doors.server.post(f"{path}?writeKey={doors.browser}", said(3)).status == 200
    assert doors.server.post(f"{path}?writeKey=wrong", said(4)).status == 401
    assert doors.server.post(path, said(5, writeKey="wrong")).status == 401
    assert doors.server.post(path, said(6)).status == 401
    assert [doors.hashed(f"{name}{number}") for number in range(1, 7)] == [1, 1, 1, 0, 0, 0]


def test_2_a_beacon_has_no_header(doors: Doors, name: str) -> None:
    answer = doors.server.post(f"/beacon/v1/batch?writeKey={doors.browser}", {"batch": [_track(name)]}, Content_Type="text/plain")
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
        server.post("/v1/track", _track("x"), **from_page),
        server.post("/v1/track", _track("x"), "wrong", **from_page),
        server.post("/v1/nothing", {}, key, **from_page),
        server.post("/v1/batch", {"batch": [{}] * 2_501}, key, **from_page),
        server.post("/v1/track", _track("x", properties={"a": "x" * 40_000}), key, **from_page),
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
    said = _track(name)
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
    answer = doors.server.post("/v1/track", _track(name), doors.browser, Origin=ORIGIN)
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
    item: dict[str, Any] = _track(name)
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
        assert doors.server.post("/v1/track", _track(f"{name}{number}"), key).status == 200
    assert [doors.event(f"{name}{number}")["flags"] & FROM_BROWSER for number in (0, 1)] == [FROM_BROWSER, 0]


def test_9_one_bad_message_never_fails_its_neighbours(doors: Doors, name: str) -> None:
    answer = doors.server.post("/v1/batch", {"batch": [_track(f"{name}1"), {"type": "track"}, 5, _track(f"{name}2")]}, doors.browser)
    assert answer.status == 200
    assert [item["index"] for item in answer.json["rejected"]] == [1, 2]
    assert doors.hashed(f"{name}1") == doors.hashed(f"{name}2") == 1


def test_10_a_full_batch_is_answered_in_time(doors: Doors, name: str) -> None:
    batch = {"batch": [_track(f"{name}{number}") for number in range(2_500)]}
    started = time.perf_counter()
    assert doors.server.post("/v1/batch", batch, doors.browser).status == 200
    print(f"\n2,500 messages in {time.perf_counter() - started:.2f} s")
    assert time.perf_counter() - started < 3


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


def test_second_registration_is_answered_with_the_first_ones_event_id(doors: Doors, name: str) -> None:
    """Law 2: a registration's key is its person, so another message id makes no second one."""
    said = {"type": "track", "event": "registration", "userId": name}
    headers = {"Authorization": f"Bearer {doors.key}"}
    answers = [doors.server.request("POST", "/segment", _body({**said, "messageId": f"{name}-{n}"}), headers) for n in (1, 2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json["eventId"] == answers[1].json["eventId"]
