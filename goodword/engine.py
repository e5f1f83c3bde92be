"""The engine: the only door for writes. Commands wait, are decided in groups, saved in one commit, and answered after it.

Called on one thread. `submit` queues; a group is flushed when one pass of the event loop brought no further request, so that
all requests that are there already share a commit. Past the bound `submit` refuses, and nothing is half done (law 10).

Where the database is another process (`nodes`), groups run on a thread of their own, one at a time, and the loop is free while they
wait. A group that waits too long for one answer is given up on: who asked is told to ask again, and what it comes to is settled by law 2.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from goodword.core import command as c
from goodword.core.decide import decide
from goodword.core.deciding.console import written_down
from goodword.core.decision import Decision, Erased, Outcome, Record
from goodword.core.facts import Facts
from goodword.core.fresh import Fresh
from goodword.core.profile import IdentityKey, Profile, ProfileId
from goodword.storage.failure import Conflict, ConnectionLost, DatabaseFailure
from goodword.storage.keys import KeyStoreError
from goodword.storage.sqlite import DatabaseError
from goodword.storage.store import Store

WAITING_MAX = 4_000
REQUESTS_MAX = 600
GROUP_MAX = 600
PROBE_S = 1.0
TRIES = 8
RECONNECT_S = 1.0
WAITED_S_MAX = 2.0
"""A group that has waited for one answer of the database for so long is given up on."""
LOOK_S = 0.25
STORE_ERRORS = (DatabaseError, OSError, KeyStoreError)


class Overloaded(Exception):
    """The server has as much work waiting as it will promise to do in time. Try again shortly."""


class Unavailable(Exception):
    """The data cannot be written at the moment (disk full, read-only or failing). Nothing was stored; try again later."""


def wall_clock_ms() -> int:
    """Now, in epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Measures:
    """What the engine counted since it started, for `/metrics`."""

    def __init__(self) -> None:
        self.verdicts: dict[str, int] = {}
        self.groups = 0
        self.commands = 0
        self.commit_seconds = 0.0
        self.group_sizes = [0] * 12
        self.commit_buckets = [0] * 12
        self.failures = 0
        self.overloads = 0
        self.conflicts = 0
        self.trips = 0
        """Round trips to the database that committed groups took."""

    def group(self, size: int, seconds: float) -> None:
        """Count one committed group: powers of two of its size, and of its time in 0.25 ms."""
        self.groups += 1
        self.commands += size
        self.commit_seconds += seconds
        self.group_sizes[min(size.bit_length(), 11)] += 1
        self.commit_buckets[min(int(seconds * 4000).bit_length(), 11)] += 1


Reply = Callable[[list[Outcome] | Exception], None]
Member = tuple[int, int, Reply]
"""Of a group: where a request's commands begin and end, and how it is answered."""
Answered = list[tuple[Reply, list[Outcome] | Exception]]
Done = TypeVar("Done")
Decided = tuple[int, Sequence[Record], int]
"""An account, its records, the place in the log that was set aside for them."""


