"""What the server API says when it cannot do what it is asked: later (503), or a defect of its own (500), in the error shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from goodword.api.auth import hash_secret
from goodword.bootstrap import make_application
from goodword.core.account import Key, Scope
from goodword.core.command import CreateKey
from goodword.engine import Engine, Overloaded, Unavailable
from goodword.opening import open_store
from goodword.storage.query import person as people

SECRET = "gw_s_secret"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(open_store(tmp_path / "data"))
    engine.execute([CreateKey(1, Key("k", 1, "k", hash_secret(SECRET), "", (Scope.SERVER,), 0))])
    yield engine
    engine.close()


def post(engine: Engine, path: str, body: Any, method: str = "POST") -> tuple[int, dict[bytes, bytes], Any]:
    """One request to the application itself: status, headers, body."""
    sent: list[MutableMapping[str, Any]] = []
    headers = [(b"authorization", f"Bearer {SECRET}".encode())]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers}

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(make_application(engine)(scope, receive, send))
    assert len(sent) == 2, sent
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])


WRITES = [
    ("POST", "/v6/events", {"event_name": "viewed", "data": {"email": "a@example.com"}}),
    ("POST", "/v6/async-events/viewed", {"email": "a@example.com"}),
    ("POST", "/v5/persons", {"identity_key_value": "a@example.com"}),
    ("POST", "/v4/erasures", {"email": "a@example.com"}),
]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
@pytest.mark.parametrize(("error", "code"), [(Overloaded, "overloaded"), (Unavailable, "unavailable")])
def test_overload_and_a_full_disk_are_said_and_nothing_is_stored(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: Any, error: type[Exception], code: str
) -> None:
    """Law 10."""

    async def fail(_commands: Any) -> Any:
        raise error

    before = engine.store.last_arrival
    monkeypatch.setattr(engine, "ask", fail)
    status, headers, said = post(engine, path, body, method)
    assert (status, said["code"], said["http_status_code"]) == (503, code, 503)
    assert int(headers[b"retry-after"]) > 0
    assert engine.store.last_arrival == before
    for table in ("event", "receipt", "profile", "identity", "erasure"):
        assert list(engine.store.database.read(f"SELECT count(*) FROM {table}", ())) == [(0,)]


def test_defect_is_answered_and_logged_without_what_it_is_about(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> Any:
        raise KeyError("jane@example.com")

    monkeypatch.setattr(people, "find", fail)
    status, _, said = post(engine, "/v5/persons/1", None, "GET")
    assert (status, said["code"]) == (500, "internal_error")
    logged = "".join(capsys.readouterr())
    assert "KeyError" in logged
    assert "jane" not in json.dumps(said) + logged


def test_every_refusal_of_the_core_has_a_status() -> None:
    """A code that `decide` may answer and `errors.STATUS` lacks would be a 500."""
    import re

    from goodword.api.server.errors import STATUS
    from goodword.core import decide

    source = Path(decide.__file__).read_text()
    codes = set(re.findall(r'_refused\(\s*"(\w+)"', source)) | set(re.findall(r'code="(\w+)"', source))
    elsewhere = {"key_not_found", "account_not_found", "events_kept_too_short", "day_has_begun"}  # the admin API, the housekeeping
    assert codes - elsewhere <= set(STATUS)
