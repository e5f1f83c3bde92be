"""Two ways lead to the message doors: the short one, and ASGI. Whatever is sent, both answer the same, byte for byte."""

from __future__ import annotations

import gzip
import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from goodword.core.account import Scope
from goodword.storage.store import Store
from tests.running import Server, basic, make_key, problems, rows

NOTE_ASGI = """
import sys
from goodword.api import wire
_start = wire.Protocol._start_asgi_task
def _noted(self, cycle, app):
    print("BY ASGI", cycle.scope["path"], file=sys.stderr, flush=True)
    _start(self, cycle, app)
wire.Protocol._start_asgi_task = _noted
"""
ONLY_ASGI = "from goodword.api import wire\nwire.Protocol._is_usual = lambda self, headers, bytes_max: False\n"
SLOW_COMMIT = """
import time
from goodword.storage.store import Store
_save = Store.save
def _slowly(self, decisions, now):
    time.sleep(0.5)
    _save(self, decisions, now)
Store.save = _slowly
"""
NO_ROOM = "from goodword import engine\nengine.REQUESTS_MAX = 0\n"
NO_DISK = """
from goodword.storage.store import Store
def _fails(self, decisions, now):
    raise OSError("no space")
Store.save = _fails
"""
DEFECT = """
from goodword.api.intake import Intake
def _defect(self, *arguments, **options):
    raise ZeroDivisionError
Intake.command = _defect
"""
DEFECT_LATER = """
from goodword.api import destination, tracking
def _defect(found):
    raise ZeroDivisionError
destination._said_of_one = tracking._done = _defect
"""


class Ways(NamedTuple):
    """Two servers with the same data and key: one as it is, one that knows ASGI alone."""

    short: Server
    asgi: Server
    key: str
    browser_key: str


