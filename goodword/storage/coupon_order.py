"""The order in which codes of a file are best stored: by their hash, a window of rows at a time.

The index of a pool's codes is in the order of keyed hashes. Codes in the order of a file would touch a page of it each; sorted, the many
that go to one page are written together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from goodword.storage.store import Store

WINDOW = 100_000
_BUCKETS = 256


class Window:
    """Rows that wait, by the first byte of their hash: taken in order without sorting them all at once."""

    def __init__(self, store: Store, account: int) -> None:
        self._store, self._account = store, account
        self._buckets: list[list[tuple[bytes, int, str]]] = [[] for _ in range(_BUCKETS)]
        self.size = 0

    def add(self, number: int, code: str) -> bool:
        """Add a row; whether the window is full now."""
        hash16 = self._store.sealer.hash(self._account, "q" + code.casefold())
        self._buckets[hash16[0]].append((hash16, number, code))
        self.size += 1
        return self.size >= WINDOW

    def chunks(self, size: int) -> Iterator[list[tuple[int, str]]]:
        """What waits, in order of hash, in chunks of `size`; the window is empty after."""
        chunk: list[tuple[int, str]] = []
        for place in range(_BUCKETS):
            rows, self._buckets[place] = self._buckets[place], []
            for _, number, code in sorted(rows):
                chunk.append((number, code))
                if len(chunk) == size:
                    yield chunk
                    chunk = []
        self.size = 0
        if chunk:
            yield chunk


def windows(store: Store, account: int, rows: Iterable[tuple[int, str]], size: int) -> Iterator[list[tuple[int, str]]]:
    """Rows in chunks, a window at a time sorted."""
    window = Window(store, account)
    for number, code in rows:
        if window.add(number, code):
            yield from window.chunks(size)
    yield from window.chunks(size)
