"""The whole evening: casts plays for a world of some size, sets the campaign up, plays everything, and asks what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from goodword.simulation.play import SCRIPTS, Play, Script, Terms
from goodword.simulation.program import browser_key, launch, raise_terms
from goodword.simulation.score import Report, Scorer
from goodword.simulation.sender import Keys, Sender
from goodword.simulation.story import custom, identity, purchase, race, traffic
from goodword.simulation.world import World

CHEATS_SHARE = 0.03
"""Of friends; half of them in rows 1 to 6."""
FIRST_ROWS = range(1, 7)
RACES = 25
"""Each race has a campaign of its own; a shop has few."""
MESSAGES_PER_PERSON = 5
SETTLE_S = 1.5
BACKLOG_MAX = 300
"""Nobody new comes while this much waits to be sent: people's haste is part of the stories, so a slow server must not stretch it."""
UNHURRIED_PEOPLE = 20_000
"""From this many people on the evening is long enough for stories that take minutes."""
REPERTOIRE = (custom, identity, purchase, race, traffic)
"""Importing them has entered their stories."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Plan:
    """What to play. `each`: every row at least so often; `rate`: messages a second at most."""

    people: int = 600
    seed: int = 1
    each: int = 2
    rate: float = 400.0
    rows: tuple[int, ...] = ()
    """Only these rows, without ordinary custom, for looking into one; all when empty."""
    program: str = "simulation"


def cast(plan: Plan, make: Callable[[int, Script], Play]) -> list[Play]:
    """The plays of an evening, in the order they begin. The same plan casts the same plays."""
    world = World(plan.seed)
    scripts: list[Script] = []
    friends = plan.people * 0.5
    for script in SCRIPTS:
        if script.row == 0 or (plan.rows and script.row not in plan.rows):
            continue
        share = friends * CHEATS_SHARE / 2 / (len(FIRST_ROWS) if script.row in FIRST_ROWS else 20)
        scripts += [script] * (plan.each if script.row == RACES else max(plan.each, round(share)))
    if not plan.rows:
        custom = [script for script in SCRIPTS if script.row == 0]
        dice = world.dice("custom")
        left = plan.people - sum(script.people for script in scripts)
        while left > 0:
            script = dice.choices(custom, [6, 5, 2, 4])[0]
            scripts.append(script)
            left -= script.people
    world.dice("order").shuffle(scripts)
    scripts.sort(key=lambda script: not script.finale)
    return [make(number, script) for number, script in enumerate(scripts)]


async def simulate(url: str, keys: Keys, plan: Plan, template: dict[str, Any], progress: Progress) -> Report:
    """Play it all against the server at `url`, by a campaign made of `template`. Errors: program.NotLaunched, http.Unreachable."""
    world = World(plan.seed)
    sender = Sender(url, keys, rate=plan.rate, dice=world.dice("network"))
    if not keys.browser:
        sender.keys = Keys(await browser_key(sender), keys.server)
    terms, changed = await launch(sender, template, plan.program, seed=plan.seed, people=plan.people), asyncio.Event()
    plays = cast(plan, lambda number, script: Play(number, script, world, sender, terms, changed, plan.people >= UNHURRIED_PEOPLE))
    sending = asyncio.create_task(sender.run())
    began = time.monotonic()
    try:
        await _perform(plays, plan, sender, terms, changed, progress)
        played_s = round(time.monotonic() - began, 1)
        progress("asking the server what became of it", 0, 0)
        report = await Scorer(plays, plan.seed).score()
    finally:
        sending.cancel()
        await sender.client.close()
    report.played_s = played_s
    report.seconds = round(time.monotonic() - began, 1)
    return report


async def _perform(plays: list[Play], plan: Plan, sender: Sender, terms: Terms, changed: asyncio.Event, progress: Progress) -> None:
    """Begin plays as fast as the rate allows, so that ever some hundreds of them are under way; then the finale."""
    done = 0

    def ended(_: Any) -> None:
        nonlocal done
        done += 1

    under_way: set[asyncio.Task[None]] = set()
    finale: list[asyncio.Task[None]] = []
    for play in plays:
        task = asyncio.create_task(play.perform())
        task.add_done_callback(ended)
        if play.script.finale:
            finale.append(task)
        else:
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        progress("playing", done, len(plays))
        await asyncio.sleep(play.script.people * MESSAGES_PER_PERSON / plan.rate)
        while sender.backlog > BACKLOG_MAX:
            await asyncio.sleep(0.05)
    while under_way:
        progress("playing", done, len(plays))
        await asyncio.sleep(0.1)
    if finale:
        await asyncio.sleep(SETTLE_S)
        await raise_terms(sender, terms)
        await asyncio.sleep(SETTLE_S)
        changed.set()
        await asyncio.gather(*finale)
    await sender.drain()
    await asyncio.sleep(SETTLE_S)
