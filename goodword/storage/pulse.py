"""Whether a database answers: asked all the time on a thread and a connection of its own, so that nobody else waits for one that does not.

A database that is gone says so. One that hangs, or is cut off, says nothing, and whoever asks it waits. The pulse waits instead: once it
had no answer, all who wait for that database are told (`postgres.Connection`), and nobody asks until it answers again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol

from goodword.storage.failure import ConnectionLost, DatabaseFailure

PERIOD_S = 0.4
ANSWER_S = 1.5
"""The longest a database that works leaves the simplest question unanswered."""

Place = tuple[str, str]
"""Host and port."""


class Line(Protocol):
    """A connection that can be asked whether somebody is there."""

    @property
    def place(self) -> Place:
        """Where it leads: of several hosts the one that answered."""

    def ask(self) -> None:
        """Errors: DatabaseFailure."""

    def close(self) -> None:
        """Hang up."""


class Pulse:
    """The pulse of one database. `trouble`: what is wrong with it, empty while it answers. `place`: where it answered."""

    def __init__(self, connect: Callable[[float], Line]) -> None:
        self.trouble = ""
        self.place: Place | None = None
        self._connect = connect
        self._line: Line | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Ask from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(2 * ANSWER_S)

    def _run(self) -> None:
        while not self._ended.wait(PERIOD_S):
            self.beat()
        self._hang_up()

    def beat(self) -> None:
        """Ask once."""
        try:
            if self._line is None:
                self._line = self._connect(ANSWER_S)
                self.place = self._line.place
            self._line.ask()
            self.trouble = ""
        except DatabaseFailure as failure:
            self.trouble = str(failure) or "it does not answer"
            self._hang_up()

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


class Waits:
    """What one user of a database, a thread at a time, waits for: since when, and whether that is any use."""

    def __init__(self) -> None:
        self.since: float | None = None
        self.trips = 0
        """How many answers were waited for so far: round trips."""
        self.pulse: Pulse | None = None

    @property
    def seconds(self) -> float:
        """For how long it has waited for one answer by now."""
        since = self.since
        return 0.0 if since is None else monotonic() - since

    @property
    def trouble(self) -> str:
        """Why there is no use in waiting."""
        return "" if self.pulse is None else self.pulse.trouble

    def check(self) -> None:
        """Errors: ConnectionLost, where there is no use in asking."""
        if self.trouble:
            raise ConnectionLost(self.trouble)

    @contextmanager
    def wait(self) -> Generator[None]:
        """An answer is waited for meanwhile."""
        self.since = monotonic()
        try:
            yield
        finally:
            self.since = None
