"""A server that sends webhooks to a receiver of the tests."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goodword.core.account import Scope
from tests.running import Server, make_key
from tests.worker.receiver import Receiver

ALLOW = {"GOODWORD_WEBHOOK_ALLOW": "127.0.0.1"}


class House:
    """A running server, an admin key, and calls."""

    def __init__(self, server: Server, key: str) -> None:
        self.server = server
        self.key = key

    def call(self, method: str, path: str, said: Any = None) -> tuple[int, Any]:
        body = None if said is None else json.dumps(said).encode()
        answer = self.server.request(method, path, body, {"Authorization": f"Bearer {self.key}"})
        return answer.status, answer.json

    def ok(self, method: str, path: str, said: Any = None) -> Any:
        status, answer = self.call(method, path, said)
        assert status == 200, answer
        return answer

    def refused(self, method: str, path: str, said: Any = None) -> str:
        status, answer = self.call(method, path, said)
        assert status >= 400, answer
        return str(answer["code"])

    def add(self, url: str, **more: Any) -> Any:
        """A webhook."""
        return self.ok("POST", "/v6/webhooks", {"url": url, **more})

    def show(self, webhook: Any) -> Any:
        return self.ok("GET", f"/v6/webhooks/{webhook['id']}")

    def test(self, webhook: Any) -> Any:
        return self.ok("POST", f"/v6/webhooks/{webhook['id']}/test")

    def deliveries(self, webhook: Any, **query: str) -> Any:
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        return self.ok("GET", f"/v6/webhooks/events?webhook_id={webhook['id']}&limit=1000&{asked}")

    def delivery(self, id: str) -> Any:
        return self.ok("GET", f"/v6/webhooks/events/{id}")

    def convert(self, count: int = 1, user: str | None = None, **properties: Any) -> list[str]:
        """Conversions, each of a new person or all of one, in batches; their conversion ids."""
        orders = [uuid.uuid4().hex for _ in range(count)]
        for start in range(0, count, 100):
            messages = [
                {
                    "type": "track",
                    "event": "conversion",
                    "messageId": f"m-{order}",
                    "userId": user or f"u-{order}",
                    "properties": {"partner_conversion_id": order, "cart_value": "12.50", **properties},
                }
                for order in orders[start : start + 100]
            ]
            answer = self.server.post("/v1/batch", {"batch": messages}, self.key)
            assert answer.status == 200, answer.body
        return orders


def house_of(data: Path, env: dict[str, str] | None = None, before: str = "") -> House:
    """A server on a folder."""
    server = Server(data, env={**ALLOW, **(env or {})}, before=before)
    return House(server, make_key(data, Scope.ADMIN))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = house_of(tmp_path / "data")
    yield made
    made.server.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made
