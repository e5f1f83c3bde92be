"""Writes the rows of the outbox: endpoints, what each is owed, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from goodword.core.decision import EndpointSaved, Redelivered
from goodword.core.delivery import Announcement, Attempt, Health, is_wanted
from goodword.core.fresh import IDS_PER_COMMAND
from goodword.storage.envelope import seal_for

if TYPE_CHECKING:
    from goodword.core.times import Millis
    from goodword.storage.driver import Database
    from goodword.storage.store import Store

Rows = list[tuple[Any, ...]]
HALF = IDS_PER_COMMAND // 2
"""Deliveries of a command are numbered from here, so that they do not meet the ids the command gave out itself."""
_encode = msgspec.json.Encoder().encode


class DeliverySaving:
    """The rows of one group."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.rows: dict[str, Rows] = {name: [] for name in _STATEMENTS}
        self.health: dict[tuple[int, str], Health] = {}
        self.owed: set[tuple[int, str]] = set()
        """Endpoints that have new deliveries."""
        self.is_redelivered = False
        self._arrival = self._next = 0

    def take(self, account: int, record: Announcement | Attempt | Redelivered | Health | EndpointSaved, arrival: int) -> None:
        """Add one record. `arrival` is the place in the log of the command that caused it."""
        match record:
            case Announcement():
                self._announce(account, record, arrival)
            case Attempt():
                self._attempt(account, record)
            case Redelivered():
                self.is_redelivered = True
                self.rows["redelivered"].extend((record.at, account, number) for number in record.delivery_ids)
            case Health():
                self.health[account, record.endpoint] = record
            case EndpointSaved(endpoint=endpoint, is_deleted=True):
                for name in ("attempts_of", "deliveries_of", "health_of", "endpoint_gone"):
                    self.rows[name].append((account, endpoint.id))
                self.health.pop((account, endpoint.id), None)
            case EndpointSaved(endpoint=endpoint):
                secrets = self.store.sealer.seal_secret("\n".join((endpoint.secret, endpoint.old_secret)))
                document = _encode(replace(endpoint, secret="", old_secret="")).decode()
                self.rows["endpoint"].append((account, endpoint.id, endpoint.created_at, endpoint.updated_at, document, secrets))

    def _announce(self, account: int, said: Announcement, arrival: int) -> None:
        """A delivery to each endpoint that wants it; none where a person it names is gone already."""
        if arrival != self._arrival:
            self._arrival, self._next = arrival, arrival * IDS_PER_COMMAND + HALF
        wanting = [endpoint for endpoint in self.store.endpoints.get(account, {}).values() if is_wanted(said, endpoint)]
        if not wanting:
            return
        body = seal_for(self.store, said.profile_id, said.other_id, said.payload)
        if body is None:
            return
        for endpoint in wanting:
            self.owed.add((account, endpoint.id))
            self.rows["delivery"].append((
                account, self._next, endpoint.id, said.event_type, said.event_id, said.profile_id or 0, said.other_id or 0,
                said.at, said.at, body,
            ))  # fmt: skip
            self._next += 1

    def _attempt(self, account: int, attempt: Attempt) -> None:
        """Nothing is left of an attempt whose delivery, or a person it names, was deleted meanwhile."""
        exchange = {"request": attempt.request, "response": attempt.response}
        sealed = seal_for(self.store, attempt.profile_id, attempt.other_id, exchange)
        if sealed is None:
            return
        place = (account, attempt.delivery_id)
        ended_at = None if attempt.state == "waiting" else attempt.at
        self.rows["attempted"].append((attempt.state, attempt.next_at, ended_at, attempt.number, *place))
        self.rows["attempt"].append((attempt.number, attempt.at, attempt.millis, attempt.status, attempt.error, sealed, *place))

    def erase(self, account: int, numbers: tuple[int, ...]) -> None:
        """Whatever was said, or is to be said, of these people goes, attempts included."""
        for name in _GONE:
            self.rows[name].extend((account, number) for number in numbers)

    def write(self) -> None:
        """Write everything, inside the caller's transaction."""
        many = self.store.database.many
        if self.health:
            many(_HEALTH, [(*place, each.failing_since, each.succeeded_at, each.failed_at) for place, each in self.health.items()])
        for name, sql in _STATEMENTS.items():
            if rows := self.rows[name]:
                many(sql, rows)

    def committed(self) -> None:
        """It is durable: whoever waits for something to send is told."""
        for (account, endpoint), health in self.health.items():
            self.store.health.setdefault(account, {})[endpoint] = health
        owed = None if self.is_redelivered or self.rows["endpoint"] or self.rows["endpoint_gone"] else self.owed
        if owed is None or owed:
            for listener in self.store.on_owed:
                listener(owed)


