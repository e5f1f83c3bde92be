"""Whatever is sent, the doors answer with a sentence, never 500, and the server lives; the neighbours of a bad message are stored."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from goodword.core.account import Scope
from goodword.storage.rows import split_body
from goodword.storage.store import Store
from tests.running import Answer, Server, basic, make_key, problems, rows

DOORS = ("/segment", "/v1/track", "/v1/batch")
MESSAGE_BYTES_MAX = 32 * 1024
INJECTIONS = (
    "'; DROP TABLE event; --",
    '" OR 1=1 --',
    "<script>alert(1)</script>",
    "{{7*7}}${7*7}<%= 7*7 %>#{7*7}",
    "../../etc/passwd",
    "%00%0d%0aSet-Cookie: a=b",
    "\r\nX-Injected: yes",
    "\u202e\u0000\ufeff\ud7ff",
    "$(reboot)`reboot`|reboot",
)


class Door(NamedTuple):
    """A server and a key for both doors."""

    server: Server
    key: str
    data: Path

    def post(self, path: str, body: object, **headers: str) -> Answer:
        """Post, and check what must hold of any answer."""
        answer = self.server.post(path, body, self.key, **headers)
        assert answer.status != 500, (path, str(body)[:200])
        if answer.status not in (200, 404):
            assert set(answer.json) >= {"code", "message"}, (path, answer)
            assert isinstance(answer.json["message"], str)
        return answer


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """One server for all tests here: it must survive each of them, and be whole at the end."""
    data = tmp_path_factory.mktemp("bad") / "data"
    key = make_key(data, Scope.DESTINATION)
    server = Server(data)
    yield Door(server, key, data)
    assert server.is_running
    assert server.stop() == 0
    assert "request_failed" not in server.said()
    assert "Traceback" not in server.said()
    with Store(data) as store:
        assert problems(store) == []


def _track(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "seen", "userId": "u1", **fields}


def _deep(levels: int) -> bytes:
    return b'{"type":"track","event":"e","userId":"u","properties":' + b'{"a":' * levels + b"1" + b"}" * levels + b"}"


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b"  \n ",
    "cut": b'{"type":"track","event":"e","userId":"u"',
    "trailing": b'{"type":"track","event":"e","userId":"u"} x',
    "two objects": b'{"type":"track","event":"e","userId":"u"}{"a":1}',
    "single quotes": b"{'type':'track'}",
    "number": b"42",
    "text": b'"track"',
    "null": b"null",
    "true": b"true",
    "too deep": _deep(40),
    "absurdly deep": _deep(5_000),
    "arrays absurdly deep": b"[" * 30_000,
    "objects absurdly deep": b'{"a":' * 6_000,
    "latin-1": '{"type":"track","event":"é","userId":"u"}'.encode("latin-1"),
    "utf-16": json.dumps(_track()).encode("utf-16"),
    "random bytes": bytes(range(256)),
    "NaN": b'{"type":"track","event":"e","userId":"u","properties":{"a":NaN}}',
    "Infinity": b'{"type":"track","event":"e","userId":"u","properties":{"a":-Infinity}}',
    "control character in text": b'{"type":"track","event":"a\x01b","userId":"u"}',
    "bad escape": b'{"type":"track","event":"\\x41","userId":"u"}',
    "leading zero": b'{"type":"track","event":"e","userId":007}',
    "comment": b'{"type":"track",/* c */"event":"e","userId":"u"}',
    "form": b"type=track&event=e",
    "xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "gzip, cut": gzip.compress(json.dumps(_track()).encode())[:-9],
    "gzip, garbage": b"\x1f\x8b" + b"garbage" * 20,
}


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_cannot_be_read_is_400(door: Door, name: str, path: str) -> None:
    answer = door.post(path, BODIES[name])
    assert answer.status == 400, answer
    assert "passwd" not in answer.body.decode()


@pytest.mark.parametrize("path", DOORS)
def test_a_body_too_large_is_413_however_it_is_sent(door: Door, path: str) -> None:
    big = json.dumps(_track(properties={"a": "x" * 1_000_000})).encode()
    assert door.post(path, big).status == 413
    assert door.post(path, gzip.compress(big), Content_Encoding="gzip").status == 413
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {basic(door.key)['Authorization']}\r\nConnection: close\r\n"
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (big[i : i + 60_000] for i in range(0, len(big), 60_000)))
    got = door.server.raw(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunked + b"0\r\n\r\n")
    assert got.split(b" ")[1:2] in ([b"413"], []), got[:100]  # or cut off


@pytest.mark.parametrize("path", DOORS)
def test_a_gzip_bomb_is_413_quickly(door: Door, path: str) -> None:
    bomb = gzip.compress(bytes(100_000_000), 9)
    assert len(bomb) < 200_000
    started = time.perf_counter()
    assert door.post(path, bomb).status == 413
    assert time.perf_counter() - started < 20


def test_a_gzip_header_that_is_not_true_is_refused_or_read(door: Door) -> None:
    for path in DOORS:
        assert door.post(path, json.dumps(_track()).encode(), Content_Encoding="gzip").status in (200, 400)
        assert door.post(path, json.dumps(_track()).encode(), Content_Encoding="br").status in (200, 400)


ODD: dict[str, tuple[bytes, int]] = {
    "the last of duplicate keys counts": (b'{"type":"track","event":"e","userId":"a","userId":"u","type":"track"}', 200),
    "an integer past 64 bits": (b'{"type":"track","event":"e","userId":"u","properties":{"n":99999999999999999999999999}}', 200),
    "an integer of 5000 digits": (b'{"type":"track","event":"e","userId":"u","properties":{"n":' + b"9" * 5_000 + b"}}", 200),
    "a float past its range": (b'{"type":"track","event":"e","userId":"u","properties":{"n":1e999}}', 200),
    "a trait past a float's range": (b'{"type":"identify","userId":"u","traits":{"n":1e999,"m":-1e999}}', 200),
    "a lone surrogate": (b'{"type":"track","event":"e","userId":"u","properties":{"a":"\\ud83d"}}', 200),
    "a lone surrogate in an id": (b'{"type":"track","event":"e","userId":"u\\udc00"}', 200),
    "a null byte": (b'{"type":"track","event":"a\\u0000b","userId":"u\\u0000","properties":{"\\u0000":"\\u0000"}}', 200),
    "a byte order mark": (b'\xef\xbb\xbf{"type":"track","event":"e","userId":"u"}', 200),
    "no id at all": (b'{"type":"track","event":"e"}', 400),
    "junk ids": (b'{"type":"track","event":"e","userId":"undefined","anonymousId":"0000"}', 400),
    "ids of blanks": (b'{"type":"track","event":"e","userId":"  ","anonymousId":""}', 400),
    "an id that is a number": (b'{"type":"track","event":"e","userId":42}', 200),
    "an id that is a float": (b'{"type":"track","event":"e","userId":42.0}', 200),
    "an id past 64 bits": (b'{"type":"track","event":"e","userId":123456789012345678901234567890}', 200),
    "an id that is a list": (b'{"type":"track","event":"e","userId":["u"]}', 400),
    "an id that is an object": (b'{"type":"track","event":"e","anonymousId":{"a":1}}', 400),
    "an id that is true": (b'{"type":"track","event":"e","userId":true}', 400),
    "an id of 5000 characters": (b'{"type":"track","event":"e","userId":"' + b"u" * 5_000 + b'"}', 400),
    "a message id that is a list": (b'{"type":"track","event":"e","userId":"u","messageId":[]}', 400),
    "a message id that is a number": (b'{"type":"track","event":"e","userId":"u","messageId":7}', 200),
    "no event name": (b'{"type":"track","userId":"u"}', 400),
    "an event name that is an object": (b'{"type":"track","userId":"u","event":{}}', 400),
    "an event name of 30000 characters": (b'{"type":"track","userId":"u","event":"' + b"e" * 30_000 + b'"}', 200),
    "properties that are a list": (b'{"type":"track","event":"conversion","userId":"u","properties":[1]}', 200),
    "context that is text": (b'{"type":"track","event":"e","userId":"u","context":"x"}', 200),
    "traits that are a number": (b'{"type":"identify","userId":"u","traits":7}', 200),
    "an impossible date": (b'{"type":"track","event":"e","userId":"u","timestamp":"2026-02-31T25:61:00Z"}', 200),
    "a date that is an object": (b'{"type":"track","event":"e","userId":"u","timestamp":{"$date":1}}', 200),
    "the year 9999": (b'{"type":"track","event":"e","userId":"u","timestamp":"9999-12-31T23:59:59Z","sentAt":"0001-01-01T00:00Z"}', 200),
    "a huge number for a date": (b'{"type":"track","event":"e","userId":"u","timestamp":1e300,"sentAt":-5}', 200),
    "sent long after the time": (b'{"type":"track","event":"e","userId":"u","timestamp":"1970-01-01","sentAt":"9999-01-01"}', 200),
    "a group without an id": (b'{"type":"group","userId":"u"}', 400),
    "an alias without an id": (b'{"type":"alias","userId":"u"}', 400),
    "a type that is a number": (b'{"type":5,"userId":"u"}', 400),
    "an audience flag that is an object": (
        b'{"type":"identify","userId":"u","traits":{"k":{}},"context":{"personas":{"computation_key":"k","computation_class":[]}}}',
        200,
    ),
}  # fmt: skip


@pytest.mark.parametrize("path", ["/segment", "/v1/track"])
@pytest.mark.parametrize("name", ODD)
def test_odd_messages_are_answered_as_the_spec_says(door: Door, name: str, path: str) -> None:
    body, status = ODD[name]
    answer = door.post(path, body)
    assert answer.status == status, answer


@pytest.mark.parametrize("path", ["/segment", "/v1/track"])
def test_a_message_over_32_kb_is_refused_and_one_under_it_taken(door: Door, path: str) -> None:
    def sized(size: int) -> bytes:
        empty = len(json.dumps(_track(properties={"a": ""})))
        return json.dumps(_track(properties={"a": "x" * (size - empty)})).encode()

    assert door.post(path, sized(MESSAGE_BYTES_MAX)).status == 200
    assert door.post(path, sized(MESSAGE_BYTES_MAX + 1)).status == 413


def test_an_unknown_type_is_501_from_segment_and_400_from_sdks(door: Door) -> None:
    assert door.post("/segment", {"type": "teleport", "userId": "u"}).status == 501
    assert door.post("/v1/track", {"type": "teleport", "userId": "u"}).status == 400
    answer = door.post("/v1/batch", {"batch": [{"type": "teleport", "userId": "u"}]})
    assert answer.status == 200
    assert answer.json["rejected"][0]["code"] == "unsupported_type"


SECRET = "jane.roe@personal.example"
REFUSED = "SELECT reason, type, door, shape FROM receipt WHERE verdict = 'rejected' ORDER BY arrival"
BAD_ITEMS: dict[str, Any] = {
    "no id": {"type": "track", "event": "conversion", "properties": {"note": SECRET}},
    "an id that is a list": {"type": "identify", "userId": [SECRET]},
    "an unknown type": {"type": SECRET, "userId": SECRET},
    "no event name": {"type": "track", "userId": SECRET},
    "a field named by a person": {SECRET: 1, "type": "group", "userId": SECRET},
    "too large": {"type": "track", "event": "e", "userId": SECRET, "properties": {"a": "x" * 40_000}},
    "too deep": json.loads(_deep(40)),
    "text": SECRET,
    "null": None,
    "a list": [SECRET],
}


@pytest.mark.parametrize("path", ["/segment", "/v1/batch"])
@pytest.mark.parametrize("name", BAD_ITEMS)
def test_one_bad_message_never_fails_its_neighbours_and_leaves_a_receipt_that_names_nobody(door: Door, name: str, path: str) -> None:
    # what was refused is written down after its answer, but before whatever is asked later: so each count comes after an answer
    assert door.post("/segment", _track(messageId=f"before {path} {name}")).status == 200
    before = len(rows(door.data, REFUSED))
    good = [_track(messageId=f"{path} {name} {number}") for number in range(2)]
    batch = [good[0], BAD_ITEMS[name], good[1]]
    answer = door.post(path, batch if path == "/segment" else {"batch": batch})
    assert answer.status == 200
    if path == "/segment":
        assert [result["status"] for result in answer.json["results"]][::2] == [200, 200]
        assert answer.json["results"][1]["status"] in (400, 413, 501)
        assert answer.json["results"][1]["message"] != "ok"
    else:
        assert [item["index"] for item in answer.json["rejected"]] == [1]
    for message in good:  # sent again: known, so it was stored
        assert door.post("/segment", message).json["messageId"] == message["messageId"]
    found = rows(door.data, REFUSED)
    assert len(found) == before + 1
    assert found[-1][0]
    assert SECRET not in str(found[-1])
    assert SECRET not in answer.body.decode()


MONEY = ["-5", -5, "free", "1e400", 10**30, {"amount": 5}, [5], True, "1,2,3", "", "0x10", "٣", "$", "--1", "NaN", "5 5"]


@pytest.mark.parametrize("value", MONEY, ids=str)
def test_an_absurd_cart_value_is_noted_and_the_conversion_stored_without_it(door: Door, value: Any) -> None:
    order = f"order {value!r}"
    said = {"type": "track", "event": "conversion", "userId": "u1", "messageId": order,
            "properties": {"partner_conversion_id": order, "cart_value": value}}  # fmt: skip
    assert door.post("/segment", said).status == 200
    event = rows(door.data, "SELECT amount, currency, flags, profile_id, body FROM event ORDER BY arrival DESC LIMIT 1")[0]
    assert event[:2] == (None, None)
    with Store(door.data, readonly=True) as store:
        key = store.keys.key(event[3])
        assert key is not None
        notes, _ = split_body(store.sealer.open_body(key, event[4]))
    assert any("value" in note.lower() or "amount" in note.lower() or "money" in note.lower() for note in notes), notes


@pytest.mark.parametrize("path", ["/segment", "/v1/track"])
@pytest.mark.parametrize("text", INJECTIONS, ids=range(len(INJECTIONS)))
def test_text_is_text_in_every_field(door: Door, text: str, path: str) -> None:
    said = {
        "type": "track", "event": text, "userId": f"u{text}", "anonymousId": text, "messageId": f"{path}{text}", "channel": text,
        "properties": {text: text, "partner_event_id": text, "cart_value": text, "email": text}, "context": {"library": {"name": text}},
        "integrations": {text: text}, "timestamp": text, "version": text,
    }  # fmt: skip
    assert door.post(path, said).status == 200
    assert (
        door.post(path, {**said, "type": "identify", "traits": {text: text, "email": f"{text}@example.com"}, "messageId": text}).status
        == 200
    )
    assert door.post(path, {**said, "type": text}).status in (400, 501)
    name = rows(door.data, "SELECT name FROM event WHERE type = 2 ORDER BY arrival DESC LIMIT 1")[0][0]
    assert name == text.replace("\0", "").strip()
    answer = door.server.get(f"/v1/projects/{'<b>'}/settings")
    assert answer.headers["content-type"] == "application/json"


def test_headers_may_hold_anything(door: Door) -> None:
    for value in (
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic /////",
        "Bearer",
        "Bearer  ",
        "Digest x",
        "x" * 5_000,
        "Basic " + "A" * 5_000,
        "\xff\xfe",
    ):
        for path in DOORS:
            answer = door.server.request("POST", path, b'{"type":"track"}', {"Authorization": value})
            assert answer.status in (401, 400), (value, answer)
    for value in ("", "!", "e30", "W10=", "bnVsbA==", "InRleHQi", "ey", "eyJ1bm1hcHBlZFRyYWl0cyI6MX0=", "/w==", "x" * 9_000):
        assert door.post("/segment", _track(), X_Segment_Settings=value).status in (200, 400), value
    for value in ("", "zz", "\xff", "0" * 9_000):
        assert door.post("/segment", _track(), X_Signature=value).status == 200


def test_paths_and_methods_that_are_not_served(door: Door) -> None:
    for method in ("GET", "HEAD", "DELETE", "TRACE", "PUT", "PATCH", "OPTIONS", "PROPFIND"):
        for path in (
            *DOORS,
            "/",
            "/nothing",
            "/v1/",
            "/v1/nothing",
            "/v1//batch",
            "/segment/",
            "/%00",
            "/%ff%fe",
            "/v1/../segment",
            "/?" + "q" * 9_000,
        ):
            answer = door.server.request(method, path, headers=basic(door.key))
            assert answer.status != 500, (method, path)
            assert answer.status < 500, (method, path, answer)
    assert door.server.get("/segment").status == 405


def _head(door: Door, *lines: str, path: str = "/segment") -> bytes:
    named = [f"POST {path} HTTP/1.1", "Host: localhost", f"Authorization: {basic(door.key)['Authorization']}", *lines, "", ""]
    return "\r\n".join(named).encode()


def _alive(door: Door) -> None:
    assert door.post("/segment", _track()).status == 200


BODY = json.dumps(_track()).encode()


def test_chunked_and_pipelined_requests_are_answered_in_order(door: Door) -> None:
    chunked = b"".join(b"%x\r\n%s\r\n" % (1, BODY[i : i + 1]) for i in range(len(BODY))) + b"0\r\n\r\n"
    got = door.server.raw(_head(door, "Transfer-Encoding: chunked", "Connection: close") + chunked)
    assert got.startswith(b"HTTP/1.1 200")
    many = []
    for number in range(20):
        body = json.dumps(_track(messageId=f"pipelined {number}")).encode()
        many.append(_head(door, f"Content-Length: {len(body)}", *(["Connection: close"] if number == 19 else [])) + body)
    got = door.server.raw(b"".join(many))
    places = [got.index(b'"pipelined %d"' % number) for number in range(20)]
    assert places == sorted(places)
    assert got.count(b"HTTP/1.1 200") == 20


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(door: Door) -> None:
    with socket.create_connection(("127.0.0.1", door.server.port), timeout=60) as connection:
        connection.sendall(_head(door, f"Content-Length: {len(BODY)}", "Expect: 100-continue", "Connection: close"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(BODY)
        assert b"HTTP/1.1 200" in connection.recv(10_000)


def test_malformed_http_is_400_or_cut_off(door: Door) -> None:
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST /segment HTTP/9.9\r\n\r\n",
        b"\r\n" * 1_000,
        bytes(10_000),
        _head(door, "Content-Length: -1"),
        _head(door, "Content-Length: x"),
        _head(door, "Content-Length: 5", "Content-Length: 6") + b"12345",
        _head(door, "Content-Length: 99999999999999999999999"),
        _head(door, "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
        _head(door, "Transfer-Encoding: chunked") + b"zz\r\n",
        _head(door, "Bad\0Header: 1"),
    ):
        got = door.server.raw(data, ends=True, timeout_s=1)
        assert b"HTTP/1.1 500" not in got, data[:60]
        assert got == b"" or got.split(b" ")[1] in (b"400", b"413"), (data[:60], got[:80])
    got = door.server.raw(_head(door, "Connection: close"), timeout_s=2)  # no length: no body
    assert got.startswith(b"HTTP/1.1 400")
    _alive(door)


def test_huge_headers_do_not_fill_the_memory(door: Door) -> None:
    def memory_kib() -> int:
        status = Path(f"/proc/{door.server.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])

    before = memory_kib()
    for data in (b"X-A: " + b"a" * 40_000_000, b"".join(b"X-%d: a\r\n" % number for number in range(600_000))):
        with socket.create_connection(("127.0.0.1", door.server.port), timeout=10) as connection:
            try:
                connection.sendall(b"POST /segment HTTP/1.1\r\nHost: a\r\n" + data + b"\r\n\r\n")
                got = connection.recv(100)
            except OSError:
                got = b""
            assert got == b"" or got.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), got
    _alive(door)
    assert memory_kib() - before < 30_000


def test_half_sent_requests_and_slow_clients_hold_nobody_up(door: Door) -> None:
    held: list[socket.socket] = []
    for number in range(300):
        connection = socket.create_connection(("127.0.0.1", door.server.port), timeout=60)
        head = _head(door, f"Content-Length: {len(BODY)}")
        connection.sendall((head[: number % len(head)], head, head + BODY[:10])[number % 3])
        held.append(connection)
    started = time.perf_counter()
    for _ in range(50):
        _alive(door)
    assert time.perf_counter() - started < 40
    slow = held[1]
    for i in range(len(BODY)):
        slow.sendall(BODY[i : i + 1])
    assert slow.recv(1_000).startswith(b"HTTP/1.1 200")
    for connection in held:
        connection.close()
    _alive(door)


def test_connections_that_stall_are_closed_and_slow_ones_are_not(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = make_key(data)
    with Server(data, before="from goodword.api import wire\nwire.STALLED_S = 0.7") as server:
        door = Door(server, key, data)
        head = _head(door, f"Content-Length: {len(BODY)}")
        stalled = [socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(3)]
        for connection, data_sent in zip(stalled, (b"", head[:30], head + BODY[:5]), strict=True):
            connection.sendall(data_sent)
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as kept:
            for _ in range(20):
                kept.sendall(head + BODY)
                got = b""
                while not got.endswith(b"}"):
                    got += kept.recv(1_000)
                assert got.startswith(b"HTTP/1.1 200")
                time.sleep(0.1)
        for connection in stalled:
            assert connection.recv(1_000).split(b" ")[:2] in ([b""], [b"HTTP/1.1", b"400"])
            connection.close()
