"""The log on PostgreSQL by months: made ahead, filled in order, looked up across, dropped whole; an older store is brought along."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest

from goodword.core import command as c
from goodword.core.account import Settings
from goodword.core.period import DAY_MS, month_of, start_of_month
from goodword.engine import Engine
from goodword.storage import dialect, expiry, period_expiry, schema
from goodword.storage.failure import Conflict, DatabaseFailure
from goodword.storage.fold import KEPT_MS
from goodword.storage.partition import SPAN, Periods
from goodword.storage.postgres import WAIT_S
from goodword.storage.query import why
from goodword.storage.query.message import messages
from goodword.storage.query.place import places_of
from goodword.storage.query.preview import preview
from goodword.storage.store import Store
from goodword.storage.verify import verify
from goodword.storage.zone import turns_of
from goodword.worker import retention
from goodword.worker.lease import Leases
from tests.referral.town import Town
from tests.running import problems, received
from tests.storage.test_expiry import KEPT, counts, expire, keep_for, live
from tests.stores import Pool

LAST_RELEASE = {"schema": 8, "schema_nodes": 1}
"""The migrations before there were periods."""


class Clock:
    """A clock that is set to months of the installation."""

    def __init__(self, periods: Periods) -> None:
        self._first = periods.first_month
        self.now = 0
        self.turn(0)

    def turn(self, period: int, day: int = 15) -> int:
        """Set it to a day of a period."""
        self.now = start_of_month(self._first + period) + day * DAY_MS
        return self.now

    def __call__(self) -> int:
        return self.now


def made(store: Store, now: int) -> Periods:
    """The periods, with the partitions that a worker would have made by then."""
    assert store.nodes is not None
    store.nodes.periods.make_ahead(now)
    return store.nodes.periods


def order(number: object, user: str = "u") -> dict[str, Any]:
    properties = {"partner_conversion_id": f"o-{number}", "cart_value": "9.99"}
    return {"type": "track", "event": "conversion", "userId": user, "messageId": f"m-{number}", "properties": properties}


@pytest.fixture
def store(postgres_pool: Pool, tmp_path: Path) -> Iterator[Store]:
    """A database of its own: what a test drops is not there for the next."""
    url = postgres_pool.postgres.database(f"months_{tmp_path.name}")
    with Store(tmp_path / "data", url=url) as opened:
        yield opened


def partitions(store: Store) -> list[str]:
    found = store.database.read(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind = 'r' AND c.relname LIKE '%_p%'"
    )
    return sorted(name for (name,) in found)


def test_this_month_and_the_next_are_there_from_the_start(store: Store) -> None:
    tables = ("event", "message", "person_event")
    assert partitions(store) == [f"{table}_p{period}" for table in tables for period in (0, 1)]


def test_a_month_has_its_places_and_its_partition_and_the_log_goes_on_across(store: Store) -> None:
    """Law 2: what came in a month before, and is still remembered, is a repeat."""
    assert store.nodes is not None
    clock = Clock(store.nodes.periods)
    engine = Engine(store, clock)
    places = []
    for period in range(4):
        made(store, clock.turn(period))
        outcomes = engine.execute([received(order(f"{period}-{turn}"), clock.now) for turn in range(3)])
        assert [outcome.arrival for outcome in outcomes] == [period * SPAN + place for place in (1, 2, 3)]
        again = engine.execute([received(order(f"{max(0, period - 1)}-{turn}"), clock.now) for turn in range(3)])
        assert [(each.verdict, each.arrival // SPAN) for each in again] == [("duplicate", max(0, period - 1))] * 3
        places += [outcome.arrival for outcome in outcomes]
    for period in range(4):
        assert store.database.read(f"SELECT count(*) FROM event_p{period}") == [(3,)]
        assert store.database.read(f"SELECT count(*) FROM message_p{period}") == [(3,)]
    assert list(places_of(store, 1, 1 << 62)) == places[::-1]
    assert list(places_of(store, 1, places[4], upwards=True)) == places[5:]
    assert [line.arrival for line in messages(store, 1, 5, verdict="stored")] == places[:-6:-1]
    lines = [line.arrival for line in messages(store, 1, 99)]
    assert [line.arrival for line in messages(store, 1, 99, within=8)] == lines[:8]
    assert [line.arrival for line in messages(store, 1, 99, verdict="stored", within=10)] == places[:-5:-1]
    assert [line.arrival for line in messages(store, 1, 99, after=places[1], within=8)] == lines[-10:-2]
    assert preview(store, 1, Settings(), 100).looked_at == len(places)
    assert store.database.read("SELECT sum(count) FROM tally") == [(12,)]
    assert (problems(store), verify(store)) == ([], [])


def test_message_ids_are_dropped_whole_once_they_were_remembered_long_enough(store: Store) -> None:
    """Dedup keys are not: an order that comes again after that is a repeat still."""
    assert store.nodes is not None
    clock = Clock(store.nodes.periods)
    engine = Engine(store, clock)
    engine.execute([received(order(1), clock.now), received({"type": "identify", "userId": "u", "messageId": "i"}, clock.now)])
    periods = made(store, clock.turn(1, 20))
    clock.now = periods.ended_at(0) + KEPT_MS
    assert periods.forgotten(clock.now) == []
    assert periods.forgotten(clock.now + 1) == [0]
    periods = made(store, clock.turn(2, 20))
    periods.forget_messages(clock.now)
    assert "message_p0" not in partitions(store)
    assert "event_p0" in partitions(store)
    repeated = engine.execute([received(order(1), clock.now), received({"type": "identify", "userId": "u", "messageId": "i"}, clock.now)])
    assert [(each.verdict, each.arrival) for each in repeated] == [("duplicate", 1), ("stored", 2 * SPAN + 2)]
    assert store.database.read("SELECT sum(count), sum(duplicates), sum(amount) FROM tally WHERE name = 'conversion'") == [(1, 1, 999)]
    assert verify(store) == []


def test_where_nobody_made_a_partition_the_last_one_serves_on(store: Store) -> None:
    assert store.nodes is not None
    clock = Clock(store.nodes.periods)
    engine = Engine(store, clock)
    clock.turn(7)
    assert engine.execute([received(order(1), clock.now)])[0].arrival == SPAN + 1
    made(store, clock.now)
    assert engine.execute([received(order(2), clock.now)])[0].arrival == 7 * SPAN + 1
    clock.turn(3)  # a clock that is set back, or that of another node
    assert engine.execute([received(order(3), clock.now)])[0].arrival == 7 * SPAN + 2
    assert (problems(store), verify(store)) == ([], [])


def test_nodes_that_make_partitions_at_once_make_each_once(store: Store, tmp_path: Path) -> None:
    assert store.nodes is not None
    now = Clock(store.nodes.periods).turn(5)
    with ExitStack() as opened:
        nodes = [store]
        for number in range(3):
            folder = tmp_path / f"node{number}"
            folder.mkdir(mode=0o700)
            (folder / "keys.master").write_bytes((tmp_path / "data" / "keys.master").read_bytes())
            (folder / "keys.master").chmod(0o600)
            nodes.append(opened.enter_context(Store(folder, url=store.database.url)))  # type: ignore[attr-defined]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda node: made(node, now), nodes))
        engines = [Engine(node, lambda: now) for node in nodes]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda engine: engine.execute([received(order(1), now)])[0], engines))
    assert {answer.arrival for answer in answers} == {5 * SPAN + 1}
    assert [name for name in partitions(store) if name.startswith("event")] == [f"event_p{period}" for period in (0, 1, 5, 6)]


def test_a_store_of_the_last_release_is_brought_along(postgres_pool: Pool, store: Store, tmp_path: Path) -> None:
    """Its schema is made by the migrations there were then, and nodes of that release write on meanwhile."""
    assert store.nodes is not None
    clock = Clock(store.nodes.periods)
    said = [received(order(number, f"u{number % 7}"), clock.now) for number in range(40)]
    Engine(store, clock).execute(said)
    old = postgres_pool.postgres.database(f"old_{tmp_path.name}")
    with psycopg.connect(store.database.url) as source, psycopg.connect(old) as target:  # type: ignore[attr-defined]
        _make_as_before(target)
        for (table,) in target.execute("SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"):
            where = " WHERE name NOT IN ('schema', 'schema_nodes', 'first_month')" if table == "meta" else ""
            with (
                source.cursor().copy(f"COPY (SELECT * FROM {table}{where}) TO STDOUT") as rows,
                target.cursor().copy(f"COPY {table} FROM STDIN") as copied,
            ):
                for row in rows:
                    copied.write(row)
        assert target.execute("SELECT count(*) FROM event").fetchone() == (40,)
    with Store(tmp_path / "data", url=old, keys_url=store.database.url) as new:  # type: ignore[attr-defined]
        assert len(partitions(new)) == 6
        engine = Engine(new, clock)
        assert [each.verdict for each in engine.execute(said)] == ["duplicate"] * 40
        with psycopg.connect(old) as before:  # what a node of the last release says
            held = "UPDATE place SET arrival = arrival + 1 WHERE account_id = 1 RETURNING arrival"
            place = before.execute(held).fetchone()
            assert place is not None
            before.execute("INSERT INTO message SELECT 1, '\\x00112233445566778899aabbccddeeff', %s", place)
            before.execute(
                "INSERT INTO event SELECT %s, account_id, '\\x00112233445566778899aabbccddeeff', profile_id, 1, '', at, received_at, 0,"
                " NULL, NULL, NULL, '' FROM event WHERE account_id = 1 AND arrival = 1",
                place,
            )
            before.execute("INSERT INTO person_event SELECT account_id, profile_id, %s FROM event WHERE arrival = 1", place)
            before.execute("INSERT INTO tally SELECT account_id, day, 1, '', '', 1, 0, 0 FROM tally LIMIT 1")
        made(new, clock.turn(1))
        later = engine.execute([received(order(50), clock.now)])
        assert later[0].arrival == SPAN + 1
        assert (problems(new), verify(new)) == ([], [])
        assert new.database.read("SELECT count(*) FROM event_p0") == [(41,)]


def _make_as_before(target: psycopg.Connection[Any]) -> None:
    packages = {"schema": "goodword.storage.migrations", "schema_nodes": "goodword.storage.migrations.nodes"}
    for record, last in LAST_RELEASE.items():
        for number, sql in schema.migrations(packages[record])[:last]:
            for statement in dialect.schema(sql, moves_data=record != "schema" or number > 6):
                target.execute(statement)
        target.execute("INSERT INTO meta VALUES (%s, %s)", (record, str(last)))


def test_an_account_of_one_node_waits_for_its_turn_over_a_change_of_months(store: Store) -> None:
    """Places grow, whichever clock is ahead."""
    assert store.nodes is not None
    clock = Clock(store.nodes.periods)
    engine = Engine(store, clock)
    arrivals = []
    for number, period in enumerate((0, 1, 0, 1, 1, 0)):
        clock.turn(period)
        arrivals.append(engine.execute([received(order(number), clock.now)])[0].arrival)
        engine.execute([c.CreateProfile(1, f"{number}@x.com")])
    assert all(earlier < later for earlier, later in pairwise(arrivals))
    assert [arrival // SPAN for arrival in arrivals] == [0, 1, 1, 1, 1, 1]
    assert month_of(clock.now) == store.nodes.periods.first_month
    assert verify(store) == []


def test_a_period_goes_whole_where_it_is_due_for_everybody(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is what slices would have left; while another account keeps its events, slices are what is left to do."""
    town = Town(tmp_path, store=store)
    assert store.nodes is not None
    periods = store.nodes.periods
    town.now = start_of_month(periods.first_month) + 10 * DAY_MS
    other = town.engine.execute([c.CreateAccount("other")])[0].value
    town.engine.execute([c.SetCalendar(1, 0, turns_of("Australia/Sydney", town.now))])
    found = live(town)
    said = {"type": "track", "event": "Looked", "userId": "u", "messageId": "m"}
    town.engine.execute([received(said, town.now, other)])
    keep_for(town.engine, KEPT)
    counted = counts(store)
    story = why.as_json(why.why_order(store, 1, "order-1", town.now))
    town.now = periods.ended_at(0) + 40 * DAY_MS
    periods.make_ahead(town.now)
    later = town.buy("order-2", userId="ben")
    assert later.arrival > SPAN
    assert period_expiry.due(store, 0, town.now) == {}
    keep_for(town.engine, KEPT, other)
    due = period_expiry.due(store, 0, town.now)
    assert due.keys() == {1, other}
    with pytest.raises(Conflict, match=f"account {other}"):  # who wrote there after it was looked at
        period_expiry.drop(periods, 0, {1: due[1]}, {}, town.now)
    assert period_expiry.due(store, 0, periods.ended_at(0) - 1) == {}
    assert period_expiry.due(store, 1, town.now) == {}
    before = store.database.read("SELECT * FROM tally ORDER BY 1, 2, 3, 4, 5")
    with monkeypatch.context() as broken:  # somebody reads for long: nothing is changed
        broken.setattr(period_expiry, "CHANGE_TRIES", 2)
        with store.database.snapshot():
            list(store.database.load("SELECT 1 FROM event LIMIT 1"))
            with pytest.raises(DatabaseFailure):
                period_expiry.drop(periods, 0, due, {}, town.now)
        assert store.database.read("SELECT * FROM tally ORDER BY 1, 2, 3, 4, 5") == before
        assert period_expiry.due(store, 0, town.now) == due
    assert period_expiry.drop(periods, 0, due, {1: store.calendar(1)}, town.now) > 400
    assert {arrival for (arrival,) in store.database.read("SELECT arrival FROM event")} == {*found.values(), later.arrival}
    assert store.database.read("SELECT count(*) FROM event_p0 WHERE length(body) > 0") == [(0,)]
    assert expire(store, town.now) == expire(store, town.now, other) == 0
    assert period_expiry.due(store, 0, town.now) == {}
    assert set(counted) <= set(counts(store))
    assert why.as_json(why.why_order(store, 1, "order-1", town.now)) == story
    again = town.buy("ORDER-1", message_id="another", userId="ben")
    assert (again.verdict, again.arrival) == ("duplicate", found["order"])
    assert verify(store) == []
    store.database.script(["ALTER TABLE message DETACH PARTITION message_p1"])  # type: ignore[attr-defined]
    store.database.script(["ALTER TABLE message ATTACH PARTITION message_p1 FOR VALUES FROM (100000000000) TO (199000000000)"])  # type: ignore[attr-defined]
    assert verify(store) == ["The partition message_p1 is for other places than its period's."]
    town.close()


