"""Many at once: one conversion sent by 64 clients is one event, overload is said and not suffered, accounts never mix."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from goodword.core.account import Scope
from goodword.storage.store import Store
from tests.running import Answer, Server, basic, make_key, problems, rows, stored_hashes

CLIENTS = 64
SAID_S_MAX = 5.0


def _at_once(many: int, act: Callable[[int], Answer]) -> list[Answer]:
    """Have as many clients act at the same moment; their answers."""
    gate = threading.Barrier(many)
    answers: list[Answer | None] = [None] * many

    def client(number: int) -> None:
        gate.wait()
        answers[number] = act(number)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answer for answer in answers if answer is not None]


def _conversion(order: str, **fields: Any) -> dict[str, Any]:
    properties = {"partner_conversion_id": order, "cart_value": "10.00"}
    return {"type": "track", "event": "conversion", "userId": "u1", "properties": properties, **fields}


def test_law_2_one_conversion_from_64_clients_by_every_door_is_one_event(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = make_key(data)
    with Server(data) as server:
        for turn in range(4):
            said = _conversion(f"order {turn}", messageId=f"m{turn}")

            def send(number: int, said: dict[str, Any] = said) -> Answer:
                if number % 4 == 0:
                    return server.post("/segment", said, key)
                if number % 4 == 1:
                    return server.post("/v1/track", said, key)
                if number % 4 == 2:
                    return server.post("/segment", [said, said], key)
                return server.post("/v1/batch", {"batch": [said, said]}, key)

            answers = _at_once(CLIENTS, send)
            assert {answer.status for answer in answers} == {200}
            assert len({answer.json["eventId"] for answer in answers[::4]}) == 1, "a repeat is answered like the original"
        assert rows(data, "SELECT count(*) FROM event") == [(4,)]
        assert rows(data, "SELECT sum(count), sum(duplicates), sum(amount) FROM tally") == [(4, 0, 4_000)]


def test_law_2_one_order_under_64_message_ids_counts_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = make_key(data)
    with Server(data) as server:

        def send(number: int) -> Answer:
            said = _conversion("the order", messageId=f"m{number}", userId=f"u{number % 3}")
            return server.post("/segment", said, key) if number % 2 else server.post("/v1/batch", {"batch": [said]}, key)

        answers = _at_once(CLIENTS, send)
        assert {answer.status for answer in answers} == {200}
        assert len({answer.json["eventId"] for answer in answers[1::2]}) == 1
        assert rows(data, "SELECT count(*) FROM event WHERE duplicate_of IS NULL") == [(1,)]
        assert rows(data, "SELECT sum(count), sum(duplicates), sum(amount) FROM tally") == [(1, CLIENTS - 1, 1_000)]
    with Store(data) as store:
        assert problems(store) == []


def test_64_first_messages_of_one_person_make_one_profile(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = make_key(data)
    with Server(data) as server:

        def send(number: int) -> Answer:
            said = {"type": "identify", "userId": "new", "messageId": f"m{number}", "traits": {f"t{number}": number}}
            return server.post("/v1/identify" if number % 2 else "/segment", said, key)

        assert {answer.status for answer in _at_once(CLIENTS, send)} == {200}
        assert rows(data, "SELECT count(*) FROM profile") == [(1,)]
    with Store(data) as store:
        number, doc = store.database.read("SELECT id, doc FROM profile")[0]
        data_key = store.keys.key(number)
        assert data_key is not None
        assert len(store.sealer.open_profile(data_key, doc).parameters) == CLIENTS
        assert problems(store) == []


SLOW = """
import time
from goodword import engine
from goodword.engine import Engine
engine.WAITING_MAX = 200
execute = Engine._execute
def slowly(self, commands):
    time.sleep(0.004 * len(commands))
    return execute(self, commands)
