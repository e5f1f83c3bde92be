"""The message log of an account: events and receipts as one list, newest first, in order of arrival.

A deleted person's messages show neither name nor text. The text of a refused message is in the server's memory only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

from goodword.core.account import Settings
from goodword.core.event import FROM_BROWSER, IS_EVENT, TYPE_CODES, TYPE_NAMES, UNKEYED, VALUE_REFUSED, understand
from goodword.core.message import Rejection, parse
from goodword.core.money import write_money
from goodword.core.times import Millis, write_time
from goodword.storage.driver import Row
from goodword.storage.query.place import edge_of, places_of
from goodword.storage.rows import split_body
from goodword.storage.store import Store

LIMIT_MAX = 10_000
BATCH = 500
NAMED_DAYS = 30
LogVerdict = Literal["stored", "duplicate", "dropped", "rejected"]
VERDICTS: tuple[LogVerdict, ...] = get_args(LogVerdict)
COLUMNS = "arrival, hash, profile_id, type, name, at, received_at, flags, duplicate_of, amount, currency, body"


class LoggedMessage(Struct):
    """A line of the message log. Times are epoch milliseconds, `amount` minor units; ids of events are hex.

    `body` is what was stored, opened: None for a receipt and for a deleted person.
    """

    arrival: int
    received_at: Millis
    verdict: LogVerdict
    type: str
    name: str | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    event_id: str = ""
    duplicate_of: str = ""
    at: Millis | None = None
    profile_id: int | None = None
    flags: int = 0
    amount: int | None = None
    currency: str | None = None
    door: str = ""
    shape: str = ""
    is_deleted: bool = False
    body: bytes | None = None


def messages(
    store: Store,
    account: int,
    limit: int,
    *,
    before: int | None = None,
    after: int | None = None,
    verdict: LogVerdict | None = None,
    type: str | None = None,
    name: str | None = None,
    text: str | None = None,
    within: int | None = None,
) -> list[LoggedMessage]:
    """At most `limit` lines (LIMIT_MAX), newest first: the newest before an arrival, or the oldest after one (to follow the log).

    With a verdict, a `type` of message, a `name` as stored, or a `text` that its body has in any case, only those. There is no index for
    it: the LIMIT_MAX messages next to the bound are looked at, and of the log no more than `within` places. Of what was refused no text
    is stored, so with a `text` none of it is found."""
    limit = max(0, min(limit, LIMIT_MAX))
    where, order = ("arrival < ?", "DESC") if after is None else ("arrival > ?", "ASC")
    newest = 1 << 62 if within is None else store.end_of_log(account) + 1
    bound = (newest if before is None else before) if after is None else after
    values: list[Any] = [account, bound]
    if within is not None:
        edge = edge_of(store, account, bound, within, upwards=after is not None)
        where += " AND arrival >= ?" if after is None else " AND arrival <= ?"
        values.append(edge)
    found: list[LoggedMessage] = []
    if verdict in (None, "stored", "duplicate"):
        places: Iterator[int] = islice(places_of(store, account, bound, upwards=after is not None), LIMIT_MAX)
        if within is not None:
            places = takewhile(lambda place: place >= edge if after is None else place <= edge, places)
        is_any = verdict is None and type is None and name is None and text is None
        while len(found) < limit and (chunk := list(islice(places, min(BATCH, limit) if is_any else BATCH))):
            rows = rows_at(store, account, chunk)
            lines = opened(store, account, (row for row in rows if is_any or _is_wanted(row, verdict, type, name)))
            found += lines if text is None else (line for line in lines if _says(line, text))
    if verdict != "stored" and name is None and text is None:
        asked: list[Any] = [verdict] if verdict else []
        narrowed = " AND verdict = ?" if verdict else ""
        if type is not None:
            narrowed, asked = narrowed + " AND type = ?", [*asked, type]
        sql = (
            "SELECT arrival, received_at, verdict, type, reason, door, refers, shape FROM receipt"
            f" WHERE account_id = ? AND {where}{narrowed} ORDER BY arrival {order} LIMIT ?"
        )
        found += _receipts(store, account, store.database.read(sql, (*values, *asked, limit)))
    found.sort(key=lambda line: line.arrival, reverse=after is None)
    found = found[:limit]
    return found if after is None else found[::-1]


def message(store: Store, account: int, arrival: int) -> LoggedMessage | None:
    """One line of an account's log."""
    found = messages(store, account, 1, after=arrival - 1)
    return found[0] if found and found[0].arrival == arrival else None


def rows_at(store: Store, account: int, places: Sequence[int]) -> list[Row]:
    """The rows of `event` (COLUMNS) at some places, in no order."""
    columns = ", ".join(f"e.{column}" for column in COLUMNS.split(", "))
    return store.database.read(
        f"SELECT {columns} FROM carray(?) k CROSS JOIN event e ON e.arrival = k.value WHERE e.account_id = ?",
        (store.database.ints(sorted(places)), account),
    )


def _is_wanted(row: Row, verdict: LogVerdict | None, type: str | None, name: str | None) -> bool:
    kind, own_name, duplicate_of = row[3], row[4], row[8]
    return (
        (verdict is None or (duplicate_of is not None) == (verdict == "duplicate"))
        and (type is None or kind == TYPE_CODES.get(type))
        and (name is None or own_name == name)
    )