def first_month(store: Store, tmp_path: Path) -> tuple[Town, Periods]:
    """A town that lived in the first period, and keeps its events for a while."""
    town = Town(tmp_path, store=store)
    assert store.nodes is not None
    periods = store.nodes.periods
    town.now = start_of_month(periods.first_month) + 10 * DAY_MS
    live(town)
    keep_for(town.engine, KEPT)
    return town, periods


def test_while_a_period_goes_everybody_writes_and_reads_on(store: Store, tmp_path: Path) -> None:
    """Laws 1 and 2 meanwhile; and two nodes that both think it is theirs to do count what went once."""
    town, periods = first_month(store, tmp_path)
    town.now = periods.ended_at(0) + 40 * DAY_MS
    periods.make_ahead(town.now)
    due = period_expiry.due(store, 0, town.now)
    stop, written = Event(), list[int]()

    def write() -> None:
        while not stop.is_set() or len(written) < 20:
            number = len(written)
            outcomes = town.engine.execute([received(order(f"later-{number}", f"u{number % 9}"), town.now)])
            assert outcomes[0].verdict == "stored"
            written.append(outcomes[0].arrival)
            newest = sorted((each.arrival for each in messages(store, 1, 5)), reverse=True)
            assert newest[: len(written)] == written[:-6:-1]  # of what was there before, few are left once the period is gone

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            after, upto = 0, next(iter(due.values()))
            late = expiry.Expiring(store, 1, after, upto, town.now)
            list(late.read_claims())
            assert period_expiry.drop(periods, 0, due, {}, town.now) > 400
        finally:
            stop.set()
        writing.result(120)
    assert late.remove([3, 4, 5, upto]) == 0
    assert store.database.read("SELECT count(*) FROM event WHERE arrival >= ?", (SPAN,)) == [(len(written),)]
    assert verify(store) == []
    town.close()


