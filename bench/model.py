"""A model of nodes on PostgreSQL: `python -m bench.model`. What costs a message make of 1, 2, 4, 10 and 100 nodes, by simulation.

Costs are CPU microseconds, measured by `python -m bench.nodes` and `python -m bench.engine`, and given here as options. The model:

- A node is a process with one interpreter lock: its loop (HTTP, reading messages) and its groups share one core at most.
- A group takes what waits, up to 600 messages. It holds its account, which no other group may, from its first round trip until its commit
  is on disk: while it decides, while the database works for it, while the disk does.
- The database has a process a node. All that work on one machine share its cores equally.
- Clients wait for their answer before they send again, each to its node.

First it says what `bench.nodes` should find where everything shares one machine, to be compared; then what machines apart would do.
"""

from __future__ import annotations

import argparse
from collections import deque
from dataclasses import dataclass, field
from itertools import cycle

GROUP_MAX = 600


@dataclass(frozen=True)
class Costs:
    """CPU microseconds, of one request, message or group; waits in microseconds."""

    http: float
    """A request's share of HTTP, beside its messages'."""
    read: float
    """A message: HTTP and reading it."""
    decide: float
    """A message: loading, deciding, saving."""
    group: float
    """A group, beside its messages."""
    row: float
    """A message in the database."""
    transaction: float
    """A group in the database."""
    client: float
    """A message, of the program that sends."""
    disk: float
    """Until a commit is on disk."""
    trips: float
    """All round trips of a group, on the wire."""


@dataclass(frozen=True)
class Setting:
    """Nodes, accounts, clients of each node, messages a request; cores of the machine they share, or None: each has its own, and the
    database `database_cores`."""

    nodes: int
    accounts: int
    clients: int
    batch: int
    shared_cores: float | None = None
    database_cores: float = 8.0


@dataclass
class Work:
    """CPU work of a process: it takes at most one core."""

    process: str
    left: float
    then: tuple[str, int]


@dataclass
class Node:
    """What waits at a node."""

    loop: deque[float] = field(default_factory=deque)
    waiting: deque[int] = field(default_factory=deque)
    is_looping: bool = False
    group: int = 0
    requests: int = 0