def ask(server: Server, *parts: bytes, answers: int = 1, pause_s: float = 0.0) -> bytes:
    """Send a connection's bytes, in these pieces; as many answers as are expected, or what came until the server hung up."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            connection.sendall(part)
            time.sleep(pause_s)
        return read(connection, answers)


def read(connection: socket.socket, answers: int = 1) -> bytes:
    """As many answers, or what comes before the end."""
    got = b""
    while not _has(got, answers) and (part := connection.recv(1 << 16)):
        got += part
    return got


def _has(got: bytes, answers: int) -> bool:
    for _ in range(answers):
        head, end, rest = got.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 100"):
            head, end, rest = rest.partition(b"\r\n\r\n")
        if not end:
            return False
        size = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
        if len(rest) < size:
            return False
        got = rest[size:]
    return True


def post(path: str, body: bytes, *headers: str, method: str = "POST", version: str = "1.1", length: bool = True) -> bytes:
    """A request's bytes."""
    lines = [f"{method} {path} HTTP/{version}", "Host: example", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def said(n: int = 0, **fields: Any) -> bytes:
    """A message."""
    return json.dumps({"type": "track", "event": "seen", "userId": "u1", "messageId": f"m{n}", **fields}).encode()


def of(key: str) -> str:
    """The header of a key."""
    return f"Authorization: {basic(key)['Authorization']}"


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    folder = tmp_path_factory.mktemp("wire")
    key, browser_key = make_key(folder / "short", Scope.DESTINATION), make_key(folder / "short", Scope.INGEST)
    shutil.copytree(folder / "short", folder / "asgi")
    with Server(folder / "short", before=NOTE_ASGI) as short, Server(folder / "asgi", before=ONLY_ASGI) as asgi:
        yield Ways(short, asgi, key, browser_key)
        for server in (short, asgi):
            assert server.stop() == 0
            assert "Traceback" not in server.said()
    for name in ("short", "asgi"):
        with Store(folder / name) as store:
            assert problems(store) == []
    logged = "SELECT type, name, duplicate_of, flags, hash FROM event ORDER BY arrival"
    assert rows(folder / "short", logged) == rows(folder / "asgi", logged)


USUAL = "KEY BODY"
BATCH = json.dumps({"batch": [json.loads(said(n)) for n in range(20, 24)] + [{"type": "track", "userId": "u"}]}).encode()
BIG = said(30, properties={"a": "x" * 30_000})
TOO_BIG = said(31, properties={"a": "x" * 40_000})
OVERSIZE = said(32, properties={"a": "x" * 600_000})
SHORT_WAY: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "one": ("/v1/track", said(1), ("KEY",)),
    "the same again": ("/v1/track", said(1), ("KEY",)),
    "another type": ("/v1/i", b'{"userId":"u2","traits":{"email":"u2@example.com"},"messageId":"m2"}', ("KEY",)),
    "a page's script": ("/v1/t", said(3), ("Origin: https://shop.example", "Content-Type: text/plain", "BROWSER")),
    "the key in the body": ("/v1/track", said(4, writeKey="SECRET"), ()),
    "no key": ("/v1/track", said(5), ()),
    "a wrong key": ("/v1/track", said(5), ("Authorization: Bearer gw_x",)),
    "a batch with a bad one": ("/v1/batch", BATCH, ("KEY",)),
    "an empty batch": ("/v1/batch", b'{"batch":[]}', ("KEY",)),
    "no batch": ("/v1/batch", b'{"a":1}', ("KEY",)),
    "the destination": ("/segment", said(6), ("KEY",)),
    "the destination again": ("/segment", said(6), ("KEY",)),
    "an array": ("/segment", b"[" + said(7) + b"," + said(8) + b',{"type":"track"},5]', ("KEY",)),
    "a delete": ("/segment", b'{"type":"delete","userId":"u9","messageId":"d"}', ("KEY",)),
    "a delete with a browser's key": ("/segment", b'{"type":"delete","userId":"u9"}', ("BROWSER",)),
    "an unknown type": ("/segment", said(9, type="dance"), ("KEY",)),
    "malformed settings": ("/segment", said(9), ("KEY", "X-Segment-Settings: %%%")),
    "settings": ("/segment", said(10), ("KEY", "X-Segment-Settings: e30=")),
    "malformed": ("/v1/track", b'{"type":', ("KEY",)),
    "no object": ("/v1/track", b"42", ("KEY",)),
    "nothing": ("/v1/track", b"", ("KEY",)),
    "nobody": ("/v1/track", b'{"event":"e"}', ("KEY",)),
    "long": ("/v1/track", BIG, ("KEY",)),
    "too long a message": ("/v1/track", TOO_BIG, ("KEY",)),
    "gzip": ("/v1/track", gzip.compress(said(11), mtime=0), ("KEY", "Content-Encoding: gzip")),
    "gzip unsaid": ("/v1/track", gzip.compress(said(12), mtime=0), ("KEY",)),
    "gzip that is none": ("/v1/track", said(13), ("KEY", "Content-Encoding: gzip")),
    "gzip cut off": ("/segment", gzip.compress(said(13), mtime=0)[:-6], ("KEY", "Content-Encoding: gzip")),
    "a gzip bomb": ("/v1/batch", gzip.compress(bytes(5_000_000), mtime=0), ("KEY", "Content-Encoding: gzip")),
    "close": ("/v1/track", said(14), ("KEY", "Connection: close")),
    "keep-alive": ("/v1/track", said(15), ("KEY", "Connection: keep-alive")),
    "a header twice": ("/v1/track", said(16), ("Authorization: Bearer gw_x", "KEY")),
    "other letters": ("/v1/track", said(17), ("KEY", "X-Other: \xe4\xf6", "COOKIE: a=b")),
}
BY_ASGI: dict[str, bytes] = {
    "GET": post("/v1/track", b"", method="GET", length=False),
    "HEAD": post("/v1/track", b"", "Connection: close", method="HEAD", length=False),
    "OPTIONS": post("/v1/track", b"", "Origin: https://a.example", "Access-Control-Request-Headers: x-a", method="OPTIONS", length=False),
    "DELETE": post("/segment", b"", method="DELETE", length=False),
    "PUT": post("/segment", said(41), "KEY", method="PUT"),
    "another path": post("/v1/nothing", said(42), "KEY"),
    "a slash at the end": post("/v1/track/", said(43), "KEY"),
    "a query": post("/v1/track?writeKey=SECRET", said(44)),
    "percent signs": post("/v1/tr%61ck", said(45), "KEY"),
    "chunked": post("/v1/track", b"4\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (said(46)[:4], len(said(46)) - 4, said(46)[4:]), "KEY",
                    "Transfer-Encoding: chunked", length=False),
    "no length": post("/v1/track", b"", "KEY", length=False),
    "HTTP/1.0": post("/v1/track", said(47), "KEY", version="1.0"),
    "HTTP/1.0 kept alive": post("/v1/track", said(48), "KEY", "Connection: keep-alive", version="1.0"),
    "Expect": post("/v1/track", said(49), "KEY", "Expect: 100-continue"),
    "an upgrade": post("/v1/track", said(50), "KEY", "Connection: Upgrade", "Upgrade: h2c"),
    "oversize": post("/v1/track", OVERSIZE, "KEY"),
    "oversize array": post("/segment", OVERSIZE, "KEY"),
    "two lengths": post("/v1/track", said(51), "KEY", "Content-Length: 5"),
    "length and chunks": post("/v1/track", said(51), "KEY", "Transfer-Encoding: chunked"),
    "a bad length": post("/v1/track", b"", "KEY", "Content-Length: -1", length=False),
    "no HTTP": b"hello\r\n\r\n",
}  # fmt: skip