def test_the_worker_makes_partitions_and_lets_periods_go(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROUND_S", 0.05)
    town, periods = first_month(store, tmp_path)
    town.now = periods.ended_at(0) + 80 * DAY_MS
    file = store.database.read("SELECT pg_relation_filenode('event_p0')")

    async def run() -> None:
        leases = Leases(store)
        task = asyncio.create_task(retention.tend_log(town.engine, leases))
        for _ in range(1_200):
            await asyncio.sleep(0.05)
            await town.engine.alone(leases.renew)
            if store.database.read("SELECT count(*) FROM event") == [(3,)] and "message_p0" not in partitions(store):
                break
        task.cancel()
        await town.engine.alone(lambda: None)  # after what it had begun

    asyncio.run(run())
    assert store.database.read("SELECT count(*) FROM event") == [(3,)]
    assert store.database.read("SELECT pg_relation_filenode('event_p0')") != file
    period = periods.period_of(town.now)
    assert {f"event_p{period}", f"event_p{period + 1}"} <= set(partitions(store))
    assert "message_p0" not in partitions(store)
    assert verify(store) == []
    town.close()


def test_a_migration_may_take_longer_than_a_statement_of_a_group(
    postgres_pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making partitions reads the whole log once; and nodes that start together wait for the first."""
    real = schema.migrations

    def slower(package: str = "goodword.storage.migrations") -> list[tuple[int, str]]:
        found = real(package)
        slow = (len(found) + 1, f"CREATE TABLE slow AS SELECT 1 AS number FROM pg_sleep({WAIT_S + 1})")
        return [*found, slow] if package.endswith("nodes") else found

    monkeypatch.setattr("goodword.storage.schema_nodes.migrations", slower)
    url = postgres_pool.postgres.database(f"slow_{tmp_path.name}")
    (tmp_path / "keys").mkdir(mode=0o700)
    Store(tmp_path / "keys", url=postgres_pool.postgres.database(f"keys_{tmp_path.name}")).close()
    keys = f"keys_{tmp_path.name}"
    with ThreadPoolExecutor(2) as pool:
        opened = pool.map(lambda _: Store(tmp_path / "keys", url=url, keys_url=postgres_pool.postgres.url(keys)), range(2))
        for store in opened:
            assert store.database.read("SELECT number FROM slow") == [(1,)]
            store.close()
