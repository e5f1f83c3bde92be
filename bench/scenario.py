"""What is measured, in which order: on empty stores, and on a store grown through the front door."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.driver import Fill
from bench.run import BATCHES, FIRST_PASS, REPEATS, SINGLES, SINGLES_MANY, Run
from bench.server import Server, create_key, drop_page_cache
from bench.store import Store

EMPTY = "empty"
_WARM_UP_S_MAX = 30.0


def label_of(events: int) -> str:
    """How a store of this size is called in the tables: `1.0 M`, `250 k`."""
    return f"{events / 1e6:.1f} M" if events >= 1_000_000 else f"{events / 1e3:.0f} k"


@contextmanager
def _fresh(run: Run, name: str) -> Iterator[tuple[Server, str, Store]]:
    """A server on a new store, its key, and the store, which is deleted afterwards."""
    store = Store.open(run.folder / name)
    try:
        with Server(run.program, store.data) as server:
            key = create_key(run.program, store.data)
            run.check_door(server, key)
            yield server, key, store
    finally:
        store.remove()


def measure_empty(run: Run) -> None:
    """A new store for every window: singles, batches, and batches at half the rate just seen."""
    for number in range(run.repeats):
        for workload in (SINGLES, SINGLES_MANY, BATCHES):
            store = Store.open(run.folder / f"empty-{number}-{workload.connections}")
            with run.between_floors(EMPTY, workload.name):
                with Server(run.program, store.data) as server:
                    run.started(EMPTY, "first", server)
                    key = create_key(run.program, store.data)
                    run.check_door(server, key)
                    window = run.window(server, key, store, EMPTY, workload)
                    if workload is BATCHES:
                        run.half_load(server, key, store, EMPTY, window.rate)
                if workload is BATCHES and number == run.repeats - 1:
                    run.size(store, EMPTY)
                store.remove()


def measure_trouble_empty(run: Run, repeats: int) -> None:
    """On new stores: half of all messages repeated; a flood; a kill."""
    for number in range(repeats):
        with run.between_floors(EMPTY, REPEATS.name), _fresh(run, f"repeats-{number}") as (server, key, store):
            run.window(server, key, store, EMPTY, REPEATS)
        with _fresh(run, f"overload-{number}") as (server, key, store):
            run.overload(server, key, store, EMPTY)
            run.kill_and_restart(server, key, store, EMPTY)


def fill(run: Run, store: Store, events: int) -> None:
    """Grow `store` to `events` stored events, in batches over HTTP; nothing is done if it has them."""
    missing = events - store.events
    if missing <= 0:
        run.console.print(f"  the store holds {store.events:,} events already")
        return
    columns = (
        TextColumn("  fill"), BarColumn(), TextColumn("{task.fields[rate]:>9,.0f} events/s"),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Server(run.program, store.data) as server, Progress(*columns, console=run.console) as progress:
        key = create_key(run.program, store.data)
        run.check_door(server, key)
        bar = progress.add_task("fill", total=missing, rate=0.0)
        began = time.perf_counter()

        def on_progress(stored: int) -> None:
            progress.update(bar, completed=stored, rate=stored / (time.perf_counter() - began))

        from_ms, to_ms = store.fill_span_ms()
        filler = Fill(server, key, run.traffic, missing, from_ms, to_ms, on_progress)
        try:
            filler.run()
        finally:  # what an interrupted fill has stored, the next one need not
            store.add(filler.messages_stored, filler.events_stored, to_ms)
            store.save()
    rate = filler.messages_stored / filler.seconds
    run.console.print(f"  filled: {filler.messages_stored:,} messages in {filler.seconds:.0f} s, {rate:,.0f} messages/s")


def measure_grown(run: Run, store: Store, events: int) -> None:
    """Fill, then: cold starts with the first pass over all profiles, everything warm, a flood, a kill."""
    fill(run, store, events)
    label = label_of(store.events)
    run.size(store, label)
    server = Server(run.program, store.data)
    key, rate = "", 0.0
    try:
        for _ in range(run.repeats):
            server.stop()
            if not store.next_hour():
                run.warn(f"{label}: message times have reached now, profiles may count as seen: not quite a first pass")
            drop_page_cache(store.data)
            with run.between_floors(label, FIRST_PASS, server):
                run.started(label, "cold page cache", server.start())
                key = create_key(run.program, store.data)
                rate = run.window(server, key, store, label, BATCHES, FIRST_PASS).rate
        warm_up_s = min(_WARM_UP_S_MAX, 2 * run.people / rate)
        run.console.print(f"  warming up for {warm_up_s:.0f} s")
        run.wrk(server, key, store, BATCHES, warm_up_s)
        for _ in range(run.repeats):
            for workload in (BATCHES, SINGLES, SINGLES_MANY, REPEATS):
                with run.between_floors(label, workload.name, server):
                    window = run.window(server, key, store, label, workload)
                    if workload is BATCHES:
                        run.half_load(server, key, store, label, window.rate)
            store.save()
        for _ in range(run.repeats):
            run.overload(server, key, store, label)
        run.kill_and_restart(server, key, store, label)
        server.stop()
    finally:
        server.kill()
        store.save()