def opened(store: Store, account: int, rows: Iterable[Row]) -> list[LoggedMessage]:
    """Rows of `event` (COLUMNS) as lines of the log, decrypted where the person's key lives."""
    rows = store.refreshed(rows, 2)
    names = event_ids(store, account, (row[8] for row in rows if row[8] is not None))
    lines = []
    for arrival, hash16, profile_id, kind, name, at, received_at, flags, duplicate_of, amount, currency, sealed in rows:
        line = LoggedMessage(arrival, received_at, "stored", TYPE_NAMES.get(kind, ""), name, event_id=hash16.hex(), at=at)
        line.profile_id, line.flags, line.amount, line.currency = profile_id, flags, amount, currency
        if duplicate_of is not None:
            line.verdict, line.duplicate_of = "duplicate", names.get(duplicate_of, "")
        key = store.keys.key(profile_id)
        if key is None:
            line.name, line.is_deleted = None, True
        else:
            line.notes, line.body = split_body(store.sealer.open_body(key, sealed))
        lines.append(line)
    return lines


def _says(line: LoggedMessage, text: str) -> bool:
    return line.body is not None and text.casefold() in line.body.decode("utf-8", "replace").casefold()


def _receipts(store: Store, account: int, rows: list[Row]) -> Iterator[LoggedMessage]:
    names = event_ids(store, account, (row[6] for row in rows if row[6]))
    for arrival, received_at, verdict, kind, reason, door, refers, shape in rows:
        yield LoggedMessage(
            arrival, received_at, verdict, kind, None, reason, duplicate_of=names.get(refers, ""), door=door, shape=shape
        )  # fmt: skip


def event_ids(store: Store, account: int, arrivals: Iterable[int]) -> dict[int, str]:
    """The ids (hex) of an account's events by their arrivals."""
    wanted = sorted(set(arrivals))
    found: dict[int, str] = {}
    for start in range(0, len(wanted), BATCH):
        rows = store.database.read(
            "SELECT e.arrival, e.hash FROM carray(?) k CROSS JOIN event e ON e.arrival = k.value WHERE e.account_id = ?",
            (store.database.ints(wanted[start : start + BATCH]), account),
        )
        found.update((arrival, hash16.hex()) for arrival, hash16 in rows)
    return found


def event_names(store: Store, account: int, now: Millis, limit: int = 50) -> list[str]:
    """The names of an account's events of the last NAMED_DAYS, the most frequent first."""
    rows = store.database.read(
        "SELECT name, sum(count) FROM tally WHERE account_id = ? AND day >= ? AND type = ? AND name <> ''"
        " GROUP BY name ORDER BY sum(count) DESC, name LIMIT ?",
        (account, store.calendar(account).day_of(now) - NAMED_DAYS, TYPE_CODES["track"], limit),
    )
    return [name for name, _ in rows]


def as_json(line: LoggedMessage, *, raw: bool = True) -> dict[str, Any]:
    """A line for programs: times as ISO 8601, the amount as decimal text, absent things left out."""
    said: dict[str, Any] = {
        "arrival": line.arrival,
        "received_at": write_time(line.received_at),
        "verdict": line.verdict,
        "type": line.type,
        "name": line.name or None,
        "reason": line.reason,
        "notes": list(line.notes),
        "event_id": line.event_id,
        "duplicate_of": line.duplicate_of,
        "event_time": None if line.at is None else write_time(line.at),
        "profile_id": None if line.profile_id is None else str(line.profile_id),
        "value": None if line.amount is None else write_money(line.amount, line.currency or ""),
        "currency": line.currency,
        "from_browser": bool(line.flags & FROM_BROWSER),
        "is_event": bool(line.flags & IS_EVENT),
        "unkeyed": bool(line.flags & UNKEYED),
        "value_refused": bool(line.flags & VALUE_REFUSED),
        "deleted": line.is_deleted,
        "door": line.door,
        "shape": msgspec.json.decode(line.shape) if line.shape else None,
    }
    if raw and line.body:
        said["message"] = msgspec.Raw(line.body)
    return {name: value for name, value in said.items() if value not in (None, "", [], False)}


def reread(line: LoggedMessage, settings: Settings) -> dict[str, Any] | None:
    """How a stored message reads under the account's settings of today; None without its text, `{"rejected": why}` if it would be."""
    if not line.body:
        return None
    read = parse(line.body, received_at=line.received_at, fallback_id="", type_hint=line.type)
    understood = read if isinstance(read, Rejection) else understand(read, settings)
    if isinstance(read, Rejection) or isinstance(understood, Rejection):
        return {"rejected": understood.reason if isinstance(understood, Rejection) else ""}
    kinds = {"u": "partner_user_id", "e": "email", "a": "anonymous_id"}
    return {
        "message_id": read.message_id,
        "sent_name": read.name,
        "name": understood.name,
        "keys": [{"key": kinds[key[0]], "value": key[1:]} for key in understood.keys],
        "parameters": understood.parameters or {},
        "claim": understood.claim.partition("\0")[2] if understood.claim else None,
        "value": None if understood.amount is None else write_money(understood.amount, understood.currency or ""),
        "currency": understood.currency,
        "notes": [*read.notes, *understood.notes],
    }
