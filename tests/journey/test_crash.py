"""Law 1 and law 2 through a power cut: `kill -9` under load, twenty times, loses nothing that was acknowledged and doubles nothing."""

from __future__ import annotations

import http.client
import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from goodword.storage.store import Store
from tests.running import Server, basic, make_key, problems, run, stored_hashes

KILLS = 20
SENDERS = 6
LOAD_S = (0.05, 0.9)
READY_S_MAX = 10.0
HURRIED = """
from goodword.storage import fold, sqlite
fold.WAITING_MAX, fold.PARTITION_ROWS_MAX, sqlite.WAL_PAGES_MAX = 800, 6_000, 400
"""  # small bounds, so that the kills fall into folds, new partitions and checkpoints too
SEED = 20_260_101


class Load:
    """Clients that send until told to stop, and remember what was acknowledged. What was not, they send again to the next server."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.acknowledged: set[str] = set()
        self.sent: set[str] = set()
        self.orders: set[str] = set()
        self._unsure: list[list[dict[str, object]]] = []
        self._lock = threading.Lock()
        self._numbers = iter(range(1, 1 << 40))

    def batch(self, size: int) -> list[dict[str, object]]:
        """New messages: registrations, conversions and identifies of few people, so that profiles meet and grow."""
        with self._lock:
            numbers = [next(self._numbers) for _ in range(size)]
        made: list[dict[str, object]] = []
        for n in numbers:
            person = {"userId": f"u{n % 97}", "anonymousId": f"a{n % 211}", "messageId": f"m{n}"}
            if n % 3 == 0:
                made.append({"type": "identify", "traits": {"email": f"u{n % 97}@example.com", "visits": n}, **person})
            elif n % 3 == 1:
                properties = {"partner_conversion_id": f"order-{n // 2}", "cart_value": n}  # each order twice, often in two batches
                made.append({"type": "track", "event": "conversion", "properties": properties, **person})
            else:
                made.append({"type": "track", "event": "viewed", "properties": {"n": n}, **person})
        return made

    def run(self, server: Server, stop: threading.Event, seed: int) -> None:
        """One client's life."""
        dice = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        while not stop.is_set():
            with self._lock:
                messages = self._unsure.pop() if self._unsure else None
            if messages is None:
                messages = self.batch(dice.choice((1, 1, 1, 20, 100)))
            ids = {str(message["messageId"]) for message in messages}
            self.sent |= ids
            try:
                if len(messages) == 1:
                    connection.request("POST", "/segment", json.dumps(messages[0]), basic(self.key))
                else:
                    connection.request("POST", "/v1/batch", json.dumps({"batch": messages}), basic(self.key))
                response = connection.getresponse()
                response.read()
                status = response.status
            except (OSError, http.client.HTTPException):
                status = 0
                connection.close()
            with self._lock:
                if status == 200:
                    self.acknowledged |= ids
                else:
                    assert status in (0, 503), status
                    self._unsure.append(messages)
        connection.close()

    def drive(self, server: Server, seconds: float, seed: int, number: signal.Signals) -> None:
        """Send for a while, then signal the server in the midst of it."""
        stop = threading.Event()
        senders = [threading.Thread(target=self.run, args=(server, stop, seed * SENDERS + i)) for i in range(SENDERS)]
        for sender in senders:
            sender.start()
        time.sleep(seconds)
        server.send_signal(number)
        server.wait()
        stop.set()
        for sender in senders:
            sender.join()


def _check(data: Path, load: Load) -> None:
    with Store(data) as store:
        counts = stored_hashes(store, 1, sorted(load.sent))
        lost = [message_id for message_id in load.acknowledged if counts[message_id] != 1]
        doubled = [message_id for message_id, count in counts.items() if count > 1]
        assert lost == []
        assert doubled == []
        assert problems(store) == []
        sql = "SELECT count(*) FROM event WHERE name = 'conversion' AND duplicate_of IS NULL"
        (stored,) = store.database.read(sql)[0]
        (claims,) = store.database.read("SELECT count(*) FROM claim")[0]
        assert stored == claims, "an order counted twice"


def _moments() -> Iterator[float]:
    dice = random.Random(SEED)
    while True:
        yield dice.uniform(*LOAD_S)


def test_law_1_acknowledged_is_stored_exactly_once_after_kill_9_at_any_moment(tmp_path: Path) -> None:
    data = tmp_path / "data"
    load = Load(make_key(data))
    ready = []
    moments = _moments()
    for round_number in range(KILLS):
        server = Server(data, before=HURRIED)
        ready.append(server.ready_s)
        load.drive(server, next(moments), round_number, signal.SIGKILL)
        with Store(data) as store:  # at every crash: nothing acknowledged is missing
            counts = stored_hashes(store, 1, sorted(load.acknowledged))
            assert [message_id for message_id, count in counts.items() if count != 1] == []
    _check(data, load)
    verified = run("verify", "--data", str(data))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    figure = f"restart to ready: {sorted(ready)[len(ready) // 2]:.2f} s median, {max(ready):.2f} s at most"
    print(f"\n{KILLS} kills, {len(load.acknowledged)} acknowledged, {len(load.sent) - len(load.acknowledged)} unsure; {figure}")
    assert len(load.acknowledged) > 1_000
    assert max(ready) < READY_S_MAX


def test_sigterm_under_load_drains_and_exits_0(tmp_path: Path) -> None:
    data = tmp_path / "data"
    load = Load(make_key(data))
    for round_number in range(3):
        server = Server(data)
        load.drive(server, 0.6, round_number, signal.SIGTERM)
        assert server.wait() == 0
    _check(data, load)
    assert len(load.acknowledged) > 300


def test_a_lost_or_doubled_message_would_be_seen(tmp_path: Path) -> None:
    data = tmp_path / "data"
    load = Load(make_key(data))
    with Server(data) as server:
        for _ in range(20):
            messages = load.batch(5)
            ids = {str(message["messageId"]) for message in messages}
            assert server.post("/v1/batch", {"batch": messages}, load.key).status == 200
            load.acknowledged |= ids
            load.sent |= ids
    _check(data, load)
    with Store(data) as store:
        store.database.write("INSERT INTO event SELECT arrival + 100000, account_id, hash, profile_id, type, name, at, received_at, flags,"
                             " duplicate_of, amount, currency, body FROM event WHERE arrival = 7")  # fmt: skip
        assert max(stored_hashes(store, 1, sorted(load.sent)).values()) == 2
        assert problems(store) != []
        store.database.write("DELETE FROM event WHERE hash = (SELECT hash FROM event WHERE arrival = 7)")
        assert min(stored_hashes(store, 1, sorted(load.sent)).values()) == 0
    assert run("verify", "--data", str(data)).returncode == 1
