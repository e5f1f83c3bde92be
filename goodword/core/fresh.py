"""Ids set aside for one command, so that the core needs no randomness."""

from __future__ import annotations

from msgspec import Struct

from goodword.core.profile import ProfileId

IDS_PER_COMMAND = 1_024


class Place(Struct):
    """The last place in the log that was given out: one for the installation, or one an account where nodes share a database."""

    last: int = 0


class Fresh(Struct, frozen=True, gc=False):
    """The next place in the log, the next profile number, the next account number."""

    arrival: int
    profile_id: ProfileId
    account: int = 0

    def id(self, place: int) -> int:
        """The command's own ids for rewards, postings, shares, coupons: unique in the installation and growing; place < IDS_PER_COMMAND."""
        return self.arrival * IDS_PER_COMMAND + place
