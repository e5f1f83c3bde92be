"""Work that one node does at a time: which of it is this node's. With the embedded database all of it is."""

from __future__ import annotations

import time
from collections.abc import Callable

from goodword.storage.driver import LEASE_S
from goodword.storage.store import Store


class Leases:
    """Asking whether a piece of work is held is wanting it: `renew` takes what is free and renews what is held.

    A lease counts from before it was asked for, and by this machine's own steady clock."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self._clock = clock
        self._until: dict[tuple[int, str], float] = {}

    def holds(self, account: int, work: str, for_s: float = 0.0) -> bool:
        """Whether the work is this node's, and stays so for a while."""
        if self.store.nodes is None:
            return True
        return self._clock() + for_s < self._until.setdefault((account, work), 0.0)

    def drop(self, account: int, work: str) -> None:
        """The work is no more."""
        self._until.pop((account, work), None)

    def renew(self) -> bool:
        """Take or renew all that is wanted; whether anything is newly held. Errors: DatabaseFailure."""
        if self.store.nodes is None:
            return False
        is_gained = False
        for place in list(self._until):
            asked_at = self._clock()
            is_held = self.store.nodes.lease(*place)
            is_gained = is_gained or (is_held and self._until[place] <= asked_at)
            self._until[place] = asked_at + LEASE_S if is_held else 0.0
        return is_gained
