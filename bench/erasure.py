"""What deleting a person costs: `python -m bench erasure`.

Persons with 17 and with 1,000 events each, their events scattered among those of everybody else; then one delete after
the other over one connection, timed from the request to its answer, the commit included.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path
from statistics import median

from bench.driver import Connection, DriverFailed, percentile
from bench.run import Run
from bench.server import Server, create_key
from bench.store import Store
from bench.traffic import IDENTIFY, Traffic, batch_body

ORDINARY_EVENTS, ORDINARY_PERSONS = 17, 200
BUSY_EVENTS, BUSY_PERSONS = 1_000, 10
FIRST_PERSON = 90_000_000
"""Above every person of the load, so that only these are deleted."""
BATCH = 100


def main(run: Run, folder: Path | None) -> int:
    """Print the milliseconds a delete takes; on the store kept in `folder`, else on a new one."""
    store = Store.open(folder or run.folder / "erasure")
    try:
        with Server(run.program, store.data) as server:
            key = create_key(run.program, store.data)
            run.check_door(server, key)
            asyncio.run(_measure(run, server, key, store))
    finally:
        store.save()
    return 0


async def _measure(run: Run, server: Server, key: str, store: Store) -> None:
    connection = Connection(server, key)
    first = FIRST_PERSON + random.randrange(9_000_000)
    ordinary = range(first, first + ORDINARY_PERSONS)
    busy = range(ordinary.stop, ordinary.stop + BUSY_PERSONS)
    messages = _messages(run.traffic, ordinary, busy)
    began = time.perf_counter()
    for at in range(0, len(messages), BATCH):
        status, answer = await connection.post("/v1/batch", batch_body(messages[at : at + BATCH], key))
        if status != 200:
            raise DriverFailed(f"a batch was answered {status}: {answer[:500]!r}")
    store.add(run.traffic.messages_made, run.traffic.events_made, 0)
    run.console.print(f"stored {len(messages):,} messages in {time.perf_counter() - began:.1f} s; now deleting")
    for persons, events in ((ordinary, ORDINARY_EVENTS), (busy, BUSY_EVENTS)):
        taken_ms = []
        for person in persons:
            body = json.dumps({"type": "delete", "userId": f"user-{person:08d}"}).encode()
            asked_at = time.perf_counter()
            status, answer = await connection.post("/segment", body)
            taken_ms.append((time.perf_counter() - asked_at) * 1000)
            if status != 200:
                raise DriverFailed(f"a delete was answered {status}: {answer[:500]!r}")
        run.console.print(
            f"{len(taken_ms):>5} persons with {events:>5,} events: median {median(taken_ms):7.2f} ms each, "
            f"p99 {percentile(taken_ms, 99):7.2f}, max {max(taken_ms):7.2f}"
        )
    connection.close()


def _messages(traffic: Traffic, ordinary: range, busy: range) -> list[bytes]:
    """All messages in random order: of the persons to be deleted, and twice as many of others; an identify each."""
    identify = next(template for template in traffic.templates if template.kind == IDENTIFY)
    events = [template for template in traffic.templates if template.kind != IDENTIFY]
    at_ms = int(time.time() * 1000)
    made = []
    for persons, count in ((ordinary, ORDINARY_EVENTS), (busy, BUSY_EVENTS)):
        for person in persons:
            made.append(traffic.fresh(identify, person, at_ms))
            made += [traffic.fresh(random.choice(events), person, at_ms - number) for number in range(count)]
    others = (random.randrange(traffic.people) for _ in range(2 * len(made)))
    made += [traffic.fresh(random.choice(events), person, at_ms) for person in others]
    random.shuffle(made)
    return made
