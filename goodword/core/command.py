"""Everything that can be asked of the engine, one frozen type each. A command names its account; ids and times come with it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from goodword.core.account import Key, ParameterScope, Settings
from goodword.core.archive import Archived
from goodword.core.block import BlockEntry
from goodword.core.calendar import Turn
from goodword.core.campaign import Document, State
from goodword.core.console import Session, SignInLink, User
from goodword.core.delivery import Attempt, Endpoint
from goodword.core.event import Understood
from goodword.core.profile import IdentityKey, ProfileId
from goodword.core.referral import Click, Share
from goodword.core.reward import RewardState, Role, Supplier
from goodword.core.times import Millis


class Receive(Struct, frozen=True, tag=True, tag_field="command", gc=False):
    """Take one understood message."""

    account: int
    understood: Understood
    door: str = ""


class Refuse(Struct, frozen=True, tag=True, tag_field="command"):
    """Remember that a message was refused, and why, in the message log."""

    account: int
    message_id: str
    type: str
    code: str
    reason: str
    door: str = ""
    shape: str = ""


class Erase(Struct, frozen=True, tag=True, tag_field="command"):
    """Delete everything held about a person, found by any of these keys or by id; `suppress` also drops all that comes later."""

    account: int
    keys: tuple[IdentityKey, ...] = ()
    profile_id: ProfileId | None = None
    erasure_id: str = ""
    suppress: bool = False


class Unsuppress(Struct, frozen=True, tag=True, tag_field="command"):
    """Let messages about these keys in again, as from now."""

    account: int
    keys: tuple[IdentityKey, ...]


class CreateProfile(Struct, frozen=True, tag=True, tag_field="command"):
    """Make a person of an e-mail address; refused when it has an owner."""

    account: int
    email: str


class SetEmail(Struct, frozen=True, tag=True, tag_field="command"):
    """Give a profile an e-mail address; refused when another profile owns it."""

    account: int
    profile_id: ProfileId
    email: str
    message_id: str


class SetParameter(Struct, frozen=True, tag=True, tag_field="command"):
    """Create, change or remove a parameter by the API. When changing it, a value or scope of None stays as it is."""

    account: int
    profile_id: ProfileId
    name: str
    value: Any
    scope: ParameterScope | None
    mode: Literal["create", "update", "delete"]
    message_id: str


class SetBlock(Struct, frozen=True, tag=True, tag_field="command"):
    """Block a person from events or rewards, or lift it."""

    account: int
    profile_id: ProfileId
    type: Literal["NONE", "EVENTS", "REWARDS"]
    reason: str


class Forward(Struct, frozen=True, tag=True, tag_field="command"):
    """Merge `source` into `target` because someone said so; all ids of the source then find the target."""

    account: int
    source: ProfileId
    target: ProfileId


class SetMembership(Struct, frozen=True, tag=True, tag_field="command"):
    """Add a person to an existing audience, or take them out, by the API."""

    account: int
    profile_id: ProfileId
    audience: str
    is_member: bool
    message_id: str


class CreateAccount(Struct, frozen=True, tag=True, tag_field="command"):
    """Make an account; nothing happens when its id is taken."""

    id: str
    account: int = 0


class CreateKey(Struct, frozen=True, tag=True, tag_field="command"):
    """Store a new key (its hash)."""

    account: int
    key: Key


class RevokeKey(Struct, frozen=True, tag=True, tag_field="command"):
    """End a key, by its id or its name."""

    account: int
    id: str


class TouchKeys(Struct, frozen=True, tag=True, tag_field="command"):
    """Remember when keys were last used."""

    used: tuple[tuple[bytes, int], ...]
    account: int = 0


class Configure(Struct, frozen=True, tag=True, tag_field="command"):
    """Replace an account's settings."""

    account: int
    settings: Settings


class SetCalendar(Struct, frozen=True, tag=True, tag_field="command"):
    """Count days by a time zone from a time on, which is yet to come; all days where nothing has been counted so far. `turns` are those of
    the zone, past and future."""

    account: int
    since: Millis
    turns: tuple[Turn, ...]


