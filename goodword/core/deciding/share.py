"""Share links, clicks by them, acts of sharing."""

from __future__ import annotations

from goodword.core import command as c
from goodword.core.decision import Decision
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.times import Millis


def decide(command: c.PutShareable | c.RecordClick | c.RecordShare, facts: Facts, now: Millis, fresh: Fresh) -> Decision:
    """What the command comes to."""
    raise NotImplementedError(type(command).__name__, facts, now, fresh)
