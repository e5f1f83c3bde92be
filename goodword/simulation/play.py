"""A play: one small story with its cast, what they are truly owed, and who truly referred whom."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from goodword.simulation.sender import Sender
from goodword.simulation.world import World

Kind = Literal["cheat", "twin", "honest"]
DAY_MS = 24 * 3600 * 1000
BREATH_S = 3.0
"""How long people take between a link and a click, and from there to a sign-up and a purchase. Default rules find less hurried."""


@dataclass(frozen=True)
class Script:
    """A story that can be played. `row` is the cheat's number, 0 for ordinary custom; `may_wait` allows a twin to wait for review."""

    row: int
    kind: Kind
    title: str
    act: Callable[[Play], Awaitable[None]]
    people: int
    may_wait: bool = False
    finale: bool = False
    """Played after all others: in its midst the campaign's terms change for everybody."""


@dataclass
class Role:
    """The truth about one person of a play. `owed` is what all their rewards should come to, in points."""

    user_id: str
    email: str
    owed: int = 0
    allowed: int = 0
    """What they may get besides, where honest people could disagree."""
    referred_by: str = ""
    reason: str = ""
    is_judged: bool = False
    """Whether who referred them, if anyone, is known for certain; in cheats it is not asked."""
    is_guest: bool = False
    """Known to the shop by e-mail alone."""


@dataclass
class Terms:
    """What the campaign under way gives, as the simulator set it up."""

    program: str
    document: dict[str, Any]
    points: int = 10


@dataclass
class Play:
    """One performance. Everything that happens by chance in it follows from the world's seed and its number."""

    number: int
    script: Script
    world: World
    sender: Sender
    terms: Terms
    terms_changed: asyncio.Event
    is_unhurried: bool = False
    """Whether the evening is long enough for stories of some minutes."""
    roles: dict[str, Role] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What the story itself saw go wrong (an address that was found by guessing, a message refused)."""
    failed: str = ""
    messages: int = 0

    def __post_init__(self) -> None:
        self.dice = self.world.dice("play", self.number)

    async def pause(self, seconds: float = BREATH_S) -> None:
        """Time passes; never less than told."""
        await asyncio.sleep(seconds * self.dice.uniform(1.0, 1.2))

    async def perform(self) -> None:
        """Play it."""
        try:
            await self.script.act(self)
        except Exception as error:
            self.failed = f"{type(error).__name__}: {error}"

    def complain(self, note: str) -> None:
        """Say what went otherwise than it must."""
        self.notes.append(note)


SCRIPTS: list[Script] = []


def story(
    row: int, kind: Kind, title: str, *, people: int, may_wait: bool = False, finale: bool = False
) -> Callable[[Callable[[Play], Awaitable[None]]], Callable[[Play], Awaitable[None]]]:
    """Enter a story into the repertoire."""

    def enter(act: Callable[[Play], Awaitable[None]]) -> Callable[[Play], Awaitable[None]]:
        SCRIPTS.append(Script(row, kind, title, act, people, may_wait, finale))
        return act

    return enter