def _filled(ways: Ways, data: bytes) -> bytes:
    """With the keys of the servers."""
    key, browser_key = of(ways.key), of(ways.browser_key)
    head, end, body = data.partition(b"\r\n\r\n")
    head = head.replace(b"\r\nKEY", b"\r\n" + key.encode()).replace(b"\r\nBROWSER", b"\r\n" + browser_key.encode())
    return head.replace(b"SECRET", ways.key.encode()) + end + body


def _both(ways: Ways, *parts: bytes, answers: int = 1, pause_s: float = 0.0) -> bytes:
    """What both servers answer, which must be the same."""
    short = ask(ways.short, *parts, answers=answers, pause_s=pause_s)
    asgi = ask(ways.asgi, *parts, answers=answers, pause_s=pause_s)
    assert short == asgi
    return short


def _by_asgi(server: Server) -> int:
    return server.said().count("BY ASGI")


@pytest.mark.parametrize("name", SHORT_WAY)
def test_the_short_way_answers_as_asgi_does(ways: Ways, name: str) -> None:
    path, body, headers = SHORT_WAY[name]
    before = _by_asgi(ways.short)
    answer = _both(ways, _filled(ways, post(path, body.replace(b"SECRET", ways.key.encode()), *headers)))
    assert answer.startswith(b"HTTP/1.1 ")
    assert not answer.startswith(b"HTTP/1.1 500")
    assert _by_asgi(ways.short) == before, "it went the short way"


@pytest.mark.parametrize("name", BY_ASGI)
def test_what_is_unusual_goes_by_asgi(ways: Ways, name: str) -> None:
    refused = {"two lengths", "length and chunks", "a bad length", "no HTTP"}  # by the parser, before there is a way
    before = _by_asgi(ways.short)
    answer = _both(ways, _filled(ways, BY_ASGI[name]))
    assert not answer.startswith(b"HTTP/1.1 500")
    assert _by_asgi(ways.short) == before + (name not in refused)


def test_a_request_may_come_byte_by_byte(ways: Ways) -> None:
    whole = _filled(ways, post("/v1/track", said(60), "KEY"))
    assert _both(ways, *(whole[i : i + 1] for i in range(len(whole)))).startswith(b"HTTP/1.1 200")
    batch = _filled(ways, post("/v1/batch", json.dumps({"batch": [json.loads(BIG)] * 8}).encode(), "KEY"))
    assert _both(ways, *(batch[i : i + 9_000] for i in range(0, len(batch), 9_000)), pause_s=0.002).startswith(b"HTTP/1.1 200")


def test_requests_may_be_sent_before_the_answers_come(ways: Ways) -> None:
    kinds = [
        post("/v1/track", said(70), "KEY"),
        post("/segment", said(71), "KEY"),
        post("/v1/m", b"{}", "KEY"),
        post("/segment", b"", "KEY"),
    ]
    many = [_filled(ways, kinds[n % 4]) for n in range(24)]
    assert _both(ways, b"".join(many), answers=24).count(b"HTTP/1.1 ") == 24
    assert _both(ways, *many, answers=24).count(b"HTTP/1.1 ") == 24
    last = _filled(ways, post("/v1/track", said(72), "KEY", "Connection: close"))
    assert _both(ways, many[0] + last + many[1], answers=3).count(b"HTTP/1.1 200") == 2, "nothing is read past a close"


def test_a_connection_serves_many_requests_of_any_kind(ways: Ways) -> None:
    kinds = [post("/v1/track", said(80), "KEY"), post("/v1/track/", said(81), "KEY"), post("/segment", said(82), "KEY")]
    for server in (ways.short, ways.asgi):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            for n in range(30):
                connection.sendall(_filled(ways, kinds[n % 3]))
                assert read(connection).startswith(b"HTTP/1.1 200")