class Simulation:
    """Runs one setting."""

    def __init__(self, costs: Costs, setting: Setting) -> None:
        self.costs, self.setting = costs, setting
        self.now = 0.0
        self.done = 0
        self.nodes = [Node() for _ in range(setting.nodes)]
        self.working: list[Work] = []
        self.timers: list[tuple[float, str, int]] = []
        self.holders: dict[int, int | None] = dict.fromkeys(range(setting.accounts))
        self.queues: dict[int, deque[int]] = {account: deque() for account in self.holders}
        turn = cycle(range(setting.accounts))
        self.account = [next(turn) for _ in self.nodes]
        for number, node in enumerate(self.nodes):
            node.loop.extend([self._request()] * setting.clients)
            self._loop(number)

    def _request(self) -> float:
        return self.costs.http + self.costs.read * self.setting.batch

    def run(self, seconds: float) -> float:
        """Messages a second, after a first fifth of the time that does not count."""
        counted_from, done_before = seconds * 2e5, None
        while self.now < seconds * 1e6:
            if done_before is None and self.now >= counted_from:
                done_before, counted_from = self.done, self.now
            self._step()
        return (self.done - (done_before or 0)) / (self.now - counted_from) * 1e6

    def _speeds(self) -> list[float]:
        """How much of a core each piece of work has."""
        count: dict[str, int] = {}
        for work in self.working:
            count[work.process] = count.get(work.process, 0) + 1
        wanted = [1 / count[work.process] for work in self.working]
        shared = self.setting.shared_cores
        if shared is not None:
            share = min(1.0, shared / sum(wanted)) if wanted else 1.0
            return [each * share for each in wanted]
        database = sum(each for each, work in zip(wanted, self.working, strict=True) if work.process.startswith("database"))
        share = min(1.0, self.setting.database_cores / database) if database else 1.0
        return [each * share if work.process.startswith("database") else each for each, work in zip(wanted, self.working, strict=True)]

    def _step(self) -> None:
        speeds = self._speeds()
        ends = [work.left / speed for work, speed in zip(self.working, speeds, strict=True)]
        due = min((at for at, _, _ in self.timers), default=float("inf")) - self.now
        passed = min(min(ends, default=float("inf")), due)
        self.now += passed
        for work, speed in zip(self.working, speeds, strict=True):
            work.left -= passed * speed
        for work in [work for work in self.working if work.left < 1e-6]:
            self.working.remove(work)
            self._then(*work.then)
        for timer in [timer for timer in self.timers if timer[0] <= self.now + 1e-6]:
            self.timers.remove(timer)
            self._then(timer[1], timer[2])

    def _work(self, process: str, cost: float, then: str, node: int) -> None:
        self.working.append(Work(f"{process}{node}", max(cost, 1e-3), (then, node)))

    def _loop(self, number: int) -> None:
        node = self.nodes[number]
        if node.loop and not node.is_looping:
            node.is_looping = True
            self._work("node", node.loop.popleft(), "read", number)

    def _then(self, what: str, number: int) -> None:
        node, costs = self.nodes[number], self.costs
        if what == "read":
            node.is_looping = False
            node.waiting.append(self.setting.batch)
            self._loop(number)
            if not node.group and not node.loop:  # a pass of the loop brought nothing more
                self._begin(number)
        elif what == "held":
            self._work("node", costs.group + costs.decide * node.group, "decided", number)
        elif what == "decided":
            self._work("database", costs.transaction + costs.row * node.group, "written", number)
        elif what == "written":
            self.timers.append((self.now + costs.disk + costs.trips, "stored", number))
        elif what == "stored":
            self._let_go(self.account[number])
            self.done += node.group
            self._work("client", costs.client * node.group, "sent", number)
            node.requests, node.group = node.requests + node.group // self.setting.batch, 0
            if node.waiting:
                self._begin(number)
        elif what == "sent":
            node.loop.extend([self._request()] * node.requests)
            node.requests = 0
            self._loop(number)

    def _begin(self, number: int) -> None:
        node = self.nodes[number]
        while node.waiting and node.group + node.waiting[0] <= GROUP_MAX:
            node.group += node.waiting.popleft()
        account = self.account[number]
        if self.holders[account] is None:
            self.holders[account] = number
            self._then("held", number)
        else:
            self.queues[account].append(number)

    def _let_go(self, account: int) -> None:
        queue = self.queues[account]
        self.holders[account] = queue.popleft() if queue else None
        if self.holders[account] is not None:
            self._then("held", int(self.holders[account] or 0))


def main() -> None:
    """Print what the model says."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.model", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = Costs(http=60, read=30, decide=50, group=3_000, row=37, transaction=2_000, client=7, disk=2_700, trips=1_000)
    for name, value in vars(defaults).items():
        parser.add_argument(f"--{name}", type=float, default=value, metavar="US", help=f"default: {value:g}")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="how long is simulated (default: 10)")
    parser.add_argument("--database-cores", type=float, default=16.0, metavar="N", help="of the database's own machine (default: 16)")
    options = parser.parse_args()
    costs = Costs(**{name: getattr(options, name) for name in vars(defaults)})
    kinds = (("singles @64", 64, 1), ("batches @16", 16, 100))
    print("all on one machine of 2 cores, as bench.nodes measures it")
    for label, nodes, accounts in (("one node", 1, 1), ("two nodes, one account", 2, 1), ("two nodes, an account each", 2, 2)):
        for name, clients, batch in kinds:
            rate = Simulation(costs, Setting(nodes, accounts, clients, batch, shared_cores=2.0)).run(options.seconds)
            print(f"  {label + ', ' + name:<42}{rate:>10,.0f}/s")
    print(f"machines apart, a database of {options.database_cores:.0f} cores")
    for nodes, accounts in ((1, 1), (2, 1), (10, 1), (2, 2), (4, 4), (10, 10), (100, 100)):
        for name, clients, batch in kinds:
            setting = Setting(nodes, accounts, clients, batch, database_cores=options.database_cores)
            rate = Simulation(costs, setting).run(options.seconds / max(1, nodes / 10))
            print(f"  {f'{nodes} nodes, {accounts} accounts, {name}':<42}{rate:>10,.0f}/s")


if __name__ == "__main__":
    main()
