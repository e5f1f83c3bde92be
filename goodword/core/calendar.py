"""An account's days: which day a time is counted under.

Days begin at midnight in the account's time zone. How far clocks there stand from UTC, and from when, is written down as turns when the
zone is chosen, so that a time is on the same day whenever, and by whichever node, it is asked about; a change holds from a midnight to
come, and days before it stay as they were counted. Days never go back: an hour that clocks repeat at midnight belongs to the later day.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from msgspec import Struct

from goodword.core.period import DAY_MS
from goodword.core.times import FOREVER, Millis


class Turn(NamedTuple):
    """From a time on, clocks stand so many milliseconds east of UTC."""

    at: Millis
    shift: int


class Calendar(Struct, frozen=True):
    """Turns in order of time; before the first one days are those of UTC. `since`: when the zone began to count, 0 where it always did."""

    turns: tuple[Turn, ...] = ()
    since: Millis = 0

    def day_of(self, at: Millis) -> int:
        """The day of a time, as a number of days since 1970-01-01."""
        return (at + self.shift_at(at)) // DAY_MS if self.turns else at // DAY_MS

    def shift_at(self, at: Millis) -> int:
        """How far clocks stand east of UTC, in milliseconds."""
        place = bisect_right(self.turns, (at, FOREVER))
        return self.turns[place - 1].shift if place else 0

    def start_of(self, day: int) -> Millis:
        """When a day begins."""
        begin, shift = 0, 0
        for turn in self.turns:
            if day * DAY_MS - shift < turn.at:
                break
            begin, shift = turn
        return max(begin, day * DAY_MS - shift)

    def then(self, since: Millis, turns: tuple[Turn, ...]) -> Calendar:
        """This calendar up to a time, and other turns from it on."""
        return Calendar((*(turn for turn in self.turns if turn.at < since), *following(since, turns)), since)


def following(since: Millis, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """How clocks stand at a time, and the turns after it."""
    return Turn(since, Calendar(turns).shift_at(since)), *(turn for turn in turns if turn.at > since)


UTC_DAYS = Calendar()
