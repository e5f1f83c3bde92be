"""Archives: months of an account's log that files hold."""

from __future__ import annotations

from msgspec import Struct

from goodword.core.times import Millis


class Archived(Struct, frozen=True):
    """A month of an account's log, places `after` (not included) to `upto`, that a file holds: `digest` is its SHA-256."""

    month: str
    after: int
    upto: int
    file: str
    events: int
    size: int
    digest: bytes
    at: Millis
