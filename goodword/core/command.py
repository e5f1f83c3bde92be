"""Everything that can be asked of the engine, one frozen type each. A command names its account; ids and times come with it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from goodword.core.account import Key, ParameterScope, Settings
from goodword.core.event import Understood
from goodword.core.profile import IdentityKey, ProfileId


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


Command = (
    Receive
    | Refuse
    | Erase
    | Unsuppress
    | CreateProfile
    | SetEmail
    | SetParameter
    | SetBlock
    | Forward
    | SetMembership
    | CreateAccount
    | CreateKey
    | RevokeKey
    | TouchKeys
    | Configure
)
