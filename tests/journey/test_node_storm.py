"""Laws 1 and 2 with four writer processes on one PostgreSQL: nodes and the database are killed in turn under load.

Short by default; three minutes with GOODWORD_FULL=1.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from goodword.core.account import Scope
from goodword.storage.store import Store
from tests.conftest import MARK
from tests.postgres import NoPostgres, Postgres
from tests.running import Server, make_key, problems, run, stored_hashes

STORM_S = 180.0 if os.environ.get("GOODWORD_FULL") == "1" else 15.0
NODES = 4
SENDERS = 4
PAUSE_S = 0.02
CALM_S = (0.3, 2.0)
ADVOCATES = 100
SEED = 20_261_130
DRAINED_S = 120
CAMPAIGN = {
    "campaign": "storm",
    "program": "storm",
    "share": {"destination": "https://shop.example.com/"},
    "quality": {"advocate_outcomes": {"action": "off"}},
    "rewards": [
        {"name": "advocate", "to": "advocate", "value": {"amount": "10"}},
        {"name": "friend", "to": "friend", "value": {"amount": "1"}},
    ],
}


def order(n: int, copy: int) -> dict[str, Any]:
    """A friend's only order; copies are the same order under message ids of their own."""
    properties = {
        "partner_conversion_id": f"order-{n}",
        "cart_value": "20.00",
        "email": f"{chr(97 + n % 26)}{n * 7919}@post{n % 53}.example",
        "advocate_partner_user_id": f"advocate-{n % ADVOCATES}",
    }
    return {"type": "track", "event": "conversion", "userId": f"friend-{n}", "messageId": f"m{n}-{copy}", "properties": properties}


class Fleet:
    """Four nodes on one database, each of them mortal."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self.postgres = postgres
        self.url = postgres.database("storm")
        self.folders = [folder / f"node{number}" for number in range(NODES)]
        self.master = os.urandom(32)
        self.env = {"GOODWORD_DATABASE_URL": self.url, "GOODWORD_MASTER_KEY": base64.b64encode(self.master).decode()}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.env.items():
                patch.setenv(name, value)
            self.key = make_key(self.folders[0], Scope.SERVER)
        document = folder / "storm.json"
        document.write_text(json.dumps(CAMPAIGN))
        done = run("campaign", "apply", str(document), "--publish", "--data", str(self.folders[0]), env=self.env)
        assert done.returncode == 0, done.stdout + done.stderr
        with ThreadPoolExecutor(NODES) as pool:
            self.nodes = list(pool.map(lambda data: Server(data, env=self.env), self.folders))
        batch = [
            {
                "type": "identify",
                "userId": f"advocate-{n}",
                "messageId": f"a{n}",
                "traits": {"email": f"{'abcdefghijklmnopqrst'[n % 20] * 5}@work{n}.example"},
            }
            for n in range(ADVOCATES)
        ]
        assert self.nodes[0].post("/v1/batch", {"batch": batch}, self.key).status == 200

    def kill_node(self, place: int) -> None:
        """SIGKILL, and another in its place."""
        self.nodes[place].kill()
        self.nodes[place] = Server(self.folders[place], env=self.env)

    def kill_database(self) -> None:
        """SIGKILL to all of it, and again."""
        self.postgres.kill()
        self.postgres.start()

    def open(self) -> Store:
        """The data, as another node sees it."""
        return Store(self.folders[0].parent / "eye", url=self.url, master=self.master)

    def close(self) -> None:
        """Stop what lives."""
        for node in self.nodes:
            node.kill()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    try:
        postgres = Postgres()
    except NoPostgres as error:
        pytest.skip(f"{MARK}{error.__doc__}")
    with postgres:
        made = Fleet(tmp_path_factory.mktemp("storm"), postgres)
        yield made
        made.close()


class Senders:
    """Clients that send each batch, to whichever node, until it is acknowledged; now and then to all nodes at once."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.acknowledged: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self.failures: list[BaseException] = []
        self._numbers = iter(range(1_000, 1 << 40))
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(SEED + number,)) for number in range(SENDERS)]

    def _run(self, seed: int) -> None:
        dice = random.Random(seed)
        try:
            while not self._over.is_set():
                with self._lock:
                    numbers = [next(self._numbers) for _ in range(dice.choice((1, 1, 2, 8)))]
                batch = [order(n, copy) for n in numbers for copy in dice.sample(range(4), dice.choice((1, 2)))]
                self._deliver(batch, dice)
                time.sleep(PAUSE_S)
        except BaseException as error:
            self.failures.append(error)

    def _deliver(self, batch: list[dict[str, Any]], dice: random.Random) -> None:
        deadline = time.monotonic() + DRAINED_S
        while True:
            nodes = list(self.fleet.nodes) if dice.random() < 0.1 else [dice.choice(self.fleet.nodes)]
            with ThreadPoolExecutor(len(nodes)) as pool:
                statuses = list(pool.map(lambda node: self._post(node, batch), nodes))
            with self._lock:
                self.statuses.update(statuses)
                if 200 in statuses:
                    self.acknowledged |= {message["messageId"] for message in batch}
                    return
            assert time.monotonic() < deadline, statuses
            time.sleep(PAUSE_S)

    def _post(self, node: Server, batch: list[dict[str, Any]]) -> int:
        try:
            status = node.post("/v1/batch", {"batch": batch}, self.fleet.key).status
        except (OSError, http.client.HTTPException):
            return 0
        assert status in (200, 503), status
        return status

    def __enter__(self) -> Senders:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def check(fleet: Fleet, acknowledged: set[str]) -> int:
    """Every message once, every order's rewards once, and all is well; how many orders there are."""
    with fleet.open() as store:
        counts = stored_hashes(store, 1, sorted(acknowledged))
        assert {message: count for message, count in counts.items() if count != 1} == {}
        read = store.database.read
        (orders,) = read("SELECT count(*) FROM event WHERE name = 'conversion' AND duplicate_of IS NULL")[0]
        states = read("SELECT name, state, count(*) FROM reward GROUP BY name, state ORDER BY name")
        assert states == [("advocate", "FULFILLED", orders), ("friend", "FULFILLED", orders)]
        assert read("SELECT journey_id, name FROM reward GROUP BY journey_id, name HAVING count(*) > 1") == []
        assert read("SELECT count(*), count(DISTINCT reward_id), sum(amount) FROM posting") == [(2 * orders, 2 * orders, 1_100 * orders)]
        assert problems(store) == []
    verified = run("verify", "--data", str(fleet.folders[0]), env=fleet.env)
    assert (verified.returncode, verified.stdout) == (0, ""), verified.stdout + verified.stderr
    return int(orders)


