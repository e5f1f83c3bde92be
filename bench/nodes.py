"""Nodes on PostgreSQL: `python -m bench.nodes`. Rates and CPU a message of one node, of two on one database, and on a grown store.

Starts a PostgreSQL of its own on this machine, as durable as one in earnest, unless `--database-url` names one; then the CPU of the
database is not seen. What is on other machines in earnest shares this one here: CPU microseconds a message say more than rates.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import secrets
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg

from bench.conversions import measure
from bench.growth import grow
from bench.server import Server, create_key, family_cpu_s
from bench.traffic import PEOPLE, Traffic
from bench.wrk import Workload, WrkResult, run_wrk
from tests.postgres import Postgres

SINGLES = Workload("singles @64", 64)
BATCHES = Workload("batches @16", 16, batch=100)
FILL = Workload("fill", 16, batch=100, repeat_percent=0)
FILL_ROUNDS = 6
SERVER_SETTINGS = (
    "shared_buffers=512MB", "max_wal_size=8GB", "checkpoint_timeout=15min", "effective_cache_size=2GB",
)  # fmt: skip
_COUNTER = re.compile(r"^(\w+) ([0-9.]+)$", re.MULTILINE)


@dataclass
class Place:
    """A database, the nodes on it, and the traffic."""

    program: Path
    folder: Path
    url: str
    postgres: Postgres | None
    seconds: float
    traffic: Traffic

    def database_cpu_s(self) -> float:
        """CPU seconds the database used so far; 0 for one that is not this program's own."""
        return family_cpu_s(self.postgres.pid) if self.postgres else 0.0

    def log_bytes(self) -> int:
        """How much the database wrote to its log so far."""
        return self.ask("SELECT (pg_current_wal_lsn() - '0/0')::bigint")

    def size(self) -> str:
        """What is stored, and what that takes."""
        events, total = self.ask("SELECT count(*) FROM event"), self.ask("SELECT pg_database_size(current_database())")
        return f"{events:,} messages in {total / 1e6:,.0f} MB: {total / max(1, events):,.0f} bytes each"

    def ask(self, sql: LiteralString) -> int:
        """A number from the database."""
        with psycopg.connect(self.url) as reader:
            found = reader.execute(sql).fetchone()
        assert found is not None
        return int(found[0])

    def node(self, name: str) -> Server:
        """A node that runs."""
        return Server(self.program, self.folder / name).start()

    def key(self, name: str, account: str) -> str:
        """A key of an account."""
        return create_key(self.program, self.folder / name, account)

    def drive(self, node: Server, key: str, workload: Workload, seconds: float) -> WrkResult:
        """Drive one node."""
        return run_wrk(
            workload, url=node.url, key=key, pool=self.folder / "pool.txt", people=self.traffic.people, seed=secrets.randbits(52),
            lag_s=0, seconds=seconds,
        )  # fmt: skip

    def window(self, label: str, nodes: list[Server], keys: list[str], workload: Workload) -> float:
        """Drive all nodes at once; print what that came to. Messages a second."""
        before = [_counters(node) for node in nodes]
        used, database, log = [node.cpu_s() for node in nodes], self.database_cpu_s(), self.log_bytes()
        with ThreadPoolExecutor(len(nodes)) as pool:
            found = list(pool.map(lambda pair: self.drive(pair[0], pair[1], workload, self.seconds), zip(nodes, keys, strict=True)))
        node_s = sum(node.cpu_s() - earlier for node, earlier in zip(nodes, used, strict=True))
        database_s, log = self.database_cpu_s() - database, self.log_bytes() - log
        after = [_counters(node) for node in nodes]
        messages = sum((one.requests - one.status_errors) * workload.messages_per_request for one in found)
        groups, trips, sizes, conflicts = _counted(before, after)
        rate = messages / max(one.seconds for one in found)
        errors = sum(one.status_errors + one.socket_errors for one in found)
        per = 1e6 / max(1, messages)
        print(
            f"{label:<44}{rate:>9,.0f}/s   node {node_s * per:6.1f} us   database {database_s * per:6.1f} us   "
            f"p99 {max(one.p99_ms for one in found):6.0f} ms   {sizes / max(1, groups):5.0f} a group   "
            f"{trips / max(1, groups):4.1f} trips a group   {log / max(1, messages):5.0f} bytes of log a message   "
            f"{conflicts:.0f} conflicts   {errors} errors",
            flush=True,
        )
        return rate


def _counted(before: list[dict[str, float]], after: list[dict[str, float]]) -> list[float]:
    """How many groups nodes committed meanwhile, round trips these took, commands they had, and conflicts."""
    names = ("goodword_commit_seconds_count", "goodword_database_round_trips_total", "goodword_group_size_sum", "goodword_conflicts_total")
    return [sum(late[name] - early[name] for late, early in zip(after, before, strict=True)) for name in names]


