"""Where an account's messages stand in the log, which all accounts of an installation share in order of arrival.

The log has no index by account. Beside a bound its rows are read themselves; an account that is quiet there, beside busy ones, is looked
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
    order = "ASC" if upwards else "DESC"
    near = f"SELECT arrival FROM event WHERE account_id = ? AND arrival > ? AND arrival < ? ORDER BY arrival {order}"
    scope = "" if store.nodes is None else f" WHERE account_id = {account:d}"  # among nodes each account has a log of its own
    last = next(iter(store.database.read(f"SELECT coalesce(max(arrival), 0) FROM event{scope}")))[0]
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


def _far(store: Store, account: int, bound: int, upwards: bool) -> list[int]:
    """Places from the table of people's messages, and those that wait in memory to enter it."""
    beyond, order = (">", "ASC") if upwards else ("<", "DESC")
    sql = f"SELECT arrival FROM person_event WHERE account_id = ? AND arrival {beyond} ? ORDER BY arrival {order} LIMIT ?"
    found = {arrival for (arrival,) in store.database.read(sql, (account, bound, FAR_MAX))}
    found.update(arrival for arrival in store.people.waiting_in(account) if (arrival > bound if upwards else arrival < bound))
    return sorted(found, reverse=not upwards)[:FAR_MAX]
