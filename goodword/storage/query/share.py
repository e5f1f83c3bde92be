"""Share links and acts of sharing, for reading: by code in any account, by person."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field

from goodword.core import code as codes
from goodword.core.deciding.share import why_dead
from goodword.core.profile import Profile
from goodword.core.referral import Share, Shareable
from goodword.storage.query import person as people
from goodword.storage.store import Store

SHARE_ID_MAX = (1 << 63) - 1
_shareable = msgspec.json.Decoder(Shareable).decode
_share = msgspec.json.Decoder(Share).decode


class Link(Struct, frozen=True):
    """A share link, as far as it is known. `dead` says why it leads nowhere (a code), empty where it is in order."""

    account: int
    shareable: Shareable | None
    advocate: Profile | None
    dead: str


def account_of(store: Store, code: str) -> int | None:
    """The account that has a code, in any case; of several the lowest. None when none has it."""
    if not codes.is_code(code):
        return None
    folded = "k" + code.casefold()
    for account in sorted(store.accounts):
        hash16 = store.sealer.hash(account, folded)
        if store.database.read("SELECT 1 FROM shareable WHERE account_id = ? AND code = ?", (account, hash16)):
            return account
    return None


def find(store: Store, code: str, account: int | None = None) -> Link | None:
    """The link of a code, in any case, of one account or of the first that has it. A deleted person's is dead and shows nothing."""
    number = account_of(store, code) if account is None else account
    if number is None or not codes.is_code(code):
        return None
    rows = store.refreshed(
        store.database.read(
            "SELECT profile_id, body FROM shareable WHERE account_id = ? AND code = ?",
            (number, store.sealer.hash(number, "k" + code.casefold())),
        )
    )
    if not rows:
        return None
    owner, body = rows[0]
    key = store.keys.key(owner) if owner and body else None
    shareable = _shareable(store.sealer.open_body(key, body)) if key is not None else None
    advocate = people.find(store, number, owner) if shareable is not None else None
    dead = why_dead(shareable, advocate)
    return Link(number, shareable, advocate, dead[0] if dead is not None else "")


def is_taken(store: Store, code: str) -> bool:
    """Whether any account has the code, a deleted person's included."""
    return account_of(store, code) is not None


class Shared(Struct, frozen=True):
    """An act of sharing. `recipients` is how many addresses it went to; `other_id` the recipient, where it went to one and is known."""

    share: Share
    recipients: int
    other_id: int | None = None


class ShareFilter(Struct, frozen=True):
    """Which shares are wanted; an empty set asks for all. `data` are names and values that must be among a share's data."""

    programs: frozenset[str] = field(default_factory=frozenset)
    campaigns: frozenset[str] = field(default_factory=frozenset)
    data_names: frozenset[str] = field(default_factory=frozenset)
    data: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    def passes(self, share: Share) -> bool:
        """Whether a share is among them."""
        return (
            (not self.programs or share.program in self.programs)
            and (not self.campaigns or share.campaign in self.campaigns)
            and self.data_names <= share.data.keys()
            and self.data <= set(share.data.items())
        )


def shares_of(store: Store, account: int, profile: Profile, wanted: ShareFilter, limit: int, offset: int = 0) -> list[Shared]:
    """A person's acts of sharing, newest first."""
    found: list[tuple[Share, int]] = []
    for number in (profile.id, *profile.sources):
        rows = store.database.read(
            "SELECT profile_id, id, recipients, body FROM share WHERE account_id = ? AND profile_id = ? ORDER BY at DESC, id DESC LIMIT ?",
            (account, number, -1 if wanted != ShareFilter() else limit + offset),
        )
        found += [each for row in store.refreshed(rows) if (each := _opened(store, row)) is not None and wanted.passes(each[0])]
    found.sort(key=lambda each: (-each[0].at, -each[0].id))
    return _with_others(store, account, found[offset : offset + limit])


def share(store: Store, account: int, profile: Profile, share_id: int) -> Shared | None:
    """One act of sharing of a person."""
    rows = store.database.read(
        "SELECT profile_id, id, recipients, body FROM share WHERE account_id = ? AND id = ?", (account, min(share_id, SHARE_ID_MAX))
    )
    found = [each for row in store.refreshed(rows) if row[0] in (profile.id, *profile.sources) and (each := _opened(store, row))]
    return _with_others(store, account, found)[0] if found else None


def _opened(store: Store, row: tuple[Any, ...]) -> tuple[Share, int] | None:
    owner, _, recipients, body = row
    key = store.keys.key(owner)
    return (_share(store.sealer.open_body(key, body)), recipients) if key is not None and body else None


def _with_others(store: Store, account: int, found: list[tuple[Share, int]]) -> list[Shared]:
    """With whom each went to, where that is one known person: addresses are kept as hashes, the same that find a person."""
    single = [share.id for share, recipients in found if recipients == 1]
    owners: dict[int, int] = {}
    if single:
        owners = dict(
            store.database.read(
                "SELECT s.share_id, i.profile_id FROM carray(?1) k"
                " CROSS JOIN share_recipient s INDEXED BY share_recipient_share ON s.account_id = ?2 AND s.share_id = k.value"
                " CROSS JOIN identity i ON i.account_id = ?2 AND i.key = s.email WHERE i.profile_id IS NOT NULL",
                (store.database.ints(sorted(single)), account),
            )
        )
    known = people.find_many(store, account, owners.values())
    return [
        Shared(share, recipients, int(known[number].id) if (number := owners.get(share.id)) is not None and number in known else None)
        for share, recipients in found
    ]
