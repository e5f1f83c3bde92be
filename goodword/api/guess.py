"""Guesses: codes that were looked for and do not exist, counted by address, so that nobody can try codes until one is found."""

from __future__ import annotations

GUESSES_MAX = 30
WITHIN_MS = 600_000
ADDRESSES_MAX = 20_000


class Guesses:
    """Counts in memory, for so many addresses at the most. An address that is not known is not counted."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, int]] = {}

    def note(self, address: str, now: int) -> None:
        """One more look-up of this address failed."""
        if not address:
            return
        since, count = self._counts.pop(address, (now, 0))
        if now - since >= WITHIN_MS:
            since, count = now, 0
        self._counts[address] = (since, count + 1)
        if len(self._counts) > ADDRESSES_MAX:  # the addresses that were quiet for longest go
            for old in list(self._counts)[: ADDRESSES_MAX // 10]:
                del self._counts[old]

    def are_too_many(self, address: str, now: int) -> bool:
        """Whether this address has guessed so often that it is not worth looking any more."""
        since, count = self._counts.get(address, (now, 0))
        return count >= GUESSES_MAX and now - since < WITHIN_MS
