"""Where an account's messages stand in the log, which all accounts of an embedded database share in order of arrival.

That log has no index by account. Beside a bound its rows are read themselves; an account that is quiet there, beside busy ones, is looked
up in the table of people's messages, which is by account. So that no reading of a small account's log goes through everybody's.
"""

from __future__ import annotations

from collections.abc import Iterator

from goodword.storage.store import Store

WINDOW_MIN, WINDOW = 256, 16_384
"""Places of the log that are looked at at once: few at first, and more where more is asked for."""
QUIET = 100
"""An account with less than one message in this many places is quiet."""
FAR_MAX = 100_000


def places_of(store: Store, account: int, bound: int, *, upwards: bool = False) -> Iterator[int]:
    """The places of an account's messages: before a bound, newest first, or after it, oldest first. Read as far as it is asked for.

    Beyond where an account is quiet at most FAR_MAX come; what follows them is asked for with another bound.
    """
    if store.nodes is not None:
        yield from _own(store, account, bound, upwards)
        return
    order = "ASC" if upwards else "DESC"
    near = f"SELECT arrival FROM event WHERE account_id = ? AND arrival > ? AND arrival < ? ORDER BY arrival {order}"
    last = next(iter(store.database.read("SELECT coalesce(max(arrival), 0) FROM event")))[0]
    at, size = max(bound, 0) if upwards else min(bound, last + 1), WINDOW_MIN
    while at < last if upwards else at > 1:
        low, high = (at, at + size + 1) if upwards else (at - size - 1, at)
        found = store.database.read(near, (account, low, high))
        for (arrival,) in found:
            yield arrival
        at = high - 1 if upwards else low + 1
        if size >= WINDOW and len(found) * QUIET < size:
            yield from _far(store, account, at, upwards)
            return
        size = min(size * 4, WINDOW)


def edge_of(store: Store, account: int, bound: int, within: int, *, upwards: bool = False) -> int:
    """The last place that is within so many places of a bound."""
    if store.nodes is None:
        return bound + within if upwards else bound - within
    beyond, order = (">", "ASC") if upwards else ("<", "DESC")  # an account's own log has gaps: its lines are counted
    near = "SELECT arrival FROM (SELECT arrival FROM {0} WHERE account_id = ?1 AND arrival {1} ?2 ORDER BY arrival {2} LIMIT ?3) near_{0}"
    parts = " UNION ALL ".join(near.format(table, beyond, order) for table in ("event", "receipt"))
    found = store.database.read(f"{parts} ORDER BY arrival {order} LIMIT 1 OFFSET ?3 - 1", (account, bound, within))
    return int(found[0][0]) if found else 1 << 62 if upwards else 0


def _own(store: Store, account: int, bound: int, upwards: bool) -> Iterator[int]:
    """Among nodes each account has a log of its own, by which its rows are found; where a period begins it has a gap."""
    beyond, order = (">", "ASC") if upwards else ("<", "DESC")
    sql = f"SELECT arrival FROM event WHERE account_id = ? AND arrival {beyond} ? ORDER BY arrival {order} LIMIT ?"
    size = WINDOW_MIN
    while found := store.database.read(sql, (account, bound, size)):
        for (arrival,) in found:
            yield arrival
        bound, size = found[-1][0], min(size * 4, WINDOW)


def _far(store: Store, account: int, bound: int, upwards: bool) -> list[int]:
    """Places from the table of people's messages, and those that wait in memory to enter it."""
    beyond, order = (">", "ASC") if upwards else ("<", "DESC")
    sql = f"SELECT arrival FROM person_event WHERE account_id = ? AND arrival {beyond} ? ORDER BY arrival {order} LIMIT ?"
    found = {arrival for (arrival,) in store.database.read(sql, (account, bound, FAR_MAX))}
    found.update(arrival for arrival in store.people.waiting_in(account) if (arrival > bound if upwards else arrival < bound))
    return sorted(found, reverse=not upwards)[:FAR_MAX]
