"""An account's days in SQL."""

from __future__ import annotations

from goodword.core.calendar import Calendar
from goodword.core.period import DAY_MS


def day_of(calendar: Calendar, at: str) -> str:
    """The day of a time as an expression: what `calendar.day_of` gives. `at` is a column, epoch milliseconds."""
    if not calendar.turns:
        return f"{at} / {DAY_MS}"
    turns = " ".join(f"WHEN {at} >= {turn.at} THEN {turn.shift}" for turn in reversed(calendar.turns))
    return f"({at} + CASE {turns} ELSE 0 END) / {DAY_MS}"
