"""Decisions: an outcome for whoever asked, and the rows that make it so. One place saves rows; all of a decision's, or none."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from goodword.core.account import Account, Key
from goodword.core.archive import Archived
from goodword.core.block import BlockEntry
from goodword.core.campaign import Campaign, Version
from goodword.core.console import AuditEntry, Session, SignInLink, User
from goodword.core.delivery import Announcement, Attempt, Endpoint, Health
from goodword.core.event import Event
from goodword.core.profile import IdentityKey, Profile, ProfileId
from goodword.core.referral import Click, Credit, Journey, Judgement, Relationship, Share, Shareable
from goodword.core.reward import CouponMoved, CouponsAdded, CouponUpload, Earning, Given, Posting, Reward, SupplierSaved, Transition
from goodword.core.times import Millis

Verdict = Literal["stored", "duplicate", "dropped", "rejected", "done", "refused"]


class Outcome(Struct, frozen=True, gc=False):
    """What became of a command. `arrival` is the event's (the original's, for a duplicate); `code` says why it was refused."""

    verdict: Verdict
    arrival: int = 0
    message_id: str = ""
    profile_id: ProfileId | None = None
    code: str = ""
    reason: str = ""
    value: Any = None


class Identity(Struct, frozen=True, gc=False):
    """Who owns an identity key from now on, and up to when messages about it are dropped."""

    key: IdentityKey
    profile_id: ProfileId | None
    barrier_at: Millis = 0


class Claim(Struct, frozen=True, gc=False):
    """A dedup key, taken for ever by one event; its time and amount are for the commands that follow in the group. `moves`: an event
    had it that only a browser said, and a server says it of somebody else."""

    key: str
    arrival: int
    profile_id: ProfileId
    message_id: str
    at: Millis = 0
    amount: int | None = None
    moves: bool = False


class Merged(Struct, frozen=True, gc=False):
    """`source` became part of `target`: its number now finds the target."""

    source: ProfileId
    target: ProfileId
    at: Millis


class Repeats(Struct, frozen=True, gc=False):
    """An event turned out to repeat another: an earlier one, when the profiles of the two became one, or a later one, by which a server
    said whose order it is that a browser had claimed."""

    arrival: int
    of: int


class Audience(Struct, frozen=True, gc=False):
    """An audience, made when it is first seen."""

    name: str
    created_at: Millis


class Membership(Struct, frozen=True, gc=False):
    """A profile is in an audience (`since` a time), or no longer (None)."""

    audience: str
    profile_id: ProfileId
    since: Millis | None


class Receipt(Struct, frozen=True, gc=False):
    """A message that left no event: its line in the message log. Holds nothing that names a person."""

    arrival: int
    received_at: Millis
    verdict: Verdict
    type: str
    reason: str
    door: str = ""
    message_id: str = ""
    refers: int = 0
    shape: str = ""


class Erased(Struct, frozen=True):
    """Profiles whose keys are destroyed and whose rows go; the identity keys stay as barriers up to `barrier_at`."""

    erasure_id: str
    profile_ids: tuple[ProfileId, ...]
    keys: tuple[IdentityKey, ...]
    audiences: tuple[tuple[str, ProfileId], ...]
    at: Millis
    barrier_at: Millis
    is_suppressed: bool


class Lifted(Struct, frozen=True):
    """Identity keys whose suppression has ended: messages newer than `at` about them are taken again."""

    keys: tuple[IdentityKey, ...]
    at: Millis


class KeysUsed(Struct, frozen=True):
    """When keys, by hash, were last used."""

    used: tuple[tuple[bytes, Millis], ...]


class BlockListed(Struct, frozen=True):
    """An entry of a block list, put on it or taken off."""

    entry: BlockEntry
    is_listed: bool


class EndpointSaved(Struct, frozen=True):
    """An endpoint, as saved or deleted."""

    endpoint: Endpoint
    is_deleted: bool = False


class Counted(Struct, frozen=True, gc=False):
    """One person more (or less) is counted for these days, each with what the person was on it (`presence`)."""

    days: tuple[tuple[int, int], ...]
    count: int


class ServerOutcomes(Struct, frozen=True):
    """A server of the account said an outcome, for the first time."""

    since: Millis


class Redelivered(Struct, frozen=True):
    """Deliveries that are due again, from `at`."""

    delivery_ids: tuple[int, ...]
    at: Millis


class SessionSeen(Struct, frozen=True):
    """A session of the console is used still."""

    hash: bytes
    at: Millis


class SessionsEnded(Struct, frozen=True):
    """A user of the console is signed out: of the session with this hash, or of all but `kept`."""

    user_id: str
    hash: bytes | None = None
    kept: bytes = b""


Record = (
    Event
    | Profile
    | Identity
    | Claim
    | Merged
    | Repeats
    | Audience
    | Membership
    | Receipt
    | Erased
    | Lifted
    | Account
    | Key
    | KeysUsed
    | Archived
    | Campaign
    | Version
    | Shareable
    | Click
    | Share
    | Journey
    | Relationship
    | Judgement
    | Credit
    | Counted
    | Reward
    | Transition
    | Earning
    | Posting
    | SupplierSaved
    | CouponsAdded
    | CouponMoved
    | CouponUpload
    | Given
    | BlockListed
    | EndpointSaved
    | Health
    | Announcement
    | Attempt
    | Redelivered
    | ServerOutcomes
    | User
    | SignInLink
    | Session
    | SessionSeen
    | SessionsEnded
    | AuditEntry
)


REFERRAL_RECORDS: frozenset[type] = frozenset((
    *(Campaign, Version, Shareable, Click, Share, Journey, Relationship, Judgement, Credit, Reward, Transition, Earning, Posting),
    *(SupplierSaved, CouponsAdded, CouponMoved, CouponUpload, Given, BlockListed, EndpointSaved, Announcement, Attempt, Health),
    *(Redelivered, ServerOutcomes, Counted),
))  # fmt: skip
"""Records that `ReferralFacts` lays over and `ReferralSaving` writes."""

CONSOLE_RECORDS: frozenset[type] = frozenset((User, SignInLink, Session, SessionSeen, SessionsEnded, AuditEntry))
"""Records of the console's users, which `storage/save_console.py` writes."""


class Decision(Struct, frozen=True, gc=False):
    """The answer to a command."""

    outcome: Outcome
    records: tuple[Record, ...] | list[Record] = ()