class RecordArchive(Struct, frozen=True, tag=True, tag_field="command"):
    """Remember that a month of the log is in a file; from then on its events may go."""

    account: int
    archived: Archived


class SaveCampaign(Struct, frozen=True, tag=True, tag_field="command"):
    """Save a campaign's document as a new version, unless it says what the latest one says; `publish` also puts it in force, LIVE."""

    account: int
    document: Document
    author: str = ""
    note: str = ""
    publish: bool = False


class SetCampaignState(Struct, frozen=True, tag=True, tag_field="command"):
    """Move a campaign to a state; with a `version`, put that version in force (publish, roll back)."""

    account: int
    id: str
    state: State
    version: int | None = None
    author: str = ""


class PutShareable(Struct, frozen=True, tag=True, tag_field="command"):
    """Make or change a person's share link. `code` is the wanted one, or one made at random where `is_generated`."""

    account: int
    profile_id: ProfileId
    code: str
    program: str
    key: str = ""
    content: dict[str, str] | None = None
    data: dict[str, str] | None = None
    mode: Literal["create", "get_or_create", "update", "create_or_update"] = "create"
    is_generated: bool = False
    is_enabled: bool = True


class RecordClick(Struct, frozen=True, tag=True, tag_field="command"):
    """Keep a visit by a share link. The click's advocate, program and campaign are found by its code (in `code`, as text)."""

    account: int
    click: Click


class RecordShare(Struct, frozen=True, tag=True, tag_field="command"):
    """Keep an act of sharing; its `id` is set when it is decided."""

    account: int
    share: Share


class PutSupplier(Struct, frozen=True, tag=True, tag_field="command"):
    """Create or replace a supplier of rewards."""

    account: int
    supplier: Supplier


class AddCoupons(Struct, frozen=True, tag=True, tag_field="command"):
    """Add codes to a supplier's pool: a part of an upload. Codes the pool has already are refused, and answered by place. `refused` counts
    rows of the upload that are no codes, for the record."""

    account: int
    supplier: str
    upload_id: int
    codes: tuple[str, ...]
    by: str = ""
    refused: int = 0


class RemoveCoupons(Struct, frozen=True, tag=True, tag_field="command"):
    """Take codes that were not handed out yet from a supplier's pool. When no codes are named, as many as one command takes: repeated
    until none was removed, all of them."""

    account: int
    supplier: str
    upload_id: int
    codes: tuple[str, ...] = ()
    by: str = ""


class MoveReward(Struct, frozen=True, tag=True, tag_field="command"):
    """Move a reward along `states`, one transition each. `detail`: partner_reward_id, email, cost_code and the like."""

    account: int
    reward_id: int
    states: tuple[RewardState, ...]
    message: str = ""
    by: str = ""
    detail: dict[str, Any] = {}
    is_success: bool = True


class GrantReward(Struct, frozen=True, tag=True, tag_field="command"):
    """Give a reward by hand: a make-good. The campaign's reward of this name, or a supplier and a value."""

    account: int
    profile_id: ProfileId
    by: str
    note: str
    campaign: str = ""
    name: str = ""
    supplier: str = ""
    value: int | None = None
    unit: str = ""
    role: Role = "participant"
    other_id: ProfileId | None = None


class TendReward(Struct, frozen=True, tag=True, tag_field="command"):
    """Do what is due with a reward: release a pending one, expire one, try a failed one again. Harmless when nothing is due."""

    account: int
    reward_id: int


class SetRewardExpiry(Struct, frozen=True, tag=True, tag_field="command"):
    """Change when a reward expires."""

    account: int
    reward_id: int
    expires_at: Millis | None


class Review(Struct, frozen=True, tag=True, tag_field="command"):
    """A person's decision about an event that waits for review in a campaign. Forces it, with a note and a name."""

    account: int
    profile_id: ProfileId
    message_id: str
    campaign: str
    decision: Literal["approved", "declined"]
    by: str
    note: str


