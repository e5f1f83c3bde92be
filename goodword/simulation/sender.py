"""Brings what people do to the server: one by one as browsers do, in arrays as Segment does, in batches as a shop's server does.

The network is a bad one: some deliveries are late, some come twice, and within a batch nothing is in order.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from goodword.core.times import write_time
from goodword.simulation.http import Answer, Client

Door = Literal["browser", "segment", "server"]
"""The tracking door with a browser's key, the destination door, the tracking door with a server's key."""
PATHS = {"segment": "/segment", "server": "/v1/batch"}
BATCH_MAX = 200
FLUSH_S = 0.15
LATE_S = (0.5, 6.0)
BROWSER_PATHS = {"track": "/v1/t", "page": "/v1/p", "identify": "/v1/i"}


@dataclass(frozen=True)
class Keys:
    """API keys: `browser` may only write, `server` may also read, delete and set campaigns up."""

    browser: str
    server: str


@dataclass
class Said:
    """A message under way. `done` is set when the server has acknowledged it."""

    door: Door
    message: dict[str, Any]
    done: asyncio.Future[int]
    may_wander: bool = True


class Sender:
    """One sender for a whole world. `rate` bounds messages and clicks together, a second."""

    def __init__(self, url: str, keys: Keys, *, rate: float, dice: Random, late: float = 0.02, twice: float = 0.03) -> None:
        self.client, self.keys, self.rate, self.dice = Client(url), keys, rate, dice
        self.late, self.twice = late, twice
        self.counts: Counter[str] = Counter()
        self.troubles: Counter[str] = Counter()
        self._queues: dict[Door, list[Said]] = {"segment": [], "server": []}
        self._tasks: set[asyncio.Task[None]] = set()
        self._due = time.monotonic()
        self._stopping = False

    def now(self) -> int:
        """The time in milliseconds, as this machine has it."""
        return time.time_ns() // 1_000_000

    async def pace(self, count: int = 1) -> None:
        """Wait for this many messages' turn."""
        self._due = max(self._due, time.monotonic() - 0.05) + count / self.rate
        if (wait := self._due - time.monotonic()) > 0.005:
            await asyncio.sleep(wait)

    def say(
        self, message: dict[str, Any], door: Door, *, headers: Mapping[str, str] | None = None, calm: bool = False
    ) -> asyncio.Future[int]:
        """Send a message by a door, sometime soon; `calm` keeps it from coming late or twice. The result is the HTTP status it got."""
        said = Said(door, message, asyncio.get_running_loop().create_future(), not calm)
        self.counts["messages"] += 1
        if door == "browser":
            self._spawn(self._send_one(said, dict(headers or {})))
        elif said.may_wander and self.dice.random() < self.late:
            self.counts["late"] += 1
            self._spawn(self._later(said))
        else:
            self._queues[door].append(said)
        return said.done

    @property
    def backlog(self) -> int:
        """Messages and requests that wait for their turn."""
        return sum(map(len, self._queues.values())) + self.client.waiting

    async def run(self) -> None:
        """Send what queues up, until `drain`."""
        while not self._stopping:
            for door, queue in self._queues.items():
                while queue:
                    batch, queue[:] = queue[:BATCH_MAX], queue[BATCH_MAX:]
                    await self.pace(len(batch))
                    self._spawn(self._send_batch(door, batch))
            await asyncio.sleep(FLUSH_S)

    async def drain(self) -> None:
        """Wait until everything said so far is acknowledged."""
        while self._tasks or any(self._queues.values()):
            await asyncio.sleep(FLUSH_S)

    async def stop(self) -> None:
        """Finish, and hang up."""
        await self.drain()
        self._stopping = True
        await self.client.close()

    async def ask(self, method: str, path: str, body: object = None, *, expect: tuple[int, ...] = (200,)) -> Answer:
        """A call of the server API. What is answered otherwise than expected is counted as trouble."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {
            "Authorization": f"Bearer {self.keys.server}",
            "Content-Type": "text/csv" if isinstance(body, bytes) else "application/json",
        }
        answer = await self.client.request(method, path, raw, headers)
        self.counts["calls"] += 1
        if answer.status not in expect:
            self._trouble(f"{method} {_shape(path)}: {answer.status}", answer.body)
        return answer

    async def visit(self, path: str, headers: Mapping[str, str]) -> Answer:
        """A person's browser opens a page of the server."""
        await self.pace()
        self.counts["visits"] += 1
        return await self.client.request("GET", path, headers=headers)

    async def _send_one(self, said: Said, headers: dict[str, str]) -> None:
        await self.pace()

        def body() -> bytes:
            at = said.message.get("sentAt") or write_time(self.now())
            return json.dumps({**said.message, "sentAt": at, "writeKey": self.keys.browser}).encode()

        headers = {"Content-Type": "text/plain", **headers}
        path = BROWSER_PATHS[said.message["type"]]
        answer = await self.client.request("POST", path, body, headers)
        if said.may_wander and self.dice.random() < self.twice:
            self.counts["repeated"] += 1
            answer = await self.client.request("POST", path, body, headers)
        if answer.status != 200:
            self._trouble(f"POST {path}: {answer.status}", answer.body)
        said.done.set_result(answer.status)

    async def _send_batch(self, door: Door, batch: list[Said]) -> None:
        self.dice.shuffle(batch)
        messages = [said.message for said in batch]
        again = [said for said in batch if said.may_wander and self.dice.random() < self.twice]
        statuses = await self._post(door, messages)
        for said, status in zip(batch, statuses, strict=True):
            if status != 200:
                self._trouble(f"{said.message['type']} at {PATHS[door]}: {status}", b"")
            if not said.done.done():
                said.done.set_result(status)
        if again:
            self.counts["repeated"] += len(again)
            await asyncio.sleep(self.dice.uniform(*LATE_S))
            await self._post(door, [said.message for said in again])

    async def _post(self, door: Door, messages: list[dict[str, Any]]) -> list[int]:
        def body() -> bytes:
            return json.dumps(messages if door == "segment" else {"batch": messages, "sentAt": write_time(self.now())}).encode()

        token = base64.b64encode(f"{self.keys.server}:".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        answer = await self.client.request("POST", PATHS[door], body, headers)
        if answer.status != 200:
            self._trouble(f"POST {PATHS[door]}: {answer.status}", answer.body)
            return [answer.status] * len(messages)
        if door == "segment":
            return [result["status"] for result in answer.json["results"]]
        refused = {rejected["index"]: 400 for rejected in answer.json.get("rejected", ())}
        return [refused.get(index, 200) for index in range(len(messages))]

    async def _later(self, said: Said) -> None:
        await asyncio.sleep(self.dice.uniform(*LATE_S))
        self._queues[said.door].append(said)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.troubles[f"{type(error).__name__}: {error}"] += 1

    def _trouble(self, what: str, body: bytes) -> None:
        self.troubles[f"{what} {_sentence(body)}".strip()] += 1


def _sentence(body: bytes) -> str:
    """What a refusal says of itself, without ids."""
    try:
        said = json.loads(body)
        return f"{said['code']}: {said['message']}"
    except (ValueError, KeyError, TypeError):
        return body[:200].decode(errors="replace")


def _shape(path: str) -> str:
    """A path without the ids in it."""
    parts = path.split("?")[0].split("/")
    return "/".join("#" if any(c.isdigit() for c in part) and not part.startswith("v") else part for part in parts)
