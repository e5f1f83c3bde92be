"""An upload of coupons, for whichever door it came by: rows in, chunks out to the engine, other requests in between."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from msgspec import Struct

from goodword.core import command as c
from goodword.core.coupon_file import read_rows, split_lines
from goodword.core.decision import Outcome
from goodword.core.times import Millis
from goodword.engine import Engine, Overloaded, Unavailable
from goodword.storage.coupon_order import Window

UPLOAD_BYTES_MAX = 96 * 1024 * 1024
CHUNK = 1_000
ROWS_A_PASS = 500
PROBLEMS_SHOWN_MAX = 1_000
PATIENCE_S = 30.0
PAUSE_S = 0.1
Ask = Callable[[c.Command], Awaitable[Outcome]]
"""How a door asks the engine, refusals and overload told in its own way."""


class Problem(Struct):
    """A row of an upload that was not loaded, by its number in the file, and why."""

    row: int
    reason: str


def new_operation(now: Millis) -> int:
    """A number for a change of a pool: those of later ones are higher."""
    return (now << 20) | secrets.randbits(20)


class Uploading:
    """One upload into a pool. `added`, `refused` and `problems` are what became of it; at most PROBLEMS_SHOWN_MAX are kept."""

    def __init__(self, engine: Engine, account: int, supplier: str, by: str, ask: Ask) -> None:
        self.engine, self.account, self.supplier, self.by, self.ask = engine, account, supplier, by, ask
        self.operation = new_operation(engine.clock())
        self.window = Window(engine.store, account)
        self.added, self.refused = 0, 0
        self.problems: list[Problem] = []

    async def take(self, body: bytes) -> None:
        """Load what is right, name what is wrong. Errors: those of `ask`."""
        unread = 0
        for count, (number, code, why) in enumerate(read_rows(split_lines(body))):
            if why:
                unread += 1
                self._refuse(number, why)
            elif self.window.add(number, code):
                await self._send()
            if count % ROWS_A_PASS == 0:
                await asyncio.sleep(0)
        await self._send()
        await self._add((), unread)
        self.problems.sort(key=lambda problem: problem.row)

    def _refuse(self, row: int, why: str) -> None:
        self.refused += 1
        if len(self.problems) < PROBLEMS_SHOWN_MAX:
            self.problems.append(Problem(row, why))

    async def _send(self) -> None:
        for chunk in self.window.chunks(CHUNK):
            outcome = await self._add(tuple(code for _, code in chunk), 0)
            self.added += outcome.value["added"]
            for place, why in outcome.value["refused"]:
                self._refuse(chunk[place][0], why)

    async def _add(self, codes: tuple[str, ...], refused: int) -> Outcome:
        return await patiently(
            self.engine, self.ask, c.AddCoupons(self.account, self.supplier, self.operation, codes, self.by, refused)
        )  # fmt: skip


async def patiently(engine: Engine, ask: Ask, command: c.Command) -> Outcome:
    """What a command came to; while there is too much to do it waits, up to a bound. Errors: those of `ask`."""
    waited = 0.0
    while waited < PATIENCE_S:
        try:
            outcome = (await engine.ask([command]))[0]
        except (Overloaded, Unavailable):
            await asyncio.sleep(PAUSE_S)
            waited += PAUSE_S
            continue
        if outcome.verdict != "refused":
            return outcome
        break
    return await ask(command)
