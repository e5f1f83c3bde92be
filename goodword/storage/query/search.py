"""People, looked for by whatever is at hand: an e-mail address, a user id, a device's id, an order's id, a share code, their number.

Every way is a look-up by an index. There is no search by a part of a name: names are sealed, each with its person's key (law 4).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from goodword.core.account import CONVERSION
from goodword.core.campaign import Programs
from goodword.core.event import conversion_claim, event_claim
from goodword.core.profile import Profile, keys_of, read_email
from goodword.storage.query import person as people
from goodword.storage.query import share
from goodword.storage.store import Store

How = Literal["user id", "e-mail", "device", "order", "share code", "number"]
LOOKED_AT_MAX = 2_000
"""How many of the newest messages are looked at for the people who were seen lately."""


class Found(Struct, frozen=True):
    """Somebody, and by what they were found."""

    profile: Profile
    how: How


def search(store: Store, account: int, text: str) -> list[Found]:
    """Everybody a text names, the surest way first, each once."""
    said = text.strip()
    found: dict[int, Found] = {}

    def add(profile: Profile | None, how: How) -> None:
        if profile is not None:
            found.setdefault(profile.id, Found(profile, how))

    ways: tuple[tuple[How, tuple[str | None, str | None, str | None]], ...] = (
        ("user id", (said or None, None, None)),
        ("e-mail", (None, read_email(said), None)),
        ("device", (None, None, said or None)),
    )
    for how, named in ways:
        for profile in people.find_by_keys(store, account, keys_of(*named)).values():
            add(profile, how)
    for profile in people.find_by_claims(store, account, _orders(store, account, said)).values():
        add(profile, "order")
    link = share.find(store, said, account)
    add(link.advocate if link is not None else None, "share code")
    if said.isascii() and said.isdigit() and len(said) <= 19:
        add(people.find(store, account, int(said)), "number")
    return list(found.values())


def _orders(store: Store, account: int, order: str) -> list[str]:
    """The dedup keys an order's id may have been stored under."""
    programs = store.programs.get(account, Programs())
    claims = [conversion_claim(order), *(event_claim(name, order) for name in sorted(programs.listened) if name != CONVERSION)]
    return [claim for claim in claims if claim is not None]


def seen_lately(store: Store, account: int, limit: int) -> list[Profile]:
    """People of the newest messages, the latest first; devices nobody is known of are left out."""
    rows = store.database.read(
        "SELECT profile_id FROM event WHERE account_id = ? AND arrival > ? ORDER BY arrival DESC LIMIT ?",
        (account, store.last_arrival - LOOKED_AT_MAX, LOOKED_AT_MAX),
    )
    numbers = list(dict.fromkeys(number for (number,) in rows))
    found: dict[int, Profile] = {}
    for start in range(0, len(numbers), limit):
        some = people.find_many(store, account, numbers[start : start + limit])
        for number in numbers[start : start + limit]:
            profile = some.get(number)
            if profile is not None and profile.is_known:
                found.setdefault(profile.id, profile)
        if len(found) >= limit:
            break
    return list(found.values())[:limit]
