"""The machine that writes dies under load: nothing acknowledged is lost, nothing counts twice, service is back within 30 s."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from goodword.core.account import Scope
from goodword.storage.store import Store
from goodword.storage.verify import verify
from tests.cluster.machines import Cluster
from tests.running import Answer, Server, make_key, problems, run, stored_hashes

BACK_S = 30
SENDERS = 4
PAUSE_S = 0.05


class Sender(threading.Thread):
    """Sends orders one after the other as a careful client does: the same again until it is told 200."""

    def __init__(self, server: Server, key: str, name: str) -> None:
        super().__init__()
        self._server, self._key, self._prefix = server, key, name
        self.is_over = threading.Event()
        self.acknowledged: list[str] = []
        self.answers: list[tuple[float, Answer]] = []
        self.failure: Exception | None = None
        self.slowest_s = 0.0

    def run(self) -> None:
        try:
            while not self.is_over.is_set():
                self._send(f"{self._prefix}-{len(self.acknowledged)}")
        except (OSError, http.client.HTTPException) as error:
            self.failure = error

    def _send(self, name: str) -> None:
        order = {"partner_conversion_id": name, "cart_value": "9.99"}
        said = {"type": "track", "event": "conversion", "userId": self._prefix, "messageId": name, "properties": order}
        while True:
            started = time.monotonic()
            answer = self._server.post("/v1/track", said, self._key)
            ended = time.monotonic()
            self.slowest_s = max(self.slowest_s, ended - started)
            self.answers.append((ended, answer))
            if answer.status == 200:
                self.acknowledged.append(name)
            elif self.is_over.is_set():
                return
            time.sleep(PAUSE_S)
            if answer.status == 200:
                return


def ready_until(server: Server, key: str, deadline: float) -> list[Any]:
    """What `/readyz` said was wrong, until it said that nothing is. A door that reads says 503 meanwhile, never 500."""
    said: list[Any] = []
    while (answer := server.get("/readyz")).status != 200 or not said:
        assert time.monotonic() < deadline, answer
        if answer.status != 200:
            said += answer.json["problems"]
            read = server.get("/v5/persons?person_keys=partner_user_id:sender0", Authorization=f"Bearer {key}")
            assert read.status == 200 or (read.status == 503 and read.headers["retry-after"].isdigit()), read
        time.sleep(0.2)
    return said


def test_the_machine_that_writes_dies_under_load(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    env = {"GOODWORD_DATABASE_URL": cluster.url}
    monkeypatch.setenv("GOODWORD_DATABASE_URL", cluster.url)
    key, reading = make_key(data), make_key(data, Scope.SERVER)
    with Server(data, env=env) as server:
        senders = [Sender(server, key, f"sender{number}") for number in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            time.sleep(3)
            dead = cluster.leader()
            dead.kill()
            died = time.monotonic()
            said = ready_until(server, reading, died + BACK_S)
            back_s = time.monotonic() - died
            time.sleep(2)
        finally:
            for sender in senders:
                sender.is_over.set()
            for sender in senders:
                sender.join()
        answers = [answer for sender in senders for answer in sender.answers]
        first = {sender.name: min(at for at, answer in sender.answers if answer.status == 200 and at > died + 1) for sender in senders}
        acknowledged = [name for sender in senders for name in sender.acknowledged]
        statuses = Counter(answer.status for _, answer in answers)
        checked = run("verify", "--data", str(data), env=env)
    print(f"back after {back_s:.1f} s; {statuses}; slowest answer {max(sender.slowest_s for sender in senders):.1f} s")
    print(*sorted({json.dumps(one) for one in said}), sep="\n")
    assert [sender.failure for sender in senders] == [None] * SENDERS
    assert set(statuses) == {200, 503}
    assert all(answer.headers["retry-after"].isdigit() for _, answer in answers if answer.status == 503)
    assert max(first.values()) - died < BACK_S
    assert any("read-only" in one for one in said), said
    assert (checked.returncode, checked.stdout) == (0, ""), checked
    with Store(data, url=cluster.url) as store:
        assert set(stored_hashes(store, 1, acknowledged).values()) == {1}
        conversions = store.database.read("SELECT count(*) FROM event WHERE name = 'conversion' AND duplicate_of IS NULL")
        assert conversions[0][0] in range(len(acknowledged), len(acknowledged) + SENDERS + 1)
        assert (problems(store), verify(store)) == ([], [])


def test_a_machine_that_comes_back_follows(cluster: Cluster) -> None:
    cluster.mend()
    cluster.wait_until_whole()
