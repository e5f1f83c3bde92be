"""A person's share link under a code made at random, tried again where chance hit one that is taken."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence

from anyascii import anyascii

from goodword.core import code as codes
from goodword.core import command as c
from goodword.core.campaign import Share
from goodword.core.decision import Outcome
from goodword.core.profile import Profile
from goodword.storage.query import share as links
from goodword.storage.query.referral import links_of
from goodword.storage.store import Store

KEY = "main"
"""The slot of a person's own link in a program, where nothing else is said."""
TRIES = 8
Ask = Callable[[Sequence[c.Command]], Awaitable[list[Outcome]]]


async def put_generated(store: Store, ask: Ask, prefixes: tuple[str, ...], put: Callable[[str], c.PutShareable]) -> Outcome:
    """What `put` comes to with a code that nobody has; the last refusal where it is refused for another reason."""
    for _ in range(TRIES):
        code = codes.generate(os.urandom(codes.RANDOM_BYTES), prefixes)
        if links.is_taken(store, code):
            continue
        (outcome,) = await ask([put(code)])
        if outcome.code != "code_taken":
            return outcome
    return Outcome("refused", code="code_taken", reason="No free code was found. Try again, or with other prefixes.")


async def own_link(store: Store, ask: Ask, account: int, profile: Profile, program: str, share: Share) -> Outcome:
    """The person's own link of a program, made where there is none; the outcome's value is the link."""
    mine = [link for link in links_of(store, account, profile) if link.program == program]
    found = next((link for link in mine if link.key == KEY), None) or next((link for link in mine if link.is_enabled), None)
    if found is not None:
        return Outcome("done", profile_id=profile.id, value=found)

    def put(code: str) -> c.PutShareable:
        return c.PutShareable(account, profile.id, code, program, KEY, {}, {}, "get_or_create", True)

    return await put_generated(store, ask, prefixes_of(share), put)


def prefixes_of(share: Share | None, wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """What a code may begin with, best first, in ASCII."""
    said = [*wanted, share.code_prefix if share is not None else ""]
    return tuple(anyascii(text[: codes.PREFIX_CHARS_MAX * 2]) for text in said if text)
