"""Who may open a share page: a pass of ours, or a web token that a brand signed with a key's signing secret (domain 8.4)."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from goodword.api.auth import may
from goodword.api.intake import Intake
from goodword.core import command as c
from goodword.core.account import Key, Right
from goodword.core.profile import Profile, keys_of, read_email
from goodword.core.share_token import Claims, Pass, issue, prove, read, take_apart
from goodword.core.times import Millis
from goodword.hosted.page import Notice
from goodword.storage.query import person as people

WEB_TOKEN_PASS_MS = 24 * 3_600_000
"""How long a page that was opened by a web token stays open; the token itself may be good for a minute."""
DOOR = "share-page"


class Admitted(Struct, frozen=True):
    """A person with their pass."""

    granted: Pass
    person: Profile


def admit(intake: Intake, token: str, now: Millis) -> Admitted | Notice:
    """The person of a pass, if they are there and may take part."""
    granted = read(intake.store.sealer.page_secret, token, now)
    if isinstance(granted, str):
        return "expired" if granted == "expired" else "gone"
    if granted.account not in intake.store.accounts:
        return "gone"
    person = people.find(intake.store, granted.account, granted.person)
    if person is None or is_barred(person):
        return "gone"
    return Admitted(granted, person)


def is_barred(person: Profile) -> bool:
    """Whether somebody was kept from taking part."""
    return person.block is not None and person.block.type != "NONE"


def token_of(intake: Intake, granted: Pass) -> str:
    """The token of a pass."""
    return issue(intake.store.sealer.page_secret, granted)


async def admit_by_web_token(intake: Intake, text: str, program: str, now: Millis) -> Pass | Notice:
    """A pass for whom a brand's web token is about. Somebody whom only the brand knows yet becomes a person here: the token is the word
    of the brand's own server, like a message with the same key. Errors: engine.Overloaded, engine.Unavailable."""
    token = take_apart(text)
    key = _signing_key(intake, token.header.kid) if token is not None else None
    if token is None or key is None:
        return "gone"
    claims = prove(token, key.signing_secret, now)
    if isinstance(claims, str):
        return "expired" if claims == "expired" else "gone"
    person = _find(intake, key.account, claims)
    if person is None:
        await _introduce(intake, key, claims, now)
        person = _find(intake, key.account, claims)
    if person is None:
        return "gone"
    return Pass(key.account, person.id, program, now + WEB_TOKEN_PASS_MS)


def _signing_key(intake: Intake, key_id: str) -> Key | None:
    """The live key of this id that has a signing secret and speaks for the brand's server."""
    keys = intake.store.keys_by_hash.values()
    found = next((key for key in keys if key.id == key_id and key.revoked_at is None), None)
    return found if found is not None and found.signing_secret and may(found, Right.READ) else None


def _find(intake: Intake, account: int, claims: Claims) -> Profile | None:
    keys = keys_of(claims.partner_user_id or None, read_email(claims.email), None)
    found = people.find_by_keys(intake.store, account, keys)
    return next((found[key] for key in keys if key in found), None)


async def _introduce(intake: Intake, key: Key, claims: Claims, now: Millis) -> None:
    """Tell the engine of a person, as the brand's server would. A refusal (a suppressed person) leaves nobody to be found."""
    message = {"type": "identify", "userId": claims.partner_user_id or None, "traits": {"email": claims.email} if claims.email else {}}
    command = intake.command(msgspec.json.encode(message), key, intake.settings_of(key), DOOR, now=now)
    if isinstance(command, c.Receive):
        await intake.engine.ask([command])
