"""A real server for the tests of the server API, with keys made by the command line, and a client that speaks HTTP to it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from goodword.core.account import Scope
from goodword.storage.store import Store
from tests.api.doors import Doors
from tests.running import Answer, Server, make_key, problems

TIMEOUT_S = 60


def create_key(data: Path, *scopes: str, account: str = "default", name: str = "") -> str:
    """A key of `goodword key create`, made while the server runs."""
    command = [sys.executable, "-m", "goodword", "key", "create", name or uuid.uuid4().hex, "--data", str(data), "--account", account]
    for scope in scopes:
        command += ["--scope", scope]
    made = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout.strip()


@dataclass
class Api:
    """A running server and one key."""

    server: Server
    key: str
    keys: dict[str, str]

    def call(self, method: str, path: str, body: Any = None, key: str | None = None, **query: Any) -> Answer:
        """One request; a body other than bytes is sent as JSON, a query value that is a list is repeated."""
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        said = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return self.server.request(method, path, said, {"Authorization": f"Bearer {key or self.key}"})

    def get(self, path: str, **query: Any) -> Any:
        """What a GET answers with 200."""
        answer = self.call("GET", path, **query)
        assert answer.status == 200, answer.body
        return answer.json

    def post(self, path: str, body: Any) -> Any:
        """What a POST answers with 200."""
        answer = self.call("POST", path, body)
        assert answer.status == 200, answer.body
        return answer.json

    def refused(self, method: str, path: str, body: Any = None, key: str | None = None, **query: Any) -> tuple[int, str]:
        """Status and code of a refusal, which must have the error shape."""
        answer = self.call(method, path, body, key, **query)
        said = answer.json
        assert set(said) == {"unique_id", "http_status_code", "code", "message", "parameters"}, said
        assert said["http_status_code"] == answer.status
        assert said["unique_id"]
        assert said["message"]
        assert isinstance(said["parameters"], dict)
        return answer.status, said["code"]

    def event(self, name: str, **data: Any) -> Any:
        """An event, sent the plain way."""
        return self.post("/v6/events", {"event_name": name, "data": data})

    def segment(self, message: dict[str, Any]) -> Any:
        """A message by the destination door."""
        answer = self.server.post("/segment", {"messageId": uuid.uuid4().hex} | message, self.keys["destination"])
        assert answer.status == 200, answer.body
        return answer.json

    def steps(self, person_id: str, **query: Any) -> list[Any]:
        """A person's events."""
        found: list[Any] = self.get(f"/v5/persons/{person_id}/steps", **query)
        return found


@contextmanager
def serving(data: Path) -> Iterator[Api]:
    """A server with a key of each scope, and one of another account."""
    with Server(data) as server:
        keys = {scope: create_key(data, scope) for scope in ("ingest", "destination", "server", "admin")}
        keys["other account"] = create_key(data, "server", account="other")
        yield Api(server, keys["server"], keys)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("api") / "data") as api:
        yield api


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """One server for the tests of a message door."""
    data = tmp_path_factory.mktemp("doors") / "data"
    keys = make_key(data), make_key(data, Scope.INGEST), make_key(data, signing_secret="shared")
    server = Server(data)
    yield Doors(server, data, *keys)
    assert server.stop() == 0
    assert "Traceback" not in server.said()
    with Store(data) as store:
        assert problems(store) == []


@pytest.fixture
def name() -> str:
    """A user's name nobody else has."""
    return f"u-{uuid.uuid4().hex[:12]}"
