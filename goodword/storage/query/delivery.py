"""Deliveries and their attempts, for people and for the worker that sends them."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from goodword.core.delivery import DeliveryState, Endpoint
from goodword.core.profile import ProfileId
from goodword.core.times import Millis, write_time
from goodword.core.webhook import body_of
from goodword.storage.cipher import Unreadable
from goodword.storage.envelope import open_for
from goodword.storage.store import Store

IDS_MAX = 10_000
_COLUMNS = "id, endpoint_id, event_type, event_id, profile_id, other_id, at, next_at, ended_at, attempts, series, state"


class Delivery(Struct, frozen=True):
    """One message to one endpoint. `profile_id` and `other_id` are 0 for nobody."""

    id: int
    endpoint: str
    event_type: str
    event_id: str
    profile_id: int
    other_id: int
    at: Millis
    next_at: Millis | None
    ended_at: Millis | None
    attempts: int
    series: int
    state: DeliveryState

    @property
    def about(self) -> tuple[ProfileId | None, ProfileId | None]:
        """Whom the body names."""
        return ProfileId(self.profile_id) if self.profile_id else None, ProfileId(self.other_id) if self.other_id else None


class Tried(Struct, frozen=True):
    """An attempt as logged; request and response are None once a person they name was deleted."""

    number: int
    at: Millis
    millis: int
    status: int | None
    error: str
    request: dict[str, Any] | None
    response: dict[str, Any] | None


def due(store: Store, account: int, endpoint: str, now: Millis, limit: int) -> list[tuple[Delivery, dict[str, Any] | None]]:
    """What an endpoint is owed by now, the longest due first, with payloads; None for one that can no longer be read."""
    rows = store.database.read(
        f"SELECT {_COLUMNS}, body FROM delivery WHERE account_id = ? AND endpoint_id = ? AND next_at <= ? ORDER BY next_at, id LIMIT ?",
        (account, endpoint, now, limit),
    )
    return [(delivery := Delivery(*row[:-1]), _opened(store, delivery, row[-1])) for row in rows]


def next_due(store: Store, account: int, endpoint: str) -> Millis | None:
    """When the next of what an endpoint is owed is due."""
    sql = "SELECT min(next_at) FROM delivery WHERE account_id = ? AND endpoint_id = ? AND next_at IS NOT NULL"
    at: Millis | None = store.database.read(sql, (account, endpoint))[0][0]
    return at


def counts(store: Store, account: int, endpoint: str) -> tuple[int, int]:
    """How many deliveries wait, and how many are in the dead letters."""
    where = "FROM delivery WHERE account_id = ? AND endpoint_id = ?"
    waiting = store.database.read(f"SELECT count(*) {where} AND next_at IS NOT NULL", (account, endpoint))[0][0]
    dead = store.database.read(f"SELECT count(*) {where} AND state = 'dead'", (account, endpoint))[0][0]
    return waiting, dead


def deliveries(
    store: Store,
    account: int,
    *,
    endpoint: str | None = None,
    state: str | None = None,
    event_type: str | None = None,
    event_id: str | None = None,
    since: Millis | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Delivery]:
    """Deliveries, newest first. `before`: those that came before this one."""
    where = ["account_id = ?"]
    values: list[int | str] = [account]
    asked: dict[str, int | str | None] = {
        "endpoint_id = ?": endpoint,
        "state = ?": state,
        "event_type = ?": event_type,
        "event_id = ?": event_id,
        "at >= ?": since,
        "id < ?": before,
    }
    for condition, value in asked.items():
        if value is not None:
            where.append(condition)
            values.append(value)
    sql = f"SELECT {_COLUMNS} FROM delivery WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"
    return [Delivery(*row) for row in store.database.read(sql, (*values, limit))]


def delivery(store: Store, account: int, id: int) -> tuple[Delivery, dict[str, Any] | None] | None:
    """One delivery with its payload, None once a person it names was deleted; None when there is no such delivery."""
    sql = f"SELECT {_COLUMNS}, body FROM delivery WHERE account_id = ? AND id = ?"
    for row in store.refreshed(store.database.read(sql, (account, id))):
        found = Delivery(*row[:-1])
        return found, _opened(store, found, row[-1])
    return None


def attempts(store: Store, account: int, found: Delivery) -> list[Tried]:
    """What was tried, oldest first."""
    sql = "SELECT number, at, millis, status, error, exchange FROM attempt WHERE account_id = ? AND delivery_id = ? ORDER BY number"
    tried = []
    for number, at, millis, status, error, sealed in store.refreshed(store.database.read(sql, (account, found.id))):
        said = open_for(store, found.profile_id, found.other_id, sealed) or {}
        tried.append(Tried(number, at, millis, status, error, said.get("request"), said.get("response")))
    return tried


def _opened(store: Store, found: Delivery, sealed: bytes) -> dict[str, Any] | None:
    try:
        payload: dict[str, Any] | None = open_for(store, found.profile_id, found.other_id, sealed)
    except Unreadable:
        return None
    return payload


def as_json(found: Delivery) -> dict[str, Any]:
    """A delivery as shown."""
    return {
        "id": str(found.id),
        "webhook_id": found.endpoint,
        "type": found.event_type,
        "event_id": found.event_id,
        "state": found.state,
        "attempt_count": found.attempts,
        "event_time": write_time(found.at),
        "next_attempt_at": write_time(found.next_at) if found.next_at is not None else None,
        "ended_at": write_time(found.ended_at) if found.ended_at is not None else None,
        "person_id": str(found.profile_id) if found.profile_id else None,
    }


def as_json_whole(store: Store, account: int, found: Delivery, payload: dict[str, Any] | None, endpoint: Endpoint | None) -> dict[str, Any]:
    """A delivery with its body and what was tried."""
    signature = endpoint.signature if endpoint is not None else "standard"
    body = None if payload is None else body_of(found.event_type, found.event_id, found.at, payload, signature)
    tried = [
        {
            "number": each.number,
            "at": write_time(each.at),
            "milliseconds": each.millis,
            "status": each.status,
            "error": each.error,
            "request": each.request,
            "response": each.response,
        }
        for each in attempts(store, account, found)
    ]
    return {**as_json(found), "body": body, "attempts": tried}
