"""Sends what endpoints are owed. A queue an endpoint, so that one that hangs, fails or is slow delays nobody else.

What is owed are rows, made in the commit of what caused them; this reads those that are due in slices, calls the receiver, and records
what came of it through the engine, many attempts a command. A process that is killed in between sends again what it had not recorded:
at least once, with the same event id. Nothing waits for a poll: a commit that owes something wakes the queue it is owed to.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from goodword import __version__
from goodword.core import command as c
from goodword.core.address import Allowed
from goodword.core.delivery import Attempt, Endpoint, is_success, next_try
from goodword.core.source import calls_of
from goodword.core.times import write_time
from goodword.core.webhook import body_of, signature_headers
from goodword.engine import Engine, Overloaded, Unavailable
from goodword.storage.query import delivery as outbox
from goodword.storage.sqlite import DatabaseError
from goodword.worker.exchange import Exchange
from goodword.worker.lease import Leases

if TYPE_CHECKING:
    from goodword.worker.outgoing import Outgoing

IN_FLIGHT_MAX = 16
SLICE = 64
UNRECORDED_MAX = 256
RECORD_MAX = 400
RECORD_PAUSE_S = 0.01
RECORD_PAUSE_S_MAX = 0.2
RETRY_PAUSE_S = 0.5
LOOK_AGAIN_S = 3_600.0
CALL_S = 16.0
"""No call begins whose answer might come after the endpoint is another node's."""
WORK = "endpoint "
BUSY_WAITING = 400
BUSY_PAUSE_S = 0.02
DRAIN_S = 3.0
USER_AGENT = f"goodword/{__version__}"
Due = tuple[outbox.Delivery, dict[str, Any] | None]

log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode


class _Queue:
    """One endpoint's. `known` are the deliveries read and not yet recorded: ready, in flight, or answered."""

    def __init__(self, account: int, endpoint: str) -> None:
        self.account = account
        self.endpoint = endpoint
        self.ready: deque[Due] = deque()
        self.known: set[int] = set()
        self.in_flight = 0
        self.timer: asyncio.TimerHandle | None = None
        self.is_woken = False