def _counters(node: Server) -> dict[str, float]:
    with urllib.request.urlopen(node.url + "/metrics", timeout=30) as answer:
        return {name: float(value) for name, value in _COUNTER.findall(answer.read().decode())}


def main() -> None:
    """Measure, and print a line a window."""
    parser = argparse.ArgumentParser(prog="python -m bench.nodes", description=__doc__)
    parser.add_argument("--database-url", help="an empty database to fill (default: a PostgreSQL of its own)")
    parser.add_argument("--events", type=float, default=0, metavar="N", help="also on a store grown to N messages, such as 5e6")
    parser.add_argument("--people", type=int, default=PEOPLE, metavar="N", help=f"persons (default: {PEOPLE:,})")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="length of a window (default: 5)")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="windows of each kind (default: 3)")
    parser.add_argument("--orders", type=int, default=10_000, metavar="N", help="orders of a campaign's friends (default: 10,000; 0: none)")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="of the PostgreSQL, e.g. wal_compression=lz4")
    parser.add_argument("--one", action="store_true", help="one node only")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="goodword-bench-")))
        postgres = None if options.database_url else stack.enter_context(Postgres(options=(*SERVER_SETTINGS, *options.setting)))
        url = options.database_url or (postgres.database("bench") if postgres else "")
        os.environ["GOODWORD_DATABASE_URL"] = url
        os.environ.setdefault("GOODWORD_MASTER_KEY", "A" * 43 + "=")
        traffic = Traffic(secrets.randbits(64), options.people)
        traffic.write_pool(folder / "pool.txt")
        program = Path(sys.executable).with_name("goodword")
        place = Place(program, folder, url, postgres, options.seconds, traffic)
        _measure(place, options.repeats, int(options.events), options.orders, is_alone=options.one)


def _fsync_ms(folder: Path) -> float:
    """The middle of 51 waits for a page to be on disk."""
    with (folder / "fsync").open("wb", buffering=0) as file:
        waits = []
        for _ in range(51):
            file.write(bytes(8192))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            waits.append(time.perf_counter() - began)
    return sorted(waits)[25] * 1000


def _measure(place: Place, repeats: int, events: int, orders: int, *, is_alone: bool) -> None:
    one = place.node("one")
    try:
        key, other_key = place.key("one", "default"), place.key("one", "other")
        print(f"  a commit waits {_fsync_ms(place.folder):.2f} ms for this disk")
        small = _windows(place, "one node", [one], [key], repeats)
        if not is_alone:
            _two(place, one, [key, other_key], small, repeats)
        if orders:
            print("one node, a campaign's orders:")
            orders_key = create_key(place.program, place.folder / "one", "orders", "admin")
            before = _counters(one)
            asyncio.run(measure(one, orders_key, orders, orders // 20, place.database_cpu_s))
            groups, trips, _, _ = _counted([before], [_counters(one)])
            print(f"  {trips / max(1, groups):.1f} trips a group, links and visits included")
        print(f"  {place.size()}", flush=True)
        if events:
            one = _grown(place, one, key, events)
            grown = _windows(place, f"one node at {events / 1e6:.1f} M", [one], [key], repeats)
            print(f"  {place.size()}", flush=True)
            print("  of the rate on the small store: " + ", ".join(f"{name} {grown[name] / small[name]:.2f}" for name in small), flush=True)
    finally:
        one.stop()


def _two(place: Place, one: Server, accounts: list[str], small: dict[str, float], repeats: int) -> None:
    """Two nodes on one account, then on two; what share of one node's rate that is. `accounts`: a key of each."""
    other = place.node("two")
    try:
        for label, keys in (("two nodes, one account", [accounts[0]] * 2), ("two nodes, an account each", accounts)):
            both = _windows(place, label, [one, other], keys, repeats)
            print("  of one node's rate: " + ", ".join(f"{name} {both[name] / small[name]:.2f}" for name in small), flush=True)
    finally:
        other.stop()


def _windows(place: Place, label: str, nodes: list[Server], keys: list[str], repeats: int) -> dict[str, float]:
    """The middle rate of several windows, by workload."""
    middle = {}
    for workload in (SINGLES, BATCHES):
        rates = sorted(place.window(f"{label}, {workload.name}", nodes, keys, workload) for _ in range(repeats))
        middle[workload.name] = rates[len(rates) // 2]
    return middle


def _grown(place: Place, node: Server, key: str, events: int) -> Server:
    """A node on a store of so many messages: the first by traffic, until everybody was there, the rest by the database itself."""
    began = time.perf_counter()
    for _ in range(FILL_ROUNDS):
        place.drive(node, key, FILL, 20)
        if place.ask("SELECT count(*) FROM profile") >= place.traffic.people:
            break
    node.stop()
    grow(place.url, events)
    print(f"  {place.size()}, after {time.perf_counter() - began:,.0f} s", flush=True)
    return node.start()


if __name__ == "__main__":
    main()