class Engine:
    """Decides and saves. `execute` runs a group at once; `submit` and `ask` wait for one (they need an event loop)."""

    def __init__(self, store: Store, clock: Callable[[], int] = wall_clock_ms) -> None:
        self.store = store
        self.clock = clock
        self.measures = Measures()
        self.waiting = 0
        self.on_erased: list[Callable[[int, Sequence[IdentityKey]], None]] = []
        self.unavailable_since: float | None = None
        self.trouble = ""
        """What the database said when it last failed."""
        self._queue: deque[tuple[Sequence[c.Asked], Reply]] = deque()
        self._arrived = 0
        self._scheduled = False
        self._latest = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._probing: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, "groups") if store.nodes is not None else None
        self._out: Future[Answered] | None = None
        """The group that is under way on that thread."""
        self._is_given_up = False
        """Who waited for that group has been told to ask again."""

    def submit(self, commands: Sequence[c.Asked], reply: Reply) -> None:
        """Queue commands that are answered together. Errors: Overloaded, at once."""
        if self.waiting >= WAITING_MAX or len(self._queue) >= REQUESTS_MAX:
            self.measures.overloads += 1
            raise Overloaded
        self._queue.append((commands, reply))
        self.waiting += len(commands)
        self._arrived += 1
        if not self._scheduled:
            self._scheduled = True
            self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._settle, self._arrived)

    async def ask(self, commands: Sequence[c.Asked]) -> list[Outcome]:
        """Submit and wait for the outcomes. Errors: Overloaded, Unavailable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Outcome]] = loop.create_future()

        def reply(result: list[Outcome] | Exception) -> None:
            if future.cancelled():
                return
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

        self.submit(commands, reply)
        return await future

    async def alone(self, work: Callable[[], Done]) -> Done:
        """Do work that uses the writing connection, while no group does. Errors: those of the work."""
        if self._thread is None:
            return work()
        return await asyncio.wrap_future(self._thread.submit(work))

    def _settle(self, arrived: int) -> None:
        """Flush when a pass of the loop brought nothing new, or there is a full group anyway."""
        assert self._loop is not None
        if self._out is not None:  # what comes meanwhile is the next group
            self._scheduled = False
            if self._is_given_up:
                self._turn_away()
            return
        if self._arrived != arrived and self.waiting < GROUP_MAX:
            self._loop.call_soon(self._settle, self._arrived)
            return
        self._flush()
        if self._queue and self._out is None:
            self._loop.call_soon(self._settle, self._arrived)
        else:
            self._scheduled = False

    def _flush(self) -> None:
        group, members = self._take()
        if self._thread is None or self._loop is None:
            for reply, result in self._run(group, members):
                reply(result)
            return
        loop = self._loop
        out = self._out = self._thread.submit(self._run, group, members)
        out.add_done_callback(lambda out: loop.call_soon_threadsafe(self._back, out))
        loop.call_later(LOOK_S, self._look, out, members)

    def _take(self) -> tuple[list[c.Asked], list[Member]]:
        group: list[c.Asked] = []
        members: list[Member] = []
        while self._queue and (not group or len(group) + len(self._queue[0][0]) <= GROUP_MAX):
            commands, reply = self._queue.popleft()
            members.append((len(group), len(group) + len(commands), reply))
            group.extend(commands)
        self.waiting -= len(group)
        return group, members

    def _back(self, out: Future[Answered]) -> None:
        """The group is done: answer its requests, and begin the next."""
        if self._out is not out:  # `close` waited for it
            return
        self._out = None
        if not self._is_given_up:
            for reply, result in out.result():
                reply(result)
        self._is_given_up = False
        if self._queue and not self._scheduled:
            assert self._loop is not None
            self._scheduled = True
            self._loop.call_soon(self._settle, self._arrived)

    def _look(self, out: Future[Answered], members: list[Member]) -> None:
        """While a group is under way: see whether it is worth waiting for."""
        if self._out is not out:
            return
        assert self._loop is not None
        assert self.store.nodes is not None
        if self.store.nodes.waited_s < WAITED_S_MAX:
            self._loop.call_later(LOOK_S, self._look, out, members)
            return
        self._is_given_up = True
        self._fail("it does not answer")
        for _, _, reply in members:
            reply(Unavailable(self.trouble))
        self._turn_away()

    def _turn_away(self) -> None:
        """Tell all that wait to ask again: what is before them may take long, and nothing of theirs was begun."""
        while self._queue:
            _, members = self._take()
            for _, _, reply in members:
                reply(Unavailable(self.trouble))

    def _run(self, group: list[c.Asked], members: list[Member]) -> Answered:
        """Execute a group; how each of its requests is to be answered."""
        try:
            outcomes = self.execute(group)
        except Unavailable as failure:
            return [(reply, failure) for _, _, reply in members]
        except Exception as error:  # a defect met by one request must not fail its neighbours: each is tried alone
            if len(members) > 1:
                return [self._run(group[start:end], [(0, end - start, reply)])[0] for start, end, reply in members]
            return [(members[0][2], self._defect(error))]
        return [(reply, outcomes[start:end]) for start, end, reply in members]

    def _defect(self, error: Exception) -> Unavailable:
        """Nothing of this request was stored; say so to whoever asked, and the defect to the log."""
        self.measures.failures += 1
        assert self._loop is not None
        self._loop.call_exception_handler({"message": "a command could not be executed", "exception": error})
        return Unavailable(type(error).__name__)

    def execute(self, commands: Sequence[c.Asked]) -> list[Outcome]:
        """Decide and save one group; the outcomes are durable when it returns. Errors: Unavailable, and then nothing was saved."""
        if self.unavailable_since is not None and self._loop is not None and self.store.nodes is not None:
            # a database that hangs would hold everybody up for as long as one wait may last: `_probe` finds out when it is back
            raise Unavailable(self.trouble)
        started, nodes = time.perf_counter(), self.store.nodes
        trips = nodes.trips if nodes is not None else 0
        try:
            outcomes = self._try(commands)
        except STORE_ERRORS as error:
            self._fail(str(error) if isinstance(error, DatabaseFailure) else "")
            raise Unavailable(f"{type(error).__name__}") from error
        self.unavailable_since = None
        self.measures.group(len(commands), time.perf_counter() - started)
        if nodes is not None:
            self.measures.trips += nodes.trips - trips
        return outcomes

    def _fail(self, trouble: str) -> None:
        """Nothing can be written at the moment: say why, and see from time to time whether it still is so."""
        self.measures.failures += 1
        self.unavailable_since = self.unavailable_since or time.monotonic()
        self.trouble = trouble
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._probe_later)

    def _probe_later(self) -> None:
        assert self._loop is not None
        if self._probing is None:
            self._probing = self._loop.call_later(PROBE_S, self._probe)

    def _try(self, commands: Sequence[c.Asked]) -> list[Outcome]:
        """Decide and save, anew where another node was first."""
        began = time.monotonic()
        for _ in range(TRIES - 1):
            try:
                return self._execute(commands)
            except Conflict:
                self.measures.conflicts += 1
            except ConnectionLost:  # while nobody used it, for all we know; the key store's may be another one
                if time.monotonic() - began > RECONNECT_S:
                    raise
        return self._execute(commands)

    def _probe(self) -> None:
        """After a failure: try to write, so that a server no traffic is sent to notices that the disk has space again."""
        self._probing = None
        if self.unavailable_since is None:
            return
        assert self._loop is not None
        if self._thread is not None:
            self._loop.run_in_executor(self._thread, self.store.probe, self.clock()).add_done_callback(self._probed)
            return
        try:
            self.store.probe(self.clock())
        except STORE_ERRORS:
            self._probe_later()
        else:
            self.unavailable_since = None

    def _probed(self, done: asyncio.Future[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, DatabaseFailure):
            self.trouble = str(error)
        if done.cancelled() or error is not None:
            self._probe_later()
        else:
            self.unavailable_since = None

    def _execute(self, commands: Sequence[c.Asked]) -> list[Outcome]:
        store = self.store
        now = self.clock()
        self._latest = max(self._latest, now)
        try:
            facts = store.load([c.command_of(each) for each in commands], now)
            outcomes, decisions = self._decide(commands, facts, now)
            if decisions:
                store.save(decisions, now)
        finally:
            store.let_go()
        verdicts = self.measures.verdicts
        for outcome in outcomes:
            verdicts[outcome.verdict] = verdicts.get(outcome.verdict, 0) + 1
        if decisions:
            store.database.tidy()
            self._tell_erased(decisions)
        return outcomes

    def _decide(self, commands: Sequence[c.Asked], facts: dict[int, Facts], now: int) -> tuple[list[Outcome], list[Decided]]:
        store = self.store
        accounts = max(store.accounts, default=0)
        outcomes: list[Outcome] = []
        decisions: list[Decided] = []
        for asked in commands:
            command = c.command_of(asked)
            known = facts[command.account]
            place = known.place
            fresh = Fresh(place.last + 1, ProfileId(store.reserve_profile_id()), accounts + 1)
            at = self._latest if type(command) is c.Erase else now
            decision = decide(command, known, at, fresh)
            if type(asked) is c.Audited:
                decision = written_down(asked, decision, now, fresh)
            records = decision.records
            if records:
                place.last += 1
                known.lay(records)
                decisions.append((self._account_of(command, decision), records, place.last))
                if len(records) > 1 and _uses(records, fresh.profile_id):
                    store.use_profile_id()
            outcomes.append(decision.outcome)
        return outcomes, decisions

    def _tell_erased(self, decisions: Sequence[tuple[int, Sequence[Record], int]]) -> None:
        """Whoever holds texts in memory lets go of those that name a deleted person."""
        for account, records, _ in decisions:
            if type(records[-1]) is Erased:
                for listener in self.on_erased:
                    if self._thread is not None and self._loop is not None:
                        self._loop.call_soon_threadsafe(listener, account, records[-1].keys)
                    else:
                        listener(account, records[-1].keys)

    @staticmethod
    def _account_of(command: c.Command, decision: Decision) -> int:
        return decision.outcome.value if type(command) is c.CreateAccount else command.account

    def close(self) -> None:
        """Decide and save what still waits, then let go of the data."""
        if self._probing is not None:
            self._probing.cancel()
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        if self._out is not None:
            out, self._out = self._out, None
            for reply, result in out.result() if not self._is_given_up else ():
                reply(result)
        while self._queue:
            self._flush()
        self.store.close()


def _uses(records: Sequence[Record], profile_id: ProfileId) -> bool:
    """Whether a decision made a new profile of the number set aside for it; its outcome may name another (a duplicate's original)."""
    return any(type(record) is Profile and record.id == profile_id for record in records)