Engine._execute = slowly
"""


def test_law_10_overload_is_said_quickly_while_what_was_accepted_is_done(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = make_key(data)
    counts: Counter[int] = Counter()
    acknowledged: list[str] = []
    refused: list[Answer] = []
    lock = threading.Lock()
    with Server(data, before=SLOW) as server:
        until = time.monotonic() + 4

        def client(number: int) -> Answer:
            turn = 0
            kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            while True:
                turn += 1
                ids = [f"{number}-{turn}-{i}" for i in range(25)]
                batch = [{"type": "track", "event": "seen", "userId": f"u{number}", "messageId": message_id} for message_id in ids]
                kept.request("POST", "/v1/batch", json.dumps({"batch": batch}), basic(key))
                response = kept.getresponse()
                answer = Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
                with lock:
                    counts[answer.status] += 1
                    if answer.status == 200:
                        acknowledged.extend(ids)
                    else:
                        refused.append(answer)
                if time.monotonic() > until:
                    kept.close()
                    return answer
                time.sleep(0.01)

        _at_once(CLIENTS, client)
        assert set(counts) == {200, 503}, counts
        assert counts[200] > 10
        assert counts[503] > 10
        for answer in refused:
            assert int(answer.headers["retry-after"]) >= 1
            assert set(answer.json) >= {"code", "message"}
        assert server.post("/segment", _conversion("after"), key).status == 200
        assert server.get("/readyz").status == 200
    with Store(data) as store:
        assert set(stored_hashes(store, 1, acknowledged).values()) == {1}
        (stored,) = store.database.read("SELECT count(*) FROM event WHERE name = 'seen'")[0]
        assert stored == len(acknowledged), "what was refused was not stored in part"
        assert problems(store) == []
    print(f"\noverload: {counts[200]} batches taken, {counts[503]} refused")


def test_law_10_a_refusal_is_said_at_once(tmp_path: Path) -> None:
    """The queue is full and the writer idle: a refusal does not wait for it."""
    data = tmp_path / "data"
    key = make_key(data)
    stuck = "from goodword import engine\nengine.Engine._settle = lambda self, arrived: None\nengine.WAITING_MAX = 10"
    server = Server(data, before=stuck)
    try:
        threads = [threading.Thread(target=_quietly, args=(server, key, number)) for number in range(10)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 60
        while b"goodword_queue_depth 10" not in server.get("/metrics").body:
            assert time.monotonic() < until
            time.sleep(0.02)
        for path in ("/segment", "/v1/track", "/v1/batch"):
            said: dict[str, Any] = _conversion("o")
            started = time.perf_counter()
            answer = server.post(path, {"batch": [said]} if path == "/v1/batch" else said, key)
            assert time.perf_counter() - started < SAID_S_MAX
            assert answer.status == 503
            assert answer.headers["retry-after"].isdigit()
        assert server.get("/healthz").status == 200
        assert server.get("/readyz").status == 503
    finally:
        server.kill()
        for thread in threads:
            thread.join()


def _quietly(server: Server, key: str, number: int) -> None:
    try:
        server.post("/segment", _conversion(f"o{number}", messageId=f"m{number}"), key)
    except OSError:
        return


def test_law_8_two_accounts_with_the_same_ids_never_mix(tmp_path: Path) -> None:
    data = tmp_path / "data"
    keys = [make_key(data, account=name) for name in ("alpha", "beta")]
    with Server(data) as server:

        def send(number: int) -> Answer:
            key, who = keys[number % 2], ("alpha", "beta")[number % 2]
            turn = number // 4
            if number % 4 < 2:
                traits = {"email": "same@example.com", f"of_{who}": turn}
                return server.post("/segment", {"type": "identify", "userId": "same", "messageId": f"i{turn}", "traits": traits}, key)
            return server.post("/v1/track", _conversion(f"order {turn}", messageId=f"m{turn}", userId="same"), key)

        assert {answer.status for answer in _at_once(CLIENTS, send)} == {200}
        numbers = [number for (number,) in rows(data, "SELECT number FROM account WHERE id IN ('alpha', 'beta') ORDER BY id")]
        assert len(numbers) == 2
        for number in numbers:
            counted = rows(data, "SELECT count(*), sum(duplicate_of IS NOT NULL) FROM event WHERE account_id = ?", (number,))
            assert counted == [(CLIENTS // 2, 0)]
        with Store(data, readonly=True) as store:
            for number, who, other in zip(numbers, ("alpha", "beta"), ("beta", "alpha"), strict=True):
                (id, doc), = store.database.read("SELECT id, doc FROM profile WHERE account_id = ?", (number,))  # fmt: skip
                data_key = store.keys.key(id)
                assert data_key is not None
                profile = store.sealer.open_profile(data_key, doc)
                assert f"of_{who}" in profile.parameters
                assert f"of_{other}" not in profile.parameters
                assert {account for (account,) in store.database.read("SELECT account_id FROM event WHERE profile_id = ?", (id,))} == {
                    number
                }
        assert server.post("/segment", {"userId": "same"}, keys[0]).status == 200  # one brand deletes its own
        assert rows(data, "SELECT account_id FROM profile") == [(numbers[1],)]
        assert server.post("/segment", _conversion("order 99", userId="same", messageId="m99"), keys[1]).json["eventId"]
        browser = make_key(data, Scope.INGEST, account="alpha")
        assert server.post("/segment", {"userId": "same"}, browser).status == 403
    with Store(data) as store:
        assert problems(store) == []


def test_a_client_that_hangs_up_early_is_stored_once_when_it_comes_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = make_key(data)
    with Server(data) as server:
        for number in range(40):
            body = json.dumps(_conversion(f"order {number}", messageId=f"m{number}")).encode()
            head = (
                f"POST /segment HTTP/1.1\r\nHost: a\r\nAuthorization: {basic(key)['Authorization']}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            server.raw(head.encode() + body, timeout_s=0.0001)
            assert server.post("/segment", body, key).status == 200
        assert rows(data, "SELECT count(*) FROM event") == [(40,)]