class Deliveries:
    """Sends for all endpoints of an installation, on the running event loop."""

    def __init__(
        self, engine: Engine, allowed: Allowed, *, leases: Leases | None = None, dice: Callable[[], float] = random.random
    ) -> None:
        self.engine = engine
        self.store = engine.store
        self._allowed = allowed
        self._leases = leases or Leases(engine.store)
        self._outgoing: Outgoing | None = None
        self.dice = dice
        self.sent = 0
        self.failed = 0
        self._queues: dict[tuple[int, str], _Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._answered: list[tuple[_Queue, Attempt]] = []
        self._loop = asyncio.get_running_loop()
        self._recording: asyncio.Task[None] | None = None
        self._is_closing = False

    def outgoing(self) -> Outgoing:
        """What makes calls; its libraries take a sixth of a second to load, and most installations start without a call to make."""
        if self._outgoing is None:
            from goodword.worker.outgoing import Outgoing

            self._outgoing = Outgoing(self._allowed)
        return self._outgoing

    def start(self) -> None:
        """Look at every endpoint, and from now on at those that commits owe something."""
        self.store.on_owed.append(self._told)
        self.look(None)

    def _told(self, owed: set[tuple[int, str]] | None) -> None:
        """A group committed, perhaps on a thread of its own."""
        self._loop.call_soon_threadsafe(self.look, owed)

    def look(self, owed: set[tuple[int, str]] | None) -> None:
        """After a commit. None: endpoints may have changed."""
        if owed is None:
            owed = {(account, id) for account, endpoints in self.store.endpoints.items() for id in endpoints}
            for place in self._queues.keys() - owed:
                self._still(self._queues.pop(place))
                self._leases.drop(place[0], WORK + place[1])
        for place in owed:
            queue = self._queues.get(place)
            if queue is None:
                queue = self._queues[place] = _Queue(*place)
            self._wake(queue)

    def _wake(self, queue: _Queue) -> None:
        if not queue.is_woken:
            queue.is_woken = True
            self._loop.call_soon(self._pump, queue)

    @staticmethod
    def _still(queue: _Queue) -> None:
        if queue.timer is not None:
            queue.timer.cancel()
            queue.timer = None

    @staticmethod
    def _forget(queue: _Queue) -> None:
        """What was read and not begun is read again, here or by whoever serves the endpoint."""
        queue.known.difference_update(delivery.id for delivery, _ in queue.ready)
        queue.ready.clear()

    def _endpoint(self, queue: _Queue) -> Endpoint | None:
        """The endpoint as it is now, if it is served."""
        found = self.store.endpoints.get(queue.account, {}).get(queue.endpoint)
        return found if found is not None and found.is_served else None

    def _pump(self, queue: _Queue) -> None:
        """Send as much as may be in flight at once."""
        queue.is_woken = False
        self._still(queue)
        endpoint = self._endpoint(queue)
        if endpoint is None or self._is_closing:
            self._forget(queue)
            return
        if not self._leases.holds(queue.account, WORK + queue.endpoint, CALL_S):  # another node serves it
            self._forget(queue)
            return
        if self.engine.waiting > BUSY_WAITING:  # messages first: what is owed is safe where it is
            queue.timer = self._loop.call_later(BUSY_PAUSE_S, self._pump, queue)
            return
        while queue.in_flight < IN_FLIGHT_MAX and len(queue.known) - len(queue.ready) < UNRECORDED_MAX:
            if not queue.ready and not self._read(queue):
                return
            delivery, payload = queue.ready.popleft()
            queue.in_flight += 1
            task = self._loop.create_task(self._send(queue, endpoint, delivery, payload))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _read(self, queue: _Queue) -> bool:
        """Read a slice of what is due; where nothing is, be there when something will be."""
        now = self.engine.clock()
        try:
            found = outbox.due(self.store, queue.account, queue.endpoint, now, len(queue.known) + SLICE)
            fresh = [due for due in found if due[0].id not in queue.known]
            at = None if fresh else outbox.next_due(self.store, queue.account, queue.endpoint)
        except (DatabaseError, OSError):
            queue.timer = self._loop.call_later(RETRY_PAUSE_S, self._pump, queue)
            return False
        queue.ready.extend(fresh)
        queue.known.update(delivery.id for delivery, _ in fresh)
        if at is not None and at > now:  # something due already is in flight, and wakes the queue when it is recorded
            queue.timer = self._loop.call_later(min((at - now) / 1_000 + 0.001, LOOK_AGAIN_S), self._pump, queue)
        return bool(fresh)

    async def _send(self, queue: _Queue, endpoint: Endpoint, delivery: outbox.Delivery, payload: dict[str, Any] | None) -> None:
        now = self.engine.clock()
        try:
            request, secret, body = _request(endpoint, delivery, payload, now)
            if payload is None:
                exchange = Exchange(0, error="deleted")
            else:
                exchange = await self.outgoing().post(endpoint.url, request["headers"] | secret, body)
            self._answered.append((queue, self._attempt(endpoint, delivery, now, request, exchange)))
        except BaseException:
            queue.known.discard(delivery.id)  # it is still owed, and is read again
            raise
        finally:
            queue.in_flight -= 1
        if self._recording is None or self._recording.done():
            self._recording = self._loop.create_task(self._record())
        self._wake(queue)

    def _attempt(self, endpoint: Endpoint, delivery: outbox.Delivery, at: int, request: dict[str, Any], exchange: Exchange) -> Attempt:
        number = delivery.attempts + 1
        now = self.engine.clock()
        state, next_at = next_try(endpoint, delivery.event_type, number - delivery.series, now, self.dice(), _retry_after(exchange))
        if is_success(endpoint, exchange.status):
            state, next_at = "delivered", None
            self.sent += 1
        else:
            self.failed += 1
        if exchange.error == "deleted":
            state, next_at = "dead", None
        said: dict[str, Any] = {}
        if exchange.status is not None:
            said = {"status": exchange.status, "headers": exchange.headers, "body": exchange.body, "is_cut": exchange.is_cut}
        error = exchange.error or ("" if state == "delivered" else f"status_{exchange.status}")
        profile_id, other_id = delivery.about
        return Attempt(
            delivery.id,
            endpoint.id,
            at,
            exchange.millis,
            exchange.status,
            error,
            number,
            state,
            next_at,
            profile_id,
            request,
            said,
            other_id,
        )

    async def _record(self) -> None:
        """Record what was answered, all there is at once; what cannot be recorded now is held until it can."""
        took_s = 0.0
        while self._answered:
            # on a slow disk fewer and larger commits, so that most of the time goes into sending
            await asyncio.sleep(min(max(RECORD_PAUSE_S, 3 * took_s), RECORD_PAUSE_S_MAX))
            began = self._loop.time()
            batch, self._answered = self._answered[:RECORD_MAX], self._answered[RECORD_MAX:]
            accounts: dict[int, list[Attempt]] = {}
            for queue, attempt in batch:
                accounts.setdefault(queue.account, []).append(attempt)
            try:
                await self.engine.ask([c.RecordAttempts(account, tuple(attempts)) for account, attempts in accounts.items()])
            except (Overloaded, Unavailable):
                self._answered = [*batch, *self._answered]
                await asyncio.sleep(RETRY_PAUSE_S)
                continue
            took_s = self._loop.time() - began
            for queue, attempt in batch:
                queue.known.discard(attempt.delivery_id)
                self._wake(queue)

    async def close(self) -> None:
        """Begin nothing more, wait a little for what is in flight, and record it; what is left is sent again after the next start."""
        self._is_closing = True
        if self._told in self.store.on_owed:
            self.store.on_owed.remove(self._told)
        for queue in self._queues.values():
            self._still(queue)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=DRAIN_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._recording is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._recording, DRAIN_S)
        if self._outgoing is not None:
            await self._outgoing.close()


def _request(
    endpoint: Endpoint, delivery: outbox.Delivery, payload: dict[str, Any] | None, now: int
) -> tuple[dict[str, Any], dict[str, str], bytes]:
    """What is sent: the request as it is logged, the headers that are secret, and the body's bytes."""
    headers, secret = {"content-type": "application/json", "user-agent": USER_AGENT}, {}
    said: Any
    if endpoint.kind == "webhook":
        said = body_of(delivery.event_type, delivery.event_id, delivery.at, payload or {}, endpoint.signature)
        body = _encode(said)
        headers |= signature_headers(endpoint, delivery.event_id, now, body)
    else:
        calls = calls_of(delivery.event_type, delivery.event_id, delivery.at, payload or {}, __version__)
        said = {"batch": calls, "sentAt": write_time(now)}
        body = _encode(said)
        secret = {"authorization": "Basic " + base64.b64encode(f"{endpoint.secret}:".encode()).decode()}
    return {"method": "POST", "url": endpoint.url, "headers": headers, "body": said}, secret, body


def _retry_after(exchange: Exchange) -> int | None:
    """Seconds of a Retry-After header; a date counts as none."""
    text = next((value for name, value in exchange.headers.items() if name.lower() == "retry-after"), "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
