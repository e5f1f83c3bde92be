"""Checks of the outbox: what `verify` asks of endpoints, deliveries and attempts.

1. An endpoint's secret opens. Deliveries are of endpoints there are, attempts of deliveries there are.
2. What waits has a time, what ended does not; no more was tried than is counted.
3. Every body and every log of a try opens with the keys of those it names; of a deleted person nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from goodword.storage.cipher import Unreadable
from goodword.storage.envelope import open_for
from goodword.storage.store import Store

_ERRORS = (Unreadable, msgspec.MsgspecError, ValueError)
_CHECKS = {
    "SELECT d.id FROM delivery d LEFT JOIN endpoint e ON e.account_id = d.account_id AND e.id = d.endpoint_id WHERE e.id IS NULL": (
        "Delivery {}: its endpoint does not exist."
    ),
    "SELECT id FROM delivery WHERE (state = 'waiting') <> (next_at IS NOT NULL) OR (state = 'waiting') <> (ended_at IS NULL)"
    " OR state NOT IN ('waiting', 'delivered', 'dead')": "Delivery {}: its state and its times disagree.",
    "SELECT id FROM delivery WHERE series > attempts OR (state <> 'waiting' AND attempts = 0)": "Delivery {}: tries are miscounted.",
    "SELECT a.delivery_id FROM attempt a LEFT JOIN delivery d ON d.account_id = a.account_id AND d.id = a.delivery_id"
    " WHERE d.id IS NULL": "An attempt is of delivery {}, which does not exist.",
    "SELECT a.delivery_id FROM attempt a JOIN delivery d ON d.account_id = a.account_id AND d.id = a.delivery_id"
    " WHERE a.number > d.attempts": "Delivery {}: more was tried than is counted.",
}
"""Statements that find what is wrong, and the sentence for each."""


def problems(store: Store, is_pending: Callable[[int], bool]) -> Iterator[str]:
    """What is wrong with the outbox, in the transaction the caller opened. `is_pending`: a profile's deletion is still to be repeated."""
    database = store.database
    for account, id, secret in database.load("SELECT account_id, id, secret FROM endpoint"):
        try:
            store.sealer.open_secret(secret)
        except _ERRORS:
            yield f"Endpoint {id} of account {account}: its secret cannot be opened."
    for sql, sentence in _CHECKS.items():
        for (number,) in database.load(sql):
            yield sentence.format(number)
    yield from _sealed(store, is_pending, "SELECT id, profile_id, other_id, body FROM delivery", "Delivery {}: its body")
    sql = (
        "SELECT d.id, d.profile_id, d.other_id, a.exchange FROM attempt a"
        " JOIN delivery d ON d.account_id = a.account_id AND d.id = a.delivery_id"
    )
    yield from _sealed(store, is_pending, sql, "Delivery {}: the log of a try")


def _sealed(store: Store, is_pending: Callable[[int], bool], sql: str, what: str) -> Iterator[str]:
    for number, profile_id, other_id, sealed in store.database.stream(sql):
        try:
            opened = open_for(store, profile_id, other_id, sealed)
        except _ERRORS:
            yield what.format(number) + " cannot be opened."
            continue
        for person in (profile_id, other_id):
            if opened is None and person and store.keys.key(person) is None and not is_pending(person):
                was = "was deleted" if store.keys.destroyed_at(person) is not None else "has no key"
                yield what.format(number) + f" names profile {person}, which {was}."