def erase_deliveries(database: Database, account: int, number: int) -> None:
    """What was said of a person, in a database that is brought up to date with a deletion it did not know of."""
    for name in _GONE:
        database.write(_STATEMENTS[name], (account, number))


def trim_deliveries(database: Database, before: Millis, most: int) -> int:
    """Drop what was delivered, and dead letters, that ended before a time, with what was tried; at most so many. How many it were."""
    sql = "SELECT account_id, id FROM delivery WHERE ended_at < ? ORDER BY ended_at LIMIT ?"
    old = database.read(sql, (before, most))
    database.begin()
    try:
        database.many("DELETE FROM attempt WHERE account_id = ? AND delivery_id = ?", old)
        database.many("DELETE FROM delivery WHERE account_id = ? AND id = ? AND ended_at IS NOT NULL", old)
        database.commit()
    except BaseException:
        database.rollback()
        raise
    return len(old)


_GONE = ("attempt_gone", "other_attempt_gone", "delivery_gone", "other_gone")
_HEALTH = (
    "INSERT INTO endpoint_health VALUES (?,?,?,?,?) ON CONFLICT (account_id, id) DO UPDATE SET failing_since = excluded.failing_since,"
    " succeeded_at = excluded.succeeded_at, failed_at = excluded.failed_at"
)
_STATEMENTS = {
    "endpoint": "INSERT INTO endpoint VALUES (?,?,?,?,?,?) ON CONFLICT (account_id, id)"
    " DO UPDATE SET updated_at = excluded.updated_at, document = excluded.document, secret = excluded.secret",
    "delivery": "INSERT INTO delivery (account_id, id, endpoint_id, event_type, event_id, profile_id, other_id, at, next_at, body,"
    " attempts, series, state) VALUES (?,?,?,?,?,?,?,?,?,?,0,0,'waiting')",
    "attempted": "UPDATE delivery SET state = ?, next_at = ?, ended_at = ?, attempts = ? WHERE account_id = ? AND id = ?",
    "attempt": "INSERT INTO attempt (account_id, delivery_id, number, at, millis, status, error, exchange)"
    " SELECT d.account_id, d.id, ?1, ?2, ?3, ?4, ?5, ?6 FROM delivery d WHERE d.account_id = ?7 AND d.id = ?8 ON CONFLICT DO NOTHING",
    "redelivered": "UPDATE delivery SET state = 'waiting', next_at = ?, ended_at = NULL, series = attempts WHERE account_id = ? AND id = ?",
    "attempt_gone": "DELETE FROM attempt WHERE account_id = ?1 AND delivery_id IN"
    " (SELECT id FROM delivery WHERE account_id = ?1 AND profile_id = ?2 AND profile_id <> 0)",
    "other_attempt_gone": "DELETE FROM attempt WHERE account_id = ?1 AND delivery_id IN"
    " (SELECT id FROM delivery WHERE account_id = ?1 AND other_id = ?2 AND other_id <> 0)",
    "delivery_gone": "DELETE FROM delivery WHERE account_id = ? AND profile_id = ? AND profile_id <> 0",
    "other_gone": "DELETE FROM delivery WHERE account_id = ? AND other_id = ? AND other_id <> 0",
    "attempts_of": "DELETE FROM attempt WHERE account_id = ?1 AND delivery_id IN"
    " (SELECT id FROM delivery WHERE account_id = ?1 AND endpoint_id = ?2)",
    "deliveries_of": "DELETE FROM delivery WHERE account_id = ? AND endpoint_id = ?",
    "health_of": "DELETE FROM endpoint_health WHERE account_id = ? AND id = ?",
    "endpoint_gone": "DELETE FROM endpoint WHERE account_id = ? AND id = ?",
}