def test_the_same_conversions_at_four_processes_at_once_count_and_pay_once(fleet: Fleet) -> None:
    batches = [[order(n, copy) for n in range(start, start + 3)] for start in range(0, 60, 3) for copy in (0, 1)]
    meet = threading.Barrier(NODES)

    def send(node: Server) -> None:
        for batch in batches:
            meet.wait(60)
            assert node.post("/v1/batch", {"batch": batch}, fleet.key).status == 200

    with ThreadPoolExecutor(NODES) as pool:
        list(pool.map(send, fleet.nodes))
    assert check(fleet, {message["messageId"] for batch in batches for message in batch}) == 60


def test_laws_1_and_2_nodes_and_the_database_killed_in_turn_under_load(fleet: Fleet) -> None:
    dice = random.Random(SEED)
    kills: Counter[str] = Counter()
    ends = time.monotonic() + STORM_S
    with Senders(fleet) as senders:
        while time.monotonic() < ends or kills.total() < NODES + 1:
            for place in (*range(NODES), None):
                time.sleep(dice.uniform(*CALM_S))
                if place is None:
                    fleet.kill_database()
                    kills["database"] += 1
                else:
                    fleet.kill_node(place)
                    kills["node"] += 1
                if time.monotonic() > ends and kills["database"]:
                    break
        deadline = time.monotonic() + DRAINED_S
        while fleet.nodes[0].get("/readyz").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert senders.failures == []
    orders = check(fleet, senders.acknowledged)
    print(f"\n{dict(kills)} kills; {len(senders.acknowledged)} acknowledged, {orders} orders; answers {dict(senders.statuses)}")
    assert len(senders.acknowledged) > 100