def _answers(tmp_path: Path, before: str, *requests: tuple[str, bytes]) -> list[bytes]:
    """What a server in trouble says to each request, which must be the same on both ways."""
    folder = tmp_path / "short"
    key = make_key(folder)
    shutil.copytree(folder, tmp_path / "asgi")
    found = []
    for name, more in (("short", ""), ("asgi", ONLY_ASGI)):
        with Server(tmp_path / name, before=before + more) as server:
            found.append([ask(server, post(path, body, of(key), "Origin: https://a.example")) for path, body in requests])
            assert ask(server, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert found[0] == found[1]
    return found[0]


REQUESTS = (("/v1/track", said(1)), ("/v1/batch", b'{"batch":[' + said(2) + b"]}"), ("/segment", said(3)), ("/segment", b"[%b]" % said(4)))


def test_law_10_overload_is_said_on_both_ways(tmp_path: Path) -> None:
    for answer in _answers(tmp_path, NO_ROOM, *REQUESTS):
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1\r\n" in answer
        assert b'"overloaded"' in answer


def test_what_cannot_be_stored_is_said_on_both_ways(tmp_path: Path) -> None:
    for answer in _answers(tmp_path, NO_DISK, *REQUESTS):
        assert answer.startswith(b"HTTP/1.1 503")
        assert b'"unavailable"' in answer


@pytest.mark.parametrize("defect", [DEFECT, DEFECT_LATER])
def test_a_defect_is_500_with_cors_on_both_ways(tmp_path: Path, defect: str) -> None:
    for answer in _answers(tmp_path, defect, REQUESTS[0], REQUESTS[2]):
        assert answer.startswith(b"HTTP/1.1 500")
        assert b"access-control-allow-origin: https://a.example" in answer


@pytest.mark.parametrize("way", ["", ONLY_ASGI])
def test_what_was_taken_of_a_client_that_left_is_stored(tmp_path: Path, way: str) -> None:
    key = make_key(tmp_path / "data")
    with Server(tmp_path / "data", before=SLOW_COMMIT + way) as server:
        for n in range(3):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
                connection.sendall(post("/v1/track", said(n), of(key)))
                time.sleep(0.1)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(post("/v1/track", said(9), of(key))[:-4])  # and of this one nothing
        assert ask(server, post("/v1/track", said(3), of(key))).startswith(b"HTTP/1.1 200")
        assert "Traceback" not in server.said()
    assert rows(tmp_path / "data", "SELECT count(*) FROM event") == [(4,)]


@pytest.mark.parametrize("way", ["", ONLY_ASGI])
def test_sigterm_finishes_what_was_taken(tmp_path: Path, way: str) -> None:
    key = make_key(tmp_path / "data")
    server = Server(tmp_path / "data", before=SLOW_COMMIT + way)
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as taken,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as begun,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as idle,
    ):
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read(idle).startswith(b"HTTP/1.1 200")
        whole = post("/v1/track", said(2), of(key))
        begun.sendall(whole[:-5])
        taken.sendall(post("/v1/track", said(1), of(key)))
        time.sleep(0.2)
        ending = threading.Thread(target=server.stop)
        ending.start()
        answer = read(taken)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert taken.recv(100) == b""
        begun.sendall(whole[-5:])
        answer = read(begun)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert b"connection: close\r\n" in answer
        assert begun.recv(100) == b""
        assert idle.recv(100) == b""
        ending.join()
    assert server.wait() == 0
    assert rows(tmp_path / "data", "SELECT count(*) FROM event") == [(2,)]


@pytest.mark.parametrize("way", ["", ONLY_ASGI])
def test_an_idle_connection_is_closed_and_a_busy_one_is_not(tmp_path: Path, way: str) -> None:
    key = make_key(tmp_path / "data")
    before = "from goodword import bootstrap\nbootstrap.KEEP_ALIVE_S = 1\n" + way
    with Server(tmp_path / "data", before=before) as server, socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        for n in range(5):
            whole = post("/v1/track", said(n), of(key))
            connection.sendall(whole[:-1])
            time.sleep(0.4)
            connection.sendall(whole[-1:])
            assert read(connection).startswith(b"HTTP/1.1 200")
        started = time.perf_counter()
        assert connection.recv(100) == b""
        assert 0.2 < time.perf_counter() - started < 30


def test_a_client_that_does_not_read_is_not_read_from(tmp_path: Path) -> None:
    key = make_key(tmp_path / "data")
    array = post("/segment", b"[" + b",".join([said(n % 5) for n in range(2_000)]) + b"]", of(key))
    with Server(tmp_path / "data") as server, socket.socket() as connection:
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            connection.setsockopt(socket.SOL_SOCKET, option, 4_096)
        connection.settimeout(2)
        connection.connect(("127.0.0.1", server.port))
        stream, sent = memoryview(array * 200), 0
        with pytest.raises(TimeoutError):  # noqa: PT012  # a send that makes no progress for that long
            while sent < len(stream):
                sent += connection.send(stream[sent : sent + 65_536])
        assert ask(server, post("/v1/track", said(1), of(key))).startswith(b"HTTP/1.1 200")