class Rejudge(Struct, frozen=True, tag=True, tag_field="command"):
    """Judge a person's events anew, limits included."""

    account: int
    profile_id: ProfileId
    by: str = ""


class PutBlock(Struct, frozen=True, tag=True, tag_field="command"):
    """Put an entry on the block lists, or take it off."""

    account: int
    entry: BlockEntry
    is_listed: bool = True


class PutEndpoint(Struct, frozen=True, tag=True, tag_field="command"):
    """Create or replace a webhook endpoint or a way back to a CDP; `is_deleted` takes it away with what it was still owed.

    `takes_http`: the allow-list names its host, so that it need not have TLS."""

    account: int
    endpoint: Endpoint
    is_deleted: bool = False
    takes_http: bool = False


class TestEndpoint(Struct, frozen=True, tag=True, tag_field="command"):
    """Send a test to an endpoint."""

    account: int
    endpoint: str


class RecordAttempts(Struct, frozen=True, tag=True, tag_field="command"):
    """Keep what became of tries to deliver, and when the next is due."""

    account: int
    attempts: tuple[Attempt, ...]


class Redeliver(Struct, frozen=True, tag=True, tag_field="command"):
    """Send deliveries again, from the dead letters or not."""

    account: int
    delivery_ids: tuple[int, ...]


class PutUser(Struct, frozen=True, tag=True, tag_field="command"):
    """Make or change a user of the console. Refused for a taken address, and where an account would be left without an admin.

    Whoever is disabled, or gets another password or role, is signed out everywhere but in the session `kept`."""

    account: int
    user: User
    kept: bytes = b""


class PutSignInLink(Struct, frozen=True, tag=True, tag_field="command"):
    """Keep a sign-in link of a user; earlier ones of theirs no longer work."""

    account: int
    link: SignInLink


class SignIn(Struct, frozen=True, tag=True, tag_field="command"):
    """Open a session: by a link (its hash), which is then used up, or after a password was right. `replaces` is a session that ends.

    `totp_step` is the time step of the second factor's code, which counts once; `user` what a user who came by a link set on the way in."""

    account: int
    session: Session
    link: bytes = b""
    replaces: bytes = b""
    totp_step: int = 0
    user: User | None = None


class SeeSession(Struct, frozen=True, tag=True, tag_field="command"):
    """Remember that a session is used still."""

    account: int
    hash: bytes


class EndSessions(Struct, frozen=True, tag=True, tag_field="command"):
    """Sign a user out of one session, or of all but the one `kept`."""

    account: int
    user_id: str
    hash: bytes | None = None
    kept: bytes = b""


class Note(Struct, frozen=True, tag=True, tag_field="command"):
    """Nothing but a word for the audit log (`Audited`): of what was taken along, and of a change that took many commands."""

    account: int


Command = (
    Receive | Refuse | Erase | Unsuppress | CreateProfile | SetEmail | SetParameter | SetBlock | Forward | SetMembership
    | CreateAccount | CreateKey | RevokeKey | TouchKeys | Configure | SetCalendar | RecordArchive | SaveCampaign
    | SetCampaignState | PutShareable | RecordClick | RecordShare | PutSupplier | AddCoupons | RemoveCoupons | MoveReward
    | GrantReward | TendReward | SetRewardExpiry | Review | Rejudge | PutBlock | PutEndpoint | TestEndpoint | RecordAttempts
    | Redeliver | PutUser | PutSignInLink | SignIn | SeeSession | EndSessions | Note
)  # fmt: skip


class Audited(Struct, frozen=True, tag=True, tag_field="command"):
    """A command with who asked for it: it is done and written down in one commit, or neither. What was refused is not written down.

    `user_id` is a console user's, `key:` and the id of an API key, or "" for the command line."""

    account: int
    change: Command
    user_id: str
    action: str
    subject: str = ""
    detail: dict[str, Any] = {}


Asked = Command | Audited
"""What the engine is asked."""


def command_of(asked: Asked) -> Command:
    """The command alone."""
    return asked.change if isinstance(asked, Audited) else asked
